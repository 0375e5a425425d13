// What a pass through the model costs: arithmetic, and bytes that have to be read.
#pragma once

#include <cstdint>
#include <span>

#include "model/config.h"
#include "model/params.h"
#include "ops/documents.h"
#include "ops/kv_cache.h"

namespace fulgur {

// Floating-point operations (a multiply-add is 2) of a forward pass over tokens [first, first + count) of a sequence:
//   2 per active parameter and token (no embedding: CountParameters), and per token of attention with width HD
//   softmax layer:   4 HD for each token it sees (scores and weighted values),
//   lightning layer: 4 HD for each token of its block of kBlock up to itself, and 4 HD D for the state (read, update).
double ForwardFlops(const ModelConfig& config, int64_t first, int64_t count);

// Arithmetic of forward and backward (three times ForwardFlops) on these documents (TokenBatch).
// Recomputation does not count.
double TrainingFlops(const ModelConfig& config, std::span<const DocumentRows> documents);

// Bytes that one decoding step reads at least once, as they lie in memory. `experts`: how many experts have a token, of
// all layers together (k a layer for one sequence). `batch` sequences of `length` tokens each, with a KV cache of
// kv_format.
struct DecodeBytes {
  double weights = 0;  // attention, norms, routers, shared experts, LM head, and those experts
  double state = 0;    // lightning state and running chunk, KV cache
  double total() const { return weights + state; }
};
DecodeBytes BytesOfDecoding(const ModelConfig& config, const Params& params, int64_t experts, int64_t batch,
                            int64_t length, KvFormat kv_format = KvFormat::kF32);

}  // namespace fulgur
