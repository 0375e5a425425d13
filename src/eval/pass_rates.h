// How often problems are solved, by task: pass@k over several responses to each.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/json.h"

namespace fulgur {

class PassRates {
 public:
  // A problem: of its responses `judged` have a verdict, and `right` of those are right.
  void Add(const std::string& task, int64_t responses, int64_t judged, int64_t right, int64_t tokens);

  // {"problems", "unjudged"?, "tasks": {NAME: {"problems", "low", "high", "length", "pass_at_1", "pass_at_2", ...}},
  // "mean": {"pass_at_1", ...}}: "low" and "high" are Wilson's interval of pass@1 over problems, "length" the mean
  // tokens of a response, and the means are over tasks. k doubles as far as every problem has responses with a verdict.
  // Problems without a verdict count in "unjudged" alone.
  Json ToJson() const;

 private:
  struct Task {
    int64_t problems = 0, responses = 0, tokens = 0;
    std::map<int64_t, std::pair<int64_t, double>> pass_at;  // by k: problems that have it, sum
  };
  std::map<std::string, Task> tasks_;
  int64_t problems_ = 0, unjudged_ = 0;  // unjudged: responses
};

}  // namespace fulgur
