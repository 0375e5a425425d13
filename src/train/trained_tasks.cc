#include "train/trained_tasks.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "envs/task.h"

namespace fulgur {
namespace {

constexpr const char* kFile = "tasks.json";

}  // namespace

std::set<std::string> ReadTrainedTasks(const std::filesystem::path& model) {
  const std::filesystem::path path = model / kFile;
  std::set<std::string> names;
  if (!std::filesystem::exists(path)) return names;
  const Json list = ReadJsonFile(path);
  if (!list.is_array()) throw Error("{}: must be a list of names of tasks", path.string());
  for (const Json& name : list) {
    if (!name.is_string()) throw Error("{}: {} is not the name of a task", path.string(), name.dump());
    try {
      names.insert(GetTask(name.get<std::string>()).name());
    } catch (const Error& e) {
      throw Error("{}: {}", path.string(), e.what());
    }
  }
  return names;
}

void WriteTrainedTasks(const std::filesystem::path& model, const std::set<std::string>& names) {
  if (!names.empty()) WriteFileAtomic(model / kFile, Json(names).dump() + "\n");
}

}  // namespace fulgur
