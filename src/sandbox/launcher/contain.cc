#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sandbox/launcher/launcher.h"

namespace fulgur {
namespace {

constexpr int kFirstUid = 61000, kUids = 184;  // between what Debian gives to users and what systemd gives to services
constexpr int kInnerUid = 1000;

LauncherHello Failed(const char* step) { return {step, errno}; }

std::vector<RootEntry>& Entries() {
  static std::vector<RootEntry> entries;
  return entries;
}

// Whether uid 0 here is the machine's root. (In a container of an ordinary user it is that user.)
bool IsMachinesRoot() {
  if (geteuid() != 0 && getuid() != 0) return false;
  FILE* map = std::fopen("/proc/self/uid_map", "re");
  if (map == nullptr) return true;
  unsigned long inside = 0, outside = 0, count = 0;
  bool root = false;
  while (std::fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3) {
    if (inside == 0 && outside == 0) root = true;
  }
  std::fclose(map);
  return root;
}

bool GiveUpRoot(int slot) {
  const auto id = static_cast<uid_t>(kFirstUid + slot % kUids);
  return setgroups(0, nullptr) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0;
}

bool MapIds(uid_t uid, gid_t gid) {
  char map[64];
  if (!WriteWholeFile("/proc/self/setgroups", "deny", 0)) return false;
  std::snprintf(map, sizeof map, "%d %u 1", kInnerUid, static_cast<unsigned>(uid));
  if (!WriteWholeFile("/proc/self/uid_map", map, 0)) return false;
  std::snprintf(map, sizeof map, "%d %u 1", kInnerUid, static_cast<unsigned>(gid));
  return WriteWholeFile("/proc/self/gid_map", map, 0);
}

// A copy of what is mounted at `from`, and below it, at the relative path `to`, which is there.
bool Bind(const std::string& from, const char* to) {
  const int tree = static_cast<int>(
      syscall(SYS_open_tree, AT_FDCWD, from.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (tree < 0) return false;
  const bool moved = syscall(SYS_move_mount, tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) == 0;
  const int reason = errno;
  close(tree);
  errno = reason;
  return moved;
}

bool BindFile(const char* from, const char* to) {
  if (access(from, F_OK) != 0) return true;  // then programs do without it
  return WriteWholeFile(to, "", 0644) && Bind(from, to);
}

// In the current folder, which becomes the root. Null, or the step that failed.
const char* MakeRoot() {
  for (const char* folder : {"usr", "dev", "etc", "proc", "run", "kept"}) {
    if (mkdir(folder, 0755) != 0) return "making folders";
  }
  if (!Bind("/usr", "usr")) return "binding /usr";
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    const std::string path = std::string("/") + name;
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) continue;
    char target[256];
    if (S_ISLNK(info.st_mode)) {
      const ssize_t n = readlink(path.c_str(), target, sizeof target - 1);
      if (n <= 0) continue;
      target[n] = 0;
      if (symlink(target, name) != 0) return "making links";
      Entries().push_back({name, target});
    } else if (S_ISDIR(info.st_mode)) {
      if (mkdir(name, 0755) != 0 || !Bind(path, name)) return "binding the folders of libraries";
      Entries().push_back({name, ""});
    }
  }
  if (!BindFile("/dev/null", "dev/null") || !BindFile("/dev/zero", "dev/zero") ||
      !BindFile("/dev/urandom", "dev/urandom") || !BindFile("/dev/random", "dev/random")) {
    return "binding devices";
  }
  if (symlink("/proc/self/fd", "dev/fd") != 0 || symlink("/proc/self/fd/0", "dev/stdin") != 0 ||
      symlink("/proc/self/fd/1", "dev/stdout") != 0 || symlink("/proc/self/fd/2", "dev/stderr") != 0) {
    return "making links";
  }
  if (access("/etc/alternatives", F_OK) == 0 &&
      (mkdir("etc/alternatives", 0755) != 0 || !Bind("/etc/alternatives", "etc/alternatives"))) {
    return "binding /etc/alternatives";
  }
  if (!BindFile("/etc/ld.so.cache", "etc/ld.so.cache")) return "binding /etc/ld.so.cache";
  return nullptr;
}

// Leaves the machine's files behind. Null, or the step that failed.
const char* EnterRoot() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "making mounts private";
  const char* place = "/tmp";
  if (mount("tmpfs", place, "tmpfs", MS_NOSUID, "size=1m,nr_inodes=200,mode=755") != 0) {
    place = "/mnt";
    if (mount("tmpfs", place, "tmpfs", MS_NOSUID, "size=1m,nr_inodes=200,mode=755") != 0) return "mounting a tmpfs";
  }
  if (chdir(place) != 0) return "entering the new root";
  if (const char* step = MakeRoot()) return step;
  // Read-only, all that is bound so far, for good: in namespaces further in these flags are locked.
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  if (syscall(SYS_mount_setattr, AT_FDCWD, place, AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    return "making the root read-only";
  }
  attributes.attr_set = MOUNT_ATTR_NODEV;
  if (syscall(SYS_mount_setattr, AT_FDCWD, "usr", AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    return "taking devices out of /usr";
  }
  if (mount("tmpfs", "kept", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,nr_inodes=100,mode=755") != 0) {
    return "mounting a tmpfs for what runs share";
  }
  if (!Bind("/proc", "proc")) return "binding /proc";  // a run can have a /proc only where there is one
  if (syscall(SYS_pivot_root, ".", ".") != 0) return "pivot_root";
  if (umount2(".", MNT_DETACH) != 0) return "leaving the old root";
  return chdir("/") == 0 ? nullptr : "entering the new root";
}

}  // namespace

const std::vector<RootEntry>& RootEntries() { return Entries(); }

std::string KeptPath(const SharedBytes& shared) { return "/kept/" + std::to_string(shared.id); }

bool Keep(const SandboxRun& run) {
  for (const SandboxFile& file : run.files) {
    if (file.shared == nullptr || file.shared->bytes.empty()) continue;
    if (!WriteWholeFile(KeptPath(*file.shared).c_str(), file.shared->bytes, 0555)) return false;
  }
  return true;
}

LauncherHello Contain(int slot) {
  if (access("/proc/self/uid_map", F_OK) != 0) return Failed("finding /proc");
  if (IsMachinesRoot() && !GiveUpRoot(slot)) return Failed("giving up root");
  prctl(PR_SET_DUMPABLE, 1);  // otherwise /proc/self belongs to root
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER) != 0) return Failed("user namespace");
  if (!MapIds(uid, gid)) return Failed("mapping ids");
  if (unshare(CLONE_NEWNS) != 0) return Failed("mount namespace");
  if (unshare(CLONE_NEWNET) != 0) return Failed("network namespace");
  if (unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0) return Failed("other namespaces");
  if (const char* step = EnterRoot()) return Failed(step);
  return {};
}

}  // namespace fulgur
