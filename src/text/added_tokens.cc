#include "text/added_tokens.h"

#include <algorithm>
#include <functional>

namespace fulgur {

void AddedTokenMatcher::Add(std::string_view token) {
  if (token.empty()) return;
  tokens_.emplace(token);
  std::vector<size_t>& lengths = lengths_[static_cast<uint8_t>(token[0])];
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), token.size(), std::greater<>());
  if (at == lengths.end() || *at != token.size()) lengths.insert(at, token.size());
}

}  // namespace fulgur
