#include "train/run_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>

#include "model/checkpoint.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Steps whose gradient depends on the number of the step alone, and that fail or stop where a test says.
class Work : public RunWork {
 public:
  explicit Work(Learner& learner) : learner_(learner) {}

  bool Step(RunState& state, Json& line) override {
    if (state.step == fail_before) throw Error("no data for step {}", state.step);
    if (state.step == stop_before) return false;
    for (auto& [name, tensor] : ListTensors(learner_.config(), learner_.grads())) {
      for (float& v : tensor->values<float>()) v = 0.01f * static_cast<float>(state.step);
    }
    line["norm"] = learner_.Update("here", 1, state.step, 0.01, 1);
    if (state.step == fail_after) throw Error("too late in step {}", state.step);
    state.tokens += 10;
    state.extra = {{"counted", state.step}};
    return true;
  }
  bool Measures(int64_t step) const override { return step % 2 == 0; }
  bool Measure(const RunState& state, Json& line) override {
    measured.push_back(state.step);
    if (state.step == fail_measure) throw Error("no measurement of step {}", state.step);
    if (state.step == stop_measure) return false;
    line["measured"] = state.tokens;
    return true;
  }
  std::string Note(const Json&) override { return "note"; }

  int64_t fail_before = -1, fail_after = -1, stop_before = -1, fail_measure = -1, stop_measure = -1;
  std::vector<int64_t> measured;

 private:
  Learner& learner_;
};

class RunLoopTest : public testing::Test {
 protected:
  RunLoopTest() { WriteTextFiles(folder / "text"); }

  // One process of the run in folder/NAME; what happens in it, `change` says.
  void Session(const std::string& name, const std::function<void(Work&)>& change = {}, int64_t steps = 6) {
    ExecContext exec(1);
    const ModelConfig config = TinyConfig(300);
    RunPlan plan;
    plan.out = folder / name;
    plan.fingerprint = {{"steps", steps}};
    plan.length = {"steps", {"steps"}, [](const Json& f) { return f["steps"].get<int64_t>(); }, ""};
    plan.steps = steps;
    plan.checkpoint = {.every_steps = 0, .every_seconds = 0, .keep = 2};
    plan.model = {folder / "text", {"addition"}, DType::kF32};
    RunOptions options;
    options.quiet = true;
    RunLoop loop(plan, options);
    Learner learner(std::make_unique<Model>(config, RandomParams(config, 5), exec, true), AdamWOptions{}, true);
    loop.Restore(learner, 0);
    started = loop.state().step;
    Work work(learner);
    if (change) change(work);
    try {
      finished = loop.Run(work);
    } catch (...) {
      measured = work.measured;
      throw;
    }
    measured = work.measured;
    tokens = loop.state().tokens;
  }
  std::string WeightsOf(const std::string& name) { return ReadFile(folder / (name + "/model/model.safetensors")); }
  std::string Metrics(const std::string& name) {
    std::string text;
    for (Json line : Lines(folder / (name + "/metrics.jsonl"))) {
      line.erase("time");
      line.erase("memory");
      text += line.dump() + "\n";
    }
    return text;
  }
  void ExpectSameAsWhole(const std::string& name) {
    EXPECT_TRUE(finished);
    EXPECT_EQ(tokens, 60);
    EXPECT_EQ(WeightsOf(name), WeightsOf("whole"));
    EXPECT_EQ(Metrics(name), Metrics("whole"));
    EXPECT_EQ(ReadFile(folder / (name + "/model/tasks.json")), "[\"addition\"]\n");
  }

  TestFolder folder;
  bool finished = false;
  int64_t started = 0, tokens = 0;
  std::vector<int64_t> measured;
};

