// GGUF files: metadata and tensors in one file or in several. The format is described at
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; version 2 and 3 are read, 3 is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tensor/gguf_blocks.h"
#include "tensor/tensor.h"

namespace fulgur {

// A value of a key as messages show it: its beginning, also where it is not UTF-8.
std::string GgufValueText(const Json& value);

struct GgufTensor {
  GgufType type = GgufType::kF32;
  Shape shape;                        // row-major, the fastest dimension last (a file has them the other way round)
  std::span<const std::byte> blocks;  // in the mapped file
};

// The metadata and tensors of a file, or of all files of a split one (NAME-00001-of-000NN.gguf), mapped.
class GgufFile {
 public:
  // `path`: the file, or the first of a split. Everything is checked against the files: an Error names the file, the
  // key or tensor, the offset, and what was expected and found.
  explicit GgufFile(const std::filesystem::path& path);
  // A single file in memory; Errors call it `where`.
  GgufFile(std::span<const std::byte> bytes, const std::string& where);

  const std::string& where() const { return where_; }
  size_t files() const { return files_.size(); }  // mapped ones
  // Keys with their values; of a split file, those of the first.
  const std::map<std::string, Json>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

 private:
  void Parse(std::span<const std::byte> bytes, const std::string& where, int64_t part, int64_t parts);

  std::string where_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::map<std::string, Json> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

// Writes a file of version 3, atomically: the header first, then the tensors' data piece by piece in the order of
// `tensors`. Nothing appears at `path` without Commit().
class GgufWriter {
 public:
  struct Entry {
    std::string name;
    GgufType type;
    Shape shape;
    size_t bytes() const;
  };
  // Metadata in the order given. Integers become uint32 (those below 0 or above 2^32: int64), numbers float32, lists of
  // integers lists of int32. Every list has members of one kind, and at least one.
  GgufWriter(const std::filesystem::path& path, const std::vector<std::pair<std::string, Json>>& metadata,
             const std::vector<Entry>& tensors);
  void Write(std::span<const std::byte> data);
  void Commit();  // all data must have been written

 private:
  void Pad();

  AtomicFile file_;
  std::vector<size_t> sizes_;  // of the tensors
  size_t current_ = 0, written_ = 0;
};

}  // namespace fulgur
