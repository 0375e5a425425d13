// The formats of problems, one reader each.
#pragma once

#include <vector>

#include "base/json.h"
#include "code/code_problem.h"

namespace fulgur {

struct CodeFormat {
  const char* name;
  bool (*is)(const Json& record);
  void (*read)(const Json& record, CodeProblem* problem);  // problem->where is set. Throws Error
};

// The first whose `is` says so reads a record.
const std::vector<CodeFormat>& CodeFormats();

}  // namespace fulgur
