#include "rl/objective.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace fulgur {
namespace {

int ProbabilityBin(double logprob) { return std::clamp(static_cast<int>(std::exp(logprob) * 10), 0, 9); }

int RatioBin(double log_ratio) {
  constexpr double kLog2 = 0.69314718055994530942;
  const double bin = std::floor((log_ratio / kLog2 + 4) * 4);
  return static_cast<int>(std::clamp(bin, 0.0, static_cast<double>(ObjectiveStats::kRatioBins - 1)));
}

void Count(double old_logprob, double log_ratio, double ratio, bool clipped, bool masked, ObjectiveStats* s) {
  ++s->tokens;
  s->clipped += clipped;
  s->masked += masked;
  s->ratio_sum += ratio;
  s->ratio_min = std::min(s->ratio_min, ratio);
  s->ratio_max = std::max(s->ratio_max, ratio);
  s->kl_sum -= log_ratio;
  if (std::isnan(old_logprob) || std::isnan(log_ratio)) return;  // in no bin; the loss is NaN too
  const auto p = static_cast<size_t>(ProbabilityBin(old_logprob));
  ++s->by_probability[p];
  s->clipped_by_probability[p] += clipped;
  if (log_ratio == 0) {
    ++s->ratio_one;
  } else {
    ++s->ratio_bins[static_cast<size_t>(RatioBin(log_ratio))];
  }
}

}  // namespace

const std::vector<std::string>& ObjectiveNames() {
  static const std::vector<std::string> kNames = {"reinforce_is", "grpo", "dapo", "cispo", "gspo", "dr_grpo"};
  return kNames;
}

Objective NamedObjective(std::string_view name) {
  Objective o;
  if (name == "reinforce_is") {
    o.normalization.sample = 1;
  } else if (name == "grpo") {
    o.normalization.sample = 1;
    o.mask_low = 0.8;
    o.mask_high = 1.2;
    o.surrogate = true;
  } else if (name == "dapo") {
    o.normalization.group = 1;
    o.mask_low = 0.8;
    o.mask_high = 1.28;
    o.surrogate = true;
  } else if (name == "cispo") {
    o.normalization.group = 1;
    o.is_weight_max = 5;
  } else if (name == "gspo") {
    o.normalization.sample = 1;
    o.sequence_ratio = true;
    o.mask_low = 1 - 3e-4;
    o.mask_high = 1 + 4e-4;
    o.surrogate = true;
  } else if (name == "dr_grpo") {
    o.normalization.constant = 1;
    o.advantage = AdvantageKind::kMeanOnly;
    o.mask_low = 0.8;
    o.mask_high = 1.2;
    o.surrogate = true;
  } else {
    throw Error("there is no objective \"{}\"; the objectives are {}", name, fmt::join(ObjectiveNames(), ", "));
  }
  return o;
}

std::vector<double> Advantages(std::span<const double> rewards, AdvantageKind kind) {
  std::vector<double> advantages(rewards.size(), 0.0);
  if (rewards.empty()) return advantages;
  // Equality is looked at, not the standard deviation, which rounding can leave above 0.
  const auto [least, most] = std::minmax_element(rewards.begin(), rewards.end());
  if (*least == *most) return advantages;
  const auto n = static_cast<double>(rewards.size());
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / n;
  double squares = 0;
  for (const double r : rewards) squares += (r - mean) * (r - mean);
  double std = 1;
  if (kind == AdvantageKind::kPopulation) std = std::sqrt(squares / n);
  if (kind == AdvantageKind::kSample) std = std::sqrt(squares / (n - 1));
  for (size_t i = 0; i < rewards.size(); ++i) advantages[i] = (rewards[i] - mean) / std;
  return advantages;
}

std::vector<double> ResponseWeights(std::span<const int64_t> group_sizes, std::span<const int64_t> lengths,
                                    const Objective& objective) {
  const Objective::Normalization& share = objective.normalization;
  FULGUR_CHECK(share.constant == 0 || objective.constant_length > 0);
  FULGUR_CHECK(std::accumulate(group_sizes.begin(), group_sizes.end(), int64_t{0}) ==
               static_cast<int64_t>(lengths.size()));
  const auto prompts = static_cast<double>(group_sizes.size());
  const auto all = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}));
  std::vector<double> weights;
  weights.reserve(lengths.size());
  size_t begin = 0;
  for (const int64_t size : group_sizes) {
    const auto group = lengths.subspan(begin, static_cast<size_t>(size));
    begin += group.size();
    const auto pooled = static_cast<double>(std::accumulate(group.begin(), group.end(), int64_t{0}));
    for (const int64_t length : group) {
      const auto n = static_cast<double>(length), g = static_cast<double>(size);
      double weight = 0;  // of a response without tokens: it has no use for one
      if (length > 0) {
        weight = share.sample / (prompts * g * n) + share.group / (prompts * pooled) + share.batch / all;
        if (share.constant != 0) weight += share.constant / (prompts * g * objective.constant_length);
      }
      weights.push_back(weight);
    }
  }
  return weights;
}

