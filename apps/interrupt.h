// Ctrl-C that stops an answer instead of the program.
#pragma once

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

}  // namespace fulgur
