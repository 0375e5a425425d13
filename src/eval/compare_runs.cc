#include <fmt/format.h>

#include "base/error.h"
#include "base/statistics.h"
#include "eval/benchmark_run.h"

namespace fulgur {

namespace {

// Scores by item's id of the samples that are judged.
std::map<std::string, std::vector<double>> ByItem(const LoadedRun& run) {
  std::map<std::string, std::vector<double>> scores;
  for (const auto& [key, s] : run.samples) {
    if (s.state == SampleState::kUnjudged) continue;
    scores[run.task.items()[key.first].id].push_back(s.score.strict);
  }
  return scores;
}

}  // namespace

Json CompareRuns(const std::vector<std::filesystem::path>& folders) {
  if (folders.size() < 2) throw Error("a comparison needs at least two runs");
  const LoadedRun first = LoadRun(folders[0]);
  const auto base = ByItem(first);
  Json comparisons = Json::array();
  std::vector<double> p_values;
  for (size_t i = 1; i < folders.size(); ++i) {
    const LoadedRun other = LoadRun(folders[i]);
    for (const char* key : {"benchmark", "data_checksum"}) {
      if (other.description["task"][key] != first.description["task"][key]) {
        throw Error("{} and {} are runs of different questions: \"{}\" differs", folders[0].string(),
                    folders[i].string(), key);
      }
    }
    const auto scores = ByItem(other);
    SampleScores a, b;
    int64_t only_first = 0, only_other = 0;
    bool single = true;
    for (const auto& [id, x] : base) {
      const auto y = scores.find(id);
      if (y == scores.end()) continue;
      single &= x.size() == 1 && y->second.size() == 1 && (x[0] == 0 || x[0] == 1) &&
                (y->second[0] == 0 || y->second[0] == 1);
      only_first += x[0] == 1 && y->second[0] == 0;
      only_other += x[0] == 0 && y->second[0] == 1;
      a.push_back(x);
      b.push_back(y->second);
    }
    if (a.empty())
      throw Error("{} and {} have no item in common that is judged", folders[0].string(), folders[i].string());
    const PairedDifference d = CompareByItem(b, a);
    const double error = d.stderr_paired.value_or(0);
    Json c = {{"run", folders[i].string()},
              {"items", a.size()},
              {"left_out", std::max(base.size(), scores.size()) - a.size()},
              {"mean", MeanOverItems(b).mean},
              {"mean_of_first", MeanOverItems(a).mean},
              {"difference", d.difference},
              {"stderr", d.stderr_paired ? Json(*d.stderr_paired) : Json()}};
    double p = d.stderr_paired ? NormalTwoSidedP(d.difference, error) : 1;
    c["test"] = "paired by item, normal";
    if (single) {  // right or wrong, once each: exact, and right for few items too
      const McNemarTest test = McNemar(only_first, only_other);
      c["only_first_right"] = only_first;
      c["only_this_right"] = only_other;
      c["p_exact"] = test.exact;
      c["p_mid"] = test.mid;
      p = test.mid;
      c["test"] = "McNemar, mid-p";
    }
    c["p"] = p;
    c["smallest_detectable_difference"] = error > 0 ? Json(SmallestDetectableDifference(error)) : Json();
    p_values.push_back(p);
    comparisons.push_back(std::move(c));
  }
  const std::vector<double> adjusted = HolmAdjusted(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) {
    comparisons[i]["p_holm"] = adjusted[i];
    comparisons[i]["differs"] = adjusted[i] < 0.05;
  }
  return {{"benchmark", first.task.set().name()}, {"first", folders[0].string()}, {"comparisons", comparisons}};
}

std::string ComparisonText(const Json& comparison) {
  std::string text = fmt::format("{}, held against {} (strict scores, paired by item)\n",
                                 comparison["benchmark"].get<std::string>(), comparison["first"].get<std::string>());
  for (const Json& c : comparison["comparisons"]) {
    const auto points = [&](const char* key) { return 100 * c[key].get<double>(); };
    text += fmt::format("  {}: {:.1f} % against {:.1f} %, {:+.1f} points", c["run"].get<std::string>(), points("mean"),
                        points("mean_of_first"), points("difference"));
    if (!c["stderr"].is_null()) text += fmt::format(" +- {:.1f}", 1.96 * points("stderr"));
    text += fmt::format(" over {} items; p = {:.3g} ({}{})\n", c["items"].get<int64_t>(), c["p_holm"].get<double>(),
                        c["test"].get<std::string>(), comparison["comparisons"].size() > 1 ? ", Holm" : "");
    if (c["differs"].get<bool>()) {
      text += fmt::format("    {} by more than chance explains\n", points("difference") > 0 ? "better" : "worse");
    } else if (!c["smallest_detectable_difference"].is_null()) {
      text += fmt::format(
          "    no difference is shown; these items would have shown one of {:.1f} points four times of five\n",
          points("smallest_detectable_difference"));
    }
    if (c["left_out"].get<int64_t>() > 0) {
      text += fmt::format("    {} items that only one of the runs has are left out\n", c["left_out"].get<int64_t>());
    }
  }
  return text;
}

}  // namespace fulgur
