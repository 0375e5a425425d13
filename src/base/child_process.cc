#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace fulgur {
namespace {

using Clock = ChildProcess::Clock;

// Waits for `events` on fd; false at the deadline.
bool WaitFor(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd p{fd, events, 0};
    const int ready = poll(&p, 1, static_cast<int>(std::min<int64_t>(left, 3600 * 1000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the read or write says what is wrong
  }
}

// While a writer's pipe may have lost its reader: the signal of that stays away from this thread.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  ~NoSigpipe() {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const timespec now{};
    while (sigtimedwait(&pipe, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_;
};

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void Become(char* const* arguments, int in, int out, int report, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int s : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) signal(s, SIG_DFL);
  setpgid(0, 0);  // Ctrl-C is for the parent, which ends this one when it is done with it
  dup2(in, 0);
  dup2(out, 1);
  execvp(arguments[0], arguments);
  const int reason = errno;
  [[maybe_unused]] const ssize_t n = write(report, &reason, sizeof reason);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw Error("a command needs at least the name of a program");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int in[2], out[2], report[2];
  if (pipe2(in, O_CLOEXEC) != 0) throw Error("no pipe to {}: {}", arguments[0], std::strerror(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    const int reason = errno;
    close(in[0]);
    close(in[1]);
    throw Error("no pipe to {}: {}", arguments[0], std::strerror(reason));
  }
  if (pipe2(report, O_CLOEXEC) != 0) {
    const int reason = errno;
    for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
    throw Error("no pipe to {}: {}", arguments[0], std::strerror(reason));
  }
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) Become(argv.data(), in[0], out[1], report[1], parent);
  int reason = pid_ < 0 ? errno : 0;
  for (const int fd : {in[0], out[1], report[1]}) close(fd);
  if (pid_ >= 0) {
    ssize_t n = 0;
    do n = read(report[0], &reason, sizeof reason);
    while (n < 0 && errno == EINTR);
    if (n != sizeof reason) reason = 0;
  }
  close(report[0]);
  in_ = in[1];
  out_ = out[0];
  if (reason == 0) {
    fcntl(in_, F_SETFL, O_NONBLOCK);
    return;
  }
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  close(in_);
  close(out_);
  throw Error("{} cannot be started: {}", arguments[0], std::strerror(reason));
}

ChildProcess::~ChildProcess() {
  End(Clock::now());
  close(out_);
}

ChildProcess::Result ChildProcess::Write(std::string_view text, Clock::time_point deadline) {
  const NoSigpipe quiet;
  while (!text.empty()) {
    const ssize_t n = write(in_, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (!WaitFor(in_, POLLOUT, deadline)) return Result::kTimeout;
    } else if (errno != EINTR) {
      return Result::kEnded;
    }
  }
  return Result::kDone;
}

ChildProcess::Result ChildProcess::ReadLine(std::string* line, Clock::time_point deadline, size_t most_bytes) {
  for (;;) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos) {
      *line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return Result::kDone;
    }
    if (pending_.size() > most_bytes) return Result::kEnded;
    if (!WaitFor(out_, POLLIN, deadline)) return Result::kTimeout;
    char buffer[65536];
    const ssize_t n = read(out_, buffer, sizeof buffer);
    if (n > 0) pending_.append(buffer, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return Result::kEnded;
  }
}

bool ChildProcess::HasOutput() const {
  if (!pending_.empty()) return true;
  pollfd p{out_, POLLIN, 0};
  return poll(&p, 1, 0) > 0 && (p.revents & POLLIN) != 0;
}

std::string ChildProcess::End(Clock::time_point deadline) {
  if (pid_ <= 0) return "ended";
  if (in_ >= 0) close(in_);  // the end of its input asks it to end
  in_ = -1;
  int status = 0;
  pid_t ended = 0;
  while ((ended = waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (ended == 0) {
    kill(-pid_, SIGKILL);  // its process group
    kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
  }
  pid_ = -1;
  if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return "ended";
}

}  // namespace fulgur
