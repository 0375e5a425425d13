#include "rl/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "rl/gzip_lines.h"
#include "rl/policy_update.h"
#include "rl/rollout_model.h"
#include "rl/test_util.h"
#include "train/optimizer.h"

namespace fulgur {
namespace {

class RolloutTest : public testing::Test {
 protected:
  RolloutTest() {
    WriteTinyModel(folder_ / "model");
    text_ = std::make_unique<TextFiles>(TextFiles::FromFolder(folder_ / "model"));
    model_ = Model::Load(folder_ / "model", pool_, true);
    settings_.responses = 3;
    settings_.window = 30;
    settings_.seed = 11;
    settings_.stopping.stop_tokens = {276};
    settings_.stopping.thinking_budget = 4;  // so that some tokens are not sampled, where a response thinks
    settings_.stopping.starts_in_thinking = true;
    settings_.stopping.closing_sentence = "So";
    settings_.engine.max_batch = 7;
  }

  // Some groups have a spread of rewards and some have none, whatever the responses say.
  static Problem ProblemOf(int64_t index, bool spread) {
    Problem p;
    p.source = p.task = "test";
    p.id = static_cast<uint64_t>(index);
    p.prompt = fmt::format("Problem {}", index);
    p.judge = [spread, count = std::make_shared<int>(0)](std::string_view) {
      return Score{spread ? (*count)++ % 2 : 0.0, ""};
    };
    return p;
  }

  RolloutResult Run(int64_t wanted, int64_t most, const std::function<bool(int64_t)>& spread,
                    const ReadyGroups& ready = {}, const std::function<void(const Group&)>& finished = {}) {
    return GenerateGroups(
        *model_, text_->tokenizer, text_->chat_template, settings_, wanted, most,
        [&](int64_t i) { return ProblemOf(i, spread(i)); }, ready, finished, nullptr);
  }

  TestFolder folder_;
  ThreadPool pool_{2};
  std::unique_ptr<TextFiles> text_;
  std::unique_ptr<Model> model_;
  RolloutSettings settings_;
};

void ExpectSame(const Group& a, const Group& b) {
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.prompt, b.prompt);
  ASSERT_EQ(a.responses.size(), b.responses.size());
  for (size_t i = 0; i < a.responses.size(); ++i) {
    const Response &x = a.responses[i], &y = b.responses[i];
    EXPECT_EQ(x.ids, y.ids);
    EXPECT_EQ(x.sampled, y.sampled);
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.finish, y.finish);
    ASSERT_EQ(x.logprobs.size(), y.logprobs.size());
    EXPECT_EQ(std::memcmp(x.logprobs.data(), y.logprobs.data(), x.logprobs.size() * sizeof(float)), 0);
  }
}

TEST_F(RolloutTest, GroupsWithoutSpreadAreReplacedWithinABound) {
  const auto odd = [](int64_t i) { return i % 2 == 1; };
  // 0 to 7 have four with a spread: 1, 3, 5, 7.
  const RolloutResult r = Run(4, 100, odd);
  EXPECT_EQ(r.groups.size(), 8u);
  for (const Group& g : r.groups) EXPECT_EQ(g.spread(), odd(g.index)) << g.index;
  EXPECT_EQ(r.groups[1].responses[1].reward.score, 1);
  EXPECT_NE(r.groups[1].responses[1].advantage, 0);
  EXPECT_EQ(r.groups[0].responses[1].advantage, 0);
  EXPECT_EQ(Run(4, 6, odd).groups.size(), 6u);
  EXPECT_EQ(Run(4, 4, odd).groups.size(), 4u);
  EXPECT_EQ(Run(3, 9, [](int64_t) { return false; }).groups.size(), 9u);
  EXPECT_EQ(Run(3, 9, [](int64_t) { return true; }).groups.size(), 3u);
}

TEST_F(RolloutTest, TheSameGroupsWhateverRunsBesideThem) {
  const auto third = [](int64_t i) { return i % 3 != 0; };
  const RolloutResult wide = Run(5, 50, third);
  settings_.engine.max_batch = 1;
  const RolloutResult narrow = Run(5, 50, third);
  ASSERT_EQ(wide.groups.size(), narrow.groups.size());
  for (size_t i = 0; i < wide.groups.size(); ++i) ExpectSame(wide.groups[i], narrow.groups[i]);
  EXPECT_NE(wide.groups[1].responses[0].ids, wide.groups[1].responses[1].ids);
}

