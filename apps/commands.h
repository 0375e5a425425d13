// The subcommands of `fulgur`. Each adds itself to the parser; its action runs when it was chosen, after all arguments
// have been read, and throws fulgur::Error for what the user got wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

namespace fulgur {

// What a subcommand does.
void SetAction(CLI::App& command, std::function<void()> action);
// Those of the subcommands that were chosen, the innermost first. main runs them.
const std::vector<std::function<void()>>& ChosenActions();

// One line a subcommand, defined in apps/<name>.cc.
void AddBench(CLI::App& app);
void AddBenchServe(CLI::App& bench);
void AddChat(CLI::App& app);
void AddCode(CLI::App& app);
void AddData(CLI::App& app);
void AddDebugAdamW(CLI::App& debug);
void AddDebugGguf(CLI::App& debug);
void AddDebugMath(CLI::App& debug);
void AddDebugModel(CLI::App& debug);
void AddDebugObjective(CLI::App& debug);
void AddDebugScore(CLI::App& debug);
void AddDebugText(CLI::App& debug);
void AddDebugTokenizer(CLI::App& debug);
void AddEnv(CLI::App& app);
void AddEval(CLI::App& app);
void AddFlops(CLI::App& app);
void AddGenerate(CLI::App& app);
void AddInspect(CLI::App& app);
void AddNewModel(CLI::App& app);
void AddPerplexity(CLI::App& app);
void AddQuantize(CLI::App& app);
void AddRl(CLI::App& app);
void AddSandbox(CLI::App& app);
void AddServe(CLI::App& app);
void AddTrain(CLI::App& app);
void AddTrainTokenizer(CLI::App& app);

void AddCommands(CLI::App& app);

}  // namespace fulgur
