// Instances of tasks in a file: made elsewhere, or by `fulgur env sample --json`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/records.h"
#include "envs/task.h"

namespace fulgur {

// JSON lines of {"task", "data", "prompt", "difficulty"?, "seed"?}. A problem that is on the test side of its task's
// split (HeldOut in envs/task.h) is not trained on, as if the task had drawn it.
class InstanceFile {
 public:
  // Uses the training side's instances of `part`, or the test side's. Error that names the file and the line for the
  // first that is not of its task, or if there is none to use.
  InstanceFile(std::filesystem::path path, TrainPart part, bool held_out);

  // Of those used:
  size_t size() const { return used_.size(); }
  TaskInstance Get(size_t i) const { return Read(used_[i]); }
  std::string Where(size_t i) const { return lines_.Where(used_[i]); }  // "FILE, line N"
  std::set<std::string> Tasks() const;
  // Error that names the line of the first that the task's own solver finds no solution for.
  void CheckSolved() const;
  // Leaves those out; returns how many. Error if nothing is left.
  size_t LeaveOutUnsolved();

  size_t left_out() const { return lines_.size() - kept_; }  // of the other side, or of another part

 private:
  TaskInstance Read(size_t line) const;

  std::filesystem::path path_;
  Records lines_;
  std::vector<size_t> used_;
  size_t kept_ = 0;  // of the side and part
};

}  // namespace fulgur