void ObjectiveStats::Add(const ObjectiveStats& other) {
  tokens += other.tokens;
  clipped += other.clipped;
  masked += other.masked;
  ratio_sum += other.ratio_sum;
  ratio_min = std::min(ratio_min, other.ratio_min);
  ratio_max = std::max(ratio_max, other.ratio_max);
  kl_sum += other.kl_sum;
  for (size_t i = 0; i < by_probability.size(); ++i) {
    by_probability[i] += other.by_probability[i];
    clipped_by_probability[i] += other.clipped_by_probability[i];
  }
  for (size_t i = 0; i < ratio_bins.size(); ++i) ratio_bins[i] += other.ratio_bins[i];
  ratio_one += other.ratio_one;
}

double ResponseLoss(const Objective& o, const ResponseTokens& tokens, double weight, double advantage,
                    std::span<double> grad, ObjectiveStats* stats) {
  const size_t n = tokens.logprobs.size();
  FULGUR_CHECK(tokens.old_logprobs.size() == n && grad.size() == n);
  FULGUR_CHECK(tokens.correction.empty() || tokens.correction.size() == n);
  FULGUR_CHECK(o.kl == 0 || tokens.reference.size() == n);
  const auto log_ratio_of = [&](size_t t) {
    return static_cast<double>(tokens.logprobs[t]) - static_cast<double>(tokens.old_logprobs[t]);
  };
  double sequence = 0;
  if (o.sequence_ratio) {
    for (size_t t = 0; t < n; ++t) sequence += log_ratio_of(t);
    sequence /= static_cast<double>(std::max<size_t>(n, 1));
  }
  double loss = 0;
  for (size_t t = 0; t < n; ++t) {
    const double log_ratio = o.sequence_ratio ? sequence : log_ratio_of(t);
    const double ratio = std::exp(log_ratio);
    const double is_weight = std::clamp(ratio, o.is_weight_min, o.is_weight_max);
    const bool masked = (advantage > 0 && ratio > o.mask_high) || (advantage < 0 && ratio < o.mask_low);
    const double scale = weight * (tokens.correction.empty() ? 1.0 : static_cast<double>(tokens.correction[t]));
    grad[t] = masked || advantage == 0 ? 0.0 : -scale * is_weight * advantage;
    if (o.surrogate) {
      loss -= scale * advantage * (masked ? std::clamp(ratio, o.mask_low, o.mask_high) : is_weight);
    } else if (!masked) {
      loss -= scale * advantage * is_weight * static_cast<double>(tokens.logprobs[t]);
    }
    if (o.kl != 0) {
      const double d = static_cast<double>(tokens.reference[t]) - static_cast<double>(tokens.logprobs[t]);
      loss += o.kl * weight * (std::expm1(d) - d);
      grad[t] -= o.kl * weight * std::expm1(d);
    }
    if (stats != nullptr) Count(tokens.old_logprobs[t], log_ratio, ratio, masked || is_weight != ratio, masked, stats);
  }
  return loss;
}

ObjectiveResult EvaluateObjective(const Objective& objective, std::span<const int64_t> group_sizes,
                                  std::span<const int64_t> lengths, std::span<const double> rewards,
                                  std::span<const float> old_logprobs, std::span<const float> logprobs,
                                  std::span<const float> reference) {
  const std::vector<double> weights = ResponseWeights(group_sizes, lengths, objective);
  FULGUR_CHECK(rewards.size() == lengths.size());
  ObjectiveResult result;
  result.grad.resize(logprobs.size());
  size_t first = 0;
  for (const int64_t size : group_sizes) {
    const std::vector<double> a = Advantages(rewards.subspan(first, static_cast<size_t>(size)), objective.advantage);
    result.advantages.insert(result.advantages.end(), a.begin(), a.end());
    first += a.size();
  }
  size_t begin = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto n = static_cast<size_t>(lengths[i]);
    ResponseTokens tokens{old_logprobs.subspan(begin, n), logprobs.subspan(begin, n)};
    if (!reference.empty()) tokens.reference = reference.subspan(begin, n);
    result.loss += ResponseLoss(objective, tokens, weights[i], result.advantages[i],
                                std::span(result.grad).subspan(begin, n), &result.stats);
    begin += n;
  }
  FULGUR_CHECK(begin == logprobs.size());
  return result;
}

}  // namespace fulgur
