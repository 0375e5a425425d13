// References of rl/objective.h: each objective as its paper writes it, one response with advantage A and token weight
// w, in any scalar type. `old` are constants; the loss is analytic where no ratio sits on a bound.
#pragma once

#include <cmath>
#include <complex>
#include <vector>

namespace fulgur::ref {

inline double Real(double x) { return x; }
inline double Real(const std::complex<double>& x) { return x.real(); }

// min(r A, clip(r, low, high) A), compared by real parts.
template <typename T>
T Clipped(T ratio, double a, double low, double high) {
  T bounded = ratio;
  if (Real(ratio) < low) bounded = T(low);
  if (Real(ratio) > high) bounded = T(high);
  return Real(ratio) * a <= Real(bounded) * a ? ratio * a : bounded * a;
}

// PPO, GRPO, DAPO: - sum_t w min(r_t A, clip(r_t) A).
template <typename T>
T Ppo(const std::vector<T>& logprobs, const std::vector<double>& old, double w, double a, double low, double high) {
  using std::exp;
  T loss = 0;
  for (size_t t = 0; t < logprobs.size(); ++t) loss -= w * Clipped(exp(logprobs[t] - old[t]), a, low, high);
  return loss;
}

// GSPO: - n w min(s A, clip(s) A), s the geometric mean of the ratios.
template <typename T>
T Gspo(const std::vector<T>& logprobs, const std::vector<double>& old, double w, double a, double low, double high) {
  using std::exp;
  T sum = 0;
  for (size_t t = 0; t < logprobs.size(); ++t) sum += logprobs[t] - old[t];
  const auto n = static_cast<double>(logprobs.size());
  return -n * w * Clipped(exp(sum / n), a, low, high);
}

// CISPO, and REINFORCE with importance sampling: - sum_t w sg(clip(r_t, min, max)) A log pi(t).
template <typename T>
T Cispo(const std::vector<T>& logprobs, const std::vector<double>& old, double w, double a, double min, double max) {
  T loss = 0;
  for (size_t t = 0; t < logprobs.size(); ++t) {
    const double ratio = std::exp(Real(logprobs[t]) - old[t]);
    loss -= w * std::fmin(std::fmax(ratio, min), max) * a * logprobs[t];
  }
  return loss;
}

// sum_t w (exp(d) - d - 1), d = reference - logprob.
template <typename T>
T Kl(const std::vector<T>& logprobs, const std::vector<double>& reference, double w) {
  using std::exp;
  T sum = 0;
  for (size_t t = 0; t < logprobs.size(); ++t) {
    const T d = reference[t] - logprobs[t];
    sum += w * (exp(d) - d - 1.0);
  }
  return sum;
}

}  // namespace fulgur::ref
