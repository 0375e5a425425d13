#include "ops/router.h"

#include <algorithm>

#include "base/error.h"
#include "ops/elementwise.h"
#include "ops/parallel.h"
#include "ops/vec.h"

namespace fulgur {
namespace {

void RouteRow(const float* logits, int64_t num_experts, int64_t k, int32_t* experts, float* weights) {
  for (int64_t i = 0; i < k; ++i) {
    int64_t best = -1;
    for (int64_t e = 0; e < num_experts; ++e) {
      if (best >= 0 && !(logits[e] > logits[best])) continue;
      if (std::find(experts, experts + i, static_cast<int32_t>(e)) == experts + i) best = e;
    }
    experts[i] = static_cast<int32_t>(best);
  }
  float sum = 0.0f;
  for (int64_t i = 0; i < k; ++i) sum += weights[i] = Exp(logits[experts[i]] - logits[experts[0]]);
  for (int64_t i = 0; i < k; ++i) weights[i] /= sum;
}

}  // namespace

void Route(const float* logits, int64_t m, int64_t num_experts, int64_t k, int32_t* experts, float* weights,
           ThreadPool& pool) {
  FULGUR_CHECK(k >= 1 && k <= num_experts, "top {} of {} experts", k, num_experts);
  ParallelRows(pool, m, num_experts * k, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      RouteRow(logits + r * num_experts, num_experts, k, experts + r * k, weights + r * k);
    }
  });
}

void RouteBackward(const float* dweights, const float* weights, const int32_t* experts, int64_t m, int64_t num_experts,
                   int64_t k, float* dlogits, ThreadPool& pool) {
  ParallelRows(pool, m, num_experts, [&](int64_t begin, int64_t end) {
    std::fill(dlogits + begin * num_experts, dlogits + end * num_experts, 0.0f);
    for (int64_t r = begin; r < end; ++r) {
      const float* w = weights + r * k;
      const float* dw = dweights + r * k;
      float mean = 0.0f;
      for (int64_t i = 0; i < k; ++i) mean += w[i] * dw[i];
      for (int64_t i = 0; i < k; ++i) dlogits[r * num_experts + experts[r * k + i]] = w[i] * (dw[i] - mean);
    }
  });
}

AuxLoss::AuxLoss(int64_t num_experts)
    : num_experts_(num_experts),
      counts_(static_cast<size_t>(num_experts)),
      probabilities_(static_cast<size_t>(num_experts)) {}

void AuxLoss::Add(const float* logits, const int32_t* experts, int64_t m, int64_t k) {
  std::vector<float> p(static_cast<size_t>(num_experts_));
  for (int64_t r = 0; r < m; ++r) {
    Softmax(logits + r * num_experts_, num_experts_, p.data());
    for (size_t e = 0; e < p.size(); ++e) probabilities_[e] += static_cast<double>(p[e]);
  }
  for (int64_t i = 0; i < m * k; ++i) counts_[static_cast<size_t>(experts[i])] += 1;
  rows_ += m;
}

double AuxLoss::Value() const {
  if (rows_ == 0) return 0;
  const double n = static_cast<double>(rows_);
  double sum = 0;
  for (size_t e = 0; e < counts_.size(); ++e) sum += counts_[e] / n * (probabilities_[e] / n);
  return static_cast<double>(num_experts_) * sum;
}

void AuxLoss::AddGradient(const float* logits, int64_t m, double coef, float* dlogits, ThreadPool& pool) const {
  if (m == 0) return;
  FULGUR_CHECK(rows_ >= m, "the gradient of {} rows, of which {} were added", m, rows_);
  const double n = static_cast<double>(rows_);
  std::vector<float> f(counts_.size());
  for (size_t e = 0; e < f.size(); ++e) f[e] = static_cast<float>(counts_[e] / n);
  const float scale = static_cast<float>(coef * static_cast<double>(num_experts_) / n);
  ParallelRows(pool, m, num_experts_, [&](int64_t begin, int64_t end) {
    std::vector<float> p(f.size());
    for (int64_t r = begin; r < end; ++r) {
      Softmax(logits + r * num_experts_, num_experts_, p.data());
      const float mean = Dot(f.data(), p.data(), num_experts_);
      float* d = dlogits + r * num_experts_;
      for (size_t e = 0; e < p.size(); ++e) d[e] += scale * p[e] * (f[e] - mean);
    }
  });
}

}  // namespace fulgur
