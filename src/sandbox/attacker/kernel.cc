#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>

#include "sandbox/attacker/attacks.h"

namespace attacker {
namespace {

bool NotReadable(const char* path) { return RefusedWith(open(path, O_RDONLY)); }
bool NotWritable(const char* path) { return RefusedWith(open(path, O_WRONLY)); }

bool ProcOthers() {
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return true;
  while (const dirent* entry = readdir(folder)) {
    const int pid = std::atoi(entry->d_name);
    if (pid > 0 && pid != 1 && pid != getpid()) return false;
  }
  return getpid() == 2;
}
bool ProcInitMemory() {
  return NotReadable("/proc/1/mem") && NotReadable("/proc/1/maps") && NotReadable("/proc/1/environ");
}
bool ProcInitRoot() {
  return NotReadable("/proc/1/root/") && NotReadable("/proc/1/cwd/") && NotReadable("/proc/1/exe");
}
bool ProcInitFd() {
  for (int fd = 0; fd < 64; ++fd) {
    char path[40];
    std::snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
    if (!NotReadable(path)) return false;
  }
  return NotReadable("/proc/1/fd/");
}
bool ProcSys() {
  return NotWritable("/proc/sys/vm/drop_caches") && NotWritable("/proc/sys/kernel/core_pattern") &&
         NotReadable("/proc/sys") && NotReadable("/proc/kcore") && NotReadable("/proc/kallsyms") &&
         NotReadable("/proc/mounts/..") && RefusedWith(klogctl(3, nullptr, 0));
}
bool ProcSysrq() { return NotWritable("/proc/sysrq-trigger"); }
bool ProcMaps() {
  return NotWritable("/proc/self/uid_map") && NotWritable("/proc/self/gid_map") &&
         NotWritable("/proc/self/oom_score_adj") && NotWritable("/proc/self/timens_offsets");
}
bool SysFiles() { return NotReadable("/sys") && NotReadable("/sys/fs/cgroup") && NotReadable("/run"); }

bool Socket() { return RefusedWith(socket(AF_INET, SOCK_STREAM, 0)) && RefusedWith(socket(AF_INET6, SOCK_DGRAM, 0)); }
bool SocketUnix() { return RefusedWith(socket(AF_UNIX, SOCK_STREAM, 0)); }
bool SocketRaw() {
  return RefusedWith(socket(AF_INET, SOCK_RAW, 1)) && RefusedWith(socket(AF_PACKET, SOCK_RAW, 0)) &&
         RefusedWith(socket(AF_NETLINK, SOCK_RAW, 0)) && RefusedWith(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0)) &&
         RefusedWith(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0));
}
bool SocketPair() {
  int ends[2];
  return RefusedWith(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

bool UserNamespace() {
  for (const int flag :
       {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    if (unshare(flag) == 0) return false;
  }
  return true;
}
bool CloneNamespaces() {
  for (const unsigned long flag :
       {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWPID}) {
    const long pid = syscall(SYS_clone, flag | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) _exit(0);
    if (pid > 0) return false;
  }
  return true;
}
bool SetNamespace() {
  for (const char* path :
       {"/proc/1/ns/mnt", "/proc/1/ns/user", "/proc/1/ns/pid", "/proc/self/ns/user", "/proc/self/ns/net"}) {
    const int fd = open(path, O_RDONLY);
    if (fd >= 0 && setns(fd, 0) == 0) return false;
    if (fd >= 0) close(fd);
  }
  const long pidfd = syscall(SYS_pidfd_open, 1, 0);
  return pidfd < 0 || setns(static_cast<int>(pidfd), CLONE_NEWNS) != 0;
}
bool Mount() {
  return RefusedWith(mount("tmpfs", "/tmp", "tmpfs", 0, nullptr)) &&
         RefusedWith(mount("proc", "/tmp", "proc", 0, nullptr)) &&
         RefusedWith(mount("/usr", "/tmp", nullptr, MS_BIND, nullptr)) &&
         RefusedWith(mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr)) &&
         RefusedWith(mount(nullptr, "/usr", nullptr, MS_REMOUNT | MS_BIND, nullptr));
}
bool Unmount() {
  return RefusedWith(umount2("/proc", MNT_DETACH)) && RefusedWith(umount2("/usr", MNT_DETACH)) &&
         RefusedWith(umount2("/tmp", MNT_DETACH)) && RefusedWith(umount2("/", MNT_DETACH));
}
bool Chroot() { return RefusedWith(chroot("/tmp")) && RefusedWith(syscall(SYS_pivot_root, "/tmp", "/tmp")); }
bool NewMountCalls() {
  return RefusedWith(syscall(SYS_open_tree, AT_FDCWD, "/", 1)) && RefusedWith(syscall(SYS_fsopen, "tmpfs", 0)) &&
         RefusedWith(syscall(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0)) &&
         RefusedWith(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, nullptr, 0)) &&
         RefusedWith(syscall(SYS_fspick, AT_FDCWD, "/", 0));
}
bool SetIds() {
  return RefusedWith(setuid(0)) && RefusedWith(setgid(0)) && RefusedWith(setresuid(0, 0, 0)) &&
         RefusedWith(syscall(SYS_setgroups, 0, nullptr)) && getuid() != 0;
}
bool Capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) == 0 && (data[0].effective | data[0].permitted | data[1].permitted) != 0)
    return false;
  std::memset(data, 0xff, sizeof data);
  return RefusedWith(syscall(SYS_capset, &header, data)) && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0;
}
bool Bpf() { return RefusedWith(syscall(SYS_bpf, 0, nullptr, 0)); }
bool Perf() { return RefusedWith(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }
bool IoUring() {
  char parameters[256] = {};
  return RefusedWith(syscall(SYS_io_uring_setup, 1, parameters));
}
bool Keys() {
  return RefusedWith(syscall(SYS_add_key, "user", "a", "b", 1, -3)) && RefusedWith(syscall(SYS_keyctl, 0, -3, 1)) &&
         RefusedWith(syscall(SYS_request_key, "user", "a", nullptr, -3));
}
bool Userfaultfd() { return RefusedWith(syscall(SYS_userfaultfd, 1)); }
bool Modules() {
  return RefusedWith(syscall(SYS_init_module, "", 0, "")) && RefusedWith(syscall(SYS_finit_module, 0, "", 0)) &&
         RefusedWith(syscall(SYS_kexec_load, 0, 0, nullptr, 0));
}
bool Reboot() {
  // CAD_OFF is harmless where it is allowed.
  return RefusedWith(reboot(RB_DISABLE_CAD)) && RefusedWith(swapon("/tmp/none", 0)) && RefusedWith(acct(nullptr));
}
bool Clock() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return RefusedWith(clock_settime(CLOCK_REALTIME, &now));
}
bool HostName() { return RefusedWith(sethostname("attack", 6)) && RefusedWith(setdomainname("attack", 6)); }
bool Terminal() {
  char letter = 'x';
  for (const int fd : {0, 1, 2}) {
    if (isatty(fd) || ioctl(fd, TIOCSTI, &letter) == 0 || ioctl(fd, TIOCSCTTY, 0) == 0) return false;
  }
  return NotReadable("/dev/tty");
}

