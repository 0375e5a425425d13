#include "eval/sequence_matcher.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "text/python_text.h"

namespace fulgur {

namespace {

struct Range {
  size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
 public:
  Matcher(std::u32string a, std::u32string b, bool autojunk) : a_(std::move(a)), b_(std::move(b)) {
    for (size_t j = 0; j < b_.size(); ++j) places_[b_[j]].push_back(j);
    if (autojunk && b_.size() >= 200) {
      const size_t most = b_.size() / 100 + 1;
      std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > most; });
    }
    lengths_.resize(b_.size() + 1);
    next_.resize(b_.size() + 1);
  }

  // The longest common block of a range; of equally long ones that which starts first in a, then first in b.
  MatchingBlock Longest(const Range& r) {
    MatchingBlock best{r.a_begin, r.b_begin, 0};
    // lengths_[j + 1]: of the common block that ends with the last code point of `a` and with b_[j].
    std::vector<size_t> set, next_set;
    for (size_t i = r.a_begin; i < r.a_end; ++i) {
      next_set.clear();
      if (const auto places = places_.find(a_[i]); places != places_.end()) {
        const auto first = std::lower_bound(places->second.begin(), places->second.end(), r.b_begin);
        for (auto j = first; j != places->second.end() && *j < r.b_end; ++j) {
          const size_t length = lengths_[*j] + 1;
          next_[*j + 1] = length;
          next_set.push_back(*j + 1);
          if (length > best.size) best = {i + 1 - length, *j + 1 - length, length};
        }
      }
      for (const size_t j : set) lengths_[j] = 0;
      for (const size_t j : next_set) {
        lengths_[j] = next_[j];
        next_[j] = 0;
      }
      set.swap(next_set);
    }
    for (const size_t j : set) lengths_[j] = 0;
    // What autojunk took out does not start a block, but may lengthen one.
    while (best.a > r.a_begin && best.b > r.b_begin && a_[best.a - 1] == b_[best.b - 1]) {
      --best.a;
      --best.b;
      ++best.size;
    }
    while (best.a + best.size < r.a_end && best.b + best.size < r.b_end &&
           a_[best.a + best.size] == b_[best.b + best.size]) {
      ++best.size;
    }
    return best;
  }

  std::vector<MatchingBlock> Blocks() {
    std::vector<Range> open = {{0, a_.size(), 0, b_.size()}};
    std::vector<MatchingBlock> blocks;
    while (!open.empty()) {
      const Range r = open.back();
      open.pop_back();
      const MatchingBlock block = Longest(r);
      if (block.size == 0) continue;
      blocks.push_back(block);
      if (r.a_begin < block.a && r.b_begin < block.b) open.push_back({r.a_begin, block.a, r.b_begin, block.b});
      const size_t a = block.a + block.size, b = block.b + block.size;
      if (a < r.a_end && b < r.b_end) open.push_back({a, r.a_end, b, r.b_end});
    }
    std::sort(blocks.begin(), blocks.end(),
              [](const MatchingBlock& x, const MatchingBlock& y) { return std::pair(x.a, x.b) < std::pair(y.a, y.b); });
    std::vector<MatchingBlock> joined;
    for (const MatchingBlock& block : blocks) {
      if (!joined.empty() && joined.back().a + joined.back().size == block.a &&
          joined.back().b + joined.back().size == block.b) {
        joined.back().size += block.size;
      } else {
        joined.push_back(block);
      }
    }
    joined.push_back({a_.size(), b_.size(), 0});
    return joined;
  }

  size_t total() const { return a_.size() + b_.size(); }

 private:
  std::u32string a_, b_;
  std::unordered_map<char32_t, std::vector<size_t>> places_;  // in b
  std::vector<size_t> lengths_, next_;
};

}  // namespace

std::vector<MatchingBlock> MatchingBlocks(std::string_view a, std::string_view b, bool autojunk) {
  return Matcher(python::CodePoints(a), python::CodePoints(b), autojunk).Blocks();
}

double SequenceRatio(std::string_view a, std::string_view b, bool autojunk) {
  Matcher matcher(python::CodePoints(a), python::CodePoints(b), autojunk);
  if (matcher.total() == 0) return 1;
  size_t matches = 0;
  for (const MatchingBlock& block : matcher.Blocks()) matches += block.size;
  return 2.0 * static_cast<double>(matches) / static_cast<double>(matcher.total());
}

}  // namespace fulgur
