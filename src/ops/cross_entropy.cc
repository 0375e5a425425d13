#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "ops/parallel.h"
#include "ops/vec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cross_entropy.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

#ifndef FULGUR_OPS_CROSS_ENTROPY_CC_
#define FULGUR_OPS_CROSS_ENTROPY_CC_
namespace fulgur {

struct RowSums {
  float max;       // of the logits
  float sum;       // of e_i = exp(logit_i - max)
  float weighted;  // of e_i (logit_i - max)
};

}  // namespace fulgur
#endif

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

// Sums of sums of 4096: a lane of a vocabulary of 200,000 would otherwise add up 12,500 roundings.
constexpr int64_t kSumBlock = 4096;

void RowSumsKernel(const float* logits, int64_t v, bool want_weighted, RowSums* sums) {
  sums->max = MaxRow(logits, v);
  const Row16 max = Set16(sums->max);
  Row16 sum = Zero16(), weighted = Zero16();
  for (int64_t begin = 0; begin < v; begin += kSumBlock, logits += kSumBlock) {
    const int64_t n = HWY_MIN(kSumBlock, v - begin);
    Row16 block_sum = Zero16(), block_weighted = Zero16();
    if (want_weighted) {
      ForEach16(n, kMinusInfinity, [&](auto load, auto) HWY_ATTR {
        const Row16 x = Sub(load(logits), max);
        const Row16 e = Exp(x);
        block_sum = Add(block_sum, e);
        // x is kept finite where e is 0: p log p -> 0.
        block_weighted = MulAdd(e, Max(x, Set16(-200.0f)), block_weighted);
      });
    } else {
      ForEach16(n, kMinusInfinity,
                [&](auto load, auto) HWY_ATTR { block_sum = Add(block_sum, Exp(Sub(load(logits), max))); });
    }
    sum = Add(sum, block_sum);
    weighted = Add(weighted, block_weighted);
  }
  sums->sum = ReduceSum(sum);
  sums->weighted = ReduceSum(weighted);
}

void LogProbBackwardKernel(const float* logits, int64_t v, float grad, float* dlogits) {
  RowSums sums;
  RowSumsKernel(logits, v, false, &sums);
  const float scale = -grad / sums.sum;
  ForEach16(v, 0.0f, [=](auto load, auto store) HWY_ATTR {
    store(Mul(Set16(scale), Exp(Sub(load(logits), Set16(sums.max)))), dlogits);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(RowSumsKernel);
HWY_EXPORT(LogProbBackwardKernel);

namespace {

RowSums SumsOf(const float* logits, int64_t v, bool want_weighted = false) {
  RowSums sums;
  HWY_DYNAMIC_DISPATCH(RowSumsKernel)(logits, v, want_weighted, &sums);
  return sums;
}

float LogProbOf(const RowSums& sums, const float* logits, int64_t v, int32_t target) {
  FULGUR_CHECK(target >= 0 && target < v, "target {} of {} tokens", target, v);
  return static_cast<float>(static_cast<double>(logits[target]) - static_cast<double>(sums.max) -
                            std::log(static_cast<double>(sums.sum)));
}

}  // namespace

float LogSumExp(const float* logits, int64_t v) {
  const RowSums sums = SumsOf(logits, v);
  return static_cast<float>(static_cast<double>(sums.max) + std::log(static_cast<double>(sums.sum)));
}

float LogProb(const float* logits, int64_t v, int32_t target) {
  return LogProbOf(SumsOf(logits, v), logits, v, target);
}

void TemperLogits(float* logits, int64_t v, float scale, std::span<const int32_t> kept) {
  if (kept.empty()) {
    for (int64_t i = 0; i < v; ++i) logits[i] *= scale;
    return;
  }
  std::vector<float> values;
  values.reserve(kept.size());
  for (const int32_t id : kept) {
    FULGUR_CHECK(id >= 0 && id < v, "token {} of {}", id, v);
    values.push_back(logits[id] * scale);
  }
  std::fill_n(logits, v, -std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < kept.size(); ++i) logits[kept[i]] = values[i];
}

void LogProbs(ConstMatrixView logits, std::span<const int32_t> targets, std::span<float> logprobs,
              std::span<float> entropies, ExecContext& exec) {
  FULGUR_CHECK(static_cast<int64_t>(targets.size()) == logits.rows && logprobs.size() == targets.size() &&
               (entropies.empty() || entropies.size() == targets.size()));
  ParallelRows(exec, logits.rows, logits.cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto r = static_cast<size_t>(row);
      const bool ignored = targets[r] < 0;
      logprobs[r] = 0.0f;
      if (ignored && entropies.empty()) continue;
      const RowSums sums = SumsOf(logits.row(row), logits.cols, !entropies.empty());
      if (!ignored) logprobs[r] = LogProbOf(sums, logits.row(row), logits.cols, targets[r]);
      if (!entropies.empty()) {
        const double sum = static_cast<double>(sums.sum);
        entropies[r] = static_cast<float>(std::log(sum) - static_cast<double>(sums.weighted) / sum);
      }
    }
  });
}

void LogProbsBackward(ConstMatrixView logits, std::span<const int32_t> targets, std::span<const float> grad,
                      MatrixView dlogits, ExecContext& exec) {
  FULGUR_CHECK(static_cast<int64_t>(targets.size()) == logits.rows && grad.size() == targets.size());
  ParallelRows(exec, logits.rows, logits.cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto r = static_cast<size_t>(row);
      float* const to = dlogits.row(row);
      if (targets[r] < 0 || grad[r] == 0.0f) {
        std::fill_n(to, logits.cols, 0.0f);
        continue;
      }
      FULGUR_CHECK(targets[r] < logits.cols, "target {} of {} tokens", targets[r], logits.cols);
      HWY_DYNAMIC_DISPATCH(LogProbBackwardKernel)(logits.row(row), logits.cols, grad[r], to);
      to[targets[r]] += grad[r];
    }
  });
}

}  // namespace fulgur
#endif
