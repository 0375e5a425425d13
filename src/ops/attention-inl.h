// Vector helpers of the attention kernels. Included once per instruction set.
#if defined(FULGUR_OPS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FULGUR_OPS_ATTENTION_INL_H_
#undef FULGUR_OPS_ATTENTION_INL_H_
#else
#define FULGUR_OPS_ATTENTION_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D16 = hn::CappedTag<float, 16>;
using V16 = hn::Vec<D16>;

// The columns from `begin` on that fill groups of kVectors vectors; returns where they end.
template <int kVectors>
HWY_INLINE int64_t WeightedRowVectors(const float* HWY_RESTRICT weights, int64_t rows, const float* HWY_RESTRICT from,
                                      int64_t stride, bool accumulate, int64_t begin, int64_t n,
                                      float* HWY_RESTRICT out) {
  const D16 tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  for (; begin + kVectors * lanes <= n; begin += kVectors * lanes) {
    V16 sum[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[v] = accumulate ? hn::LoadU(tag, out + begin + v * lanes) : hn::Zero(tag);
    const float* row = from + begin;
    for (int64_t j = 0; j < rows; ++j, row += stride) {
      const V16 w = hn::Set(tag, weights[j]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[v] = hn::MulAdd(w, hn::LoadU(tag, row + v * lanes), sum[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], tag, out + begin + v * lanes);
  }
  return begin;
}

// out[0..n) (+)= sum_{j < rows} weights[j] * from[j * stride + 0..n), j in order: the chain of multiply-adds that Gemm
// makes for a row.
HWY_INLINE void WeightedRows(const float* weights, int64_t rows, const float* from, int64_t stride, bool accumulate,
                             int64_t n, float* out) {
  int64_t at = WeightedRowVectors<8>(weights, rows, from, stride, accumulate, 0, n, out);
  at = WeightedRowVectors<4>(weights, rows, from, stride, accumulate, at, n, out);
  at = WeightedRowVectors<2>(weights, rows, from, stride, accumulate, at, n, out);
  at = WeightedRowVectors<1>(weights, rows, from, stride, accumulate, at, n, out);
  const hn::CappedTag<float, 1> one;
  for (; at < n; ++at) {
    auto sum = accumulate ? hn::LoadU(one, out + at) : hn::Zero(one);
    for (int64_t j = 0; j < rows; ++j) {
      sum = hn::MulAdd(hn::Set(one, weights[j]), hn::LoadU(one, from + j * stride + at), sum);
    }
    hn::StoreU(sum, one, out + at);
  }
}

// x[0..n) *= factor.
HWY_INLINE void Scale(float* x, int64_t n, float factor) {
  const D16 tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  const V16 f = hn::Set(tag, factor);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(tag, x + i), f), tag, x + i);
  for (; i < n; ++i) x[i] *= factor;
}

// out[c, r] = in[r, c], by squares of 4.
HWY_INLINE void Transpose(const float* in, int64_t in_stride, int64_t rows, int64_t cols, float* out,
                          int64_t out_stride) {
#if HWY_TARGET == HWY_SCALAR
  const int64_t whole_rows = 0, whole_cols = 0;
#else
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  const int64_t whole_rows = rows / 4 * 4, whole_cols = cols / 4 * 4;
  for (int64_t r = 0; r < whole_rows; r += 4) {
    const float* from = in + r * in_stride;
    for (int64_t c = 0; c < whole_cols; c += 4, from += 4) {
      const auto row0 = hn::LoadU(d, from), row1 = hn::LoadU(d, from + in_stride);
      const auto row2 = hn::LoadU(d, from + 2 * in_stride), row3 = hn::LoadU(d, from + 3 * in_stride);
      const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
      const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
      const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
      const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
      float* to = out + c * out_stride + r;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + out_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * out_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * out_stride);
    }
  }
#endif
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_cols : 0; c < cols; ++c) out[c * out_stride + r] = in[r * in_stride + c];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#endif
