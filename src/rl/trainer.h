// Reinforcement learning: batches of rollouts, several updates of the policy from each.
//
// A run is a folder (`out` of the config); docs/rl.md describes every file:
//   config.json, run.json    the config as it was given, and what of it decides the weights
//   sessions.jsonl, git.diff where and from which source it was computed
//   metrics.jsonl            one line a batch; tensorboard/ has the same
//   rollouts/                batch-*.jsonl.gz: every response with its tokens and their log-probabilities
//   evaluations/             step-*.jsonl.gz: the same of held-out problems
//   report.html              the notebook (rl/report.h)
//   checkpoints/, model/     as of every run (train/run_loop.h)
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
  double report_seconds = -1;  // at least so long between two reports (rl/report.h); < 0: none is written
  std::string config_text;     // written to config.json; empty: none
  std::string version;         // of the program, for sessions.jsonl
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
