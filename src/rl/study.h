// A study: the same run with several settings ("arms"), each with the learning rate that suits it, over several seeds.
//
// Every arm tries every rate with the tuning seeds; the rate with the best mean final accuracy on held-out problems is
// taken for the seeds that count, which are others. Runs are folders OUT/ARM/lr-RATE/seed-N as of `fulgur rl`; those
// that are complete are not run again, one that was stopped goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "ops/exec_context.h"
#include "rl/config.h"

namespace fulgur {

struct StudyConfig {
  std::filesystem::path out;
  Json base;  // a config of `fulgur rl` without "out", "seed" and the schedule's "lr"
  struct Arm {
    std::string name;
    Json set;                   // merged into `base` (RFC 7396)
    std::vector<double> rates;  // that it tries
  };
  std::vector<Arm> arms;
  std::vector<uint64_t> tuning_seeds, seeds;  // no seed is in both

  // Throws Error naming the file and the key, also of what is wrong in a run's config.
  static StudyConfig FromFile(const std::filesystem::path& path);
  std::filesystem::path Folder(const Arm& arm, double rate, uint64_t seed) const;
  RlConfig Run(const Arm& arm, double rate, uint64_t seed) const;
};

// What is kept of a run.
struct StudyRun {
  std::string arm;
  double rate = 0;
  uint64_t seed = 0;
  bool tuning = false;
  std::vector<double> steps, accuracy;                  // of evaluations: batch, mean pass@1 on held-out problems
  std::vector<double> score, entropy, clipped, length;  // of batches: NaN where there is none

  double final_accuracy() const { return accuracy.back(); }
  Json ToJson() const;
  static StudyRun FromJson(const Json& json, const std::string& where);
};

struct StudyOptions {
  int64_t part = 0, parts = 1;              // this process does every parts-th run: several can work side by side
  const std::atomic<bool>* stop = nullptr;  // as RlOptions
  std::string version;
  std::function<void(const std::string&)> say;  // a line when something is done
};

// Does what is left to do. Error if a folder has a run of another config. False if it was stopped, or if runs of other
// parts have to end first.
bool RunStudy(const StudyConfig& config, ExecContext& exec, const StudyOptions& options);

// The runs of a study that are complete, in the config's order: those that tune, and with the rate that they chose
// those that count.
std::vector<StudyRun> CollectStudy(const StudyConfig& config);
void WriteStudyLogs(const std::vector<StudyRun>& runs, const std::filesystem::path& path);  // JSON lines
std::vector<StudyRun> ReadStudyLogs(const std::filesystem::path& path);

struct StudyArmResult {
  std::string arm;
  double rate = 0;
  std::vector<std::pair<double, double>> tried;  // rate, mean final accuracy over the tuning seeds
  std::vector<double> finals;                    // of the seeds that count
  double start = 0;                              // mean accuracy before training
  double mean = 0, error = 0;                    // of finals; half of the 95 % interval (Student's t)
  double best = 0;                               // highest mean accuracy over the seeds at any evaluation
  // Mean over the seeds that both have of this arm's final accuracy less that of the study's first arm; half of its
  // 95 % interval. Absent for the first one, and with fewer than two seeds.
  std::optional<double> difference, difference_error;
};
std::vector<StudyArmResult> SummarizeStudy(const std::vector<StudyRun>& runs);
// accuracy.svg, score.svg, entropy.svg, clipped.svg, length.svg in `folder`: means over the seeds, accuracy with its
// interval.
void DrawStudy(const std::vector<StudyRun>& runs, const std::filesystem::path& folder);

// Half of the 95 % interval of the mean of independent values, by Student's t; infinite for fewer than two.
double MeanError(const std::vector<double>& values);

}  // namespace fulgur
