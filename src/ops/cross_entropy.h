// Log-probabilities of tokens from logits, and their gradient. The engine and the trainer both take log-probabilities
// from here, so the same logits give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// log sum_i exp(logits_i), logits [v].
float LogSumExp(const float* logits, int64_t v);

// log softmax(logits)[target] = (logits_target - max) - log sum_i exp(logits_i - max). 0 <= target < v. -inf logits are
// tokens that cannot come; a NaN or +inf logit gives NaN.
float LogProb(const float* logits, int64_t v, int32_t target);

// The distribution that a temperature and a filter (top-p) leave: logits [v] times `scale`, the temperature's inverse,
// and -inf for all tokens but `kept`; an empty `kept` leaves all.
void TemperLogits(float* logits, int64_t v, float scale, std::span<const int32_t> kept);

// Per row: logits [m, v], targets [m] (negative: ignored, 0 is written) -> logprobs [m], and entropies [m] unless
// empty: -sum_i p_i log p_i, in nats.
void LogProbs(ConstMatrixView logits, std::span<const int32_t> targets, std::span<float> logprobs,
              std::span<float> entropies, ExecContext& exec);

// grad [m] = d loss / d logprobs -> dlogits [m, v] = grad * (onehot(target) - softmax(logits)) (overwrites; may be
// logits). Rows that are ignored or have grad 0 become zeros.
void LogProbsBackward(ConstMatrixView logits, std::span<const int32_t> targets, std::span<const float> grad,
                      MatrixView dlogits, ExecContext& exec);

}  // namespace fulgur
