// Element-wise activations. sigmoid(x) = 1 / (1 + exp(-x)), silu(x) = x sigmoid(x) (Elfwing et al. 2017).
// All matrices of a call have one shape; an element's bits do not depend on its place. An output may be the very matrix
// of an input (overlaps that are shifted are not allowed).
#pragma once

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// y = silu(x)
void Silu(ConstMatrixView x, MatrixView y, ExecContext& exec);
// dx = dy * s (1 + x (1 - s)), s = sigmoid(x)
void SiluBackward(ConstMatrixView dy, ConstMatrixView x, MatrixView dx, ExecContext& exec);

// y = silu(gate) * up (Shazeer 2020, "GLU Variants Improve Transformer", eq. 6)
void SwiGlu(ConstMatrixView gate, ConstMatrixView up, MatrixView y, ExecContext& exec);
// dgate = dy * up * silu'(gate), dup = dy * silu(gate)
void SwiGluBackward(ConstMatrixView dy, ConstMatrixView gate, ConstMatrixView up, MatrixView dgate, MatrixView dup,
                    ExecContext& exec);

// y = x * sigmoid(gate)
void GatedMultiply(ConstMatrixView x, ConstMatrixView gate, MatrixView y, ExecContext& exec);
// dx = dy * s, dgate = dy * x * s (1 - s), s = sigmoid(gate)
void GatedMultiplyBackward(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView gate, MatrixView dx, MatrixView dgate,
                           ExecContext& exec);

}  // namespace fulgur
