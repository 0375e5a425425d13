// Numbers in few bits, in groups that share a scale.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/dot_kernels.h"
#include "ops/packed_matrix.h"
#include "tensor/matrix_view.h"
#include "tensor/tensor.h"

namespace fulgur {

// One group of weights: value q stands for scale * q.
struct QuantizedGroup {
  bf16 scale;
  int8_t q[kDotGroup];
};

// x: kDotGroup weights. 8 bits: q in [-127, 127], scale = the largest magnitude / 127, rounded up to a bf16. 4 bits: q
// in [-8, 7], and of a few scales the one with the least sum of squared errors, each times `importance` if that is not
// nullptr; the scale may be negative, so that the weight of largest magnitude can use the end that reaches further.
QuantizedGroup QuantizeQ8(const float* x);
QuantizedGroup QuantizeQ4(const float* x, const float* importance = nullptr);

// Bytes of a row of K activations, encoded for weights of a format; 0 for those that take float32 as it is.
size_t EncodedRowBytes(WeightFormat format, int64_t k);

// Rows x [m, K] -> out [m, EncodedRowBytes]. kBf16Dot: rounded to nearest even. kQ8, kQ4 and coded formats: 8 bits for
// each group of 32, scale = largest magnitude / 127; a group with a value that is not finite gets a scale that is
// not a number, so that results show it.
void EncodeRows(ConstMatrixView x, WeightFormat format, std::byte* out);

}  // namespace fulgur
