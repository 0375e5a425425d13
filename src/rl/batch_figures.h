// What a batch of reinforcement learning adds to the metrics: figures of its responses, and of the updates from them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/json.h"
#include "rl/policy_update.h"
#include "rl/rollout.h"
#include "train/router_meter.h"

namespace fulgur {

// Sums over responses; those of rewards over the ones that were judged.
struct ResponseFigures {
  int64_t responses = 0, judged = 0, tokens = 0, cut = 0, early = 0;
  double total = 0, score = 0, format = 0, overlong = 0, correct_part = 0, format_part = 0, thinking = 0, logprob = 0;
  int64_t sampled = 0;
  std::vector<double> lengths;

  void Add(const Response& r);
  double Mean(double sum) const;        // over responses
  double JudgedMean(double sum) const;  // over judged responses
  double perplexity() const;
  Json RewardJson() const;
  Json LengthJson();
};

// How often values fall into equal bins between two ends; the outer bins also have what lies beyond.
class ValueHistogram {
 public:
  ValueHistogram(double low, double high, size_t bins) : low_(low), high_(high), counts_(bins) {}
  void Add(double value);
  Json ToJson() const { return {{"low", low_}, {"high", high_}, {"counts", counts_}}; }

 private:
  double low_, high_;
  std::vector<int64_t> counts_;
};
// Between the least and the most that a response can earn.
ValueHistogram RewardHistogram(const RewardConfig& config);
// From -4 to 4.
ValueHistogram AdvantageHistogram();

Json AgreementJson(const Agreement& agreement);

// Of the updates of a batch.
class UpdateFigures {
 public:
  void Add(const PolicyGradientReport& report, double norm, double lr, double seconds);
  bool empty() const { return norms_.empty(); }
  int64_t tokens() const { return tokens_; }
  const ObjectiveStats& stats() const { return stats_; }

  // peak_gflops: as RunOptions.
  Json ToJson(double peak_gflops) const;

 private:
  ObjectiveStats stats_;
  RouterMeter router_;
  std::vector<double> norms_, losses_, clipped_, ratio_max_;  // of each update
  double entropy_ = 0, flops_ = 0, seconds_ = 0, lr_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace fulgur
