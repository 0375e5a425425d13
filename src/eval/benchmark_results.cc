#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/line_chart.h"
#include "base/statistics.h"
#include "eval/benchmark_run.h"

namespace fulgur {

Json ReportedPercent(const std::string& benchmark) {
  struct Reported {
    const char* benchmark;
    double m1_40k, m1_80k;
  };
  // MRCR is not among them: its figure depends on the length of the items (configs/eval-m1.json has that of 128k).
  static constexpr Reported kReported[] = {{"aime-2024", 83.3, 86.0},
                                           {"aime-2025", 74.6, 76.9},
                                           {"math-500", 96.0, 96.8},
                                           {"livecodebench", 62.3, 65.0},
                                           {"fullstackbench", 67.6, 68.3},
                                           {"gpqa-diamond", 69.2, 70.0},
                                           {"hle", 7.2, 8.4},  // without its items that have pictures
                                           {"zebralogic", 80.1, 86.8},
                                           {"mmlu-pro", 80.6, 81.1},
                                           {"swe-bench-verified", 55.6, 56.0},
                                           {"longbench-v2", 61.0, 61.5},
                                           {"tau-bench-airline", 60.0, 62.0},
                                           {"tau-bench-retail", 67.8, 63.5},
                                           {"simpleqa", 17.9, 18.5},
                                           {"multichallenge", 44.7, 44.7}};
  for (const Reported& r : kReported) {
    if (benchmark == r.benchmark) return {{"M1-40k", r.m1_40k}, {"M1-80k", r.m1_80k}};
  }
  return nullptr;
}

namespace {

Json MeanJson(const SampleScores& scores) {
  if (scores.empty()) return nullptr;
  const ClusteredMean m = MeanOverItems(scores);
  Json json = {{"mean", m.mean}};
  json["stderr"] = m.stderr_of_means ? Json(*m.stderr_of_means) : Json();
  // One sample of each item, right or wrong: Wilson's interval, which holds near 0 and 1 too.
  const bool single = std::all_of(scores.begin(), scores.end(), [](const auto& s) { return s.size() == 1; });
  int64_t right = 0;
  bool binary = true;
  for (const auto& item : scores) {
    for (const double s : item) {
      right += s == 1;
      binary &= s == 0 || s == 1;
    }
  }
  const bool extreme = m.mean == 0 || m.mean == 1;  // where deviations say nothing
  if ((single && binary) || extreme) {
    if (extreme) right = m.mean == 1 ? static_cast<int64_t>(scores.size()) : 0;
    const Interval i = WilsonInterval(right, static_cast<int64_t>(scores.size()));
    json["low"] = i.low;
    json["high"] = i.high;
    json["interval"] = "Wilson";
  } else if (m.stderr_of_means) {
    json["low"] = std::max(0.0, m.mean - 1.959963984540054 * *m.stderr_of_means);
    json["high"] = std::min(1.0, m.mean + 1.959963984540054 * *m.stderr_of_means);
    json["interval"] = "normal, clustered by item";
  }
  if (m.stderr_of_means.value_or(0) > 0) {  // all items alike tell nothing of what others would show
    // Between two runs that are as good, unpaired; paired by item it is less.
    json["smallest_detectable_difference"] = SmallestDetectableDifference(std::sqrt(2.0) * *m.stderr_of_means);
  }
  return json;
}

// pass@k, pass^k and cons@k for k = 1, 2, 4, ... up to the samples, over items of which all samples are judged.
Json OverSamples(const BenchmarkTask& task, const ScoredSamples& samples) {
  const int64_t n = task.options().samples;
  Json table = Json::array();
  if (n < 2) return table;
  for (int64_t k = 1; k <= n; k = k < n && 2 * k > n ? n : 2 * k) {
    double pass = 0, hat = 0, cons = 0;
    int64_t items = 0;
    for (size_t item = 0; item < task.items().size(); ++item) {
      int64_t right = 0;
      std::vector<std::optional<std::string>> answers;
      std::map<std::string, double> worth;
      bool complete = true;
      for (int64_t sample = 0; sample < n; ++sample) {
        const auto found = samples.find({item, sample});
        complete &= found != samples.end() && found->second.state != SampleState::kUnjudged;
        if (!complete) break;
        right += found->second.score.strict == 1;
        if (sample < k) {
          answers.push_back(found->second.score.answer);
          if (found->second.score.answer) worth[*found->second.score.answer] = found->second.score.strict;
        }
      }
      if (!complete) continue;
      ++items;
      pass += PassAt(n, right, k);
      hat += PassHat(n, right, k);
      if (const auto voted = Consensus(answers)) cons += worth[*voted];
    }
    if (items == 0) break;
    const auto count = static_cast<double>(items);
    table.push_back({{"k", k},
                     {"items", items},
                     {"pass_at_k", pass / count},
                     {"pass_hat_k", hat / count},
                     {"cons_at_k", cons / count}});
    if (k == n) break;
  }
  return table;
}

// Names that begin with a number by it: "900 characters" before "2000 characters".
struct NumbersFirst {
  bool operator()(const std::string& a, const std::string& b) const {
    const auto number = [](const std::string& text) {
      const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
      return digits == 0 || digits > 18 ? int64_t{-1} : static_cast<int64_t>(std::stoll(text.substr(0, digits)));
    };
    const int64_t x = number(a), y = number(b);
    return x != y && x >= 0 && y >= 0 ? x < y : a < b;
  }
};

// Scores against the lengths of prompts, in the model's own tokens: bins from one power of two to the next.
class ByPromptTokens {
 public:
  void Add(double tokens, std::vector<double> official, std::vector<double> strict) {
    Bin& bin = bins_[tokens < 2 ? 0 : static_cast<int>(std::floor(std::log2(tokens)))];
    bin.tokens += tokens;
    bin.official.push_back(std::move(official));
    bin.strict.push_back(std::move(strict));
  }
  Json ToJson() const {
    Json list = Json::array();
    for (const auto& [power, bin] : bins_) {
      list.push_back({{"from", int64_t{1} << power},
                      {"to", (int64_t{2} << power) - 1},
                      {"items", bin.strict.size()},
                      {"prompt_tokens", bin.tokens / static_cast<double>(bin.strict.size())},
                      {"official", MeanJson(bin.official)},
                      {"strict", MeanJson(bin.strict)}});
    }
    return list;
  }

