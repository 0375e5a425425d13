#include "apps/interrupt.h"

#include <csignal>

namespace fulgur {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
std::atomic<bool> g_stop{false};
volatile std::sig_atomic_t g_stop_signal = 0;  // the first that came

void Stop(int signal) {
  if (g_stop_signal == 0) g_stop_signal = signal;
  g_stop = true;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

void CatchInterrupts(bool once) {
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  action.sa_flags = once ? static_cast<int>(SA_RESETHAND) : 0;  // no SA_RESTART: the wait for a key must end
  sigaction(SIGINT, &action, nullptr);
}

void ForgetInterrupt() { g_interrupted = 0; }

bool Interrupted() { return g_interrupted != 0; }

void DieOfInterrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);
}

const std::atomic<bool>& StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = Stop;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    const bool ignored = before.sa_handler == SIG_IGN && (signal == SIGHUP || signal == SIGPIPE);
    if (!ignored) sigaction(signal, &action, nullptr);
  }
  return g_stop;
}

void ExitIfStopped() {
  if (g_stop_signal != 0) throw StoppedBySignal{128 + g_stop_signal};
}

}  // namespace fulgur
