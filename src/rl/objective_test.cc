#include "rl/objective.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "ops/complex_step.h"
#include "rl/objective_ref.h"
#include "rl/reference_objectives.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

// The cases in tests/data/golden, both sets of data.
class Golden : public testing::TestWithParam<const char*> {
 protected:
  const fs::path dir_ = fs::path(FULGUR_SOURCE_DIR) / "tests/data/golden/rl-objectives";
  const TensorMap data_ = ReadSafetensors(dir_ / (std::string("data") + GetParam() + ".safetensors"));
  const TensorMap want_ = ReadSafetensors(dir_ / (std::string("expected") + GetParam() + ".safetensors"));
};

TEST_P(Golden, EveryValueWithinItsToleranceAndZerosExact) {
  const auto results = ReferenceObjectives(data_, "data");
  const TensorMap got(results.begin(), results.end());
  ASSERT_EQ(got.size(), want_.size());
  int64_t zeros = 0;
  for (const auto& [name, want] : want_) {
    ASSERT_TRUE(got.contains(name)) << name;
    ASSERT_EQ(got.at(name).shape(), want.shape()) << name;
    const bool grad = name.ends_with(".grad");
    for (int64_t i = 0; i < want.size(); ++i) {
      const double x = got.at(name).f32()[i], y = want.f32()[i];
      EXPECT_NEAR(x, y, (grad ? 1e-9 : 1e-6) + 1e-5 * std::abs(y)) << name << " " << i;
      if (grad && y == 0) {
        EXPECT_EQ(x, 0) << name << " " << i;
        ++zeros;
      }
    }
  }
  EXPECT_GT(zeros, 100);
  // Equal gradients of two objectives whose values differ.
  for (int64_t i = 0; i < got.at("dapo.grad").size(); ++i) {
    EXPECT_EQ(got.at("dapo.grad").f32()[i], got.at("unified_unclipped.grad").f32()[i]);
  }
  EXPECT_NE(got.at("dapo.loss").f32()[0], got.at("unified_unclipped.loss").f32()[0]);
}

INSTANTIATE_TEST_SUITE_P(Sets, Golden, testing::Values("", ".degenerate"),
                         [](const auto& info) { return *info.param == 0 ? "main" : "degenerate"; });

// Loss and gradient of one token with this ratio and advantage.
struct OneToken {
  double loss, grad;
  ObjectiveStats stats;
};
OneToken Evaluate(const Objective& objective, double ratio, double advantage) {
  const float old = -1.0f, now = static_cast<float>(-1.0 + std::log(ratio));
  OneToken result{};
  result.loss = ResponseLoss(objective, {{&old, 1}, {&now, 1}}, 1.0, advantage, {&result.grad, 1}, &result.stats);
  return result;
}

TEST(Objective, WhatIsClippedLosesItsGradientInGrpoAndKeepsItInCispo) {
  const Objective grpo = NamedObjective("grpo"), cispo = NamedObjective("cispo");
  // A token that became more likely and was good: GRPO stops, CISPO goes on.
  EXPECT_EQ(Evaluate(grpo, 1.5, 1).grad, 0);
  EXPECT_NEAR(Evaluate(cispo, 1.5, 1).grad, -1.5, 1e-6);
  EXPECT_NEAR(Evaluate(cispo, 50, 1).grad, -5, 1e-6);  // with the weight of its bound
  // The sides that min() does not clip keep their gradient.
  EXPECT_NEAR(Evaluate(grpo, 1.5, -1).grad, 1.5, 1e-6);
  EXPECT_NEAR(Evaluate(grpo, 0.5, 1).grad, -0.5, 1e-6);
  EXPECT_EQ(Evaluate(grpo, 0.5, -1).grad, 0);
  // DAPO's upper bound is the higher one.
  EXPECT_NEAR(Evaluate(NamedObjective("dapo"), 1.25, 1).grad, -1.25, 1e-6);
  EXPECT_EQ(Evaluate(grpo, 1.25, 1).grad, 0);
  // No advantage, no gradient: not even one of sign.
  EXPECT_FALSE(std::signbit(Evaluate(cispo, 1.5, 0).grad));
  // On-policy all of them are the policy gradient.
  for (const std::string& name : ObjectiveNames()) EXPECT_EQ(Evaluate(NamedObjective(name), 1, 2).grad, -2) << name;
}