 private:
  struct Bin {
    double tokens = 0;
    SampleScores official, strict;
  };
  std::map<int, Bin> bins_;
};

}  // namespace

Json BenchmarkResults(const BenchmarkTask& task, const ScoredSamples& samples) {
  const int64_t n = task.options().samples;
  SampleScores official, strict;
  std::map<std::string, std::pair<SampleScores, SampleScores>, NumbersFirst> groups;
  ByPromptTokens by_prompt;
  std::array<int64_t, 5> states{};
  double low = 0, high = 0, output = 0, thinking = 0, prompt = 0;
  for (size_t item = 0; item < task.items().size(); ++item) {
    std::vector<double> item_official, item_strict;
    double item_prompt = 0;
    for (int64_t sample = 0; sample < n; ++sample) {
      const auto found = samples.find({item, sample});
      const SampleState state = found == samples.end() ? SampleState::kError : found->second.state;
      ++states[static_cast<size_t>(state)];
      if (found != samples.end()) {
        output += static_cast<double>(found->second.output_tokens);
        thinking += static_cast<double>(found->second.thinking_tokens);
        prompt += static_cast<double>(found->second.prompt_tokens);
      }
      const bool judged = state != SampleState::kError && state != SampleState::kUnjudged;
      if (judged) {
        item_official.push_back(found->second.score.official);
        item_strict.push_back(found->second.score.strict);
        item_prompt += static_cast<double>(found->second.prompt_tokens);
      }
      // What could not be told might have been wrong, or right.
      const double known = judged ? found->second.score.strict : 0;
      low += known;
      high += state == SampleState::kScored ? known : 1;
    }
    if (item_official.empty()) continue;
    by_prompt.Add(item_prompt / static_cast<double>(item_strict.size()), item_official, item_strict);
    auto& group = groups[task.items()[item].group];
    group.first.push_back(item_official);
    group.second.push_back(item_strict);
    official.push_back(std::move(item_official));
    strict.push_back(std::move(item_strict));
  }
  const auto total = static_cast<double>(static_cast<int64_t>(task.items().size()) * n);
  const auto answered = static_cast<double>(samples.size());
  Json json = {{"benchmark", task.set().name()},
               {"preset", task.options().preset},
               {"items", task.items().size()},
               {"samples", n},
               {"answers", samples.size()}};
  for (size_t state = 0; state < states.size(); ++state) {
    json["states"][SampleStateName(static_cast<SampleState>(state))] = states[state];
  }
  json["official"] = MeanJson(official);
  json["strict"] = MeanJson(strict);
  json["strict_bounds"] = {low / total, high / total};
  json["over_samples"] = OverSamples(task, samples);
  json["prompt_tokens"] = answered > 0 ? prompt / answered : 0;
  json["output_tokens"] = answered > 0 ? output / answered : 0;
  json["thinking_tokens"] = answered > 0 ? thinking / answered : 0;
  json["by_prompt_tokens"] = by_prompt.ToJson();
  if (groups.size() > 1) {
    for (const auto& [name, scores] : groups) {
      json["groups"].push_back({{"group", name},
                                {"items", scores.first.size()},
                                {"official", MeanJson(scores.first)},
                                {"strict", MeanJson(scores.second)}});
    }
  }
  // The set's own table, of the first sample of each item.
  std::vector<std::pair<const BenchmarkItem*, const BenchmarkScore*>> first;
  for (size_t item = 0; item < task.items().size(); ++item) {
    if (const auto found = samples.find({item, 0}); found != samples.end()) {
      first.emplace_back(&task.items()[item], &found->second.score);
    }
  }
  if (Json table = task.set().Table(first); !table.is_null()) json["official_table"] = std::move(table);
  if (Json reported = ReportedPercent(task.set().name()); !reported.is_null()) {
    json["reported_percent"] = std::move(reported);
  }
  return json;
}

std::string LengthCurve(const std::vector<Json>& results, const std::vector<std::string>& names) {
  LineChart chart;
  chart.title = "strict accuracy against tokens of the prompt (95 % intervals)";
  chart.x_label = [](double power) { return fmt::format("{:.0f}", std::exp2(power)); };
  chart.y_label = [](double percent) { return fmt::format("{:.0f} %", percent); };
  for (size_t i = 0; i < results.size(); ++i) {
    LineChart::Line line;
    line.name = names[i];
    for (const Json& bin : results[i]["by_prompt_tokens"]) {
      const Json& strict = bin["strict"];
      const auto percent = [&](const char* key) {
        return 100 * (strict.contains(key) ? strict[key] : strict["mean"]).get<double>();
      };
      line.x.push_back(std::log2(std::max(1.0, bin["prompt_tokens"].get<double>())));
      line.y.push_back(percent("mean"));
      line.low.push_back(percent("low"));
      line.high.push_back(percent("high"));
    }
    chart.lines.push_back(std::move(line));
  }
  return chart.Svg();
}

namespace {

std::string Percent(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.1f}", 100 * value.get<double>());
}

std::string MeanLine(const char* name, const Json& m) {
  if (m.is_null()) return fmt::format("  {:<10} nothing is judged\n", name);
  std::string line = fmt::format("  {:<10} {:>6} %", name, Percent(m["mean"]));
  if (m.contains("low"))
    line += fmt::format("   95 % interval {} - {} ({})", Percent(m["low"]), Percent(m["high"]),
                        m["interval"].get<std::string>());
  return line + "\n";
}

}  // namespace

