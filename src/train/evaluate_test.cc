#include "train/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "engine/test_util.h"

namespace fulgur {
namespace {

TEST(WilsonInterval, KnownValues) {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const auto check = [](int64_t correct, int64_t count, double low, double high) {
    const Interval i = WilsonInterval(correct, count);
    EXPECT_NEAR(i.low, low, 5e-5);
    EXPECT_NEAR(i.high, high, 5e-5);
  };
  check(81, 263, 0.2553, 0.3662);
  check(15, 148, 0.0624, 0.1605);
  check(0, 20, 0, 0.1611);
  check(1, 29, 0.0061, 0.1718);
  check(20, 20, 0.8389, 1);
  EXPECT_EQ(WilsonInterval(0, 0).low, 0);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

class EvaluateTest : public ::testing::Test {
 protected:
  EvaluateTest() {
    // The closing sentence is an answer, so that this random model has one, and it stops after it: the right one for
    // some boolean expressions, never for sorted words. What is under test is the counting.
    options_.tasks = {&GetTask("boolean_expressions"), &GetTask("word_sorting")};
    options_.count = 20;
    options_.stopping.max_tokens = 60;
    options_.stopping.thinking_budget = 5;
    options_.stopping.starts_in_thinking = true;
    options_.stopping.closing_sentence = "</think>\\boxed{True}END";
    options_.stopping.stop_strings = {"END"};
  }
  ThreadPool pool_{1};
  std::unique_ptr<Model> model_ = testing_engine::SmallModel(pool_);
  Tokenizer tokenizer_ = testing_engine::SmallTokenizer();
  ChatTemplate chat_ = ChatTemplate::FromSource(
      "{{ '<begin_of_document>' }}{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}", Json::object(),
      "the test's template");
  EvalOptions options_;
};

TEST_F(EvaluateTest, CountsPerTask) {
  int64_t calls = 0;
  const EvalReport report = Evaluate(*model_, tokenizer_, chat_, options_, [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 40);
  });
  EXPECT_EQ(calls, 40);
  ASSERT_EQ(report.samples.size(), 40u);
  ASSERT_EQ(report.tasks.size(), 2u);
  int64_t correct = 0;
  std::map<int, int> difficulties;
  for (size_t i = 0; i < 40; ++i) {
    const EvalSample& s = report.samples[i];
    EXPECT_EQ(s.answer, "\\boxed{True}");
    EXPECT_TRUE(HeldOut(s.instance));
    const bool right = s.task->Verify(s.instance, "\\boxed{True}").value == 1;
    EXPECT_EQ(s.correct(), right);
    EXPECT_EQ(s.score.reason.empty(), right);
    correct += right;
    if (i < 20) ++difficulties[s.instance.difficulty];
  }
  EXPECT_GT(correct, 2);
  EXPECT_LT(correct, 18);
  EXPECT_EQ(report.tasks[0].task, "boolean_expressions");
  EXPECT_EQ(report.tasks[0].correct, correct);
  EXPECT_EQ(report.tasks[1].correct, 0);
  EXPECT_EQ(report.tasks[1].count, 20);
  EXPECT_EQ(report.tasks[1].cut, 0);
  EXPECT_EQ(report.all.count, 40);
  EXPECT_EQ(report.mean_accuracy(), static_cast<double>(correct) / 40);
  EXPECT_EQ(report.all.thinking_tokens, 5);
  EXPECT_EQ(report.ToJson()["tasks"][0]["correct"], correct);
  // The difficulties that the bundled model is trained on, equally often.
  const Task& task = *options_.tasks[0];
  ASSERT_EQ(static_cast<int>(difficulties.size()), task.nano_difficulty() - task.min_difficulty() + 1);
  const int each = 20 / static_cast<int>(difficulties.size());
  for (const auto& [difficulty, count] : difficulties) EXPECT_THAT(count, ::testing::AnyOf(each, each + 1));
}

TEST_F(EvaluateTest, TheBatchSizeDoesNotMatterTheSeedDoes) {
  options_.sampling.temperature = 1;
  const auto outputs = [&] {
    std::vector<std::string> all;
    for (const EvalSample& s : Evaluate(*model_, tokenizer_, chat_, options_).samples) {
      all.push_back(s.instance.prompt + s.thinking + s.answer);
    }
    return all;
  };
  options_.engine.max_batch = 1;
  const std::vector<std::string> one = outputs();
  options_.engine.max_batch = 5;
  EXPECT_EQ(outputs(), one);
  options_.seed = 2;
  EXPECT_NE(outputs(), one);
}

TEST_F(EvaluateTest, Rejects) {
  options_.difficulty = 100;
  EXPECT_THROW(Evaluate(*model_, tokenizer_, chat_, options_), Error);
  options_.difficulty = 1;
  options_.count = 0;
  EXPECT_THROW(Evaluate(*model_, tokenizer_, chat_, options_), Error);
}

}  // namespace
}  // namespace fulgur
