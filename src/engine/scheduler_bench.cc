// What the scheduler costs and what the prefix cache saves, with the bundled model. Each figure stands beside the one
// it is to be compared with, from the same run:
//   engine_bench
// decode: tokens a second of a full batch in the model alone (forward passes and nothing else), in the engine (with
// sampling, stopping rules and text) and through the scheduler. turn: seconds to the first token of a chat's first turn
// with a long history, and of its second turn.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/rng.h"
#include "engine/scheduler.h"
#include "model/pass.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

LoadedModel& Nano() {
  static ExecContext exec;
  static LoadedModel loaded = LoadedModel::Load(FULGUR_SOURCE_DIR "/models/nano", exec);
  return loaded;
}

std::vector<int32_t> Prompt(Rng& rng, int64_t length) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(rng.Int(0, 255)));
  return ids;
}

GenerationRequest Request(Rng& rng, int64_t prompt, int64_t max_tokens) {
  GenerationRequest r;
  r.prompt = Prompt(rng, prompt);
  r.sampling = Nano().defaults.sampling;
  r.sampling.seed = rng.Next();
  r.stopping.max_tokens = max_tokens;
  r.stopping.early_truncation.tokens = 0;
  return r;
}

// Counts requests down.
class Countdown {
 public:
  explicit Countdown(int64_t count) : left_(count) {}
  void Down() {
    std::lock_guard lock(mutex_);
    if (--left_ == 0) changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t left_;
};

constexpr int64_t kPrompt = 32;

// Seconds of `steps` decoding steps of a batch, forward passes only.
double ModelSeconds(int64_t batch, int64_t steps) {
  Rng rng(1);
  Model& model = *Nano().model;
  std::vector<SequenceState> states(static_cast<size_t>(batch), model.NewState());
  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch));
  std::vector<Segment> segments;
  Pass pass(model);
  const auto step = [&](int64_t count) {
    segments.clear();
    for (size_t i = 0; i < states.size(); ++i) {
      tokens[i] = Prompt(rng, count);
      segments.push_back({&states[i], tokens[i]});
    }
    pass.Forward(segments, LogitRows::kLast);
  };
  step(kPrompt);
  const auto begin = Clock::now();
  for (int64_t i = 0; i < steps; ++i) step(1);
  return Since(begin);
}

// The same in the engine, from when all prompts are processed.
double EngineSeconds(int64_t batch, int64_t steps) {
  Rng rng(1);
  LoadedModel& loaded = Nano();
  Engine engine(*loaded.model, loaded.tokenizer, {.max_batch = batch, .prefill_chunk = batch * kPrompt});
  for (int64_t i = 0; i < batch; ++i) engine.Submit(Request(rng, kPrompt, steps + 1), [](const OutputEvent&) {});
  engine.Step();
  const auto begin = Clock::now();
  engine.Run();
  return Since(begin);
}

// The same through a scheduler, callbacks included.
double SchedulerSeconds(int64_t batch, int64_t steps) {
  Rng rng(1);
  SchedulerOptions options;
  options.engine.max_batch = batch;
  options.engine.prefill_chunk = batch * kPrompt;
  Countdown first(batch), last(batch), submitted(batch);
  options.engine.before_forward = [&] { submitted.Wait(); };  // all begin together
  Scheduler scheduler(Nano(), options);
  int64_t characters = 0;
  for (int64_t i = 0; i < batch; ++i) {
    ScheduledRequest r;
    r.generation = Request(rng, kPrompt, steps + 1);
    scheduler.Submit(std::move(r), [&, seen = false](const OutputEvent& e) mutable {
      if (!std::exchange(seen, true)) first.Down();
      characters += static_cast<int64_t>(e.text.size());
      if (e.end != nullptr) last.Down();
    });
    submitted.Down();
  }
  first.Wait();
  const auto begin = Clock::now();
  last.Wait();
  benchmark::DoNotOptimize(characters);
  return Since(begin);
}

void Decode(benchmark::State& state) {
  const int64_t batch = state.range(0), steps = 64;
  double model = 1e9, engine = 1e9, scheduler = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    model = std::min(model, ModelSeconds(batch, steps));
    engine = std::min(engine, EngineSeconds(batch, steps));
    scheduler = std::min(scheduler, SchedulerSeconds(batch, steps));
  }
  const double tokens = static_cast<double>(batch * steps);
  state.counters["model_tok/s"] = tokens / model;
  state.counters["engine_tok/s"] = tokens / engine;
  state.counters["scheduler_tok/s"] = tokens / scheduler;
  state.counters["scheduler/engine"] = engine / scheduler;
  state.counters["scheduler/model"] = model / scheduler;
}
BENCHMARK(Decode)->Arg(1)->Arg(8)->Arg(64)->Arg(256)->Unit(benchmark::kMillisecond)->Iterations(3);

void Turn(benchmark::State& state) {
  const int64_t history = state.range(0);
  SchedulerOptions options;
  options.engine.max_context = 1 << 20;
  double first = 1e9, second = 1e9;
  for ([[maybe_unused]] auto _ : state) {
    Rng rng(2);
    Scheduler scheduler(Nano(), options);
    ScheduledRequest r;
    r.generation = Request(rng, history, 50);
    const auto turn = [&](std::vector<int32_t>* ids) {
      Countdown done(1);
      double seconds = 0;
      const auto begin = Clock::now();
      scheduler.Submit(r, [&](const OutputEvent& e) {
        if (seconds == 0) seconds = Since(begin);
        for (const OutputToken& t : e.tokens) ids->push_back(t.id);
        if (e.end != nullptr) done.Down();
      });
      done.Wait();
      return seconds;
    };
    std::vector<int32_t> ids = r.generation.prompt;
    first = std::min(first, turn(&ids));
    const std::vector<int32_t> question = Prompt(rng, 30);
    ids.insert(ids.end(), question.begin(), question.end());
    r.generation.prompt = ids;
    second = std::min(second, turn(&ids));
  }
  state.counters["first_ms"] = first * 1e3;
  state.counters["second_ms"] = second * 1e3;
  state.counters["second/first"] = second / first;
}
BENCHMARK(Turn)->Arg(1024)->Arg(8192)->Unit(benchmark::kMillisecond)->Iterations(2);

}  // namespace
}  // namespace fulgur
