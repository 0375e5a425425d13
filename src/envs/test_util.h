// For tests of tasks: instances made by hand, and answers to them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "envs/task.h"

namespace fulgur {

inline TaskInstance Instance(const char* task, Json data) {
  TaskInstance instance;
  instance.task = task;
  instance.data = std::move(data);
  return instance;
}

// Whose `right` are accepted and whose `wrong` are not; the task's own solution is right, too.
inline void Check(const char* name, const Json& data, const std::vector<std::string>& right,
                  const std::vector<std::string>& wrong) {
  const Task& task = GetTask(name);
  const TaskInstance instance = Instance(name, data);
  EXPECT_EQ(task.Verify(instance, task.Solve(instance).answer).value, 1) << name << ": " << task.Solve(instance).answer;
  for (const std::string& box : right) {
    const Score score = task.Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 1) << name << " \"" << box << "\": " << score.reason;
  }
  for (const std::string& box : wrong) {
    const Score score = task.Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 0) << name << " \"" << box << "\"";
    EXPECT_NE(score.reason, "") << name << " \"" << box << "\"";
  }
}

inline void Fails(const char* name, const Json& data) {
  const TaskInstance instance = Instance(name, data);
  EXPECT_THROW(GetTask(name).Verify(instance, "\\boxed{1}"), Error) << name << " " << data.dump();
  EXPECT_THROW(GetTask(name).Solve(instance), Error) << name << " " << data.dump();
}

}  // namespace fulgur
