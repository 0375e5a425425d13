// A run of an untrusted program, and what became of it. Plain data: what Fulgur and its launcher say to each other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fulgur {

// What a run may be. The judge's: one process (threads are allowed), little of everything. A repository's: a process
// tree, such as a test suite. A compile: a compiler with its helpers.
enum class SandboxProfile { kJudge, kRepository, kCompile };

struct SandboxLimits {
  double cpu_seconds = 0;    // of all processes together
  double wall_seconds = 0;   // from start to end
  int64_t memory_bytes = 0;  // of all processes together; /tmp is beside it
  int64_t processes = 0;     // at a time; 1: none can be started
  int64_t threads = 0;       // at a time, of all processes together
  int64_t output_bytes = 0;  // of standard output, and as much of standard error
  int64_t tmp_bytes = 0;     // in /tmp
  int64_t tmp_files = 0;     // files and folders in /tmp
};
// What a profile allows: judge 2 s of CPU, 256 MB, 1 process, 1 MB of output, 16 MB and 1,000 files in /tmp; repository
// 10 s, 1 GB, 32 processes; compile 20 s, 1 GB, 16 processes. The wall limit is 5 times the CPU limit and 2 s.
SandboxLimits LimitsOf(SandboxProfile profile);
// The wall limit that belongs to a CPU limit.
inline double WallLimit(double cpu_seconds) { return 5 * cpu_seconds + 2; }

// Bytes that many runs get, such as an interpreter: a launcher is sent them once, and its runs share one file.
struct SharedBytes {
  int64_t id = 0;  // from 1 on, of no others in this process
  std::string bytes;
};

struct SandboxFile {
  std::string to;  // in the sandbox; a relative path is below the working folder, /tmp. Elsewhere it is read-only
  std::string content;
  bool executable = false;
  std::shared_ptr<const SharedBytes> shared = nullptr;  // instead of content; `to` is then outside /tmp
};

struct SandboxRun {
  std::vector<std::string> command;      // no shell; a name without "/" is looked for in the system's folders
  std::vector<std::string> environment;  // NAME=VALUE, beside PATH, HOME, LANG, TMPDIR and PYTHONHASHSEED
  std::vector<SandboxFile> files;
  std::string input;  // standard input
  SandboxProfile profile = SandboxProfile::kJudge;
  SandboxLimits limits;              // how much the profile allows, or other numbers
  std::vector<std::string> collect;  // regular files that are read back from /tmp when all has ended
  // Descriptors that become standard input and output instead. Whoever runs it closes them. -1: none.
  int input_fd = -1, output_fd = -1;
};

// How a run ended.
enum class RunEnd {
  kExit,            // the program ended by itself
  kSignal,          // a signal ended it
  kCpu,             // out of CPU time
  kWall,            // out of time
  kMemory,          // out of memory
  kOutput,          // wrote too much
  kFuel,            // out of counted instructions (the Lua runner)
  kInfrastructure,  // the sandbox failed: says nothing about the program, and must never be scored
};
const char* RunEndName(RunEnd end);  // exit, signal, cpu, wall, memory, output, fuel, infrastructure

struct SandboxOutcome {
  RunEnd end = RunEnd::kInfrastructure;
  int exit_code = -1;  // if it exited
  int signal = 0;      // if a signal ended it
  std::string out, err;
  double cpu_seconds = 0, wall_seconds = 0;
  int64_t peak_memory = 0;             // bytes that were resident
  std::vector<SandboxFile> collected;  // those of `collect` that were there
  std::string problem;                 // of the infrastructure: what failed
  bool not_found = false;              // the command is not in the sandbox; with kInfrastructure
};

// The signals by which a runner of ours ends itself: the program was out of fuel, or of memory.
inline constexpr int kFuelSignal = 40;
inline constexpr int kOutOfMemorySignal = 41;

}  // namespace fulgur
