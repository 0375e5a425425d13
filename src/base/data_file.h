// Files of data as people have them: one, a folder of them, or a glob; packed by gzip or zstd or not.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace fulgur {

// The files that `path` stands for, in the order of their names: itself if it is a file; of a folder, and the folders
// in it, those named .txt, .md, .jsonl, .ndjson or .json, and these with .gz or .zst; or what matches a pattern with *,
// ? or []. Error if there are none, or if one in the folder is of a format that is refused (Parquet).
std::vector<std::filesystem::path> DataFiles(const std::filesystem::path& path);

// What people call the data of a path: the name of the file without its endings, or of the folder; of a pattern the
// folder that it is in.
std::string DataName(const std::filesystem::path& path);

// The text of a file. What is packed is known by its first bytes, whatever its name, and unpacked into memory.
class DataFile {
 public:
  // Error that names the file and what to do: for Parquet and other formats that are no text, for a packed file that is
  // damaged or cut off, and for text that is not UTF-8 (with the line). A byte order mark is left out.
  explicit DataFile(const std::filesystem::path& path);

  std::string_view text() const { return text_; }
  // Whether it is JSON lines rather than plain text: by its name; of other names, if it begins with {.
  bool json_lines() const { return json_lines_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<MappedFile> map_;
  std::string unpacked_;
  std::string_view text_;
  bool json_lines_ = false;
};

}  // namespace fulgur
