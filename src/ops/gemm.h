// Matrix products. Every output element is a single chain of fused multiply-adds over the reduction index in increasing
// order, starting from +0 (or from the element's old value when accumulating). So its bits do not depend on how many
// rows there are, on tiling, on threads, or on which instruction set with a fused multiply-add runs it.
//
// All matrices are float32 row-major with a row stride, except packed weights, which may hold bf16 (widened exactly, so
// arithmetic is float32 all the same).
#pragma once

#include <cstdint>
#include <memory>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace fulgur {

// Weights W [N, K] of a linear map y = x W^T, stored as panels of kPanelWidth outputs: panel p holds, for each k in
// turn, W[p * width .. p * width + width)[k]; the last panel is padded with zeros.
class PackedMatrix {
 public:
  static constexpr int64_t kPanelWidth = 32;

  PackedMatrix() = default;
  // Packs weight [N, K] of dtype F32, BF16 or F16. BF16 stays bf16; F32 and F16 become float32.
  explicit PackedMatrix(const Tensor& weight, ThreadPool& pool);
  // Packs again, into the memory this has already (same shape and dtype as before).
  void Update(const Tensor& weight, ThreadPool& pool);

  bool empty() const { return data_.empty(); }
  int64_t outputs() const { return n_; }  // N
  int64_t inputs() const { return k_; }   // K
  DType dtype() const { return data_.dtype(); }
  size_t bytes() const { return data_.bytes(); }
  int64_t panels() const { return (n_ + kPanelWidth - 1) / kPanelWidth; }
  const std::byte* panel(int64_t p) const;

 private:
  int64_t n_ = 0, k_ = 0;
  Tensor data_;
};

// y [M, N] = x [M, K] W^T.  ldx, ldy: row strides in elements.
void MatMul(const float* x, int64_t ldx, int64_t m, const PackedMatrix& w, float* y, int64_t ldy, ThreadPool& pool);

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
void Gemm(const GemmArgs& args, ThreadPool& pool);  // split over the pool
void GemmSerial(const GemmArgs& args);              // on this thread, for use inside a ParallelFor body

// Gradients of y = x W^T, with W [N, K] float32 row-major:
//   dx [M, K] = dy [M, N] W                       (overwrites)
//   dw [N, K] += dy^T [N, M] x [M, K]             (accumulates)
void MatMulGradInput(const float* dy, int64_t lddy, int64_t m, const Tensor& w, float* dx, int64_t lddx,
                     ThreadPool& pool, bool accumulate = false);
void MatMulGradWeight(const float* dy, int64_t lddy, const float* x, int64_t ldx, int64_t m, Tensor& dw,
                      ThreadPool& pool);

// The instruction set the kernels run with ("AVX3_DL", "AVX2", ...), and a way for tests to choose another:
// names of what this machine supports, and a switch that holds for the process ("" restores the default).
const char* InstructionSet();
std::vector<std::string> SupportedInstructionSets();
void UseInstructionSet(const std::string& name);

}  // namespace fulgur
