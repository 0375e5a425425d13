// What memory a model needs, by context length.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "ops/kv_cache.h"

namespace fulgur {

// Bytes, for one sequence of `context` tokens. Lightning layers take the same whatever the context; only softmax layers
// keep keys and values per token, in blocks of kBlock (64) tokens.
struct MemoryPlan {
  int64_t context = 0;
  int64_t lightning_state = 0;  // [H, D, D] float32 a layer
  int64_t lightning_chunk = 0;  // keys and values of the running chunk of 64 tokens, float32
  int64_t kv_cache = 0;         // 2 K D numbers a token and softmax layer, whole blocks (KvLayout)
  int64_t activations = 0;      // about: buffers of a forward pass over `rows` tokens

  int64_t total() const { return lightning_state + lightning_chunk + kv_cache + activations; }  // beside the weights
};

// rows: tokens in one forward pass, 512 when a prompt is taken in.
MemoryPlan PlanMemory(const ModelConfig& config, int64_t context, KvFormat kv_format = KvFormat::kF32,
                      int64_t rows = 512);

}  // namespace fulgur
