#include "train/evaluate.h"

#include <gtest/gtest.h>

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

// A task that any answer solves, one that none does: what is under test is the counting, not a model.
class EasyTask : public Task {
 public:
  explicit EasyTask(const char* name, const char* expected) : name_(name), expected_(expected) {}
  const char* name() const override { return name_; }
  const char* description() const override { return ""; }
  int max_difficulty() const override { return 5; }
  int nano_difficulty() const override { return 3; }
  Solution Solve(const TaskInstance&) const override { return {"", expected_}; }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    instance->prompt = "Say " + std::to_string(rng.Below(1000000)) + ".";
    instance->data = {{"prompt", instance->prompt}};
  }
  Score Judge(const TaskInstance&, const std::string& answer) const override {
    return answer == expected_ ? Score{1, ""} : Score{0, "not " + std::string(expected_)};
  }

 private:
  const char *name_, *expected_;
};

class EvaluateTest : public ::testing::Test {
 protected:
  EvaluateTest() {
    // The closing sentence is an answer, so that this random model has one, and it stops after it.
    options_.tasks = {&right_, &wrong_};
    options_.count = 7;
    options_.stopping.max_tokens = 60;
    options_.stopping.thinking_budget = 5;
    options_.stopping.starts_in_thinking = true;
    options_.stopping.closing_sentence = "</think>\\boxed{42}END";
    options_.stopping.stop_strings = {"END"};
  }
  ThreadPool pool_{1};
  std::unique_ptr<Model> model_ = testing_engine::SmallModel(pool_);
  Tokenizer tokenizer_ = testing_engine::SmallTokenizer();
  ChatTemplate chat_ = ChatTemplate::FromSource(
      "{{ '<begin_of_document>' }}{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}", Json::object(),
      "the test's template");
  EasyTask right_{"right", "42"}, wrong_{"wrong", "43"};
  EvalOptions options_;
};

TEST_F(EvaluateTest, CountsPerTask) {
  int64_t calls = 0;
  const EvalReport report = Evaluate(*model_, tokenizer_, chat_, options_, [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 14);
  });
  EXPECT_EQ(calls, 14);
  ASSERT_EQ(report.samples.size(), 14u);
  ASSERT_EQ(report.tasks.size(), 2u);
  EXPECT_EQ(report.tasks[0].task, "right");
  EXPECT_EQ(report.tasks[0].correct, 7);
  EXPECT_EQ(report.tasks[1].correct, 0);
  EXPECT_EQ(report.tasks[1].count, 7);
  EXPECT_EQ(report.tasks[1].cut, 0);
  EXPECT_EQ(report.all.count, 14);
  EXPECT_EQ(report.mean_accuracy(), 0.5);
  EXPECT_EQ(report.all.thinking_tokens, 5);
  EXPECT_EQ(report.ToJson()["tasks"][0]["accuracy"], 1);
  // Difficulties 1 to 3 in turn; every problem from the held-out side.
  int per_difficulty[4] = {};
  for (size_t i = 0; i < 7; ++i) {
    ++per_difficulty[report.samples[i].instance.difficulty];
    EXPECT_TRUE(HeldOut(report.samples[i].instance));
    EXPECT_EQ(report.samples[i].answer, "\\boxed{42}");
  }
  EXPECT_EQ(per_difficulty[1], 3);
  EXPECT_EQ(per_difficulty[2], 2);
  EXPECT_EQ(per_difficulty[3], 2);
  EXPECT_EQ(report.samples[7].score.reason, "not 43");
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
  options_.difficulty = 6;
  EXPECT_THROW(Evaluate(*model_, tokenizer_, chat_, options_), Error);
  options_.difficulty = 5;
  options_.count = 0;
  EXPECT_THROW(Evaluate(*model_, tokenizer_, chat_, options_), Error);
}

}  // namespace
}  // namespace fulgur
