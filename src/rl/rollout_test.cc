#include "rl/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/background_threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "model/pass.h"
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
    model_ = Model::Load(folder_ / "model", exec_, true);
    settings_.responses = 3;
    settings_.window = 30;
    settings_.seed = 11;
    settings_.stopping.stop_tokens = {276};
    settings_.stopping.thinking_budget = 4;  // so that some tokens are not sampled, where a response thinks
    settings_.stopping.starts_in_thinking = true;
    settings_.stopping.closing_sentence = "So";
    settings_.engine.max_batch = 7;
  }

  // Problem `index`; its record says whether its group is to have a spread of rewards, whatever the responses say.
  static Problem ProblemOf(int64_t index, bool spread) {
    Problem p;
    p.source = p.task = "test";
    p.id = static_cast<uint64_t>(index);
    p.prompt = fmt::format("Problem {}", index);
    p.messages = Json::array({{{"role", "user"}, {"content", p.prompt}}});
    p.record = spread;
    return p;
  }

  // Responses that differ have scores that differ, whatever the order in which they are judged.
  static Verdict RuleOf(const Problem& problem, const Trajectory& t) {
    const double score = static_cast<double>(std::stoul(TrajectoryCrc(t), nullptr, 16)) / 4294967296.0;
    return {problem.record.get<bool>() ? score : 0.0, "by its tokens"};
  }

  RolloutResult Run(int64_t wanted, int64_t most, const std::function<bool(int64_t)>& spread, ReadyGroups ready = {},
                    const RolloutRecorder& recorder = {}, Judge* judge = nullptr) {
    return GenerateGroups(
        *model_, text_->tokenizer, text_->chat_template, settings_, wanted, most,
        [&](int64_t i) {
          return Assignment{ProblemOf(i, spread(i)), &env_, judge != nullptr ? judge : &rule_};
        },
        std::move(ready), recorder, nullptr);
  }

  SingleTurnEnv env_;
  RuleJudge rule_{RuleOf};
  TestFolder folder_;
  ExecContext exec_{2};
  std::unique_ptr<TextFiles> text_;
  std::unique_ptr<Model> model_;
  RolloutSettings settings_;
};

void ExpectSame(const Group& a, const Group& b) {
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.prompt, b.prompt);
  // Every bit of a response that is written down, and the bits of its log-probabilities.
  EXPECT_EQ(GroupToJson(a).dump(), GroupToJson(b).dump());
  ASSERT_EQ(a.responses.size(), b.responses.size());
  for (size_t i = 0; i < a.responses.size(); ++i) {
    const Trajectory &x = a.responses[i].trajectory, &y = b.responses[i].trajectory;
    EXPECT_EQ(x.sampled, y.sampled);
    EXPECT_EQ(TrajectoryCrc(x), TrajectoryCrc(y));
    EXPECT_EQ(x.answer(), y.answer());
  }
}

void ExpectSame(const RolloutResult& a, const RolloutResult& b) {
  ASSERT_EQ(a.groups.size(), b.groups.size());
  for (size_t i = 0; i < a.groups.size(); ++i) ExpectSame(a.groups[i], b.groups[i]);
}

TEST_F(RolloutTest, GroupsWithoutSpreadAreReplacedWithinABound) {
  const auto odd = [](int64_t i) { return i % 2 == 1; };
  // 0 to 7 have four with a spread: 1, 3, 5, 7.
  const RolloutResult r = Run(4, 100, odd);
  EXPECT_EQ(r.groups.size(), 8u);
  for (const Group& g : r.groups) EXPECT_EQ(g.spread(), odd(g.index)) << g.index;
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
  ExpectSame(wide, narrow);
  EXPECT_NE(wide.groups[1].responses[0].trajectory.ids, wide.groups[1].responses[1].trajectory.ids);
}

