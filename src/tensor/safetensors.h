// The safetensors format: 8-byte little-endian header length, a JSON header, raw row-major data.
// https://github.com/huggingface/safetensors describes it; tests hold the details.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace fulgur {

using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// Maps the file; the tensors view the map and keep it alive, nothing is copied (a tensor whose data is not aligned to
// its element size is). Everything in the header is checked against the file: an Error names the file, the tensor, what
// was expected and what was found (length beyond the file, bad JSON, unknown dtype, negative or overflowing shape,
// offsets that do not match the shape, that overlap, that leave holes, or that run past the end).
TensorMap ReadSafetensors(const std::filesystem::path& path, Metadata* metadata = nullptr);

// The same for a file's content in memory, which `owner` keeps alive; Errors call it `where`.
TensorMap ParseSafetensors(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const std::string& where, Metadata* metadata = nullptr);

// Writes atomically: header padded with spaces so that data begins at a multiple of 64, tensors in the order given.
void WriteSafetensors(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const Metadata& metadata = {});

// The same for tensors that do not fit in memory together: the header first, then the data piece by piece, in the order
// of `entries` without gaps. Nothing appears at `path` without Commit().
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    size_t bytes() const { return static_cast<size_t>(NumElements(shape)) * DTypeSize(dtype); }
  };
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<Entry>& entries, const Metadata& metadata);
  void Write(const void* data, size_t bytes);
  void Commit();  // all data must have been written

 private:
  AtomicFile file_;
  size_t remaining_ = 0;
};

}  // namespace fulgur
