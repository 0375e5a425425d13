#include "rl/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "rl/test_util.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json TinyStudy(const std::filesystem::path& folder) {
  Json base = TinyRlRun(folder);
  base.erase("out");
  base.erase("seed");
  base["batches"] = 2;
  base["evaluation"] = {{"every", 1}, {"problems", 2}};
  base["rollouts"]["keep_every"] = 0;
  return {{"out", (folder / "study").string()},
          {"base", base},
          {"arms",
           {{{"name", "CISPO 5"}, {"set", {{"objective", "cispo"}}}},
            {{"name", "GRPO, once"}, {"rates", {0.01, 0.02}}, {"set", {{"objective", "grpo"}, {"updates", 1}}}}}},
          {"rates", {0.001, 0.01}},
          {"tuning_seeds", {11}},
          {"seeds", {1, 2}}};
}

StudyConfig Written(const std::filesystem::path& folder, const Json& json) {
  WriteFileAtomic(folder / "study.json", json.dump());
  return StudyConfig::FromFile(folder / "study.json");
}

TEST(Study, RunsTheGridAndGoesOnWhereItStopped) {
  const TestFolder dir;
  const StudyConfig config = Written(dir.path(), TinyStudy(dir.path()));
  EXPECT_EQ(config.Folder(config.arms[1], 0.01, 2), dir.path() / "study" / "GRPO__once" / "lr-0.01" / "seed-2");
  const RlConfig run = config.Run(config.arms[1], 0.01, 2);
  EXPECT_EQ(run.objective_name, "grpo");
  EXPECT_EQ(run.updates, 1);
  EXPECT_EQ(run.seed, 2u);
  EXPECT_EQ(run.schedule.lr, 0.01);

  ExecContext exec(2);
  std::vector<std::string> said;
  StudyOptions options;
  options.say = [&](const std::string& line) { said.push_back(line); };
  // Two parts: neither can choose the rates before both have tuned.
  options.parts = 2;
  EXPECT_FALSE(RunStudy(config, exec, options));
  ASSERT_EQ(said.size(), 3u);
  EXPECT_THAT(said[2], HasSubstr("start again"));
  options.part = 1;
  EXPECT_TRUE(RunStudy(config, exec, options));
  EXPECT_EQ(said.size(), 3u + 2 + 2);
  EXPECT_EQ(CollectStudy(config).size(), 6u);
  options.part = 0;
  options.parts = 1;
  said.clear();
  EXPECT_TRUE(RunStudy(config, exec, options));  // what is left of the first part
  EXPECT_EQ(said.size(), 2u);
  EXPECT_THAT(said[0], HasSubstr("CISPO 5, lr 0.0"));
  EXPECT_TRUE(RunStudy(config, exec, options));
  EXPECT_EQ(said.size(), 2u);  // nothing was left

  const std::vector<StudyRun> runs = CollectStudy(config);
  ASSERT_EQ(runs.size(), 8u);
  // What was run with a rate that is no longer the best does not count, and runs of another config are not taken for
  // this one's.
  Json changed = TinyStudy(dir.path());
  const double other = runs[2].rate == 0.001 ? 0.01 : 0.001;
  std::filesystem::copy(config.Folder(config.arms[0], runs[2].rate, 1), config.Folder(config.arms[0], other, 1),
                        std::filesystem::copy_options::recursive);
  EXPECT_EQ(CollectStudy(config).size(), 8u);
  changed["base"]["micro_tokens"] = 500;
  EXPECT_THROW(RunStudy(Written(dir.path(), changed), exec, options), Error);
  for (const StudyRun& r : runs) {
    EXPECT_THAT(r.steps, ElementsAre(0, 1, 2));
    EXPECT_EQ(r.accuracy.size(), 3u);
    EXPECT_EQ(r.score.size(), 2u);
    EXPECT_EQ(r.tuning, r.seed == 11);
  }
  // The logs say the same.
  WriteStudyLogs(runs, dir.path() / "logs.jsonl");
  const std::vector<StudyRun> read = ReadStudyLogs(dir.path() / "logs.jsonl");
  ASSERT_EQ(read.size(), runs.size());
  for (size_t i = 0; i < runs.size(); ++i) EXPECT_EQ(read[i].ToJson(), runs[i].ToJson());
  DrawStudy(read, dir.path());
  for (const char* name : {"accuracy.svg", "score.svg", "entropy.svg", "clipped.svg", "length.svg"}) {
    EXPECT_THAT(ReadFile(dir.path() / name), HasSubstr("GRPO, once")) << name;
  }
}

StudyRun Made(const char* arm, double rate, uint64_t seed, bool tuning, double before, double after) {
  StudyRun run;
  run.arm = arm;
  run.rate = rate;
  run.seed = seed;
  run.tuning = tuning;
  run.steps = {0, 10};
  run.accuracy = {before, after};
  return run;
}

TEST(Study, Summary) {
  std::vector<StudyRun> runs;
  for (const char* arm : {"a", "b"}) {
    const double more = arm[0] == 'b' ? 0.1 : 0;
    runs.push_back(Made(arm, 0.1, 9, true, 0.3, 0.4 + more));
    runs.push_back(Made(arm, 0.2, 9, true, 0.3, 0.5 - more));
    const double rate = arm[0] == 'b' ? 0.1 : 0.2;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      runs.push_back(Made(arm, rate, seed, false, 0.3, 0.5 + 0.1 * static_cast<double>(seed) + more));
    }
  }
  const std::vector<StudyArmResult> r = SummarizeStudy(runs);
  ASSERT_EQ(r.size(), 2u);
  EXPECT_EQ(r[0].rate, 0.2);
  EXPECT_EQ(r[1].rate, 0.1);
  EXPECT_EQ(r[0].tried.size(), 2u);
  EXPECT_NEAR(r[0].mean, 0.7, 1e-12);
  EXPECT_NEAR(r[0].start, 0.3, 1e-12);
  EXPECT_NEAR(r[0].error, 4.303 * 0.1 / std::sqrt(3), 1e-9);
  EXPECT_NEAR(r[0].best, 0.7, 1e-12);
  EXPECT_FALSE(r[0].difference);
  EXPECT_NEAR(*r[1].difference, 0.1, 1e-12);
  EXPECT_NEAR(*r[1].difference_error, 0, 1e-9);  // the same in every seed
  EXPECT_TRUE(std::isinf(MeanError({1})));
}

TEST(Study, BadConfigs) {
  const TestFolder dir;
  const auto error = [&](const char* pointer, const Json& value) -> std::string {
    Json json = TinyStudy(dir.path());
    json[Json::json_pointer(pointer)] = value;
    try {
      Written(dir.path(), json);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error("/arms/1/name", "CISPO_5"), HasSubstr("twice"));
  EXPECT_THAT(error("/rates", Json::array()), HasSubstr("\"rates\" is empty"));
  EXPECT_THAT(error("/arms/1/rates", {0.1, -1}), HasSubstr("above 0"));
  EXPECT_THAT(error("/seeds", {1, 11}), HasSubstr("seed 11 comes twice"));
  EXPECT_THAT(error("/arms/0/set/objective", "ppo2"), HasSubstr("ppo2"));
  EXPECT_THAT(error("/base/evaluation/every", 0), HasSubstr("no evaluation"));
  EXPECT_THAT(error("/more", 1), HasSubstr("more"));
  WriteFileAtomic(dir.path() / "bad.jsonl", "{\"arm\": 3}\n");
  EXPECT_THROW(ReadStudyLogs(dir.path() / "bad.jsonl"), Error);
}

}  // namespace
}  // namespace fulgur
