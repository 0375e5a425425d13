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

// Columns [0, columns) of dy and x.
void RmsNormWeightKernel(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView inv_rms, int64_t columns, float* dw) {
  HWY_ALIGN float sum[64] = {};
  for (int64_t r = 0; r < x.rows; ++r) {
    const float *const dy_row = dy.row(r), *const x_row = x.row(r);
    const Row16 inv = Set16(*inv_rms.row(r));
    ForEach16(columns, 0.0f, [&](auto load, auto store) HWY_ATTR {
      store(MulAdd(load(dy_row), Mul(load(x_row), inv), load(sum)), sum);
    });
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

void RmsNorm(ConstMatrixView x, std::span<const float> w, float eps, MatrixView y, MatrixView inv_rms,
             ExecContext& exec) {
  FULGUR_CHECK(y.rows == x.rows && y.cols == x.cols && static_cast<int64_t>(w.size()) == x.cols);
  ParallelRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float inv = RmsNormRow(x.row(r), x.cols, w.data(), eps, y.row(r));
      if (!inv_rms.empty()) *inv_rms.row(r) = inv;
    }
  });
}

void RmsNormGradInput(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView inv_rms, std::span<const float> w,
                      MatrixView dx, ExecContext& exec) {
  FULGUR_CHECK(dy.rows == x.rows && dy.cols == x.cols && dx.rows == x.rows && dx.cols == x.cols);
  ParallelRows(exec, x.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(RmsNormBackwardKernel)
      (dy.row(r), x.row(r), *inv_rms.row(r), x.cols, w.data(), dx.row(r));
    }
  });
}

void RmsNormGradWeight(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView inv_rms, std::span<float> dw,
                       ExecContext& exec) {
  FULGUR_CHECK(dy.rows == x.rows && dy.cols == x.cols && static_cast<int64_t>(dw.size()) == x.cols);
  ParallelBlocks(exec, x.cols, 64, [&](int64_t begin, int64_t end) {  // one thread adds a column's rows
    const int64_t columns = end - begin;
    HWY_DYNAMIC_DISPATCH(RmsNormWeightKernel)
    (dy.Cols(begin, columns), x.Cols(begin, columns), inv_rms, columns, dw.data() + begin);
  });
}

}  // namespace fulgur
#endif
