#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/rng.h"
#include "ops/cross_entropy.h"

namespace fulgur {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TokenMask All(size_t n) { return TokenMask(n, 1); }

SampledToken Sample(const SamplingParams& params, const std::vector<float>& logits, int64_t position,
                    const TokenMask& mask) {
  SamplerScratch scratch;
  return Sampler(params).Sample(logits, mask, position, scratch);
}

// How often each token comes in `draws` draws.
std::vector<double> Frequencies(const SamplingParams& params, const std::vector<float>& logits, int draws,
                                const TokenMask& mask) {
  const Sampler sampler(params);
  SamplerScratch scratch;
  std::vector<double> share(logits.size(), 0);
  for (int i = 0; i < draws; ++i) {
    share[static_cast<size_t>(sampler.Sample(logits, mask, i, scratch).id)] += 1.0 / draws;
  }
  return share;
}

std::vector<double> Softmax(const std::vector<float>& logits, double temperature, const std::set<int>& support) {
  std::vector<double> p(logits.size(), 0);
  double total = 0;
  for (int i : support) total += p[static_cast<size_t>(i)] = std::exp(logits[static_cast<size_t>(i)] / temperature);
  for (double& x : p) x /= total;
  return p;
}

void ExpectFrequencies(const std::vector<double>& share, const std::vector<double>& p, int draws) {
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) {
      EXPECT_EQ(share[i], 0) << "token " << i;
    } else {
      EXPECT_NEAR(share[i], p[i], 5 * std::sqrt(p[i] * (1 - p[i]) / draws) + 1e-12) << "token " << i;
    }
  }
}

const std::vector<float> kLogits = {1.0f, 3.0f, -2.0f, 2.5f, 0.0f, 2.0f};

TEST(Sampler, GreedyTakesTheLowestOfTheMostLikely) {
  EXPECT_EQ(Sample({.temperature = 0}, {1, 5, 2, 5, 5}, 0, All(5)).id, 1);
  EXPECT_EQ(Sample({.temperature = 0}, {1, 5, 2, 5, 5}, 0, {1, 0, 1, 1, 1}).id, 3);
  EXPECT_EQ(Sample({.temperature = 0}, {-1, -5, -kInfinity}, 0, All(3)).id, 0);
}

TEST(Sampler, BiasIsAddedBeforeAllElse) {
  const std::vector<float> logits = {1, 3, -2, 2.5f};
  EXPECT_EQ(Sample({.temperature = 0, .logit_bias = {{2, 5.5f}}}, logits, 0, All(4)).id, 2);
  EXPECT_EQ(Sample({.temperature = 0, .logit_bias = {{2, 4.5f}}}, logits, 0, All(4)).id, 1);
  EXPECT_EQ(Sample({.temperature = 0, .logit_bias = {{1, -kInfinity}}}, logits, 0, All(4)).id, 3);
  EXPECT_EQ(Sample({.temperature = 0, .logit_bias = {{1, 9.0f}}}, logits, 0, {1, 0, 1, 1}).id, 3);  // masked
  // Reported log-probabilities are those of the raw logits.
  EXPECT_EQ(Sample({.temperature = 0, .logit_bias = {{2, 5.5f}}}, logits, 0, All(4)).logprob,
            LogProb(logits.data(), 4, 2));
  std::vector<float> biased = logits;
  biased[0] += 2;
  const SamplingParams params{.logit_bias = {{0, 2.0f}}, .seed = 3};
  ExpectFrequencies(Frequencies(params, logits, 20000, All(4)), Softmax(biased, 1, {0, 1, 2, 3}), 20000);
  EXPECT_THROW(Sampler(SamplingParams{.logit_bias = {{0, kNaN}}}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.logit_bias = {{0, kInfinity}}}), Error);
}

TEST(Sampler, DrawsFromTheSoftmaxAtTheTemperature) {
  constexpr int kDraws = 100000;
  for (double temperature : {0.5, 1.0, 2.0}) {
    SCOPED_TRACE(temperature);
    const SamplingParams params{.temperature = temperature, .seed = 7};
    ExpectFrequencies(Frequencies(params, kLogits, kDraws, All(6)), Softmax(kLogits, temperature, {0, 1, 2, 3, 4, 5}),
                      kDraws);
  }
}

