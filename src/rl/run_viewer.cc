#include "rl/run_viewer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "envs/instance.h"
#include "envs/task.h"
#include "eval/gzip_lines.h"
#include "rl/report_json.h"
#include "rl/report_rollouts.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTokens = 1 << 20;  // of a response: all

void Flatten(const Json& json, const std::string& path, Json& out) {
  const bool list = json.is_array() &&
                    std::any_of(json.begin(), json.end(), [](const Json& v) { return v.is_object() || v.is_array(); });
  if (list) {
    for (size_t i = 0; i < json.size(); ++i) Flatten(json[i], fmt::format("{}[{}]", path, i), out);
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items()) Flatten(value, path.empty() ? key : path + "." + key, out);
  } else {
    out[path] = json;
  }
}

bool IsRun(const fs::path& folder) {
  return fs::exists(folder / "metrics.jsonl") && fs::exists(folder / "sessions.jsonl");
}

Json ReadRun(const fs::path& folder, const std::string& name) {
  Json run = {{"name", name}, {"batches", 0}, {"planned", nullptr}};
  run["finished"] = fs::exists(folder / "model/config.json");
  for (const char* key : {"reward", "score", "held_out", "loss", "length", "entropy", "generated", "seconds"})
    run[key] = nullptr;
  double seconds = 0;
  ForEachJsonLine(folder / "metrics.jsonl", [&](const Json& line) {
    const auto keep = [&](const char* key, const char* path) {
      if (const auto value = NumberAt(line, path)) run[key] = *value;
    };
    run["batches"] = NumberOr(line, "step", 0);
    keep("reward", "reward.mean");
    keep("score", "reward.score");
    keep("held_out", "evaluation.mean.pass_at_1");
    keep("loss", "loss");
    keep("length", "length.mean");
    keep("entropy", "entropy");
    keep("generated", "generated");
    seconds += NumberAt(line, "seconds").value_or(NumberOr(line, "seconds.all", 0));
  });
  run["seconds"] = seconds;
  run["config"] = Json::object();
  try {
    const Json config = ReadJsonFile(folder / "config.json");
    run["config"] = FlatConfig(config);
    run["planned"] = At(config, At(config, "batches").is_null() ? "steps" : "batches");
  } catch (const Error&) {  // a run without its config is a run
  }
  return run;
}

std::string CellText(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump();
}

// Columns as wide as their widest cell, numbers to the right.
std::string Table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < head.size(); ++c) {
    widths.push_back(head[c].size());
    for (const auto& row : rows) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& row) {
    for (size_t c = 0; c < row.size(); ++c) {
      text += c == 0 ? fmt::format("{:<{}}", row[c], widths[c]) : fmt::format("  {:>{}}", row[c], widths[c]);
    }
    text += "\n";
  };
  line(head);
  for (const auto& row : rows) line(row);
  return text;
}

std::string Shortened(std::string text, size_t most) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() <= most) return text;
  return text.substr(0, ValidUtf8Prefix(std::string_view(text).substr(0, most - 3))) + "...";
}

// Whether the response is one of those that are asked for.
bool Fits(const Json& response, const RolloutQuery& query, bool prompt_fits) {
  if (query.below && At(response, "score").is_number() && NumberOr(response, "score", 0) >= *query.below) return false;
  return prompt_fits || TextAt(response, "text", std::string::npos).find(query.text) != std::string::npos;
}

// What is right, from the line or from the task that made the problem; null if neither says.
Json Reference(const Json& group) {
  if (!At(group, "reference").is_null()) return At(group, "reference");
  const Task* task = FindTask(TextAt(group, "task", 200));
  if (task == nullptr) return nullptr;
  try {
    const uint64_t seed = SeedFromJson(At(group, "id"), "a group of rollouts");
    const TaskInstance instance = task->Generate(seed, static_cast<int>(NumberOr(group, "difficulty", 0)));
    return instance.prompt == TextAt(group, "prompt", std::string::npos) ? Json(task->Solve(instance).answer) : Json();
  } catch (const Error&) {
    return nullptr;
  }
}

Json GroupJson(const Json& group, const RolloutQuery& query, const Tokenizer* tokenizer) {
  Json out = {{"index", At(group, "index")},           {"source", At(group, "source")}, {"task", At(group, "task")},
              {"difficulty", At(group, "difficulty")}, {"id", IdText(group)},           {"prompt", At(group, "prompt")},
              {"reference", Reference(group)},         {"responses", Json::array()}};
  const bool prompt_fits = TextAt(group, "prompt", std::string::npos).find(query.text) != std::string::npos;
  for (const Json& response : At(group, "responses")) {
    if (!Fits(response, query, prompt_fits)) continue;
    Json answer = ReportedAnswer(response, tokenizer, kMostTokens);
    const ParsedOutput parsed = ParseOutput(TextAt(response, "text", std::string::npos));
    answer["thinking"] = parsed.reasoning;
    answer["answer"] = parsed.content;
    out["responses"].push_back(std::move(answer));
  }
  return out;
}

