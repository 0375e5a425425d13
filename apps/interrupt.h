// Signals that stop an answer or a run instead of the program.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "engine/generation.h"

namespace fulgur {

// From now on Ctrl-C ends what RunUntilInterrupted runs, or the wait for a line. once: the second Ctrl-C ends the
// program as usual.
void CatchInterrupts(bool once);
void ForgetInterrupt();

// Whether Ctrl-C has come since.
bool Interrupted();

// Steps until the engine has nothing more to do. Ctrl-C cancels the request.
inline void RunUntilInterrupted(Engine& engine, int64_t request) {
  bool cancelled = false;
  while (engine.Step()) {
    if (Interrupted() && !std::exchange(cancelled, true)) engine.Cancel(request);
  }
}

// Ends the program as Ctrl-C would have without CatchInterrupts(true), so that a shell sees it and ends its loop too.
void DieOfInterrupt();

// From now on SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal is gone) and SIGPIPE (nobody reads the output any more)
// set what is returned, for a run that is to end where it can be continued. A second SIGINT or SIGTERM ends the program
// at once. Under nohup, SIGHUP stays ignored.
const std::atomic<bool>& StopOnSignals();

// The exit status of a program whose work a signal ended early: 128 + the signal's number, as in a shell. Thrown.
struct StoppedBySignal {
  int status;
};
// Throws StoppedBySignal if one of the signals of StopOnSignals came.
void ExitIfStopped();

}  // namespace fulgur
