#include "train/perplexity.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "model/checkpoint.h"
#include "model/gradient.h"
#include "model/pass.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

std::unique_ptr<Model> RandomModel(uint64_t seed, ExecContext& exec, int64_t vocab = 50) {
  const ModelConfig config = TinyConfig(vocab);
  return std::make_unique<Model>(config, RandomParams(config, seed), exec, true);
}

std::vector<Example> Examples() {
  std::vector<Example> examples;
  Rng rng(5);
  for (const int64_t length : {2, 30, 300, 513}) {
    Example e;
    for (int64_t i = 0; i < length; ++i) {
      e.tokens.push_back(static_cast<int32_t>(rng.Below(50)));
      e.counts.push_back(i % 3 != 0);
    }
    examples.push_back(e);
  }
  return examples;
}

TEST(Perplexity, LossIsTheTrainersAndTheModelDoesNotDivergeFromItself) {
  ExecContext exec(2);
  const auto model = RandomModel(1, exec);
  const std::vector<Example> examples = Examples();
  const PerplexityReport report = MeasurePerplexity(*model, model.get(), examples);

  TokenBatch batch;
  for (const Example& e : examples) batch.AddDocument(e.tokens, e.counts);
  Pass pass(*model);
  const LossReport trainer = EvaluateLoss(pass, batch, CrossEntropy(batch));
  EXPECT_EQ(report.tokens, batch.targets_counted());
  EXPECT_NEAR(report.loss, trainer.row_loss, 1e-6);
  EXPECT_NEAR(report.perplexity(), std::exp(trainer.row_loss), 1e-4);
  ASSERT_TRUE(report.divergence);
  EXPECT_EQ(report.divergence->kl_max, 0);
  EXPECT_EQ(report.divergence->same_top, 1);
  EXPECT_EQ(report.divergence->reference_loss, report.loss);
}

TEST(Perplexity, DivergenceIsWhatTheLogitsSay) {
  ExecContext exec(1);
  const auto model = RandomModel(1, exec), other = RandomModel(2, exec);
  const std::vector<Example> one = {{{3, 7}, {1, 1}}};
  const PerplexityReport report = MeasurePerplexity(*model, other.get(), one);
  const auto probabilities = [&](Model& m) {
    SequenceState state = m.NewState();
    const Segment segment{&state, std::span<const int32_t>(one[0].tokens).first(1)};
    Pass pass(m);
    const std::span<const float> row = pass.Forward({&segment, 1}, LogitRows::kAll);
    std::vector<double> p;
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x));
    for (const float x : row) p.push_back(std::exp(static_cast<double>(x)) / sum);
    return p;
  };
  const std::vector<double> q = probabilities(*model), p = probabilities(*other);
  double kl = 0;
  for (size_t i = 0; i < p.size(); ++i) kl += p[i] * std::log(p[i] / q[i]);
  EXPECT_GT(kl, 0);
  EXPECT_NEAR(report.divergence->kl_mean, kl, 1e-6);
  EXPECT_EQ(report.divergence->kl_mean, report.divergence->kl_p99);
  EXPECT_NEAR(report.divergence->reference_loss, -std::log(p[7]), 1e-5);
  EXPECT_EQ(report.tokens, 1);
}

TEST(Perplexity, WhatCannotBeComparedIsAnError) {
  ExecContext exec(1);
  const auto model = RandomModel(1, exec), other = RandomModel(2, exec, 60);
  EXPECT_THROW(MeasurePerplexity(*model, other.get(), Examples()), Error);
  const std::vector<Example> nothing = {{{3, 7}, {1, 0}}};
  EXPECT_THROW(MeasurePerplexity(*model, nullptr, nothing), Error);
}

TEST(Perplexity, WindowsCoverTheTextOnce) {
  const std::vector<int32_t> tokens = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<Example> windows = TextWindows(tokens, 4);
  ASSERT_EQ(windows.size(), 2u);  // a last window of one token predicts nothing
  EXPECT_THAT(windows[0].tokens, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(windows[1].tokens, testing::ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(TextWindows(std::span(tokens).first(6), 4)[1].tokens.size(), 2u);
}

}  // namespace
}  // namespace fulgur
