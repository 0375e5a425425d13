#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "sandbox/launcher/launcher.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;

// The run's first process keeps the wall limit. It ends here if that process does not, or if the machine is so busy
// that a run gets almost nothing.
constexpr double kBackstop = 10;

// The descriptors of a run at the launcher's side; all are closed at its end.
class Fds {
 public:
  ~Fds() {
    for (const int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  bool Pipe(int* reading, int* writing) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    *reading = Add(ends[0]);
    *writing = Add(ends[1]);
    return true;
  }
  int Add(int fd) {
    fds_.push_back(fd);
    return fd;
  }
  void Close(int* fd) {
    if (*fd < 0) return;
    close(*fd);
    std::replace(fds_.begin(), fds_.end(), *fd, -1);
    *fd = -1;
  }

 private:
  std::vector<int> fds_;
};

SandboxOutcome Infrastructure(const std::string& what) {
  SandboxOutcome outcome;
  outcome.problem = what + ": " + std::strerror(errno);
  return outcome;
}

const std::vector<sock_filter>& FilterOf(SandboxProfile profile) {
  static std::vector<sock_filter> filters[3];
  std::vector<sock_filter>& filter = filters[static_cast<int>(profile)];
  if (filter.empty()) filter = SeccompFilter(profile);
  return filter;
}

// One run as the launcher sees it: pipes, the first process's descriptor, a clock.
class Supervisor {
 public:
  Supervisor(const SandboxRun& run, int socket) : run_(run), socket_(socket) {}
  // The first process may still be on its way out, with its namespaces.
  ~Supervisor() {
    if (pidfd_ >= 0 && !ended_) AwaitEnd();
  }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  SandboxOutcome Run() {
    const std::vector<sock_filter>& filter = FilterOf(run_.profile);
    if (filter.empty()) return Infrastructure("no filter of system calls");
    if (!Keep(run_)) return Infrastructure("no place for files that runs share");
    int in = -1, out = -1, err = -1, report = -1, alive = -1;
    if (!fds_.Pipe(&in, &stdin_) || !fds_.Pipe(&stdout_, &out) || !fds_.Pipe(&stderr_, &err) ||
        !fds_.Pipe(&report_, &report) || !fds_.Pipe(&alive, &alive_)) {
      return Infrastructure("no pipes");
    }
    const InitFds init{run_.input_fd >= 0 ? run_.input_fd : in, run_.output_fd >= 0 ? run_.output_fd : out, err, report,
                       alive};
    start_ = Clock::now();
    if (!Clone()) return Infrastructure("no namespaces for the run");
    if (pid_ == 0) {
      for (int* fd : {&stdin_, &stdout_, &stderr_, &report_, &alive_}) fds_.Close(fd);
      close(socket_);
      RunInit(run_, init, filter);
    }
    for (int* fd : {&in, &out, &err, &report, &alive}) fds_.Close(fd);
    for (const int fd : {run_.input_fd, run_.output_fd}) {
      if (fd >= 0) close(fd);  // so that who reads from the program sees its end
    }
    for (const int fd : {stdin_, stdout_, stderr_, report_}) fcntl(fd, F_SETFL, O_NONBLOCK);
    if (run_.input_fd >= 0 || run_.input.empty()) fds_.Close(&stdin_);
    while (Step()) {
    }
    wall_seconds_ = std::chrono::duration<double>(Clock::now() - start_).count();
    return Outcome();
  }

 private:
  bool Clone() {
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags =
        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PIDFD;
    arguments.exit_signal = SIGCHLD;
    arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    pid_ = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid_ < 0) return false;
    if (pid_ > 0) pidfd_ = fds_.Add(pidfd);
    return true;
  }

