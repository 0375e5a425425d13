#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "sandbox/attacker/attacks.h"

namespace attacker {
namespace {

constexpr size_t kMiB = 1 << 20;

bool Memory() {
  for (;;) {
    void* block = std::malloc(kMiB);
    if (block == nullptr) std::abort();
    std::memset(block, 1, kMiB);
  }
}

bool MemoryMap() {
  for (size_t bytes = 0; bytes < (size_t{1} << 36); bytes += 16 * kMiB) {
    void* block = mmap(nullptr, 16 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) std::abort();
    std::memset(block, 1, 16 * kMiB);
  }
  return false;
}

bool MemoryChildren() {
  for (int i = 0; i < 20; ++i) {
    if (fork() != 0) continue;
    auto* block = static_cast<volatile char*>(std::malloc(100 * kMiB));
    for (size_t i = 0; block != nullptr && i < 100 * kMiB; i += 4096) block[i] = 1;
    for (;;) pause();
  }
  for (;;) pause();
}

int Deeper(int n, volatile char* before) {
  volatile char here[4096];
  here[0] = before == nullptr ? 0 : before[0];
  here[4095] = static_cast<char>(n);
  if (n == 1 << 30) return 0;
  return Deeper(n + 1, here) + here[4095];
}
bool Stack() { return Deeper(0, nullptr) == 1; }

bool SysvShm() { return RefusedWith(shmget(IPC_PRIVATE, 64 * kMiB, IPC_CREAT | 0600)); }
bool SysvMsg() { return RefusedWith(msgget(IPC_PRIVATE, IPC_CREAT | 0600)); }
bool SysvSem() { return RefusedWith(semget(IPC_PRIVATE, 1000, IPC_CREAT | 0600)); }
bool PosixMq() { return RefusedWith(syscall(SYS_mq_open, "attack", O_CREAT | O_RDWR, 0600, nullptr)); }
bool PosixShm() { return RefusedWith(shm_open("/attack", O_CREAT | O_RDWR, 0600)); }
bool Memfd() { return RefusedWith(syscall(SYS_memfd_create, "attack", 0)); }
bool MemfdSecret() { return RefusedWith(syscall(447 /* memfd_secret */, 0)); }
bool Mlock() {
  static char block[kMiB];
  return RefusedWith(mlock(block, sizeof block)) && RefusedWith(mlockall(MCL_FUTURE));
}
bool HugePages() {
  return mmap(nullptr, 64 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) ==
         MAP_FAILED;
}

// There are few descriptors, so there is little memory in pipes.
bool PipeMemory() {
  size_t bytes = 0;
  int ends[2];
  while (pipe(ends) == 0) {
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    static char block[65536];
    ssize_t n = 0;
    while ((n = write(ends[1], block, sizeof block)) > 0) bytes += static_cast<size_t>(n);
    if (bytes > 1024 * kMiB) return false;
  }
  return bytes <= 40 * kMiB;
}

}  // namespace

const Try kMemoryTries[] = {
    {"memory", Memory},        {"memory_map", MemoryMap},     {"memory_children", MemoryChildren},
    {"stack", Stack},          {"sysv_shm", SysvShm},         {"sysv_msg", SysvMsg},
    {"sysv_sem", SysvSem},     {"posix_mq", PosixMq},         {"posix_shm", PosixShm},
    {"memfd", Memfd},          {"memfd_secret", MemfdSecret}, {"mlock", Mlock},
    {"huge_pages", HugePages}, {"pipe_memory", PipeMemory},   {nullptr, nullptr}};

}  // namespace attacker
