#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>

#include "sandbox/attacker/attacks.h"

namespace attacker {
namespace {

// A child that only waits, and the parent's view of whether there is one.
bool NoChild(pid_t pid) {
  if (pid == 0) {
    pause();
    _exit(0);
  }
  return pid < 0;
}

bool Fork() { return NoChild(fork()); }
bool Vfork() { return RefusedWith(syscall(SYS_vfork)); }
bool Clone3() {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  return NoChild(static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments)));
}

bool ForkBomb() {
  int children = 0;
  while (children < 2000 && !NoChild(fork())) ++children;
  return children <= 200;
}

void* Wait(void*) {
  pause();
  return nullptr;
}

bool ThreadBomb() {
  int threads = 0;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  pthread_t thread;
  while (threads < 2000 && pthread_create(&thread, &small, Wait, nullptr) == 0) ++threads;
  return threads <= 200;
}

// The sandbox's side looks whether something with this program's name is still there.
bool Daemon() {
  if (fork() != 0) return true;
  setsid();
  if (fork() != 0) _exit(0);
  for (const int s : {SIGTERM, SIGHUP, SIGINT}) signal(s, SIG_IGN);
  for (const int fd : {0, 1, 2}) close(fd);
  for (;;) pause();
}

bool Orphans() {
  for (int i = 0; i < 20; ++i) {
    const pid_t pid = fork();
    if (pid != 0) continue;
    setsid();
    for (const int fd : {0, 1, 2}) close(fd);
    for (;;) usleep(1000);
  }
  return true;
}

bool KillAll() {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  kill(-1, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return true;  // that this is still said means that process 1 lives
}

bool KillInit() {
  for (const int s : {SIGKILL, SIGSTOP, SIGTERM, SIGINT, SIGSEGV, SIGCHLD, SIGXCPU, SIGALRM, SIGABRT}) kill(1, s);
  for (int i = 0; i < 1000; ++i) kill(1, SIGRTMIN + i % 20);
  return true;
}

bool KillGroup() {
  // Its own group is its own session; what started it is in another.
  return getpgrp() == getpid() && getsid(0) == getpid();
}

bool KillOutside() {
  for (pid_t pid = 3; pid < 70000; ++pid) {
    if (kill(pid, 0) == 0 || errno == EPERM) return false;
  }
  return true;
}

bool PtraceInit() {
  return RefusedWith(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)) &&
         RefusedWith(ptrace(PTRACE_SEIZE, 1, nullptr, nullptr));
}

bool PtraceMe() {
  const pid_t child = fork();
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 1 : 0);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool ProcessVm() {
  char buffer[8];
  const iovec here{buffer, sizeof buffer}, there{reinterpret_cast<void*>(0x400000), sizeof buffer};
  return RefusedWith(process_vm_readv(1, &here, 1, &there, 1, 0)) &&
         RefusedWith(process_vm_writev(1, &here, 1, &there, 1, 0));
}

bool LimitInit() {
  const rlimit none{0, 0};
  return RefusedWith(syscall(SYS_prlimit64, 1, RLIMIT_CPU, &none, nullptr)) &&
         RefusedWith(syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &none, nullptr));
}

bool RaiseLimits() {
  for (const int what : {RLIMIT_AS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_MEMLOCK, RLIMIT_CORE,
                         RLIMIT_MSGQUEUE, RLIMIT_STACK}) {
    rlimit limit{};
    getrlimit(static_cast<__rlimit_resource_t>(what), &limit);
    if (limit.rlim_max == RLIM_INFINITY) return false;
    limit.rlim_max += 1;
    if (setrlimit(static_cast<__rlimit_resource_t>(what), &limit) == 0) return false;
  }
  return true;
}

bool RealTime() {
  const sched_param first{.sched_priority = 1};
  return RefusedWith(sched_setscheduler(0, SCHED_FIFO, &first)) &&
         RefusedWith(syscall(SYS_sched_setattr, 0, &first, 0));
}

bool Nice() {
  errno = 0;
  return RefusedWith(setpriority(PRIO_PROCESS, 0, -20)) && RefusedWith(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
}

bool ExecSetuid() {
  const pid_t child = fork();
  if (child == 0) {
    close(1);
    close(2);
    execl("/usr/bin/su", "su", "-c", "true", nullptr);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

bool Spin() {
  volatile long count = 0;
  for (;;) {
    const long next = count + 1;
    count = next;
  }
}

void* SpinThread(void*) {
  Spin();
  return nullptr;
}

bool SpinThreads() {
  pthread_t thread;
  for (int i = 0; i < 8; ++i) pthread_create(&thread, nullptr, SpinThread, nullptr);
  return Spin();
}

bool SpinDeaf() {
  for (int s = 1; s < 64; ++s) signal(s, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  return Spin();
}

bool SpinChildren() {
  for (;;) {
    const pid_t child = fork();
    if (child == 0) {
      const clock_t end = clock() + CLOCKS_PER_SEC / 20;
      while (clock() < end) {
      }
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
}

bool Sleep() {
  for (;;) pause();
}

bool SleepStopped() {
  raise(SIGSTOP);
  return Sleep();
}

}  // namespace

const Try kProcessTries[] = {{"fork", Fork},
                             {"vfork", Vfork},
                             {"clone3", Clone3},
                             {"fork_bomb", ForkBomb},
                             {"thread_bomb", ThreadBomb},
                             {"thread_bomb_repository", ThreadBomb},
                             {"daemon", Daemon},
                             {"orphans", Orphans},
                             {"kill_all", KillAll},
                             {"kill_init", KillInit},
                             {"kill_group", KillGroup},
                             {"kill_outside", KillOutside},
                             {"ptrace_init", PtraceInit},
                             {"ptrace_me", PtraceMe},
                             {"process_vm", ProcessVm},
                             {"limit_init", LimitInit},
                             {"raise_limits", RaiseLimits},
                             {"real_time", RealTime},
                             {"nice", Nice},
                             {"exec_setuid", ExecSetuid},
                             {"spin", Spin},
                             {"spin_threads", SpinThreads},
                             {"spin_deaf", SpinDeaf},
                             {"spin_children", SpinChildren},
                             {"sleep", Sleep},
                             {"sleep_stopped", SleepStopped},
                             {nullptr, nullptr}};

}  // namespace attacker
