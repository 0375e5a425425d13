// What a policy is asked.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"

namespace fulgur {

struct Problem {
  std::string source;  // name of the source that it is from
  std::string task;    // what its pass rate is counted under: the task's name, or the source's
  int difficulty = 0;  // 0: it has none
  uint64_t id = 0;     // with source and difficulty makes it again: the instance's seed, or the record's number
  std::string prompt;  // what the user says, for people to read; messages have it as the model gets it
  Json messages;       // an OpenAI-style list that ends with what the model is to answer
  Json record;         // what its environment and its judge know of it: a task's instance, or the line of a file
};

}  // namespace fulgur
