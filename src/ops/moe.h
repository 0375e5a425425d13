// Moving rows between token order and expert order. A token sums its experts in rank order (decreasing weight), so its
// bits do not depend on which other tokens chose the same experts.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// Where each (token, rank) stands when rows are sorted by expert, tokens in order within an expert.
struct ExpertDispatch {
  std::vector<int64_t> first;  // [E + 1]: rows of expert e are [first[e], first[e + 1])
  std::vector<int64_t> slot;   // [m * k]: row of (token, rank)
  std::vector<int64_t> token;  // [m * k]: token of each row

  // experts [m, k] from Route.
  void Build(MatrixViewOf<const int32_t> experts, int64_t num_experts);
};

// The functions below work on a range of rows or tokens. Matrices are whole: x, y, dx, dy [m, n]; rows, drows
// [m * k, n]; weights, dweights [m, k].

// Of the range: rows <- x of their tokens
void GatherRows(const ExpertDispatch& dispatch, ConstMatrixView x, RowRange range, MatrixView rows, ExecContext& exec);
// Tokens of the range: y = sum over ranks of weights * rows
void CombineRows(const ExpertDispatch& dispatch, ConstMatrixView rows, ConstMatrixView weights, RowRange range,
                 MatrixView y, ExecContext& exec);
// Tokens of the range, from dy [m, n]: drows = weights * dy (overwritten), dweights = dy . rows
void CombineRowsBackward(const ExpertDispatch& dispatch, ConstMatrixView dy, ConstMatrixView rows,
                         ConstMatrixView weights, RowRange range, MatrixView drows, MatrixView dweights,
                         ExecContext& exec);
// Tokens of the range: dx += sum over ranks of drows, k of them
void GatherRowsBackward(const ExpertDispatch& dispatch, ConstMatrixView drows, RowRange range, int64_t k, MatrixView dx,
                        ExecContext& exec);

}  // namespace fulgur
