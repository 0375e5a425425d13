// Records of a benchmark's file, as people download it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

// JSON lines, a JSON list of objects, or CSV (RFC 4180; the first line names the fields), by what the file holds. Error
// that names the file, the record and what is wrong with it. Packed files and formats that are refused:
// base/data_file.h.
class BenchmarkFile {
 public:
  explicit BenchmarkFile(const std::filesystem::path& path);
  size_t size() const { return records_.size(); }
  const Json& operator[](size_t i) const { return records_[i]; }
  std::string Where(size_t i) const;  // "FILE, record N"

  // The field under the first of these names that record i has: its text (a number as it is written), or Error.
  std::string Text(size_t i, std::initializer_list<const char*> names) const;
  std::string TextOr(size_t i, std::initializer_list<const char*> names, const std::string& fallback) const;
  std::vector<std::string> Texts(size_t i, const char* name) const;
  // A field that is an object or list, or the JSON text of one.
  Json Value(size_t i, const char* name) const;
  // A field that is a conversation: a list of {"role", "content"}, both texts, the last of them the user's.
  Json Messages(size_t i, const char* name) const;

 private:
  std::string path_;
  std::vector<Json> records_;
};

}  // namespace fulgur
