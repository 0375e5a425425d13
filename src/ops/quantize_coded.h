// The search for codes, scales and offsets of the coded formats (coded_weights.h).
#pragma once

#include <cstdint>

#include "ops/packed_matrix.h"

namespace fulgur {

// 32 inputs x [32][32] (inputs, outputs) of 32 outputs to a group of a panel. What is kept least is the sum of squared
// errors, each times importance [32] of its input if that is not nullptr: by alternating between the codes of given
// scales and offsets, and the scales and offsets of given codes, from several beginnings. |x| <= kLargestCodedWeight.
// The bits do not depend on the instruction set.
void QuantizeCodedGroup(WeightFormat format, const float* x, const float* importance, uint8_t* group);

}  // namespace fulgur
