#include "rl/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "base/file.h"
#include "base/line_chart.h"
#include "rl/trainer.h"
#include "train/config_section.h"

namespace fulgur {
namespace fs = std::filesystem;
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Json Numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double v : values) {
    list.push_back(std::isfinite(v) ? Json(std::round(v * 1e5) / 1e5) : Json());
  }
  return list;
}

std::vector<double> NumbersOf(const Json& json, const char* key, const std::string& where) {
  std::vector<double> values;
  if (!json.contains(key) || !json[key].is_array()) throw Error("{}: \"{}\" must be a list of numbers", where, key);
  for (const Json& v : json[key]) {
    if (!v.is_number() && !v.is_null()) throw Error("{}: \"{}\" must be a list of numbers", where, key);
    values.push_back(v.is_null() ? kNone : v.get<double>());
  }
  return values;
}

std::vector<double> RatesOf(const Json& json, const std::string& where) {
  const std::vector<double> rates = NumbersOf(json, "rates", where);
  if (rates.empty()) throw Error("{}: \"rates\" is empty", where);
  for (const double rate : rates) {
    if (!(rate > 0)) throw Error("{}: \"rates\" must be numbers above 0", where);
  }
  return rates;
}

// A name as part of a path: what is not a letter, digit, '.' or '-' becomes '_'.
std::string FolderName(const std::string& name) {
  std::string out = name;
  for (char& c : out) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-')) c = '_';
  }
  return out;
}

// The run in `folder` if it is complete: evaluated after the last of `batches`, and its model is there.
std::optional<StudyRun> ReadRun(const fs::path& folder, int64_t batches) {
  if (!fs::exists(folder / "model" / "config.json")) return {};
  StudyRun run;
  std::ifstream file(folder / "metrics.jsonl");
  std::string text;
  while (std::getline(file, text)) {
    const Json line = ParseJson(text, (folder / "metrics.jsonl").string());
    if (line.contains("evaluation") && line["evaluation"].contains("mean")) {
      run.steps.push_back(line["step"].get<double>());
      run.accuracy.push_back(line["evaluation"]["mean"]["pass_at_1"].get<double>());
    }
    if (!line.contains("reward")) continue;
    const auto number = [&](const char* key) { return line.contains(key) ? line[key].get<double>() : kNone; };
    run.score.push_back(line["reward"]["score"].get<double>());
    run.entropy.push_back(number("entropy"));
    run.clipped.push_back(number("clipped"));
    run.length.push_back(line["length"]["mean"].get<double>());
  }
  if (run.accuracy.empty())
    throw Error("{}: the run has no evaluation, by which it could be compared", folder.string());
  if (run.steps.back() != static_cast<double>(batches)) return {};
  return run;
}

// arm -> rate with the best mean over the tuning seeds; equal ones: the lower rate.
std::map<std::string, std::vector<std::pair<double, double>>> TuningMeans(const std::vector<StudyRun>& runs) {
  std::map<std::string, std::map<double, std::vector<double>>> finals;
  for (const StudyRun& run : runs) {
    if (run.tuning) finals[run.arm][run.rate].push_back(run.final_accuracy());
  }
  std::map<std::string, std::vector<std::pair<double, double>>> means;
  for (const auto& [arm, rates] : finals) {
    for (const auto& [rate, values] : rates) means[arm].emplace_back(rate, Mean(values));
  }
  return means;
}