TEST(Objective, NamesThatAreNotThere) {
  EXPECT_THROW(NamedObjective("ppo2"), Error);
  EXPECT_THROW(NamedObjective(""), Error);
}

TEST(Objective, AdvantagesOfGroupsWithoutSpreadAreZero) {
  for (const AdvantageKind kind : {AdvantageKind::kPopulation, AdvantageKind::kSample, AdvantageKind::kMeanOnly}) {
    EXPECT_EQ(Advantages(std::vector<double>{0.7}, kind), std::vector<double>{0});
    // The mean of three times 0.1 is not 0.1 in binary.
    EXPECT_EQ(Advantages(std::vector<double>{0.1, 0.1, 0.1}, kind), std::vector<double>(3, 0.0));
    EXPECT_TRUE(Advantages({}, kind).empty());
  }
  const std::vector<double> rewards = {1, 0, 0, 1, 1};
  const std::vector<double> population = Advantages(rewards, AdvantageKind::kPopulation);
  const std::vector<double> sample = Advantages(rewards, AdvantageKind::kSample);
  EXPECT_NEAR(population[0], 0.4 / std::sqrt(0.24), 1e-12);
  EXPECT_NEAR(sample[1], -0.6 / std::sqrt(0.3), 1e-12);
  EXPECT_NEAR(Advantages(rewards, AdvantageKind::kMeanOnly)[4], 0.4, 1e-12);
}

TEST(Objective, TokenWeightsOfEachNormalization) {
  const std::vector<int64_t> groups = {2, 1}, lengths = {3, 1, 4};
  Objective o;
  o.normalization = {.sample = 1};
  EXPECT_EQ(ResponseWeights(groups, lengths, o), (std::vector<double>{1.0 / 12, 1.0 / 4, 1.0 / 8}));
  o.normalization = {.group = 1};
  EXPECT_EQ(ResponseWeights(groups, lengths, o), (std::vector<double>{1.0 / 8, 1.0 / 8, 1.0 / 8}));
  o.normalization = {.batch = 1};
  EXPECT_EQ(ResponseWeights(groups, lengths, o), (std::vector<double>{1.0 / 8, 1.0 / 8, 1.0 / 8}));
  o.normalization = {.constant = 1};
  o.constant_length = 10;
  EXPECT_EQ(ResponseWeights(groups, lengths, o), (std::vector<double>{1.0 / 40, 1.0 / 40, 1.0 / 20}));
  o.normalization = {.sample = 0.5, .group = 0.5};
  EXPECT_NEAR(ResponseWeights(groups, lengths, o)[0], 0.5 / 12 + 0.5 / 8, 1e-15);
  // A response without counted tokens is a response, but takes no part in the sums over tokens.
  const std::vector<int64_t> with_empty = {3, 0, 4};
  EXPECT_EQ(ResponseWeights(groups, with_empty, o)[1], 0);
}

