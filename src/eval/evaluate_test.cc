#include "eval/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "engine/test_util.h"
#include "envs/task_env.h"

namespace fulgur {
namespace {

class EvaluateTest : public ::testing::Test {
 protected:
  EvaluateTest() {
    // The closing sentence is an answer, so that this random model has one, and it stops after it: the right one for
    // some boolean expressions, never for sorted words. What is under test is the counting.
    options_.stopping.max_tokens = 60;
    options_.stopping.thinking_budget = 5;
    options_.stopping.starts_in_thinking = true;
    options_.stopping.closing_sentence = "</think>\\boxed{True}END";
    options_.stopping.stop_strings = {"END"};
  }
  EvalReport Run(const std::function<void(int64_t, int64_t)>& progress = nullptr) {
    return Evaluate(*model_, tokenizer_, chat_, HeldOutProblems(tasks_, 20, 0, options_.seed), env_, *judge_, options_,
                    progress);
  }

  std::vector<const Task*> tasks_{&GetTask("boolean_expressions"), &GetTask("word_sorting")};
  SingleTurnEnv env_;
  std::unique_ptr<Judge> judge_ = MakeTaskJudge();
  ExecContext exec_{1};
  std::unique_ptr<Model> model_ = testing_engine::SmallModel(exec_);
  Tokenizer tokenizer_ = testing_engine::SmallTokenizer();
  ChatTemplate chat_ = ChatTemplate::FromSource(
      "{{ '<begin_of_document>' }}{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}", Json::object(),
      "the test's template");
  EvalOptions options_;
};

TEST_F(EvaluateTest, CountsPerTask) {
  int64_t calls = 0;
  const EvalReport report = Run([&](int64_t done, int64_t total) {
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
    EXPECT_EQ(s.trajectory.answer(), "\\boxed{True}");
    const TaskInstance instance = InstanceOf(s.problem);
    EXPECT_TRUE(HeldOut(instance));
    const bool right = GetTask(instance.task).Verify(instance, "\\boxed{True}").value == 1;
    EXPECT_EQ(s.correct(), right);
    EXPECT_EQ(s.verdict.reason.empty(), right);
    correct += right;
    if (i < 20) ++difficulties[s.problem.difficulty];
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
  const Task& task = *tasks_[0];
  ASSERT_EQ(static_cast<int>(difficulties.size()), task.nano_difficulty() - task.min_difficulty() + 1);
  const int each = 20 / static_cast<int>(difficulties.size());
  for (const auto& [difficulty, count] : difficulties) EXPECT_THAT(count, ::testing::AnyOf(each, each + 1));
}

TEST_F(EvaluateTest, TheBatchSizeDoesNotMatterTheSeedDoes) {
  options_.sampling.temperature = 1;
  const auto outputs = [&] {
    std::vector<std::string> all;
    for (const EvalSample& s : Run().samples) {
      all.push_back(s.problem.prompt + s.trajectory.turns[0].text);
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

TEST_F(EvaluateTest, AnAnswerWithoutVerdictIsCountedAsSuch) {
  RuleJudge undecided([](const Problem& problem, const Trajectory&) {
    return problem.task == "word_sorting" ? Verdict{std::nullopt, "cannot say"} : Verdict{1.0, ""};
  });
  const EvalReport report =
      Evaluate(*model_, tokenizer_, chat_, HeldOutProblems(tasks_, 3, 0, 1), env_, undecided, options_);
  EXPECT_EQ(report.tasks[0].correct, 3);
  EXPECT_EQ(report.tasks[1].correct, 0);
  EXPECT_EQ(report.tasks[1].unjudged, 3);
  EXPECT_EQ(report.tasks[1].verdicts, "---");
  EXPECT_EQ(report.all.unjudged, 3);
}

TEST_F(EvaluateTest, Rejects) {
  EXPECT_THROW(HeldOutProblems(tasks_, 20, 100, 1), Error);
  EXPECT_THROW(HeldOutProblems(tasks_, 0, 1, 1), Error);
}

}  // namespace
}  // namespace fulgur
