#include "train/run_loop.h"

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "base/progress.h"
#include "model/checkpoint.h"
#include "model/cost.h"
#include "train/run_info.h"

namespace fulgur {

namespace fs = std::filesystem;

namespace {

// A line for whoever watches. Not fmt::print, which throws when nobody does (a closed pipe).
void Say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

}  // namespace

RunLoop::RunLoop(RunPlan plan, const RunOptions& options)
    : plan_(std::move(plan)),
      options_(options),
      folder_(plan_.out, options.fresh),
      checkpoints_(plan_.out / "checkpoints") {
  const Json before = folder_.Fingerprint();
  if (before.is_null() || checkpoints_.empty()) {  // nothing has been trained that another config could spoil
    folder_.WriteFingerprint(plan_.fingerprint);
  } else {  // soon, before a large model is read
    CheckSameRun(before, plan_.fingerprint, 0, plan_.length, plan_.out);
  }
}

RunLoop::~RunLoop() = default;

void RunLoop::Restore(Learner& learner, size_t sources) {
  learner_ = &learner;
  auto found = checkpoints_.ReadNewest(learner.config(), sources, learner.params(), learner.m(), learner.v());
  if (!found) {
    state_.fingerprint = plan_.fingerprint;
    CheckRoom();
    return;
  }
  CheckSameRun(found->fingerprint, plan_.fingerprint, found->step, plan_.length, plan_.out);
  if (folder_.Fingerprint() != plan_.fingerprint) folder_.WriteFingerprint(plan_.fingerprint);
  state_ = std::move(*found);
  state_.fingerprint = plan_.fingerprint;
  learner.model().Repack();
  saved_step_ = state_.step;
  restored_ = true;
  CheckRoom();
}

void RunLoop::PrintStart(const std::string& what, int threads) const {
  if (options_.quiet) return;
  const ParameterCount count = CountParameters(learner_->config());
  std::string line =
      fmt::format("{} parameters, {} active; {}; {} threads", HumanCount(static_cast<double>(count.total)),
                  HumanCount(static_cast<double>(count.active)), what, threads);
  if (options_.peak_gflops > 0) line += fmt::format(", {:.0f} GFLOP/s at most", options_.peak_gflops);
  if (restored_) line += fmt::format("; resumed at {} {}", plan_.step, state_.step);
  Say(line);
}

Json RunLoop::Newest(const char* key) const {
  return metrics_ && metrics_->newest().contains(key) ? metrics_->newest()[key] : Json();
}

// A full disk is to be seen now, not at the first checkpoint.
void RunLoop::CheckRoom() const {
  if (state_.step >= plan_.steps) return;
  const auto parameters = static_cast<uint64_t>(CountParameters(learner_->config()).total);
  std::error_code failed;
  const fs::space_info space = fs::space(plan_.out, failed);
  if (failed) return;
  const std::string warning =
      CheckRoomFor({.checkpoint = parameters * static_cast<uint64_t>(3 + plan_.past) * sizeof(float),
                    .model = parameters * DTypeSize(plan_.model.dtype),
                    .there = checkpoints_.size(),
                    .keep = static_cast<uint64_t>(plan_.checkpoint.keep)},
                   space.available, plan_.out);
  if (!warning.empty()) Say("warning: " + warning);
}

void RunLoop::WriteInfo() {
  if (!options_.config_text.empty()) WriteFileAtomic(plan_.out / "config.json", options_.config_text);
  Json session = MachineState(learner_->model().exec().pool().threads());
  session["version"] = options_.version;
  session["git"] = GitState();
  session[plan_.step] = state_.step;
  AppendJsonLine(plan_.out / "sessions.jsonl", session);
  if (restored_) return;
  const std::string diff = GitDiff();
  if (!diff.empty()) WriteFileAtomic(plan_.out / "git.diff", diff);
}

void RunLoop::Report(bool now) {
  if (!options_.report) return;
  if (!now && reported_ && SecondsSince(*reported_) < std::max(options_.report_seconds, 50 * report_cost_)) return;
  const auto start = Clock::now();
  try {
    options_.report();
  } catch (const std::exception& e) {
    if (!options_.quiet && !report_failed_) Say(fmt::format("no report: {}", e.what()));
    report_failed_ = true;
  }
  reported_ = Clock::now();
  report_cost_ = SecondsSince(start);
}

bool RunLoop::Run(RunWork& work) {
  WriteInfo();
  // Lines of steps that are done again are dropped.
  const int64_t logged = !restored_ ? -1 : state_.line.is_null() ? state_.step : state_.step - 1;
  metrics_ = std::make_unique<MetricsLog>(plan_.out, logged);
  if (state_.step < plan_.steps && fs::exists(model_folder())) {
    const fs::path aside = AsidePath(model_folder());
    fs::rename(model_folder(), aside);
    if (!options_.quiet) Say(fmt::format("the model of an earlier end of the run is moved to {}", aside.string()));
  }
  saved_ = Clock::now();
  updates_ = learner_->updates();
  try {
    Steps(work);
    if (saved_step_ < state_.step) WriteCheckpoint(work);  // stopped within a step or a measurement
  } catch (...) {
    KeepLastStep(work);
    throw;
  }
  progress_.reset();
  const bool finished = state_.step >= plan_.steps && state_.line.is_null();
  if (finished && !fs::exists(model_folder() / kConfigFile)) {  // written last
    SaveModel(model_folder(), learner_->config(), learner_->params(), plan_.model);
  }
  Report(/*now=*/true);
  return finished;
}

void RunLoop::Steps(RunWork& work) {
  if (!restored_ && work.Measures(0)) state_.line = {{"step", 0}, {"time", UnixTime()}};
  if (!state_.line.is_null() && !EndStep(work)) return;
  if (!options_.quiet && state_.step < plan_.steps) {
    progress_ = std::make_unique<ProgressBar>(plan_.doing, plan_.steps, plan_.length.steps);
    progress_->StartFrom(state_.step);
  }
  while (state_.step < plan_.steps) {
    RunState next = state_;
    ++next.step;
    next.line = {{"step", next.step}, {"time", 0.0}};
    if (!work.Step(next, next.line)) return;
    next.line["time"] = UnixTime();
    next.line["memory"] = MemoryJson();
    state_ = std::move(next);
    updates_ = learner_->updates();
    if (!EndStep(work)) return;
  }
}

// Measures what is due after the step, logs its line, and writes a checkpoint if it is time for one. False if the run
// is to stop. Until the line is in the metrics it is a part of the state.
bool RunLoop::EndStep(RunWork& work) {
  Json line = state_.line;
  if (work.Measures(state_.step) && !work.Measure(state_, line)) return false;
  metrics_->Add(line);
  state_.line = Json();
  Report(/*now=*/false);
  if (progress_) {
    progress_->Update(state_.step, work.Note(line));
  } else if (!options_.quiet) {
    Say(fmt::format("{} {}: {}", plan_.step, state_.step, work.Note(line)));
  }
  const bool stop = stopped();
  const CheckpointConfig& when = plan_.checkpoint;
  if (stop || state_.step == 0 || state_.step == plan_.steps ||
      (when.every_steps > 0 && state_.step % when.every_steps == 0) ||
      (when.every_seconds > 0 && SecondsSince(saved_) >= when.every_seconds)) {
    WriteCheckpoint(work);
  }
  return !stop;
}

void RunLoop::WriteCheckpoint(RunWork& work) {
  metrics_->Sync();  // never behind the checkpoint
  checkpoints_.Write(learner_->config(), state_, learner_->params(), learner_->m(), learner_->v(),
                     plan_.checkpoint.keep);
  saved_step_ = state_.step;
  saved_ = Clock::now();
  work.Saved(state_.step);
}

// After a failure: a checkpoint of the last complete step, if the weights are still what it left.
void RunLoop::KeepLastStep(RunWork& work) {
  progress_.reset();
  if (saved_step_ == state_.step) return;
  std::string why = "the weights have changed since";
  if (learner_->updates() == updates_) {
    try {
      WriteCheckpoint(work);
      Say(fmt::format("a checkpoint of {} {} was written", plan_.step, state_.step));
      return;
    } catch (const std::exception& e) {
      why = e.what();
    }
  }
  Say(fmt::format("there is no checkpoint of {} {}: {}; the newest is of {} {}", plan_.step, state_.step, why,
                  plan_.step, saved_step_));
}

}  // namespace fulgur
