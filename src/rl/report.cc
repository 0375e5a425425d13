#include "rl/report.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "base/file.h"
#include "base/statistics.h"
#include "rl/report_json.h"
#include "rl/report_rollouts.h"
#include "text/tokenizer.h"

namespace fulgur {

extern const char kReportPage[];  // report.html
extern const size_t kReportPageSize;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDataMark = "@REPORT_DATA@";  // in report.html
constexpr size_t kMostTasks = 64;                        // with curves
constexpr size_t kMostSessions = 50;
constexpr size_t kMostNotesBytes = 1 << 16;
constexpr int64_t kMostConfigBytes = 1 << 16;
constexpr size_t kMostLayers = 16;  // with curves of their routers
constexpr double kZ95 = 1.96;

// How the values of several batches become one point.
enum class Join : uint8_t { kMean, kLeast, kMost, kLast };
struct Column {
  const char* path;
  Join join = Join::kMean;
};
constexpr Column kColumns[] = {
    {"reward.mean"},
    {"reward.correct_part"},
    {"reward.format_part"},
    {"reward.overlong_part"},
    {"reward.score"},
    {"reward.format"},
    {"length.mean"},
    {"length.p50"},
    {"length.p99"},
    {"length.max", Join::kMost},
    {"length.thinking"},
    {"length.cut"},
    {"length.early_truncated"},
    {"stage.window", Join::kLast},
    {"perplexity"},
    {"entropy"},
    {"loss"},
    {"grad_norm"},
    {"lr", Join::kLast},
    {"clipped"},
    {"masked"},
    {"ratio.mean"},
    {"ratio.min", Join::kLeast},
    {"ratio.max", Join::kMost},
    {"ratio.kl"},
    {"on_policy.max_difference", Join::kMost},
    {"precision.correlation", Join::kLeast},
    {"precision.max_difference", Join::kMost},
    {"precision.truncated"},
    {"rollout.groups"},
    {"rollout.without_spread"},
    {"rollout.tokens_per_second"},
    {"train.tokens_per_second"},
    {"train.peak_share"},
    {"seconds.all"},
    {"router.imbalance"},
    {"router.entropy"},
    {"router.dropped"},
    {"router.aux"},
    {"memory.resident", Join::kMost},
    {"memory.peak", Join::kMost},
    {"lag", Join::kLast},
    // Of fulgur train.
    {"ce"},
    {"seconds"},
    {"tokens_per_second"},
    {"peak_share"},
};

// The values of a column that go into one point.
class Joined {
 public:
  void Add(double value, Join join, double weight = 1) {
    if (weight <= 0) return;
    if (weight_ == 0) value_ = join == Join::kMean ? 0 : value;
    switch (join) {
      case Join::kMean:
        value_ += value * weight;
        break;
      case Join::kLeast:
        value_ = std::min(value_, value);
        break;
      case Join::kMost:
        value_ = std::max(value_, value);
        break;
      case Join::kLast:
        value_ = value;
        break;
    }
    weight_ += weight;
    mean_ = join == Join::kMean;
  }
  Json Value() const {
    if (weight_ == 0) return nullptr;
    return Rounded(mean_ ? value_ / weight_ : value_);
  }

