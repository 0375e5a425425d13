#include "rl/policy_update.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "model/cost.h"
#include "train/trainer.h"

namespace fulgur {
namespace {

// Values of the rows that predict a sampled token of the batch's sample d.
std::vector<float> Gather(const PolicyBatch& batch, size_t d, const Trajectory& response, std::span<const float> rows) {
  std::vector<float> values;
  values.reserve(response.ids.size());
  for (size_t j = 0; j < response.ids.size(); ++j) {
    if (response.sampled[j] != 0) values.push_back(rows[static_cast<size_t>(batch.first[d]) + j]);
  }
  return values;
}

}  // namespace

std::vector<float> RecordedLogprobs(const Trajectory& response) {
  std::vector<float> logprobs;
  logprobs.reserve(response.ids.size());
  for (size_t j = 0; j < response.ids.size(); ++j) {
    if (response.sampled[j] != 0) logprobs.push_back(response.logprobs[j]);
  }
  return logprobs;
}

void Agreement::Add(std::span<const float> a, std::span<const float> b) {
  FULGUR_CHECK(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const double log_a = a[i], log_b = b[i], p = std::exp(log_a), q = std::exp(log_b);
    ++tokens;
    equal += std::memcmp(&a[i], &b[i], sizeof(float)) == 0;
    max_difference = std::max(max_difference, std::abs(p - q));
    max_log_difference = std::max(max_log_difference, std::abs(log_a - log_b));
    // Relative to 1, which most probabilities of a trained model are near: less cancellation.
    a_ += p - 1;
    b_ += q - 1;
    aa_ += (p - 1) * (p - 1);
    bb_ += (q - 1) * (q - 1);
    ab_ += (p - 1) * (q - 1);
  }
}

double Agreement::correlation() const {
  if (equal == tokens) return 1;
  const auto n = static_cast<double>(tokens);
  const double var_a = aa_ - a_ * a_ / n, var_b = bb_ - b_ * b_ / n;
  return var_a > 0 && var_b > 0 ? (ab_ - a_ * b_ / n) / std::sqrt(var_a * var_b) : 0;
}

std::vector<PolicyBatch> PackSamples(std::span<const PolicySample> samples, int64_t micro_tokens, double temperature) {
  std::vector<PolicyBatch> batches;
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::vector<int32_t>& prompt = samples[i].group->prompt;
    const Trajectory& r = samples[i].response->trajectory;
    FULGUR_CHECK(!prompt.empty() && !r.ids.empty() && r.sampled.size() == r.ids.size());
    // The prompt is there already if the sample before is of the same group.
    const auto shared = static_cast<int64_t>(prompt.size()) - 1, own = static_cast<int64_t>(r.ids.size());
    const auto held = batches.empty() ? 0 : static_cast<int64_t>(batches.back().tokens.tokens.size());
    bool here = i > 0 && samples[i].group == samples[i - 1].group;
    if (batches.empty() || held + own + (here ? 0 : shared) > micro_tokens) {
      batches.emplace_back().tokens.starts.push_back(0);
      batches.back().tokens.temperature = static_cast<float>(temperature);
      here = false;
    }
    PolicyBatch& batch = batches.back();
    TokenBatch& t = batch.tokens;
    const auto end_document = [&](int64_t prefix) {
      t.starts.push_back(static_cast<int64_t>(t.tokens.size()));
      t.prefixes.push_back(prefix);
    };
    if (shared > 0 && !here) {
      t.tokens.insert(t.tokens.end(), prompt.begin(), prompt.end() - 1);
      t.targets.resize(t.tokens.size(), kIgnore);
      end_document(-1);
    }
    const int64_t before = here ? t.prefixes.back() : static_cast<int64_t>(t.prefixes.size()) - 1;
    batch.samples.push_back(i);
    batch.first.push_back(static_cast<int64_t>(t.tokens.size()));
    t.tokens.push_back(prompt.back());
    t.tokens.insert(t.tokens.end(), r.ids.begin(), r.ids.end() - 1);
    for (size_t j = 0; j < r.ids.size(); ++j) t.targets.push_back(r.sampled[j] != 0 ? r.ids[j] : kIgnore);
    end_document(shared > 0 ? before : -1);
    if (!r.kept.empty()) {
      FULGUR_CHECK(r.kept.size() == r.ids.size());
      t.kept.resize(t.tokens.size() - r.ids.size());
      t.kept.insert(t.kept.end(), r.kept.begin(), r.kept.end());
    }
  }
  for (PolicyBatch& batch : batches) {
    if (!batch.tokens.kept.empty()) batch.tokens.kept.resize(batch.tokens.tokens.size());
  }
  return batches;
}

