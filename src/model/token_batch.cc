#include "model/token_batch.h"

#include <algorithm>

#include "base/error.h"

namespace fulgur {

void TokenBatch::AddDocument(std::span<const int32_t> document, std::span<const uint8_t> counts) {
  FULGUR_CHECK(counts.empty() || counts.size() == document.size());
  if (starts.empty()) starts.push_back(0);
  tokens.insert(tokens.end(), document.begin(), document.end());
  for (size_t t = 0; t < document.size(); ++t) {
    const bool counted = t + 1 < document.size() && (counts.empty() || counts[t + 1] != 0);
    targets.push_back(counted ? document[t + 1] : kIgnore);
  }
  starts.push_back(static_cast<int64_t>(tokens.size()));
}

int64_t TokenBatch::targets_counted() const {
  return static_cast<int64_t>(targets.size()) - std::count(targets.begin(), targets.end(), kIgnore);
}

std::vector<DocumentRows> TokenBatch::documents() const {
  std::vector<DocumentRows> documents = DocumentsAt(starts);
  FULGUR_CHECK(prefixes.empty() || prefixes.size() == documents.size());
  for (size_t d = 0; d < prefixes.size(); ++d) {
    documents[d].prefix = prefixes[d];
    FULGUR_CHECK(prefixes[d] < static_cast<int64_t>(d) &&
                 (prefixes[d] < 0 || prefixes[static_cast<size_t>(prefixes[d])] < 0));
  }
  return documents;
}

}  // namespace fulgur
