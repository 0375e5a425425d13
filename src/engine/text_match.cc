#include "engine/text_match.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace fulgur {

LiteralMatcher::LiteralMatcher(std::string literal) : literal_(std::move(literal)), fallback_(literal_.size(), 0) {
  FULGUR_CHECK(!literal_.empty());
  for (size_t i = 1, border = 0; i < literal_.size(); ++i) {
    while (border > 0 && literal_[i] != literal_[border]) border = fallback_[border - 1];
    if (literal_[i] == literal_[border]) ++border;
    fallback_[i] = border;
  }
}

bool LiteralMatcher::Push(char byte) {
  while (matched_ > 0 && literal_[matched_] != byte) matched_ = fallback_[matched_ - 1];
  if (literal_[matched_] == byte) ++matched_;
  if (matched_ < literal_.size()) return false;
  matched_ = fallback_.back();
  return true;
}

StopStrings::StopStrings(const std::vector<std::string>& strings) {
  for (const std::string& s : strings) {
    if (s.empty()) throw Error("a stop string is empty; it must have at least one character");
    matchers_.emplace_back(s);
  }
}

std::string StopStrings::Push(std::string_view text) {
  if (stopped()) return {};
  std::string released = std::exchange(held_, {});
  for (char byte : text) {
    released += byte;
    for (size_t i = 0; i < matchers_.size(); ++i) {
      if (matchers_[i].Push(byte) && (!stopped() || matchers_[i].literal().size() > stop_string().size())) {
        stopped_ = static_cast<int64_t>(i);
      }
    }
    if (stopped()) {
      released.resize(released.size() - stop_string().size());
      return released;
    }
  }
  size_t hold = 0;
  for (const LiteralMatcher& m : matchers_) hold = std::max(hold, m.partial());
  held_ = released.substr(released.size() - hold);
  released.resize(released.size() - hold);
  return released;
}

std::string StopStrings::Flush() { return stopped() ? std::string() : std::exchange(held_, {}); }

}  // namespace fulgur