TEST(Sampler, FiltersKeepTheRightTokensInProportion) {
  constexpr int kDraws = 50000;
  // Sorted: 1 (3.0), 3 (2.5), 5 (2.0), 0 (1.0), 4 (0.0), 2 (-2.0); p = .449 .272 .165 .061 .022 .003 (rest rounding).
  const auto check = [&](const SamplingParams& params, const std::set<int>& support, const TokenMask& mask) {
    ExpectFrequencies(Frequencies(params, kLogits, kDraws, mask), Softmax(kLogits, params.temperature, support),
                      kDraws);
  };
  check({.top_k = 2}, {1, 3}, All(6));
  check({.top_k = 100}, {0, 1, 2, 3, 4, 5}, All(6));
  check({.top_p = 0.7}, {1, 3}, All(6));
  check({.top_p = 0.75}, {1, 3, 5}, All(6));
  check({.top_p = 0}, {1}, All(6));
  check({.min_p = 0.3}, {1, 3, 5}, All(6));  // exp(-1) = .37 of the best, exp(-2) = .14
  check({.min_p = 1}, {1}, All(6));
  check({.top_k = 3, .top_p = 0.85}, {1, 3, 5}, All(6));  // of the three .51 .31 .19: two have .81
  check({.top_k = 3, .top_p = 0.8}, {1, 3}, All(6));
  check({.temperature = 2, .top_k = 4, .min_p = 0.5}, {1, 3, 5}, All(6));  // exp(-1/2) = .61, exp(-1) = .37
  check({.top_k = 2}, {3, 5}, {1, 0, 1, 1, 1, 1});
}

// The short cut before sorting must not change which tokens are among the fewest that reach top_p.
TEST(Sampler, TopPAgreesWithSortingEverything) {
  Rng rng(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> logits(200);
    for (float& x : logits) x = static_cast<float>(3 * rng.Normal());
    const double top_p = rng.Uniform();
    std::vector<int> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
    double total = 0, sum = 0;
    for (float x : logits) total += std::exp(double{x});
    std::set<int> support;
    for (int id : order) {
      if (!support.empty() && sum >= top_p * total) break;
      support.insert(id);
      sum += std::exp(double{logits[static_cast<size_t>(id)]});
    }
    const std::vector<double> share = Frequencies({.top_p = top_p, .seed = 1}, logits, 2000, All(logits.size()));
    for (size_t i = 0; i < share.size(); ++i) {
      EXPECT_TRUE(share[i] == 0 || support.count(static_cast<int>(i))) << "round " << round << " token " << i;
    }
    // And none of the support is lost, as far as so many draws can tell.
    for (int id : support) {
      const double p = std::exp(double{logits[static_cast<size_t>(id)]}) / sum;
      EXPECT_TRUE(p < 0.01 || share[static_cast<size_t>(id)] > 0) << "round " << round << " token " << id;
    }
  }
}

