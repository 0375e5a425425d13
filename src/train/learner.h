// A model in training: its weights, the gradient that is being added up, and the optimizer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/pass.h"
#include "ops/exec_context.h"
#include "train/optimizer.h"

namespace fulgur {

// Where a NaN or an infinity stands.
struct NotFinite {
  std::string tensor;
  int64_t index = 0;  // in row-major order
  double value = 0;
  std::string ToString() const;  // "model.norm.weight[3] is NaN"
};
// The first in checkpoint order, whatever the number of threads.
std::optional<NotFinite> FirstNotFinite(const ModelConfig& config, Params& params, ExecContext& exec);

class Learner {
 public:
  // The model keeps its unpacked weights (float32).
  Learner(std::unique_ptr<Model> model, const AdamWOptions& options, bool decay_norms);

  Model& model() { return *model_; }
  Pass& pass() { return pass_; }  // for AddGradient
  const ModelConfig& config() const { return model_->config(); }
  Params& params() { return model_->params(); }
  Params& m() { return optimizer_.m(); }
  Params& v() { return optimizer_.v(); }

  Params& grads() { return grads_; }  // what AddGradient adds to
  void ZeroGradient();

  // One step of AdamW with the gradient, scaled down to the norm `clip` if it is longer (0: never), and the weights
  // packed anew. `number` counts AdamW's steps from 1. Returns the norm before clipping. Error that begins with `where`
  // ("step 7") and names the first tensor that is not finite, if the loss, the gradient or a weight is not; the weights
  // have not changed unless it is the last of the three.
  double Update(const std::string& where, double loss, int64_t number, double lr, double clip);

  // Updates that were begun: equal numbers mean equal weights.
  int64_t updates() const { return updates_; }

 private:
  std::unique_ptr<Model> model_;
  Pass pass_;
  Params grads_;
  Optimizer optimizer_;
  int64_t updates_ = 0;
};

}  // namespace fulgur
