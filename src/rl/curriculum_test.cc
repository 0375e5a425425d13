#include "rl/curriculum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "envs/instance.h"
#include "envs/task_env.h"
#include "rl/stages.h"

namespace fulgur {
namespace {

TaskMix Levels() {
  TaskMix mix;
  mix.name = "addition";
  mix.difficulties = {{1, 1}, {2, 1}, {3, 2}};
  return mix;
}

TEST(Curriculum, LevelsOpenAsTheOnesBeforeAreSolvedAndCloseWhenTheyAreTooEasy) {
  CurriculumConfig config;
  config.decay = 1;
  Curriculum c(config);
  using W = std::vector<double>;
  EXPECT_EQ(c.LevelWeights(Levels()), (W{1, 0, 0}));
  c.Add("addition", 1, 8, 8);
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (W{1, 0, 0}));  // 8 responses say too little
  c.Add("addition", 1, 8, 2);
  EXPECT_EQ(c.LevelWeights(Levels()), (W{1, 0, 0}));  // the batch has not ended
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (W{1, 1, 0}));  // 10 of 16
  c.Add("addition", 1, 200, 200);
  c.Add("addition", 2, 20, 0);
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (W{0.05, 0.05, 0}));  // too easy, too hard
  c.Add("addition", 2, 100, 80);
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (W{0.05, 1, 2}));
  // What was open stays so, even if the level before gets worse.
  c.Add("addition", 3, 20, 5);
  c.Add("addition", 2, 1000, 300);
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (W{0.05, 1, 2}));

  Curriculum copy(config);
  copy.FromJson(Json::parse(c.ToJson().dump()), "test");
  EXPECT_EQ(copy.levels(), c.levels());
  config.enabled = false;
  EXPECT_EQ(Curriculum(config).LevelWeights(Levels()), (W{1, 1, 2}));
}

TEST(Curriculum, OldCountsFadeAndSomeLevelIsAlwaysOpen) {
  CurriculumConfig config;
  config.decay = 0.5;
  config.probe = 0;
  Curriculum c(config);
  c.Add("addition", 1, 100, 0);
  c.EndBatch();
  EXPECT_EQ(c.LevelWeights(Levels()), (std::vector<double>{1, 0, 0}));  // out of bounds, but there is no other
  for (int i = 0; i < 6; ++i) {
    c.Add("addition", 1, 100, 60);
    c.EndBatch();
  }
  EXPECT_GT(c.levels().at("addition").at(1).rate(), 0.55);
}

ProblemSourceConfig Tasks(const char* name, std::vector<std::pair<double, double>> weight) {
  ProblemSourceConfig source;
  source.name = name;
  source.weight.points = std::move(weight);
  source.tasks = {Levels()};
  return source;
}

TEST(ProblemSet, MixturesChangeOverTheRunAndDrawsAreAFunctionOfTheirNumbers) {
  const ProblemSet set({Tasks("early", {{0, 1}, {0.5, 0}}), Tasks("late", {{0.25, 0}, {1, 1}})}, 5);
  const Curriculum curriculum{CurriculumConfig{}};
  const auto share = [&](double progress) {
    std::vector<uint64_t> drawn;
    for (int i = 0; i < 400; ++i) set.Draw(curriculum, progress, 3, i, drawn);
    EXPECT_EQ(drawn[0] + drawn[1], 400u);
    return static_cast<double>(drawn[0]) / 400;
  };
  EXPECT_EQ(share(0), 1);
  EXPECT_EQ(share(0.2), 1);
  EXPECT_NEAR(share(0.4), 0.2 / (0.2 + 0.2), 0.1);
  EXPECT_EQ(share(0.9), 0);
  std::vector<uint64_t> a, b, c;
  EXPECT_EQ(set.Draw(curriculum, 0.4, 3, 7, a).problem.prompt, set.Draw(curriculum, 0.4, 3, 7, b).problem.prompt);
  EXPECT_NE(set.Draw(curriculum, 0.4, 4, 7, a).problem.prompt, set.Draw(curriculum, 0.4, 3, 7, c).problem.prompt);
}

