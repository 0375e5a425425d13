// How many held-out problems of the tasks a model solves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/generation.h"
#include "envs/task.h"
#include "text/chat_template.h"

namespace fulgur {

// Wilson score interval (Wilson 1927) for `correct` successes of `count` trials, z = 1.96: where the true rate lies
// with 95 % confidence. [0, 1] for no trials.
struct Interval {
  double low = 0, high = 1;
};
Interval WilsonInterval(int64_t correct, int64_t count);

struct EvalOptions {
  std::vector<const Task*> tasks;
  int64_t count = 100;  // problems per task
  int difficulty = 0;   // 0: the task's min_difficulty() to nano_difficulty(), equally often
  uint64_t seed = 1;    // of the problems, and with sampling.seed of the answers
  SamplingParams sampling{.temperature = 0};
  StoppingRules stopping;
  EngineOptions engine;
};

struct EvalSample {
  const Task* task = nullptr;
  TaskInstance instance;
  std::string thinking, answer;  // of the model's output, as text/output_parser.h divides it
  Score score;
  OutputEnd end;
  bool correct() const { return score.value >= 1; }
};

struct TaskAccuracy {
  std::string task;
  int64_t count = 0, correct = 0;
  double thinking_tokens = 0, output_tokens = 0;  // means per answer
  int64_t cut = 0;                                // answers that ended otherwise than by a stop token or stop string
  std::string verdicts;                           // one character a problem, in order: '1' solved, '0' not
  double accuracy() const { return count > 0 ? static_cast<double>(correct) / static_cast<double>(count) : 0; }
  Interval interval() const { return WilsonInterval(correct, count); }
};

struct EvalReport {
  std::vector<EvalSample> samples;  // task after task
  std::vector<TaskAccuracy> tasks;
  TaskAccuracy all;  // of all samples together
  int64_t prompt_tokens = 0, output_tokens = 0;
  double seconds = 0;
  // Mean of the tasks' accuracies.
  double mean_accuracy() const;
  double tokens_per_second() const { return seconds > 0 ? static_cast<double>(output_tokens) / seconds : 0; }
  Json ToJson() const;  // without samples
};

// Problems come from GenerateTest, so none of them was trained on; the same options give the same problems and, the
// model being the same, the same answers. progress (may be null) is told how many answers are finished. Throws Error if
// a task has no such difficulty or a prompt does not fit the context.
EvalReport Evaluate(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat, const EvalOptions& options,
                    const std::function<void(int64_t done, int64_t total)>& progress = nullptr);

}  // namespace fulgur
