// A judge of your own: it scores held-out additions, and takes off up to half of the score for a long answer. The same
// class judges rollouts in reinforcement learning. A judge that takes time derives from fulgur::Judge and answers
// later.
//   judge models/nano
#include "envs/judge.h"

#include <algorithm>
#include <cstdio>
#include <exception>

#include "engine/loaded_model.h"
#include "envs/task_env.h"
#include "eval/evaluate.h"

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: judge MODEL\n");
    return 2;
  }
  fulgur::ExecContext exec;
  fulgur::LoadedModel loaded = fulgur::LoadedModel::Load(argv[1], exec);
  fulgur::EvalOptions options;
  options.stopping.stop_tokens = loaded.defaults.stop_tokens;
  fulgur::SingleTurnEnv env;
  fulgur::RuleJudge judge([](const fulgur::Problem& problem, const fulgur::Trajectory& trajectory) {
    const fulgur::TaskInstance instance = fulgur::InstanceOf(problem);
    fulgur::Score score = fulgur::GetTask(instance.task).Verify(instance, trajectory.answer());
    if (score.value > 0) {
      const int64_t tokens = trajectory.sampled_tokens();
      score.value *= 1 - 0.5 * std::min(1.0, static_cast<double>(tokens) / 400);
      score.reason = "right, in " + std::to_string(tokens) + " tokens";
    }
    return fulgur::Verdict{score.value, score.reason};
  });
  const auto problems =
      fulgur::HeldOutProblems({&fulgur::GetTask("addition")}, /*count=*/8, /*difficulty=*/0, /*seed=*/1);
  const fulgur::EvalReport report =
      fulgur::Evaluate(*loaded.model, loaded.tokenizer, loaded.chat_template(), problems, env, judge, options);
  for (const fulgur::EvalSample& sample : report.samples) {
    std::printf("%.3f  %s\n", sample.verdict.score.value_or(0), sample.verdict.reason.c_str());
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "judge: %s\n", e.what());
  return 1;
}
