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

void Silu(ConstMatrixView x, MatrixView y, ExecContext& exec) {
  const auto part = [](int64_t n, const float* from, float* to) { HWY_DYNAMIC_DISPATCH(SiluKernel)(from, n, to); };
  ParallelElements(exec, part, x, y);
}

void SiluBackward(ConstMatrixView dy, ConstMatrixView x, MatrixView dx, ExecContext& exec) {
  const auto part = [](int64_t n, const float* d, const float* from, float* to) {
    HWY_DYNAMIC_DISPATCH(SiluBackwardKernel)(d, from, n, to);
  };
  ParallelElements(exec, part, dy, x, dx);
}

void SwiGlu(ConstMatrixView gate, ConstMatrixView up, MatrixView y, ExecContext& exec) {
  const auto part = [](int64_t n, const float* g, const float* u, float* to) {
    HWY_DYNAMIC_DISPATCH(SwiGluKernel)(g, u, n, to);
  };
  ParallelElements(exec, part, gate, up, y);
}

void SwiGluBackward(ConstMatrixView dy, ConstMatrixView gate, ConstMatrixView up, MatrixView dgate, MatrixView dup,
                    ExecContext& exec) {
  const auto part = [](int64_t n, const float* d, const float* g, const float* u, float* dg, float* du) {
    HWY_DYNAMIC_DISPATCH(SwiGluBackwardKernel)(d, g, u, n, dg, du);
  };
  ParallelElements(exec, part, dy, gate, up, dgate, dup);
}

void GatedMultiply(ConstMatrixView x, ConstMatrixView gate, MatrixView y, ExecContext& exec) {
  const auto part = [](int64_t n, const float* from, const float* g, float* to) {
    HWY_DYNAMIC_DISPATCH(GatedMultiplyKernel)(from, g, n, to);
  };
  ParallelElements(exec, part, x, gate, y);
}

void GatedMultiplyBackward(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView gate, MatrixView dx, MatrixView dgate,
                           ExecContext& exec) {
  const auto part = [](int64_t n, const float* d, const float* from, const float* g, float* to, float* dg) {
    HWY_DYNAMIC_DISPATCH(GatedMultiplyBackwardKernel)(d, from, g, n, to, dg);
  };
  ParallelElements(exec, part, dy, x, gate, dx, dgate);
}

}  // namespace fulgur
#endif
