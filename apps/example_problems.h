// Problems that suit a model: of the tasks that it was trained on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fulgur {

struct ExampleProblem {
  std::string task;   // its name in words: "boolean expressions"
  std::string about;  // what the task is, in one line
  std::string prompt;
};

// So many problems of each task that tasks.json in the model's folder lists, held out from training: first one of each,
// the easiest there are; then the next one of each, up to the level that the bundled model is trained on. Empty without
// that file. One that is not a list of tasks may be some other tool's: a warning on stderr, and empty.
std::vector<ExampleProblem> ExampleProblems(const std::filesystem::path& model, int per_task);

}  // namespace fulgur
