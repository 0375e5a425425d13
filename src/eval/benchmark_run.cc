#include "eval/benchmark_run.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <utility>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "eval/gzip_lines.h"
#include "eval/official_rules.h"
#include "eval/sample_verdicts.h"

namespace fulgur {

namespace {

uint32_t FileChecksum(const std::filesystem::path& path) {
  const MappedFile file(path);
  return Crc32c(file.bytes().data(), file.bytes().size());
}

Json AnswerLine(const std::string& item, int64_t sample, const BenchmarkAnswer& answer) {
  return {{"item", item},
          {"sample", sample},
          {"reasoning", answer.reasoning},
          {"content", answer.content},
          {"finish", answer.finish},
          {"prompt_tokens", answer.prompt_tokens},
          {"output_tokens", answer.output_tokens},
          {"thinking_tokens", answer.thinking_tokens},
          {"cached_tokens", answer.cached_tokens}};
}

// Calls f for each answer of a samples file, the first of a name only. Returns the bytes that hold them.
int64_t ReadAnswers(const BenchmarkTask& task, const std::filesystem::path& path,
                    const std::function<void(size_t item, int64_t sample, BenchmarkAnswer answer)>& f) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < task.items().size(); ++i) places[task.items()[i].id] = i;
  std::set<std::pair<size_t, int64_t>> seen;
  return ReadGzipLines(path, [&](const Json& line) {
    const std::string where = path.string();
    const auto place = places.find(JsonGet<std::string>(line, "item", where));
    const auto sample = JsonGet<int64_t>(line, "sample", where);
    if (place == places.end()) throw Error("{}: there is no item {}", where, line["item"].dump());
    BenchmarkAnswer answer;
    answer.reasoning = JsonGet<std::string>(line, "reasoning", where);
    answer.content = JsonGet<std::string>(line, "content", where);
    answer.finish = JsonGet<std::string>(line, "finish", where);
    answer.prompt_tokens = JsonGet<int64_t>(line, "prompt_tokens", where);
    answer.output_tokens = JsonGet<int64_t>(line, "output_tokens", where);
    answer.thinking_tokens = JsonGet<int64_t>(line, "thinking_tokens", where);
    answer.cached_tokens = JsonGetOr<int64_t>(line, "cached_tokens", 0, where);
    if (seen.emplace(place->second, sample).second) f(place->second, sample, std::move(answer));
    return true;
  });
}

