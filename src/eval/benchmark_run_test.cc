#include "eval/benchmark_run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

// A model that knows `right` of all answers, and which ones is drawn from the seed alone. Fails where `fails` says.
class ScriptedSource : public AnswerSource {
 public:
  explicit ScriptedSource(double right, std::set<uint64_t> fails = {}) : right_(right), fails_(std::move(fails)) {}
  void Ask(BenchmarkQuestion question, std::function<void(AnswerOutcome)> done) override {
    ++asked;
    if (stop_after > 0 && asked > stop_after) throw Error("killed");
    if (fails_.contains(question.seed)) return done({std::nullopt, "HTTP 500: broken"});
    BenchmarkAnswer answer;
    const uint64_t draw = Mix(question.seed, 7);
    answer.content = Rng(draw).Uniform() < right_ ? "So \\boxed{5}." : "It is \\boxed{6}.";
    if (draw % 16 == 0) answer.content = "I do not know.";
    if (draw % 16 == 1) answer.finish = "length";
    answer.reasoning = "Let me see </script>.";
    answer.output_tokens = static_cast<int64_t>(draw % 100);
    done({answer, ""});
  }
  int64_t capacity() const override { return 4; }
  Json Describe() const override {
    return {{"model", "scripted"}, {"temperature", 1.0}, {"top_p", 0.95}, {"right", right_}};
  }
  int64_t asked = 0, stop_after = 0;

 private:
  double right_;
  std::set<uint64_t> fails_;
};

class BenchmarkRun : public testing::Test {
 protected:
  BenchmarkRun() {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      lines += Json{{"id", "p" + std::to_string(i)}, {"problem", "What is 2 + 3?"}, {"answer", "5"}}.dump() + "\n";
    }
    WriteFileAtomic(folder_ / "data.jsonl", lines);
    options_.benchmark = "aime-2024";
    options_.data = folder_ / "data.jsonl";
    options_.samples = 4;
  }
  std::string Results(const std::string& run) { return ReadFile(folder_ / run / "results.json"); }
  TestFolder folder_;
  BenchmarkRunOptions options_;
};

TEST_F(BenchmarkRun, FiguresAreWhatTheAnswersGive) {
  const BenchmarkTask task(options_);
  ScriptedSource source(0.5);
  const BenchmarkRunReport report = RunBenchmark(task, source, folder_ / "run");
  EXPECT_EQ(report.asked, 160);
  EXPECT_TRUE(report.errors.empty());
  const Json r = ReadJsonFile(folder_ / "run" / "results.json");
  const LoadedRun run = LoadRun(folder_ / "run");
  double strict = 0;
  std::map<std::string, int64_t> states;
  for (const auto& [key, s] : run.samples) {
    strict += s.score.strict;
    ++states[SampleStateName(s.state)];
  }
  EXPECT_NEAR(r["strict"]["mean"].get<double>(), strict / 160, 1e-12);
  EXPECT_GT(states["unread"], 0);
  EXPECT_GT(states["cut"], 0);
  for (const auto& [state, count] : states) EXPECT_EQ(r["states"][state], count) << state;
  const double open = static_cast<double>(states["unread"] + states["cut"]) / 160;
  EXPECT_NEAR(r["strict_bounds"][1].get<double>() - r["strict_bounds"][0].get<double>(), open, 1e-12);
  EXPECT_EQ(r["over_samples"].size(), 3u);  // k = 1, 2, 4
  EXPECT_NEAR(r["over_samples"][0]["pass_at_k"].get<double>(), strict / 160, 1e-12);
  EXPECT_GE(r["over_samples"][2]["pass_at_k"].get<double>(), r["over_samples"][1]["pass_at_k"].get<double>());
  EXPECT_EQ(r["reported_percent"]["M1-80k"], 86.0);
}

