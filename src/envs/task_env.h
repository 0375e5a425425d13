// The tasks as problems of one turn.
#pragma once

#include <memory>
#include <string>

#include "envs/judge.h"
#include "envs/task.h"

namespace fulgur {

// The instance as a problem; its record is {"task", "seed", "difficulty", "data"}.
Problem TaskProblem(const TaskInstance& instance, const std::string& source);

// The instance that is the problem's record. Error if it is none.
TaskInstance InstanceOf(const Problem& problem);

// Scores the answer of problems whose record is an instance, by the rules of its task.
std::unique_ptr<Judge> MakeTaskJudge();

}  // namespace fulgur
