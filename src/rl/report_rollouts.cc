#include "rl/report_rollouts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "eval/gzip_lines.h"
#include "rl/report_json.h"
#include "text/tokenizer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSampledTasks = 6;
constexpr size_t kMostTokens = 600;         // of an answer in a table of samples
constexpr size_t kMostScriptTokens = 8000;  // of an answer in a script
constexpr size_t kMostPromptBytes = 2000;   // of a prompt
constexpr size_t kMostNoteBytes = 500;      // of a verdict's reason
constexpr size_t kMostGroups = 400;         // read of a file, for samples

// The tokens of an answer as pieces of whole characters, and for each the probability of its tokens together, in
// thousandths; null for those that were not sampled. "said": the pieces that the environment said between two turns.
// "log_ratios", if `ratios` has one for every token: of each piece, null where nothing was learned from.
void AddPieces(const Json& answer, const Tokenizer* tokenizer, size_t most, const Json& ratios, Json& out) {
  const Json& ids = At(answer, "ids");
  const Json& logprobs = At(answer, "logprobs");
  if (tokenizer == nullptr || !ids.is_array() || !logprobs.is_array() || ids.size() != logprobs.size()) {
    const std::string text = TextAt(answer, "text", 4 * most);
    out["pieces"] = Json::array({text});
    out["probabilities"] = Json::array({nullptr});
    return;
  }
  std::vector<bool> of_environment(ids.size(), false);
  const Json& turns = At(answer, "turns");
  for (size_t t = 0; turns.is_array() && t + 1 < turns.size(); ++t) {
    const double begin = NumberOr(turns[t], "end", 0), end = NumberOr(turns[t + 1], "begin", 0);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (static_cast<double>(i) >= begin && static_cast<double>(i) < end) of_environment[i] = true;
    }
  }
  Json pieces = Json::array(), probabilities = Json::array(), said = Json::array(), log_ratios = Json::array();
  std::string bytes, text;
  double logprob = 0, log_ratio = 0;
  bool sampled = false, learned = false;
  const bool known = ratios.is_array() && ratios.size() == ids.size();
  const size_t n = std::min(ids.size(), most);
  for (size_t i = 0; i < n; ++i) {
    if (!ids[i].is_number_integer()) continue;
    const auto id = ids[i].get<int64_t>();
    bytes +=
        id >= 0 && id < tokenizer->vocab_size() ? tokenizer->Bytes(static_cast<int32_t>(id)) : fmt::format("<{}>", id);
    if (logprobs[i].is_number()) {
      logprob += logprobs[i].get<double>();
      sampled = true;
    }
    if (known && ratios[i].is_number()) {
      log_ratio += ratios[i].get<double>();
      learned = true;
    }
    // What the environment says begins and ends with whole pieces.
    const bool final = i + 1 == n || of_environment[i] != of_environment[i + 1];
    DrainUtf8(&bytes, final, &text);
    if (!bytes.empty()) continue;  // in the middle of a character
    if (of_environment[i]) said.push_back(pieces.size());
    pieces.push_back(text);
    probabilities.push_back(sampled ? Json(std::lround(1000 * std::min(1.0, std::exp(logprob)))) : Json());
    if (known) log_ratios.push_back(learned ? Json(Rounded(log_ratio)) : Json());
    text.clear();
    logprob = log_ratio = 0;
    sampled = learned = false;
  }
  out["pieces"] = std::move(pieces);
  out["probabilities"] = std::move(probabilities);
  if (known) out["log_ratios"] = std::move(log_ratios);
  if (!said.empty()) out["said"] = std::move(said);
  if (ids.size() > n) out["left_out"] = ids.size() - n;
}

}  // namespace

Json ReportedAnswer(const Json& answer, const Tokenizer* tokenizer, size_t most, const Json& ratios) {
  Json out = {{"reward", Rounded(NumberOr(answer, "reward.total", 0))},
              {"score", At(answer, "score").is_number() ? Json(Rounded(NumberOr(answer, "score", 0))) : Json()},
              {"format", At(answer, "format") == true},
              {"finish", TextAt(answer, "finish", kMostNoteBytes)},
              {"reason", TextAt(answer, "reason", kMostNoteBytes)},
              {"advantage", Rounded(NumberOr(answer, "advantage", 0))},
              {"tokens", At(answer, "ids").size()}};
  if (At(answer, "turns").is_array()) out["turns"] = At(answer, "turns").size();
  AddPieces(answer, tokenizer, most, ratios, out);
  return out;
}

