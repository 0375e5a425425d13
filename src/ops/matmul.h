// Products of activations with packed weights. Each output is computed in one fixed order whatever the number of rows,
// the tiling, the threads, and the other products of a call; which order, depends on the weights' format (gemm.h for
// kF32 and kBf16, dot_kernels.h for the others).
#pragma once

#include <cstdint>
#include <span>

#include "ops/dot_kernels.h"
#include "ops/exec_context.h"
#include "ops/packed_matrix.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// y [M, N] = x [M, K] W^T.
struct MatMulArgs {
  ConstMatrixView x;
  const PackedMatrix* w;
  MatrixView y;
};

// Independent products, spread over the threads together, so that threads wait for each other once and each weight is
// read once for all rows that share a tile. Products next to each other with the same x encode it once.
void MatMul(std::span<const MatMulArgs> products, ExecContext& exec);
inline void MatMul(ConstMatrixView x, const PackedMatrix& w, MatrixView y, ExecContext& exec) {
  const MatMulArgs product{x, &w, y};
  MatMul({&product, 1}, exec);
}

// Is told of every product of the process while a Scope of it lives, before it is computed; by several threads at a time.
class MatMulObserver {
 public:
  virtual ~MatMulObserver() = default;
  virtual void Seen(const MatMulArgs& product) = 0;

  class Scope {  // one at a time
   public:
    explicit Scope(MatMulObserver* observer);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };
};

// The dot-product kernels that this machine and UseInstructionSet (gemm.h) ask for.
const DotKernels& ChosenDotKernels();

}  // namespace fulgur
