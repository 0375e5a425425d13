// Needle tasks of any length, in the fields of OpenAI-MRCR: for models that are to be measured without the set's data.
#pragma once

#include <cstdint>

#include "base/json.h"

namespace fulgur {

// A conversation of at least `characters` characters in which one request comes `needles` times among others, each time
// with another answer; the last message asks for one of these answers again, behind a random word. The same arguments
// give the same. characters >= 1, needles 1 to 8.
Json MakeNeedleTask(int64_t characters, int needles, uint64_t seed);

}  // namespace fulgur