TEST_F(RolloutTest, WhatWasWrittenIsReadBackBitForBitAndNotGeneratedAgain) {
  const auto odd = [](int64_t i) { return i % 2 == 1; };
  const std::filesystem::path path = folder_ / "rollouts.jsonl.gz";
  const Json stamp = {{"batch", 3}, {"weights", "abc"}};
  int64_t written = 0;
  const auto write = [&](const Group& group) {
    if (++written > 4) return;  // as if killed
    const int64_t size = std::filesystem::exists(path) ? static_cast<int64_t>(std::filesystem::file_size(path)) : 0;
    Json line = stamp;
    line.update(GroupToJson(group));
    GzipLinesWriter(path, size).Add(line);
  };
  const RolloutResult whole = Run(4, 100, odd, {}, write);
  EXPECT_EQ(written, 8);
  int64_t kept = 0;
  const ReadyGroups ready = ReadReadyGroups(path, stamp, 3, &kept);
  EXPECT_EQ(ready.size(), 4u);
  EXPECT_EQ(kept, static_cast<int64_t>(std::filesystem::file_size(path)));
  int64_t again = 0;
  const RolloutResult resumed = Run(4, 100, odd, ready, [&](const Group&) { ++again; });
  EXPECT_EQ(resumed.reused, 4);
  EXPECT_EQ(again, 4);
  ASSERT_EQ(resumed.groups.size(), whole.groups.size());
  for (size_t i = 0; i < whole.groups.size(); ++i) ExpectSame(whole.groups[i], resumed.groups[i]);

  // Of other weights, or another number of responses: nothing.
  EXPECT_TRUE(ReadReadyGroups(path, {{"batch", 3}, {"weights", "abd"}}, 3, &kept).empty());
  EXPECT_EQ(kept, 0);
  EXPECT_TRUE(ReadReadyGroups(path, stamp, 4, &kept).empty());
  EXPECT_TRUE(ReadReadyGroups(folder_ / "none", stamp, 3, &kept).empty());
}

TEST_F(RolloutTest, RecomputedLogprobsAreTheRecordedOnesBitForBit) {
  const RolloutResult r = Run(6, 6, [](int64_t) { return true; });
  std::vector<PolicySample> samples;
  int64_t sampled = 0, appended = 0;
  for (const Group& g : r.groups) {
    for (const Response& response : g.responses) {
      samples.push_back({&g, &response, RecordedLogprobs(response), {}, {}});
      sampled += response.sampled_tokens();
      appended += static_cast<int64_t>(response.ids.size()) - response.sampled_tokens();
      for (size_t t = 0; t < response.ids.size(); ++t) {
        EXPECT_TRUE(response.sampled[t] != 0 || response.logprobs[t] == 0);
      }
    }
  }
  EXPECT_GT(appended, 0);
  EXPECT_GT(sampled, 100);
  // Entropies of the distributions that were drawn from, by the definition.
  double entropy = 0;
  const int64_t v = model_->config().vocab_size;
  for (const PolicySample& sample : samples) {
    const std::vector<int32_t>& prompt = sample.group->prompt;
    std::vector<int32_t> ids = prompt;
    ids.insert(ids.end(), sample.response->ids.begin(), sample.response->ids.end());
    SequenceState state = model_->NewState();
    const Segment segment{&state, ids};
    const std::span<const float> logits = model_->Forward({&segment, 1}, LogitRows::kAll);
    for (size_t t = 0; t < sample.response->ids.size(); ++t) {
      if (sample.response->sampled[t] == 0) continue;
      const float* row = logits.data() + static_cast<int64_t>(prompt.size() + t - 1) * v;
      double sum = 0, weighted = 0;
      for (int64_t i = 0; i < v; ++i) sum += std::exp(static_cast<double>(row[i]));
      for (int64_t i = 0; i < v; ++i) weighted += std::exp(static_cast<double>(row[i])) * row[i];
      entropy += std::log(sum) - weighted / sum;
    }
  }
  for (const int64_t micro_tokens : {60, 300, 100000}) {
    Agreement agreement;
    const auto logprobs = ComputeLogprobs(*model_, samples, micro_tokens);
    for (size_t i = 0; i < samples.size(); ++i) agreement.Add(samples[i].old_logprobs, logprobs[i]);
    EXPECT_EQ(agreement.tokens, sampled);
    EXPECT_EQ(agreement.equal, sampled);
    EXPECT_EQ(agreement.max_difference, 0);

    // The gradient's pass too; the ratio is 1 for every token, and nothing is clipped.
    for (const bool recompute : {false, true}) {
      Params grads = ZerosLike(model_->config(), model_->params());
      Agreement in_gradient;
      const PolicyGradientReport report = AddPolicyGradient(*model_, samples, NamedObjective("grpo"),
                                                            {micro_tokens, recompute, 0}, grads, &in_gradient);
      EXPECT_EQ(in_gradient.equal, sampled);
      EXPECT_EQ(report.stats.ratio_one, sampled);
      EXPECT_EQ(report.stats.clipped, 0);
      EXPECT_NEAR(report.entropy_sum, entropy, 1e-4 * entropy);
      EXPECT_GT(GlobalNorm(model_->config(), grads, pool_), 0);
    }
  }
}

