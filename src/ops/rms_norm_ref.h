// Reference of ops/rms_norm.h: one row, in any scalar type.
#pragma once

#include <cmath>
#include <complex>
#include <vector>

namespace fulgur::ref {

// y_i = w_i x_i / sqrt(mean(x^2) + eps)
template <typename T>
std::vector<T> RmsNorm(const std::vector<T>& x, const std::vector<T>& w, double eps) {
  using std::sqrt;
  T sum = 0;
  for (const T& v : x) sum += v * v;
  const T rms = sqrt(sum / static_cast<double>(x.size()) + eps);
  std::vector<T> y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(w[i] * x[i] / rms);
  return y;
}

}  // namespace fulgur::ref
