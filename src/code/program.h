// Programs in the languages that are judged: how each is made ready and run in the sandbox.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "code/code_problem.h"
#include "sandbox/sandbox.h"

namespace fulgur {

// A program that can be run: its files and the command that starts it. Arguments may be added.
struct ReadyProgram {
  Language language = Language::kPython3;
  std::vector<std::string> command;
  std::vector<SandboxFile> files;
  std::string error;  // what the compiler said, or why there is none; then it cannot be run
};

// Compiles, and keeps what it has compiled: in memory, and in a folder by the hash of the source and the compiler's
// version. Any thread may ask.
class Programs {
 public:
  // cache: where compiled programs are kept; empty: only in memory.
  Programs(Sandbox* sandbox, std::filesystem::path cache);

  // A whole program. memory_bytes: what a Lua program may allocate (its limit of instructions is 50 million a second of
  // cpu_seconds). Error if the language's interpreter or compiler is not here, or the sandbox failed.
  ReadyProgram Prepare(const ProgramText& program, double cpu_seconds, int64_t memory_bytes);
  // A program whose function is called with arguments from its input.
  ReadyProgram PrepareFunction(const ProgramText& program, const std::string& function, double cpu_seconds,
                               int64_t memory_bytes);

 private:
  ReadyProgram Compiled(const ProgramText& program);
  std::string Compile(const ProgramText& program, std::string* error);

  Sandbox* sandbox_;
  std::filesystem::path cache_;
  std::mutex mutex_;
  std::map<std::string, ReadyProgram> compiled_;  // by hash
  size_t compiled_bytes_ = 0;
};

// $XDG_CACHE_HOME/fulgur/programs, or ~/.cache/fulgur/programs; empty if there is no home.
std::filesystem::path DefaultProgramCache();

}  // namespace fulgur
