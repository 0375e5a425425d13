// Reinforcement learning: batches of rollouts, several updates of the policy from each.
//
// A run is a folder (`out` of the config); docs/rl.md describes every file:
//   rollouts/                batch-*.jsonl.gz: every response with its tokens and their log-probabilities
//   evaluations/             step-*.jsonl.gz: the same of held-out problems
//   ratios/                  batch-*.jsonl.gz: the ratios that their tokens had when they were learned from
//   report.html              the notebook (rl/report.h)
//   and what every run has (train/run_loop.h)
// A run that was stopped or killed at any moment, a rollout included, continues and ends with the same bits as one that
// was not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json.h"
#include "ops/exec_context.h"
#include "rl/config.h"
#include "train/run_loop.h"

namespace fulgur {

struct RlOptions : RunOptions {
  bool write_report = false;  // report.html (rl/report.h); RunOptions::report is set by it
};

struct RlResult {
  int64_t batches = 0, updates = 0;  // done in the whole run
  bool finished = false;
  Json evaluation;              // its last one, or null
  std::filesystem::path model;  // if finished
};

// Starts or resumes the run. Errors as Train.
RlResult TrainWithRl(const RlConfig& config, ExecContext& exec, const RlOptions& options);

// Writes the newest checkpoint of the run as a model to `dir`; returns its batch. Error if there is none.
int64_t ExportRlModel(const RlConfig& config, const std::filesystem::path& dir);

}  // namespace fulgur
