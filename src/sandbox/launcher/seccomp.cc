#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "sandbox/launcher/launcher.h"

namespace fulgur {
namespace {

// All that programs, interpreters and compilers need. What is not here is answered with EPERM.
constexpr const char* kAllowed[] = {
    // files
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "open",
    "openat",
    "creat",
    "close",
    "close_range",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "lseek",
    "_llseek",
    "getdents",
    "getdents64",
    "readlink",
    "readlinkat",
    "getcwd",
    "chdir",
    "fchdir",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "umask",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "mknod",
    "mknodat",
    "flock",
    "fadvise64",
    "sendfile",
    "copy_file_range",
    "sync_file_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    // memory
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "msync",
    "mincore",
    "membarrier",
    // time
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "times",
    "alarm",
    "getitimer",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_delete",
    "timer_getoverrun",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    // signals and processes
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "sigaltstack",
    "sigreturn",
    "signalfd",
    "signalfd4",
    "pause",
    "kill",
    "tkill",
    "tgkill",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "waitpid",
    "restart_syscall",
    "getpid",
    "getppid",
    "gettid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "getsid",
    "setsid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "getrlimit",
    "setrlimit",
    "getrusage",
    "getpriority",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sysinfo",
    "uname",
    "getrandom",
    "getcpu",
    // threads
    "futex",
    "futex_waitv",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "arch_prctl",
    "set_thread_area",
    "get_thread_area",
    "capget",
};

// What glibc and the interpreters try first and can do without when it is not there.
constexpr const char* kNotThere[] = {"clone3", "openat2", "faccessat2", "fchmodat2", "pidfd_open", "map_shadow_stack"};

constexpr unsigned long kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                         CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */;

// Adds a rule; a call that this machine's kernel or library does not know is none to allow.
bool Rule(scmp_filter_ctx filter, uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> conditions) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return true;
  const int result = seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(conditions.size()),
                                            conditions.size() == 0 ? nullptr : conditions.begin());
  if (result == -EDOM || result == -EEXIST) return true;  // not of this architecture
  errno = -result;
  return result == 0;
}

bool AddRules(scmp_filter_ctx filter, SandboxProfile profile) {
  for (const char* name : kAllowed) {
    if (!Rule(filter, SCMP_ACT_ALLOW, name, {})) return false;
  }
  for (const char* name : kNotThere) {
    if (!Rule(filter, SCMP_ACT_ERRNO(ENOSYS), name, {})) return false;
  }
  // New threads, and new processes where there may be any; never new namespaces.
#ifdef __s390x__
#error "the order of clone's arguments is another one here"
#endif
  const bool processes = profile != SandboxProfile::kJudge;
  const unsigned long thread = processes ? 0 : CLONE_THREAD;
  if (!Rule(filter, SCMP_ACT_ALLOW, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, kNewNamespaces | thread, thread)})) {
    return false;
  }
  for (const char* name : {"fork", "vfork"}) {
    if (processes && !Rule(filter, SCMP_ACT_ALLOW, name, {})) return false;
  }
  for (const unsigned long request : {TCGETS, TIOCGWINSZ, static_cast<int>(FIONREAD), FIONBIO, FIOCLEX, FIONCLEX}) {
    if (!Rule(filter, SCMP_ACT_ALLOW, "ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffUL, request)})) return false;
  }
  // Programs ask whether they are on a terminal, and are told that this is none.
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE,
                           PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA}) {
    if (!Rule(filter, SCMP_ACT_ALLOW, "prctl",
              {SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffUL, static_cast<unsigned long>(option))})) {
      return false;
    }
  }
  // Its own limits; those of the first process would end the run without a report.
  if (!Rule(filter, SCMP_ACT_ALLOW, "prlimit64", {SCMP_A0(SCMP_CMP_EQ, 0)})) return false;
  return Rule(filter, SCMP_ACT_ALLOW, "personality", {SCMP_A0(SCMP_CMP_EQ, 0xffffffffUL)});
}

std::vector<sock_filter> Exported(scmp_filter_ctx filter) {
  std::vector<sock_filter> program;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return program;
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 17);
  if (seccomp_export_bpf(filter, ends[1]) == 0) {
    close(ends[1]);
    sock_filter instruction;
    while (read(ends[0], &instruction, sizeof instruction) == sizeof instruction) program.push_back(instruction);
  } else {
    close(ends[1]);
  }
  close(ends[0]);
  return program;
}

}  // namespace

std::vector<sock_filter> SeccompFilter(SandboxProfile profile) {
  // Calls of another architecture (32 bits, x32) end the process.
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return {};
  seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary search
  std::vector<sock_filter> program;
  if (AddRules(filter, profile)) program = Exported(filter);
  seccomp_release(filter);
  return program;
}

}  // namespace fulgur