 private:
  double value_ = 0, weight_ = 0;
  bool mean_ = true;
};

// Seconds of a batch, or of a step of training.
double SecondsOf(const Json& line) { return NumberAt(line, "seconds").value_or(NumberOr(line, "seconds.all", 0)); }

// Tokens so far: generated ones, or of training those that were trained on.
double TokensOf(const Json& line) { return NumberAt(line, "generated").value_or(NumberOr(line, "tokens", 0)); }

// The curriculum's pass rates: by task and difficulty, the last of each point's batches.
Json LevelCurves(const std::vector<Json>& lines, size_t bucket) {
  Json curves = Json::object();
  size_t point = 0;
  for (size_t begin = 0; begin < lines.size(); begin += bucket, ++point) {
    const Json& levels = At(lines[std::min(lines.size(), begin + bucket) - 1], "levels");
    if (!levels.is_object()) continue;
    for (const auto& [task, rates] : levels.items()) {
      if (!rates.is_object() || (!curves.contains(task) && curves.size() >= kMostTasks)) continue;
      for (const auto& [difficulty, rate] : rates.items()) {
        Json& curve = curves[task][difficulty];
        if (curve.is_null()) curve = Json::array();
        while (curve.size() < point) curve.push_back(nullptr);
        curve.push_back(rate.is_number() ? Json(Rounded(rate.get<double>())) : Json());
      }
    }
  }
  return curves;
}

// Curves over the batches, one value a point: mean, or mean by tasks.
Json Curves(const std::vector<Json>& lines, size_t bucket) {
  std::set<std::string> tasks;
  for (const Json& line : lines) {
    const Json& by_task = At(line, "tasks");
    if (!by_task.is_object()) continue;
    for (const auto& [name, unused] : by_task.items()) tasks.insert(name);
  }
  while (tasks.size() > kMostTasks) tasks.erase(std::prev(tasks.end()));

  Json steps = Json::array(), series = Json::object(), by_task = Json::object();
  Json axes = {{"step", Json::array({0})}, {"tokens", Json::array({0})}, {"hours", Json::array({0})}};
  double seconds = 0;
  std::map<std::string, std::array<Json, 3>> task_curves;
  for (size_t begin = 0; begin < lines.size(); begin += bucket) {
    const size_t end = std::min(lines.size(), begin + bucket);
    steps.push_back(NumberOr(lines[end - 1], "step", 0));
    for (size_t i = begin; i < end; ++i) seconds += SecondsOf(lines[i]);
    axes["step"].push_back(steps.back());
    axes["tokens"].push_back(TokensOf(lines[end - 1]));
    axes["hours"].push_back(Rounded(seconds / 3600));
    for (const Column& column : kColumns) {
      Joined joined;
      for (size_t i = begin; i < end; ++i) {
        if (const auto value = NumberAt(lines[i], column.path)) joined.Add(*value, column.join);
      }
      series[column.path].push_back(joined.Value());
    }
    // Intervals: the answers to one problem depend on each other, so what counts is the number of groups.
    double groups = 0, variance = 0, errors = 0;
    Joined score;
    for (size_t i = begin; i < end; ++i) {
      const double n = NumberOr(lines[i], "rollout.groups", 0);
      if (const auto value = NumberAt(lines[i], "reward.score"); value && n > 0) score.Add(*value, Join::kMean, n);
      groups += n;
      if (const auto error = NumberAt(lines[i], "reward.error")) {
        variance += *error * *error;
        ++errors;
      }
    }
    Json low, high;
    if (const Json value = score.Value(); !value.is_null()) {
      const Interval interval = WilsonIntervalOfRate(std::clamp(value.get<double>(), 0.0, 1.0), groups);
      low = Rounded(interval.low);
      high = Rounded(interval.high);
    }
    series["reward.score_low"].push_back(low);
    series["reward.score_high"].push_back(high);
    low = high = nullptr;
    if (const Json& mean = series["reward.mean"].back(); errors > 0 && !mean.is_null()) {
      const double half = kZ95 * std::sqrt(variance) / errors;
      low = Rounded(mean.get<double>() - half);
      high = Rounded(mean.get<double>() + half);
    }
    series["reward.mean_low"].push_back(low);
    series["reward.mean_high"].push_back(high);
    for (const std::string& task : tasks) {
      std::array<Joined, 3> joined;
      for (size_t i = begin; i < end; ++i) {
        const Json& figures = At(At(lines[i], "tasks"), task);
        const double weight = NumberOr(figures, "responses", 0);
        size_t c = 0;
        for (const char* key : {"score", "format", "length"}) {
          if (const auto value = NumberAt(figures, key)) joined[c].Add(*value, Join::kMean, weight);
          ++c;
        }
      }
      for (size_t c = 0; c < joined.size(); ++c) task_curves[task][c].push_back(joined[c].Value());
    }
  }
  for (auto& [task, curves] : task_curves) {
    by_task[task] = {{"score", curves[0]}, {"format", curves[1]}, {"length", curves[2]}};
  }
  Json kept = Json::object();  // without columns that this run does not have
  for (const auto& [name, values] : series.items()) {
    if (std::any_of(values.begin(), values.end(), [](const Json& v) { return !v.is_null(); })) kept[name] = values;
  }
  return {
      {"steps", steps}, {"axes", axes}, {"series", kept}, {"tasks", by_task}, {"levels", LevelCurves(lines, bucket)}};
}

// The routers: figures of each layer over time, and the load of each expert at the beginning, in the middle and at the
// end.
Json Routers(const std::vector<Json>& lines, size_t bucket) {
  Json routers = {{"load", Json::array()}, {"entropy", Json::array()}, {"dropped", Json::array()}};
  std::vector<const Json*> known;
  for (const Json& line : lines) {
    if (At(At(At(line, "router"), "layers"), "load").is_array()) known.push_back(&line);
  }
  if (known.empty()) return routers;
  const size_t last = known.size() - 1;
  for (const size_t i : std::set<size_t>{0, last / 2, last}) {
    routers["load"].push_back(
        {{"step", NumberOr(*known[i], "step", 0)}, {"layers", At(At(At(*known[i], "router"), "layers"), "load")}});
  }
  const size_t layers = std::min(routers["load"][0]["layers"].size(), kMostLayers);
  for (const char* figure : {"entropy", "dropped"}) {
    for (size_t layer = 0; layer < layers; ++layer) {
      Json curve = Json::array();
      for (size_t begin = 0; begin < lines.size(); begin += bucket) {
        Joined joined;
        for (size_t i = begin; i < std::min(lines.size(), begin + bucket); ++i) {
          const Json& values = At(At(At(lines[i], "router"), "layers"), figure);
          if (!values.is_array() || layer >= values.size() || !values[layer].is_number()) continue;
          joined.Add(values[layer].get<double>(), Join::kMean);
        }
        curve.push_back(joined.Value());
      }
      routers[figure].push_back(std::move(curve));
    }
  }
  return routers;
}

// What fulgur train measures on held-out examples: loss and accuracy, of the mean and by task.
Json Validations(const std::vector<Json>& lines) {
  Json result = {{"steps", Json::array()}, {"tasks", Json::object()}};
  std::vector<const Json*> chosen;
  for (const Json& line : lines) {
    if (At(line, "validation").is_object()) chosen.push_back(&line);
  }
  if (chosen.empty()) return result;
  std::set<std::string> tasks;
  for (const auto& [name, unused] : At(*chosen.front(), "validation").items()) tasks.insert(name);
  while (tasks.size() > kMostTasks) tasks.erase(std::prev(tasks.end()));
  const size_t every = (chosen.size() + kReportPoints - 1) / kReportPoints;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if ((chosen.size() - 1 - i) % every != 0) continue;  // the last one is there
    result["steps"].push_back(NumberOr(*chosen[i], "step", 0));
    for (const std::string& name : tasks) {
      const Json& task = At(At(*chosen[i], "validation"), name);
      for (const char* key : {"loss", "accuracy"}) {
        const auto value = NumberAt(task, key);
        result["tasks"][name][key].push_back(value ? Json(Rounded(*value)) : Json());
      }
    }
  }
  return result;
}

