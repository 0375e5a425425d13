// Public benchmarks: what a model is asked, and what its answers score.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/benchmark_file.h"
#include "eval/prompt_file.h"

namespace fulgur {

struct BenchmarkItem {
  std::string id;     // the set's own, or the record's number
  std::string group;  // subject, domain, size: what tables are broken down by; may be empty
  Json record;        // what the prompt and the score need of the file's record
};

// What a model answered.
struct BenchmarkAnswer {
  std::string reasoning, content;  // the thinking, and what follows it: rules read the latter
  std::string finish = "stop";     // FinishReasonName, or an endpoint's word
  int64_t prompt_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, those that were read from a prefix cache
  Json verdict;               // what the set's judge said of it; null: nothing
  std::string verdict_lacks;  // why it said nothing
  bool ended() const { return finish == "stop" || finish == "stop_string" || finish == "tool_calls"; }
};

// What of an answer can be told. A sample has one state; they are never mixed.
enum class SampleState {
  kScored,
  kUnread,    // the model ended its answer, but ours finds none in it
  kCut,       // the window or the limit of length ended it
  kUnjudged,  // needs what is not here: a sandbox, a judge
  kError,     // never answered: the endpoint failed, or the prompt does not fit
};
const char* SampleStateName(SampleState state);

struct BenchmarkScore {
  double official = 0;                                 // 0 to 1, by the set's own rule
  double strict = 0;                                   // by ours: the last statement of an answer that the model ended
  std::optional<std::string> official_answer, answer;  // what the rules read; `answer` votes in cons@k
  bool unjudged = false;
  std::string why;                // why it is not right, for people
  Json details = Json::object();  // of the set, for its table
};

// Judges answers where a rule that reads them cannot: runs the programs in them, say. A run keeps its verdicts, so that
// no answer is judged twice.
class SampleJudge {
 public:
  struct Outcome {
    Json verdict;       // null: none
    std::string lacks;  // why there is none; the answer is judged again when the run goes on or is scored again
  };
  virtual ~SampleJudge() = default;
  virtual int64_t capacity() const = 0;  // answers that are worth having under way at a time
  // Waits for the verdict. Many threads may ask.
  virtual Outcome Judge(const BenchmarkItem& item, const BenchmarkAnswer& answer) = 0;
};

// How a set is asked and counted.
struct BenchmarkPreset {
  double temperature = 1, top_p = 0.95;
  int64_t samples = 1;
  int64_t max_tokens = 0;  // 0: as many as fit
};

class Benchmark {
 public:
  virtual ~Benchmark() = default;
  virtual std::string name() const = 0;
  // What prompt it has by itself; empty: the records are asked as they are.
  virtual std::string prompt_name() const { return ""; }
  // The MiniMax-M1 report's way, and the set's own.
  virtual BenchmarkPreset report() const { return {}; }
  virtual BenchmarkPreset official() const = 0;
  // Whether prompts that are too long lose their middle, as LongBench-v2's do.
  virtual bool truncates() const { return false; }

  // A long text that the item's prompt begins with: items that share it are asked one after the other, so that a prefix
  // cache reads it once. Empty: it has none.
  virtual std::string SharedText(const BenchmarkItem& item) const { return ""; }

  // The items of a set that is made and has no file.
  virtual std::optional<std::vector<BenchmarkItem>> Make() const { return std::nullopt; }
  // Error that names file, record and field.
  virtual std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const = 0;
  // What the model is asked, in this sample of the item. `prompt` is of prompt_name() or the user's.
  virtual Json Messages(const BenchmarkItem& item, int64_t sample, const PromptFile* prompt) const = 0;
  // What judges its answers; verdicts of a judge of another name do not count. Empty: its rules do.
  virtual std::string judge_name() const { return ""; }
  // Error that says why there is no judge here: then answers are unjudged.
  virtual std::unique_ptr<SampleJudge> MakeJudge() const { return nullptr; }
  virtual BenchmarkScore Score(const BenchmarkItem& item, int64_t sample, const BenchmarkAnswer& answer) const = 0;
  // The set's own table over the scores of one sample of each item, beside means and errors; null: it has none.
  virtual Json Table(const std::vector<std::pair<const BenchmarkItem*, const BenchmarkScore*>>& scores) const {
    return nullptr;
  }
};

struct BenchmarkOptions {
  uint64_t seed = 1;               // of drawn orders of choices
  bool official_order = false;     // GPQA's choices in the order that its official code draws
  int64_t problems = 100;          // of each task, of env:TASK
  int difficulty = 0;              // of them; 0: every level that the bundled model is trained on, equally
  std::filesystem::path examples;  // worked examples (MMLU-Pro's validation file); empty: none
  std::filesystem::path verdicts;  // of LiveCodeBench's official evaluator, instead of ours; empty: none
};

// Error that lists the names for one that is not known.
std::unique_ptr<Benchmark> MakeBenchmark(const std::string& name, const BenchmarkOptions& options);
std::vector<std::string> BenchmarkNames();  // of those with files; env:TASK are beside them

// One a file.
std::unique_ptr<Benchmark> MakeAime(std::string name);
std::unique_ptr<Benchmark> MakeMath500();
std::unique_ptr<Benchmark> MakeGpqa(const BenchmarkOptions& options);
std::unique_ptr<Benchmark> MakeMmluPro(const BenchmarkOptions& options);
std::unique_ptr<Benchmark> MakeZebraLogic();
std::unique_ptr<Benchmark> MakeMrcr();
std::unique_ptr<Benchmark> MakeLongBenchV2();
std::unique_ptr<Benchmark> MakeInstructionSet(std::string name);  // ifeval, ifbench
std::unique_ptr<Benchmark> MakeNeedles();
std::unique_ptr<Benchmark> MakeEnvTasks(const std::string& what, const BenchmarkOptions& options);
std::unique_ptr<Benchmark> MakeLiveCodeBench(const BenchmarkOptions& options);

// --- What several sets use.

// The letter of a multiple-choice answer as we read it: of the last line that states one ("Answer: (B)", "the answer is
// **C**", "\boxed{D}"), markup aside, or of an answer that is nothing but a letter. `letters` are A to the last choice.
std::optional<char> FinalLetter(const std::string& content, int choices);
// The last \boxed{} of a text.
std::optional<std::string> LastBox(const std::string& content);
// A number that is the same in every run and on every machine.
uint64_t StableHash(std::string_view text);

}  // namespace fulgur
