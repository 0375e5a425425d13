// How alike two texts are, as Python's difflib.SequenceMatcher measures it: the score of OpenAI-MRCR.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace fulgur {

struct MatchingBlock {
  size_t a, b, size;  // code points
  bool operator==(const MatchingBlock&) const = default;
};

// The blocks that difflib finds (Ratcliff and Obershelp's "gestalt" matching: the longest common block, then the same
// to its left and right), neighbours joined, with an empty one at the end. `autojunk`: code points that make up more
// than 1 % of a `b` of 200 or more do not start a block, which is difflib's default and makes long texts look unlike.
std::vector<MatchingBlock> MatchingBlocks(std::string_view a, std::string_view b, bool autojunk);

// 2 M / T: twice the code points in blocks over those of both texts; 1 for two empty texts.
double SequenceRatio(std::string_view a, std::string_view b, bool autojunk);

}  // namespace fulgur