// Held-out pass rates. The mean's interval puts those of the tasks together by their distances from the rate.
Json Evaluations(const std::vector<Json>& lines) {
  std::vector<const Json*> chosen;
  for (const Json& line : lines) {
    if (At(line, "evaluation").is_object()) chosen.push_back(&line);
  }
  const size_t every = (chosen.size() + kReportPoints - 1) / kReportPoints;
  Json result = {{"steps", Json::array()}, {"mean", Json::object()}, {"tasks", Json::object()}};
  if (chosen.empty()) return result;
  const Json& first = At(*chosen.front(), "evaluation");
  std::set<std::string> tasks, rates;
  for (const auto& [name, unused] : At(first, "tasks").items()) tasks.insert(name);
  while (tasks.size() > kMostTasks) tasks.erase(std::prev(tasks.end()));
  for (const auto& [name, unused] : At(first, "mean").items()) rates.insert(name);
  for (size_t i = 0; i < chosen.size(); ++i) {
    if ((chosen.size() - 1 - i) % every != 0) continue;  // the last one is there
    const Json& evaluation = At(*chosen[i], "evaluation");
    result["steps"].push_back(NumberOr(*chosen[i], "step", 0));
    const auto rounded = [](std::optional<double> value) { return value ? Json(Rounded(*value)) : Json(nullptr); };
    for (const std::string& rate : rates) {
      result["mean"][rate].push_back(rounded(NumberAt(At(evaluation, "mean"), rate)));
    }
    double below = 0, above = 0, count = 0;
    for (const auto& [name, task] : At(evaluation, "tasks").items()) {
      const auto rate = NumberAt(task, "pass_at_1"), low = NumberAt(task, "low"), high = NumberAt(task, "high");
      if (rate && low && high) {
        below += (*rate - *low) * (*rate - *low);
        above += (*high - *rate) * (*high - *rate);
        ++count;
      }
    }
    const auto mean = NumberAt(evaluation, "mean.pass_at_1");
    const bool known = mean && count > 0;
    result["mean"]["low"].push_back(known ? Json(Rounded(std::max(0.0, *mean - std::sqrt(below) / count))) : Json());
    result["mean"]["high"].push_back(known ? Json(Rounded(std::min(1.0, *mean + std::sqrt(above) / count))) : Json());
    for (const std::string& name : tasks) {
      const Json& task = At(At(evaluation, "tasks"), name);
      for (const char* key : {"pass_at_1", "low", "high", "length"}) {
        result["tasks"][name][key].push_back(rounded(NumberAt(task, key)));
      }
    }
  }
  return result;
}