TEST_F(BenchmarkRun, GoesOnAfterAKillWithTheSameBytes) {
  const BenchmarkTask task(options_);
  ScriptedSource whole(0.5);
  RunBenchmark(task, whole, folder_ / "whole");
  // Killed again and again, each time after some answers, and once in the middle of a line.
  int64_t asked = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    ScriptedSource source(0.5);
    source.stop_after = 6 + attempt % 3;
    try {
      RunBenchmark(task, source, folder_ / "killed");
      asked += source.asked;
    } catch (const Error&) {
      asked += source.asked - 1;
      if (attempt == 5) std::ofstream(folder_ / "killed" / "samples.jsonl.gz", std::ios::app) << "\x1f\x8b\x08 torn";
    }
  }
  ScriptedSource last(0.5);
  RunBenchmark(task, last, folder_ / "killed");
  EXPECT_EQ(LoadRun(folder_ / "killed").samples.size(), 160u) << "none is lost";
  EXPECT_LE(asked + last.asked, 160 + 20 * last.capacity()) << "none that was written is asked again";
  EXPECT_EQ(Results("killed"), Results("whole"));
  EXPECT_EQ(ReadFile(folder_ / "killed" / "scores.jsonl"), ReadFile(folder_ / "whole" / "scores.jsonl"));
}

TEST_F(BenchmarkRun, WhatFailedIsCountedAndAskedAgain) {
  const BenchmarkTask task(options_);
  ScriptedSource broken(0.5, {task.Question(3, 1).seed, task.Question(9, 0).seed});
  const BenchmarkRunReport report = RunBenchmark(task, broken, folder_ / "run");
  ASSERT_EQ(report.errors.size(), 2u);
  EXPECT_THAT(report.errors[0], HasSubstr("p3, sample 1: HTTP 500"));
  EXPECT_EQ(ReadJsonFile(folder_ / "run" / "results.json")["states"]["error"], 2);
  ScriptedSource whole(0.5);
  EXPECT_EQ(RunBenchmark(task, whole, folder_ / "run").asked, 2);
  EXPECT_EQ(ReadJsonFile(folder_ / "run" / "results.json")["states"]["error"], 0);
}

