// How many problems a model solves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/statistics.h"
#include "engine/generation.h"
#include "envs/judge.h"
#include "envs/task.h"
#include "text/chat_template.h"

namespace fulgur {

// Problems of the tasks from GenerateTest, so that none of them was trained on: `count` of each, task after task. The
// same arguments give the same problems. difficulty 0: the task's min_difficulty() to nano_difficulty(), equally often.
// Error if a task has no such difficulty.
std::vector<Problem> HeldOutProblems(const std::vector<const Task*>& tasks, int64_t count, int difficulty,
                                     uint64_t seed);

struct EvalOptions {
  uint64_t seed = 1;  // with sampling.seed of the answers
  SamplingParams sampling{.temperature = 0};
  StoppingRules stopping;
  EngineOptions engine;
  int64_t most_judging = 64;  // questions to judges that are under way
};

struct EvalSample {
  Problem problem;
  Trajectory trajectory;
  Verdict verdict;
  bool correct() const { return verdict.score.value_or(0) >= 1; }
};

struct TaskAccuracy {
  std::string task;
  int64_t count = 0, correct = 0, unjudged = 0;   // unjudged: no verdict; part of count, and not correct
  double score = 0;                               // mean over the answers with a verdict
  double thinking_tokens = 0, output_tokens = 0;  // means per answer
  int64_t cut = 0;                                // answers that ended otherwise than by a stop token or stop string
  std::string verdicts;  // one character a problem, in order: '1' solved, '0' not, '-' no verdict
  double accuracy() const { return count > 0 ? static_cast<double>(correct) / static_cast<double>(count) : 0; }
  Interval interval() const { return WilsonInterval(correct, count); }
};

struct EvalReport {
  std::vector<EvalSample> samples;  // in the order of the problems
  std::vector<TaskAccuracy> tasks;  // in the order in which they first come
  TaskAccuracy all;                 // of all samples together
  int64_t prompt_tokens = 0, output_tokens = 0;
  double seconds = 0;
  // Mean of the tasks' accuracies.
  double mean_accuracy() const;
  double tokens_per_second() const { return seconds > 0 ? static_cast<double>(output_tokens) / seconds : 0; }
  Json ToJson() const;  // without samples
};

// Asks the problems, one attempt each; the model being the same, the same options give the same answers. progress (may
// be null) is told how many are judged. Throws Error if a prompt does not fit the context.
EvalReport Evaluate(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat, std::vector<Problem> problems,
                    Env& env, Judge& judge, const EvalOptions& options,
                    const std::function<void(int64_t done, int64_t total)>& progress = nullptr);

}  // namespace fulgur
