#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "ops/cross_entropy.h"

namespace fulgur {

namespace {

constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

void CheckRange(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {  // also false for NaN
    if (std::isinf(high)) throw Error("{} is {}; it must be a number of at least {}", name, value, low);
    throw Error("{} is {}; it must be between {} and {}", name, value, low, high);
  }
}

// More likely first; equal logits by id. A total order, so that sorting has one result.
bool MoreLikely(const TokenLogprob& a, const TokenLogprob& b) {
  return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
}

bool RowIsZero(const Tensor& t, int64_t row) {
  const int64_t n = t.dim(1);
  for (int64_t i = 0; i < n; ++i) {
    if (ElementAsFloat(t, row * n + i) != 0) return false;
  }
  return true;
}

// The n most likely allowed tokens of the raw logits.
std::vector<TokenLogprob> TopLogprobs(std::span<const float> logits, const TokenMask& allowed, int64_t n,
                                      std::vector<TokenLogprob>& scratch) {
  scratch.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (allowed[i] != 0) scratch.push_back({static_cast<int32_t>(i), logits[i]});
  }
  const size_t count = std::min(scratch.size(), static_cast<size_t>(n));
  const auto middle = scratch.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(scratch.begin(), middle, scratch.end(), MoreLikely);
  std::vector<TokenLogprob> top(scratch.begin(), middle);
  for (TokenLogprob& t : top) t.logprob = LogProb(logits.data(), static_cast<int64_t>(logits.size()), t.id);
  return top;
}

}  // namespace

SampledToken ScoreToken(std::span<const float> logits, const TokenMask& allowed, int32_t id, int64_t top,
                        SamplerScratch& scratch) {
  SampledToken token;
  token.id = id;
  token.logprob = LogProb(logits.data(), static_cast<int64_t>(logits.size()), id);
  if (top > 0) token.top = TopLogprobs(logits, allowed, top, scratch.candidates);
  return token;
}

void SamplingParams::Validate() const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CheckRange("temperature", temperature, 0, 1000);
  CheckRange("top_k", static_cast<double>(top_k), 0, kInfinity);
  CheckRange("top_p", top_p, 0, 1);
  CheckRange("min_p", min_p, 0, 1);
  CheckRange("repetition_penalty", repetition_penalty, 0.01, 100);
  CheckRange("presence_penalty", presence_penalty, -100, 100);
  CheckRange("frequency_penalty", frequency_penalty, -100, 100);
  for (const auto& [id, bias] : logit_bias) {
    if (std::isnan(bias) || bias == std::numeric_limits<float>::infinity()) {
      throw Error("logit_bias of token {} is {}; it must be a number, or -inf", id, bias);
    }
  }
  CheckRange("top_logprobs", static_cast<double>(top_logprobs), 0, 1000);
  FULGUR_CHECK(!drawn || (temperature > 0 && !HasPenalties() && logit_bias.empty()),
               "a trainer knows of temperature, top-k, top-p and min-p only");
}

TokenMask SampleableTokens(const Tensor& embedding, int64_t vocab_size) {
  TokenMask mask(static_cast<size_t>(embedding.dim(0)), 0);
  const int64_t rows = std::min(embedding.dim(0), vocab_size);
  for (int64_t id = 0; id < rows; ++id) mask[static_cast<size_t>(id)] = !RowIsZero(embedding, id);
  return mask;
}

Sampler::Sampler(SamplingParams params) : params_(params) { params_.Validate(); }

void Sampler::AddPrompt(std::span<const int32_t> ids) {
  if (!params_.HasPenalties()) return;
  for (int32_t id : ids) counts_[id].in_prompt = true;
}

void Sampler::AddOutput(int32_t id) {
  if (params_.HasPenalties()) ++counts_[id].output;
}

