#include "ops/adamw.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/adamw.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

#ifndef FULGUR_OPS_ADAMW_CC_
#define FULGUR_OPS_ADAMW_CC_
namespace fulgur {

struct AdamWConstants {
  float decay;  // 1 - lr wd
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float correction1;  // 1 / (1 - b1^n)
  float correction2;
  float lr, eps, grad_scale;
};

}  // namespace fulgur
#endif

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

void AdamWKernel(float* p, float* m, float* v, const float* g, int64_t n, const AdamWConstants& c) {
  ForEach16(n, 0.0f, [&](auto load, auto store) HWY_ATTR {
    const Row16 grad = Mul(load(g), Set16(c.grad_scale));
    const Row16 m1 = MulAdd(Set16(c.one_minus_beta1), grad, Mul(Set16(c.beta1), load(m)));
    const Row16 v1 = MulAdd(Mul(Set16(c.one_minus_beta2), grad), grad, Mul(Set16(c.beta2), load(v)));
    const Row16 m_hat = Mul(m1, Set16(c.correction1));
    const Row16 root = Sqrt(Mul(v1, Set16(c.correction2)));
    const Row16 decayed = Mul(load(p), Set16(c.decay));
    store(m1, m);
    store(v1, v);
    store(NegMulAdd(Set16(c.lr), Div(m_hat, Add(root, Set16(c.eps))), decayed), p);
  });
}

// The square of a float is exact in double, so a fused multiply-add makes no difference here.
double SumSquaresKernel(const float* g, int64_t n) {
  double lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int64_t j = 0; j < 16; ++j) lanes[j] += static_cast<double>(g[i + j]) * static_cast<double>(g[i + j]);
  }
  for (int64_t j = 0; i < n; ++i, ++j) lanes[j] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  for (int64_t step = 8; step > 0; step /= 2) {
    for (int64_t j = 0; j < step; ++j) lanes[j] += lanes[j + step];
  }
  return lanes[0];
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(AdamWKernel);
HWY_EXPORT(SumSquaresKernel);

void AdamWStep(std::span<float> p, std::span<float> m, std::span<float> v, std::span<const float> g, int64_t step,
               const AdamWOptions& options, float grad_scale, ExecContext& exec) {
  FULGUR_CHECK(m.size() == p.size() && v.size() == p.size() && g.size() == p.size());
  FULGUR_CHECK(step >= 1, "step {}", step);
  const AdamWConstants c = {
      .decay = static_cast<float>(1 - options.lr * options.weight_decay),
      .beta1 = static_cast<float>(options.beta1),
      .one_minus_beta1 = static_cast<float>(1 - options.beta1),
      .beta2 = static_cast<float>(options.beta2),
      .one_minus_beta2 = static_cast<float>(1 - options.beta2),
      .correction1 = static_cast<float>(1 / (1 - std::pow(options.beta1, static_cast<double>(step)))),
      .correction2 = static_cast<float>(1 / (1 - std::pow(options.beta2, static_cast<double>(step)))),
      .lr = static_cast<float>(options.lr),
      .eps = static_cast<float>(options.eps),
      .grad_scale = grad_scale,
  };
  ParallelBlocks(exec, static_cast<int64_t>(p.size()), kParallelGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(AdamWKernel)
    (&p[static_cast<size_t>(begin)], &m[static_cast<size_t>(begin)], &v[static_cast<size_t>(begin)],
     &g[static_cast<size_t>(begin)], end - begin, c);
  });
}

double SumSquares(std::span<const float> g, ExecContext& exec) {
  const int64_t n = static_cast<int64_t>(g.size());
  std::vector<double> sums(static_cast<size_t>((n + kParallelGrain - 1) / kParallelGrain));
  ParallelBlocks(exec, n, kParallelGrain, [&](int64_t begin, int64_t end) {
    sums[static_cast<size_t>(begin / kParallelGrain)] =
        HWY_DYNAMIC_DISPATCH(SumSquaresKernel)(&g[static_cast<size_t>(begin)], end - begin);
  });
  double sum = 0;
  for (double s : sums) sum += s;
  return sum;
}

}  // namespace fulgur
#endif