double BestRate(const std::vector<std::pair<double, double>>& tried) {
  return std::max_element(tried.begin(), tried.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::vector<std::string> ArmsOf(const std::vector<StudyRun>& runs) {
  std::vector<std::string> arms;
  for (const StudyRun& run : runs) {
    if (std::find(arms.begin(), arms.end(), run.arm) == arms.end()) arms.push_back(run.arm);
  }
  return arms;
}

}  // namespace

StudyConfig StudyConfig::FromFile(const fs::path& path) {
  const Json json = ReadJsonFile(path);
  const std::string where = path.string();
  Section s(json, where);
  StudyConfig c;
  c.out = s.Get<std::string>("out");
  c.base = s.Value("base");
  if (!c.base.is_object()) throw Error("{}: \"base\" must be an object, not {}", where, c.base.type_name());
  s.Value("rates");
  const std::vector<double> rates = RatesOf(json, where);
  std::set<std::string> names;
  if (!s.Value("arms").is_array()) throw Error("{}: \"arms\" must be a list", where);
  for (const Json& entry : s.Value("arms")) {
    Section a(entry, where + ": an entry of \"arms\"");
    Arm arm{a.Get<std::string>("name"), a.Has("set") ? a.Value("set") : Json::object(),
            a.Has("rates") ? RatesOf(entry, a.where()) : rates};
    a.Done();
    if (arm.name.empty() || !names.insert(FolderName(arm.name)).second) {
      throw Error("{}: \"arms\" has the name \"{}\" twice, or an empty one", where, arm.name);
    }
    c.arms.push_back(std::move(arm));
  }
  for (const auto& [key, list] : {std::pair{"tuning_seeds", &c.tuning_seeds}, {"seeds", &c.seeds}}) {
    if (!s.Value(key).is_array()) throw Error("{}: \"{}\" must be a list of seeds", where, key);
    for (const Json& seed : s.Value(key)) {
      if (!seed.is_number_unsigned()) throw Error("{}: \"{}\" has {}, which is not a seed", where, key, seed.dump());
      list->push_back(seed.get<uint64_t>());
    }
  }
  s.Done();
  for (const auto& [name, empty] :
       {std::pair{"arms", c.arms.empty()}, {"tuning_seeds", c.tuning_seeds.empty()}, {"seeds", c.seeds.empty()}}) {
    if (empty) throw Error("{}: \"{}\" is empty", where, name);
  }
  std::set<uint64_t> seeds;
  for (const auto* list : {&c.tuning_seeds, &c.seeds}) {
    for (const uint64_t seed : *list) {
      if (!seeds.insert(seed).second) {
        throw Error(
            "{}: seed {} comes twice in \"tuning_seeds\" and \"seeds\"; what was tuned on a seed does not count", where,
            seed);
      }
    }
  }
  for (const Arm& arm : c.arms) {
    if (c.Run(arm, arm.rates[0], c.seeds[0]).evaluation.every == 0) {
      throw Error("{}: arm \"{}\" has no evaluation (\"evaluation\": {{\"every\": ...}}), by which runs are compared",
                  where, arm.name);
    }
  }
  return c;
}

fs::path StudyConfig::Folder(const Arm& arm, double rate, uint64_t seed) const {
  return out / FolderName(arm.name) / fmt::format("lr-{:g}", rate) / fmt::format("seed-{}", seed);
}

RlConfig StudyConfig::Run(const Arm& arm, double rate, uint64_t seed) const {
  Json json = base;
  json.merge_patch(arm.set);
  json["out"] = Folder(arm, rate, seed).string();
  json["seed"] = seed;
  json["schedule"]["lr"] = rate;
  return RlConfig::FromJson(json, fmt::format("the study's arm \"{}\"", arm.name));
}

Json StudyRun::ToJson() const {
  return {{"arm", arm},
          {"lr", rate},
          {"seed", seed},
          {"tuning", tuning},
          {"steps", Numbers(steps)},
          {"accuracy", Numbers(accuracy)},
          {"score", Numbers(score)},
          {"entropy", Numbers(entropy)},
          {"clipped", Numbers(clipped)},
          {"length", Numbers(length)}};
}

StudyRun StudyRun::FromJson(const Json& json, const std::string& where) {
  StudyRun run;
  run.arm = JsonGet<std::string>(json, "arm", where);
  run.rate = JsonGet<double>(json, "lr", where);
  run.seed = static_cast<uint64_t>(JsonGet<int64_t>(json, "seed", where));
  run.tuning = JsonGet<bool>(json, "tuning", where);
  for (const auto& [key, values] : {std::pair{"steps", &run.steps},
                                    {"accuracy", &run.accuracy},
                                    {"score", &run.score},
                                    {"entropy", &run.entropy},
                                    {"clipped", &run.clipped},
                                    {"length", &run.length}}) {
    *values = NumbersOf(json, key, where);
  }
  if (run.accuracy.empty() || run.accuracy.size() != run.steps.size()) {
    throw Error("{}: \"steps\" and \"accuracy\" must be as long as each other, and not empty", where);
  }
  return run;
}

bool RunStudy(const StudyConfig& config, ExecContext& exec, const StudyOptions& options) {
  using Clock = std::chrono::steady_clock;
  int64_t number = 0;
  // One run; false if it was stopped.
  const auto run = [&](const StudyConfig::Arm& arm, double rate, uint64_t seed) {
    if (number++ % options.parts != options.part) return true;
    const fs::path folder = config.Folder(arm, rate, seed);
    const RlConfig run_config = config.Run(arm, rate, seed);
    const bool was_complete = ReadRun(folder, run_config.batches).has_value();  // and is checked to be of this config
    const auto start = Clock::now();
    RlOptions rl;
    rl.stop = options.stop;
    rl.quiet = true;
    rl.version = options.version;
    if (!TrainWithRl(run_config, exec, rl).finished) return false;
    if (was_complete) return true;
    const StudyRun done = ReadRun(folder, run_config.batches).value();
    options.say(fmt::format("{}, lr {:g}, seed {}: {:.1f} % of the held-out problems before, {:.1f} % after; {:.0f} s",
                            arm.name, rate, seed, 100 * done.accuracy.front(), 100 * done.final_accuracy(),
                            std::chrono::duration<double>(Clock::now() - start).count()));
    return true;
  };
  for (const StudyConfig::Arm& arm : config.arms) {
    for (const double rate : arm.rates) {
      for (const uint64_t seed : config.tuning_seeds) {
        if (!run(arm, rate, seed)) return false;
      }
    }
  }
  // Rates are known once all tuning runs are there.
  const std::vector<StudyRun> tuned = CollectStudy(config);
  const auto means = TuningMeans(tuned);
  const int64_t tuning = std::count_if(tuned.begin(), tuned.end(), [](const StudyRun& r) { return r.tuning; });
  int64_t all = 0;
  for (const StudyConfig::Arm& arm : config.arms) all += std::ssize(arm.rates) * std::ssize(config.tuning_seeds);
  if (tuning < all) {
    options.say("the learning rates are not known before the other parts have done their runs; start again then");
    return false;
  }
  for (const StudyConfig::Arm& arm : config.arms) {
    for (const uint64_t seed : config.seeds) {
      if (!run(arm, BestRate(means.at(arm.name)), seed)) return false;
    }
  }
  return true;
}

std::vector<StudyRun> CollectStudy(const StudyConfig& config) {
  std::vector<StudyRun> runs;
  for (const StudyConfig::Arm& arm : config.arms) {
    const auto collect = [&](double rate, const std::vector<uint64_t>& seeds, bool tuning) {
      for (const uint64_t seed : seeds) {
        std::optional<StudyRun> run = ReadRun(config.Folder(arm, rate, seed), config.Run(arm, rate, seed).batches);
        if (!run) continue;
        run->arm = arm.name;
        run->rate = rate;
        run->seed = seed;
        run->tuning = tuning;
        runs.push_back(std::move(*run));
      }
    };
    for (const double rate : arm.rates) collect(rate, config.tuning_seeds, true);
    const auto means = TuningMeans(runs);
    if (means.count(arm.name)) collect(BestRate(means.at(arm.name)), config.seeds, false);
  }
  return runs;
}

void WriteStudyLogs(const std::vector<StudyRun>& runs, const fs::path& path) {
  std::string text;
  for (const StudyRun& run : runs) text += run.ToJson().dump() + "\n";
  WriteFileAtomic(path, text);
}

std::vector<StudyRun> ReadStudyLogs(const fs::path& path) {
  const std::string text = ReadFile(path);
  std::vector<StudyRun> runs;
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string where = fmt::format("{}:{}", path.string(), ++line);
    if (end > begin) runs.push_back(StudyRun::FromJson(ParseJson(text.substr(begin, end - begin), where), where));
    begin = end + 1;
  }
  if (runs.empty()) throw Error("{}: no runs", path.string());
  return runs;
}

