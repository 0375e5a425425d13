// The safetensors format: 8-byte little-endian header length, a JSON header, raw row-major data.
// https://github.com/huggingface/safetensors describes it; tests hold the details.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace fulgur {

using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// Maps the file; the tensors view the map and keep it alive, nothing is copied (a tensor whose data is not aligned to its
// element size is). Everything in the header is checked against the file: an Error names the file, the tensor, what was
// expected and what was found (length beyond the file, bad JSON, unknown dtype, negative or overflowing shape, offsets
// that do not match the shape, that overlap, that leave holes, or that run past the end).
TensorMap ReadSafetensors(const std::filesystem::path& path, Metadata* metadata = nullptr);

// Writes atomically: header padded with spaces to a multiple of 8, tensors in the order given.
void WriteSafetensors(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const Metadata& metadata = {});

}  // namespace fulgur
