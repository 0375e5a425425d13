// Rollouts of models/nano with a judge that answers at once and with one that takes 50 to 500 ms: what the engine
// loses.
#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/background_threads.h"
#include "base/rng.h"
#include "engine/loaded_model.h"
#include "envs/task_env.h"
#include "rl/rollout.h"

namespace fulgur {
namespace {

class LateJudge : public Judge {
 public:
  std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) override {
    const auto wait = std::chrono::milliseconds(50 + Rng(asked_++).Below(451));
    return threads_.Run([wait, &problem, &trajectory] {
      std::this_thread::sleep_for(wait);
      const TaskInstance instance = InstanceOf(problem);
      const Score score = GetTask(instance.task).Verify(instance, trajectory.answer());
      return Verdict{score.value, score.reason};
    });
  }

 private:
  uint64_t asked_ = 0;
  BackgroundThreads threads_{64};
};

// Argument: whether the judge is late.
void BM_Rollouts(benchmark::State& state) {
  ExecContext exec;
  LoadedModel nano = LoadedModel::Load(std::filesystem::path(FULGUR_SOURCE_DIR) / "models/nano", exec);
  RolloutSettings settings;
  settings.responses = 8;
  settings.window = 512;
  settings.stopping.stop_tokens = nano.defaults.stop_tokens;
  settings.engine.max_batch = 256;
  SingleTurnEnv env;
  std::unique_ptr<Judge> judge = state.range(0) != 0 ? std::make_unique<LateJudge>() : MakeTaskJudge();
  const Task& task = GetTask("addition");
  int64_t tokens = 0;
  double waited = 0, seconds = 0;
  for (auto _ : state) {
    const RolloutResult result = GenerateGroups(
        *nano.model, nano.tokenizer, nano.chat_template(), settings, 256, 256,
        [&](int64_t i) {
          return Assignment{TaskProblem(GenerateTrain(task, static_cast<uint64_t>(i), 3), "tasks"), &env, judge.get()};
        },
        {}, {}, nullptr);
    tokens += result.generated_tokens;
    waited += result.waited_seconds;
    seconds += result.seconds;
  }
  state.counters["tokens/s"] = static_cast<double>(tokens) / seconds;
  state.counters["waiting"] = waited / seconds;  // share of the time with nothing to generate
}
BENCHMARK(BM_Rollouts)->Arg(0)->Arg(1)->Iterations(1)->Repetitions(3)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace fulgur
