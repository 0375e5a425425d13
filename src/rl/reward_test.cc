#include "rl/reward.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "envs/task_env.h"

namespace fulgur {
namespace {

TEST(Reward, TheFormThatIsRewarded) {
  const auto good = [](const char* text, FinishReason finish = FinishReason::kStop, bool open = false) {
    return IsWellFormed(text, finish, open);
  };
  EXPECT_TRUE(good("<think>\n1\n</think>\n\nIt is \\boxed{1}."));
  EXPECT_TRUE(good("1\n</think>\\boxed{1}", FinishReason::kStop, true));
  EXPECT_TRUE(good("<think>try \\boxed{0}</think>\\boxed{1}"));  // in the thinking anything goes
  EXPECT_FALSE(good("<think>1</think>\\boxed{1}", FinishReason::kLength));
  EXPECT_FALSE(good("<think>1</think>\\boxed{1}", FinishReason::kEarlyTruncation));
  EXPECT_FALSE(good("\\boxed{1}"));
  EXPECT_FALSE(good("<think></think>\\boxed{1}"));
  EXPECT_FALSE(good("<think> \n </think>\\boxed{1}"));
  EXPECT_FALSE(good("So <think>1</think>\\boxed{1}"));
  EXPECT_FALSE(good("<think>1</think>1"));
  EXPECT_FALSE(good("<think>1</think>\\boxed{1} or \\boxed{2}"));
  EXPECT_FALSE(good("<think>1</think>\\boxed{1"));
  EXPECT_FALSE(good("<think>1</think></think>\\boxed{1}"));
  EXPECT_FALSE(good("<think>1<think>2</think>\\boxed{1}"));
  EXPECT_FALSE(good("<think>1</think>\\boxed{1}<think>"));
}

// A trajectory of one turn.
Trajectory Said(const std::string& text, int64_t tokens, FinishReason finish = FinishReason::kStop) {
  Trajectory t;
  t.ids.resize(static_cast<size_t>(tokens));
  TrajectoryTurn& turn = t.turns.emplace_back();
  turn.text = text;
  turn.parsed = ParseOutput(text);
  turn.finish = t.finish = finish;
  turn.end = tokens;
  return t;
}

TEST(Reward, Parts) {
  RewardConfig config;
  config.correct = 2;
  config.format = 0.5;
  config.overlong_buffer = 10;
  config.overlong = 3;
  const auto total = [&](double score, const char* text, int64_t tokens, FinishReason finish = FinishReason::kStop) {
    return ScoreResponse(config, {score, ""}, Said(text, tokens, finish), false, 100).total();
  };
  const char* const kForm = "<think>.</think>\\boxed{1}";
  EXPECT_EQ(total(1, kForm, 90), 2.5);
  EXPECT_EQ(total(1, "\\boxed{1}", 5), 2);
  EXPECT_EQ(total(0, kForm, 5), 0.5);
  EXPECT_EQ(total(0.25, "x", 5), 0.5);
  // Within the last ten tokens of the window, three tenths a token.
  EXPECT_NEAR(total(1, kForm, 91), 2.5 - 0.3, 1e-12);
  EXPECT_NEAR(total(0, "x", 100, FinishReason::kLength), -3, 1e-12);
  EXPECT_EQ(total(0, "x", 89), 0);
  config.overlong_buffer = 0;
  EXPECT_EQ(total(0, "x", 100, FinishReason::kLength), 0);
}

TEST(Reward, ATasksOwnSolutionIsWorthFullMarks) {
  const Task& task = GetTask("addition");
  const TaskInstance instance = GenerateTrain(task, 5, 2, TrainPart::kReinforcement);
  const Problem problem = TaskProblem(instance, "tasks");
  const Solution solution = task.Solve(instance);
  const Trajectory t = Said("<think>\n" + solution.thinking + "\n</think>\n\n" + solution.answer, 50);
  const Verdict verdict = MakeTaskJudge()->Ask(problem, t).get();
  EXPECT_EQ(verdict.score, 1);
  EXPECT_EQ(ScoreResponse({}, verdict, t, false, 1000).total(), 1.1);
  EXPECT_EQ(problem.difficulty, 2);
  EXPECT_EQ(task.Generate(problem.id, 2).prompt, problem.prompt);
  EXPECT_EQ(InstanceOf(problem).data, instance.data);
}

}  // namespace
}  // namespace fulgur