void AddCounts(const Json& from, std::vector<double>& sums) {
  if (!from.is_array()) return;
  for (size_t i = 0; i < std::min(sums.size(), from.size()); ++i) {
    if (from[i].is_number()) sums[i] += from[i].get<double>();
  }
}

// The sum of a histogram that has its ends with it (rl/batch_figures.h); null if there is none.
Json Distribution(const std::vector<Json>& lines, size_t begin, size_t end, const char* name) {
  Json sum;
  std::vector<double> counts;
  for (size_t i = begin; i < end; ++i) {
    const Json& h = At(At(lines[i], "histograms"), name);
    if (!At(h, "counts").is_array()) continue;
    if (sum.is_null()) counts.resize(h["counts"].size());
    sum = {{"low", At(h, "low")}, {"high", At(h, "high")}};
    AddCounts(h["counts"], counts);
  }
  if (!sum.is_null()) sum["counts"] = counts;
  return sum;
}

// Sums of the histograms over lines [begin, end).
Json Histogram(const std::vector<Json>& lines, size_t begin, size_t end) {
  std::vector<double> ratio(32), probability(10), clipped(10);
  double one = 0, tokens = 0;
  for (size_t i = begin; i < end; ++i) {
    const Json& h = At(lines[i], "histograms");
    AddCounts(At(h, "ratio"), ratio);
    AddCounts(At(h, "probability"), probability);
    AddCounts(At(h, "probability_clipped"), clipped);
    one += NumberOr(h, "ratio_one", 0);
    tokens += NumberOr(h, "tokens", 0);
  }
  return {{"first", NumberOr(lines[begin], "step", 0)},
          {"last", NumberOr(lines[end - 1], "step", 0)},
          {"tokens", tokens},
          {"ratio", ratio},
          {"ratio_one", one},
          {"reward", Distribution(lines, begin, end, "reward")},
          {"advantage", Distribution(lines, begin, end, "advantage")},
          {"probability", probability},
          {"probability_clipped", clipped}};
}

Json Agreement(const std::vector<Json>& lines) {
  Json result;
  for (const char* kind : {"on_policy", "precision"}) {
    double tokens = 0, equal = 0, difference = 0, log_difference = 0, correlation = 1, batches = 0;
    for (const Json& line : lines) {
      const Json& a = At(line, kind);
      if (NumberOr(a, "tokens", 0) <= 0) continue;
      ++batches;
      tokens += NumberOr(a, "tokens", 0);
      equal += NumberOr(a, "equal", 0);
      difference = std::max(difference, NumberOr(a, "max_difference", 0));
      log_difference = std::max(log_difference, NumberOr(a, "max_log_difference", 0));
      correlation = std::min(correlation, NumberOr(a, "correlation", 1));
    }
    if (batches > 0) {
      result = {{"kind", kind},
                {"batches", batches},
                {"tokens", tokens},
                {"equal", equal},
                {"max_difference", difference},
                {"max_log_difference", log_difference},
                {"correlation", correlation}};
    }
  }
  return result;
}

bool IsRun(const fs::path& folder) { return fs::exists(folder / "run.json") || fs::exists(folder / "metrics.jsonl"); }