// A line of a list of groups.
Json GroupLine(const Json& group, const RolloutQuery& query) {
  const bool prompt_fits = TextAt(group, "prompt", std::string::npos).find(query.text) != std::string::npos;
  int64_t responses = 0, judged = 0, tokens = 0;
  double score = 0;
  for (const Json& response : At(group, "responses")) {
    if (!Fits(response, query, prompt_fits)) continue;
    ++responses;
    tokens += static_cast<int64_t>(At(response, "ids").size());
    judged += At(response, "score").is_number();
    score += NumberOr(response, "score", 0);
  }
  if (responses == 0) return nullptr;
  return {{"index", At(group, "index")},
          {"task", At(group, "task")},
          {"difficulty", At(group, "difficulty")},
          {"id", IdText(group)},
          {"responses", responses},
          {"score", judged > 0 ? Json(score / static_cast<double>(judged)) : Json()},
          {"tokens", static_cast<double>(tokens) / static_cast<double>(responses)},
          {"prompt", At(group, "prompt")}};
}

std::string ResponseText(const Json& response, size_t number) {
  const Json& score = response["score"];
  std::string text = fmt::format("--- response {}: ", number);
  text += score.is_null() ? "no verdict"
                          : fmt::format("score {:.4g}, reward {:.4g}, advantage {:.4g}", score.get<double>(),
                                        response["reward"].get<double>(), response["advantage"].get<double>());
  text += fmt::format(", {} tokens, {}", response["tokens"].get<int64_t>(), response["finish"].get<std::string>());
  if (const std::string reason = response["reason"]; !reason.empty()) text += ": " + reason;
  text += "\n";
  const std::string thinking = response["thinking"], answer = response["answer"];
  if (!thinking.empty()) text += "[thinking]\n" + thinking + "\n";
  text += "[answer]\n" + (answer.empty() ? "(none)" : answer) + "\n";
  // The tokens that surprise most.
  std::vector<std::pair<int64_t, std::string>> rare;
  for (size_t i = 0; i < response["pieces"].size(); ++i) {
    const Json& p = response["probabilities"][i];
    if (p.is_number() && p.get<int64_t>() < 900) rare.emplace_back(p.get<int64_t>(), response["pieces"][i]);
  }
  std::stable_sort(rare.begin(), rare.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (rare.size() > 8) rare.resize(8);
  if (!rare.empty()) text += "[least probable]";
  for (const auto& [p, piece] : rare)
    text += fmt::format(" {} {:.3f}", Json(piece).dump(), static_cast<double>(p) / 1000);
  return text + (rare.empty() ? "" : "\n");
}

}  // namespace

Json FlatConfig(const Json& config) {
  Json flat = Json::object();
  Flatten(config, "", flat);
  return flat;
}

Json ListRuns(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error("{} is no folder", folder.string());
  std::vector<fs::path> found;
  if (IsRun(folder)) found.push_back(folder);
  for (auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied);
       it != fs::recursive_directory_iterator(); ++it) {
    if (!it->is_directory() || !IsRun(it->path())) continue;
    found.push_back(it->path());
    it.disable_recursion_pending();
  }
  if (found.empty()) throw Error("{} holds no run", folder.string());
  std::sort(found.begin(), found.end());
  Json runs = Json::array();
  for (const fs::path& path : found) {
    const std::string name = path == folder ? path.filename().string() : path.lexically_relative(folder).string();
    runs.push_back(ReadRun(path, name));
  }
  return runs;
}

std::string RunTable(const Json& runs, const std::string& sort) {
  const std::vector<std::string> columns = {"name",     "batches", "planned", "finished", "reward",    "score",
                                            "held_out", "loss",    "length",  "entropy",  "generated", "seconds"};
  std::vector<const Json*> order;
  for (const Json& run : runs) order.push_back(&run);
  if (!sort.empty()) {
    const bool down = sort[0] == '-';
    const std::string key = sort.substr(down ? 1 : 0);
    if (std::find(columns.begin(), columns.end(), key) == columns.end()) {
      throw Error("there is no column \"{}\" to sort by; the columns are {}", key, fmt::join(columns, ", "));
    }
    std::stable_sort(order.begin(), order.end(), [&](const Json* a, const Json* b) {
      const Json &x = (*a)[key], &y = (*b)[key];
      if (x.is_null() || y.is_null()) return !x.is_null() && y.is_null();  // what is not known comes last
      return down ? y < x : x < y;
    });
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json* run : order) {
    std::vector<std::string>& row = rows.emplace_back();
    for (const std::string& column : columns) {
      const Json& value = (*run)[column];
      row.push_back(column == "finished"                         ? (value.get<bool>() ? "yes" : "no")
                    : column == "seconds" && value.is_number()   ? HumanDuration(value.get<double>())
                    : column == "generated" && value.is_number() ? HumanCount(value.get<double>())
                    : column == "batches"                        ? fmt::format("{:.0f}", value.get<double>())
                                                                 : CellText(value));
    }
  }
  std::string text = Table(columns, rows);
  std::map<std::string, std::vector<std::string>> differences;
  for (const Json* run : order) {
    for (const auto& [key, unused] : (*run)["config"].items()) differences[key];
  }
  for (auto it = differences.begin(); it != differences.end();) {
    bool differs = false;
    for (const Json* run : order) {
      const Json& config = (*run)["config"];
      it->second.push_back(config.contains(it->first) ? CellText(config[it->first]) : "(default)");
      differs |= it->second.back() != it->second.front();
    }
    it = differs && it->first != "out" ? std::next(it) : differences.erase(it);
  }
  if (differences.empty()) return text;
  std::vector<std::string> head = {"config"};
  for (const Json* run : order) head.push_back((*run)["name"]);
  rows.clear();
  for (auto& [key, values] : differences) {
    rows.push_back({key});
    for (const std::string& value : values) rows.back().push_back(Shortened(value, 40));
  }
  return text + "\n" + Table(head, rows);
}