SampledToken Sampler::Sample(std::span<const float> logits, const TokenMask& allowed, int64_t position,
                             SamplerScratch& scratch, std::span<const uint64_t> constraint) const {
  FULGUR_CHECK(logits.size() == allowed.size(), "{} logits, {} mask entries", logits.size(), allowed.size());
  const int64_t v = static_cast<int64_t>(logits.size());

  // Masked logits with penalties; and the most likely token.
  std::vector<float>& work = scratch.logits;
  work.resize(logits.size());
  int nan = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    work[i] = allowed[i] != 0 ? logits[i] : kNegativeInfinity;
    nan |= work[i] != work[i];
  }
  if (nan != 0) {
    throw Error(
        "the model's logits are NaN at position {}, so nothing can be sampled: a weight is NaN or infinite, or the "
        "model "
        "diverged in training",
        position);
  }
  for (const auto& [id, bias] : params_.logit_bias) {
    if (id >= 0 && id < v) work[static_cast<size_t>(id)] += bias;
  }
  if (!constraint.empty()) {
    for (size_t i = 0; i < work.size(); ++i) {
      const bool fits = i / 64 < constraint.size() && ((constraint[i / 64] >> (i % 64)) & 1) != 0;
      work[i] = fits ? work[i] : kNegativeInfinity;
    }
  }
  for (const auto& [id, count] : counts_) {
    if (id < 0 || id >= v) continue;
    double x = work[static_cast<size_t>(id)];
    if (params_.repetition_penalty != 1) {
      x = x > 0 ? x / params_.repetition_penalty : x * params_.repetition_penalty;
    }
    x -= params_.frequency_penalty * static_cast<double>(count.output);
    if (count.output > 0) x -= params_.presence_penalty;
    work[static_cast<size_t>(id)] = static_cast<float>(x);
  }
  const auto best = std::max_element(work.begin(), work.end());  // the first of equals
  if (work.empty() || *best == kNegativeInfinity) {
    throw Error("no token can be sampled at position {}: no allowed token has a logit above -inf", position);
  }

  SampledToken result;
  std::vector<int32_t> kept;  // params.drawn: what the filters leave
  result.id = static_cast<int32_t>(best - work.begin());
  if (params_.temperature > 0 && !std::isinf(*best)) {
    // Weights relative to the most likely token: exp((logit - max) / temperature).
    std::vector<TokenLogprob>& candidates = scratch.candidates;
    candidates.clear();
    const double max = *best;
    for (int32_t id = 0; id < v; ++id) {
      const float x = work[static_cast<size_t>(id)];
      if (x > kNegativeInfinity) candidates.push_back({id, x});
    }
    if (params_.top_k > 0 && params_.top_k < static_cast<int64_t>(candidates.size())) {
      const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(params_.top_k);
      std::nth_element(candidates.begin(), end - 1, candidates.end(), MoreLikely);
      candidates.erase(end, candidates.end());
      std::sort(candidates.begin(), candidates.end(), MoreLikely);
    }
    std::vector<double>& weights = scratch.weights;
    const auto weigh = [&] {
      double total = 0;
      weights.resize(candidates.size());
      for (size_t i = 0; i < candidates.size(); ++i) {
        total += weights[i] = std::exp((candidates[i].logprob - max) / params_.temperature);
      }
      return total;
    };
    double total = weigh();
    if (params_.top_p < 1) {
      // Tokens below (1 - top_p) / n of the probability have less than 1 - top_p together: none of them is among the
      // fewest that reach top_p, and what is left to sort is short.
      const double floor = (1 - params_.top_p) / static_cast<double>(candidates.size()) * total;
      size_t kept = 0;
      for (size_t i = 0; i < candidates.size(); ++i) {
        if (weights[i] >= floor) candidates[kept++] = candidates[i];
      }
      candidates.resize(kept);
      std::sort(candidates.begin(), candidates.end(), MoreLikely);
      weigh();
      double sum = 0;
      size_t n = 0;
      while (n < kept && (n == 0 || sum < params_.top_p * total)) sum += weights[n++];
      candidates.resize(n);
      weights.resize(n);
      total = sum;
    }
    if (params_.min_p > 0) {
      size_t kept = 0;
      double sum = 0;
      for (size_t i = 0; i < candidates.size(); ++i) {
        if (weights[i] < params_.min_p) continue;  // the most likely token's weight is 1
        candidates[kept] = candidates[i];
        sum += weights[kept++] = weights[i];
      }
      candidates.resize(kept);
      weights.resize(kept);
      total = sum;
    }
    double u = Rng(Mix(params_.seed, static_cast<uint64_t>(position))).Uniform() * total;
    size_t chosen = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (weights[i] == 0) continue;
      chosen = i;  // the last one that can come, should rounding carry u past the end
      u -= weights[i];
      if (u < 0) break;
    }
    result.id = candidates[chosen].id;
    if (params_.drawn && params_.HasFilters()) {
      for (const TokenLogprob& candidate : candidates) kept.push_back(candidate.id);
      std::sort(kept.begin(), kept.end());
    }
  }
  result = ScoreToken(logits, allowed, result.id, params_.top_logprobs, scratch);
  if (params_.drawn) {
    FULGUR_CHECK(constraint.empty(), "a trainer knows of no constraint");
    result.drawn.logprob = result.logprob;
    result.drawn.kept = std::move(kept);
    if (params_.temperature != 1 || params_.HasFilters()) {
      work.assign(logits.begin(), logits.end());
      TemperLogits(work.data(), v, 1 / static_cast<float>(params_.temperature), result.drawn.kept);
      result.drawn.logprob = LogProb(work.data(), v, result.id);
    }
  }
  return result;
}

}  // namespace fulgur
