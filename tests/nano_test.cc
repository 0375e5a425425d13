// The bundled model does what its card says: the first problems of each task in models/nano/eval.json are solved again.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/json.h"
#include "engine/loaded_model.h"
#include "envs/task_env.h"
#include "eval/evaluate.h"
#include "ops/gemm.h"

namespace fulgur {
namespace {

TEST(Nano, SolvesWhatItsCardSays) {
  const std::filesystem::path dir = std::filesystem::path(FULGUR_SOURCE_DIR) / "models/nano";
  const Json card = ReadJsonFile(dir / "eval.json");  // fulgur eval models/nano --task trained --count 200 --json
  ExecContext exec;
  LoadedModel nano = LoadedModel::Load(dir, exec);
  EvalOptions options;
  options.stopping.stop_tokens = nano.defaults.stop_tokens;
  options.stopping.max_tokens = 2048;  // as fulgur eval
  std::vector<const Task*> tasks;
  for (const Json& task : card["tasks"]) tasks.push_back(&GetTask(JsonGet<std::string>(task, "task", "eval.json")));
  std::vector<std::string> measured;
  for (const Task* task : tasks) measured.emplace_back(task->name());
  ASSERT_EQ(Json(measured), ReadJsonFile(dir / "tasks.json")) << "a task that it was trained on is missing on the card";
  SingleTurnEnv env;
  const std::unique_ptr<Judge> judge = MakeTaskJudge();
  const EvalReport report = Evaluate(*nano.model, nano.tokenizer, nano.chat_template(),
                                     HeldOutProblems(tasks, 6, 0, options.seed), env, *judge, options);

  int64_t different = 0;
  for (size_t t = 0; t < report.tasks.size(); ++t) {
    const std::string verdicts = JsonGet<std::string>(card["tasks"][t], "verdicts", "eval.json").substr(0, 6);
    EXPECT_EQ(verdicts.size(), 6u);
    for (size_t i = 0; i < verdicts.size(); ++i) different += verdicts[i] != report.tasks[t].verdicts[i];
  }
  // Instruction sets with a fused multiply-add give the same bits, so the same verdicts; without one a few may turn.
  const std::string set = InstructionSet();
  if (set == "AMX" || set.starts_with("AVX") || set.starts_with("NEON")) {
    EXPECT_EQ(different, 0);
  } else {
    EXPECT_LE(different, 6);
  }
}

}  // namespace
}  // namespace fulgur
