#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "judge/verdict_rules.h"

namespace fulgur::verdict {

double RewardBench2BestOf(std::span<const double> scores) {
  if (scores.empty()) throw Error("no scores");
  const double best = *std::max_element(scores.begin(), scores.end());
  if (scores[0] != best) return 0;
  return 1 / static_cast<double>(std::count(scores.begin(), scores.end(), best));
}

double RewardBench2Ties(std::span<const TiesRow> rows) {
  struct Margins {
    std::optional<double> among_right;  // none with one right answer
    double right_to_wrong = 0;
  };
  // Rows of the same id are one prompt.
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> answers;  // id: right, wrong
  for (const TiesRow& row : rows) {
    auto& [right, wrong] = answers[row.id];
    for (size_t i = 0; i < row.scores.size(); ++i) (i < row.num_correct ? right : wrong).push_back(row.scores[i]);
  }
  std::map<std::string, Margins> ref, tied;
  for (const auto& [id, scores] : answers) {
    const auto& [right, wrong] = scores;
    if (right.empty() || wrong.empty()) throw Error("\"{}\" needs a right and a wrong answer", id);
    const size_t colon = id.find(':');
    if (colon == std::string::npos) throw Error("\"{}\" is no \"ref:N\" or \"tied:N\"", id);
    const auto [worst, best] = std::minmax_element(right.begin(), right.end());
    Margins margins;
    if (right.size() > 1) margins.among_right = *best - *worst;
    margins.right_to_wrong = *worst - *std::max_element(wrong.begin(), wrong.end());
    (id.substr(0, colon) == "ref" ? ref : tied)[id.substr(colon + 1)] = margins;
  }
  const auto accuracy = [](const std::map<std::string, Margins>& group) {
    if (group.empty()) return 0.0;
    const auto right =
        std::count_if(group.begin(), group.end(), [](const auto& g) { return g.second.right_to_wrong > 0; });
    return static_cast<double>(right) / static_cast<double>(group.size());
  };
  double preferred = 0, preferred_hard = 0, margin = 0, prompts = 0;
  for (const auto& [prompt, t] : tied) {
    const auto r = ref.find(prompt);
    if (r == ref.end()) continue;
    ++prompts;
    if (!t.among_right) throw Error("\"tied:{}\" has one right answer only, at which the official code fails", prompt);
    const double smaller = std::min(r->second.right_to_wrong, t.right_to_wrong), among = *t.among_right;
    preferred += t.right_to_wrong > among;
    preferred_hard += smaller > among;
    // NumPy: 0 / 0 is not a number, which counts 0; anything else over 0 is infinite.
    if (among != 0) {
      margin += std::tanh(smaller / among - 1);
    } else if (smaller != 0) {
      margin += smaller > 0 ? 1 : -1;
    }
  }
  if (prompts == 0) return std::numeric_limits<double>::quiet_NaN();  // a mean over nothing
  return 0.3 * accuracy(tied) + 0.3 * accuracy(ref) + 0.2 * preferred / prompts + 0.2 * preferred_hard / prompts +
         0.01 * margin / prompts;
}

}  // namespace fulgur::verdict