Json ConfigOf(const fs::path& folder) {
  std::error_code error;
  const fs::path path = folder / "config.json";
  const auto bytes = fs::file_size(path, error);
  if (error || static_cast<int64_t>(bytes) > kMostConfigBytes) return nullptr;
  return ParsedOrNothing(ReadFile(path)).value_or(nullptr);
}

// What the researcher has written in notes.md.
Json Notes(const fs::path& folder) {
  std::error_code error;
  const fs::path path = folder / kNotesFile;
  if (!fs::exists(path, error)) return nullptr;
  Json text = ReadFile(path);
  return TextAt({{"text", text}}, "text", kMostNotesBytes);
}

Json RunData(const fs::path& folder, const std::string& name, bool compared) {
  if (!fs::is_directory(folder)) throw Error("{} is no folder", folder.string());
  if (!IsRun(folder)) {
    throw Error("{} holds no run: it has neither run.json nor metrics.jsonl", folder.string());
  }
  std::vector<Json> lines, batches;
  ForEachJsonLine(folder / "metrics.jsonl", [&](const Json& line) {
    if (NumberAt(line, "step")) lines.push_back(line);
  });
  for (const Json& line : lines) {
    if (NumberOr(line, "step", 0) > 0) batches.push_back(line);
  }
  const size_t bucket = (batches.size() + kReportPoints - 1) / kReportPoints;
  Json run = {{"name", name}, {"folder", folder.string()}, {"config", ConfigOf(folder)}};
  run["batches"] = batches.empty() ? 0 : NumberOr(batches.back(), "step", 0);
  run["bucket"] = bucket;
  run["finished"] = fs::exists(folder / "model" / "config.json");
  if (!lines.empty()) {
    run["time"] = NumberOr(lines.back(), "time", 0);
    for (const char* key : {"updates", "tokens", "generated"}) run[key] = NumberOr(lines.back(), key, 0);
  }
  run["kind"] = !batches.empty() && At(batches.front(), "ce").is_number() ? "training" : "reinforcement learning";
  double seconds = 0;
  for (const Json& line : batches) seconds += SecondsOf(line);
  run["seconds"] = Rounded(seconds);

  Json sessions = Json::array();
  ForEachJsonLine(folder / "sessions.jsonl", [&](const Json& line) { sessions.push_back(line); });
  run["sessions_left_out"] = sessions.size() > kMostSessions ? sessions.size() - kMostSessions : 0;
  if (sessions.size() > kMostSessions) {
    sessions.erase(sessions.begin() + 1, sessions.end() - (kMostSessions - 1));  // the first one, and the last
  }
  run["sessions"] = std::move(sessions);
  run["uncommitted"] = fs::exists(folder / "git.diff");
  run["notes"] = Notes(folder);

  run.update(Curves(batches, std::max<size_t>(1, bucket)));
  run["evaluations"] = Evaluations(lines);
  run["validations"] = Validations(lines);
  run["routers"] = Routers(batches, std::max<size_t>(1, bucket));
  run["stages"] = Json::array();
  double stage = -1;
  for (const Json& line : batches) {
    const auto index = NumberAt(line, "stage.index");
    if (!index || *index == stage) continue;
    stage = *index;
    run["stages"].push_back(
        {{"step", NumberOr(line, "step", 0)}, {"index", stage}, {"window", NumberOr(line, "stage.window", 0)}});
  }
  run["histograms"] = Json::array();
  const size_t parts = compared ? 1 : std::min<size_t>(3, batches.size());
  for (size_t p = 0; p < parts && !batches.empty(); ++p) {
    run["histograms"].push_back(Histogram(batches, p * batches.size() / parts, (p + 1) * batches.size() / parts));
  }
  run["agreement"] = Agreement(batches);
  return run;
}

