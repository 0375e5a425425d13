// Starts in the sandbox beside starts without one: a static C++ program that does nothing, Lua, and Python. Nothing is
// left between runs; with two runs at a time.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <future>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "sandbox/sandbox.h"

extern char** environ;

namespace fulgur {
namespace {

// What the machine itself takes.
void StartBare(benchmark::State& state, std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (auto _ : state) {
    pid_t pid = 0;
    if (posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
      state.SkipWithError("it cannot be started");
      break;
    }
    waitpid(pid, nullptr, 0);
  }
  posix_spawn_file_actions_destroy(&actions);
  state.counters["runs/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

class ProgramFile {
 public:
  ProgramFile(const char* name, const std::string& content) : path_(std::filesystem::temp_directory_path() / name) {
    WriteFileAtomic(path_, content);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  ~ProgramFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void NothingBare(benchmark::State& state) {
  const ProgramFile program("fulgur-bench-nothing", RedTeamFile("").shared->bytes);
  StartBare(state, {program.path(), "nothing"});
}
BENCHMARK(NothingBare)->UseRealTime();

void PythonBare(benchmark::State& state) {
  StartBare(state, {"/usr/bin/python3", "-s", "-S", "-P", "-B", "-c", "print(1)"});
}
BENCHMARK(PythonBare)->UseRealTime();

void LuaBare(benchmark::State& state) {
  const ProgramFile runner("fulgur-bench-lua", LuaRunnerFile("").shared->bytes),
      program("fulgur-bench.lua", "print(1)");
  StartBare(state, {runner.path(), "1000000", "10000000", program.path()});
}
BENCHMARK(LuaBare)->UseRealTime();

void Contained(benchmark::State& state, const SandboxRun& run) {
  const auto at_a_time = static_cast<int>(state.range(0));
  try {
    Sandbox sandbox(at_a_time);
    for (auto _ : state) {
      std::vector<std::future<SandboxOutcome>> outcomes;
      for (int i = 0; i < at_a_time; ++i) outcomes.push_back(sandbox.Run(run));
      for (auto& outcome : outcomes) {
        if (outcome.get().end != RunEnd::kExit) state.SkipWithError("a run failed");
      }
    }
  } catch (const Error& e) {
    state.SkipWithError(e.what());
  }
  state.counters["runs/s"] =
      benchmark::Counter(static_cast<double>(at_a_time * state.iterations()), benchmark::Counter::kIsRate);
}

void Nothing(benchmark::State& state) {
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, {"/nothing", "nothing"});
  run.files = {RedTeamFile("/nothing")};
  Contained(state, run);
}
BENCHMARK(Nothing)->Arg(1)->Arg(2)->UseRealTime();

void Python(benchmark::State& state) {
  Contained(state,
            MakeSandboxRun(SandboxProfile::kJudge, {"/usr/bin/python3", "-s", "-S", "-P", "-B", "-c", "print(1)"}));
}
BENCHMARK(Python)->Arg(1)->Arg(2)->UseRealTime();

void Lua(benchmark::State& state) {
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, {"/lua", "1000000", "10000000", "/p.lua"});
  run.files = {LuaRunnerFile("/lua"), {"/p.lua", "print(1)", false}};
  Contained(state, run);
}
BENCHMARK(Lua)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace fulgur
