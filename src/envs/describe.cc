#include "envs/describe.h"

#include "base/error.h"

namespace fulgur {
namespace {

Json KeysToJson(const std::vector<DataKey>& keys) {
  Json list = Json::array();
  for (const DataKey& key : keys) {
    Json entry = {{"name", key.name}, {"form", key.form}, {"optional", key.optional}};
    if (!key.keys.empty()) entry["keys"] = KeysToJson(key.keys);
    list.push_back(entry);
  }
  return list;
}

// One line a key; those of objects inside are indented.
std::string KeyLines(const std::vector<DataKey>& keys, const std::string& indent, const char* bullet,
                     const char* quote) {
  std::string lines;
  for (const DataKey& key : keys) {
    lines += fmt::format("{}{}{}{}{}{}: {}{}\n", indent, bullet, quote, key.name, quote,
                         key.optional ? " (optional)" : "", key.form, key.keys.empty() ? "" : ", with");
    lines += KeyLines(key.keys, indent + "  ", bullet, quote);
  }
  return lines;
}

// Levels whose data has another set of keys than that of the level before: the first of each kind.
std::vector<TaskInstance> Examples(const Task& task) {
  std::vector<TaskInstance> examples;
  std::string before;
  for (int difficulty = task.min_difficulty(); difficulty <= task.max_difficulty(); ++difficulty) {
    const TaskInstance instance = task.Generate(1, difficulty);
    std::string names;
    for (const auto& [key, value] : instance.data.items()) names += key + " ";
    if (names != before) examples.push_back(instance);
    before = names;
  }
  return examples;
}

}  // namespace

Json DataForm(const Task& task) { return KeysToJson(task.DataKeys()); }

std::string DescribeAsText(const Task& task) {
  std::string text =
      fmt::format("{}: {} (difficulty {} to {})\n{}", task.name(), task.description(), task.min_difficulty(),
                  task.max_difficulty(), KeyLines(task.DataKeys(), "  ", "", "\""));
  for (const TaskInstance& instance : Examples(task)) {
    text += fmt::format("difficulty {}: {}\n{}\n{}\n", instance.difficulty, instance.data.dump(), instance.prompt,
                        task.Solve(instance).answer);
  }
  return text;
}

std::string DescribeAsMarkdown(const Task& task) {
  std::string text =
      fmt::format("## {}\n\n{}.\n\n{}", task.name(), task.description(), KeyLines(task.DataKeys(), "", "- ", "`"));
  for (const TaskInstance& instance : Examples(task)) {
    text += fmt::format("\nLevel {}:\n\n```\n{}\n{}\n{}\n```\n", instance.difficulty, instance.data.dump(),
                        instance.prompt, task.Solve(instance).answer);
  }
  return text;
}

std::string DescribeAllTasks() {
  std::string text = R"(# The data of tasks

An instance of a task has a prompt and `data`: the problem without its phrasing, enough to solve it and to score an answer.
This page says what the data of every task consists of, and shows instances with their prompts and answers. `fulgur env
describe --markdown` prints it. A key that a task does not know is an error, and so is a missing one that is not optional.
[Tasks](tasks.md) says how instances from elsewhere are scored and trained on.

Rows of grids are a, b, c, ..., columns 1, 2, 3, ...: `a1` is the first cell.
)";
  for (const Task* task : AllTasks()) text += "\n" + DescribeAsMarkdown(*task);
  return text;
}

}  // namespace fulgur
