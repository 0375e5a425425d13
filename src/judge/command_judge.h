// A judge that is a program of the user's, in any language.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/background_threads.h"
#include "base/child_process.h"
#include "envs/judge.h"

namespace fulgur {

struct CommandJudgeOptions {
  std::vector<std::string> command;  // program and arguments; no shell
  double seconds = 60;               // for one answer, the program's start included
  int64_t processes = 1;             // that run at a time; each has one question at a time
};

// Runs the program once and asks it by lines of JSON. It reads
//   {"prompt", "answer", "response", "reference", "finish", "record"}
// (what the user says; the text after the thinking; all that the last turn says; the record's "answer", or null; why
// the response ended; the whole record) and writes, for each, one line
//   {"score": 0 to 1, or null for no verdict, "reason"?: a text}.
// A program that ends, says something else or says nothing for `seconds` is killed, started anew and asked once more;
// if that fails too, the response has no verdict. Five such responses in a row end the run with an Error, and so does a
// program that cannot be started.
class CommandJudge : public Judge {
 public:
  // Starts the first process: Error if that fails.
  explicit CommandJudge(CommandJudgeOptions options);
  ~CommandJudge() override;
  std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) override;

 private:
  Verdict AskProcess(const std::string& question);
  bool Exchange(ChildProcess& process, const std::string& question, Verdict* verdict, std::string* failure);
  std::unique_ptr<ChildProcess> Take();
  void Return(std::unique_ptr<ChildProcess> process);

  const CommandJudgeOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ChildProcess>> idle_;
  int64_t failures_ = 0;  // responses in a row without a verdict
  BackgroundThreads threads_;
};

}  // namespace fulgur
