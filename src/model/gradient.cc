#include "model/gradient.h"

#include <algorithm>

#include "model/model.h"

namespace fulgur {

RowLoss CrossEntropy(const TokenBatch& batch, int64_t count) {
  if (count <= 0) count = std::max<int64_t>(1, batch.targets_counted());
  const std::vector<int32_t> targets = batch.targets;
  return [targets, count](std::span<const float> logprobs, std::span<float> grad) {
    double sum = 0;
    for (size_t t = 0; t < targets.size(); ++t) {
      grad[t] = targets[t] == kIgnore ? 0.0f : static_cast<float>(-1.0 / static_cast<double>(count));
      if (targets[t] != kIgnore) sum -= logprobs[t];
    }
    return sum / static_cast<double>(count);
  };
}

namespace {

// The forward half: what the batch's loss is, and its derivative by each log-probability.
LossReport ForwardLoss(Pass& pass, const TokenBatch& batch, const RowLoss& row_loss, double aux_coef, bool entropies,
                       Tape::Keep keep, std::vector<float>& dlogprobs) {
  BatchValues values = pass.Forward(batch, keep, entropies);
  LossReport report;
  dlogprobs.assign(values.logprobs.size(), 0.0f);
  report.row_loss = row_loss(values.logprobs, dlogprobs);
  report.aux = values.aux;
  report.loss = report.row_loss + aux_coef * report.aux;
  report.logprobs = std::move(values.logprobs);
  report.entropies = std::move(values.entropies);
  report.expert_counts = std::move(values.expert_counts);
  report.router = std::move(values.router);
  return report;
}

}  // namespace

LossReport AddGradient(Pass& pass, const TokenBatch& batch, const RowLoss& row_loss, const GradientOptions& options,
                       Params& grads) {
  FULGUR_CHECK(!pass.model().params().lm_head.weight.empty(), "the model was built without keep_weights");
  if (batch.tokens.empty()) return {};
  std::vector<float> dlogprobs;
  LossReport report = ForwardLoss(pass, batch, row_loss, options.aux_coef, options.entropies,
                                  options.recompute ? Tape::Keep::kInputs : Tape::Keep::kActivations, dlogprobs);
  pass.Backward(batch, dlogprobs, options.aux_coef, grads);
  return report;
}

LossReport EvaluateLoss(Pass& pass, const TokenBatch& batch, const RowLoss& row_loss, double aux_coef) {
  if (batch.tokens.empty()) return {};
  std::vector<float> dlogprobs;
  return ForwardLoss(pass, batch, row_loss, aux_coef, /*entropies=*/false, Tape::Keep::kNothing, dlogprobs);
}

}  // namespace fulgur
