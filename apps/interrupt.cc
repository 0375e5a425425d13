#include "apps/interrupt.h"

#include <csignal>
#include <utility>

namespace fulgur {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
std::atomic<bool> g_stop{false};

}  // namespace

void CatchInterrupts(bool once) {
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  action.sa_flags = once ? static_cast<int>(SA_RESETHAND) : 0;  // no SA_RESTART: the wait for a key must end
  sigaction(SIGINT, &action, nullptr);
}

void ForgetInterrupt() { g_interrupted = 0; }

void RunUntilInterrupted(Engine& engine, int64_t request) {
  bool cancelled = false;
  while (engine.Step()) {
    if (g_interrupted && !std::exchange(cancelled, true)) engine.Cancel(request);
  }
}

void DieOfInterrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);
}

const std::atomic<bool>& StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  return g_stop;
}

}  // namespace fulgur