void WriteScores(const BenchmarkTask& task, const ScoredSamples& samples, const std::filesystem::path& folder) {
  std::string lines;
  for (const auto& [key, s] : samples) {
    const Json line = {{"item", task.items()[key.first].id},
                       {"sample", key.second},
                       {"state", SampleStateName(s.state)},
                       {"official", s.score.official},
                       {"strict", s.score.strict},
                       {"official_answer", s.score.official_answer ? Json(*s.score.official_answer) : Json()},
                       {"answer", s.score.answer ? Json(*s.score.answer) : Json()},
                       {"why", s.score.why},
                       {"details", s.score.details}};
    lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  WriteFileAtomic(folder / "scores.jsonl", lines);
  WriteFileAtomic(folder / "results.json",
                  BenchmarkResults(task, samples).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// The items' places; those that share a long text follow the first of them.
std::vector<size_t> OrderBySharedText(const BenchmarkTask& task) {
  std::map<uint64_t, size_t> first;
  std::vector<std::pair<size_t, size_t>> keyed;
  for (size_t i = 0; i < task.items().size(); ++i) {
    const std::string text = task.set().SharedText(task.items()[i]);
    keyed.emplace_back(text.empty() ? i : first.emplace(StableHash(text), i).first->second, i);
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<size_t> order;
  for (const auto& [key, item] : keyed) order.push_back(item);
  return order;
}

// run.json, which must say the same where it is there already.
void HoldToDescription(const Json& description, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "run.json";
  if (!std::filesystem::exists(path)) {
    if (std::filesystem::exists(folder / "samples.jsonl.gz")) {
      throw Error("{}: there are samples but no run.json", folder.string());
    }
    std::filesystem::create_directories(folder);
    WriteFileAtomic(path, description.dump(2) + "\n");
    return;
  }
  const Json before = ReadJsonFile(path);
  for (const char* part : {"task", "source"}) {
    for (const auto& [key, value] : description[part].items()) {
      if (!before.contains(part) || !before[part].contains(key) || before[part][key] != value) {
        throw Error("{}: this folder holds another run: its {} \"{}\" is {}, now {}", path.string(), part, key,
                    before.contains(part) && before[part].contains(key) ? before[part][key].dump() : "missing",
                    value.dump());
      }
    }
  }
}

}  // namespace

BenchmarkTask::BenchmarkTask(BenchmarkRunOptions options)
    : options_(std::move(options)), set_(MakeBenchmark(options_.benchmark, options_.set)) {
  if (auto made = set_->Make()) {
    if (!options_.data.empty()) throw Error("{} makes its problems and takes no --data", set_->name());
    items_ = std::move(*made);
    for (const BenchmarkItem& item : items_) {
      const std::string text = item.record.dump(-1, ' ', false, Json::error_handler_t::replace);
      data_checksum_ = Crc32c(text.data(), text.size(), data_checksum_);
    }
  } else {
    if (options_.data.empty()) throw Error("{} needs its official file: --data FILE", set_->name());
    const BenchmarkFile file(options_.data);
    items_ = set_->Read(file);
    data_checksum_ = FileChecksum(options_.data);
    std::map<std::string, size_t> ids;
    for (size_t i = 0; i < items_.size(); ++i) {
      if (const auto [known, is_new] = ids.emplace(items_[i].id, i); !is_new) {
        throw Error("{}: the id \"{}\" is record {}'s too", file.Where(i), items_[i].id, known->second + 1);
      }
    }
  }
  if (options_.limit > 0 && static_cast<size_t>(options_.limit) < items_.size()) {
    items_.resize(static_cast<size_t>(options_.limit));
  }
  if (!options_.prompt.empty()) {
    if (set_->prompt_name().empty()) throw Error("{} asks its records as they are and takes no prompt", set_->name());
    prompt_ = PromptFile::FromFile(options_.prompt);
  } else if (!set_->prompt_name().empty()) {
    prompt_ = PromptFile::BuiltIn(set_->prompt_name());
  }
}

BenchmarkQuestion BenchmarkTask::Question(size_t item, int64_t sample) const {
  BenchmarkQuestion question;
  question.messages = set_->Messages(items_[item], sample, prompt_ ? &*prompt_ : nullptr);
  question.seed = Mix(options_.seed, Mix(StableHash(items_[item].id), static_cast<uint64_t>(sample)));
  question.truncate = set_->truncates();
  return question;
}

Json BenchmarkTask::Describe() const {
  return {{"benchmark", options_.benchmark},
          {"data", options_.data.empty() ? "" : std::filesystem::absolute(options_.data).string()},
          {"problems", options_.set.problems},
          {"difficulty", options_.set.difficulty},
          {"data_checksum", data_checksum_},
          {"prompt", options_.prompt.empty() ? "" : std::filesystem::absolute(options_.prompt).string()},
          {"prompt_checksum", prompt_ ? Crc32c(prompt_->text().data(), prompt_->text().size()) : 0},
          {"preset", options_.preset},
          {"official_order", options_.set.official_order},
          {"examples", options_.set.examples.empty() ? "" : std::filesystem::absolute(options_.set.examples).string()},
          {"samples", options_.samples},
          {"seed", options_.seed},
          {"limit", options_.limit}};
}

BenchmarkRunOptions BenchmarkTask::FromDescription(const Json& run) {
  const std::string where = "run.json";
  if (!run.contains("task")) throw Error("{}: there is no \"task\"", where);
  const Json& task = run["task"];
  BenchmarkRunOptions options;
  options.benchmark = JsonGet<std::string>(task, "benchmark", where);
  options.data = JsonGet<std::string>(task, "data", where);
  options.prompt = JsonGet<std::string>(task, "prompt", where);
  options.preset = JsonGet<std::string>(task, "preset", where);
  options.set.official_order = JsonGet<bool>(task, "official_order", where);
  options.set.examples = JsonGet<std::string>(task, "examples", where);
  options.set.problems = JsonGetOr<int64_t>(task, "problems", options.set.problems, where);
  options.set.difficulty = static_cast<int>(JsonGetOr<int64_t>(task, "difficulty", 0, where));
  options.samples = JsonGet<int64_t>(task, "samples", where);
  options.seed = options.set.seed = static_cast<uint64_t>(JsonGet<int64_t>(task, "seed", where));
  options.limit = JsonGet<int64_t>(task, "limit", where);
  if (run.contains("verdicts")) options.set.verdicts = JsonGet<std::string>(run, "verdicts", where);
  return options;
}

namespace {

// Asks and judges what a run lacks. All but what the inbox takes in is of the thread that calls.
class RunInProgress {
 public:
  RunInProgress(const BenchmarkTask& task, const std::filesystem::path& folder, int64_t capacity,
                std::function<void(int64_t done, int64_t total)> progress)
      : task_(task),
        verdicts_(task.set(), task.items(), folder),
        capacity_(capacity),
        progress_(std::move(progress)),
        path_(folder / "samples.jsonl.gz") {}

  // Takes the answers that are there, and judges those that lack a verdict.
  void TakeKept() {
    const int64_t keep = ReadAnswers(task_, path_, [&](size_t item, int64_t sample, BenchmarkAnswer answer) {
      kept_.emplace(item, sample);
      TakeAnswer(item, sample, std::move(answer));
    });
    while (judging_ > 0) Take();
    writer_.emplace(path_, keep);
  }

  void Ask(AnswerSource& source, size_t item, int64_t sample) {
    while (asking_ >= capacity_ || (judging_ > 0 && judging_ >= verdicts_.capacity())) Take();
    ++asking_;
    ++report.asked;
    source.Ask(task_.Question(item, sample), [inbox = inbox_, item, sample](AnswerOutcome outcome) {
      inbox->Put({item, sample, false, std::move(outcome)});
    });
  }

  void Finish() {
    while (asking_ + judging_ > 0) Take();
    if (writer_) writer_->Sync();
  }

  bool Has(size_t item, int64_t sample) const { return kept_.contains({item, sample}); }
  void Show() {
    if (!progress_ || !writer_) return;  // not for what was kept
    progress_(static_cast<int64_t>(samples.size()),
              static_cast<int64_t>(task_.items().size()) * task_.options().samples);
  }

  ScoredSamples samples;
  BenchmarkRunReport report;

 private:
  struct Arrived {
    size_t item;
    int64_t sample;
    bool judged;
    AnswerOutcome outcome;
  };
  // Outlives this object, should it go while answers are under way.
  struct Inbox {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Arrived> arrived;
    void Put(Arrived one) {
      const std::lock_guard lock(mutex);
      arrived.push_back(std::move(one));
      changed.notify_one();
    }
  };

  // Waits for what arrives next.
  void Take() {
    std::deque<Arrived> arrived;
    {
      std::unique_lock lock(inbox_->mutex);
      inbox_->changed.wait(lock, [&] { return !inbox_->arrived.empty(); });
      arrived.swap(inbox_->arrived);
    }
    for (Arrived& one : arrived) {
      --(one.judged ? judging_ : asking_);
      if (!one.outcome.answer) {
        report.errors.push_back(
            fmt::format("{}, sample {}: {}", task_.items()[one.item].id, one.sample, one.outcome.error));
      } else if (one.judged) {
        verdicts_.Keep(one.item, one.sample, *one.outcome.answer);
        Score(one.item, one.sample, *one.outcome.answer);
      } else {
        report.prompt_tokens += one.outcome.answer->prompt_tokens;
        report.cached_tokens += one.outcome.answer->cached_tokens;
        writer_->Add(AnswerLine(task_.items()[one.item].id, one.sample, *one.outcome.answer));
        TakeAnswer(one.item, one.sample, std::move(*one.outcome.answer));
      }
    }
  }

  void TakeAnswer(size_t item, int64_t sample, BenchmarkAnswer answer) {
    if (!verdicts_.NeedsJudge(item, sample, &answer)) return Score(item, sample, answer);
    ++judging_;
    verdicts_.Judge(item, std::move(answer), [inbox = inbox_, item, sample](BenchmarkAnswer judged) {
      inbox->Put({item, sample, true, {std::move(judged), ""}});
    });
    // Only here may what is read wait for what is judged: within Take, more arrives than was asked for.
    if (!writer_) {
      while (judging_ >= verdicts_.capacity()) Take();
    }
  }

  void Score(size_t item, int64_t sample, const BenchmarkAnswer& answer) {
    samples.emplace(std::pair(item, sample), ScoreAnswer(task_, item, sample, answer));
    Show();
  }

  const BenchmarkTask& task_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  SampleVerdicts verdicts_;
  int64_t capacity_;
  int64_t asking_ = 0, judging_ = 0;
  std::function<void(int64_t done, int64_t total)> progress_;
  std::filesystem::path path_;
  std::optional<GzipLinesWriter> writer_;
  std::set<std::pair<size_t, int64_t>> kept_;
};

}  // namespace

BenchmarkRunReport RunBenchmark(const BenchmarkTask& task, AnswerSource& source, const std::filesystem::path& folder,
                                const std::function<void(int64_t done, int64_t total)>& progress) {
  HoldToDescription({{"task", task.Describe()}, {"source", source.Describe()}}, folder);
  RunInProgress run(task, folder, source.capacity(), progress);
  run.TakeKept();
  run.report.kept = static_cast<int64_t>(run.samples.size());
  run.Show();
  for (const size_t item : OrderBySharedText(task)) {
    for (int64_t sample = 0; sample < task.options().samples; ++sample) {
      if (!run.Has(item, sample)) run.Ask(source, item, sample);
    }
  }
  run.Finish();
  WriteScores(task, run.samples, folder);
  return std::move(run.report);
}

namespace {

// What the run in a folder was asked with.
BenchmarkTask TaskOf(const Json& description, const std::filesystem::path& folder) {
  BenchmarkTask task(BenchmarkTask::FromDescription(description));
  const Json now = task.Describe();
  for (const char* key : {"data_checksum", "prompt_checksum"}) {
    if (now[key] != description["task"][key]) {
      throw Error("{}: {} is not what the run was asked with (\"{}\" differs)", folder.string(),
                  key == std::string("prompt_checksum") ? "the prompt"
                  : task.options().data.empty()         ? "what the task makes"
                                                        : task.options().data.string(),
                  key);
    }
  }
  return task;
}

}  // namespace

LoadedRun LoadRun(
    const std::filesystem::path& folder,
    const std::function<void(size_t item, int64_t sample, const BenchmarkAnswer&, const ScoredSample&)>& visit) {
  Json description = ReadJsonFile(folder / "run.json");
  LoadedRun run{description, TaskOf(description, folder), {}};
  const SampleVerdicts verdicts(run.task.set(), run.task.items(), folder);
  ReadAnswers(run.task, folder / "samples.jsonl.gz", [&](size_t item, int64_t sample, BenchmarkAnswer answer) {
    if (!verdicts.Find(item, sample, &answer)) answer.verdict_lacks = "not judged; fulgur eval --rescore judges it";
    ScoredSample scored = ScoreAnswer(run.task, item, sample, answer);
    if (visit) visit(item, sample, answer, scored);
    run.samples.emplace(std::pair(item, sample), std::move(scored));
  });
  return run;
}

Json RescoreRun(const std::filesystem::path& folder, const std::filesystem::path& verdicts) {
  Json description = ReadJsonFile(folder / "run.json");
  if (!verdicts.empty()) {
    description["verdicts"] = std::filesystem::absolute(verdicts).string();
    WriteFileAtomic(folder / "run.json", description.dump(2) + "\n");
  }
  const BenchmarkTask task = TaskOf(description, folder);
  RunInProgress run(task, folder, 0, nullptr);
  run.TakeKept();
  WriteScores(task, run.samples, folder);
  return ReadJsonFile(folder / "results.json");
}

void ExportPredictions(const std::filesystem::path& folder, const std::filesystem::path& file) {
  std::map<std::pair<size_t, int64_t>, std::string> programs;
  const LoadedRun run = LoadRun(folder, [&](size_t item, int64_t sample, const BenchmarkAnswer& answer, const auto&) {
    programs[{item, sample}] = official::LiveCodeBenchCode(answer.content);
  });
  if (run.task.set().name() != "livecodebench") {
    throw Error("{}: this is a run of {}; only predictions of livecodebench are exported", folder.string(),
                run.task.set().name());
  }
  Json list = Json::array();
  for (size_t item = 0; item < run.task.items().size(); ++item) {
    Json codes = Json::array();
    for (int64_t sample = 0; sample < run.task.options().samples; ++sample) codes.push_back(programs[{item, sample}]);
    list.push_back({{"question_id", run.task.items()[item].id}, {"code_list", codes}});
  }
  WriteFileAtomic(file, list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

ScoredSample ScoreAnswer(const BenchmarkTask& task, size_t item, int64_t sample, const BenchmarkAnswer& answer) {
  ScoredSample scored;
  scored.score = task.set().Score(task.items()[item], sample, answer);
  scored.prompt_tokens = answer.prompt_tokens;
  scored.output_tokens = answer.output_tokens;
  scored.thinking_tokens = answer.thinking_tokens;
  // What was cut is no answer of ours, whatever stands in it: the model might have gone on to say otherwise.
  if (scored.score.unjudged) {
    scored.state = SampleState::kUnjudged;
  } else if (!answer.ended()) {
    scored.state = SampleState::kCut;
    scored.score.strict = 0;
    scored.score.answer.reset();
    scored.score.why = "cut: " + answer.finish;
  } else if (scored.score.answer) {
    scored.state = SampleState::kScored;
  } else {
    scored.state = SampleState::kUnread;
    if (scored.score.why.empty()) scored.score.why = "no answer was found";
  }
  return scored;
}

}  // namespace fulgur
