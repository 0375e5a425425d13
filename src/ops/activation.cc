#include "ops/activation.h"

#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/activation.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

// x / (1 + exp(-x))
HWY_INLINE Row16 SiluOf(Row16 x) { return Div(x, Add(Set16(1.0f), Exp(Neg(x)))); }

// silu'(x) = s (1 + x (1 - s)), s = sigmoid(x)
HWY_INLINE Row16 SiluDerivative(Row16 x, Row16 s) { return Mul(s, MulAdd(x, Sub(Set16(1.0f), s), Set16(1.0f))); }

void SiluKernel(const float* x, int64_t n, float* y) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(SiluOf(load(x)), y); });
}

void SiluBackwardKernel(const float* dy, const float* x, int64_t n, float* dx) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR {
    const Row16 v = load(x);
    store(Mul(load(dy), SiluDerivative(v, Sigmoid(v))), dx);
  });
}

void SwiGluKernel(const float* gate, const float* up, int64_t n, float* y) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(Mul(SiluOf(load(gate)), load(up)), y); });
}

void SwiGluBackwardKernel(const float* dy, const float* gate, const float* up, int64_t n, float* dgate, float* dup) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR {
    const Row16 g = load(gate), u = load(up), d = load(dy);
    const Row16 s = Sigmoid(g);
    store(Mul(Mul(d, u), SiluDerivative(g, s)), dgate);
    store(Mul(d, Mul(g, s)), dup);
  });
}

void GatedMultiplyKernel(const float* x, const float* gate, int64_t n, float* y) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR { store(Mul(load(x), Sigmoid(load(gate))), y); });
}

void GatedMultiplyBackwardKernel(const float* dy, const float* x, const float* gate, int64_t n, float* dx,
                                 float* dgate) {
  ForEach16(n, 0.0f, [=](auto load, auto store) HWY_ATTR {
    const Row16 v = load(x), d = load(dy);
    const Row16 s = Sigmoid(load(gate));
    const Row16 ds = Mul(d, s);
    store(ds, dx);
    store(Mul(Mul(ds, v), Sub(Set16(1.0f), s)), dgate);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(SiluKernel);
HWY_EXPORT(SiluBackwardKernel);
HWY_EXPORT(SwiGluKernel);
HWY_EXPORT(SwiGluBackwardKernel);
HWY_EXPORT(GatedMultiplyKernel);
HWY_EXPORT(GatedMultiplyBackwardKernel);

void Silu(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(SiluKernel)(x, n, y); }

void SiluBackward(const float* dy, const float* x, int64_t n, float* dx) {
  HWY_DYNAMIC_DISPATCH(SiluBackwardKernel)(dy, x, n, dx);
}

void SwiGlu(const float* gate, const float* up, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(SwiGluKernel)(gate, up, n, y);
}

void SwiGluBackward(const float* dy, const float* gate, const float* up, int64_t n, float* dgate, float* dup) {
  HWY_DYNAMIC_DISPATCH(SwiGluBackwardKernel)(dy, gate, up, n, dgate, dup);
}

void GatedMultiply(const float* x, const float* gate, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(GatedMultiplyKernel)(x, gate, n, y);
}

void GatedMultiplyBackward(const float* dy, const float* x, const float* gate, int64_t n, float* dx, float* dgate) {
  HWY_DYNAMIC_DISPATCH(GatedMultiplyBackwardKernel)(dy, x, gate, n, dx, dgate);
}

void Silu(const float* x, int64_t n, float* y, ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain, [&](int64_t begin, int64_t end) { Silu(x + begin, end - begin, y + begin); });
}

void SiluBackward(const float* dy, const float* x, int64_t n, float* dx, ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain,
                 [&](int64_t begin, int64_t end) { SiluBackward(dy + begin, x + begin, end - begin, dx + begin); });
}

void SwiGlu(const float* gate, const float* up, int64_t n, float* y, ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain,
                 [&](int64_t begin, int64_t end) { SwiGlu(gate + begin, up + begin, end - begin, y + begin); });
}

void SwiGluBackward(const float* dy, const float* gate, const float* up, int64_t n, float* dgate, float* dup,
                    ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain, [&](int64_t begin, int64_t end) {
    SwiGluBackward(dy + begin, gate + begin, up + begin, end - begin, dgate + begin, dup + begin);
  });
}

void GatedMultiply(const float* x, const float* gate, int64_t n, float* y, ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain,
                 [&](int64_t begin, int64_t end) { GatedMultiply(x + begin, gate + begin, end - begin, y + begin); });
}

void GatedMultiplyBackward(const float* dy, const float* x, const float* gate, int64_t n, float* dx, float* dgate,
                           ThreadPool& pool) {
  ParallelBlocks(pool, n, kParallelGrain, [&](int64_t begin, int64_t end) {
    GatedMultiplyBackward(dy + begin, x + begin, gate + begin, end - begin, dx + begin, dgate + begin);
  });
}

}  // namespace fulgur
#endif
