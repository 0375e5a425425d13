#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "sandbox/launcher/launcher.h"

namespace fulgur {
namespace {

constexpr int kInnerUid = 1000;
constexpr int64_t kMiB = 1 << 20;
// Address space that a process may have beyond its memory: libraries, stacks of threads, what is reserved and not used.
constexpr int64_t kSpareAddresses = 96 * kMiB;
// How often CPU time and memory are looked at: often where memory could run out before the next look.
constexpr timespec kLook = {0, 10'000'000}, kLookOften = {0, 2'000'000};

// What the kernel says of all processes of the run, this one left out.
struct Usage {
  double cpu_seconds = 0;  // of the living, and of those that they have waited for
  int64_t memory = 0;      // bytes resident
  bool wants_cpu = false;  // one of them runs, or waits for a processor
};

class Init {
 public:
  Init(const SandboxRun& run, const InitFds& fds, const std::vector<sock_filter>& filter)
      : run_(run), fds_(fds), filter_(filter) {}

  [[noreturn]] void Go() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 1);
    pollfd alive{fds_.alive, POLLIN, 0};
    if (poll(&alive, 1, 0) != 0) _exit(1);  // the launcher ended before its death could have been noticed
    if (const char* step = MakeSurroundings()) Fail(step);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, nullptr);
    int started[2];
    if (pipe2(started, O_CLOEXEC) != 0) Fail("a pipe");
    if (!DropCapabilities()) Fail("dropping capabilities");
    prctl(PR_SET_DUMPABLE,
          0);  // nothing in the run can look into this process, whose memory is a copy of the launcher's
    // No copy of this process's memory; the child leaves it when it becomes the program.
    program_ = vfork();
    if (program_ < 0) Fail("the first fork");
    if (program_ == 0) BecomeProgram(started[1]);
    close(started[1]);
    for (const int fd : {fds_.in, fds_.out, fds_.err}) close(fd);
    StartError error{};
    if (read(started[0], &error, sizeof error) == sizeof error) {
      errno = error.error;
      Fail(error.step);
    }
    close(started[0]);
    Watch();
    EndAll();
    Collect();
    Report();
  }

 private:
  struct StartError {
    int error;
    char step[60];
  };

  [[noreturn]] void Fail(const char* step) {
    report_.failed_step = step;
    report_.error = errno;
    Report();
  }

  [[noreturn]] void Report() {
    WriteAll(fds_.report, Pack(report_));
    close(fds_.report);  // its end is waited for; the end of the namespaces takes longer
    _exit(0);
  }

  const char* MapIds() {
    char map[64];
    std::snprintf(map, sizeof map, "%d %d 1", kInnerUid, kInnerUid);
    if (!WriteWholeFile("/proc/self/setgroups", "deny", 0) || !WriteWholeFile("/proc/self/uid_map", map, 0) ||
        !WriteWholeFile("/proc/self/gid_map", map, 0)) {
      return "mapping ids in the run's user namespace";
    }
    return nullptr;
  }

  static const char* Bind(const std::string& name) {
    if (mkdir(name.c_str(), 0755) != 0) return "a folder of the run's root";
    if (mount(("/" + name).c_str(), name.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      return "binding a folder of the run's root";
    }
    return nullptr;
  }

  const char* MakeSurroundings() {
    if (const char* step = MapIds()) return step;
    WriteWholeFile("/proc/self/oom_score_adj", "1000", 0);  // where memory runs out, the run is the first to go
    sethostname("sandbox", 7);
    int64_t bytes = 64 << 10;
    for (const SandboxFile& file : run_.files) bytes += static_cast<int64_t>(file.content.size()) + 16384;
    char options[120];
    std::snprintf(options, sizeof options, "size=%lld,nr_inodes=%lld,mode=755", static_cast<long long>(bytes),
                  static_cast<long long>(100 + 16 * run_.files.size()));
    if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) return "the run's root";
    if (chdir("/run") != 0) return "the run's root";
    for (const char* name : {"usr", "dev", "etc"}) {
      if (const char* step = Bind(name)) return step;
    }
    for (const RootEntry& entry : RootEntries()) {
      if (entry.link.empty()) {
        if (const char* step = Bind(entry.name)) return step;
      } else if (symlink(entry.link.c_str(), entry.name.c_str()) != 0) {
        return "links of the run's root";
      }
    }
    if (mkdir("proc", 0755) != 0 || mkdir("tmp", 0700) != 0) return "folders of the run's root";
    if (mount("proc", "proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") != 0)
      return "the run's /proc";
    std::snprintf(options, sizeof options, "size=%lld,nr_inodes=%lld,mode=700",
                  static_cast<long long>(run_.limits.tmp_bytes), static_cast<long long>(run_.limits.tmp_files + 1));
    if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) return "the run's /tmp";
    for (const SandboxFile& file : run_.files) {
      if (file.shared != nullptr && !TakeShared(*file.shared)) return "the files that runs share";
    }
    if (syscall(SYS_pivot_root, ".", ".") != 0) return "the run's pivot_root";
    if (umount2(".", MNT_DETACH) != 0) return "leaving the launcher's root";
    if (chdir("/tmp") != 0) return "entering /tmp";
    size_t shared = 0;
    for (const SandboxFile& file : run_.files) {
      if (!Place(file)) return "placing the run's files";
      if (file.shared != nullptr && !Attach(shared_[shared++], file.to.c_str())) return "placing files that runs share";
    }
    if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) {
      return "making the run's root read-only";
    }
    return nullptr;
  }

  // A mount of the one file, read-only, that is at no place yet.
  bool TakeShared(const SharedBytes& shared) {
    shared_.push_back(static_cast<int>(
        syscall(SYS_open_tree, AT_FDCWD, KeptPath(shared).c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    return shared_.back() >= 0 &&
           syscall(SYS_mount_setattr, shared_.back(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0;
  }

  static bool Attach(int tree, const char* to) {
    const bool moved = syscall(SYS_move_mount, tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) == 0;
    const int reason = errno;
    close(tree);
    errno = reason;
    return moved;
  }

  // Nothing untrusted has run yet, so there are no links to be led astray by.
  static bool Place(const SandboxFile& file) {
    for (size_t slash = file.to.find('/', 1); slash != std::string::npos; slash = file.to.find('/', slash + 1)) {
      const std::string folder = file.to.substr(0, slash);
      if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
    }
    return WriteWholeFile(file.to.c_str(), file.content, file.executable ? 0755 : 0644);
  }

  // --- the program

  static bool Limit(int what, int64_t value) {
    const rlimit limit{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
    return setrlimit(static_cast<__rlimit_resource_t>(what), &limit) == 0;
  }

  bool SetLimits() const {
    const SandboxLimits& l = run_.limits;
    const auto cpu = static_cast<int64_t>(2 * l.cpu_seconds) + 2;  // a backstop; Watch comes first
    const int64_t stack = std::max<int64_t>(std::min<int64_t>(l.memory_bytes, 256 * kMiB), 8 * kMiB);
    return Limit(RLIMIT_AS, l.memory_bytes + kSpareAddresses) && Limit(RLIMIT_CPU, cpu) && Limit(RLIMIT_CORE, 0) &&
           Limit(RLIMIT_FSIZE, l.tmp_bytes) && Limit(RLIMIT_NOFILE, 64) && Limit(RLIMIT_MEMLOCK, 0) &&
           Limit(RLIMIT_MSGQUEUE, 0) && Limit(RLIMIT_SIGPENDING, 256) && Limit(RLIMIT_STACK, stack) &&
           Limit(RLIMIT_NICE, 0) && Limit(RLIMIT_RTPRIO, 0) && Limit(RLIMIT_NPROC, l.threads + 1);  // and this one
  }

  const char* Restrict() const {
    if (personality(ADDR_NO_RANDOMIZE) < 0) return "fixed addresses";
    if (!SetLimits()) return "limits";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
    const sock_fprog program{static_cast<unsigned short>(filter_.size()), const_cast<sock_filter*>(filter_.data())};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return "the filter of system calls";
    return nullptr;
  }

  static bool DropCapabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; ++c) {
    }
    return syscall(SYS_capset, &header, none) == 0;
  }

  [[noreturn]] void BecomeProgram(int started) {
    setsid();
    std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp",
                                            "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
    environment.insert(environment.end(), run_.environment.begin(), run_.environment.end());
    std::vector<char*> names, arguments;
    for (std::string& variable : environment) names.push_back(variable.data());
    names.push_back(nullptr);
    for (const std::string& argument : run_.command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    // Above the numbers that they get, so that none is overwritten before it is copied.
    const int in = fcntl(fds_.in, F_DUPFD, 20), out = fcntl(fds_.out, F_DUPFD, 20), err = fcntl(fds_.err, F_DUPFD, 20);
    const int report = fcntl(started, F_DUPFD, 20);
    if (in < 0 || out < 0 || err < 0 || report < 0) _exit(1);
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    dup3(report, 3, O_CLOEXEC);
    close_range(4, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    setenv("PATH", environment[0].c_str() + 5, 1);  // execvpe looks in this process's
    const char* step = Restrict();
    if (step == nullptr) {
      execvpe(arguments[0], arguments.data(), names.data());
      step = "exec";
    }
    StartError error{errno, {}};
    std::snprintf(error.step, sizeof error.step, "%s", step);
    [[maybe_unused]] const ssize_t n = write(3, &error, sizeof error);
    _exit(1);
  }

  // --- watching

  static bool ReadSmallFile(const char* path, char* text, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, text, size - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = 0;
    return true;
  }

  // The proportional share of the process's memory that is shared; -1 where it cannot be read.
  static int64_t ProportionalMemory(const char* pid) {
    char path[300], text[1024];
    std::snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    if (!ReadSmallFile(path, text, sizeof text)) return -1;
    const char* line = std::strstr(text, "\nPss:");
    return line == nullptr ? -1 : std::strtoll(line + 5, nullptr, 10) * 1024;
  }

  static Usage Look(bool proportional) {
    Usage usage;
    DIR* folder = opendir("/proc");
    if (folder == nullptr) return usage;
    const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
    const auto page = static_cast<int64_t>(sysconf(_SC_PAGESIZE));
    while (const dirent* entry = readdir(folder)) {
      const char* pid = entry->d_name;
      if (pid[0] < '1' || pid[0] > '9' || std::strcmp(pid, "1") == 0) continue;
      char path[300], text[1024];
      std::snprintf(path, sizeof path, "/proc/%s/stat", pid);
      if (!ReadSmallFile(path, text, sizeof text)) continue;
      const char* after_name = std::strrchr(text, ')');
      char state = 0;
      long long user = 0, system = 0, child_user = 0, child_system = 0, resident = 0;
      if (after_name == nullptr ||
          std::sscanf(after_name + 1,
                      " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld %*d %*d %*d %*d %*u %*u %lld",
                      &state, &user, &system, &child_user, &child_system, &resident) != 6) {
        continue;
      }
      usage.cpu_seconds += static_cast<double>(user + system + child_user + child_system) * tick;
      usage.wants_cpu = usage.wants_cpu || state == 'R';
      const int64_t share = proportional ? ProportionalMemory(pid) : -1;
      usage.memory += share >= 0 ? share : resident * page;
    }
    closedir(folder);
    return usage;
  }

  static double Seconds(const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  }

  // Of those that this process has waited for.
  void AddReaped() {
    rusage reaped{};
    getrusage(RUSAGE_CHILDREN, &reaped);
    reaped_seconds_ = Seconds(reaped.ru_utime) + Seconds(reaped.ru_stime);
    report_.peak_memory = std::max<int64_t>(report_.peak_memory, static_cast<int64_t>(reaped.ru_maxrss) * 1024);
  }

  // Reaps what has ended; true when the program has.
  bool Reap() {
    for (;;) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return false;
      if (pid == program_) {
        report_.status = status;
        return true;
      }
    }
  }

  // Short turns that come soon, among many processes of the run that want the processor. Kernels before 6.12 do not
  // know this, and favour those that sleep much.
  static void AskForShortTurns() {
    struct {
      uint32_t size, policy;
      uint64_t flags;
      int32_t nice;
      uint32_t priority;
      uint64_t runtime, deadline, period;
    } attributes{};
    attributes.size = sizeof attributes;
    attributes.nice = getpriority(PRIO_PROCESS, 0);
    attributes.runtime = 100'000;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
  }

  void Watch() {
    AskForShortTurns();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    const timespec* pause = &kLook;
    while (!Reap()) {
      if (sigtimedwait(&child, nullptr, pause) >= 0) continue;
      AddReaped();
      Usage usage = Look(false);
      const double cpu = reaped_seconds_ + usage.cpu_seconds;
      if (IsOutOfTime(cpu, usage.wants_cpu)) {
        report_.out_of_time = true;
        return;
      }
      if (cpu > run_.limits.cpu_seconds) {
        report_.out_of_cpu = true;
        report_.cpu_seconds = cpu;
        return;
      }
      pause = 4 * usage.memory > run_.limits.memory_bytes && run_.limits.processes > 1 ? &kLookOften : &kLook;
      if (usage.memory > run_.limits.memory_bytes) {
        kill(-1, SIGSTOP);  // nothing grows while it is counted exactly: pages that processes share count once
        usage = Look(true);
        if (usage.memory <= run_.limits.memory_bytes) kill(-1, SIGCONT);
      }
      report_.peak_memory = std::max(report_.peak_memory, usage.memory);
      if (usage.memory > run_.limits.memory_bytes) {
        report_.out_of_memory = true;
        return;
      }
    }
  }

  // The time that counts towards the wall limit: not while the run waits for a processor that others have, so that a
  // busy machine ends no run.
  bool IsOutOfTime(double cpu, bool wants_cpu) {
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double>(now - looked_).count();
    counted_seconds_ += wants_cpu ? std::clamp(cpu - cpu_seen_, 0.0, passed) : passed;
    looked_ = now;
    cpu_seen_ = cpu;
    return counted_seconds_ > run_.limits.wall_seconds;
  }

  void EndAll() {
    kill(-1, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    AddReaped();
    report_.cpu_seconds = std::max(report_.cpu_seconds, reaped_seconds_);
    if (report_.cpu_seconds > run_.limits.cpu_seconds) report_.out_of_cpu = true;
    if (report_.peak_memory > run_.limits.memory_bytes) report_.out_of_memory = true;
  }

  // The program may have left anything under these names: links and pipes are not followed and not waited for.
  void Collect() {
    int64_t left = run_.limits.tmp_bytes;
    for (const std::string& name : run_.collect) {
      open_how how{};
      how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
      how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
      const int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
      const int fd = static_cast<int>(syscall(SYS_openat2, tmp, name.c_str(), &how, sizeof how));
      close(tmp);
      if (fd < 0) continue;
      struct stat info {};
      if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= left) {
        SandboxFile file{name, std::string(static_cast<size_t>(info.st_size), '\0'), (info.st_mode & S_IXUSR) != 0};
        size_t got = 0;
        ssize_t n = 0;
        while (got < file.content.size() && (n = read(fd, file.content.data() + got, file.content.size() - got)) > 0) {
          got += static_cast<size_t>(n);
        }
        file.content.resize(got);
        left -= info.st_size;
        report_.collected.push_back(std::move(file));
      }
      close(fd);
    }
  }

  const SandboxRun& run_;
  const InitFds fds_;
  const std::vector<sock_filter>& filter_;
  InitReport report_;
  std::vector<int> shared_;  // mounts of files that runs share, until they are placed
  pid_t program_ = -1;
  double reaped_seconds_ = 0;
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  double cpu_seen_ = 0, counted_seconds_ = 0;
};

}  // namespace

void RunInit(const SandboxRun& run, const InitFds& fds, const std::vector<sock_filter>& filter) {
  Init(run, fds, filter).Go();
}

std::string Pack(const InitReport& report) {
  Packer p;
  p.Add(report.failed_step);
  for (const int n : {report.error, report.status, report.out_of_cpu ? 1 : 0, report.out_of_memory ? 1 : 0,
                      report.out_of_time ? 1 : 0}) {
    p.Add(static_cast<int64_t>(n));
  }
  p.Add(report.cpu_seconds);
  p.Add(report.peak_memory);
  p.Add(report.collected);
  return std::move(p.bytes());
}

bool Unpack(std::string_view bytes, InitReport* report) {
  Unpacker u(bytes);
  report->failed_step = u.Text();
  report->error = static_cast<int>(u.Integer());
  report->status = static_cast<int>(u.Integer());
  report->out_of_cpu = u.Integer() != 0;
  report->out_of_memory = u.Integer() != 0;
  report->out_of_time = u.Integer() != 0;
  report->cpu_seconds = u.Real();
  report->peak_memory = u.Integer();
  report->collected = u.Files();
  return u.ok();
}

}  // namespace fulgur
