// A run of a benchmark, as a folder:
//   run.json          what was asked of whom, with checksums of the data and the prompt
//   samples.jsonl.gz  one answer a line, in the order in which they came
//   scores.jsonl      one verdict a line, by item and sample
//   results.json      the figures
// A sample is named by its item and its number; all else that decides its text stands in run.json. A run that was
// killed goes on with the samples it lacks, and its results are the same byte for byte. Scores need no generation.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/answer_source.h"
#include "eval/benchmark.h"

namespace fulgur {

// What decides which questions are asked. Kept in run.json.
struct BenchmarkRunOptions {
  std::string benchmark;
  std::filesystem::path data;    // empty: of a set that is made
  std::filesystem::path prompt;  // empty: the set's own
  std::string preset = "report";
  BenchmarkOptions set;
  int64_t samples = 1;
  uint64_t seed = 1;
  int64_t limit = 0;  // only the first so many items; 0: all
};

// A benchmark with its data, ready to be asked.
class BenchmarkTask {
 public:
  // Error that names file, record and field.
  explicit BenchmarkTask(BenchmarkRunOptions options);

  const BenchmarkRunOptions& options() const { return options_; }
  const Benchmark& set() const { return *set_; }
  const std::vector<BenchmarkItem>& items() const { return items_; }
  BenchmarkQuestion Question(size_t item, int64_t sample) const;
  Json Describe() const;  // with checksums
  static BenchmarkRunOptions FromDescription(const Json& run);

 private:
  BenchmarkRunOptions options_;
  std::unique_ptr<Benchmark> set_;
  std::optional<PromptFile> prompt_;
  std::vector<BenchmarkItem> items_;
  uint32_t data_checksum_ = 0;
};

// One sample with its verdict.
struct ScoredSample {
  SampleState state = SampleState::kError;
  BenchmarkScore score;
  int64_t prompt_tokens = 0, output_tokens = 0, thinking_tokens = 0;
};
// By item (its place) and sample; what has no answer is not there. Without the answers' texts, so that a run of many
// samples takes little memory.
using ScoredSamples = std::map<std::pair<size_t, int64_t>, ScoredSample>;
ScoredSample ScoreAnswer(const BenchmarkTask& task, size_t item, int64_t sample, const BenchmarkAnswer& answer);

struct BenchmarkRunReport {
  int64_t asked = 0, kept = 0;      // in this call, and from earlier ones
  int64_t prompt_tokens = 0;        // of what was asked and answered
  int64_t cached_tokens = 0;        // of these, read from a prefix cache
  std::vector<std::string> errors;  // samples that have no answer, and why
};

// Asks what `folder` lacks, and writes scores and results. Samples that failed are asked again when the run goes on.
// Error if the folder holds another run. `progress` (may be null) is told how many of all samples are there.
BenchmarkRunReport RunBenchmark(const BenchmarkTask& task, AnswerSource& source, const std::filesystem::path& folder,
                                const std::function<void(int64_t done, int64_t total)>& progress = nullptr);

// The run in a folder, its answers scored by the rules of today. `visit` (may be null) sees every answer.
struct LoadedRun {
  Json description;  // run.json
  BenchmarkTask task;
  ScoredSamples samples;
};
LoadedRun LoadRun(const std::filesystem::path& folder,
                  const std::function<void(size_t item, int64_t sample, const BenchmarkAnswer&, const ScoredSample&)>&
                      visit = nullptr);
// Scores a run's answers again and returns its results. `verdicts`: of LiveCodeBench's evaluator, if they are there
// now.
Json RescoreRun(const std::filesystem::path& folder, const std::filesystem::path& verdicts = {});
// LiveCodeBench's answers in the form that its official evaluator reads.
void ExportPredictions(const std::filesystem::path& folder, const std::filesystem::path& file);

// What the MiniMax-M1 report has for a set in its table 2 (arXiv 2506.13585), in percent: {"M1-40k", "M1-80k"}; null
// for a set that is not there.
Json ReportedPercent(const std::string& benchmark);

// The figures of a run.
Json BenchmarkResults(const BenchmarkTask& task, const ScoredSamples& samples);

// Runs of one benchmark held against the first, paired by item.
Json CompareRuns(const std::vector<std::filesystem::path>& folders);
// An SVG picture of runs' strict scores against the lengths of their prompts. results: of results.json.
std::string LengthCurve(const std::vector<Json>& results, const std::vector<std::string>& names);
// The figures of a run and of a comparison for people.
std::string ResultsText(const Json& results);
std::string ComparisonText(const Json& comparison);

// One HTML page with all of the run, which needs no network.
std::string RunPage(const std::filesystem::path& folder);

}  // namespace fulgur
