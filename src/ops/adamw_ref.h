// Reference of ops/adamw.h: one element, in any real type.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/adamw.h"

namespace fulgur::ref {

template <typename T>
void AdamW(T& p, T& m, T& v, T g, int64_t step, const AdamWOptions& o) {
  p *= 1 - o.lr * o.weight_decay;
  m = o.beta1 * m + (1 - o.beta1) * g;
  v = o.beta2 * v + (1 - o.beta2) * g * g;
  const T m_hat = m / (1 - std::pow(o.beta1, step));
  const T v_hat = v / (1 - std::pow(o.beta2, step));
  p -= o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
}

}  // namespace fulgur::ref
