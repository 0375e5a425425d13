// A look at all records of a run's files before it starts: what cannot be read is found now and not at step 46, and
// what will be left out is said.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "train/data.h"

namespace fulgur {

// Of a source of chats or instances.
struct SourceCheck {
  std::string name;
  std::vector<int64_t> lengths;  // tokens of each record, in ascending order
  std::set<std::string> unread;  // fields of records and messages that Fulgur does not know
  uint64_t TooLong(int64_t max_length) const;
  // What is left out and what would be needed, and fields that are not read; empty if there is nothing to say.
  std::vector<std::string> Notes(int64_t max_length) const;
};

// Encodes every record of the mixture's files of chats and instances (the reader has checked those of texts). Error
// that names the source, the file and the line of the first that cannot be. A source whose weight is 0 is not looked
// at.
std::vector<SourceCheck> CheckRecords(const Mixture& mixture, const RecordEncoder& encoder, ThreadPool& pool);

}  // namespace fulgur
