// Reference of ops/lightning_attention.h: one head by its recurrence, in any scalar type.
#pragma once

#include <cmath>
#include <vector>

namespace fulgur::ref {

// q, k, v [n][d] -> o [n][d]:  M <- exp(-slope) M + k^T v,  o = q M.
template <typename T>
std::vector<T> LightningAttention(const std::vector<T>& q, const std::vector<T>& k, const std::vector<T>& v, size_t d,
                                  double slope) {
  const double decay = std::exp(-slope);
  std::vector<T> state(d * d, T(0)), o(q.size(), T(0));
  for (size_t t = 0; t * d < q.size(); ++t) {
    for (size_t x = 0; x < d; ++x) {
      for (size_t y = 0; y < d; ++y) {
        state[x * d + y] = decay * state[x * d + y] + k[t * d + x] * v[t * d + y];
        o[t * d + y] += q[t * d + x] * state[x * d + y];
      }
    }
  }
  return o;
}

}  // namespace fulgur::ref