namespace {

// A group with its best answer and its worst.
Json Cell(const Json& group, const Tokenizer* tokenizer) {
  Json cell = {{"prompt", TextAt(group, "prompt", kMostPromptBytes)},
               {"difficulty", NumberOr(group, "difficulty", 0)},
               {"answers", Json::array()}};
  std::vector<const Json*> answers;
  double score = 0;
  int64_t judged = 0;
  const Json& responses = At(group, "responses");
  if (!responses.is_array()) return cell;
  for (const Json& response : responses) {
    answers.push_back(&response);
    score += NumberOr(response, "score", 0);
    judged += At(response, "score").is_number();
  }
  std::stable_sort(answers.begin(), answers.end(), [](const Json* a, const Json* b) {
    return NumberOr(*a, "reward.total", 0) > NumberOr(*b, "reward.total", 0);
  });
  cell["of"] = answers.size();
  cell["score"] = judged == 0 ? 0 : Rounded(score / static_cast<double>(judged));
  // The best, and of the others the worst that is not the same answer once more.
  const auto another = [&](const Json* a) {
    const Json& best = *answers.front();
    return At(*a, "ids") != At(best, "ids") || NumberOr(*a, "reward.total", 0) != NumberOr(best, "reward.total", 0);
  };
  if (!answers.empty()) {
    const auto worst = std::find_if(answers.rbegin(), answers.rend(), another);
    answers = worst == answers.rend() ? std::vector<const Json*>{answers.front()}
                                      : std::vector<const Json*>{answers.front(), *worst};
  }
  for (const Json* answer : answers) cell["answers"].push_back(ReportedAnswer(*answer, tokenizer, kMostTokens));
  return cell;
}

std::string TaskOf(const Json& group) {
  const std::string task = TextAt(group, "task", kMostNoteBytes);
  return task.empty() ? TextAt(group, "source", kMostNoteBytes) : task;
}

// The ratios of a batch's tokens (rl/trainer.h), by group; none of evaluations, and where every one was 1.
fs::path RatioFile(const fs::path& run, const std::string& name) { return run / "ratios" / (name + ".jsonl.gz"); }

// The groups of a file as a script that hands them to the page, and beside it how many there are.
void WriteRolloutScript(const fs::path& path, const fs::path& ratio_path, const std::string& name,
                        const fs::path& script, const fs::path& count, const Tokenizer* tokenizer) {
  std::map<double, Json> ratios;  // by group
  ReadGzipLines(ratio_path, [&](const Json& line) {
    ratios[NumberOr(line, "index", -1)] = At(line, "log_ratios");
    return true;
  });
  Json groups = Json::array();
  int64_t answers = 0;
  ReadGzipLines(path, [&](const Json& group) {
    Json out = {{"task", TaskOf(group)},
                {"difficulty", NumberOr(group, "difficulty", 0)},
                {"id", IdText(group)},
                {"index", NumberOr(group, "index", 0)},
                {"prompt", TextAt(group, "prompt", kMostPromptBytes)},
                {"answers", Json::array()}};
    const Json& responses = At(group, "responses");
    for (size_t i = 0; responses.is_array() && i < responses.size(); ++i) {
      const auto of_group = ratios.find(NumberOr(group, "index", 0));
      out["answers"].push_back(
          ReportedAnswer(responses[i], tokenizer, kMostScriptTokens,
                         of_group == ratios.end() ? Json() : At(of_group->second, std::to_string(i))));
      ++answers;
    }
    groups.push_back(std::move(out));
    return true;
  });
  std::string text = fmt::format("rollouts({}, ", Json(name).dump());
  for (const char c : groups.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  fs::create_directories(script.parent_path());
  WriteFileAtomic(script, text + ");\n");
  WriteFileAtomic(count, Json{{"groups", groups.size()}, {"answers", answers}}.dump() + "\n");
}

}  // namespace

std::unique_ptr<Tokenizer> FindTokenizer(const fs::path& run, const Json& config) {
  const fs::path places[] = {run / "model", fs::path(TextAt(config, "model", 4096))};
  for (const fs::path& place : places) {
    if (place.empty() || !fs::exists(place / "tokenizer.json")) continue;
    try {
      return std::make_unique<Tokenizer>(Tokenizer::FromFile(place));
    } catch (const Error&) {  // the texts are shown without it
    }
  }
  return nullptr;
}

Json SampleTable(const std::string& title, const std::vector<SampleColumn>& columns, bool same_problem) {
  struct Wanted {
    Json id, source;
    double difficulty = 0;
  };
  std::map<std::string, Wanted> wanted;
  std::map<std::string, Json> cells;  // of each task, column after column
  Json titles = Json::array();
  for (size_t c = 0; c < columns.size(); ++c) {
    titles.push_back(columns[c].title);
    struct Choice {
      Json group;
      int worth = -1;
    };
    std::map<std::string, Choice> choices;
    size_t read = 0;
    ReadGzipLines(columns[c].path, [&](const Json& group) {
      const std::string task = TaskOf(group);
      const auto found = wanted.find(task);
      int worth = At(group, "spread") == true ? 1 : 0;
      if (c > 0) {
        if (found == wanted.end()) return true;
        if (same_problem && (At(group, "id") != found->second.id || At(group, "source") != found->second.source)) {
          return true;
        }
        worth += NumberOr(group, "difficulty", 0) == found->second.difficulty ? 2 : 0;
      }
      Choice& choice = choices[task];
      if (worth > choice.worth) choice = {group, worth};
      return ++read < kMostGroups;
    });
    if (c == 0) {
      const size_t step = (choices.size() + kMostSampledTasks - 1) / kMostSampledTasks;
      size_t i = 0;
      for (const auto& [task, choice] : choices) {
        if (i++ % step != 0) continue;
        wanted[task] = {At(choice.group, "id"), At(choice.group, "source"), NumberOr(choice.group, "difficulty", 0)};
      }
    }
    for (const auto& [task, unused] : wanted) {
      const auto choice = choices.find(task);
      cells[task].push_back(choice == choices.end() ? Json() : Cell(choice->second.group, columns[c].tokenizer));
    }
  }
  Json rows = Json::array();
  for (auto& [task, row] : cells) rows.push_back({{"task", task}, {"cells", std::move(row)}});
  return {{"title", title}, {"same_problem", same_problem}, {"columns", titles}, {"rows", rows}};
}

Json WriteRolloutScripts(const fs::path& run, const fs::path& scripts, const fs::path& base,
                         const Tokenizer* tokenizer) {
  Json list = Json::array();
  std::set<fs::path> current;
  constexpr std::string_view kEnd = ".jsonl.gz";
  for (const auto& [folder, kind] :
       {std::pair("rollouts", "batch"), std::pair("evaluations", "evaluation after batch")}) {
    std::error_code error;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(run / folder, error)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(kEnd)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& path : files) {
      std::string name = path.filename().string();
      name.resize(name.size() - kEnd.size());
      const int64_t number = std::atoll(name.substr(std::min(name.size(), name.find('-') + 1)).c_str());
      const fs::path script = scripts / (name + ".js");
      const fs::path count = scripts / (name + ".json");
      const fs::path ratios = folder == std::string_view("rollouts") ? RatioFile(run, name) : fs::path();
      const auto older_than = [&](const fs::path& file) {
        return fs::exists(file, error) && fs::last_write_time(count) < fs::last_write_time(file);
      };
      if (!fs::exists(count) || older_than(path) || older_than(ratios)) {
        WriteRolloutScript(path, ratios, name, script, count, tokenizer);
      }
      current.insert({script, count});
      Json item = {{"name", name}, {"title", fmt::format("{} {}", kind, number)}};
      item["file"] = fs::path(script).lexically_relative(base).generic_string();
      try {
        item.update(ReadJsonFile(count));
      } catch (const Error&) {  // it is being written
        continue;
      }
      list.push_back(std::move(item));
    }
  }
  // Scripts of rollouts that are not kept.
  std::error_code error;
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(scripts, error)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with("batch-") || name.starts_with("step-");
    if (ours && !current.contains(scripts / name)) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) fs::remove(path, error);
  return list;
}

}  // namespace fulgur
