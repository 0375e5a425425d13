// How answers to the problems of MATH (Hendrycks et al. 2021) are put into one form before they are compared as texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fulgur {

// \tfrac as \frac, 1/2 as \frac{1}{2}, "x = 5" as "5", no spaces, degrees, percent signs or units. nullopt where the
// official code raises. `slash_raises`: so does "a/b" whose sides are no whole numbers, as in lm-evaluation-harness;
// prm800k leaves it as it is.
std::optional<std::string> NormalizeHendrycks(std::string_view answer, bool slash_raises);

}  // namespace fulgur
