// The inner loops of MeasurePeakBf16Gflops and MeasurePeakInt8Gops. Internal to ops/peak.cc.
#pragma once

#include <cstdint>

#include "ops/dot_instructions.h"

namespace fulgur {

// `rounds` times 12 independent dot products that stay in registers. Returns the number of operations (a multiply-add
// counts as 2); *sink takes a result, so that the loop is not removed. 0 if there is no such loop for `instructions`.
double Bf16DotLoop(DotInstructions instructions, int64_t rounds, int seed, float* sink);
double Int8DotLoop(DotInstructions instructions, int64_t rounds, int seed, float* sink);

}  // namespace fulgur