Json FindRollouts(const fs::path& run, const RolloutQuery& query) {
  const fs::path folder = run / (query.evaluations ? "evaluations" : "rollouts");
  const char* const prefix = query.evaluations ? "step" : "batch";
  std::error_code error;
  std::vector<std::pair<int64_t, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    long long number = 0;
    char end = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), fmt::format("{}-%lld.jsonl.g%c", prefix).c_str(), &number, &end) == 2 &&
        name.ends_with(".jsonl.gz")) {
      files.emplace_back(number, entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) throw Error("{} holds no rollouts", folder.string());
  const auto task_fits = [&](const Json& group) {
    return query.task.empty() || TextAt(group, "task", 200) == query.task;
  };
  if (!query.batch) {
    Json batches = Json::array();
    for (const auto& [number, path] : files) {
      int64_t groups = 0, responses = 0, judged = 0;
      double score = 0;
      ReadGzipLines(path, [&](const Json& group) {
        const Json line = task_fits(group) ? GroupLine(group, query) : Json();
        if (line.is_null()) return true;
        ++groups;
        responses += line["responses"].get<int64_t>();
        if (line["score"].is_number()) {
          ++judged;
          score += line["score"].get<double>();
        }
        return true;
      });
      batches.push_back({{"batch", number},
                         {"groups", groups},
                         {"responses", responses},
                         {"score", judged > 0 ? Json(score / static_cast<double>(judged)) : Json()}});
    }
    return {{"batches", batches}};
  }
  const auto file = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.first == *query.batch; });
  if (file == files.end()) {
    throw Error("{} has no {} {}; it has {} to {}", folder.string(), prefix, *query.batch, files.front().first,
                files.back().first);
  }
  Json groups = Json::array(), found;
  ReadGzipLines(file->second, [&](const Json& group) {
    if (query.index) {
      if (At(group, "index") != *query.index) return true;
      Json config;
      try {
        config = ReadJsonFile(run / "config.json");
      } catch (const Error&) {
      }
      const std::unique_ptr<Tokenizer> tokenizer = FindTokenizer(run, config);
      found = GroupJson(group, query, tokenizer.get());
      return false;
    }
    if (!task_fits(group)) return true;
    Json line = GroupLine(group, query);
    if (!line.is_null()) groups.push_back(std::move(line));
    return true;
  });
  if (!query.index) {
    std::sort(groups.begin(), groups.end(), [](const Json& a, const Json& b) { return a["index"] < b["index"]; });
    return {{"groups", groups}};
  }
  if (found.is_null()) throw Error("{} {} has no group {}", prefix, *query.batch, *query.index);
  return {{"group", found}};
}

std::string RolloutText(const Json& found) {
  std::vector<std::vector<std::string>> rows;
  if (found.contains("batches")) {
    for (const Json& b : found["batches"]) {
      rows.push_back({CellText(b["batch"]), CellText(b["groups"]), CellText(b["responses"]), CellText(b["score"])});
    }
    return Table({"batch", "groups", "responses", "score"}, rows);
  }
  if (found.contains("groups")) {
    for (const Json& g : found["groups"]) {
      rows.push_back({CellText(g["index"]), CellText(g["task"]), CellText(g["difficulty"]), CellText(g["id"]),
                      CellText(g["responses"]), CellText(g["score"]), CellText(g["tokens"]),
                      Shortened(CellText(g["prompt"]), 50)});
    }
    return Table({"group", "task", "difficulty", "id", "responses", "score", "tokens", "prompt"}, rows);
  }
  const Json& group = found["group"];
  std::string text = fmt::format("group {}: {}", CellText(group["index"]), CellText(group["task"]));
  if (NumberOr(group, "difficulty", 0) > 0) text += ", difficulty " + CellText(group["difficulty"]);
  text += ", id " + CellText(group["id"]) + "\n[prompt]\n" + CellText(group["prompt"]) + "\n";
  if (!group["reference"].is_null()) text += "[reference]\n" + CellText(group["reference"]) + "\n";
  for (size_t i = 0; i < group["responses"].size(); ++i) text += "\n" + ResponseText(group["responses"][i], i + 1);
  return text;
}

}  // namespace fulgur
