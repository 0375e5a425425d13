#include "ops/vec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/vec.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

float ExpKernel(float x) { return hn::GetLane(Exp(hn::Set(FloatTag(), x))); }

float SigmoidKernel(float x) { return hn::GetLane(Sigmoid(hn::Set(FloatTag(), x))); }

void SoftmaxKernel(const float* x, int64_t n, float* y) {
  const float sum = ExpRow(x, n, MaxRow(x, n), y);
  const Row16 scale = Set16(1.0f / sum);
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(Mul(load(y), scale), y); });
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(ExpKernel);
HWY_EXPORT(SigmoidKernel);
HWY_EXPORT(SoftmaxKernel);

float Exp(float x) { return HWY_DYNAMIC_DISPATCH(ExpKernel)(x); }

float Sigmoid(float x) { return HWY_DYNAMIC_DISPATCH(SigmoidKernel)(x); }

void Softmax(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(SoftmaxKernel)(x, n, y); }

}  // namespace fulgur
#endif
