// Loops over blocks of rows or elements.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// Elements of work that are worth handing to another thread.
inline constexpr int64_t kParallelGrain = 16384;

// body(begin, end) for consecutive blocks of at most `block` that cover [0, n).
template <typename Body>
void ParallelBlocks(ExecContext& exec, int64_t n, int64_t block, const Body& body) {
  if (n <= 0) return;
  if (n <= block) return body(int64_t{0}, n);
  exec.pool().ParallelFor((n + block - 1) / block,
                          [&](int64_t i, int) { body(i * block, std::min(n, (i + 1) * block)); });
}

// The same over m rows of n elements, in blocks of about kParallelGrain elements.
template <typename Body>
void ParallelRows(ExecContext& exec, int64_t m, int64_t n, const Body& body) {
  ParallelBlocks(exec, m, std::max<int64_t>(1, kParallelGrain / std::max<int64_t>(1, n)), body);
}

// body(n, pointers...): n elements that lie side by side in each of the views, which have one shape; all elements in
// turn. For what is computed element by element.
template <typename Body, typename First, typename... Rest>
void ParallelElements(ExecContext& exec, const Body& body, const MatrixViewOf<First>& first,
                      const MatrixViewOf<Rest>&... rest) {
  FULGUR_CHECK(((rest.rows == first.rows && rest.cols == first.cols) && ...));
  if (first.contiguous() && (rest.contiguous() && ...)) {
    ParallelBlocks(exec, first.rows * first.cols, kParallelGrain,
                   [&](int64_t begin, int64_t end) { body(end - begin, first.data + begin, (rest.data + begin)...); });
  } else {
    ParallelRows(exec, first.rows, first.cols, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) body(first.cols, first.row(r), rest.row(r)...);
    });
  }
}

}  // namespace fulgur
