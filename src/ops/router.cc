#include "ops/router.h"

#include <algorithm>
#include <cmath>

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

void Route(ConstMatrixView logits, MatrixViewOf<int32_t> experts, MatrixView weights, ExecContext& exec) {
  const int64_t num_experts = logits.cols, k = experts.cols;
  FULGUR_CHECK(k >= 1 && k <= num_experts, "top {} of {} experts", k, num_experts);
  ParallelRows(exec, logits.rows, num_experts * k, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) RouteRow(logits.row(r), num_experts, k, experts.row(r), weights.row(r));
  });
}

void RouteBackward(ConstMatrixView dweights, ConstMatrixView weights, MatrixViewOf<const int32_t> experts,
                   MatrixView dlogits, ExecContext& exec) {
  ParallelRows(exec, dlogits.rows, dlogits.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::fill_n(dlogits.row(r), dlogits.cols, 0.0f);
      const float* w = weights.row(r);
      const float* dw = dweights.row(r);
      float mean = 0.0f;
      for (int64_t i = 0; i < experts.cols; ++i) mean += w[i] * dw[i];
      for (int64_t i = 0; i < experts.cols; ++i) dlogits(r, experts(r, i)) = w[i] * (dw[i] - mean);
    }
  });
}

AuxLoss::AuxLoss(int64_t num_experts)
    : num_experts_(num_experts),
      counts_(static_cast<size_t>(num_experts)),
      probabilities_(static_cast<size_t>(num_experts)) {}

RouterFigures AuxLoss::Add(ConstMatrixView logits, MatrixViewOf<const int32_t> experts) {
  RouterFigures figures;
  std::vector<float> p(static_cast<size_t>(num_experts_));
  for (int64_t r = 0; r < logits.rows; ++r) {
    Softmax(logits.row(r), num_experts_, p.data());
    for (size_t e = 0; e < p.size(); ++e) {
      const auto probability = static_cast<double>(p[e]);
      probabilities_[e] += probability;
      figures.dropped += probability;
      if (probability > 0) figures.entropy -= probability * std::log(probability);
    }
    for (int64_t i = 0; i < experts.cols; ++i) {
      const auto selected = static_cast<size_t>(experts(r, i));
      counts_[selected] += 1;
      figures.dropped -= static_cast<double>(p[selected]);
    }
  }
  rows_ += logits.rows;
  return figures;
}

double AuxLoss::Value() const {
  if (rows_ == 0) return 0;
  const double n = static_cast<double>(rows_);
  double sum = 0;
  for (size_t e = 0; e < counts_.size(); ++e) sum += counts_[e] / n * (probabilities_[e] / n);
  return static_cast<double>(num_experts_) * sum;
}

void AuxLoss::AddGradient(ConstMatrixView logits, double coef, MatrixView dlogits, ExecContext& exec) const {
  const int64_t m = logits.rows;
  if (m == 0) return;
  FULGUR_CHECK(rows_ >= m, "the gradient of {} rows, of which {} were added", m, rows_);
  const double n = static_cast<double>(rows_);
  std::vector<float> f(counts_.size());
  for (size_t e = 0; e < f.size(); ++e) f[e] = static_cast<float>(counts_[e] / n);
  const float scale = static_cast<float>(coef * static_cast<double>(num_experts_) / n);
  ParallelRows(exec, m, num_experts_, [&](int64_t begin, int64_t end) {
    std::vector<float> p(f.size());
    for (int64_t r = begin; r < end; ++r) {
      Softmax(logits.row(r), num_experts_, p.data());
      const float mean = Dot(f.data(), p.data(), num_experts_);
      float* d = dlogits.row(r);
      for (size_t e = 0; e < p.size(); ++e) d[e] += scale * p[e] * (f[e] - mean);
    }
  });
}

}  // namespace fulgur
