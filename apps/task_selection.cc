#include "apps/task_selection.h"

#include <set>

#include "base/error.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

std::vector<const Task*> TrainedTasks(const std::string& model) {
  const std::set<std::string> names = ReadTrainedTasks(model);
  if (names.empty()) {
    throw Error("{} has no tasks.json that lists any, so --task trained means nothing here; name the tasks, or all",
                model);
  }
  std::vector<const Task*> tasks;
  for (const std::string& name : names) tasks.push_back(&GetTask(name));
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
