#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include "sandbox/attacker/attacks.h"

namespace attacker {
namespace {

constexpr size_t kMiB = 1 << 20;

bool NotWritable(const char* path) { return RefusedWith(open(path, O_WRONLY | O_CREAT, 0600)); }
bool NotReadable(const char* path) { return RefusedWith(open(path, O_RDONLY)); }

bool TmpBytes() {
  signal(SIGXFSZ, SIG_IGN);
  size_t bytes = 0;
  static char block[65536];
  for (int file = 0; file < 100; ++file) {
    const int fd = open(("/tmp/f" + std::to_string(file)).c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0) break;
    ssize_t n = 0;
    while ((n = write(fd, block, sizeof block)) > 0) {
      bytes += static_cast<size_t>(n);
      if (bytes > 1024 * kMiB) return false;
    }
    close(fd);
  }
  return bytes <= 16 * kMiB;
}

bool TmpFiles() {
  int files = 0;
  for (; files < 100000; ++files) {
    const int fd = open(("/tmp/n" + std::to_string(files)).c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0) break;
    close(fd);
  }
  return files <= 1001;
}

bool TmpSparse() {
  signal(SIGXFSZ, SIG_IGN);
  const int fd = open("/tmp/sparse", O_RDWR | O_CREAT, 0600);
  return fd >= 0 && RefusedWith(ftruncate(fd, off_t{1} << 40)) && RefusedWith(pwrite(fd, "x", 1, off_t{1} << 40));
}

bool TmpDeep() {
  int depth = 0;
  for (; depth < 100000; ++depth) {
    if (mkdir("d", 0700) != 0 || chdir("d") != 0) break;
  }
  return depth <= 1001;
}

bool Descriptors() {
  int files = 0;
  while (files < 100000 && open("/dev/null", O_RDONLY) >= 0) ++files;
  return files <= 64;
}

bool WriteUsr() {
  return NotWritable("/usr/attack") && NotWritable("/usr/bin/attack") && NotWritable("/usr/bin/env") &&
         NotWritable("/usr/lib/attack") && RefusedWith(unlink("/usr/bin/env")) &&
         RefusedWith(chmod("/usr/bin/env", 0777));
}
bool WriteRoot() {
  return NotWritable("/attack") && RefusedWith(mkdir("/attack", 0700)) && RefusedWith(unlink("/bin")) &&
         RefusedWith(rename("/tmp", "/gone")) && RefusedWith(symlink("/tmp", "/link"));
}
bool WriteEtc() {
  return NotWritable("/etc/attack") && NotWritable("/etc/ld.so.preload") && NotWritable("/etc/ld.so.cache") &&
         NotWritable("/dev/attack") && RefusedWith(chmod("/dev/null", 0600));
}
bool ReadShadow() {
  for (const char* path : {"/etc/shadow", "/etc/passwd", "/root", "/home", "/var", "/srv", "/mnt", "/boot", "/old",
                           "/tmp/../etc/shadow", "/proc/self/root/etc/shadow", "/proc/self/cwd/../root"}) {
    if (!NotReadable(path)) return false;
  }
  return true;
}
bool RawDisk() {
  for (const char* path :
       {"/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/loop0", "/dev/fuse",
        "/dev/kvm", "/dev/net/tun", "/dev/tty", "/dev/ptmx", "/dev/console", "/dev/shm"}) {
    if (!NotReadable(path)) return false;
  }
  return true;
}
bool DeviceNode() {
  return RefusedWith(mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0))) &&
         RefusedWith(mknod("/tmp/memory", S_IFCHR | 0600, makedev(1, 1)));
}
bool Handle() {
  alignas(file_handle) char space[sizeof(file_handle) + 128] = {};
  auto* handle = reinterpret_cast<file_handle*>(space);
  handle->handle_bytes = 128;
  int mount = 0;
  const bool named = name_to_handle_at(AT_FDCWD, "/usr", handle, &mount, 0) == 0;
  return !named && RefusedWith(open_by_handle_at(AT_FDCWD, handle, O_RDONLY));
}
bool Inherited() {
  for (int fd = 3; fd < 65536; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) return false;
  }
  return true;
}
bool DevFd() {
  // What can be got is the pipe that it has, from the other end: its own input, to write to, and its own output.
  struct stat info {};
  for (const char* path : {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"}) {
    if (stat(path, &info) != 0 || !S_ISFIFO(info.st_mode)) return false;
  }
  return true;
}

// The sandbox's side asks for the file "out".
bool OutputLink() { return symlink("/usr/bin/env", "/tmp/out") == 0; }
bool OutputPipe() { return mkfifo("/tmp/out", 0600) == 0; }
bool OutputFolder() { return mkdir("/tmp/out", 0700) == 0; }
bool OutputSwapped() {
  if (fork() != 0) {
    usleep(20000);
    return true;
  }
  for (;;) {
    unlink("/tmp/out");
    [[maybe_unused]] const int linked = symlink("/usr/bin/env", "/tmp/out");
    unlink("/tmp/out");
    const int fd = open("/tmp/out", O_WRONLY | O_CREAT, 0600);
    if (fd >= 0) close(fd);
  }
}

void Flood(bool out, bool err) {
  static char block[65536];
  std::memset(block, 'x', sizeof block);
  for (;;) {
    if (out && write(1, block, sizeof block) < 0) return;
    if (err && write(2, block, sizeof block) < 0) return;
  }
}
bool FloodOut() {
  Flood(true, false);
  return false;
}
bool FloodErr() {
  Flood(false, true);
  return false;
}
bool FloodBoth() {
  Flood(true, true);
  return false;
}
bool UnreadInput() { return true; }
bool ClosedInput() { return close(0) == 0; }

}  // namespace

const Try kFileTries[] = {{"tmp_bytes", TmpBytes},           {"tmp_files", TmpFiles},
                          {"tmp_sparse", TmpSparse},         {"tmp_deep", TmpDeep},
                          {"descriptors", Descriptors},      {"write_usr", WriteUsr},
                          {"write_root", WriteRoot},         {"write_etc", WriteEtc},
                          {"read_shadow", ReadShadow},       {"raw_disk", RawDisk},
                          {"device_node", DeviceNode},       {"handle", Handle},
                          {"inherited", Inherited},          {"dev_fd", DevFd},
                          {"flood_out", FloodOut},           {"flood_err", FloodErr},
                          {"flood_both", FloodBoth},         {"unread_input", UnreadInput},
                          {"closed_input", ClosedInput},     {"output_link", OutputLink},
                          {"output_pipe", OutputPipe},       {"output_folder", OutputFolder},
                          {"output_swapped", OutputSwapped}, {nullptr, nullptr}};

}  // namespace attacker
