#include "rl/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

Problem PlainProblem() {
  Problem problem;
  problem.judge = [check = GetAnswerChecker("exact")](std::string_view answer) { return check("1,234", answer); };
  return problem;
}

TEST(Problem, ExactAnswers) {
  const AnswerChecker exact = GetAnswerChecker("exact");
  EXPECT_EQ(exact("x + 1", "so \\boxed{X+1}").value, 1);
  EXPECT_EQ(exact("1,234", "\\boxed{1234}").value, 1);
  EXPECT_EQ(exact("7", "\\boxed{8} no, \\boxed{7}").value, 1);  // the last one counts
  EXPECT_EQ(exact("7", "\\boxed{7} no, \\boxed{8}").value, 0);
  EXPECT_EQ(exact("7", "7").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{}").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{7 or 8}").value, 0);
  EXPECT_EQ(exact("", "\\boxed{ }").value, 0);
  EXPECT_THAT(exact("7", "\\boxed{8}").reason, HasSubstr("8"));
  const AnswerChecker math = GetAnswerChecker("math");
  EXPECT_EQ(math("1/2", "\\boxed{\\frac{2}{4}}").value, 1);
  EXPECT_EQ(math("1/2", "\\boxed{2}").value, 0);
  EXPECT_EQ(exact("1/2", "\\boxed{\\frac{2}{4}}").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{" + std::string(10000, '7') + "}").value, 0);
  EXPECT_THROW(GetAnswerChecker("by-feeling"), Error);
}

TEST(Problem, TheFormThatIsRewarded) {
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

TEST(Problem, PartsOfTheReward) {
  const Problem problem = PlainProblem();
  RewardConfig config;
  config.correct = 2;
  config.format = 0.5;
  config.overlong_buffer = 10;
  config.overlong = 3;
  const auto score = [&](const char* text, int64_t tokens, FinishReason finish = FinishReason::kStop) {
    return ScoreResponse(config, problem, text, finish, false, tokens, 100);
  };
  const Reward full = score("<think>.</think>\\boxed{1234}", 90);
  EXPECT_EQ(full.total(), 2.5);
  EXPECT_EQ(score("\\boxed{1234}", 5).total(), 2);
  EXPECT_EQ(score("<think>.</think>\\boxed{4}", 5).total(), 0.5);
  // Within the last ten tokens of the window, three tenths a token.
  EXPECT_NEAR(score("<think>.</think>\\boxed{1234}", 91).total(), 2.5 - 0.3, 1e-12);
  EXPECT_NEAR(score("x", 100, FinishReason::kLength).total(), -3, 1e-12);
  EXPECT_EQ(score("x", 89).total(), 0);
  config.overlong_buffer = 0;
  EXPECT_EQ(score("x", 100, FinishReason::kLength).total(), 0);
  // An answer that stands only in the thinking is none.
  EXPECT_EQ(score("<think>\\boxed{1234}</think>", 5).score, 0);
  EXPECT_EQ(score("<think>\\boxed{1234}", 5, FinishReason::kLength).score, 0);
}

TEST(Problem, ProblemsOfAFile) {
  TestFolder folder;
  WriteFileAtomic(folder / "p.jsonl",
                  "{\"prompt\": \"1 + 1?\", \"answer\": \"2\"}\n\n{\"prompt\": \"2 + 2?\", \"answer\": \"4\"}\n");
  const ProblemFile file(folder / "p.jsonl", "sums", "exact");
  ASSERT_EQ(file.size(), 2u);
  const Problem problem = file.Get(1);
  EXPECT_EQ(problem.prompt, "2 + 2?");
  EXPECT_EQ(problem.task, "sums");
  EXPECT_EQ(problem.judge("\\boxed{4}").value, 1);
  EXPECT_EQ(problem.judge("\\boxed{2}").value, 0);
  WriteFileAtomic(folder / "bad.jsonl", "{\"prompt\": \"1 + 1?\", \"answer\": 2}\n");
  try {
    ProblemFile(folder / "bad.jsonl", "sums", "exact");
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("bad.jsonl"), HasSubstr("\"answer\"")));
  }
}

TEST(Problem, ATasksOwnSolutionIsWorthFullMarks) {
  const Task& task = GetTask("addition");
  const TaskInstance instance = GenerateTrain(task, 5, 2, TrainPart::kReinforcement);
  const Problem problem = MakeTaskProblem(task, instance, "tasks");
  const Solution solution = task.Solve(instance);
  const std::string text = "<think>\n" + solution.thinking + "\n</think>\n\n" + solution.answer;
  const Reward reward = ScoreResponse({}, problem, text, FinishReason::kStop, false, 50, 1000);
  EXPECT_EQ(reward.total(), 1.1);
  EXPECT_EQ(problem.difficulty, 2);
  EXPECT_EQ(task.Generate(problem.id, 2).prompt, problem.prompt);
}

}  // namespace
}  // namespace fulgur