std::string ResultsText(const Json& r) {
  std::string text = fmt::format("{}: {} items, {} sample{} each\n", r["benchmark"].get<std::string>(),
                                 r["items"].get<int64_t>(), r["samples"].get<int64_t>(), r["samples"] == 1 ? "" : "s");
  text += MeanLine("official", r["official"]) + MeanLine("strict", r["strict"]);
  text += fmt::format("  {:<10} {} - {} %: what could not be told counted as wrong, and as right\n", "bounds",
                      Percent(r["strict_bounds"][0]), Percent(r["strict_bounds"][1]));
  text += "  states    ";
  for (const auto& [state, count] : r["states"].items()) text += fmt::format(" {} {}", count.get<int64_t>(), state);
  text += fmt::format("\n  tokens     {:.0f} of output an answer, {:.0f} of them thinking\n",
                      r["output_tokens"].get<double>(), r["thinking_tokens"].get<double>());
  for (const Json& row : r["over_samples"]) {
    text += fmt::format("  k = {:<6} pass@k {:>5} %   pass^k {:>5} %   cons@k {:>5} %\n", row["k"].get<int64_t>(),
                        Percent(row["pass_at_k"]), Percent(row["pass_hat_k"]), Percent(row["cons_at_k"]));
  }
  if (r.contains("groups")) {
    for (const Json& g : r["groups"]) {
      text += fmt::format("  {:<30} {:>5} items   official {:>5} %   strict {:>5} %\n",
                          g["group"].get<std::string>().substr(0, 30), g["items"].get<int64_t>(),
                          Percent(g["official"]["mean"]), Percent(g["strict"]["mean"]));
    }
  }
  if (r["by_prompt_tokens"].size() > 1) {
    for (const Json& bin : r["by_prompt_tokens"]) {
      text += fmt::format("  prompts of {:>7} to {:>7} tokens {:>5} items   official {:>5} %   strict {:>5} %\n",
                          bin["from"].get<int64_t>(), bin["to"].get<int64_t>(), bin["items"].get<int64_t>(),
                          Percent(bin["official"]["mean"]), Percent(bin["strict"]["mean"]));
    }
  }
  if (r.contains("official_table")) {
    for (const auto& [name, value] : r["official_table"].items()) {
      text += fmt::format("  {:<46} {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  if (r.contains("reported_percent")) {
    text += fmt::format("  the MiniMax-M1 report has {:.1f} (M1-40k) and {:.1f} (M1-80k)\n",
                        r["reported_percent"]["M1-40k"].get<double>(), r["reported_percent"]["M1-80k"].get<double>());
  }
  if (!r["strict"].is_null() && r["strict"].contains("smallest_detectable_difference")) {
    text +=
        fmt::format("  with {} items, differences below {} points between two such runs cannot be told from chance\n",
                    r["items"].get<int64_t>(), Percent(r["strict"]["smallest_detectable_difference"]));
  }
  return text;
}

}  // namespace fulgur