  void AwaitEnd() {
    siginfo_t end{};
    while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_), &end, WEXITED) < 0 && errno == EINTR) {
    }
    ended_ = true;
  }

  void Kill() {
    killed_ = true;
    syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
  }

  // Waits for something and deals with it; false when the run is over and everything has been read.
  bool Step() {
    pollfd p[] = {{socket_, POLLRDHUP, 0}, {ended_ ? -1 : pidfd_, POLLIN, 0},
                  {stdin_, POLLOUT, 0},    {stdout_, POLLIN, 0},
                  {stderr_, POLLIN, 0},    {report_, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        start_ + std::chrono::microseconds(static_cast<int64_t>(1e6 * kBackstop * run_.limits.wall_seconds)) -
        Clock::now());
    const int64_t timeout = killed_ ? 10'000 : std::clamp<int64_t>(left.count(), 0, 3'600'000);
    const int ready = poll(p, 6, static_cast<int>(timeout));
    if (ready < 0) return errno == EINTR;
    if (p[0].revents != 0) {  // Fulgur has gone: the run goes, then this process
      Kill();
      AwaitEnd();
      _exit(0);
    }
    if (ready == 0 && !killed_) {
      out_of_time_ = true;
      Kill();
    }
    if (p[2].revents != 0) Feed();
    if (p[3].revents != 0) Drain(&stdout_, &out_);
    if (p[4].revents != 0) Drain(&stderr_, &err_);
    if (p[5].revents != 0) Read(&report_, &said_);
    if (p[1].revents != 0) {
      AwaitEnd();
      fds_.Close(&stdin_);
    }
    // All writers were in the sandbox and have ended, so the pipes end too. The first process reports when all others
    // have ended and been waited for; then nothing of the run is left but itself, and its own end need not be awaited.
    const bool reported = !killed_ && !said_.empty();
    return !(ended_ || reported) || stdout_ >= 0 || stderr_ >= 0 || report_ >= 0;
  }

  void Feed() {
    const std::string_view rest = std::string_view(run_.input).substr(fed_);
    const ssize_t n = write(stdin_, rest.data(), rest.size());
    if (n > 0) fed_ += static_cast<size_t>(n);
    const bool wait = n < 0 && (errno == EAGAIN || errno == EINTR);
    if ((n < 0 && !wait) || fed_ == run_.input.size()) fds_.Close(&stdin_);
  }

  // False at the end.
  bool Read(int* fd, std::string* text) {
    char buffer[65536];
    const ssize_t n = read(*fd, buffer, sizeof buffer);
    if (n > 0) text->append(buffer, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) fds_.Close(fd);
    return n > 0;
  }

  void Drain(int* fd, std::string* text) {
    Read(fd, text);
    const auto most = static_cast<size_t>(run_.limits.output_bytes);
    if (text->size() <= most) return;
    text->resize(most);
    out_of_output_ = true;
    fds_.Close(fd);
    if (!ended_) Kill();
  }

  bool LooksOutOfMemory(const SandboxOutcome& outcome) const {
    if (outcome.end == RunEnd::kExit && outcome.exit_code == 0) return false;
    if (outcome.peak_memory * 2 > run_.limits.memory_bytes && outcome.end == RunEnd::kSignal) return true;
    const std::string tail = outcome.err.substr(outcome.err.size() - std::min<size_t>(outcome.err.size(), 4096));
    for (const char* words : {"MemoryError", "std::bad_alloc", "not enough memory", "Cannot allocate memory",
                              "out of memory", "memory exhausted"}) {
      if (tail.find(words) != std::string::npos) return true;
    }
    return false;
  }

  SandboxOutcome Outcome() {
    SandboxOutcome outcome;
    outcome.wall_seconds = wall_seconds_;
    outcome.out = std::move(out_);
    outcome.err = std::move(err_);
    InitReport report;
    const bool reported = Unpack(said_, &report);
    outcome.cpu_seconds = report.cpu_seconds;
    outcome.peak_memory = report.peak_memory;
    if (reported && !report.failed_step.empty()) {
      errno = report.error;
      if (report.failed_step != "exec") return Infrastructure(report.failed_step);
      SandboxOutcome failed = Infrastructure(run_.command[0] + " cannot be started in the sandbox");
      failed.not_found = report.error == ENOENT;
      return failed;
    }
    if (out_of_output_) {
      outcome.end = RunEnd::kOutput;
    } else if (out_of_time_ || report.out_of_time) {
      outcome.end = RunEnd::kWall;
    } else if (!reported) {
      outcome.problem = "the run's first process ended without a report";
    } else if (report.out_of_memory) {
      outcome.end = RunEnd::kMemory;
    } else if (report.out_of_cpu || (WIFSIGNALED(report.status) && WTERMSIG(report.status) == SIGXCPU)) {
      outcome.end = RunEnd::kCpu;
    } else {
      SetEnd(report.status, &outcome);
      if (LooksOutOfMemory(outcome)) outcome.end = RunEnd::kMemory;
    }
    if (outcome.end == RunEnd::kExit) outcome.collected = std::move(report.collected);
    return outcome;
  }

  static void SetEnd(int status, SandboxOutcome* outcome) {
    if (!WIFSIGNALED(status)) {
      outcome->end = RunEnd::kExit;
      outcome->exit_code = WEXITSTATUS(status);
      return;
    }
    outcome->signal = WTERMSIG(status);
    outcome->end = outcome->signal == kFuelSignal          ? RunEnd::kFuel
                   : outcome->signal == kOutOfMemorySignal ? RunEnd::kMemory
                                                           : RunEnd::kSignal;
  }

  const SandboxRun& run_;
  const int socket_;
  Fds fds_;
  pid_t pid_ = -1;
  int pidfd_ = -1, stdin_ = -1, stdout_ = -1, stderr_ = -1, report_ = -1, alive_ = -1;
  Clock::time_point start_;
  bool ended_ = false, killed_ = false, out_of_time_ = false, out_of_output_ = false;
  size_t fed_ = 0;
  std::string out_, err_, said_;
  double wall_seconds_ = 0;
};

}  // namespace

bool Supervise(const SandboxRun& run, int socket) {
  Supervisor supervisor(run, socket);
  return SendMessage(socket, Pack(supervisor.Run()));
}

}  // namespace fulgur
