// A task: generates a problem from a seed and a difficulty, solves it with a worked solution, and scores answers.
// One puzzle, one file in tasks/: tasks/<name>.cc defines `std::unique_ptr<Task> Make<Name>()` (the name in CamelCase),
// and the build finds it. A task whose problems have several right answers judges by the rules.
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
  std::string task;   // name of the task that made it
  uint64_t seed = 0;  // Generate(seed, difficulty) makes it again
  int difficulty = 0;
  std::string prompt;  // what the user asks, in English; says that the answer belongs in \boxed{}
  Json data;           // the problem without its phrasing; enough to solve and to score without generating again
};

// A key of an instance's data.
struct DataKey {
  const char* name;
  const char* form;  // what stands there, in words
  bool optional = false;
  std::vector<DataKey> keys = {};  // if an object or a list of objects stands there: the keys of those
};

struct Solution {
  std::string thinking;  // a worked solution, step by step, as a model could write it inside <think>
  std::string answer;    // the final text, with \boxed{...}
};

struct Score {
  double value = 0;    // 0 or 1 here; a task may give parts
  std::string reason;  // why not 1: "no \\boxed{} found", "uses 7 twice"
};

class Task {
 public:
  virtual ~Task() = default;
  virtual const char* name() const = 0;         // snake_case
  virtual const char* description() const = 0;  // one line
  virtual int min_difficulty() const { return 1; }
  virtual int max_difficulty() const = 0;
  // The hardest level the bundled model is trained and measured on: a worked solution takes at most about 250 tokens.
  virtual int nano_difficulty() const = 0;

  // What an instance's data consists of. `fulgur env describe` and docs/task-data.md are made of it.
  virtual std::vector<DataKey> DataKeys() const = 0;
  // Error that names the key if the data has one that DataKeys() does not have, or lacks one that is not optional.
  void CheckKeys(const Json& data) const;

  // The same seed and difficulty give the same instance, on every platform. Error if the task has no such difficulty.
  TaskInstance Generate(uint64_t seed, int difficulty) const;
  // Error if the instance's data is not of this task.
  Solution Solve(const TaskInstance& instance) const;
  // Scores a response (the text after the thinking) by its last \boxed{}. Whatever the text: never throws, and takes
  // time linear in its length. Error if the instance's data is not of this task.
  Score Verify(const TaskInstance& instance, std::string_view response) const;
  // What makes two instances the same problem: equal for problems that differ in phrasing or in an order that does not
  // matter. Decides the train/test split.
  virtual std::string Key(const TaskInstance& instance) const { return instance.data.dump(); }

 protected:
  // Fills in prompt and data.
  virtual void Draw(Rng& rng, int difficulty, TaskInstance* instance) const = 0;
  // Solves an instance whose data has the right keys.
  virtual Solution Work(const TaskInstance& instance) const = 0;
  // Scores the content of the box: at most kMaxAnswerBytes, as PlainAnswer() (answer.h) leaves it, not empty.
  virtual Score Judge(const TaskInstance& instance, const std::string& answer) const = 0;
};

// A longer box is no answer to any task.
inline constexpr size_t kMaxAnswerBytes = 4096;

// All tasks, by name order. The registry is generated from the files in tasks/.
const std::vector<const Task*>& AllTasks();
const Task* FindTask(std::string_view name);  // nullptr if there is none
const Task& GetTask(std::string_view name);   // Error that lists the names if there is none

// Content of the last \boxed{...}, braces matched, trimmed; false if there is none or it does not end.
bool LastBoxed(std::string_view text, std::string* content);

// One problem in 16, chosen by a hash (FNV-1a) of task name and Task::Key, is for tests only: training never sees it,
// whatever its seeds. The two generators redraw, seed Mix(seed, attempt) for attempt 0, 1, ..., until the instance is
// on their side; the instance's seed is the one that made it. Error if 1000 draws bring none, which no task here does.
bool HeldOut(const TaskInstance& instance);
// The training side has two halves, chosen by the same hash, so that what is learned from worked solutions and what is
// learned by trial can be kept apart by construction.
enum class TrainPart { kAll, kSupervised, kReinforcement };
TrainPart PartOf(const TaskInstance& instance);  // of the training side: one of the halves
TaskInstance GenerateTrain(const Task& task, uint64_t seed, int difficulty, TrainPart part = TrainPart::kAll);
TaskInstance GenerateTest(const Task& task, uint64_t seed, int difficulty);

}  // namespace fulgur
