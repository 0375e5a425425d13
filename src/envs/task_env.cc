#include "envs/task_env.h"

#include "base/error.h"
#include "envs/instance.h"

namespace fulgur {

Problem TaskProblem(const TaskInstance& instance, const std::string& source) {
  Problem problem;
  problem.source = source;
  problem.task = instance.task;
  problem.difficulty = instance.difficulty;
  problem.id = instance.seed;
  problem.prompt = instance.prompt;
  problem.messages = Json::array({{{"role", "user"}, {"content", instance.prompt}}});
  problem.record = {{"task", instance.task},
                    {"seed", SeedToJson(instance.seed)},
                    {"difficulty", instance.difficulty},
                    {"data", instance.data}};
  return problem;
}

TaskInstance InstanceOf(const Problem& problem) {
  const std::string where = "the record of a problem of " + problem.source;
  TaskInstance instance;
  instance.task = JsonGet<std::string>(problem.record, "task", where);
  instance.difficulty = problem.difficulty;
  instance.seed = problem.id;
  instance.prompt = problem.prompt;
  if (!problem.record.contains("data")) throw Error("{} has no \"data\"", where);
  instance.data = problem.record["data"];
  return instance;
}

std::unique_ptr<Judge> MakeTaskJudge() {
  return std::make_unique<RuleJudge>([](const Problem& problem, const Trajectory& trajectory) {
    const TaskInstance instance = InstanceOf(problem);
    const Score score = GetTask(instance.task).Verify(instance, trajectory.answer());
    return Verdict{score.value, score.reason};
  });
}

}  // namespace fulgur
