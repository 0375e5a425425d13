// Responses as training documents, and the gradient of an objective over them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/gradient.h"
#include "rl/objective.h"
#include "rl/rollout.h"
#include "train/router_meter.h"

namespace fulgur {

// A response, and per sampled token of it what the objective needs.
struct PolicySample {
  const Group* group = nullptr;
  const Response* response = nullptr;
  std::vector<float> old_logprobs;  // of the policy that the ratio is to
  std::vector<float> correction;    // empty: 1
  std::vector<float> reference;     // if objective.kl is not 0
};

// Log-probabilities of the sampled tokens as they were recorded.
std::vector<float> RecordedLogprobs(const Trajectory& trajectory);

// How well two computations of the same log-probabilities agree. Correlation and difference are those of the
// probabilities, as in the MiniMax-M1 report, figure 3.
struct Agreement {
  int64_t tokens = 0, equal = 0;  // equal: bit for bit
  double max_difference = 0, max_log_difference = 0;
  void Add(std::span<const float> a, std::span<const float> b);
  double correlation() const;  // Pearson's; 1 if all are equal

 private:
  double a_ = 0, b_ = 0, aa_ = 0, bb_ = 0, ab_ = 0;
};

// Samples packed into batches of at most micro_tokens tokens (or one sample), in order. Samples of a group that are in
// one batch share their prompt: a document is the prompt but for its last token, and those that continue it are that
// token, whose row predicts the first of the response, and the response but for its last token, which predicts nothing.
struct PolicyBatch {
  TokenBatch tokens;
  std::vector<size_t> samples;  // those in the batch
  std::vector<int64_t> first;   // for each: row that predicts the first token of its response
};
std::vector<PolicyBatch> PackSamples(std::span<const PolicySample> samples, int64_t micro_tokens,
                                     double temperature = 1);

// Log-probabilities of the sampled tokens under `model`, for each sample: of the distribution that the temperature
// gives, among the tokens that each was drawn among (Trajectory::kept).
std::vector<std::vector<float>> ComputeLogprobs(const Model& model, std::span<const PolicySample> samples,
                                                int64_t micro_tokens, double temperature = 1);

struct PolicyGradientOptions {
  int64_t micro_tokens = 4096;
  bool recompute = false;
  double aux_coef = 0;
  double temperature = 1;  // as for ComputeLogprobs
};

struct PolicyGradientReport {
  double loss = 0, aux = 0;  // of the objective; load balance
  ObjectiveStats stats;
  double entropy_sum = 0;  // over the sampled tokens, nats
  int64_t tokens = 0;      // computed: prompts included, once for the responses that share one
  double flops = 0;
  RouterMeter router;
  std::vector<std::vector<float>> logprobs;  // of each sample's sampled tokens
};

// Adds the gradient of the objective over these samples to `grads`. Samples of a group follow one another. agreement,
// if not null, compares what the pass computes with what was recorded.
PolicyGradientReport AddPolicyGradient(Pass& pass, std::span<const PolicySample> samples, const Objective& objective,
                                       const PolicyGradientOptions& options, Params& grads, Agreement* agreement);

}  // namespace fulgur