double MeanError(const std::vector<double>& values) {
  // 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom.
  constexpr double kT[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                           2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086};
  const size_t n = values.size();
  if (n < 2) return std::numeric_limits<double>::infinity();
  const double mean = Mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double t = n - 2 < std::size(kT) ? kT[n - 2] : 1.96;
  return t * std::sqrt(squares / static_cast<double>(n - 1) / static_cast<double>(n));
}

std::vector<StudyArmResult> SummarizeStudy(const std::vector<StudyRun>& runs) {
  const auto means = TuningMeans(runs);
  std::vector<StudyArmResult> results;
  std::map<uint64_t, double> reference;  // finals of the first arm by seed
  for (const std::string& arm : ArmsOf(runs)) {
    StudyArmResult r;
    r.arm = arm;
    if (means.count(arm)) r.tried = means.at(arm);
    std::vector<double> starts, differences;
    std::map<double, std::vector<double>> by_step;
    for (const StudyRun& run : runs) {
      if (run.arm != arm || run.tuning) continue;
      r.rate = run.rate;
      r.finals.push_back(run.final_accuracy());
      starts.push_back(run.accuracy.front());
      for (size_t i = 0; i < run.steps.size(); ++i) by_step[run.steps[i]].push_back(run.accuracy[i]);
      if (results.empty()) {
        reference[run.seed] = run.final_accuracy();
      } else if (reference.count(run.seed)) {
        differences.push_back(run.final_accuracy() - reference[run.seed]);
      }
    }
    if (!r.finals.empty()) {
      r.start = Mean(starts);
      r.mean = Mean(r.finals);
      r.error = MeanError(r.finals);
      for (const auto& [step, values] : by_step) {
        if (values.size() == r.finals.size()) r.best = std::max(r.best, Mean(values));
      }
    }
    if (differences.size() >= 2) {
      r.difference = Mean(differences);
      r.difference_error = MeanError(differences);
    }
    results.push_back(std::move(r));
  }
  return results;
}

