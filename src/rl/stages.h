// Staged expansion of the window that responses have (MiniMax-M1 report, section 5): the next stage begins when the
// model's text does not get more predictable any more and its long responses are near the window.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "rl/config.h"

namespace fulgur {

class Stages {
 public:
  Stages(const std::vector<StageConfig>& stages, const RlConfig::StageRule& rule) : stages_(stages), rule_(rule) {}

  size_t index() const { return index_; }
  int64_t window() const { return stages_[index_].window; }
  int64_t batches() const { return static_cast<int64_t>(perplexities_.size()); }  // in this stage

  // Takes note of a batch; true if the next one is the first of a new stage. Both means of the rule are of batches of
  // this stage alone, so that a stage has at least 2 * rule.batches of them.
  bool Add(double perplexity, double p99_length);

  Json ToJson() const;
  void FromJson(const Json& json, const std::string& where);

 private:
  std::vector<StageConfig> stages_;
  RlConfig::StageRule rule_;
  size_t index_ = 0;
  std::vector<double> perplexities_;  // of this stage's batches
};

}  // namespace fulgur
