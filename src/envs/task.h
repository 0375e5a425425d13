// A task: generates a problem from a seed and a difficulty, solves it with a worked solution, and scores answers.
// One puzzle, one file in tasks/. A task whose problems have several right answers judges by the rules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/rng.h"

namespace fulgur {

struct TaskInstance {
  std::string task;      // name of the task that made it
  uint64_t seed = 0;
  int difficulty = 0;
  std::string prompt;    // what the user asks, in English; says that the answer belongs in \boxed{}
  Json data;             // what the verifier needs; enough to score without generating again
};

struct Solution {
  std::string thinking;  // a worked solution, step by step, as a model could write it inside <think>
  std::string answer;    // the final text, with \boxed{...}
};

struct Score {
  double value = 0;      // 0 or 1 here; a task may give parts
  std::string reason;    // why not 1: "no \\boxed{} found", "uses 7 twice"
};

class Task {
 public:
  virtual ~Task() = default;
  virtual const char* name() const = 0;         // snake_case
  virtual const char* description() const = 0;  // one line
  virtual int min_difficulty() const { return 1; }
  virtual int max_difficulty() const = 0;
  // The same seed and difficulty give the same instance, on every platform.
  virtual TaskInstance Generate(uint64_t seed, int difficulty) const = 0;
  virtual Solution Solve(const TaskInstance& instance) const = 0;
  // Scores a response (the text after the thinking). Never throws, whatever the text; bounded time.
  virtual Score Verify(const TaskInstance& instance, std::string_view response) const = 0;
};

// All tasks, by name order. The registry is generated from the files in tasks/.
const std::vector<const Task*>& AllTasks();
const Task* FindTask(std::string_view name);  // nullptr if there is none
const Task& GetTask(std::string_view name);   // Error that lists the names if there is none

// Content of the last \boxed{...}, braces matched, trimmed; false if there is none.
bool LastBoxed(std::string_view text, std::string* content);

}  // namespace fulgur