TEST(ProblemSet, PracticeIsOfTheReinforcementPartAndTestsAreHeldOut) {
  const ProblemSet set({Tasks("tasks", {{0, 1}})}, 6);
  const Task& task = GetTask("addition");
  const Curriculum curriculum{CurriculumConfig{.enabled = false}};
  std::vector<uint64_t> drawn;
  for (int i = 0; i < 50; ++i) {
    const Problem p = set.Draw(curriculum, 0, 0, i, drawn).problem;
    const TaskInstance instance = task.Generate(p.id, p.difficulty);
    EXPECT_EQ(instance.prompt, p.prompt);
    EXPECT_FALSE(HeldOut(instance));
    EXPECT_EQ(PartOf(instance), TrainPart::kReinforcement);
  }
  const std::vector<Assignment> tests = set.HeldOut(6);
  ASSERT_EQ(tests.size(), 6u);
  for (size_t i = 0; i < tests.size(); ++i) {
    EXPECT_TRUE(HeldOut(task.Generate(tests[i].problem.id, tests[i].problem.difficulty)));
    EXPECT_EQ(tests[i].problem.difficulty, 1 + static_cast<int>(i % 3));
  }
}

TEST(ProblemSet, AFilesProblemsComeOncePerEpochWithoutTheContaminatedOnes) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 10; ++i) {
    lines +=
        Json{{"prompt", fmt::format("Which number comes after {} if one counts upwards?", i)}, {"answer", "x"}}.dump() +
        "\n";
  }
  WriteFileAtomic(folder / "p.jsonl", lines);
  WriteFileAtomic(folder / "test.jsonl",
                  Json{{"question", "Tell me: which NUMBER comes -- after 3, if one counts upwards or not"}}.dump() +
                      "\n" + Json{{"messages", {{{"role", "user"}, {"content", "short one"}}}}}.dump() + "\n");
  ProblemSourceConfig source;
  source.type = ProblemSourceConfig::Type::kFile;
  source.name = "counting";
  source.path = folder / "p.jsonl";
  source.decontaminate.against = {folder / "test.jsonl"};
  source.decontaminate.words = 7;
  ProblemSet set({source}, 9);
  ASSERT_EQ(set.contaminated(0).size(), 1u);
  EXPECT_EQ(set.contaminated(0)[0].record, 3u);
  EXPECT_EQ(set.contaminated(0)[0].words, "Which number comes after 3 if one");
  const Curriculum curriculum{CurriculumConfig{}};
  std::vector<uint64_t> drawn;
  std::vector<uint64_t> first, second;
  for (int i = 0; i < 9; ++i) first.push_back(set.Draw(curriculum, 0, 0, i, drawn).problem.id);
  for (int i = 0; i < 9; ++i) second.push_back(set.Draw(curriculum, 0, 1, i, drawn).problem.id);
  const std::set<uint64_t> want = {0, 1, 2, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(std::set(first.begin(), first.end()), want);
  EXPECT_EQ(std::set(second.begin(), second.end()), want);
  EXPECT_NE(first, second);
  EXPECT_TRUE(set.HeldOut(5).empty());
  set.KeepRecords(0, {4});
  EXPECT_EQ(set.Draw(curriculum, 0, 2, 0, drawn).problem.id, 4u);
  EXPECT_THROW(set.KeepRecords(0, {}), Error);
}

