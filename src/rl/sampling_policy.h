// The policy that samples the batches of a run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "rl/config.h"
#include "rl/rollout_model.h"

namespace fulgur {

// The learner's weights, or with a lag those of some batches before; packed in another format if the config says so.
class SamplingPolicy {
 public:
  // The learner keeps its weights and outlives this object.
  SamplingPolicy(Model& learner, const RlConfig::Rollouts& config) : learner_(learner), config_(config) {}

  // Before each batch. past: the weights before the last batches, the oldest first; at most as many as the lag.
  void Prepare(const std::vector<Params>& past);

  Model& generating() { return narrow_ ? narrow_->model() : full(); }
  Model& full() { return old_ ? *old_ : learner_; }          // the same in full precision
  bool low_precision() const { return narrow_ != nullptr; }  // whether the two differ
  bool is_learner() const { return !narrow_ && !old_; }      // what it samples has the ratio 1 before the first update

 private:
  Model& learner_;
  RlConfig::Rollouts config_;
  std::unique_ptr<Model> old_;
  std::unique_ptr<RolloutModel> narrow_;  // of full()
};

Params CopyWeights(Model& model);
// A checksum of the weights.
std::string WeightsCrc(Model& model);

}  // namespace fulgur
