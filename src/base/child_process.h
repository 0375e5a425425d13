// A program that is talked to line by line.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

// Runs a program with its standard input and output as pipes; its standard error is ours. No shell. The program is
// killed when the object goes, and by the system when the thread that started it ends, however that happens; what
// it has started itself is not.
class ChildProcess {
 public:
  using Clock = std::chrono::steady_clock;

  // arguments: the program (looked for in PATH) and what it gets. Throws Error that names it if it cannot be started.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  enum class Result { kDone, kTimeout, kEnded };
  // Writes all of `text`. kEnded: the program does not read any more.
  Result Write(std::string_view text, Clock::time_point deadline);
  // The next line, without its end. kEnded: there is none any more. Lines of more than most_bytes count as kEnded.
  Result ReadLine(std::string* line, Clock::time_point deadline, size_t most_bytes = 1 << 20);
  // Whether output waits that no line has been read of.
  bool HasOutput() const;

  // Kills it, if it has not ended by then, and says how it ended: "exit status 1", "signal 9 (Killed)".
  std::string End(Clock::time_point deadline);

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string pending_;
};

}  // namespace fulgur
