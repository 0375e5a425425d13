#include "rl/batch_figures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/statistics.h"

namespace fulgur {

void ResponseFigures::Add(const Response& r) {
  const Trajectory& t = r.trajectory;
  ++responses;
  tokens += static_cast<int64_t>(t.ids.size());
  cut += t.finish == FinishReason::kLength;
  early += t.finish == FinishReason::kEarlyTruncation;
  thinking += static_cast<double>(t.thinking_tokens());
  lengths.push_back(static_cast<double>(t.ids.size()));
  for (const float logprob_of_token : RecordedLogprobs(t)) logprob += logprob_of_token;
  sampled += t.sampled_tokens();
  if (!r.judged()) return;
  ++judged;
  total += r.reward.total();
  score += *r.verdict.score;
  format += r.reward.format;
  overlong += r.reward.overlong_part;
  correct_part += r.reward.correct_part;
  format_part += r.reward.format_part;
}

double ResponseFigures::Mean(double sum) const { return sum / static_cast<double>(std::max<int64_t>(1, responses)); }

double ResponseFigures::JudgedMean(double sum) const { return sum / static_cast<double>(std::max<int64_t>(1, judged)); }

double ResponseFigures::perplexity() const {
  return std::exp(-logprob / static_cast<double>(std::max<int64_t>(1, sampled)));
}

Json ResponseFigures::RewardJson() const {
  return {{"mean", JudgedMean(total)},
          {"score", JudgedMean(score)},
          {"format", JudgedMean(format)},
          {"correct_part", JudgedMean(correct_part)},
          {"format_part", JudgedMean(format_part)},
          {"overlong_part", JudgedMean(overlong)}};
}

Json ResponseFigures::LengthJson() {
  std::sort(lengths.begin(), lengths.end());
  return {{"mean", Mean(static_cast<double>(tokens))},
          {"p50", Percentile(lengths, 0.5)},
          {"p90", Percentile(lengths, 0.9)},
          {"p99", Percentile(lengths, 0.99)},
          {"max", lengths.empty() ? 0 : lengths.back()},
          {"thinking", Mean(thinking)},
          {"cut", Mean(static_cast<double>(cut))},
          {"early_truncated", Mean(static_cast<double>(early))}};
}

void ValueHistogram::Add(double value) {
  const double bin = std::floor((value - low_) / (high_ - low_) * static_cast<double>(counts_.size()));
  if (std::isnan(bin)) return;
  ++counts_[static_cast<size_t>(std::clamp(bin, 0.0, static_cast<double>(counts_.size() - 1)))];
}

ValueHistogram RewardHistogram(const RewardConfig& config) {
  const double low =
      std::min({0.0, config.compile_error, config.crash}) - (config.overlong_buffer > 0 ? config.overlong : 0);
  const double high = config.correct + config.format;
  return {low, high > low ? high : low + 1, 20};
}

ValueHistogram AdvantageHistogram() { return {-4, 4, 32}; }

Json AgreementJson(const Agreement& a) {
  return {{"tokens", a.tokens},
          {"equal", a.equal},
          {"max_difference", a.max_difference},
          {"max_log_difference", a.max_log_difference},
          {"correlation", a.correlation()}};
}

void UpdateFigures::Add(const PolicyGradientReport& r, double norm, double lr, double seconds) {
  stats_.Add(r.stats);
  router_.Add(r.router);
  entropy_ += r.entropy_sum;
  flops_ += r.flops;
  tokens_ += r.tokens;
  seconds_ += seconds;
  lr_ = lr;
  norms_.push_back(norm);
  losses_.push_back(r.loss);
  clipped_.push_back(static_cast<double>(r.stats.clipped) / static_cast<double>(std::max<int64_t>(1, r.stats.tokens)));
  ratio_max_.push_back(r.stats.ratio_max);
}

Json UpdateFigures::ToJson(double peak_gflops) const {
  Json json;
  const auto mean = [](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  const auto count = static_cast<double>(std::max<int64_t>(1, stats_.tokens));
  if (!empty()) {
    json["loss"] = mean(losses_);
    json["grad_norm"] = mean(norms_);
    json["lr"] = lr_;
    json["entropy"] = entropy_ / count;
    json["clipped"] = static_cast<double>(stats_.clipped) / count;
    json["masked"] = static_cast<double>(stats_.masked) / count;
    json["router"] = router_.ToJson();
  }
  json["ratio"] = {{"mean", stats_.tokens > 0 ? stats_.ratio_sum / count : 1},
                   {"min", stats_.tokens > 0 ? stats_.ratio_min : 1},
                   {"max", stats_.tokens > 0 ? stats_.ratio_max : 1},
                   {"kl", stats_.kl_sum / count}};
  if (seconds_ > 0) {
    json["train"] = {{"tokens", tokens_}, {"tokens_per_second", static_cast<double>(tokens_) / seconds_}};
    if (peak_gflops > 0) json["train"]["peak_share"] = flops_ / seconds_ / (peak_gflops * 1e9);
  }
  json["by_update"] = {{"grad_norm", norms_}, {"loss", losses_}, {"clipped", clipped_}, {"ratio_max", ratio_max_}};
  json["histograms"] = {{"tokens", stats_.tokens},
                        {"ratio", stats_.ratio_bins},
                        {"ratio_one", stats_.ratio_one},
                        {"probability", stats_.by_probability},
                        {"probability_clipped", stats_.clipped_by_probability}};
  return json;
}

}  // namespace fulgur
