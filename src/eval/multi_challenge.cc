#include <algorithm>
#include <map>

#include "eval/official_rules.h"

namespace fulgur::official {

MultiChallengeScores AggregateMultiChallenge(std::span<const MultiChallengeResult> results) {
  std::vector<std::string> axes;
  std::map<std::string, std::map<std::string, bool>> passed;  // axis, question: in any attempt
  for (const MultiChallengeResult& r : results) {
    if (std::find(axes.begin(), axes.end(), r.axis) == axes.end()) axes.push_back(r.axis);
    bool& any = passed[r.axis][r.question];
    any = any || r.passed;
  }
  MultiChallengeScores scores;
  for (const std::string& axis : axes) {
    const auto& questions = passed[axis];
    const auto right = std::count_if(questions.begin(), questions.end(), [](const auto& q) { return q.second; });
    scores.axes.emplace_back(axis, 100 * (static_cast<double>(right) / static_cast<double>(questions.size())));
    scores.overall += scores.axes.back().second;
  }
  if (!axes.empty()) scores.overall /= static_cast<double>(axes.size());
  return scores;
}

}  // namespace fulgur::official
