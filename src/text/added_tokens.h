// Finding added tokens (`<end_of_sentence>` and the like) in a text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace fulgur {

// Among strings that start at the same place the longest is found, and searching goes on behind it.
class AddedTokenMatcher {
 public:
  void Add(std::string_view token);  // an empty one is ignored
  bool empty() const { return tokens_.empty(); }

  // Calls f(part, is_token) for the tokens in `text` and the stretches between them, in order; no part is empty.
  template <typename F>
  void ForEachPart(std::string_view text, F f) const {
    size_t begin = 0, pos = 0;
    while (pos < text.size()) {
      const size_t length = empty() ? 0 : LengthAt(text.substr(pos));
      if (length == 0) {
        ++pos;
        continue;
      }
      if (pos > begin) f(text.substr(begin, pos - begin), false);
      f(text.substr(pos, length), true);
      begin = pos += length;
    }
    if (begin < text.size()) f(text.substr(begin), false);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  size_t LengthAt(std::string_view text) const {
    for (const size_t length : lengths_[static_cast<uint8_t>(text[0])]) {
      if (length <= text.size() && tokens_.find(text.substr(0, length)) != tokens_.end()) return length;
    }
    return 0;
  }

  std::unordered_set<std::string, Hash, std::equal_to<>> tokens_;
  std::array<std::vector<size_t>, 256> lengths_;  // [first byte]: lengths of the tokens that start so, longest first
};

}  // namespace fulgur
