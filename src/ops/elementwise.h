// Sums of matrices, element by element; all matrices of a call have one shape.
#pragma once

#include <cstdint>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// out = a x + b y, rounded as fma(b, y, a * x). out may be x or y.
void WeightedSum(float a, ConstMatrixView x, float b, ConstMatrixView y, MatrixView out, ExecContext& exec);

// out += a x, rounded as fma(a, x, out).
void AddScaled(float a, ConstMatrixView x, MatrixView out, ExecContext& exec);

// Serial, for one row of n elements. out = a x.
void ScaleRow(float a, const float* x, int64_t n, float* out);
void AddScaledRow(float a, const float* x, int64_t n, float* out);
// sum of x y over 16 fixed lanes and a fixed tree: the same bits on every instruction set with a fused multiply-add.
float Dot(const float* x, const float* y, int64_t n);

}  // namespace fulgur
