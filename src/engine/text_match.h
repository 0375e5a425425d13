// Finding fixed strings in text that arrives in pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

// Follows how much of one string the end of the text spells (Knuth, Morris and Pratt 1977): constant memory, amortised
// constant time a byte.
class LiteralMatcher {
 public:
  explicit LiteralMatcher(std::string literal);
  // True if the literal ends at this byte.
  bool Push(char byte);
  // Length of the longest proper prefix of the literal that the text so far ends in.
  size_t partial() const { return matched_; }
  const std::string& literal() const { return literal_; }

 private:
  std::string literal_;
  std::vector<size_t> fallback_;  // fallback_[i]: longest proper border of the first i + 1 bytes
  size_t matched_ = 0;
};

// Releases text up to a stop string. What may be the beginning of one is held back until it is decided. If several stop
// strings occur, the one that ends first counts, of those that end together the longest.
class StopStrings {
 public:
  // Throws Error for an empty string.
  explicit StopStrings(const std::vector<std::string>& strings);
  // Text that is certain not to belong to a stop string; nothing once stopped().
  std::string Push(std::string_view text);
  // The end of the text: what was held back.
  std::string Flush();
  size_t held() const { return held_.size(); }  // bytes held back
  bool stopped() const { return stopped_ >= 0; }
  const std::string& stop_string() const { return matchers_[static_cast<size_t>(stopped_)].literal(); }

 private:
  std::vector<LiteralMatcher> matchers_;
  std::string held_;
  int64_t stopped_ = -1;
};

}  // namespace fulgur
