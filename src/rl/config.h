// The configuration of a reinforcement-learning run, from a JSON file. docs/rl.md lists every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "code/code_problem.h"
#include "engine/generation.h"
#include "eval/answer_checker.h"
#include "eval/gold_report.h"
#include "ops/packed_matrix.h"
#include "rl/objective.h"
#include "rl/reward.h"
#include "tensor/tensor.h"
#include "train/config.h"

namespace fulgur {

// A value that changes over the run: (part of the run that is done, value), linear in between and constant outside.
struct Ramp {
  std::vector<std::pair<double, double>> points{{0, 1}};
  double At(double progress) const;
};

// What a source of problems of programming adds.
struct CodeSource {
  std::optional<Language> language;  // that the prompts ask for; none: the problem's
  bool partial = false;              // the score is the share of tests that pass
  int64_t runs = 0;                  // at a time; 0: as many as there are processors
};

// Where problems come from.
struct ProblemSourceConfig {
  enum class Type { kTasks, kFile, kInstances, kCode };
  Type type = Type::kTasks;
  std::string name;
  Ramp weight;

  std::vector<TaskMix> tasks;                  // kTasks
  TrainPart part = TrainPart::kReinforcement;  // kTasks, kInstances

  std::filesystem::path path;  // kFile: JSON lines of {"prompt", "answer"}; kInstances: of instances of tasks
  Checker checker;             // kFile
  CodeSource code;             // kCode: JSON lines of problems (docs/code.md)
  double max_unreadable = kMaxUnreadable;  // kFile: part of the answers that may be of no use to the checker
  // The starting model tries each problem `samples` times; those it solves with a rate in (low, high), the ends
  // excluded, are kept. 0 samples: all are. Of kTasks the problems are the first so many that are drawn.
  struct Filter {
    int64_t samples = 0, problems = 0;
    double low = 0, high = 0.9;
  } filter;
  // Problems that share a run of `words` words with these files are left out.
  struct Decontaminate {
    std::vector<std::filesystem::path> against;
    int words = 10;
  } decontaminate;
};

// Which difficulties of a task are practised, by how often they are solved.
struct CurriculumConfig {
  double low = 0.05, high = 0.9;  // pass rates of the levels that are kept
  double unlock = 0.5;            // pass rate of a level that opens the next
  double probe = 0.05;            // weight, beside 1, of a level that is out of these bounds
  double decay = 0.9;             // of the counts, for each batch that has the level
  double min_count = 16;          // responses (decayed) before a rate is believed
  bool enabled = true;            // false: levels by the weights of the config
};

// A stage of window expansion. What it does not set is as before.
struct StageConfig {
  int64_t window = 0;  // most tokens of a response
  std::optional<double> is_weight_max, mask_low, mask_high, clip;
};

struct RlConfig {
  std::filesystem::path out;
  uint64_t seed = 1;
  int threads = 0;
  std::filesystem::path model;  // where to start from

  std::vector<ProblemSourceConfig> data;
  CurriculumConfig curriculum;

  int64_t batches = 0;
  struct Rollouts {
    int64_t prompts = 32, responses = 8;  // of a batch: groups, and responses of each
    int64_t max_batch = 256;              // sequences that are generated at a time
    int64_t most_prompts = 0;             // dynamic sampling: groups tried for a batch, at most; == prompts: off
    std::optional<int64_t> thinking_budget;
    bool starts_in_thinking = false;
    EarlyTruncation early_truncation;
    // Formats of the weights that generate (attention projections and experts; LM head); f32 is what is trained.
    WeightFormat weights = WeightFormat::kF32, lm_head = WeightFormat::kF32;
    double temperature = 1, top_p = 1;  // of sampling; ratios are between policies at these
    int64_t lag = 0;            // batches that the policy which samples is older than the one which learns from them
    double correction_max = 2;  // bound of the truncated importance weight if they differ from those trained
    int64_t keep_every = 1;     // batches whose rollouts stay in the run's folder
    bool low_precision() const { return weights != WeightFormat::kF32 || lm_head != WeightFormat::kF32; }
  } rollouts;

  int64_t updates = 1;  // of a batch
  std::string objective_name;
  Objective objective;
  RewardConfig reward;

  std::vector<StageConfig> stages;  // at least one
  // When the window is too small for what the model has learned in it: its text is not getting more predictable any
  // more, and its long responses are near the window.
  struct StageRule {
    int64_t batches = 5;        // compared: the mean of the last so many, and of as many before them
    double tolerance = 0.02;    // largest relative change of the perplexity between the two
    double length_share = 0.9;  // of the window that the 99th percentile of lengths reaches
  } stage_rule;

  AdamWOptions optimizer;
  bool decay_norms = true;
  double clip = 1;
  Schedule schedule;  // steps: updates
  double aux_coef = 0;
  int64_t micro_tokens = 4096;
  bool recompute = false;

  struct Evaluation {
    int64_t every = 0;                      // batches; 0: never
    int64_t problems = 32;                  // held-out ones of each task
    int64_t samples = 1;                    // responses to each
    std::vector<ProblemSourceConfig> data;  // of these, the first problems of each file; empty: of the tasks of `data`
  } evaluation;

  CheckpointConfig checkpoint;
  DType save_dtype = DType::kBF16;

  ConfigKeys keys;  // keys.fingerprint: what decides the weights

  // Throws Error that names `where` and the key.
  static RlConfig FromJson(const Json& json, const std::string& where);
  static RlConfig FromFile(const std::filesystem::path& path);

  // The objective and the bound of the gradient's norm in a stage.
  Objective ObjectiveOf(size_t stage) const;
  double ClipOf(size_t stage) const;
};

}  // namespace fulgur
