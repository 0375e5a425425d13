// Finding added tokens (`<end_of_sentence>` and the like) in a text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fulgur {

struct AddedToken {
  std::string content;  // an empty one is never found
  int32_t id = 0;
  bool single_word = false;             // only where no letter, digit or _ stands beside it
  bool lstrip = false, rstrip = false;  // the white space before it, behind it, is part of it
};

// Among strings that start at the same place the longest is found, and searching goes on behind it.
class AddedTokenMatcher {
 public:
  void Add(AddedToken token);
  bool empty() const { return tokens_.empty(); }

  // Calls f(part, token) for the tokens in `text` and, with null, for the stretches between them, in order; no part is
  // empty. Tokens count only where may(begin, end) says so of their bytes.
  template <typename May, typename F>
  void ForEachPart(std::string_view text, const May& may, const F& f) const {
    size_t begin = 0, pos = 0;
    while (pos < text.size()) {
      const AddedToken* token = empty() ? nullptr : At(text, pos, may);
      if (token == nullptr) {
        ++pos;
        continue;
      }
      size_t start = pos, stop = pos += token->content.size();
      if (token->single_word && !StandsAlone(text, start, stop)) continue;
      if (token->lstrip) start = WithSpaceBefore(text, begin, start);
      if (token->rstrip) pos = stop = WithSpaceBehind(text, stop);
      if (start > begin) f(text.substr(begin, start - begin), nullptr);
      f(text.substr(start, stop - start), token);
      begin = stop;
    }
    if (begin < text.size()) f(text.substr(begin), nullptr);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  template <typename May>
  const AddedToken* At(std::string_view text, size_t pos, const May& may) const {
    for (const size_t length : lengths_[static_cast<uint8_t>(text[pos])]) {
      if (length > text.size() - pos) continue;
      const auto it = tokens_.find(text.substr(pos, length));
      if (it != tokens_.end() && may(pos, pos + length)) return &it->second;
    }
    return nullptr;
  }
  static bool StandsAlone(std::string_view text, size_t start, size_t stop);
  static size_t WithSpaceBefore(std::string_view text, size_t begin, size_t start);
  static size_t WithSpaceBehind(std::string_view text, size_t stop);

  std::unordered_map<std::string, AddedToken, Hash, std::equal_to<>> tokens_;
  std::array<std::vector<size_t>, 256> lengths_;  // [first byte]: lengths of the tokens that start so, longest first
};

}  // namespace fulgur
