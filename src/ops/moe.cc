#include "ops/moe.h"

#include <cstring>

#include "ops/elementwise.h"
#include "ops/parallel.h"

namespace fulgur {
namespace {

template <typename F>
void ForRange(int64_t first, int64_t end, int64_t n, ThreadPool& pool, const F& f) {
  ParallelRows(pool, end - first, n, [&](int64_t begin, int64_t stop) {
    for (int64_t i = begin; i < stop; ++i) f(first + i);
  });
}

}  // namespace

void ExpertDispatch::Build(const int32_t* experts, int64_t m, int64_t k, int64_t num_experts) {
  first.assign(static_cast<size_t>(num_experts) + 1, 0);
  slot.resize(static_cast<size_t>(m * k));
  token.resize(static_cast<size_t>(m * k));
  for (int64_t i = 0; i < m * k; ++i) ++first[static_cast<size_t>(experts[i]) + 1];
  for (size_t e = 1; e < first.size(); ++e) first[e] += first[e - 1];
  std::vector<int64_t> next(first.begin(), first.end() - 1);
  for (int64_t i = 0; i < m * k; ++i) {
    const int64_t row = next[static_cast<size_t>(experts[i])]++;
    slot[static_cast<size_t>(i)] = row;
    token[static_cast<size_t>(row)] = i / k;
  }
}

void GatherRows(const ExpertDispatch& dispatch, const float* x, int64_t first, int64_t end, int64_t n, float* rows,
                ThreadPool& pool) {
  ForRange(first, end, n, pool, [&](int64_t row) {
    std::memcpy(rows + row * n, x + dispatch.token[static_cast<size_t>(row)] * n,
                static_cast<size_t>(n) * sizeof(float));
  });
}

void CombineRows(const ExpertDispatch& dispatch, const float* rows, const float* weights, int64_t first, int64_t end,
                 int64_t k, int64_t n, float* y, ThreadPool& pool) {
  ForRange(first, end, n, pool, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      const float* row = rows + dispatch.slot[static_cast<size_t>(t * k + r)] * n;
      if (r == 0) {
        ScaleRow(weights[t * k], row, n, y + t * n);
      } else {
        AddScaledRow(weights[t * k + r], row, n, y + t * n);
      }
    }
  });
}

void CombineRowsBackward(const ExpertDispatch& dispatch, const float* dy, const float* rows, const float* weights,
                         int64_t first, int64_t end, int64_t k, int64_t n, float* drows, float* dweights,
                         ThreadPool& pool) {
  ForRange(first, end, n, pool, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      const int64_t slot = dispatch.slot[static_cast<size_t>(t * k + r)];
      ScaleRow(weights[t * k + r], dy + t * n, n, drows + slot * n);
      dweights[t * k + r] = Dot(dy + t * n, rows + slot * n, n);
    }
  });
}

void GatherRowsBackward(const ExpertDispatch& dispatch, const float* drows, int64_t first, int64_t end, int64_t k,
                        int64_t n, float* dx, ThreadPool& pool) {
  ForRange(first, end, n, pool, [&](int64_t t) {
    for (int64_t r = 0; r < k; ++r) {
      AddScaledRow(1.0f, drows + dispatch.slot[static_cast<size_t>(t * k + r)] * n, n, dx + t * n);
    }
  });
}

}  // namespace fulgur