TEST_F(BenchmarkRun, AnotherRunIsRefused) {
  ScriptedSource source(0.5), other(0.6);
  RunBenchmark(BenchmarkTask(options_), source, folder_ / "run");
  const auto error = [&](AnswerSource& asked) -> std::string {
    try {
      RunBenchmark(BenchmarkTask(options_), asked, folder_ / "run");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error(other), HasSubstr("\"right\" is 0.5, now 0.6"));
  options_.samples = 8;
  EXPECT_THAT(error(source), HasSubstr("\"samples\" is 4, now 8"));
  options_.samples = 4;
  WriteFileAtomic(options_.data, ReadFile(options_.data) + "{\"problem\": \"2 + 3?\", \"answer\": \"5\"}\n");
  EXPECT_THAT(error(source), HasSubstr("data_checksum"));
}

TEST_F(BenchmarkRun, RescoringNeedsNoModel) {
  ScriptedSource source(0.5);
  RunBenchmark(BenchmarkTask(options_), source, folder_ / "run");
  const std::string results = Results("run");
  std::filesystem::remove(folder_ / "run" / "results.json");
  RescoreRun(folder_ / "run");
  EXPECT_EQ(Results("run"), results);
}

TEST_F(BenchmarkRun, ComparisonsArePairedByItem) {
  ScriptedSource weak(0.3), strong(0.9), again(0.3);
  const BenchmarkTask task(options_);
  RunBenchmark(task, weak, folder_ / "weak");
  RunBenchmark(task, strong, folder_ / "strong");
  RunBenchmark(task, again, folder_ / "again");
  const Json c = CompareRuns({folder_ / "weak", folder_ / "strong", folder_ / "again"});
  EXPECT_TRUE(c["comparisons"][0]["differs"].get<bool>());
  EXPECT_GT(c["comparisons"][0]["difference"].get<double>(), 0.3);
  EXPECT_FALSE(c["comparisons"][1]["differs"].get<bool>());
  EXPECT_EQ(c["comparisons"][1]["difference"], 0.0);
  EXPECT_THAT(ComparisonText(c), HasSubstr("better by more than chance explains"));
}

TEST_F(BenchmarkRun, ThePageHoldsEverySampleAndNoScriptOfAnAnswer) {
  options_.samples = 1;
  ScriptedSource source(0.5);
  RunBenchmark(BenchmarkTask(options_), source, folder_ / "run");
  const std::string page = RunPage(folder_ / "run");
  EXPECT_NE(page.find("\"item\":\"p39\""), std::string::npos);
  EXPECT_EQ(page.find("see </script>"), std::string::npos);
  for (const char* loads : {"<link", "src=", "@import", "fetch("})
    EXPECT_EQ(page.find(loads), std::string::npos) << loads;
}

// Gives each sample of a made-up problem (the double of a number) the program of its number.
class Programmer : public AnswerSource {
 public:
  void Ask(BenchmarkQuestion question, std::function<void(AnswerOutcome)> done) override {
    static const char* const kPrograms[] = {
        "x = float(input())\nprint(2 * int(x) if x == int(x) else 2 * x)",
        "print(int(input()) * 2)",  // fails at the number with a point
        // Near enough for ours, not for exact decimals.
        "x = float(input())\nprint(2 * int(x) if x == int(x) else 2 * x + 1e-9)",
        "print(2 * float(input())",  // no program
    };
    BenchmarkAnswer answer;
    answer.content = fmt::format("So:\n```python\n{}\n```\n", kPrograms[asked++ % 4]);
    done({answer, ""});
  }
  int64_t capacity() const override { return 4; }
  Json Describe() const override { return {{"model", "programmer"}, {"temperature", 1.0}, {"top_p", 0.95}}; }
  int64_t asked = 0;
};

TEST_F(BenchmarkRun, ProgramsAreRunOnceAndTheirVerdictsKept) {
  options_.benchmark = "livecodebench";
  options_.data = std::filesystem::path(FULGUR_SOURCE_DIR) / "tests/data/eval/livecodebench.jsonl";
  options_.limit = 1;
  const BenchmarkTask task(options_);
  Programmer source;
  RunBenchmark(task, source, folder_ / "run");
  const LoadedRun run = LoadRun(folder_ / "run");
  ASSERT_EQ(run.samples.size(), 4u);
  if (run.samples.at({0, 0}).state == SampleState::kUnjudged) {
    EXPECT_NE(run.samples.at({0, 0}).score.why, "") << "what is missing is told";
    GTEST_SKIP() << run.samples.at({0, 0}).score.why;
  }
  const auto expect = [&](int64_t sample, double official, double strict, const Json& results) {
    const ScoredSample& s = run.samples.at({0, sample});
    EXPECT_EQ(s.state, SampleState::kScored);
    EXPECT_EQ(s.score.official, official) << sample;
    EXPECT_EQ(s.score.strict, strict) << sample << ": " << s.score.why;
    EXPECT_EQ(s.score.details["results"], results) << sample;
  };
  expect(0, 1, 1, {true, true, true});
  expect(1, 0, 0, {true, true, -4});
  expect(2, 0, 1, {true, true, -2});
  expect(3, 0, 0, Json::array({-4}));
  const auto verdicts = folder_ / "run" / "verdicts.jsonl.gz";
  const std::string results = Results("run"), kept = ReadFile(verdicts);
  RescoreRun(folder_ / "run");
  EXPECT_EQ(Results("run"), results);
  EXPECT_EQ(ReadFile(verdicts), kept) << "nothing is run again";
  // Killed between an answer and its verdict: it is judged when the run is scored again.
  std::filesystem::remove(verdicts);
  EXPECT_EQ(LoadRun(folder_ / "run").samples.at({0, 0}).state, SampleState::kUnjudged);
  RescoreRun(folder_ / "run");
  EXPECT_EQ(Results("run"), results);
}

TEST_F(BenchmarkRun, DifferentItemsWithOneIdAreRefused) {
  WriteFileAtomic(options_.data,
                  "{\"id\": \"a\", \"problem\": \"p\", \"answer\": \"5\"}\n{\"id\": \"a\", \"problem\": \"q\", "
                  "\"answer\": \"6\"}\n");
  EXPECT_THROW(BenchmarkTask{options_}, Error);
}

}  // namespace
}  // namespace fulgur
