// The --task option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "envs/task.h"

namespace fulgur {

// --task NAME, which may be repeated; `names` holds the default.
CLI::Option* AddTaskOption(CLI::App& app, std::vector<std::string>& names);

// What the names stand for: `all`, `trained` (what tasks.json in the model's folder lists), or a task. Error for
// another name, or without that file.
std::vector<const Task*> SelectTasks(const std::string& model, const std::vector<std::string>& names);

}  // namespace fulgur
