// Reference of ops/cross_entropy.h: one row, in any scalar type.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

namespace fulgur::ref {

template <typename T>
T LogSumExp(const std::vector<T>& logits) {
  using std::exp, std::log, std::real;
  double max = real(logits[0]);  // a constant that cancels
  for (const T& x : logits) max = std::max(max, real(x));
  T sum = 0;
  for (const T& x : logits) sum += exp(x - max);
  return max + log(sum);
}

template <typename T>
T LogProb(const std::vector<T>& logits, int32_t target) {
  return logits[static_cast<size_t>(target)] - LogSumExp(logits);
}

// -sum_i p_i log p_i
template <typename T>
T Entropy(const std::vector<T>& logits) {
  using std::exp;
  T sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const T log_p = LogProb(logits, static_cast<int32_t>(i));
    sum -= exp(log_p) * log_p;
  }
  return sum;
}

}  // namespace fulgur::ref
