// Files of JSON lines.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace fulgur {

// A JSON-lines file, mapped. Every line that is not blank is an object.
class JsonLines {
 public:
  // Checks every line: Error that names the file and the line for bad JSON, or a line that has no `key` (empty: any).
  JsonLines(const std::filesystem::path& path, const std::string& key);
  size_t size() const { return lines_.size(); }
  Json Get(size_t i) const;
  std::string Where(size_t i) const;  // "FILE, line N", for errors

 private:
  MappedFile file_;
  struct Line {
    size_t begin, end, number;
  };
  std::vector<Line> lines_;
};

}  // namespace fulgur