bool Calls32() {
#ifdef __x86_64__
  long result = 0;
  asm volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");  // getpid
#else
  raise(SIGSYS);
#endif
  return false;
}
bool CallsX32() {
#ifdef __x86_64__
  syscall(0x40000000L | SYS_getpid);
#else
  raise(SIGSYS);
#endif
  return false;
}
bool Filter() {
  return RefusedWith(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr)) &&
         RefusedWith(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 8 /* a listener */, nullptr)) &&
         RefusedWith(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}
bool Personality() { return RefusedWith(personality(READ_IMPLIES_EXEC)); }

}  // namespace

const Try kKernelTries[] = {{"proc_others", ProcOthers},
                            {"proc_init_memory", ProcInitMemory},
                            {"proc_init_root", ProcInitRoot},
                            {"proc_init_fd", ProcInitFd},
                            {"proc_sys", ProcSys},
                            {"proc_sysrq", ProcSysrq},
                            {"proc_maps", ProcMaps},
                            {"sys_files", SysFiles},
                            {"socket", Socket},
                            {"socket_unix", SocketUnix},
                            {"socket_raw", SocketRaw},
                            {"socketpair", SocketPair},
                            {"user_namespace", UserNamespace},
                            {"clone_namespaces", CloneNamespaces},
                            {"set_namespace", SetNamespace},
                            {"mount", Mount},
                            {"unmount", Unmount},
                            {"chroot", Chroot},
                            {"new_mount_calls", NewMountCalls},
                            {"set_ids", SetIds},
                            {"capabilities", Capabilities},
                            {"bpf", Bpf},
                            {"perf", Perf},
                            {"io_uring", IoUring},
                            {"keys", Keys},
                            {"userfaultfd", Userfaultfd},
                            {"modules", Modules},
                            {"reboot", Reboot},
                            {"clock", Clock},
                            {"host_name", HostName},
                            {"terminal", Terminal},
                            {"calls_32", Calls32},
                            {"calls_x32", CallsX32},
                            {"filter", Filter},
                            {"personality", Personality},
                            {nullptr, nullptr}};

}  // namespace attacker
