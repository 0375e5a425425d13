// Lightning attention (MiniMax-01 report, arXiv 2501.08313, section 2.2; "Lightning Attention-2", arXiv 2401.04658):
// per head with decay lambda = exp(-s),
//   M_t = lambda M_{t-1} + k_t^T v_t,   o_t = q_t M_t        (q, k, v already passed through SiLU)
// computed in chunks at absolute positions [64 n, 64 n + 64). With i the offset in the chunk and M the state at its
// start:
//   o_i = lambda^(i+1) q_i M + sum_{j <= i} lambda^(i-j) (q_i . k_j) v_j
//   M'  = lambda^64 M + sum_j lambda^(63-j) k_j^T v_j
// A row adds the terms of M first (in order of the key dimension), then those of j = 0..i. Nothing depends on how many
// rows come at once, so decoding is the next row of the running chunk, with the bits of prefill.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/documents.h"
#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

inline constexpr int64_t kLightningChunk = 64;

// Powers of each head's lambda. slopes: s of each head.
struct LightningDecay {
  explicit LightningDecay(std::span<const double> slopes);
  // lambda^n for n = 0..64.
  const float* head(int64_t h) const { return powers.data() + h * kStride; }
  // lambda^(63 - n) for n = 0..63: decay of a chunk's keys at its end, and from n = 63 - i on that of the keys that row
  // i sees.
  const float* reversed(int64_t h) const { return head(h) + kLightningChunk + 1; }

  static constexpr int64_t kStride = 2 * kLightningChunk + 1;
  std::vector<float> powers;  // [H, 129]
};

// New rows of one sequence, and what it remembers.
struct LightningSegment {
  ConstMatrixView qkv;  // [rows, H * 3 * D]: q, k, v of each head
  MatrixView out;       // [rows, H * D]
  int64_t position;     // tokens before these rows
  int64_t chunk_start;  // tokens that `state` has taken in; position - chunk_start <= 64 rows are in k and v
  float* state;         // [H, D, D] key dim, value dim
  float* k;             // [H, D, 64] keys of the running chunk, transposed
  float* v;             // [H, 64, D]
};

// Computes `out` and brings state, k and v up to date; afterwards the caller's chunk_start is that of the last row,
// (position + rows - 1) / 64 * 64.
void LightningAttention(std::span<const LightningSegment> segments, int64_t heads, int64_t head_dim,
                        const LightningDecay& decay, ExecContext& exec);

// Gradient for whole documents, each starting from an empty state or continuing another document. qkv [T, H * 3 * D],
// dout [T, H * D] -> dqkv (overwritten).
void LightningAttentionBackward(ConstMatrixView qkv, ConstMatrixView dout, std::span<const DocumentRows> documents,
                                int64_t heads, const LightningDecay& decay, MatrixView dqkv, ExecContext& exec);

}  // namespace fulgur
