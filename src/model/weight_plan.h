// What a model's weights would take in other formats: memory, and bytes that a token reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "model/weight_recipe.h"
#include "ops/kv_cache.h"
#include "ops/packed_matrix.h"

namespace fulgur {

// Bytes in memory, packed as quantize_checkpoint.h packs them: matrices of layers as the recipe says, the LM head,
// embedding, routers and norms in bf16.
struct WeightPlan {
  int64_t experts = 0, attention = 0, shared = 0, lm_head = 0, embedding = 0, other = 0;
  int64_t per_token = 0;  // read to decode one token of one sequence: top-k experts a layer, and no embedding
  int64_t total() const { return experts + attention + shared + lm_head + embedding + other; }
};
WeightPlan PlanWeights(const ModelConfig& config, const WeightRecipe& recipe);

// What one wants to know before one gets a machine.
struct PlanQuestion {
  // None: bf16, or with a memory the most precise of RecipesBySize that fits with 128K tokens (or as many as the model
  // has), else the smallest.
  std::optional<NamedRecipe> recipe;
  std::optional<KvFormat> kv_cache;  // none: that of Model::usual_kv_format
  std::optional<double> memory;      // bytes of the machine
  std::optional<double> bandwidth;   // bytes a second that it reads
  std::vector<int64_t> contexts;
};

// {"recipe": its name, "chosen": whether by the memory, "type", "down", "attention", "kv_cache",
//  "error": {"type", "down", "attention"}: TypicalError of each, "weights": {"experts", ..., "total"},
//  "bytes_per_token": of weights,
//  "contexts": [{"context", "state": bytes of one sequence, "total", "bytes_per_token": with the state that is read,
//                "tokens_per_second"?: bandwidth over these, "fits"?}],
//  "memory"?: {"bytes", "system": what is kept for the system, "left": after weights and system, may be negative,
//              "longest_context": of one sequence, 0: none, at most the model's max_position_embeddings where it has
//              one}}.
// Speeds are bounds: what the memory allows a decoding step that does nothing but read.
Json AnswerPlan(const ModelConfig& config, const PlanQuestion& question);
std::string PlanText(const Json& plan);

}  // namespace fulgur
