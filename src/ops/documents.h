// Documents packed into a batch, for backward passes of attention.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fulgur {

// Rows [first, first + rows) of the batch. A document may continue an earlier one: then it sees all of that one's rows
// before its own, as the responses to one prompt do. The one that is continued continues none itself.
struct DocumentRows {
  int64_t first, rows;
  int64_t prefix = -1;  // index of the document that this one continues; -1: none
};

// Documents one after the other that continue none: first row of each, then the number of all rows.
inline std::vector<DocumentRows> DocumentsAt(std::span<const int64_t> starts) {
  std::vector<DocumentRows> documents;
  for (size_t d = 0; d + 1 < starts.size(); ++d) documents.push_back({starts[d], starts[d + 1] - starts[d]});
  return documents;
}

// Rows that a document sees before its own.
inline int64_t PrefixRows(std::span<const DocumentRows> documents, const DocumentRows& d) {
  return d.prefix < 0 ? 0 : documents[static_cast<size_t>(d.prefix)].rows;
}

// The documents that continue document d.
inline std::vector<int64_t> Continuations(std::span<const DocumentRows> documents, int64_t d) {
  std::vector<int64_t> found;
  for (size_t i = static_cast<size_t>(d) + 1; i < documents.size(); ++i) {
    if (documents[i].prefix == d) found.push_back(static_cast<int64_t>(i));
  }
  return found;
}

}  // namespace fulgur
