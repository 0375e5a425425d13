#include "rl/run_viewer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "envs/task.h"
#include "eval/gzip_lines.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RunViewerTest : public testing::Test {
 protected:
  void Run(const std::string& name, double held_out, double clip) {
    const std::filesystem::path run = folder_ / name;
    std::filesystem::create_directories(run);
    WriteFileAtomic(
        run / "metrics.jsonl",
        Json{{"step", 0}, {"evaluation", {{"mean", {{"pass_at_1", held_out}}}}}}.dump() + "\n" +
            Json{{"step", 3}, {"reward", {{"mean", 0.5}, {"score", 0.25}}}, {"seconds", {{"all", 7}}}}.dump() +
            "\n{torn");
    WriteFileAtomic(run / "sessions.jsonl", "{}\n");
    WriteFileAtomic(run / "config.json", Json{{"out", name},
                                              {"batches", 9},
                                              {"data", {{{"type", "tasks"}, {"tasks", {"addition"}}}}},
                                              {"optimizer", {{"clip", clip}}}}
                                             .dump());
  }

  void Rollouts() {
    const Task& task = GetTask("addition");
    const TaskInstance instance = task.Generate(9007199254740993, 1);
    const Json group = {{"index", 4},
                        {"source", "tasks"},
                        {"task", "addition"},
                        {"difficulty", 1},
                        {"id", instance.seed},
                        {"prompt", instance.prompt},
                        {"responses",
                         {{{"text", "<think>why</think>yes"},
                           {"finish", "stop"},
                           {"score", 1},
                           {"reason", ""},
                           {"reward", {{"total", 1.1}}},
                           {"advantage", 0.5},
                           {"ids", {1, 2}},
                           {"logprobs", {-0.1, -0.2}}},
                          {{"text", "no"},
                           {"finish", "length"},
                           {"score", nullptr},
                           {"reason", "the judge was silent"},
                           {"ids", {1}},
                           {"logprobs", {-0.1}}}}}};
    Json other = group;
    other["index"] = 5;
    other["task"] = "sums";
    other["reference"] = 42;
    other["responses"][1] = other["responses"][0];
    GzipLinesWriter writer(folder_ / "a/rollouts/batch-000002.jsonl.gz");
    writer.Add(other);
    writer.Add(group);
    GzipLinesWriter(folder_ / "a/rollouts/batch-000010.jsonl.gz").Add(group);
  }

  TestFolder folder_;
};

TEST_F(RunViewerTest, ConfigsAreFlatAlsoInsideLists) {
  const Json flat = FlatConfig({{"a", {{"b", 1}}}, {"list", {1, 2}}, {"data", {{{"name", "x"}}, {{"name", "y"}}}}});
  EXPECT_EQ(flat, (Json{{"a.b", 1}, {"list", {1, 2}}, {"data[0].name", "x"}, {"data[1].name", "y"}}));
}

TEST_F(RunViewerTest, RunsBelowAFolderAndWhatTheyDifferIn) {
  Run("a", 0.5, 1);
  Run("deeper/b", 0.75, 2);
  const Json runs = ListRuns(folder_.path());
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0]["name"], "a");
  EXPECT_EQ(runs[0]["batches"], 3);
  EXPECT_EQ(runs[0]["planned"], 9);
  EXPECT_EQ(runs[0]["finished"], false);
  EXPECT_EQ(runs[0]["held_out"], 0.5);
  EXPECT_EQ(runs[0]["score"], 0.25);
  EXPECT_EQ(runs[0]["seconds"], 7);
  EXPECT_TRUE(runs[0]["entropy"].is_null());
  EXPECT_EQ(runs[1]["config"]["data[0].type"], "tasks");
  const std::string table = RunTable(runs, "-held_out");
  EXPECT_LT(table.find("deeper/b"), table.find("\na "));
  EXPECT_THAT(table, AllOf(HasSubstr("optimizer.clip"), Not(HasSubstr("data[0]")), Not(HasSubstr("\nout"))));
  EXPECT_LT(RunTable(runs, "held_out").find("\na "), RunTable(runs, "held_out").find("deeper/b"));
  EXPECT_THROW(RunTable(runs, "heldout"), Error);
  EXPECT_THROW(ListRuns(folder_ / "none"), Error);
}

TEST_F(RunViewerTest, BatchesGroupsAndOneGroup) {
  Run("a", 0.5, 1);
  Rollouts();
  RolloutQuery query;
  const Json batches = FindRollouts(folder_ / "a", query)["batches"];
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0], (Json{{"batch", 2}, {"groups", 2}, {"responses", 4}, {"score", 1.0}}));
  EXPECT_EQ(batches[1]["batch"], 10);
  query.batch = 2;
  Json groups = FindRollouts(folder_ / "a", query)["groups"];
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0]["index"], 4);
  EXPECT_EQ(groups[0]["id"], "9007199254740993");
  query.below = 1;
  groups = FindRollouts(folder_ / "a", query)["groups"];
  ASSERT_EQ(groups.size(), 1u);  // the one without a verdict
  EXPECT_EQ(groups[0]["responses"], 1);
  query.below.reset();
  query.task = "sums";
  EXPECT_EQ(FindRollouts(folder_ / "a", query)["groups"][0]["index"], 5);
  query.task.clear();
  query.text = "why";
  EXPECT_EQ(FindRollouts(folder_ / "a", query)["groups"][0]["responses"], 1);
  query.text.clear();
  query.index = 4;
  const Json found = FindRollouts(folder_ / "a", query);
  const Json& group = found["group"];
  EXPECT_THAT(group["reference"].get<std::string>(), HasSubstr("\\boxed{"));  // the task's own answer
  EXPECT_EQ(group["responses"][0]["thinking"], "why");
  EXPECT_EQ(group["responses"][0]["answer"], "yes");
  EXPECT_THAT(RolloutText(found), AllOf(HasSubstr("[thinking]\nwhy\n[answer]\nyes"), HasSubstr("no verdict"),
                                        HasSubstr("the judge was silent"), HasSubstr("id 9007199254740993")));
  query.index = 5;
  EXPECT_EQ(FindRollouts(folder_ / "a", query)["group"]["reference"], 42);
  query.index = 6;
  EXPECT_THROW(FindRollouts(folder_ / "a", query), Error);
  query.batch = 3;
  EXPECT_THROW(FindRollouts(folder_ / "a", query), Error);
  query.evaluations = true;
  EXPECT_THROW(FindRollouts(folder_ / "a", query), Error);
}

}  // namespace
}  // namespace fulgur