// Gradients against the complex step of the objectives as the papers write them.
TEST(Objective, GradientsAgreeWithTheComplexStepOfThePapersForms) {
  Rng rng(4);
  for (int round = 0; round < 200; ++round) {
    const size_t n = 1 + rng.Below(6);
    const double a = rng.Normal(), w = 0.1 + rng.Uniform();
    std::vector<float> old(n), now(n), reference(n);
    std::vector<double> old_d(n), now_d(n), reference_d(n);
    for (size_t t = 0; t < n; ++t) {
      old_d[t] = old[t] = static_cast<float>(-3 * rng.Uniform());
      now_d[t] = now[t] = old[t] + static_cast<float>(0.6 * rng.Normal());
      reference_d[t] = reference[t] = old[t] + static_cast<float>(0.3 * rng.Normal());
    }
    const auto check = [&](const Objective& o, const auto& f, const char* name) {
      std::vector<double> grad(n);
      const double loss = ResponseLoss(o, {old, now, {}, reference}, w, a, grad, nullptr);
      const std::vector<double> want = ComplexStepGradient(f, now_d);
      const std::vector<Complex> at(now_d.begin(), now_d.end());
      EXPECT_NEAR(loss, f(at).real(), 1e-12 * (1 + std::abs(loss))) << name;
      for (size_t t = 0; t < n; ++t) EXPECT_NEAR(grad[t], want[t], 1e-12 * (1 + std::abs(want[t]))) << name;
    };
    using V = std::vector<Complex>;
    check(
        NamedObjective("grpo"), [&](const V& x) { return ref::Ppo(x, old_d, w, a, 0.8, 1.2); }, "grpo");
    check(
        NamedObjective("dapo"), [&](const V& x) { return ref::Ppo(x, old_d, w, a, 0.8, 1.28); }, "dapo");
    check(
        NamedObjective("cispo"), [&](const V& x) { return ref::Cispo(x, old_d, w, a, 0, 5); }, "cispo");
    check(
        NamedObjective("reinforce_is"), [&](const V& x) { return ref::Cispo(x, old_d, w, a, 0, 1e300); }, "is");
    Objective gspo = NamedObjective("gspo");
    gspo.mask_low = 0.9;
    gspo.mask_high = 1.2;
    check(
        gspo, [&](const V& x) { return ref::Gspo(x, old_d, w, a, 0.9, 1.2); }, "gspo");
    Objective kl = NamedObjective("cispo");
    kl.kl = 0.3;
    check(
        kl, [&](const V& x) { return ref::Cispo(x, old_d, w, a, 0, 5) + 0.3 * ref::Kl(x, reference_d, w); }, "kl");
  }
}

TEST(Objective, StatisticsCountWhatWasClippedByProbability) {
  Objective o = NamedObjective("cispo");
  o.is_weight_max = 2;
  o.mask_low = 0.8;
  const std::vector<float> old = {std::log(0.05f), std::log(0.05f), std::log(0.95f), std::log(0.55f), 0.0f};
  const std::vector<float> now = {std::log(0.15f), std::log(0.06f), std::log(0.95f), std::log(0.22f), 0.0f};
  std::vector<double> grad(5);
  ObjectiveStats stats;
  ResponseLoss(o, {old, now}, 1, -1, grad, &stats);
  EXPECT_EQ(stats.tokens, 5);
  EXPECT_EQ(stats.clipped, 2);  // three times as likely; and 0.4 times with a negative advantage
  EXPECT_EQ(stats.masked, 1);
  EXPECT_EQ(stats.ratio_one, 2);
  EXPECT_NEAR(stats.ratio_max, 3, 1e-5);
  EXPECT_NEAR(stats.ratio_min, 0.4, 1e-5);
  EXPECT_EQ(stats.by_probability[0], 2);
  EXPECT_EQ(stats.clipped_by_probability[0], 1);
  EXPECT_EQ(stats.by_probability[9], 2);
  EXPECT_EQ(stats.clipped_by_probability[5], 1);
  EXPECT_EQ(stats.ratio_bins[16 + 6], 1);  // log2 3 = 1.58
  EXPECT_EQ(stats.ratio_bins[16 + 1], 1);  // log2 1.2 = 0.26
  EXPECT_EQ(stats.ratio_bins[16 - 6], 1);  // log2 0.4 = -1.32
  ObjectiveStats sum = stats;
  sum.Add(stats);
  EXPECT_EQ(sum.tokens, 10);
  EXPECT_EQ(sum.clipped_by_probability[5], 2);
}

// A model that has broken: the loss says so, and nothing is counted outside the bins.
TEST(Objective, LogProbabilitiesThatAreNoNumbersGiveALossThatIsNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const std::string& name : ObjectiveNames()) {
    Objective o = NamedObjective(name);
    o.constant_length = 10;
    const std::vector<float> old = {-1, nan, -1, -1}, now = {nan, -1, -inf, -1};
    std::vector<double> grad(4);
    ObjectiveStats stats;
    EXPECT_TRUE(std::isnan(ResponseLoss(o, {old, now}, 1, 1, grad, &stats))) << name;
    EXPECT_EQ(stats.tokens, 4);
    int64_t counted = 0;
    for (const int64_t n : stats.by_probability) counted += n;
    EXPECT_LE(counted, 2) << name;
  }
}

}  // namespace
}  // namespace fulgur
