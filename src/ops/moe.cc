#include "ops/moe.h"

#include <cstring>

#include "ops/elementwise.h"
#include "ops/parallel.h"

namespace fulgur {
namespace {

// f(i) for all i of the range, each over n elements.
template <typename F>
void ForRange(RowRange range, int64_t n, ExecContext& exec, const F& f) {
  ParallelRows(exec, range.count, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(range.first + i);
  });
}

}  // namespace

void ExpertDispatch::Build(MatrixViewOf<const int32_t> experts, int64_t num_experts) {
  const int64_t m = experts.rows, k = experts.cols;
  // Counts, then their sums, two places later: so entry e + 1 counts expert e's rows up to where those of e + 1 begin.
  first.assign(static_cast<size_t>(num_experts) + 2, 0);
  slot.resize(static_cast<size_t>(m * k));
  token.resize(static_cast<size_t>(m * k));
  for (int64_t t = 0; t < m; ++t) {
    for (int64_t r = 0; r < k; ++r) ++first[static_cast<size_t>(experts(t, r)) + 2];
  }
  for (size_t e = 1; e < first.size(); ++e) first[e] += first[e - 1];
  for (int64_t t = 0; t < m; ++t) {
    for (int64_t r = 0; r < k; ++r) {
      const int64_t row = first[static_cast<size_t>(experts(t, r)) + 1]++;
      slot[static_cast<size_t>(t * k + r)] = row;
      token[static_cast<size_t>(row)] = t;
    }
  }
  first.pop_back();
}

void GatherRows(const ExpertDispatch& dispatch, ConstMatrixView x, RowRange range, MatrixView rows, ExecContext& exec) {
  ForRange(range, x.cols, exec, [&](int64_t row) {
    std::memcpy(rows.row(row), x.row(dispatch.token[static_cast<size_t>(row)]),
                static_cast<size_t>(x.cols) * sizeof(float));
  });
}

void CombineRows(const ExpertDispatch& dispatch, ConstMatrixView rows, ConstMatrixView weights, RowRange range,
                 MatrixView y, ExecContext& exec) {
  const int64_t k = weights.cols;
  ForRange(range, y.cols, exec, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      const float* row = rows.row(dispatch.slot[static_cast<size_t>(t * k + r)]);
      if (r == 0) {
        ScaleRow(weights(t, r), row, y.cols, y.row(t));
      } else {
        AddScaledRow(weights(t, r), row, y.cols, y.row(t));
      }
    }
  });
}

void CombineRowsBackward(const ExpertDispatch& dispatch, ConstMatrixView dy, ConstMatrixView rows,
                         ConstMatrixView weights, RowRange range, MatrixView drows, MatrixView dweights,
                         ExecContext& exec) {
  const int64_t k = weights.cols, n = dy.cols;
  ForRange(range, n, exec, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      const int64_t slot = dispatch.slot[static_cast<size_t>(t * k + r)];
      ScaleRow(weights(t, r), dy.row(t), n, drows.row(slot));
      dweights(t, r) = Dot(dy.row(t), rows.row(slot), n);
    }
  });
}

void GatherRowsBackward(const ExpertDispatch& dispatch, ConstMatrixView drows, RowRange range, int64_t k, MatrixView dx,
                        ExecContext& exec) {
  ForRange(range, dx.cols, exec, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      AddScaledRow(1.0f, drows.row(dispatch.slot[static_cast<size_t>(t * k + r)]), dx.cols, dx.row(t));
    }
  });
}

}  // namespace fulgur
