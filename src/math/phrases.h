// Phrases between formulas that are a part of the mathematics: "(mod 13)", "or about 0.833", "where k is an integer".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fulgur {

// 13 of "(mod 13)", in lower case.
std::optional<std::string> ModulusPhrase(std::string_view lower);

// 0.833 of "(or about 0.833)", in lower case.
std::optional<std::string> RoundedPhrase(std::string_view lower);

// The set that a text says an unknown is from, "is an integer", "for all real numbers": "Z", "N", "Z^+", "R"; "" if
// it only leads to a condition, "for all", "where". lead: it has to begin with a word that leads to one. nullopt for
// anything else.
std::optional<std::string> ConditionText(std::string_view text, bool lead);

}  // namespace fulgur
