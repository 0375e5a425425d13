#include "ops/elementwise.h"

#include <algorithm>
#include <cmath>

#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

void WeightedSumSerial(float a, const float* x, float b, const float* y, int64_t n, float* out) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto va = hn::Set(d, a), vb = hn::Set(d, b);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::MulAdd(vb, hn::LoadU(d, y + i), hn::Mul(va, hn::LoadU(d, x + i))), d, out + i);
  }
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) {
    hn::StoreU(hn::MulAdd(hn::Set(one, b), hn::LoadU(one, y + i), hn::Mul(hn::Set(one, a), hn::LoadU(one, x + i))), one,
               out + i);
  }
}

void AddScaledSerial(float a, const float* x, int64_t n, float* out) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto va = hn::Set(d, a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::MulAdd(va, hn::LoadU(d, x + i), hn::LoadU(d, out + i)), d, out + i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) {
    hn::StoreU(hn::MulAdd(hn::Set(one, a), hn::LoadU(one, x + i), hn::LoadU(one, out + i)), one, out + i);
  }
}

void ScaleSerial(float a, const float* x, int64_t n, float* out) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto va = hn::Set(d, a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(va, hn::LoadU(d, x + i)), d, out + i);
  for (; i < n; ++i) out[i] = a * x[i];
}

float DotSerial(const float* x, const float* y, int64_t n) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  alignas(64) float sums[16] = {};
  const int64_t whole = n / 16 * 16;
  for (int64_t lane = 0; lane < 16; lane += lanes) {
    auto acc = hn::Zero(d);
    for (int64_t i = lane; i < whole; i += 16) acc = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), acc);
    hn::StoreU(acc, d, sums + lane);
  }
  const hn::CappedTag<float, 1> one;
  for (int64_t i = whole; i < n; ++i) {
    float* lane = sums + i % 16;
    hn::StoreU(hn::MulAdd(hn::LoadU(one, x + i), hn::LoadU(one, y + i), hn::LoadU(one, lane)), one, lane);
  }
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(WeightedSumSerial);
HWY_EXPORT(AddScaledSerial);
HWY_EXPORT(ScaleSerial);
HWY_EXPORT(DotSerial);

void WeightedSum(float a, ConstMatrixView x, float b, ConstMatrixView y, MatrixView out, ExecContext& exec) {
  const auto part = [a, b](int64_t n, const float* px, const float* py, float* to) {
    HWY_DYNAMIC_DISPATCH(WeightedSumSerial)(a, px, b, py, n, to);
  };
  ParallelElements(exec, part, x, y, out);
}

void AddScaled(float a, ConstMatrixView x, MatrixView out, ExecContext& exec) {
  const auto part = [a](int64_t n, const float* from, float* to) { AddScaledRow(a, from, n, to); };
  ParallelElements(exec, part, x, out);
}

void ScaleRow(float a, const float* x, int64_t n, float* out) { HWY_DYNAMIC_DISPATCH(ScaleSerial)(a, x, n, out); }
void AddScaledRow(float a, const float* x, int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(AddScaledSerial)(a, x, n, out);
}
float Dot(const float* x, const float* y, int64_t n) { return HWY_DYNAMIC_DISPATCH(DotSerial)(x, y, n); }

}  // namespace fulgur
#endif  // HWY_ONCE