TEST_F(RolloutTest, WhatWasWrittenIsReadBackBitForBitAndNotGeneratedAgain) {
  const auto odd = [](int64_t i) { return i % 2 == 1; };
  const std::filesystem::path path = folder_ / "rollouts.jsonl.gz";
  const Json stamp = {{"batch", 3}, {"weights", "abc"}};
  int64_t written = 0;
  RolloutResult whole;
  {
    RolloutFile file(path, stamp, settings_);
    RolloutRecorder recorder = file.Recorder();
    recorder.finished = [&, write = recorder.finished](const Group& group) {
      if (++written <= 4) write(group);  // as if killed then
    };
    whole = Run(4, 100, odd, {}, recorder);
  }
  EXPECT_EQ(written, 8);
  RolloutFile file(path, stamp, settings_);
  ReadyGroups ready = file.TakeReady();
  EXPECT_EQ(ready.groups.size(), 4u);
  EXPECT_EQ(ready.verdicts.size(), 24u);
  int64_t again = 0, judged_again = 0;
  RolloutRecorder counter;
  counter.finished = [&](const Group&) { ++again; };
  counter.judged = [&](int64_t, int64_t, const Response&) { ++judged_again; };
  const RolloutResult resumed = Run(4, 100, odd, std::move(ready), counter);
  EXPECT_EQ(resumed.reused, 4);
  EXPECT_EQ(again, 4);
  EXPECT_EQ(judged_again, 0);  // the verdicts of the others were there
  ExpectSame(whole, resumed);
  file.Finish();
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".verdicts"));

  // Of other weights, or another number of responses: nothing.
  std::filesystem::copy_file(path, folder_ / "copy");
  EXPECT_TRUE(RolloutFile(folder_ / "copy", {{"batch", 3}, {"weights", "abd"}}, settings_).TakeReady().groups.empty());
  EXPECT_EQ(std::filesystem::file_size(folder_ / "copy"), 0u);
  settings_.responses = 4;
  EXPECT_TRUE(RolloutFile(path, stamp, settings_).TakeReady().groups.empty());
}

// Answers by another judge's rule, after a while that differs from question to question, several at a time.
class LateJudge : public Judge {
 public:
  explicit LateJudge(RuleJudge::Rule rule, int most_milliseconds) : rule_(std::move(rule)), most_(most_milliseconds) {}
  std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) override {
    ++asked;
    const int now = ++under_way;
    for (int seen = most_under_way; now > seen && !most_under_way.compare_exchange_weak(seen, now);) {
    }
    const auto wait = std::chrono::milliseconds(Rng(static_cast<uint64_t>(asked)).Below(static_cast<uint64_t>(most_)));
    return threads_.Run([this, wait, &problem, &trajectory] {
      std::this_thread::sleep_for(wait);
      const Verdict verdict = rule_(problem, trajectory);
      --under_way;
      return verdict;
    });
  }
  std::atomic<int> asked = 0, under_way = 0, most_under_way = 0;

 private:
  RuleJudge::Rule rule_;
  int most_;
  BackgroundThreads threads_{8};
};

TEST_F(RolloutTest, ALateJudgeChangesNothingButTheTime) {
  const auto third = [](int64_t i) { return i % 3 != 0; };
  const RolloutResult instant = Run(5, 50, third);
  settings_.most_judging = 4;
  LateJudge late(RuleOf, 30);
  const RolloutResult delayed = Run(5, 50, third, {}, {}, &late);
  ExpectSame(instant, delayed);
  EXPECT_EQ(late.asked, static_cast<int>(3 * instant.groups.size()));
  EXPECT_LE(late.most_under_way, 4);
  EXPECT_GT(late.most_under_way, 1);
}

TEST_F(RolloutTest, WhoeverStopsWaitsForVerdictsThatAreUnderWayAndRecordsThem) {
  settings_.most_judging = 4;
  LateJudge late(RuleOf, 30);
  std::atomic<bool> stop = false;
  int recorded = 0;
  RolloutRecorder recorder;
  recorder.judged = [&](int64_t, int64_t, const Response&) {
    ++recorded;
    stop = true;
  };
  const RolloutResult r = GenerateGroups(
      *model_, text_->tokenizer, text_->chat_template, settings_, 8, 8,
      [&](int64_t i) {
        return Assignment{ProblemOf(i, true), &env_, &late};
      },
      {}, recorder, &stop);
  EXPECT_TRUE(r.stopped);
  EXPECT_EQ(recorded, late.asked);
  EXPECT_LT(recorded, 24);
}

TEST_F(RolloutTest, AResponseWithoutVerdictTakesNoPart) {
  // The first response of each problem to be judged gets no verdict: here by its tokens, so that order does not matter.
  RuleJudge picky([](const Problem& problem, const Trajectory& t) {
    const Verdict verdict = RuleOf(problem, t);
    return *verdict.score < 0.3 ? Verdict{std::nullopt, "unreadable"} : verdict;
  });
  const RolloutResult r = Run(
      8, 8, [](int64_t) { return true; }, {}, {}, &picky);
  int64_t without = 0;
  for (const Group& g : r.groups) {
    double sum = 0;
    std::vector<double> rewards;
    for (const Response& response : g.responses) {
      if (response.judged()) {
        rewards.push_back(response.reward.total());
        sum += response.advantage;
        continue;
      }
      ++without;
      EXPECT_EQ(response.advantage, 0);
      EXPECT_EQ(response.verdict.reason, "unreadable");
      EXPECT_TRUE(GroupToJson(g)["responses"][static_cast<size_t>(&response - g.responses.data())]["score"].is_null());
    }
    EXPECT_EQ(g.judged(), static_cast<int64_t>(rewards.size()));
    EXPECT_EQ(g.spread(), rewards.size() > 1);
    EXPECT_NEAR(sum, 0, 1e-9);  // the advantages are of those that were judged
  }
  EXPECT_GT(without, 0);
  EXPECT_LT(without, 24);
}

