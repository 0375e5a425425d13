// Loss and gradients of a model over a packed batch of documents.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/pass.h"
#include "model/token_batch.h"

namespace fulgur {

// Turns log-probabilities into a loss: logprobs[t] belongs to targets[t] (0 where ignored); writes d loss / d
// logprobs[t] into grad[t] (0 where ignored) and returns the loss. Cross-entropy, and every policy-gradient objective,
// is one of these.
using RowLoss = std::function<double(std::span<const float> logprobs, std::span<float> grad)>;

// -mean over `count` targets of logprob (count <= 0: the batch's own). With several batches accumulated into one step,
// count is the number of targets of all of them, so that the mean is over the whole step.
RowLoss CrossEntropy(const TokenBatch& batch, int64_t count = 0);

struct LossReport {
  double loss = 0;  // row_loss + aux_coef * aux
  double row_loss = 0;
  double aux = 0;                      // load balance (ops/router.h); perfect balance is k
  std::vector<float> logprobs;         // per token, 0 where ignored: the very bits that Model::Forward's logits give
  std::vector<float> entropies;        // of the distributions those come from, 0 where ignored; if asked for
  std::vector<int64_t> expert_counts;  // [L * E]: tokens each expert worked on
  std::vector<RouterFigures> router;   // [L] sums over the batch's tokens
};

struct GradientOptions {
  double aux_coef = 0;     // weight of the auxiliary loss
  bool recompute = true;   // keep only each layer's input and run the layer again in backward
  bool entropies = false;  // report them
};

// Adds the gradient of the loss to `grads` (from ZerosLike). The pass's model must hold its weights (keep_weights) in
// float32. Deterministic: the same batch gives the same bits for any number of threads.
LossReport AddGradient(Pass& pass, const TokenBatch& batch, const RowLoss& row_loss, const GradientOptions& options,
                       Params& grads);

// The same without gradients (validation).
LossReport EvaluateLoss(Pass& pass, const TokenBatch& batch, const RowLoss& row_loss, double aux_coef = 0);

}  // namespace fulgur