TEST(Sampler, PenaltiesFollowTheirFormulas) {
  SamplerScratch scratch;
  const std::vector<float> logits = {2.0f, 1.5f, -1.0f, 0.0f};
  const auto greedy = [&](SamplingParams params, const std::vector<int32_t>& prompt, const std::vector<int32_t>& output,
                          const std::vector<float>& row) {
    params.temperature = 0;
    Sampler sampler(params);
    sampler.AddPrompt(prompt);
    for (int32_t id : output) sampler.AddOutput(id);
    return sampler.Sample(row, All(row.size()), 0, scratch);
  };
  // Repetition: 2.0 / 1.3 = 1.54 stays ahead of 1.5, 2.0 / 1.4 = 1.43 does not; prompt and output alike.
  EXPECT_EQ(greedy({.repetition_penalty = 1.3}, {0}, {}, logits).id, 0);
  EXPECT_EQ(greedy({.repetition_penalty = 1.4}, {0}, {}, logits).id, 1);
  EXPECT_EQ(greedy({.repetition_penalty = 1.4}, {}, {0}, logits).id, 1);
  // Negative logits are multiplied: -1 * 1.4 falls behind -1.2.
  EXPECT_EQ(greedy({.repetition_penalty = 1.4}, {0}, {}, {-1.0f, -1.2f}).id, 1);
  // Presence: once, and not for the prompt.
  EXPECT_EQ(greedy({.presence_penalty = 0.6}, {0}, {}, logits).id, 0);
  EXPECT_EQ(greedy({.presence_penalty = 0.6}, {}, {0}, logits).id, 1);
  EXPECT_EQ(greedy({.presence_penalty = 0.4}, {}, {0, 0, 0}, logits).id, 0);
  // Frequency: for each time.
  EXPECT_EQ(greedy({.frequency_penalty = 0.2}, {0, 0, 0}, {0, 0}, logits).id, 0);
  EXPECT_EQ(greedy({.frequency_penalty = 0.2}, {}, {0, 0, 0}, logits).id, 1);
  // What is reported is the raw distribution.
  EXPECT_EQ(greedy({.frequency_penalty = 5}, {}, {0}, logits).logprob, LogProb(logits.data(), 4, 1));
  // Ids outside the logits (a tokenizer larger than the model) are no reason to read outside them.
  EXPECT_EQ(greedy({.repetition_penalty = 2}, {17, -1}, {99}, logits).id, 0);
}

TEST(Sampler, LogprobsAreThoseOfTheRawLogits) {
  const SampledToken token =
      Sample({.temperature = 0.3, .top_k = 2, .seed = 5, .top_logprobs = 4}, kLogits, 9, {1, 1, 1, 0, 1, 1});
  EXPECT_EQ(token.logprob, LogProb(kLogits.data(), 6, token.id));
  ASSERT_EQ(token.top.size(), 4u);
  const int32_t ids[] = {1, 5, 0, 4};  // 3 may not be sampled
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(token.top[i].id, ids[i]);
    EXPECT_EQ(token.top[i].logprob, LogProb(kLogits.data(), 6, ids[i]));
  }
  EXPECT_EQ(Sample({.temperature = 0, .top_logprobs = 50}, kLogits, 0, All(6)).top.size(), 6u);
}

TEST(Sampler, DependsOnSeedAndPositionOnly) {
  const std::vector<float> flat(50, 0.0f);
  SamplerScratch used;
  const Sampler sampler(SamplingParams{.top_p = 0.9, .seed = 11});
  std::set<int32_t> at_positions, with_seeds;
  for (int64_t position = 0; position < 40; ++position) {
    const int32_t id = Sample({.top_p = 0.9, .seed = 11}, flat, position, All(50)).id;
    EXPECT_EQ(sampler.Sample(flat, All(50), position, used).id, id);  // whatever the scratch has been used for
    at_positions.insert(id);
    with_seeds.insert(Sample({.seed = static_cast<uint64_t>(position)}, flat, 3, All(50)).id);
  }
  EXPECT_GT(at_positions.size(), 15u);
  EXPECT_GT(with_seeds.size(), 15u);
}

TEST(Sampler, OddLogits) {
  // A model whose logits are NaN is broken, even if some of them are not; what may not be sampled may be anything.
  for (const std::vector<float>& logits : {std::vector<float>{kNaN, -kInfinity}, {1.0f, kNaN}}) {
    try {
      Sample({}, logits, 7, All(2));
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("NaN at position 7"));
    }
  }
  EXPECT_EQ(Sample({}, {kNaN, 1.0f}, 0, {0, 1}).id, 1);
  EXPECT_EQ(Sample({}, {1.0f, kInfinity}, 0, All(2)).id, 1);
  EXPECT_EQ(Sample({.temperature = 1e-300}, {1.0f, 1.5f}, 0, All(2)).id, 1);
  EXPECT_THROW(Sample({}, {1.0f, 2.0f}, 0, {0, 0}), Error);
}