void DrawStudy(const std::vector<StudyRun>& runs, const fs::path& folder) {
  const auto percent = [](double v) { return fmt::format("{:.4g} %", 100 * v); };
  const auto draw = [&](const char* name, const std::string& title, bool shares, bool band, const auto& x_of,
                        std::vector<double> StudyRun::*values) {
    LineChart chart;
    chart.title = title;
    if (shares) chart.y_label = percent;
    chart.from_zero = !band;
    for (const std::string& arm : ArmsOf(runs)) {
      std::map<double, std::vector<double>> at;
      for (const StudyRun& run : runs) {
        if (run.arm != arm || run.tuning) continue;
        for (size_t i = 0; i < (run.*values).size(); ++i) {
          if (std::isfinite((run.*values)[i])) at[x_of(run, i)].push_back((run.*values)[i]);
        }
      }
      LineChart::Line line;
      line.name = arm;
      for (const auto& [x, v] : at) {
        line.x.push_back(x);
        line.y.push_back(Mean(v));
        if (!band) continue;
        const double error = v.size() < 2 ? 0 : MeanError(v);
        line.low.push_back(line.y.back() - error);
        line.high.push_back(line.y.back() + error);
      }
      if (!line.x.empty()) chart.lines.push_back(std::move(line));
    }
    WriteFileAtomic(folder / name, chart.Svg());
  };
  const auto evaluation = [](const StudyRun& run, size_t i) { return run.steps[i]; };
  const auto batch = [](const StudyRun&, size_t i) { return static_cast<double>(i + 1); };
  draw("accuracy.svg", "solved held-out problems against batches; bands: 95 % intervals of the mean", true, true,
       evaluation, &StudyRun::accuracy);
  draw("score.svg", "score of the sampled answers against batches", true, false, batch, &StudyRun::score);
  draw("entropy.svg", "entropy in nats a token against batches", false, false, batch, &StudyRun::entropy);
  draw("clipped.svg", "share of clipped or masked tokens against batches", true, false, batch, &StudyRun::clipped);
  draw("length.svg", "tokens of an answer against batches", false, false, batch, &StudyRun::length);
}

}  // namespace fulgur
