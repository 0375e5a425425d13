#include "judge/command_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

class CommandJudgeTest : public testing::Test {
 protected:
  // A judge that is this shell script, and its verdict on an answer.
  std::unique_ptr<CommandJudge> Script(const std::string& script, double seconds = 5, int64_t processes = 1) {
    WriteFileAtomic(folder_ / "judge.sh", script);
    return std::make_unique<CommandJudge>(
        CommandJudgeOptions{{"sh", folder_ / "judge.sh", folder_.path()}, seconds, processes});
  }
  std::future<Verdict> Ask(Judge& judge, const std::string& answer) {
    trajectories_.emplace_back().turns.emplace_back();
    trajectories_.back().turns[0].text = "<think>hm</think>" + answer;
    trajectories_.back().turns[0].parsed.content = answer;
    return judge.Ask(problem_, trajectories_.back());
  }

  TestFolder folder_;
  Problem problem_{"source", "task", 0, 7, "two \"lines\"\nof it", Json(), {{"answer", "42"}, {"level", 3}}};
  std::list<Trajectory> trajectories_;
};

TEST_F(CommandJudgeTest, AsksWithAllThatIsKnownAndTakesTheVerdict) {
  // Keeps what it reads, and says how many questions it has had: one process, asked again and again.
  auto judge = Script(R"sh(n=0
while read -r line; do
  n=$((n + 1)); printf '%s\n' "$line" >> "$1/asked"
  echo "{\"score\": 0.5, \"reason\": \"question $n\"}"
done)sh");
  EXPECT_EQ(Ask(*judge, "41").get().reason, "question 1");
  const Verdict second = Ask(*judge, "\xff").get();  // not UTF-8
  EXPECT_EQ(second.score, 0.5);
  EXPECT_EQ(second.reason, "question 2");
  const std::string asked = ReadFile(folder_ / "asked");
  EXPECT_EQ(Json::parse(asked.substr(0, asked.find('\n'))), (Json{{"prompt", "two \"lines\"\nof it"},
                                                                  {"answer", "41"},
                                                                  {"response", "<think>hm</think>41"},
                                                                  {"reference", "42"},
                                                                  {"finish", "stop"},
                                                                  {"record", {{"answer", "42"}, {"level", 3}}}}));
}

TEST_F(CommandJudgeTest, NoScoreIsNoVerdict) {
  auto judge = Script("while read -r line; do echo '{\"score\": null, \"reason\": \"unclear\"}'; done");
  for (int i = 0; i < 10; ++i) {
    const Verdict verdict = Ask(*judge, "a").get();
    EXPECT_FALSE(verdict.score.has_value());
    EXPECT_EQ(verdict.reason, "unclear");
  }
}

TEST_F(CommandJudgeTest, AProgramThatDiesIsStartedAgainAndAskedOnceMore) {
  // Every process answers one question and dies with the next.
  auto judge = Script("read -r line; echo '{\"score\": 1}'; read -r line; exit 4");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Ask(*judge, "a").get().score, 1);
}

TEST_F(CommandJudgeTest, FailuresAreNoVerdictAndManyInARowEndTheRun) {
  const auto fails = [&](const std::string& script, double seconds, const char* what) {
    auto judge = Script(script, seconds);
    for (int i = 0; i < 4; ++i) {
      const Verdict verdict = Ask(*judge, "a").get();
      EXPECT_FALSE(verdict.score.has_value());
      EXPECT_THAT(verdict.reason, HasSubstr(what));
    }
    try {
      Ask(*judge, "a").get();
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("5 answers in a row"), HasSubstr(what)));
    }
  };
  fails("read -r line; exit 4", 5, "exit status 4");
  fails("while read -r line; do sleep 100; done", 0.05, "no answer within 0.05 s");
  fails("while read -r line; do echo right; done", 5, "it wrote \"right\"");
  fails("while read -r line; do echo '{\"value\": 1}'; done", 5, "there is no \"score\"");
  fails("while read -r line; do echo '{\"score\": 1.5}'; done", 5, "between 0 and 1");
  fails("while read -r line; do echo '{\"score\": \"1\"}'; done", 5, "not a number");
}

TEST_F(CommandJudgeTest, AnAnswerThatNobodyAskedForIsNotTakenForTheNext) {
  auto judge =
      Script("read -r line; echo '{\"score\": 1}'; echo '{\"score\": 0}'; read -r line; echo '{\"score\": 1}'");
  EXPECT_EQ(Ask(*judge, "a").get().score, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for the second line to come
  EXPECT_EQ(Ask(*judge, "b").get().score, 1);
}

TEST_F(CommandJudgeTest, SeveralProcessesAtATime) {
  // Each answer needs another one to be under way: a process waits until two have been asked.
  auto judge = Script(R"sh(while read -r line; do
  echo x >> "$1/count"
  while [ "$(wc -l < "$1/count")" -lt 2 ]; do sleep 0.01; done
  echo '{"score": 1}'
done)sh",
                      10, 2);
  std::future<Verdict> first = Ask(*judge, "a"), second = Ask(*judge, "b");
  EXPECT_EQ(first.get().score, 1);
  EXPECT_EQ(second.get().score, 1);
}

TEST_F(CommandJudgeTest, WhatCannotBeStartedIsAnErrorAtOnce) {
  EXPECT_THROW(CommandJudge({{"no-such-program"}, 1, 1}), Error);
}

}  // namespace
}  // namespace fulgur
