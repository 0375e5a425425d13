// Mixture-of-experts routing: p = softmax(logits) over all E experts, the k largest are selected, their weights are
// divided by their sum (which equals a softmax over the k selected logits).
#pragma once

#include <cstdint>
#include <vector>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// logits [m, E] -> experts [m, k] by decreasing probability (of equals, the lower index first), weights [m, k] that sum
// to 1. 1 <= k <= E.
void Route(ConstMatrixView logits, MatrixViewOf<int32_t> experts, MatrixView weights, ExecContext& exec);

// dweights [m, k] -> dlogits [m, E] (overwrites). The selection is a constant:
//   dlogit_i = w_i (dw_i - sum_j w_j dw_j) for the selected, 0 elsewhere.
void RouteBackward(ConstMatrixView dweights, ConstMatrixView weights, MatrixViewOf<const int32_t> experts,
                   MatrixView dlogits, ExecContext& exec);

// How decided a router is, as sums over rows.
struct RouterFigures {
  double entropy = 0;  // of p = softmax(logits), in nats
  double dropped = 0;  // part of p that the experts which were not selected have
};

// The load-balancing loss (Fedus et al. 2021, eq. 4, for top-k): over n rows, of all layers together,
//   aux = E * sum_e f[e] P[e],   f[e] = (rows that selected e) / n,   P[e] = mean over rows of softmax(logits)[e].
// Perfect balance gives k. f is a constant for differentiation. Two steps: add up the rows of every layer, then the
// gradient into every layer's logits.
class AuxLoss {
 public:
  explicit AuxLoss(int64_t num_experts);

  // Adds rows: logits [m, E], experts [m, k]. In double, in the order of the rows and of the calls. Returns figures of
  // these rows.
  RouterFigures Add(ConstMatrixView logits, MatrixViewOf<const int32_t> experts);

  int64_t rows() const { return rows_; }
  double Value() const;  // 0 when there are no rows

  // dlogits [m, E] += coef * d aux / d logits of these rows (which were added before, in whatever call):
  //   coef * E / n * p_e (f_e - sum_j f_j p_j)
  void AddGradient(ConstMatrixView logits, double coef, MatrixView dlogits, ExecContext& exec) const;

 private:
  int64_t num_experts_, rows_ = 0;
  std::vector<double> counts_, probabilities_;  // [E] sums over rows
};

}  // namespace fulgur
