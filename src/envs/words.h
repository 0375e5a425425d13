// Common English words of 3 to 7 letters, all different and lowercase, that tasks about words draw from.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

std::span<const std::string_view> CommonWords();

// Whether no two words have the same first `letters` letters.
bool DifferInFirst(const std::vector<std::string>& words, size_t letters);

}  // namespace fulgur