TEST(Sampler, RejectsParametersOutOfRange) {
  EXPECT_THROW(Sampler(SamplingParams{.temperature = -0.1}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.temperature = std::nan("")}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.top_k = -1}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.top_p = 1.1}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.min_p = -0.1}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.repetition_penalty = 0}), Error);
  EXPECT_THROW(Sampler(SamplingParams{.top_logprobs = -1}), Error);
}

TEST(SampleableTokens, LeavesOutPaddingOfEveryDtype) {
  Tensor embedding(DType::kF32, {6, 3}), half(DType::kF16, {6, 3});
  const auto set = [&](int64_t row, int64_t col, float value, uint16_t f16_bits) {
    embedding.values<float>()[static_cast<size_t>(row * 3 + col)] = value;
    half.values<f16>()[static_cast<size_t>(row * 3 + col)] = {f16_bits};
  };
  set(0, 2, 1, 0x3c00);
  set(1, 0, -0.0f, 0x8000);  // a row of zeros nevertheless
  set(2, 1, -0x1p-24f, 0x8001);
  set(4, 0, 2, 0x4000);
  set(5, 0, 2, 0x4000);
  for (const Tensor& e : {embedding, embedding.To(DType::kBF16), half}) {
    EXPECT_THAT(SampleableTokens(e, 5), ::testing::ElementsAre(1, 0, 1, 0, 1, 0)) << DTypeName(e.dtype());
    EXPECT_THAT(SampleableTokens(e, 100), ::testing::ElementsAre(1, 0, 1, 0, 1, 1)) << DTypeName(e.dtype());
  }
}

// What is reported as drawn from is what is drawn from, and has the bits that a trainer computes.
TEST(Sampler, ReportsTheDistributionItDrewFrom) {
  const TokenMask mask = All(kLogits.size());
  for (const auto& [temperature, top_p, top_k] : std::vector<std::tuple<double, double, int64_t>>{
           {1, 1, 0}, {0.7, 1, 0}, {1.6, 0.8, 0}, {1, 0.7, 0}, {2, 1, 3}}) {
    SCOPED_TRACE(testing::Message() << temperature << " " << top_p << " " << top_k);
    SamplingParams params;
    params.temperature = temperature;
    params.top_p = top_p;
    params.top_k = top_k;
    params.drawn = true;
    params.top_logprobs = 2;  // uses the same memory
    params.seed = 5;
    constexpr int kDraws = 20000;
    std::vector<double> probability(kLogits.size(), 0);
    for (int i = 0; i < 400; ++i) {
      const SampledToken token = Sample(params, kLogits, i, mask);
      EXPECT_EQ(token.drawn.kept.empty(), !params.HasFilters());
      if (params.HasFilters()) {
        EXPECT_TRUE(std::binary_search(token.drawn.kept.begin(), token.drawn.kept.end(), token.id));
        EXPECT_LT(token.drawn.kept.size(), kLogits.size());
      }
      std::vector<float> row = kLogits;
      TemperLogits(row.data(), static_cast<int64_t>(row.size()), 1 / static_cast<float>(temperature), token.drawn.kept);
      EXPECT_EQ(token.drawn.logprob, LogProb(row.data(), static_cast<int64_t>(row.size()), token.id));
      EXPECT_EQ(token.logprob, LogProb(kLogits.data(), static_cast<int64_t>(kLogits.size()), token.id));
      probability[static_cast<size_t>(token.id)] = std::exp(token.drawn.logprob);
    }
    EXPECT_NEAR(std::accumulate(probability.begin(), probability.end(), 0.0), 1, 0.03);  // nearly all came
    const std::vector<double> share = Frequencies(params, kLogits, kDraws, mask);
    for (size_t i = 0; i < share.size(); ++i) {
      if (probability[i] == 0) continue;  // did not come among the first
      EXPECT_NEAR(share[i], probability[i], 5 * std::sqrt(share[i] / kDraws) + 1e-3) << i;
    }
  }
}

}  // namespace
}  // namespace fulgur
