// What the data of a task's instances consists of, in words: made of Task::DataKeys and an example.
#pragma once

#include <string>

#include "base/json.h"
#include "envs/task.h"

namespace fulgur {

// A list of {"name", "form", "optional", "keys"?}, for `fulgur env list --json`.
Json DataForm(const Task& task);

// For a terminal: the keys, and an instance of the easiest level with its answer.
std::string DescribeAsText(const Task& task);
// The same as a section of docs/task-data.md.
std::string DescribeAsMarkdown(const Task& task);
// The whole page.
std::string DescribeAllTasks();

}  // namespace fulgur
