// Compressed JSON lines that survive being cut off: a gzip file of one member a line, which gzip, zcat and Python's
// gzip read as one text. What was written before a crash stays readable; a member that is not complete is dropped.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace fulgur {

class GzipLinesWriter {
 public:
  // Opens `path` for appending after its first `keep` bytes; what follows them is cut off. Makes the folder.
  explicit GzipLinesWriter(const std::filesystem::path& path, int64_t keep = 0);
  ~GzipLinesWriter();
  GzipLinesWriter(const GzipLinesWriter&) = delete;
  GzipLinesWriter& operator=(const GzipLinesWriter&) = delete;

  void Add(const Json& line);  // handed to the operating system when it returns
  void Sync();                 // to the disk

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

// Calls f for every complete line of `path`, in order, until it returns false. Returns the bytes that the lines for
// which it returned true take, from the beginning: the rest is a torn end, or was refused. 0 if there is no such file.
// Lines are at most 1 GiB; bad JSON counts as torn.
int64_t ReadGzipLines(const std::filesystem::path& path, const std::function<bool(const Json& line)>& f);

}  // namespace fulgur
