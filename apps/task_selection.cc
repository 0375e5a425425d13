#include "apps/task_selection.h"

#include <filesystem>

#include "base/error.h"
#include "base/json.h"

namespace fulgur {
namespace {

// What tasks.json in the model's folder lists: the tasks that the model was trained on.
std::vector<const Task*> TrainedTasks(const std::filesystem::path& model) {
  const std::filesystem::path path = model / "tasks.json";
  if (!std::filesystem::exists(path)) {
    throw Error("{}: there is no such file, so --task trained means nothing here; name the tasks, or all",
                path.string());
  }
  const Json names = ReadJsonFile(path);
  if (!names.is_array() || names.empty()) throw Error("{}: must be a list of names of tasks", path.string());
  std::vector<const Task*> tasks;
  for (const Json& name : names) {
    if (!name.is_string()) throw Error("{}: {} is not the name of a task", path.string(), name.dump());
    tasks.push_back(&GetTask(name.get<std::string>()));
  }
  return tasks;
}

}  // namespace

CLI::Option* AddTaskOption(CLI::App& app, std::vector<std::string>& names) {
  return app
      .add_option("--task", names,
                  "Name of a task, all (fulgur env list), or trained (tasks.json of the model); may be repeated")
      ->capture_default_str()
      ->allow_extra_args(false);
}

std::vector<const Task*> SelectTasks(const std::string& model, const std::vector<std::string>& names) {
  std::vector<const Task*> tasks;
  for (const std::string& name : names) {
    if (name == "all") {
      tasks.insert(tasks.end(), AllTasks().begin(), AllTasks().end());
    } else if (name == "trained") {
      const std::vector<const Task*> trained = TrainedTasks(model);
      tasks.insert(tasks.end(), trained.begin(), trained.end());
    } else {
      tasks.push_back(&GetTask(name));
    }
  }
  return tasks;
}

}  // namespace fulgur
