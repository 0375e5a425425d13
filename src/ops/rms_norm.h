// Root mean square normalisation (Zhang and Sennrich 2019, eq. 4), over each row:
//   inv_rms = 1 / sqrt(mean_i(x_i^2) + eps),   y_i = w_i * (x_i * inv_rms)
#pragma once

#include <cstdint>
#include <span>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// One row: x [n], w [n] -> y [n]; returns inv_rms. y may be x.
float RmsNormRow(const float* x, int64_t n, const float* w, float eps, float* y);

// x [m, n], w [n] -> y [m, n], and inv_rms [m, 1] unless it is empty. y may be x.
void RmsNorm(ConstMatrixView x, std::span<const float> w, float eps, MatrixView y, MatrixView inv_rms,
             ExecContext& exec);

// dy, x [m, n], inv_rms [m, 1] of the forward pass, w [n] -> dx [m, n] (overwrites; may be dy), with
//   dx_i = inv_rms * (w_i dy_i - x_i * inv_rms^2 / n * sum_j w_j dy_j x_j).
void RmsNormGradInput(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView inv_rms, std::span<const float> w,
                      MatrixView dx, ExecContext& exec);
// dw [n] += sum over rows of dy_i x_i inv_rms, in the order of the rows whatever the number of threads.
void RmsNormGradWeight(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView inv_rms, std::span<float> dw,
                       ExecContext& exec);

}  // namespace fulgur
