// Reference of ops/activation.h: one element, in any scalar type.
#pragma once

#include <cmath>
#include <complex>

namespace fulgur::ref {

template <typename T>
T Sigmoid(T x) {
  using std::exp;
  return 1.0 / (1.0 + exp(-x));
}

template <typename T>
T Silu(T x) {
  return x * Sigmoid(x);
}

template <typename T>
T SwiGlu(T gate, T up) {
  return Silu(gate) * up;
}

template <typename T>
T GatedMultiply(T x, T gate) {
  return x * Sigmoid(gate);
}

}  // namespace fulgur::ref