// The gradient does not depend on how the responses are packed, and is what the objective says, by a difference
// quotient along the gradient itself.
TEST_F(RolloutTest, PolicyGradientsAgreeWithADifferenceQuotient) {
  const RolloutResult r = Run(3, 3, [](int64_t) { return true; });
  std::vector<PolicySample> samples;
  for (const Group& g : r.groups) {
    for (const Response& response : g.responses) {
      std::vector<float> old = RecordedLogprobs(response);
      for (size_t t = 0; t < old.size(); ++t) old[t] += t % 2 == 0 ? 0.07f : -0.05f;  // ratios of 0.93 and 1.05
      samples.push_back({&g, &response, std::move(old), {}, {}});
    }
  }
  Objective objective = NamedObjective("grpo");
  objective.normalization = {.sample = 0.5, .group = 0.5};
  const ModelConfig& config = model_->config();
  const auto evaluate = [&](int64_t micro_tokens, Params& grads) {
    return AddPolicyGradient(*model_, samples, objective, {micro_tokens, false, 0}, grads, nullptr).loss;
  };
  Params grads = ZerosLike(config, model_->params()), other = ZerosLike(config, model_->params());
  const double loss = evaluate(100000, grads);
  EXPECT_NEAR(evaluate(100, other), loss, 1e-9);
  const double norm = GlobalNorm(config, grads, pool_);
  EXPECT_NEAR(GlobalNorm(config, other, pool_), norm, 1e-4 * norm);

  // Weights a step of length h along the gradient change the loss by h * norm.
  const double h = 0.01;
  const auto move = [&](double by) {
    const auto gradient = ListTensors(config, grads), weights = ListTensors(config, model_->params());
    for (size_t i = 0; i < weights.size(); ++i) {
      for (int64_t j = 0; j < weights[i].second->size(); ++j) {
        weights[i].second->f32()[j] += static_cast<float>(by * gradient[i].second->f32()[j] / norm);
      }
    }
    model_->Repack();
  };
  move(h / 2);
  const double above = evaluate(100000, other);
  move(-h);
  const double below = evaluate(100000, other);
  EXPECT_NEAR((above - below) / h, norm, 0.02 * norm);
}

TEST_F(RolloutTest, ALowPrecisionModelFollowsTheTrainedOne) {
  RolloutModel rollouts(*model_, WeightFormat::kQ8, WeightFormat::kF32);
  const auto generate = [&](Model& model) {
    return GenerateGroups(
        model, text_->tokenizer, text_->chat_template, settings_, 4, 4, [&](int64_t i) { return ProblemOf(i, true); },
        {}, {}, nullptr);
  };
  const auto agreement_of = [&](const RolloutResult& r) {
    Agreement agreement;
    std::vector<PolicySample> samples;
    for (const Group& g : r.groups) {
      for (const Response& response : g.responses) samples.push_back({&g, &response, {}, {}, {}});
    }
    const auto logprobs = ComputeLogprobs(*model_, samples, 4096);
    for (size_t i = 0; i < samples.size(); ++i) agreement.Add(RecordedLogprobs(*samples[i].response), logprobs[i]);
    return agreement;
  };
  const Agreement first = agreement_of(generate(rollouts.model()));
  EXPECT_LT(first.equal, first.tokens);
  EXPECT_GT(first.correlation(), 0.99);
  EXPECT_LT(first.correlation(), 1);
  EXPECT_GT(first.max_log_difference, 0);
  // Other weights: it is left behind until it is refreshed.
  for (const auto& [name, tensor] : ListTensors(model_->config(), model_->params())) {
    for (int64_t i = 0; i < tensor->size(); ++i) tensor->f32()[i] *= i % 3 == 0 ? 1.5f : 1.0f;
  }
  model_->Repack();
  EXPECT_LT(agreement_of(generate(rollouts.model())).correlation(), 0.95);
  rollouts.Refresh();
  EXPECT_GT(agreement_of(generate(rollouts.model())).correlation(), 0.99);
  // In float32 it is the same model.
  RolloutModel same(*model_, WeightFormat::kF32, WeightFormat::kF32);
  const Agreement exact = agreement_of(generate(same.model()));
  EXPECT_EQ(exact.equal, exact.tokens);
}

TEST(Agreement, PearsonsCorrelationOfProbabilities) {
  Agreement a;
  const std::vector<float> x = {std::log(0.1f), std::log(0.5f), std::log(0.9f)};
  const std::vector<float> y = {std::log(0.2f), std::log(0.4f), std::log(0.9f)};
  a.Add(x, y);
  // Means 0.5; sums of products 0.4 * 0.3 + 0.4 * 0.4, of squares 0.32 and 0.26.
  EXPECT_NEAR(a.correlation(), 0.28 / std::sqrt(0.32 * 0.26), 1e-6);
  EXPECT_NEAR(a.max_difference, 0.1, 1e-6);
  EXPECT_NEAR(a.max_log_difference, std::log(2.0), 1e-6);
  EXPECT_EQ(a.equal, 1);
}

}  // namespace
}  // namespace fulgur