TEST_F(RolloutTest, WhatAJudgeThrowsEndsTheRollouts) {
  RuleJudge broken([](const Problem&, const Trajectory&) -> Verdict { throw Error("the judge is gone"); });
  EXPECT_THROW(Run(
                   2, 2, [](int64_t) { return true; }, {}, {}, &broken),
               Error);
  RuleJudge wild([](const Problem&, const Trajectory&) { return Verdict{std::nan(""), ""}; });
  EXPECT_THROW(Run(
                   2, 2, [](int64_t) { return true; }, {}, {}, &wild),
               Error);
}

// A calculator: the assistant asks twice, whatever it writes, and then gives its answer. Every reply comes late.
class ThreeTurns : public Env {
 public:
  std::unique_ptr<Episode> Begin(const Problem& problem) override { return std::make_unique<Talk>(problem, threads_); }

 private:
  class Talk : public Episode {
   public:
    Talk(const Problem& problem, BackgroundThreads& threads) : messages_(problem.messages), threads_(threads) {}
    Opening Start() override {
      Json tool = {{"type", "function"}, {"function", {{"name", "add"}, {"parameters", {{"type", "object"}}}}}};
      return {messages_, Json::array({tool})};
    }
    std::future<Reply> Act(const AssistantTurn& turn) override {
      return threads_.Run([this, &turn] {
        std::this_thread::sleep_for(std::chrono::milliseconds(turn.text.size() % 7));
        if (++turns_ == 3) return Reply{nullptr};
        return Reply{Json::array({{{"role", "tool"}, {"name", "add"}, {"content", fmt::format("sum {}", turns_)}}})};
      });
    }

   private:
    Json messages_;
    BackgroundThreads& threads_;
    int turns_ = 0;
  };

  BackgroundThreads threads_{3};
};

TEST_F(RolloutTest, EpisodesOfThreeTurnsWithATool) {
  ThreeTurns env;
  // Short turns: the budget closes the thinking, and the next line break ends the turn.
  settings_.window = 400;
  settings_.stopping.stop_strings = {"e"};
  settings_.stopping.closing_sentence = "</think>So";
  const auto run = [&](ReadyGroups ready, const RolloutRecorder& recorder) {
    return GenerateGroups(
        *model_, text_->tokenizer, text_->chat_template, settings_, 4, 4,
        [&](int64_t i) {
          return Assignment{ProblemOf(i, true), &env, &rule_};
        },
        std::move(ready), recorder, nullptr);
  };
  const std::filesystem::path path = folder_ / "turns.jsonl.gz";
  RolloutResult whole;
  {
    RolloutFile file(path, {{"batch", 1}}, settings_);
    whole = run({}, file.Recorder());
  }
  std::vector<PolicySample> samples;
  int64_t finished = 0, sampled = 0;
  for (const Group& g : whole.groups) {
    for (const Response& r : g.responses) {
      const Trajectory& t = r.trajectory;
      ASSERT_GE(t.turns.size(), 1u);
      finished += t.turns.size() == 3;
      samples.push_back({&g, &r, RecordedLogprobs(t), {}, {}});
      sampled += t.sampled_tokens();
      for (size_t k = 0; k + 1 < t.turns.size(); ++k) {
        // Between two turns stands what the environment said, and none of it counts in the loss.
        const std::vector<int32_t> said(t.ids.begin() + t.turns[k].end, t.ids.begin() + t.turns[k + 1].begin);
        EXPECT_THAT(text_->tokenizer.Decode(said, true), testing::HasSubstr(fmt::format("sum {}", k + 1)));
        EXPECT_EQ(std::count(t.sampled.begin() + t.turns[k].end, t.sampled.begin() + t.turns[k + 1].begin, 1), 0);
        EXPECT_EQ(t.turns[k].reply[0]["content"], fmt::format("sum {}", k + 1));
      }
      EXPECT_EQ(t.turns.back().end, static_cast<int64_t>(t.ids.size()));
      EXPECT_LE(static_cast<int64_t>(t.ids.size()), settings_.window);
    }
  }
  EXPECT_GT(finished, 6);
  // A turn is drawn from the same distribution that training computes for the whole conversation.
  const auto logprobs = ComputeLogprobs(*model_, samples, 4096);
  Agreement agreement;
  for (size_t i = 0; i < samples.size(); ++i) agreement.Add(samples[i].old_logprobs, logprobs[i]);
  EXPECT_EQ(agreement.tokens, sampled);
  EXPECT_EQ(agreement.equal, sampled);
  // Read back, and played beside nothing: the same bits.
  RolloutFile file(path, {{"batch", 1}}, settings_);
  ExpectSame(whole, run(file.TakeReady(), {}));
  settings_.engine.max_batch = 1;
  ExpectSame(whole, run({}, {}));
}

