// Log-probabilities of tokens from logits, and their gradient. The engine and the trainer both take log-probabilities
// from here, so the same logits give the same bits.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace fulgur {

// log sum_i exp(logits_i), logits [v].
float LogSumExp(const float* logits, int64_t v);

// log softmax(logits)[target] = (logits_target - max) - log sum_i exp(logits_i - max). 0 <= target < v. -inf logits are
// tokens that cannot come; a NaN or +inf logit gives NaN.
float LogProb(const float* logits, int64_t v, int32_t target);

// Per row: logits [m, v], targets [m] (negative: ignored, 0 is written) -> logprobs [m], and entropies [m] unless null:
// -sum_i p_i log p_i, in nats.
void LogProbs(const float* logits, int64_t m, int64_t v, const int32_t* targets, float* logprobs, float* entropies,
              ThreadPool& pool);

// grad [m] = d loss / d logprobs -> dlogits [m, v] = grad * (onehot(target) - softmax(logits)) (overwrites; may be
// logits). Rows that are ignored or have grad 0 become zeros.
void LogProbsBackward(const float* logits, int64_t m, int64_t v, const int32_t* targets, const float* grad,
                      float* dlogits, ThreadPool& pool);

}  // namespace fulgur