std::vector<std::vector<float>> ComputeLogprobs(const Model& model, std::span<const PolicySample> samples,
                                                int64_t micro_tokens, double temperature) {
  std::vector<std::vector<float>> logprobs(samples.size());
  Pass pass(model);
  for (const PolicyBatch& batch : PackSamples(samples, micro_tokens, temperature)) {
    EvaluateLoss(pass, batch.tokens, [&](std::span<const float> rows, std::span<float>) {
      for (size_t d = 0; d < batch.samples.size(); ++d) {
        const size_t i = batch.samples[d];
        logprobs[i] = Gather(batch, d, samples[i].response->trajectory, rows);
      }
      return 0.0;
    });
  }
  return logprobs;
}

PolicyGradientReport AddPolicyGradient(Pass& pass, std::span<const PolicySample> samples, const Objective& objective,
                                       const PolicyGradientOptions& options, Params& grads, Agreement* agreement) {
  std::vector<int64_t> group_sizes, lengths;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i == 0 || samples[i].group != samples[i - 1].group) group_sizes.push_back(0);
    ++group_sizes.back();
    lengths.push_back(samples[i].response->trajectory.sampled_tokens());
  }
  const std::vector<double> weights = ResponseWeights(group_sizes, lengths, objective);
  const std::vector<PolicyBatch> batches = PackSamples(samples, options.micro_tokens, options.temperature);

  PolicyGradientReport report;
  report.logprobs.resize(samples.size());
  for (const PolicyBatch& batch : batches) report.tokens += static_cast<int64_t>(batch.tokens.tokens.size());
  for (const PolicyBatch& batch : batches) {
    const RowLoss loss = [&](std::span<const float> rows, std::span<float> grad) {
      std::fill(grad.begin(), grad.end(), 0.0f);
      double sum = 0;
      for (size_t d = 0; d < batch.samples.size(); ++d) {
        const size_t i = batch.samples[d];
        const PolicySample& sample = samples[i];
        const Trajectory& r = sample.response->trajectory;
        const std::vector<float>& logprobs = report.logprobs[i] = Gather(batch, d, r, rows);
        std::vector<double> token_grad(logprobs.size());
        sum += ResponseLoss(objective, {sample.old_logprobs, logprobs, sample.correction, sample.reference}, weights[i],
                            sample.response->advantage, token_grad, &report.stats);
        if (agreement != nullptr) agreement->Add(RecordedLogprobs(r), logprobs);
        size_t k = 0;
        for (size_t j = 0; j < r.ids.size(); ++j) {
          if (r.sampled[j] != 0) grad[static_cast<size_t>(batch.first[d]) + j] = static_cast<float>(token_grad[k++]);
        }
      }
      return sum;
    };
    const double share = static_cast<double>(batch.tokens.tokens.size()) / static_cast<double>(report.tokens);
    GradientOptions gradient;
    gradient.aux_coef = options.aux_coef * share;
    gradient.recompute = options.recompute;
    gradient.entropies = true;
    const LossReport micro = AddGradient(pass, batch.tokens, loss, gradient, grads);
    report.loss += micro.row_loss;
    report.aux += micro.aux * share;
    for (const float entropy : micro.entropies) report.entropy_sum += entropy;
    report.router.Add(micro, static_cast<int64_t>(batch.tokens.tokens.size()));
    report.flops += TrainingFlops(pass.model().config(), batch.tokens.documents());
  }
  return report;
}

}  // namespace fulgur
