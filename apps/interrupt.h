// Signals that stop an answer or a run instead of the program.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/generation.h"

namespace fulgur {

// From now on Ctrl-C ends what RunUntilInterrupted runs, or the wait for a line. once: the second Ctrl-C ends the
// program as usual.
void CatchInterrupts(bool once);
void ForgetInterrupt();

// Steps until the engine has nothing more to do. Ctrl-C cancels the request.
void RunUntilInterrupted(Engine& engine, int64_t request);

// Ends the program as Ctrl-C would have without CatchInterrupts(true), so that a shell sees it and ends its loop too.
void DieOfInterrupt();

// From now on the first SIGINT or SIGTERM sets what is returned, for a run that is to end where it can be continued; a
// second one ends the program as usual.
const std::atomic<bool>& StopOnSignals();

}  // namespace fulgur
