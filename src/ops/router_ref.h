// Reference of ops/router.h, in any scalar type.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numeric>
#include <vector>

namespace fulgur::ref {

template <typename T>
std::vector<T> Softmax(const std::vector<T>& x) {
  using std::exp, std::real;
  double max = real(x[0]);  // a constant that cancels
  for (const T& v : x) max = std::max(max, real(v));
  std::vector<T> p;
  for (const T& v : x) p.push_back(exp(v - max));
  const T sum = std::accumulate(p.begin(), p.end(), T(0));
  for (T& v : p) v /= sum;
  return p;
}

// The k largest of one row, in decreasing order; of equals, the lower index first.
template <typename T>
std::vector<int32_t> TopK(const std::vector<T>& logits, int64_t k) {
  std::vector<int32_t> experts(logits.size());
  std::iota(experts.begin(), experts.end(), 0);
  std::stable_sort(experts.begin(), experts.end(), [&](int32_t a, int32_t b) {
    return std::real(logits[static_cast<size_t>(a)]) > std::real(logits[static_cast<size_t>(b)]);
  });
  experts.resize(static_cast<size_t>(k));
  return experts;
}

// Their probabilities, divided by their sum.
template <typename T>
std::vector<T> RoutingWeights(const std::vector<T>& logits, int64_t k) {
  const std::vector<T> p = Softmax(logits);
  std::vector<T> weights;
  for (int32_t e : TopK(logits, k)) weights.push_back(p[static_cast<size_t>(e)]);
  const T sum = std::accumulate(weights.begin(), weights.end(), T(0));
  for (T& w : weights) w /= sum;
  return weights;
}

// logits: n rows of num_experts. aux = E sum_e f[e] P[e].
template <typename T>
T AuxLoss(const std::vector<T>& logits, int64_t num_experts, int64_t k) {
  const auto experts = static_cast<size_t>(num_experts);
  std::vector<double> counts(experts);
  std::vector<T> probabilities(experts);
  for (auto row = logits.begin(); row != logits.end(); row += num_experts) {
    const std::vector<T> x(row, row + num_experts);
    for (int32_t e : TopK(x, k)) counts[static_cast<size_t>(e)] += 1;
    const std::vector<T> p = Softmax(x);
    for (size_t e = 0; e < experts; ++e) probabilities[e] += p[e];
  }
  const double n = static_cast<double>(logits.size() / experts);
  T aux = 0;
  for (size_t e = 0; e < experts; ++e) aux += counts[e] / n * probabilities[e] / n;
  return static_cast<double>(num_experts) * aux;
}

}  // namespace fulgur::ref
