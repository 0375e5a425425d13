// Task instances as JSON: the lines of `fulgur env sample --json`, and of files that people bring.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "envs/task.h"

namespace fulgur {

// A seed as a number if every reader of JSON keeps it (below 2^53, all that a double has), else as text.
Json SeedToJson(uint64_t seed);
// Of a number or of text, in decimal; Error that names `where` for anything else.
uint64_t SeedFromJson(const Json& json, const std::string& where);

// {"task", "seed", "difficulty", "prompt", "data"}
Json InstanceToJson(const TaskInstance& instance);
// "task" and "data", and "prompt", "difficulty" and "seed" if they are there. Error that names `where` and the key, for
// keys of the data as well; keys beside these are not looked at, and what stands under the data's keys is read when the
// instance is solved or scored.
TaskInstance InstanceFromJson(const Json& json, const std::string& where);

}  // namespace fulgur