TEST_F(RolloutTest, RecomputedLogprobsAreTheRecordedOnesBitForBit) {
  const RolloutResult r = Run(6, 6, [](int64_t) { return true; });
  std::vector<PolicySample> samples;
  int64_t sampled = 0, appended = 0;
  for (const Group& g : r.groups) {
    for (const Response& response : g.responses) {
      samples.push_back({&g, &response, RecordedLogprobs(response.trajectory), {}, {}});
      const Trajectory& t = response.trajectory;
      sampled += t.sampled_tokens();
      appended += static_cast<int64_t>(t.ids.size()) - t.sampled_tokens();
      for (size_t k = 0; k < t.ids.size(); ++k) {
        EXPECT_TRUE(t.sampled[k] != 0 || t.logprobs[k] == 0);
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
    const Trajectory& written = sample.response->trajectory;
    ids.insert(ids.end(), written.ids.begin(), written.ids.end());
    SequenceState state = model_->NewState();
    const Segment segment{&state, ids};
    Pass pass(*model_);
    const std::span<const float> logits = pass.Forward({&segment, 1}, LogitRows::kAll);
    for (size_t t = 0; t < written.ids.size(); ++t) {
      if (written.sampled[t] == 0) continue;
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
      Pass pass(*model_);
      Agreement in_gradient;
      const PolicyGradientReport report =
          AddPolicyGradient(pass, samples, NamedObjective("grpo"), {micro_tokens, recompute, 0}, grads, &in_gradient);
      EXPECT_EQ(in_gradient.equal, sampled);
      EXPECT_EQ(report.stats.ratio_one, sampled);
      EXPECT_EQ(report.stats.clipped, 0);
      EXPECT_NEAR(report.entropy_sum, entropy, 1e-4 * entropy);
      EXPECT_GT(GlobalNorm(model_->config(), grads, exec_), 0);
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
      std::vector<float> old = RecordedLogprobs(response.trajectory);
      for (size_t t = 0; t < old.size(); ++t) old[t] += t % 2 == 0 ? 0.07f : -0.05f;  // ratios of 0.93 and 1.05
      samples.push_back({&g, &response, std::move(old), {}, {}});
    }
  }
  Objective objective = NamedObjective("grpo");
  objective.normalization = {.sample = 0.5, .group = 0.5};
  const ModelConfig& config = model_->config();
  Pass pass(*model_);
  const auto evaluate = [&](int64_t micro_tokens, Params& grads) {
    return AddPolicyGradient(pass, samples, objective, {micro_tokens, false, 0}, grads, nullptr).loss;
  };
  Params grads = ZerosLike(config, model_->params()), other = ZerosLike(config, model_->params());
  const double loss = evaluate(100000, grads);
  EXPECT_NEAR(evaluate(100, other), loss, 1e-9);
  const double norm = GlobalNorm(config, grads, exec_);
  EXPECT_NEAR(GlobalNorm(config, other, exec_), norm, 1e-4 * norm);

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
        model, text_->tokenizer, text_->chat_template, settings_, 4, 4,
        [&](int64_t i) {
          return Assignment{ProblemOf(i, true), &env_, &rule_};
        },
        {}, {}, nullptr);
  };
  const auto agreement_of = [&](const RolloutResult& r) {
    Agreement agreement;
    std::vector<PolicySample> samples;
    for (const Group& g : r.groups) {
      for (const Response& response : g.responses) samples.push_back({&g, &response, {}, {}, {}});
    }
    const auto logprobs = ComputeLogprobs(*model_, samples, 4096);
    for (size_t i = 0; i < samples.size(); ++i)
      agreement.Add(RecordedLogprobs(samples[i].response->trajectory), logprobs[i]);
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
