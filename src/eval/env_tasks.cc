#include <fmt/format.h>

#include "base/error.h"
#include "envs/task.h"
#include "envs/task_env.h"
#include "eval/benchmark.h"
#include "eval/evaluate.h"

namespace fulgur {

namespace {

// The tasks of envs/tasks: their problems are made, not read, and their rules are ours.
class EnvTasks : public Benchmark {
 public:
  // what: a task's name, or all.
  EnvTasks(const std::string& what, const BenchmarkOptions& options) : what_(what), options_(options) {
    if (what == "all") {
      tasks_ = {AllTasks().begin(), AllTasks().end()};
    } else {
      tasks_ = {&GetTask(what)};
    }
  }
  std::string name() const override { return "env:" + what_; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1, .max_tokens = 2048}; }

  std::optional<std::vector<BenchmarkItem>> Make() const override {
    std::vector<BenchmarkItem> items;
    std::map<std::string, int64_t> numbers;
    for (const Problem& p : HeldOutProblems(tasks_, options_.problems, options_.difficulty, options_.seed)) {
      items.push_back({fmt::format("{}-{}", p.task, ++numbers[p.task]),
                       tasks_.size() > 1 ? p.task : fmt::format("difficulty {}", p.difficulty),
                       {{"messages", p.messages}, {"prompt", p.prompt}, {"record", p.record}}});
    }
    return items;
  }
  std::vector<BenchmarkItem> Read(const BenchmarkFile&) const override {
    throw Error("{} makes its problems and takes no file (--data); --count and --difficulty say which", name());
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile*) const override {
    return item.record["messages"];
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    const Json& record = item.record["record"];
    TaskInstance instance;
    instance.task = record["task"].get<std::string>();
    instance.difficulty = record["difficulty"].get<int>();
    instance.prompt = item.record["prompt"].get<std::string>();
    instance.data = record["data"];
    const fulgur::Score verified = GetTask(instance.task).Verify(instance, answer.content);
    BenchmarkScore score;
    score.official = score.strict = verified.value;
    score.official_answer = score.answer = LastBox(answer.content);
    score.why = verified.reason;
    return score;
  }

 private:
  std::string what_;
  BenchmarkOptions options_;
  std::vector<const Task*> tasks_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeEnvTasks(const std::string& what, const BenchmarkOptions& options) {
  return std::make_unique<EnvTasks>(what, options);
}

}  // namespace fulgur
