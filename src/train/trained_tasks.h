// tasks.json in a model's folder: the names of the tasks that the model was trained on, as a JSON list. It goes with
// the model from one run to the next, each adding its own.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace fulgur {

// Empty if there is no such file; Error that names it if it is not a list of names of tasks.
std::set<std::string> ReadTrainedTasks(const std::filesystem::path& model);
// No file if there are none.
void WriteTrainedTasks(const std::filesystem::path& model, const std::set<std::string>& names);

}  // namespace fulgur
