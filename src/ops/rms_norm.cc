#include "ops/rms_norm.h"

#include <cmath>

#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rms_norm.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

float RmsNormKernel(const float* x, int64_t n, const float* w, float eps, float* y) {
  const float inv_rms = 1.0f / std::sqrt(DotRow(x, x, n) / static_cast<float>(n) + eps);
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(Mul(load(w), Mul(load(x), Set16(inv_rms))), y); });
  return inv_rms;
}

void RmsNormBackwardKernel(const float* dy, const float* x, float inv_rms, int64_t n, const float* w, float* dx) {
  Row16 sum = Zero16();  // of w dy x
  ForEach16(n, 0.0f, [&](auto load, auto) HWY_ATTR { sum = MulAdd(Mul(load(w), load(dy)), load(x), sum); });
  const Row16 c = Set16(inv_rms * inv_rms * (ReduceSum(sum) / static_cast<float>(n)));
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR {
    store(Mul(Set16(inv_rms), NegMulAdd(load(x), c, Mul(load(w), load(dy)))), dx);
  });
}

// Columns [0, columns) of dy and x, which have row stride n.
void RmsNormWeightKernel(const float* dy, const float* x, const float* inv_rms, int64_t m, int64_t n, int64_t columns,
                         float* dw) {
  HWY_ALIGN float sum[64] = {};
  for (int64_t r = 0; r < m; ++r, dy += n, x += n) {
    const Row16 inv = Set16(inv_rms[r]);
    ForEach16(columns, 0.0f,
              [&](auto load, auto store) HWY_ATTR { store(MulAdd(load(dy), Mul(load(x), inv), load(sum)), sum); });
  }
  ForEach16(columns, 0.0f, [&](auto load, auto store) HWY_ATTR { store(Add(load(dw), load(sum)), dw); });
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(RmsNormKernel);
HWY_EXPORT(RmsNormBackwardKernel);
HWY_EXPORT(RmsNormWeightKernel);

float RmsNormRow(const float* x, int64_t n, const float* w, float eps, float* y) {
  return HWY_DYNAMIC_DISPATCH(RmsNormKernel)(x, n, w, eps, y);
}

void RmsNorm(const float* x, int64_t m, int64_t n, const float* w, float eps, float* y, float* inv_rms,
             ThreadPool& pool) {
  ParallelRows(pool, m, n, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float inv = RmsNormRow(x + r * n, n, w, eps, y + r * n);
      if (inv_rms != nullptr) inv_rms[r] = inv;
    }
  });
}

void RmsNormGradInput(const float* dy, const float* x, const float* inv_rms, int64_t m, int64_t n, const float* w,
                      float* dx, ThreadPool& pool) {
  ParallelRows(pool, m, n, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(RmsNormBackwardKernel)(dy + r * n, x + r * n, inv_rms[r], n, w, dx + r * n);
    }
  });
}

void RmsNormGradWeight(const float* dy, const float* x, const float* inv_rms, int64_t m, int64_t n, float* dw,
                       ThreadPool& pool) {
  ParallelBlocks(pool, n, 64, [&](int64_t begin, int64_t end) {  // one thread adds a column's rows
    HWY_DYNAMIC_DISPATCH(RmsNormWeightKernel)(dy + begin, x + begin, inv_rms, m, n, end - begin, dw + begin);
  });
}

}  // namespace fulgur
#endif
