// Matrix products in float32. Every output element is a single chain of fused multiply-adds over the reduction index in
// increasing order, starting from +0 (or from the element's old value when accumulating). So its bits do not depend on
// how many rows there are, on tiling, on threads, or on which instruction set with a fused multiply-add runs it.
// Matrices are row-major with a row stride. Products with packed weights: matmul.h.
#pragma once

#include <cstdint>
#include <memory>

#include "ops/exec_context.h"
#include "ops/packed_matrix.h"
#include "tensor/matrix_view.h"
#include "tensor/tensor.h"

namespace fulgur {

// General float32 product with strides, for backward passes: c[i, j] (+)= sum_k a[i * a_row + k * a_col] * b[k * ldb +
// j], i < m, j < n, k < kk. accumulate: start from c instead of +0.
struct GemmArgs {
  int64_t m, n, k;
  const float* a;
  int64_t a_row, a_col;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  bool accumulate = false;
};
void Gemm(const GemmArgs& args, ExecContext& exec);        // split over the threads
void GemmSerial(const GemmArgs& args, ExecContext& exec);  // on this thread, for use inside a ParallelFor body

// Gradients of y = x W^T, with W [N, K] float32 row-major:
//   dx [M, K] = dy [M, N] W                       (overwrites)
//   dw [N, K] += dy^T [N, M] x [M, K]             (accumulates)
void MatMulGradInput(ConstMatrixView dy, const Tensor& w, MatrixView dx, ExecContext& exec, bool accumulate = false);
void MatMulGradWeight(ConstMatrixView dy, ConstMatrixView x, Tensor& dw, ExecContext& exec);

// Rows [row0, row1) of panels [panel0, panel1) of y = x W^T, on this thread; w of format kF32 or kBf16 (widened
// exactly, so the arithmetic is the same). x [M, K], y [M, N] whole.
void MatMulBlock(ConstMatrixView x, const PackedMatrix& w, MatrixView y, int64_t row0, int64_t row1, int64_t panel0,
                 int64_t panel1, ExecContext& exec);

// The instruction set the kernels run with ("AVX3_DL", "AVX2", ... as Highway names them; "AMX": the best of those, and
// AMX for dot products), and a way for tests to choose another: names of what this machine supports, best first, and a
// switch that holds for the process ("" restores the default).
const char* InstructionSet();
std::vector<std::string> SupportedInstructionSets();
void UseInstructionSet(const std::string& name);

}  // namespace fulgur
