#include "ops/softmax_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ops/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/softmax_attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention-inl.h"
#include "ops/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kB = kKvBlock;

HWY_INLINE float ExpScalar(float x) { return hn::GetLane(Exp(hn::Set(FloatTag(), x))); }

// Rows [row0, row1) of a segment, all in one block of positions, for the query heads of one kv head.
void ForwardTile(const SoftmaxSegment& s, int64_t heads, int64_t kv_heads, int64_t d, int64_t kv, int64_t row0,
                 int64_t row1) {
  const int64_t group = heads / kv_heads, rows = row1 - row0, m = rows * group;  // tile row = row * group + head
  static thread_local std::vector<float> scratch;
  scratch.resize(static_cast<size_t>(m * (2 * d + kB + 2)));
  float* const q = scratch.data();     // [m, D]
  float* const out = q + m * d;        // [m, D]
  float* const scores = out + m * d;   // [m, 64]
  float* const max = scores + m * kB;  // [m]
  float* const sum = max + m;          // [m]
  for (int64_t i = 0; i < rows; ++i) {
    std::memcpy(q + i * group * d, s.q + ((row0 + i) * heads + kv * group) * d,
                static_cast<size_t>(group * d) * sizeof(float));
  }
  std::fill(out, out + m * d, 0.0f);
  std::fill(max, max + m, -std::numeric_limits<float>::infinity());
  std::fill(sum, sum + m, 0.0f);

  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  const int64_t first = s.position + row0, own_block = first / kB;
  for (int64_t b = 0; b <= own_block; ++b) {
    const float* k = s.blocks[static_cast<size_t>(b)].k + kv * d * kB;
    const float* v = s.blocks[static_cast<size_t>(b)].v + kv * kB * d;
    GemmSerial({m, kB, d, q, d, 1, k, kB, scores, kB});
    for (int64_t i = 0; i < m; ++i) {
      float* row = scores + i * kB;
      Scale(row, kB, scale);
      const int64_t visible = b < own_block ? kB : first % kB + i / group + 1;
      std::fill(row + visible, row + kB, -std::numeric_limits<float>::infinity());
      const float old_max = max[i], new_max = std::max(old_max, MaxRow(row, kB));
      const float correction = b == 0 ? 0.0f : ExpScalar(old_max - new_max);
      max[i] = new_max;
      sum[i] = sum[i] * correction + ExpRow(row, kB, new_max, row);
      Scale(out + i * d, d, correction);
      if (b == own_block) AddWeightedRows(row, visible, v, d, out + i * d, d);
    }
    if (b < own_block) GemmSerial({m, d, kB, scores, kB, 1, v, d, out, d, true});
  }
  for (int64_t i = 0; i < m; ++i) {
    const int64_t row = row0 + i / group, head = kv * group + i % group;
    Scale(out + i * d, d, 1.0f / sum[i]);
    std::memcpy(s.out + (row * heads + head) * d, out + i * d, static_cast<size_t>(d) * sizeof(float));
    if (s.lse != nullptr) s.lse[row * heads + head] = max[i] + std::log(sum[i]);
  }
}