TEST_F(RunLoopTest, AFailureBetweenUpdatesKeepsTheStepBefore) {
  Session("whole");
  EXPECT_THAT(measured, ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(ErrorOf([&] { Session("a", [](Work& w) { w.fail_before = 4; }); }), HasSubstr("no data for step 4"));
  Session("a");
  EXPECT_EQ(started, 3);
  ExpectSameAsWhole("a");
}

TEST_F(RunLoopTest, AFailureAfterAnUpdateLeavesTheNewestCheckpoint) {
  Session("whole");
  Session("a", [](Work& w) { w.stop_before = 3; });
  EXPECT_FALSE(finished);
  testing::internal::CaptureStderr();
  EXPECT_THAT(ErrorOf([&] { Session("a", [](Work& w) { w.fail_after = 5; }); }), HasSubstr("too late in step 5"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("there is no checkpoint of step 4: the weights have changed since; the newest is of step 2"));
  Session("a");
  EXPECT_EQ(started, 2);
  ExpectSameAsWhole("a");
}

TEST_F(RunLoopTest, AStepIsKeptWhenItsMeasurementFailsOrStops) {
  Session("whole");
  Session("a", [](Work& w) { w.stop_measure = 4; });
  EXPECT_FALSE(finished);
  EXPECT_THAT(ErrorOf([&] { Session("a", [](Work& w) { w.fail_measure = 4; }); }), HasSubstr("no measurement"));
  EXPECT_EQ(started, 4);
  EXPECT_THAT(measured, ElementsAre(4));
  EXPECT_EQ(Lines(folder / "a/metrics.jsonl").size(), 4u);  // 0 to 3
  EXPECT_THAT(ErrorOf([&] { Session("a", [](Work& w) { w.fail_measure = 6; }); }), HasSubstr("of step 6"));
  EXPECT_THAT(measured, ElementsAre(4, 6));
  Session("a");
  EXPECT_EQ(started, 6);
  EXPECT_THAT(measured, ElementsAre(6));
  ExpectSameAsWhole("a");
}

TEST_F(RunLoopTest, BeforeTheFirstStepThereIsNothingToKeep) {
  Session("whole");
  EXPECT_THAT(ErrorOf([&] { Session("a", [](Work& w) { w.fail_measure = 0; }); }), HasSubstr("of step 0"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a/checkpoints"));
  Session("a");
  EXPECT_EQ(started, 0);
  ExpectSameAsWhole("a");
}

TEST_F(RunLoopTest, AModelOfAnEarlierEndIsMovedAside) {
  Session("whole");
  Session("a", {}, 2);
  Session("a", {}, 4);
  const std::string of_4 = WeightsOf("a");
  Session("a", [](Work& w) { w.stop_before = 6; });  // the model of step 4 is not taken for that of the end
  Session("a");
  ExpectSameAsWhole("a");
  EXPECT_EQ(ReadFile(folder / "a/model.2/model.safetensors"), of_4);
}

TEST(RunLength, WhatMayChangeOnTheWay) {
  const RunLength length{"steps",
                         {"steps", "decay"},
                         [](const Json& f) { return f["steps"].get<int64_t>() - f["decay"].get<int64_t>(); },
                         "the rate falls"};
  const Json run = {{"steps", 10}, {"decay", 4}, {"lr", 0.1}};
  const auto error = [&](const Json& now, int64_t done) {
    return ErrorOf([&] { CheckSameRun(run, now, done, length, "out"); });
  };
  const Json longer = {{"steps", 20}, {"decay", 8}, {"lr", 0.1}};
  EXPECT_EQ(error(run, 10), "no error");
  EXPECT_EQ(error(longer, 6), "no error");
  EXPECT_THAT(error(longer, 7), HasSubstr("as one of 20: the rate falls, so that the two have only the first 6"));
  EXPECT_THAT(error({{"steps", 5}, {"decay", 0}, {"lr", 0.1}}, 6), HasSubstr("done 6 steps already, more than the 5"));
  EXPECT_THAT(error({{"steps", 20}, {"decay", 8}, {"lr", 0.2}}, 0), HasSubstr("\"lr\" was 0.1 and is now 0.2"));
}

TEST(RunFolder, ADiskThatIsTooSmallIsSeen) {
  const RoomNeeded needed{.checkpoint = 100, .model = 20, .there = 0, .keep = 2};
  EXPECT_THAT(ErrorOf([&] { CheckRoomFor(needed, 99, "run"); }),
              AllOf(HasSubstr("99 B are free where run is"), HasSubstr("a checkpoint takes 100 B")));
  EXPECT_THAT(CheckRoomFor(needed, 100, "run"), AllOf(HasSubstr("320 B"), HasSubstr("checkpoint.keep")));
  EXPECT_EQ(CheckRoomFor(needed, 320, "run"), "");
  EXPECT_EQ(CheckRoomFor({.checkpoint = 100, .model = 20, .there = 2, .keep = 2}, 120, "run"), "");
}

TEST(RunFolder, AFolderThatCannotBeWrittenSaysSo) {
  TestFolder folder;
  WriteFileAtomic(folder / "file", "");
  EXPECT_THAT(ErrorOf([&] { RunFolder(folder / "file/run", false); }), HasSubstr("cannot be made: Not a directory"));
  std::filesystem::create_directories(folder / "run");
  using std::filesystem::perms;
  const perms look = perms::owner_read | perms::owner_exec | perms::group_read | perms::group_exec |
                     perms::others_read | perms::others_exec;
  std::filesystem::permissions(folder / "run", look);
  std::filesystem::permissions(folder.path(), look, std::filesystem::perm_options::add);
  const bool root = ::geteuid() == 0;  // who may write everywhere
  ASSERT_EQ(root ? ::seteuid(65534) : 0, 0);
  const std::string error = ErrorOf([&] { RunFolder(folder / "run", false); });
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  EXPECT_THAT(error, HasSubstr("run cannot be written to: Permission denied"));
  std::filesystem::permissions(folder / "run", std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace fulgur
