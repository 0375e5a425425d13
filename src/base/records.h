// Records of data: a line of JSON, or a text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/data_file.h"
#include "base/json.h"

namespace fulgur {

// The records of one file or many (DataFiles). Every line of JSON lines that is not blank is an object. A plain text is
// {"text": ...}; a long one is several, cut after a blank line where there is one.
class Records {
 public:
  static constexpr size_t kMostText = size_t{1} << 16;  // bytes of a text

  // Checks everything: Error that names the file and the line for bad JSON, for a line that has no `key` (empty: any),
  // and for a "text" that is no string; and Errors as DataFile and DataFiles.
  Records(const std::filesystem::path& path, const std::string& key);
  size_t size() const { return records_.size(); }
  Json Get(size_t i) const;
  std::string Where(size_t i) const;  // "FILE, line N", for errors

 private:
  void AddLines(size_t file, const std::string& key);
  void AddTexts(size_t file, const std::string& key);

  std::vector<std::unique_ptr<DataFile>> files_;
  struct Record {
    size_t file, begin, end, line;
  };
  std::vector<Record> records_;
};

// The first record, without a look at the others.
Json FirstRecord(const std::filesystem::path& path);

}  // namespace fulgur
