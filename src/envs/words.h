// Common English words of 3 to 7 letters, all different and lowercase, that tasks about words draw from.
#pragma once

#include <span>
#include <string_view>

namespace fulgur {

std::span<const std::string_view> CommonWords();

}  // namespace fulgur
