// The launcher: a small static program that Fulgur starts, that gives up what it may do, and then starts runs, one at a
// time. Everything here runs before or beside untrusted programs, so it is plain: no exceptions, no threads.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "sandbox/protocol.h"

namespace fulgur {

// --- seccomp.cc

// The system calls of a profile, as a BPF program. Empty with errno set if there is none.
std::vector<sock_filter> SeccompFilter(SandboxProfile profile);

// --- contain.cc

// Gives up root (uid 61000 + slot), enters a user namespace and a network without interfaces, and leaves the machine's
// files behind but for /usr, some of /etc and four devices, all read-only.
LauncherHello Contain(int slot);

// The links at the root (bin, lib, ...) and folders that stand for them, of which a run's root is made as well.
struct RootEntry {
  std::string name;  // "lib64"
  std::string link;  // what it points to; empty: a folder
};
const std::vector<RootEntry>& RootEntries();

// Keeps those of the run's shared bytes that came with it, as files that this run and later ones bind. False with errno
// set if one cannot be kept.
bool Keep(const SandboxRun& run);
std::string KeptPath(const SharedBytes& shared);

// --- init.cc

// The first process of a run, in namespaces of its own. Makes the run's files, starts the program, watches its CPU time
// and memory, reaps, and reports. Ends with everything it has started.
struct InitFds {
  int in, out, err;  // the program's
  int report;        // where the InitReport goes, and collected files
  int alive;         // ends when the launcher does
};
[[noreturn]] void RunInit(const SandboxRun& run, const InitFds& fds, const std::vector<sock_filter>& filter);

struct InitReport {
  std::string failed_step;  // empty: the program was started
  int error = 0;
  int status = 0;  // as of wait
  bool out_of_cpu = false, out_of_memory = false, out_of_time = false;
  double cpu_seconds = 0;
  int64_t peak_memory = 0;
  std::vector<SandboxFile> collected;
};
std::string Pack(const InitReport& report);
bool Unpack(std::string_view bytes, InitReport* report);

// --- supervise.cc

// One run, from start to end; its outcome goes to the socket. Where it is noticed that Fulgur has gone, this process
// ends. Closes the run's descriptors. False if the outcome cannot be sent.
bool Supervise(const SandboxRun& run, int socket);

// --- io.cc

bool WriteAll(int fd, std::string_view bytes);
bool WriteWholeFile(const char* path, std::string_view content, int mode);
// A message with its length in front. Receive also takes descriptors that come along. False at the end of the socket.
bool SendMessage(int fd, std::string_view message);
bool ReceiveMessage(int fd, std::string* message, std::vector<int>* fds);

}  // namespace fulgur
