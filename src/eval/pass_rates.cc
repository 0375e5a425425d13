#include "eval/pass_rates.h"

#include <cmath>

#include "base/statistics.h"

namespace fulgur {

void PassRates::Add(const std::string& task, int64_t responses, int64_t judged, int64_t right, int64_t tokens) {
  Task& t = tasks_[task];
  ++problems_;
  unjudged_ += responses - judged;
  t.responses += responses;
  t.tokens += tokens;
  if (judged == 0) return;
  ++t.problems;
  for (int64_t k = 1; k <= judged; k *= 2) {
    auto& [count, sum] = t.pass_at[k];
    ++count;
    sum += PassAt(judged, right, k);
  }
}

Json PassRates::ToJson() const {
  Json json = {{"problems", problems_}};
  if (unjudged_ > 0) json["unjudged"] = unjudged_;
  std::map<int64_t, std::pair<int64_t, double>> mean;  // by k: tasks, sum
  for (const auto& [name, t] : tasks_) {
    Json& task = json["tasks"][name] = {{"problems", t.problems}};
    const auto first = t.pass_at.find(1);
    const double rate = first == t.pass_at.end() ? 0 : first->second.second;
    const Interval interval = WilsonInterval(std::llround(rate), t.problems);
    task["low"] = interval.low;
    task["high"] = interval.high;
    task["length"] = static_cast<double>(t.tokens) / static_cast<double>(t.responses);
    for (const auto& [k, value] : t.pass_at) {
      if (value.first < t.problems) continue;  // some problem has too few verdicts
      const double pass = value.second / static_cast<double>(t.problems);
      task["pass_at_" + std::to_string(k)] = pass;
      ++mean[k].first;
      mean[k].second += pass / static_cast<double>(tasks_.size());
    }
  }
  for (const auto& [k, value] : mean) {
    if (value.first == static_cast<int64_t>(tasks_.size())) json["mean"]["pass_at_" + std::to_string(k)] = value.second;
  }
  return json;
}

}  // namespace fulgur
