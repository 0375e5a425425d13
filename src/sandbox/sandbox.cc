#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "sandbox/protocol.h"

extern char** environ;

namespace fulgur {

extern const char* const sandbox_launcher_program[2];
extern const char* const sandbox_lua_program[2];
extern const char* const sandbox_attacker_program[2];

namespace {

std::string_view BytesOf(const char* const program[2]) {
  return {program[0], static_cast<size_t>(program[1] - program[0])};
}

class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// All of it, with descriptors beside the first byte. False if the launcher has gone.
bool SendAll(int socket, std::string_view bytes, const std::vector<int>& fds) {
  bool first = true;
  while (!bytes.empty()) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    if (first && !fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    first = false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool ReadExactly(int socket, char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = read(socket, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool Receive(int socket, std::string* message) {
  uint64_t size = 0;
  if (!ReadExactly(socket, reinterpret_cast<char*>(&size), sizeof size)) return false;
  message->resize(size);
  return ReadExactly(socket, message->data(), size);
}

// A file in memory with the launcher's bytes, to be executed. Every launcher is started from the same.
int LauncherFile() {
  static const int file = [] {
    constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, which older kernels do not know
    int fd = memfd_create("fulgur-launcher", MFD_CLOEXEC | kExecutable);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("fulgur-launcher", MFD_CLOEXEC);
    if (fd < 0) throw Error("no file in memory for the sandbox's launcher: {}", std::strerror(errno));
    std::string_view bytes = BytesOf(sandbox_launcher_program);
    while (!bytes.empty()) {
      const ssize_t n = write(fd, bytes.data(), bytes.size());
      if (n <= 0) throw Error("the sandbox's launcher cannot be written to memory: {}", std::strerror(errno));
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    fchmod(fd, 0555);
    return fd;
  }();
  return file;
}

// A number from a file of the kernel's; -1: there is none.
int64_t KernelNumber(const char* path) {
  try {
    return std::stoll(ReadFile(path));
  } catch (const std::exception&) {
    return -1;
  }
}

// In a chroot no mount is at "/", as a rule: the root is a folder inside one.
bool RootIsMounted() {
  try {
    const std::string mounts = ReadFile("/proc/self/mountinfo");
    for (size_t begin = 0; begin < mounts.size();) {
      const size_t end = std::min(mounts.find('\n', begin), mounts.size());
      const std::string line = mounts.substr(begin, end - begin);
      size_t field = 0, at = 0;  // "36 35 98:0 /root /mount-point options ..."
      while (field < 4 && at != std::string::npos) {
        at = line.find(' ', at + 1);
        ++field;
      }
      if (at != std::string::npos && line.compare(at, 3, " / ") == 0) return true;
      begin = end + 1;
    }
  } catch (const Error&) {
  }
  return false;
}

std::string WhyNoUserNamespace(int error) {
  const std::string said = fmt::format("the kernel refuses a user namespace ({})", std::strerror(error));
  if (KernelNumber("/proc/sys/user/max_user_namespaces") == 0) {
    return said + ": user.max_user_namespaces is 0; sysctl user.max_user_namespaces=10000 allows them";
  }
  if (KernelNumber("/proc/sys/kernel/unprivileged_userns_clone") == 0) {
    return said + ": kernel.unprivileged_userns_clone is 0; sysctl kernel.unprivileged_userns_clone=1 allows them";
  }
  if (error == ENOSPC) return said + ": user.max_user_namespaces of this user, or of one around it, is used up";
  if (error == EPERM && !RootIsMounted()) {
    return said +
           ": this process is in a chroot, where the kernel never allows one; enter the folder with pivot_root in "
           "a mount namespace of its own instead of chroot";
  }
  if (KernelNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
    return said + ": kernel.apparmor_restrict_unprivileged_userns is 1; an AppArmor profile, or 0 there, allows them";
  }
  return said +
         ": this process is in a chroot (pivot_root in a mount namespace of its own would do instead) or in a "
         "container whose rules forbid it";
}

std::string WhyNot(const LauncherHello& hello) {
  if (hello.failed_step == "finding /proc") return "there is no /proc: mount one (mount -t proc proc /proc)";
  if (hello.failed_step == "giving up root") {
    return fmt::format("root cannot be given up for an ordinary user's id from 61000 on ({})",
                       std::strerror(hello.error));
  }
  if (hello.failed_step == "user namespace") return WhyNoUserNamespace(hello.error);
  return fmt::format("{} is refused here ({})", hello.failed_step, std::strerror(hello.error));
}

std::string WhyNot(const SandboxOutcome& outcome) {
  if (outcome.problem.starts_with("the run's /proc")) {
    return outcome.problem + ": parts of /proc are hidden here, as containers do; then the kernel allows no new one";
  }
  return outcome.problem;
}

void CheckRun(const SandboxRun& run) {
  if (run.command.empty() || run.command[0].empty()) throw Error("a run needs the name of a program");
  for (const std::vector<std::string>* texts : {&run.command, &run.environment}) {
    for (const std::string& text : *texts) {
      if (text.find('\0') != std::string::npos) throw Error("a run's command or environment holds a zero byte");
    }
  }
  const SandboxLimits& l = run.limits;
  if (!(l.cpu_seconds > 0) || !(l.wall_seconds > 0) || !std::isfinite(l.cpu_seconds) || l.cpu_seconds > 1e6 ||
      l.wall_seconds > 1e7) {
    throw Error("a run's time limits must be above 0 s, and at most 1,000,000 s of CPU, not {} and {}", l.cpu_seconds,
                l.wall_seconds);
  }
  constexpr int64_t kMiB = 1 << 20;
  if (l.memory_bytes < 4 * kMiB || l.memory_bytes > int64_t{1} << 46) {
    throw Error("a run's memory limit must be at least 4 MiB, not {} bytes", l.memory_bytes);
  }
  if (l.processes < 1 || l.threads < l.processes || l.output_bytes < 0 || l.tmp_bytes < 4096 || l.tmp_files < 1) {
    throw Error("a run's limits of processes, threads, output and /tmp are not possible");
  }
  for (const SandboxFile& file : run.files) {
    bool bad = file.to.empty() || file.to.back() == '/' || file.to.find('\0') != std::string::npos;
    for (const char* folder : {"/usr/", "/dev/", "/etc/", "/proc/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/lib32/"}) {
      bad = bad || file.to.starts_with(folder);
    }
    bad = bad || ("/" + file.to + "/").find("/../") != std::string::npos;
    if (bad) {
      throw Error(
          "a file cannot be put at \"{}\" in the sandbox; a relative path is below /tmp, and /usr, /dev, /etc, "
          "/proc and the folders of programs are the system's",
          file.to);
    }
    if (file.shared != nullptr && (file.to[0] != '/' || file.to.starts_with("/tmp/"))) {
      throw Error("a file that runs share cannot be put at \"{}\", which a run may change", file.to);
    }
  }
}

std::atomic<int> g_slots{0};

bool CloseFds(const SandboxRun& run) {
  for (const int fd : {run.input_fd, run.output_fd}) {
    if (fd >= 0) close(fd);
  }
  return true;
}

}  // namespace

// A launcher process and the socket to it.
class Sandbox::Launcher {
 public:
  // Throws Error that says what is missing.
  Launcher() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw Error("no socket to the sandbox's launcher: {}", std::strerror(errno));
    }
    socket_ = OwnedFd(ends[0]);
    OwnedFd theirs(ends[1]);
    const std::string path = fmt::format("/proc/self/fd/{}", LauncherFile());
    std::string name = "fulgur-launcher", slot = std::to_string((getpid() + g_slots++) % 1'000'000);
    std::array<char*, 3> arguments = {name.data(), slot.data(), nullptr};
    std::array<char*, 1> environment = {nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // dup2 of a descriptor to itself would leave it to be closed; the launcher closes what is above 3.
    OwnedFd other(fcntl(theirs.get(), F_DUPFD_CLOEXEC, kLauncherSocket + 1));
    posix_spawn_file_actions_adddup2(&actions, other.get(), kLauncherSocket);
    const int result = posix_spawn(&pid_, path.c_str(), &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (result != 0) {
      pid_ = -1;
      throw Error(
          "the sandbox's launcher cannot be started ({}); it needs /proc, and files in memory that may be "
          "executed (vm.memfd_noexec below 2)",
          std::strerror(result));
    }
    theirs = OwnedFd();
    other = OwnedFd();
    std::string message;
    LauncherHello hello;
    if (!Receive(socket_.get(), &message) || !Unpack(message, &hello)) {
      End();
      throw Error("the sandbox's launcher ended before it said anything");
    }
    if (!hello.failed_step.empty()) {
      End();
      throw Error("programs cannot be contained here, so none is run: {}", WhyNot(hello));
    }
  }
  ~Launcher() { End(); }
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  pid_t pid() const { return pid_; }

  // False if the launcher has ended.
  bool Run(const SandboxRun& run, SandboxOutcome* outcome) {
    std::vector<int> fds;
    for (const int fd : {run.input_fd, run.output_fd}) {
      if (fd >= 0) fds.push_back(fd);
    }
    const std::string packed = Pack(run, &sent_);
    const uint64_t size = packed.size();
    std::string message;
    return SendAll(socket_.get(), {reinterpret_cast<const char*>(&size), sizeof size}, fds) &&
           SendAll(socket_.get(), packed, {}) && CloseFds(run) && Receive(socket_.get(), &message) &&
           Unpack(message, outcome);
  }

 private:
  void End() {
    if (pid_ <= 0) return;
    socket_ = OwnedFd();  // the launcher ends, with its run
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  OwnedFd socket_;
  pid_t pid_ = -1;
  std::set<int64_t> sent_;  // shared bytes that it has
};

Sandbox::Sandbox(int runs_at_a_time) : runs_at_a_time_(runs_at_a_time) {
  if (runs_at_a_time < 1) throw Error("a sandbox needs at least 1 run at a time, not {}", runs_at_a_time);
  Return(std::make_unique<Launcher>());
  SandboxRun trial = MakeSandboxRun(SandboxProfile::kJudge, {"/trial", "nothing"});
  trial.files.push_back(RedTeamFile("/trial"));
  const SandboxOutcome outcome = RunNow(trial);
  if (outcome.end != RunEnd::kExit || outcome.exit_code != 0) {
    throw Error("programs cannot be contained here, so none is run: {}",
                outcome.end == RunEnd::kInfrastructure ? WhyNot(outcome)
                                                       : fmt::format("a trial ended by {}", RunEndName(outcome.end)));
  }
  threads_ = std::make_unique<BackgroundThreads>(runs_at_a_time);
}

Sandbox::~Sandbox() { threads_.reset(); }

std::future<SandboxOutcome> Sandbox::Run(SandboxRun run) {
  CheckRun(run);
  return threads_->Run([this, run = std::make_shared<SandboxRun>(std::move(run))] { return RunNow(*run); });
}

std::future<std::pair<SandboxOutcome, SandboxOutcome>> Sandbox::RunPair(SandboxRun first, SandboxRun second) {
  CheckRun(first);
  CheckRun(second);
  auto both = std::make_shared<std::pair<SandboxRun, SandboxRun>>(std::move(first), std::move(second));
  return threads_->Run([this, both] {
    std::pair<SandboxOutcome, SandboxOutcome> outcomes;
    std::thread other([&] { outcomes.second = RunNow(both->second); });
    outcomes.first = RunNow(both->first);
    other.join();
    return outcomes;
  });
}

SandboxOutcome Sandbox::RunNow(const SandboxRun& run) {
  const bool again = run.input_fd < 0 && run.output_fd < 0;  // what another has said cannot be said again
  SandboxOutcome outcome;
  for (int attempt = 0; attempt < (again ? 2 : 1); ++attempt) {
    std::unique_ptr<Launcher> launcher;
    try {
      launcher = Take();
    } catch (const Error& e) {
      outcome.problem = e.what();
      if (!again) CloseFds(run);
      continue;
    }
    outcome = {};
    if (!launcher->Run(run, &outcome)) {
      outcome = {};
      outcome.problem = "the sandbox's launcher ended during the run";
      continue;
    }
    Return(std::move(launcher));
    if (outcome.end != RunEnd::kInfrastructure || outcome.not_found) break;
  }
  return outcome;
}

std::unique_ptr<Sandbox::Launcher> Sandbox::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto launcher = std::move(idle_.back());
      idle_.pop_back();
      return launcher;
    }
  }
  return std::make_unique<Launcher>();
}

void Sandbox::Return(std::unique_ptr<Launcher> launcher) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(launcher));
}

SandboxRun MakeSandboxRun(SandboxProfile profile, std::vector<std::string> command) {
  SandboxRun run;
  run.command = std::move(command);
  run.profile = profile;
  run.limits = LimitsOf(profile);
  return run;
}

const char* SandboxTier() { return "rlimits"; }

SandboxProbe ProbeSandbox() {
  SandboxProbe probe;
  probe.tier = SandboxTier();
  probe.user = geteuid() == 0 ? "root, given up for uid 61000 and above" : fmt::format("uid {}", geteuid());
  try {
    const Sandbox sandbox(1);
    probe.contained = true;
  } catch (const Error& e) {
    probe.missing = e.what();
  }
  return probe;
}

SandboxFile LuaRunnerFile(std::string to) {
  static const auto bytes = std::make_shared<SharedBytes>(SharedBytes{1, std::string(BytesOf(sandbox_lua_program))});
  return {std::move(to), "", true, bytes};
}

SandboxFile RedTeamFile(std::string to) {
  static const auto bytes =
      std::make_shared<SharedBytes>(SharedBytes{2, std::string(BytesOf(sandbox_attacker_program))});
  return {std::move(to), "", true, bytes};
}

}  // namespace fulgur
