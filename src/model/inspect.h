// A report on a model: what its config says, which weights are there, and whether the two agree.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "ops/kv_cache.h"

namespace fulgur {

// `model`: a folder with config.json and perhaps weights or only their index, or a config file. Reads headers, no
// weights.
// {
//   "config": path, "model_type", "dims": {key: number}, "layers": {"total", "lightning", "softmax", "pattern"},
//   "parameters": {"total", "active", "embedding", "lm_head"},        active: without embedding and LM head
//   "weights": {"state": "complete", "partial", "index only" or "none",
//               "tensors", "expected_tensors", "files", "missing_files": [names],
//               "bytes": {dtype: n} of the files that are there, "bytes_total": of all weights as far as known,
//               "bytes_total_source": how it is known, "total_size": the index's, "total_size_means": dtypes it fits},
//   "kv_cache": name of the format that the totals count,
//   "memory": [{"context", "lightning_state", "lightning_chunk", "kv_cache_f32", "kv_cache_bf16", "kv_cache_int8",
//               "activations", "weights", "total"}],
//   "problems": [what does not fit together, as text]
// }
// kv_format: of the KV cache in the totals; none: that of Model::usual_kv_format, as far as the dtypes of the weights
// tell.
Json InspectModel(const std::filesystem::path& model, const std::vector<int64_t>& contexts,
                  std::optional<KvFormat> kv_format = std::nullopt);

// The same as text for people, some 30 lines.
std::string InspectionText(const Json& report);

// "(7 lightning, 1 softmax) x 10"
std::string LayerPattern(const std::vector<AttentionKind>& kinds);

}  // namespace fulgur
