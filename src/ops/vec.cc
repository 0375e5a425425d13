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

float DotKernel(const float* x, const float* y, int64_t n) { return DotRow(x, y, n); }

void AddScaledKernel(float a, const float* x, int64_t n, float* y) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(MulAdd(Set16(a), load(x), load(y)), y); });
}

void LinearCombinationKernel(float a, const float* x, float b, const float* y, int64_t n, float* out) {
  ForEach16(n, 0.0f,
            [=](auto load, auto store) HWY_ATTR { store(MulAdd(Set16(a), load(x), Mul(Set16(b), load(y))), out); });
}

void ScaleKernel(float a, const float* x, int64_t n, float* y) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(Mul(Set16(a), load(x)), y); });
}

void SoftmaxKernel(const float* x, int64_t n, float* y) {
  const float sum = ExpRow(x, n, MaxRow(x, n), y);
  ScaleKernel(1.0f / sum, y, n, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(ExpKernel);
HWY_EXPORT(SigmoidKernel);
HWY_EXPORT(DotKernel);
HWY_EXPORT(AddScaledKernel);
HWY_EXPORT(LinearCombinationKernel);
HWY_EXPORT(ScaleKernel);
HWY_EXPORT(SoftmaxKernel);

float Exp(float x) { return HWY_DYNAMIC_DISPATCH(ExpKernel)(x); }

float Sigmoid(float x) { return HWY_DYNAMIC_DISPATCH(SigmoidKernel)(x); }

float Dot(const float* x, const float* y, int64_t n) { return HWY_DYNAMIC_DISPATCH(DotKernel)(x, y, n); }

void AddScaled(float a, const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(AddScaledKernel)(a, x, n, y); }

void LinearCombination(float a, const float* x, float b, const float* y, int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(LinearCombinationKernel)(a, x, b, y, n, out);
}

void Scale(float a, const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(ScaleKernel)(a, x, n, y); }

void Softmax(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(SoftmaxKernel)(x, n, y); }

}  // namespace fulgur
#endif
