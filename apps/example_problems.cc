#include "apps/example_problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "envs/task.h"
#include "train/trained_tasks.h"

namespace fulgur {

std::vector<ExampleProblem> ExampleProblems(const std::filesystem::path& model, int per_task) {
  std::set<std::string> names;
  try {
    names = ReadTrainedTasks(model);
  } catch (const Error& e) {
    fmt::print(stderr, "fulgur: warning: {}; there are no examples of what the model can do\n", e.what());
  }
  std::vector<ExampleProblem> problems;
  for (int i = 0; i < per_task; ++i) {
    for (const std::string& name : names) {
      const Task& task = GetTask(name);
      const int difficulty = std::min(task.min_difficulty() + i, task.nano_difficulty());
      std::string words = name;
      std::replace(words.begin(), words.end(), '_', ' ');
      problems.push_back(
          {std::move(words), task.description(), GenerateTest(task, static_cast<uint64_t>(i), difficulty).prompt});
    }
  }
  return problems;
}

}  // namespace fulgur