// Gradient of one document for one kv head. All pointers are at the document's first row.
void BackwardHead(const SoftmaxBackwardArgs& a, int64_t rows, int64_t heads, int64_t kv_heads, int64_t d, int64_t kv) {
  const int64_t group = heads / kv_heads, q_stride = heads * d, kv_stride = kv_heads * d;
  static thread_local std::vector<float> scratch;
  scratch.resize(static_cast<size_t>(2 * d * kB + 2 * kB * kB + kB));
  float* const kt = scratch.data();   // [D, 64]
  float* const vt = kt + d * kB;      // [D, 64]
  float* const p = vt + d * kB;       // [64, 64] probabilities
  float* const ds = p + kB * kB;      // [64, 64] gradient of the scores
  float* const delta = ds + kB * kB;  // [64] dout . out
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  const float* k = a.k + kv * d;
  const float* v = a.v + kv * d;
  for (int64_t j = 0; j < rows; ++j) {
    std::fill_n(a.dk + j * kv_stride + kv * d, d, 0.0f);
    std::fill_n(a.dv + j * kv_stride + kv * d, d, 0.0f);
    std::fill_n(a.dq + j * q_stride + kv * group * d, group * d, 0.0f);
  }
  for (int64_t k0 = 0; k0 < rows; k0 += kB) {
    const int64_t kn = std::min(kB, rows - k0);
    Transpose(k + k0 * kv_stride, kv_stride, kn, d, kt, kB);
    Transpose(v + k0 * kv_stride, kv_stride, kn, d, vt, kB);
    for (int64_t g = 0; g < group; ++g) {
      const int64_t head = kv * group + g;
      for (int64_t q0 = k0; q0 < rows; q0 += kB) {
        const int64_t qn = std::min(kB, rows - q0);
        const float* q = a.q + q0 * q_stride + head * d;
        const float* dout = a.dout + q0 * q_stride + head * d;
        const float* out = a.out + q0 * q_stride + head * d;
        GemmSerial({qn, kn, d, q, q_stride, 1, kt, kB, p, kB});
        GemmSerial({qn, kn, d, dout, q_stride, 1, vt, kB, ds, kB});
        for (int64_t i = 0; i < qn; ++i) {
          double dot = 0;
          for (int64_t x = 0; x < d; ++x) dot += static_cast<double>(dout[i * q_stride + x]) * out[i * q_stride + x];
          delta[i] = static_cast<float>(dot);
          float* row = p + i * kB;
          const int64_t visible = std::min(kn, q0 + i - k0 + 1);
          Scale(row, kB, scale);
          std::fill(row + std::max<int64_t>(visible, 0), row + kB, -std::numeric_limits<float>::infinity());
          ExpRow(row, kB, a.lse[(q0 + i) * heads + head], row);
          for (int64_t j = 0; j < kn; ++j) ds[i * kB + j] = row[j] * (ds[i * kB + j] - delta[i]) * scale;
        }
        GemmSerial(
            {qn, d, kn, ds, kB, 1, k + k0 * kv_stride, kv_stride, a.dq + q0 * q_stride + head * d, q_stride, true});
        GemmSerial({kn, d, qn, ds, 1, kB, q, q_stride, a.dk + k0 * kv_stride + kv * d, kv_stride, true});
        GemmSerial({kn, d, qn, p, 1, kB, dout, q_stride, a.dv + k0 * kv_stride + kv * d, kv_stride, true});
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(ForwardTile);
HWY_EXPORT(BackwardHead);

void SoftmaxAttention(std::span<const SoftmaxSegment> segments, int64_t heads, int64_t kv_heads, int64_t head_dim,
                      ThreadPool& pool) {
  // Append keys and values, then cut the rows into tiles that stay within one block of positions.
  constexpr int64_t kQueryRows = 16;  // at most, in a tile
  struct Tile {
    const SoftmaxSegment* segment;
    int64_t row0, row1;
  };
  static thread_local std::vector<Tile> tiles;
  tiles.clear();
  for (const SoftmaxSegment& s : segments) {
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t at = s.position + r, slot = at % kKvBlock;
      const KvBlockView& block = s.blocks[static_cast<size_t>(at / kKvBlock)];
      for (int64_t h = 0; h < kv_heads; ++h) {
        const float* k = s.k + (r * kv_heads + h) * head_dim;
        for (int64_t x = 0; x < head_dim; ++x) block.k[(h * head_dim + x) * kKvBlock + slot] = k[x];
        std::memcpy(block.v + (h * kKvBlock + slot) * head_dim, s.v + (r * kv_heads + h) * head_dim,
                    static_cast<size_t>(head_dim) * sizeof(float));
      }
    }
    for (int64_t r = 0; r < s.rows;) {
      const int64_t to_boundary = kKvBlock - (s.position + r) % kKvBlock;
      const int64_t end = std::min({s.rows, r + kQueryRows, r + to_boundary});
      tiles.push_back({&s, r, end});
      r = end;
    }
  }
  const std::vector<Tile>& work = tiles;
  pool.ParallelFor(static_cast<int64_t>(work.size()) * kv_heads, [&](int64_t task, int) {
    const Tile& t = work[static_cast<size_t>(task / kv_heads)];
    HWY_DYNAMIC_DISPATCH(ForwardTile)(*t.segment, heads, kv_heads, head_dim, task % kv_heads, t.row0, t.row1);
  });
}

void SoftmaxAttentionBackward(const SoftmaxBackwardArgs& args, std::span<const int64_t> starts, int64_t heads,
                              int64_t kv_heads, int64_t head_dim, ThreadPool& pool) {
  const int64_t documents = static_cast<int64_t>(starts.size()) - 1;
  pool.ParallelFor(documents * kv_heads, [&](int64_t task, int) {
    const int64_t doc = task / kv_heads, first = starts[static_cast<size_t>(doc)];
    const int64_t q = first * heads * head_dim, kv = first * kv_heads * head_dim;
    HWY_DYNAMIC_DISPATCH(BackwardHead)
    ({args.q + q, args.k + kv, args.v + kv, args.out + q, args.lse + first * heads, args.dout + q, args.dq + q,
      args.dk + kv, args.dv + kv},
     starts[static_cast<size_t>(doc) + 1] - first, heads, kv_heads, head_dim, task % kv_heads);
  });
}

}  // namespace fulgur
#endif  // HWY_ONCE
