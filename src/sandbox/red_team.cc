#include "sandbox/red_team.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {
namespace {

std::atomic<int> g_runs{0};

// Processes of this name, which no others have.
std::vector<std::string> ProcessesNamed(const std::string& name) {
  std::vector<std::string> found;
  std::error_code gone;
  for (std::filesystem::directory_iterator entry("/proc", gone), end; entry != end; entry.increment(gone)) {
    const std::string pid = entry->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      if (ReadFile(entry->path() / "comm") == name + "\n") found.push_back(pid);
    } catch (const Error&) {
    }
  }
  return found;
}

bool IsAmong(std::string_view word, std::string_view words) {
  return (" " + std::string(words) + " ").find(" " + std::string(word) + " ") != std::string::npos;
}

}  // namespace

AttackResult TryAttack(Sandbox& sandbox, const Attack& attack) {
  const auto profile = attack.as == AttackRuns::kJudge ? SandboxProfile::kJudge : SandboxProfile::kRepository;
  const std::string name = fmt::format("fa-{:x}-{:x}", getpid(), g_runs++).substr(0, 15);
  SandboxRun run = MakeSandboxRun(profile, {"/" + name, std::string(attack.name)});
  run.files.push_back(RedTeamFile("/" + name));
  run.input.assign(4 << 20, 'x');  // more than a pipe holds
  run.collect = {"out"};
  // To touch new memory takes long on a busy machine.
  run.limits.cpu_seconds = IsAmong("memory", attack.ends) ? 10 : 0.5;
  run.limits.wall_seconds = IsAmong("wall", attack.ends) ? 0.5 : 60;
  run.limits.memory_bytes = 256 << 20;
  const SandboxOutcome outcome = sandbox.Run(std::move(run)).get();
  const std::string end = RunEndName(outcome.end);
  if (outcome.out.find("ESCAPED") != std::string::npos) return {false, "it got through"};
  if (!IsAmong(end, attack.ends)) {
    return {false, fmt::format("it ended by {} {}, not by {}", end, outcome.problem, attack.ends)};
  }
  if (outcome.end == RunEnd::kExit && outcome.out != "refused\n") return {false, "it did not say that it was refused"};
  for (const SandboxFile& file : outcome.collected) {
    if (!file.content.empty()) return {false, "a file was handed out that it does not have"};
  }
  if (outcome.peak_memory > (512 << 20)) {
    return {false, fmt::format("it had {} bytes of memory", outcome.peak_memory)};
  }
  if (const auto left = ProcessesNamed(name); !left.empty()) {
    return {false, fmt::format("process {} of it is still there", left[0])};
  }
  return {true, outcome.end == RunEnd::kExit ? "refused" : "ended by " + end};
}

}  // namespace fulgur
