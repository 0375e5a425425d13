// What memory a model needs, by context length.
#pragma once

#include <cstdint>

#include "model/config.h"

namespace fulgur {

// Bytes, for one sequence of `context` tokens. Lightning layers take the same whatever the context; only softmax layers
// keep keys and values per token, in float32, in blocks of kBlock (64) tokens.
struct MemoryPlan {
  int64_t context = 0;
  int64_t lightning_state = 0;  // [H, D, D] float32 a layer
  int64_t lightning_chunk = 0;  // keys and values of the running chunk of 64 tokens, float32
  int64_t kv_cache = 0;         // 2 K D float32 a token and softmax layer, whole blocks
  int64_t kv_cache_bf16 = 0;    // what it would be in bfloat16, for comparison with other engines
  int64_t activations = 0;      // about: buffers of a forward pass over `rows` tokens

  int64_t total() const { return lightning_state + lightning_chunk + kv_cache + activations; }  // beside the weights
};

// rows: tokens in one forward pass, 512 when a prompt is taken in.
MemoryPlan PlanMemory(const ModelConfig& config, int64_t context, int64_t rows = 512);

}  // namespace fulgur
