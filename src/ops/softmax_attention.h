// Causal softmax attention with grouped keys and values, over a KV cache in blocks at absolute positions
// (ops/kv_cache.h). Query head i uses kv head i / (H / K). Scores q . k / sqrt(D); softmax in float32.
//
// The keys are cut into splits at absolute positions [n kKvSplit, (n + 1) kKvSplit). Within a split the softmax is
// online over blocks in order (the rescaling of Milakov and Gimelshein, arXiv 1805.02867); splits are computed on their
// own and merged in order. So one row of a long sequence can be shared by many threads, and a row's bits depend on what
// is stored of the keys and values it sees, and on nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/documents.h"
#include "ops/exec_context.h"
#include "ops/kv_cache.h"
#include "tensor/matrix_view.h"

namespace fulgur {

inline constexpr int64_t kKvSplit = 1024;  // a merge for each costs a row about as much as one key in it

// New rows of one sequence. Their keys and values are written into the blocks first.
struct SoftmaxSegment {
  ConstMatrixView q;                   // [rows, H * D] after rotary
  ConstMatrixView k;                   // [rows, K * D] after rotary
  ConstMatrixView v;                   // [rows, K * D]
  MatrixView out;                      // [rows, H * D]
  MatrixView lse;                      // [rows, H]: log of the sum of exponentials, for backward; or empty
  int64_t position;                    // tokens before these rows
  std::span<std::byte* const> blocks;  // KvLayout(format, K, D); enough for position + rows tokens
  KvFormat format = KvFormat::kF32;
};

void SoftmaxAttention(std::span<const SoftmaxSegment> segments, int64_t heads, int64_t kv_heads, int64_t head_dim,
                      ExecContext& exec);

// Gradient for whole documents. q, out, dout, dq [T, H * D]; k, v, dk, dv [T, K * D]; lse [T, H]. Overwrites dq, dk,
// dv.
struct SoftmaxBackwardArgs {
  ConstMatrixView q, k, v, out, lse, dout;
  MatrixView dq, dk, dv;
};
void SoftmaxAttentionBackward(const SoftmaxBackwardArgs& args, std::span<const DocumentRows> documents, int64_t heads,
                              int64_t kv_heads, ExecContext& exec);

}  // namespace fulgur