TEST(ProblemSet, InstancesOfAFileAreScoredByTheirTasks) {
  const TestFolder folder;
  const Task& task = GetTask("word_sorting");
  std::string lines;
  for (uint64_t i = 0; i < 5; ++i) {
    lines += InstanceToJson(GenerateTrain(task, i, 1)).dump() + "\n" + InstanceToJson(GenerateTest(task, i, 1)).dump() +
             "\n";
  }
  // From elsewhere, with a prompt of its own.
  TaskInstance other = GenerateTrain(task, 99, 8);
  other.prompt = "Sort, please.";
  other.difficulty = 0;
  lines += InstanceToJson(other).dump() + "\n";
  WriteFileAtomic(folder / "words.jsonl", lines);
  ProblemSourceConfig source;
  source.type = ProblemSourceConfig::Type::kInstances;
  source.name = "words";
  source.path = folder / "words.jsonl";
  source.part = TrainPart::kAll;
  const ProblemSet set({source}, 9);
  EXPECT_EQ(set.file_size(0), 6u);
  EXPECT_EQ(set.records(0).size(), 6u);
  const Curriculum curriculum{CurriculumConfig{}};
  std::vector<uint64_t> drawn;
  std::set<std::string> prompts;
  const auto score = [](const Assignment& assignment, const std::string& answer) {
    Trajectory trajectory;
    trajectory.turns.emplace_back();
    trajectory.turns.back().parsed.content = answer;
    return assignment.judge->Ask(assignment.problem, trajectory).get().score;
  };
  for (int i = 0; i < 6; ++i) {
    const Assignment assignment = set.Draw(curriculum, 0, 0, i, drawn);
    prompts.insert(assignment.problem.prompt);
    EXPECT_EQ(assignment.problem.task, "word_sorting");
    EXPECT_EQ(assignment.problem.source, "words");
    EXPECT_LT(assignment.problem.id, 6u);
    EXPECT_EQ(score(assignment, "\\boxed{nothing}"), 0);
    EXPECT_EQ(score(assignment, task.Solve(InstanceOf(assignment.problem)).answer), 1);
    if (assignment.problem.prompt == "Sort, please.") {
      EXPECT_EQ(score(assignment, task.Solve(other).answer), 1);
      EXPECT_EQ(assignment.problem.difficulty, 0);
    }
  }
  EXPECT_EQ(prompts.size(), 6u);
  EXPECT_EQ(prompts.count("Sort, please."), 1u);
}

TEST(Stages, MoveOnWhenTheTextHasSettledAndTheWindowIsFull) {
  std::vector<StageConfig> config(3);
  for (size_t i = 0; i < 3; ++i) config[i].window = std::vector<int64_t>{100, 120, 150}[i];
  RlConfig::StageRule rule;
  rule.batches = 2;
  rule.tolerance = 0.05;
  rule.length_share = 0.9;
  Stages s(config, rule);
  // Still getting more predictable.
  for (const double p : {3.0, 2.8, 2.5, 2.2}) EXPECT_FALSE(s.Add(p, 100));
  // Settled, but responses are short: 2.2, 2.2 against 2.5, 2.2 is 6 %; the next is 0.
  EXPECT_FALSE(s.Add(2.2, 100));
  EXPECT_FALSE(s.Add(2.2, 80));
  Stages copy(config, rule);
  copy.FromJson(Json::parse(s.ToJson().dump()), "test");
  EXPECT_TRUE(s.Add(2.2, 90));
  EXPECT_TRUE(copy.Add(2.2, 90));
  EXPECT_EQ(s.window(), 120);
  EXPECT_EQ(s.batches(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(s.Add(2, 119));  // a stage has twice rule.batches at least
  EXPECT_TRUE(s.Add(2, 119));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(s.Add(2, 150));  // there is no other
  EXPECT_EQ(s.index(), 2u);
}

TEST(ProblemSet, AnswersThatNoResponseCanMatchStopTheRun) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += Json{{"prompt", "How much?"}, {"answer", i}}.dump() + "\n";
  lines += Json{{"prompt", "How?"}, {"answer", "By walking along the river for a long time"}}.dump() + "\n";
  WriteFileAtomic(folder / "p.jsonl", lines);
  ProblemSourceConfig source;
  source.type = ProblemSourceConfig::Type::kFile;
  source.name = "walks";
  source.path = folder / "p.jsonl";
  source.checker.rule = "math";
  try {
    ProblemSet set({source}, 9);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("walks: 1 of 9 answers"));
    EXPECT_THAT(e.what(), testing::HasSubstr("\"max_unreadable\""));
  }
  source.max_unreadable = 0.2;
  EXPECT_EQ(ProblemSet({source}, 9).golds(0).prose, 1);
  source.max_unreadable = kMaxUnreadable;
  source.checker.rule = "exact";
  EXPECT_EQ(ProblemSet({source}, 9).golds(0).bad(), 0);
}

}  // namespace
}  // namespace fulgur
