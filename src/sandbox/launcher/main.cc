// launcher SLOT, with the socket to Fulgur as descriptor 3.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "sandbox/launcher/launcher.h"

namespace fulgur {
namespace {

int Serve() {
  for (;;) {
    std::string message;
    std::vector<int> fds;
    if (!ReceiveMessage(kLauncherSocket, &message, &fds)) return 0;
    SandboxRun run;
    SandboxOutcome not_understood;
    not_understood.problem = "the launcher does not understand the run";
    const bool sent = Unpack(message, fds, &run) ? Supervise(run, kLauncherSocket)
                                                 : SendMessage(kLauncherSocket, Pack(not_understood));
    if (!sent) return 0;
  }
}

int Main(int slot) {
  close_range(kLauncherSocket + 1, ~0U, 0);
  fcntl(kLauncherSocket, F_SETFD, FD_CLOEXEC);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {0, 1, 2}) dup2(null, fd);
  close(null);
  setsid();  // no terminal
  umask(022);
  signal(SIGPIPE, SIG_IGN);
  for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const LauncherHello hello = Contain(slot);
  if (!SendMessage(kLauncherSocket, Pack(hello)) || !hello.failed_step.empty()) return 1;
  return Serve();
}

}  // namespace
}  // namespace fulgur

int main(int argc, char** argv) { return argc == 2 ? fulgur::Main(std::atoi(argv[1])) : 2; }
