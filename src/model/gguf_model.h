// Models of this architecture as GGUF files: llama.cpp's `minimax-01`. Keys and names of tensors are those of its
// converter (https://github.com/ggml-org/llama.cpp, conversion/minimax.py, and gguf-py's constants). The tokenizer in
// such a file belongs to text/gguf_tokenizer.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "tensor/gguf.h"

namespace fulgur {

// The config that the metadata and tensors of `file` describe. An Error names the file, the key, and what was expected:
// another architecture, a missing key, numbers that do not fit the tensors.
ModelConfig ConfigFromGguf(const GgufFile& file);

// Rows of one parameter of a checkpoint: a tensor, or the part of one that is an expert's. `blocks` are those of all
// rows.
struct GgufRows {
  std::string tensor;  // its name in the file
  GgufType type;
  Shape shape;
  std::span<const std::byte> blocks;
  // Rows [first, first + count) (elements of a vector are one row): as stored if the type is F32, F16 or BF16, else
  // decoded to F32.
  Tensor Rows(int64_t first, int64_t count) const;
  std::span<const std::byte> Blocks(int64_t first, int64_t count) const;  // the same rows as they are stored
};
// Parameter `name` (of VisitParameters) with this shape; an Error names the file and the tensor if it is missing or has
// another shape. A file without `output` has the embedding for its LM head.
GgufRows RowsFromGguf(const GgufFile& file, const std::string& name, const Shape& shape);

// Writes the model of folder `source` to the file `out`, a tensor at a time. Matrices become `type` (kF32, kF16 or
// kQ8_0; those whose rows are not whole blocks become kF16); norms and routers stay float32. `metadata` (the tokenizer)
// goes in after the architecture's own. Throws Error for a model that the format has no keys for (a shared expert,
// residual factors that differ, pre-norm residuals), and for packed weights.
struct GgufOptions {
  GgufType type = GgufType::kF16;
  std::vector<std::pair<std::string, Json>> metadata;
  std::function<void(int64_t written, int64_t total)> progress;  // bytes of tensors; may be empty
};
void WriteGguf(const std::filesystem::path& source, const std::filesystem::path& out, const GgufOptions& options);

}  // namespace fulgur
