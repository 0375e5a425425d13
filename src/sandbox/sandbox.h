// Runs of untrusted programs: contained, limited, a bounded number at a time. docs/sandbox.md says against what.
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/background_threads.h"
#include "sandbox/run.h"

namespace fulgur {

// Whether programs can be contained on this machine, as this user.
struct SandboxProbe {
  bool contained = false;
  std::string missing;  // what is missing, why, and what would help; empty if contained
  std::string tier;     // SandboxTier()
  std::string user;     // as whom the runs are: "uid 61007 (root was given up)"
};
// What limits the memory of a run: "rlimits", limits of address space and a look at all processes every 10 ms.
const char* SandboxTier();
// Starts a launcher, and a program in it. Never throws for what is missing.
SandboxProbe ProbeSandbox();

class Sandbox {
 public:
  // runs_at_a_time: more wait, in order. Throws Error that says what is missing if a program cannot be contained here;
  // there is no lesser way to run it.
  explicit Sandbox(int runs_at_a_time);
  ~Sandbox();  // after the last run that was asked for
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // Any thread may ask. A program, an input or a limit that cannot be is an Error from here; all that happens to the
  // run is in its outcome. A run whose infrastructure fails is tried once more.
  std::future<SandboxOutcome> Run(SandboxRun run);
  // Two runs that begin together, to talk to each other through their descriptors; as one in the bounded number.
  std::future<std::pair<SandboxOutcome, SandboxOutcome>> RunPair(SandboxRun first, SandboxRun second);
  int runs_at_a_time() const { return runs_at_a_time_; }

 private:
  class Launcher;
  SandboxOutcome RunNow(const SandboxRun& run);
  std::unique_ptr<Launcher> Take();
  void Return(std::unique_ptr<Launcher> launcher);

  const int runs_at_a_time_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Launcher>> idle_;
  std::unique_ptr<BackgroundThreads> threads_;
};

// A run under a profile with all that it allows.
SandboxRun MakeSandboxRun(SandboxProfile profile, std::vector<std::string> command);

// The static programs that are brought along, as files of a run.
SandboxFile LuaRunnerFile(std::string to);
SandboxFile RedTeamFile(std::string to);

}  // namespace fulgur
