// The name that a misspelt one was to be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fulgur {

// Letters to insert, leave out, replace, or swap with their neighbour (optimal string alignment).
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate that `name` is likely a misspelling of; empty if none is near. Candidates: any range of strings.
template <typename Names>
std::string Nearest(std::string_view name, const Names& candidates) {
  std::string nearest;
  size_t least = name.size() < 3 ? 0 : name.size() / 4 + 1;  // the most that is near
  for (const auto& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance > least || distance >= std::string_view(candidate).size()) continue;
    if (distance == least && !nearest.empty()) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

// "; did you mean "steps"?", or nothing.
template <typename Names>
std::string DidYouMean(std::string_view name, const Names& candidates) {
  const std::string nearest = Nearest(name, candidates);
  return nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
}

}  // namespace fulgur
