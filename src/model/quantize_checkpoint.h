// Checkpoints with weights packed for the kernels, in few bits if wanted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "model/activation_statistics.h"
#include "model/weight_recipe.h"
#include "ops/dot_kernels.h"
#include "ops/exec_context.h"
#include "ops/packed_matrix.h"

namespace fulgur {

struct QuantizeOptions {
  // None, of a GGUF source: what is nearest to each matrix' own type.
  std::optional<WeightRecipe> recipe;
  // What errors are weighed by, in formats of 4 bits and fewer; may be nullptr. Has to fit the model.
  const ActivationStatistics* statistics = nullptr;
  int64_t max_shard_bytes = int64_t{4} << 30;
  std::function<void(int64_t written, int64_t total)> progress;  // bytes of tensors; may be empty
};

struct QuantizeReport {
  // Of a GGUF source: root mean square of what packing changed of the file's values, over theirs, of the weights that
  // this run packed anew (a run that goes on has packed fewer); 0 where all keep their bits.
  std::optional<double> error;
};

// Writes the model of `source`, a folder or a GGUF file (the first of a split one), to `out`: experts, shared expert
// and attention projections as options.recipe says; of a GGUF file, what is Q8_0 and becomes q8, or Q4_0 and becomes q4,
// keeps its bits (q8-f16, q4-f16); the LM head packed as it is stored (float32 arithmetic either way);
// embedding, router and norms unchanged; and, from a folder, the files of the tokenizer, chat template and generation
// settings. Starting from such a folder is mapping it. A few MiB of buffers, whatever the size. A run that is cut off
// goes on where it stopped (finished shards are kept). Throws Error for a source that is packed already, a weight that
// is not finite, a model in `out` that is not such a run's (unless overwrite), or source == out.
QuantizeReport QuantizeCheckpoint(const std::filesystem::path& source, const std::filesystem::path& out,
                                  const QuantizeOptions& options, bool overwrite, ExecContext& exec);

}  // namespace fulgur
