#include "apps/commands.h"

#include <utility>

namespace fulgur {

namespace {
std::vector<std::function<void()>> g_chosen;
}

void SetAction(CLI::App& command, std::function<void()> action) {
  command.callback([action = std::move(action)] { g_chosen.push_back(action); });
}

const std::vector<std::function<void()>>& ChosenActions() { return g_chosen; }

void AddCommands(CLI::App& app) {
  AddBench(app);
  AddChat(app);
  AddCode(app);
  AddData(app);
  AddEnv(app);
  AddEval(app);
  AddFlops(app);
  AddGenerate(app);
  AddInspect(app);
  AddNewModel(app);
  AddPerplexity(app);
  AddQuantize(app);
  AddRl(app);
  AddSandbox(app);
  AddServe(app);
  AddTrain(app);
  AddTrainTokenizer(app);

  CLI::App* debug = app.add_subcommand("debug", "Read and write the reference formats");
  debug->require_subcommand(1);
  AddDebugAdamW(*debug);
  AddDebugGguf(*debug);
  AddDebugMath(*debug);
  AddDebugModel(*debug);
  AddDebugObjective(*debug);
  AddDebugScore(*debug);
  AddDebugText(*debug);
  AddDebugTokenizer(*debug);
}

}  // namespace fulgur