// The numbers in the names "prefix-000012.jsonl.gz" of a folder, in order.
std::vector<int64_t> Numbered(const fs::path& folder, std::string_view prefix) {
  std::vector<int64_t> numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kEnd = ".jsonl.gz";
    if (!name.starts_with(prefix) || !name.ends_with(kEnd)) continue;
    const std::string digits = name.substr(prefix.size(), name.size() - prefix.size() - kEnd.size());
    if (digits.empty() || digits.size() > 15 || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    numbers.push_back(std::atoll(digits.c_str()));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// First, middle and last of the numbers up to `most`.
std::vector<int64_t> Spread(std::vector<int64_t> numbers, double most) {
  std::erase_if(numbers, [&](int64_t n) { return static_cast<double>(n) > most; });
  if (numbers.size() <= 3) return numbers;
  return {numbers.front(), numbers[numbers.size() / 2], numbers.back()};
}

fs::path BatchFile(const fs::path& run, int64_t number) {
  return run / "rollouts" / fmt::format("batch-{:06d}.jsonl.gz", number);
}

fs::path EvaluationFile(const fs::path& run, int64_t number) {
  return run / "evaluations" / fmt::format("step-{:06d}.jsonl.gz", number);
}

}  // namespace

Json ReportData(const std::vector<fs::path>& runs, const Tokenizer* tokenizer, const fs::path& html) {
  const bool compared = runs.size() > 1;
  std::map<std::string, int> names;
  const auto plain = [](const fs::path& run) {
    return (run.has_filename() ? run : run.parent_path()).filename().string();
  };
  for (const fs::path& run : runs) ++names[plain(run)];
  Json data = {{"written", std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()},
               {"runs", Json::array()},
               {"samples", Json::array()},
               {"rollouts", Json::array()}};
  std::vector<std::unique_ptr<Tokenizer>> owned;
  std::vector<SampleColumn> last_evaluations, last_batches;
  for (const fs::path& run : runs) {
    const std::string name = names[plain(run)] > 1 ? run.string() : plain(run);
    data["runs"].push_back(RunData(run, name, compared));
    const Json& read = data["runs"].back();
    const double batches = read["batches"].get<double>();
    const Tokenizer* text = tokenizer;
    if (text == nullptr) text = owned.emplace_back(FindTokenizer(run, read["config"])).get();
    const std::vector<int64_t> evaluations = Spread(Numbered(run / "evaluations", "step-"), batches);
    const std::vector<int64_t> rollouts = Spread(Numbered(run / "rollouts", "batch-"), batches);
    if (!compared && !html.empty()) {
      const fs::path base = html.parent_path();
      data["rollouts"] = WriteRolloutScripts(run, base / html.stem(), base, text);
    }
    if (compared) {
      if (!evaluations.empty()) {
        last_evaluations.push_back({fmt::format("{}, after batch {}", name, evaluations.back()),
                                    EvaluationFile(run, evaluations.back()), text});
      }
      if (!rollouts.empty()) {
        last_batches.push_back(
            {fmt::format("{}, batch {}", name, rollouts.back()), BatchFile(run, rollouts.back()), text});
      }
      continue;
    }
    std::vector<SampleColumn> columns;
    for (const int64_t n : rollouts) columns.push_back({fmt::format("batch {}", n), BatchFile(run, n), text});
    if (!columns.empty()) data["samples"].push_back(SampleTable("Rollouts over time", columns, false));
    columns.clear();
    for (const int64_t n : evaluations) {
      columns.push_back({n == 0 ? "before training" : fmt::format("after batch {}", n), EvaluationFile(run, n), text});
    }
    if (!columns.empty()) data["samples"].push_back(SampleTable("Held-out problems over time", columns, true));
  }
  constexpr size_t kMostColumns = 4;
  for (auto* columns : {&last_batches, &last_evaluations}) {
    if (columns->size() > kMostColumns) columns->resize(kMostColumns);
  }
  if (last_evaluations.size() > 1) {
    data["samples"].push_back(SampleTable("The same held-out problems in each run", last_evaluations, true));
  }
  if (last_batches.size() > 1) {
    data["samples"].push_back(SampleTable("Rollouts at the end of each run", last_batches, false));
  }
  return data;
}

void WriteReport(const std::vector<fs::path>& runs, const fs::path& html, const Tokenizer* tokenizer) {
  // The data is a JSON text in a script element that does not run; without "<" nothing in it can end the element.
  const std::string json = ReportData(runs, tokenizer, html).dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string data;
  data.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  const std::string_view page(kReportPage, kReportPageSize);
  const size_t mark = page.find(kDataMark);
  FULGUR_CHECK(mark != std::string_view::npos);
  AtomicFile file(html);
  file.Write(page.substr(0, mark));
  file.Write(data);
  file.Write(page.substr(mark + kDataMark.size()));
  file.Commit();
}

}  // namespace fulgur
