// Checkpoints in the Hugging Face layout: config.json, and model.safetensors or shards named by
// model.safetensors.index.json. Tokenizer files beside them belong to text/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/config.h"
#include "model/params.h"
#include "tensor/safetensors.h"

namespace fulgur {

// The parameters of the model in folder `dir`: views of the mapped files, dtypes as stored (F32, F16, BF16, mixed).
// Each tensor is looked up in the file that weight_map names. Throws Error naming file, tensor, what was expected and
// found, for anything missing, extra, mis-shaped, of a dtype that is no float, or in two shards.
// - transformers' names for its own `minimax` are accepted too: mlp.gate.weight, and all experts of a layer in
//   mlp.experts.gate_up_proj [E, 2I, C] and mlp.experts.down_proj [E, C, I].
// - A matrix may be there packed, as `fulgur quantize` writes it: see PackedName. It is used where it lies in the map.
// - Tensors that are constants of the architecture are no parameters, and are ignored: see IsDerivedTensor.
// - The index's total_size is not held against the files (tools that convert checkpoints often leave it stale).
Params LoadParams(const std::filesystem::path& dir, const ModelConfig& config);

// Writes config.json and the weights as `dtype` (norms, router and shared coefficient in float32 if dtype is BF16 and
// keep_small_f32), in shards of at most max_shard_bytes of tensors (a larger tensor gets a shard of its own), numbered
// from 00000 with an index if there are several.
// A save that is cut off leaves the old checkpoint, the new one, or a folder without config.json (checkpoint_writer.h).
struct SaveOptions {
  DType dtype = DType::kF32;  // F32 or BF16
  bool keep_small_f32 = true;
  int64_t max_shard_bytes = int64_t{4} << 30;
  std::function<void(int64_t written, int64_t total)> progress;  // bytes of tensors; may be empty
};
void SaveCheckpoint(const std::filesystem::path& dir, const ModelConfig& config, Params& params,
                    const SaveOptions& options = {});

// Random weights: normal with config.initializer_range for matrices (residual output projections unscaled, as
// published), ones for norms. Tensor by tensor from (seed, tensor name), so a model with fewer layers shares its first
// ones. With BF16, norms, router and shared coefficient are F32, as SaveOptions has it.
Params RandomParams(const ModelConfig& config, uint64_t seed, DType dtype = DType::kF32);

// The same bits, written shard by shard without holding the model in memory (true M1 layers are 11 GB each in
// bfloat16): 64 MiB of buffers, whatever the dimensions.
void WriteRandomCheckpoint(const std::filesystem::path& dir, const ModelConfig& config, uint64_t seed,
                           const SaveOptions& options = {});

// model.safetensors.index.json.
struct WeightIndex {
  std::map<std::string, std::string> weight_map;  // tensor -> file, a plain name in the same folder
  std::optional<int64_t> total_size;              // bytes of all tensors
};
inline constexpr const char* kIndexFile = "model.safetensors.index.json";
inline constexpr const char* kSingleFile = "model.safetensors";
inline constexpr const char* kConfigFile = "config.json";
WeightIndex ParseWeightIndex(std::string_view text, const std::string& where);
// Nothing if the folder has no index.
std::optional<WeightIndex> ReadWeightIndex(const std::filesystem::path& dir);

// Name and shape of every parameter, in checkpoint order.
std::vector<std::pair<std::string, Shape>> ExpectedTensors(const ModelConfig& config);

// Name of a packed matrix in a checkpoint: "<name>.q4", U8 [panels, bytes of a panel] (ops/packed_matrix.h). Its own
// shape stands in the metadata of the file, under this name, as "[N, K]".
std::string PackedName(const std::string& name, WeightFormat format);

// Buffers that some tools save with the weights although the config determines them: inverse frequencies of the rotary
// embedding, and the decay tables of transformers' lightning attention.
bool IsDerivedTensor(const std::string& name);

// Norm weights, router and shared coefficient: kept in float32 beside bfloat16 matrices.
bool IsSmallTensor(const std::string& name);

}  // namespace fulgur
