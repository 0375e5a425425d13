// The loop of a training run, whatever its steps are: trainer.h takes steps on documents, rl/trainer.h on rollouts.
//
// The loop has the run's folder and its lock, the metrics, the progress, the checkpoints, the flag that stops a run,
// and the model at the end. A run that was stopped, killed or failed goes on from its newest checkpoint and ends with
// the same bits as one that was not.
//
//   run.json             what of the config decides the weights
//   checkpoints/         step-*.safetensors, see run_state.h
//   config.json          the config as it was given
//   sessions.jsonl       where, when and from which source it was computed, a line a start; git.diff
//   metrics.jsonl        one line a step; tensorboard/ has the same
//   model/               the finished model in the Hugging Face layout, tokenizer included
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "train/config.h"
#include "train/learner.h"
#include "train/metrics.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/save_model.h"

namespace fulgur {

class ProgressBar;

// How a run is done. Nothing of it changes a weight.
struct RunOptions {
  bool fresh = false;      // move the files of an earlier run in `out` aside (to out.1, out.2, ...) and start anew
  double peak_gflops = 0;  // float32 peak of the machine, for the share of it; 0: not reported
  const std::atomic<bool>* stop = nullptr;  // when set: finish the step, write a checkpoint, return
  bool quiet = false;                       // no progress
  std::string config_text;                  // written to config.json; empty: none
  std::string version;                      // of the program, for sessions.jsonl
  // Writes a report of the run's folder: after a step, `report_seconds` or more after the last time, and at the end.
  // At most a fiftieth of the time goes into it. What it throws costs no run.
  std::function<void()> report;
  double report_seconds = 30;
};

// What the loop needs of a config.
struct RunPlan {
  std::filesystem::path out;
  Json fingerprint;   // what decides the weights, the contents of the files that it names included
  RunLength length;   // how the fingerprint has the number of steps
  int64_t steps = 0;  // of the whole run
  const char *doing = "training", *step = "step";  // in messages
  CheckpointConfig checkpoint;
  ModelFiles model;  // that goes with the weights
  int64_t past = 0;  // most copies of earlier weights that a checkpoint has (RunState::past)
};

// What a kind of run does in the loop.
class RunWork {
 public:
  virtual ~RunWork() = default;

  // One step. `state` comes as that of the last complete step, its number counted up; Step sets the rest of what a
  // checkpoint is to hold, and fills in `line` for the metrics. Weights change through the learner only. False: it was
  // stopped, and no weight has changed.
  virtual bool Step(RunState& state, Json& line) = 0;

  // Whether something is measured after this step; 0 is before the first.
  virtual bool Measures(int64_t step) const = 0;
  // Adds it to the line of the step. False: it was stopped.
  virtual bool Measure(const RunState& state, Json& line) = 0;

  virtual std::string Note(const Json& line) = 0;  // beside the progress
  virtual void Saved(int64_t /*step*/) {}          // a checkpoint of this step is on the disk
};

class RunLoop {
 public:
  // Takes the folder: Errors as RunFolder, and if it holds a run of another config.
  RunLoop(RunPlan plan, const RunOptions& options);
  ~RunLoop();

  // Reads the newest checkpoint into the learner, which must outlive the loop. `sources` is that of
  // RunCheckpoints::ReadNewest. Error if a run of this config does not go on from it, or if the disk has no room for
  // the next checkpoint.
  void Restore(Learner& learner, size_t sources);
  bool restored() const { return restored_; }
  const RunState& state() const { return state_; }  // of the last complete step

  // Prints what is going to be done, unless the run is quiet.
  void PrintStart(const std::string& what, int threads) const;

  bool stopped() const { return options_.stop != nullptr && options_.stop->load(); }
  // The steps that are left; then the model. True if the run is finished, false if it was stopped. What the work throws
  // goes on to the caller, after a checkpoint of the last complete step if there can be one.
  // The model of an earlier end of the run is moved aside, to model.1, model.2, ..., when steps are left.
  bool Run(RunWork& work);
  // The newest value that the metrics have for a key, also of an earlier process; null if there is none. After Run.
  Json Newest(const char* key) const;
  std::filesystem::path model_folder() const { return plan_.out / "model"; }

 private:
  void Steps(RunWork& work);
  bool EndStep(RunWork& work);
  void WriteCheckpoint(RunWork& work);
  void KeepLastStep(RunWork& work);
  void CheckRoom() const;
  void WriteInfo();
  void Report(bool now);

  RunPlan plan_;
  RunOptions options_;
  RunFolder folder_;
  RunCheckpoints checkpoints_;
  RunState state_;
  Learner* learner_ = nullptr;
  bool restored_ = false;
  int64_t updates_ = 0;     // of the learner, at the end of the last complete step
  int64_t saved_step_ = 0;  // of the newest checkpoint
  Clock::time_point saved_;
  std::unique_ptr<MetricsLog> metrics_;
  std::unique_ptr<ProgressBar> progress_;
  std::optional<Clock::time_point> reported_;  // when the last report was written, and how long it took
  double report_cost_ = 0;
  bool report_failed_ = false;
};

}  // namespace fulgur
