#include "envs/instance_file.h"

#include <utility>

#include "base/error.h"
#include "envs/instance.h"

namespace fulgur {

InstanceFile::InstanceFile(std::filesystem::path path, TrainPart part, bool held_out)
    : path_(std::move(path)), lines_(path_, "") {
  for (size_t line = 0; line < lines_.size(); ++line) {
    const TaskInstance instance = Read(line);
    try {
      GetTask(instance.task).Verify(instance, "\\boxed{1}");  // reads all the data
    } catch (const Error& error) {
      throw Error("{}: {}", lines_.Where(line), error.what());
    }
    const bool of_part = part == TrainPart::kAll || held_out || PartOf(instance) == part;
    if (HeldOut(instance) == held_out && of_part) used_.push_back(line);
  }
  kept_ = used_.size();
  if (used_.empty()) {
    throw Error("{}: none of its {} instances is on the {} side of the split", path_.string(), lines_.size(),
                held_out ? "test" : "training");
  }
}

TaskInstance InstanceFile::Read(size_t line) const {
  const std::string where = lines_.Where(line);
  TaskInstance instance = InstanceFromJson(lines_.Get(line), where);
  if (instance.prompt.empty()) throw Error("{}: there must be a \"prompt\", what the user asks", where);
  return instance;
}

std::set<std::string> InstanceFile::Tasks() const {
  std::set<std::string> tasks;
  for (const size_t line : used_) tasks.insert(Read(line).task);
  return tasks;
}

void InstanceFile::CheckSolved() const {
  for (const size_t line : used_) {
    const TaskInstance instance = Read(line);
    try {
      GetTask(instance.task).Solve(instance);
    } catch (const Error& error) {
      throw Error("{}: {}; \"leave_out_unsolved\": true leaves out such instances", lines_.Where(line), error.what());
    }
  }
}

size_t InstanceFile::LeaveOutUnsolved() {
  const size_t unsolved = std::erase_if(used_, [&](size_t line) {
    const TaskInstance instance = Read(line);
    try {
      GetTask(instance.task).Solve(instance);
      return false;
    } catch (const Error&) {
      return true;
    }
  });
  if (used_.empty()) throw Error("{}: the tasks' solvers solve none of its instances", path_.string());
  return unsolved;
}

}  // namespace fulgur
