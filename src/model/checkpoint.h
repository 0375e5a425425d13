// Checkpoints in the Hugging Face layout: config.json, and model.safetensors or shards named by
// model.safetensors.index.json. Tokenizer files beside them belong to text/.
#pragma once

#include <filesystem>

#include "model/config.h"
#include "model/params.h"

namespace fulgur {

// The parameters of the model in folder `dir`: views of the mapped files, dtypes as stored (F32, F16, BF16, mixed).
// Each tensor is looked up in the file that weight_map names. Throws Error naming file, tensor, what was expected and found, for anything
// missing, extra, mis-shaped, of a dtype that is no float, or named by two shards. transformers' own `minimax` names are accepted too.
Params LoadParams(const std::filesystem::path& dir, const ModelConfig& config);

// Writes config.json and the weights as `dtype` (norms, router and shared coefficient in float32 if dtype is BF16 and keep_small_f32),
// in shards of at most max_shard_bytes, numbered from 00000 with an index if there are several. Everything is
// written under temporary names first; config.json comes last.
struct SaveOptions {
  DType dtype = DType::kF32;
  bool keep_small_f32 = true;
  int64_t max_shard_bytes = int64_t{4} << 30;
};
void SaveCheckpoint(const std::filesystem::path& dir, const ModelConfig& config, Params& params,
                    const SaveOptions& options = {});

// Random weights: normal with config.initializer_range for matrices (residual output projections unscaled, as published),
// ones for norms. Tensor by tensor from (seed, tensor name), so a model with fewer layers shares its first ones.
Params RandomParams(const ModelConfig& config, uint64_t seed, DType dtype = DType::kF32);

// The same, written shard by shard without holding the model in memory (true M1 layers are 11 GB each in float32).
void WriteRandomCheckpoint(const std::filesystem::path& dir, const ModelConfig& config, uint64_t seed,
                           const SaveOptions& options = {});

}  // namespace fulgur
