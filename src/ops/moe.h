// Moving rows between token order and expert order. A token sums its experts in rank order (decreasing weight), so its
// bits do not depend on which other tokens chose the same experts.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"

namespace fulgur {

// Where each (token, rank) stands when rows are sorted by expert, tokens in order within an expert.
struct ExpertDispatch {
  std::vector<int64_t> first;  // [E + 1]: rows of expert e are [first[e], first[e + 1])
  std::vector<int64_t> slot;   // [m * k]: row of (token, rank)
  std::vector<int64_t> token;  // [m * k]: token of each row

  // experts [m, k] from Route.
  void Build(const int32_t* experts, int64_t m, int64_t k, int64_t num_experts);
};

// The functions below work on a range of rows or tokens. Arrays are whole: x, y, dx, dy [m, n]; rows, drows [m * k, n];
// weights, dweights [m, k].

// rows [first, end) <- x of their tokens
void GatherRows(const ExpertDispatch& dispatch, const float* x, int64_t first, int64_t end, int64_t n, float* rows,
                ThreadPool& pool);
// Tokens [first, end): y = sum over ranks of weights * rows
void CombineRows(const ExpertDispatch& dispatch, const float* rows, const float* weights, int64_t first, int64_t end,
                 int64_t k, int64_t n, float* y, ThreadPool& pool);
// Tokens [first, end), from dy [m, n]: drows = weights * dy (overwritten), dweights = dy . rows
void CombineRowsBackward(const ExpertDispatch& dispatch, const float* dy, const float* rows, const float* weights,
                         int64_t first, int64_t end, int64_t k, int64_t n, float* drows, float* dweights,
                         ThreadPool& pool);
// Tokens [first, end): dx += sum over ranks of drows
void GatherRowsBackward(const ExpertDispatch& dispatch, const float* drows, int64_t first, int64_t end, int64_t k,
                        int64_t n, float* dx, ThreadPool& pool);

}  // namespace fulgur
