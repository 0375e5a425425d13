// Reference of ops/softmax_attention.h: one head, in any scalar type.
#pragma once

#include <cmath>
#include <complex>
#include <vector>

namespace fulgur::ref {

// q, k, v [n][d] -> o [n][d]: causal softmax(q k^T / sqrt(d)) v.
template <typename T>
std::vector<T> SoftmaxAttention(const std::vector<T>& q, const std::vector<T>& k, const std::vector<T>& v, size_t d) {
  using std::exp;
  std::vector<T> o(q.size(), T(0));
  for (size_t i = 0; i * d < q.size(); ++i) {
    T sum = 0;
    for (size_t j = 0; j <= i; ++j) {
      T score = 0;
      for (size_t x = 0; x < d; ++x) score += q[i * d + x] * k[j * d + x];
      const T p = exp(score / std::sqrt(static_cast<double>(d)));
      sum += p;
      for (size_t x = 0; x < d; ++x) o[i * d + x] += p * v[j * d + x];
    }
    for (size_t x = 0; x < d; ++x) o[i * d + x] /= sum;
  }
  return o;
}

}  // namespace fulgur::ref
