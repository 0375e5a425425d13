// What tokenization needs of Unicode 16: UTF-8, general categories, White_Space, sets of code points.
//
// The tables are our own and not the regular expression library's: PCRE2 10.42 (Debian 12) classifies by Unicode 14,
// later releases by 15 and 16, and a tokenizer must give the same ids everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace fulgur {

// The general categories, in the order unicode_categories.cc uses.
enum class Category : uint8_t {
  // clang-format off
  Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, No, Pc, Pd, Ps, Pe, Pi, Pf, Po, Sm, Sc, Sk, So, Zs, Zl, Zp, Cc, Cf, Cs, Co, Cn
  // clang-format on
};

// Runs of code points of one category, ascending: (first code point << 5) | category. The first run starts at 0, and
// each ends where the next one starts.
extern const std::span<const uint32_t> kCategoryRuns;

inline constexpr char32_t kCodePoints = 0x110000;

// A set of code points: ranges [first, second), ascending and apart from each other once Normalize() has run.
class CodePointSet {
 public:
  void Add(char32_t begin, char32_t end) { ranges_.emplace_back(begin, end); }
  void Add(const CodePointSet& other) { ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end()); }
  void Normalize();
  CodePointSet Complement() const;  // of a normalized set
  bool Contains(char32_t c) const;  // likewise
  bool empty() const { return ranges_.empty(); }
  const std::vector<std::pair<char32_t, char32_t>>& ranges() const { return ranges_; }
  bool operator==(const CodePointSet&) const = default;

  // "Lu" (a category), "L" (all categories that start so), "Any"; nullopt for a name that is none of these. Normalized.
  static std::optional<CodePointSet> OfCategory(std::string_view name);
  static const CodePointSet& WhiteSpace();

 private:
  std::vector<std::pair<char32_t, char32_t>> ranges_;
};

// Calls f(part, valid) for the maximal parts of `text` that are valid UTF-8 and for what lies between them, in order.
template <typename F>
void ForEachUtf8Run(std::string_view text, F f) {
  while (!text.empty()) {
    const size_t valid = ValidUtf8Prefix(text);
    if (valid > 0) f(text.substr(0, valid), true);
    text.remove_prefix(valid);
    size_t invalid = 0;
    while (invalid < text.size()) {
      const Utf8Step step = DecodeUtf8(text.substr(invalid));
      if (step.kind == Utf8Step::kCharacter) break;
      invalid += step.length;
    }
    if (invalid > 0) f(text.substr(0, invalid), false);
    text.remove_prefix(invalid);
  }
}

// Moves what is decided from the front of *bytes to *text: characters as they are, U+FFFD for each maximal invalid
// part. The beginning of a character stays in *bytes, unless `final`: then it is an invalid part too.
void DrainUtf8(std::string* bytes, bool final, std::string* text);

}  // namespace fulgur
