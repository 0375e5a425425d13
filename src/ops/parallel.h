// Loops over blocks of rows or elements.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/thread_pool.h"

namespace fulgur {

// Elements of work that are worth handing to another thread.
inline constexpr int64_t kParallelGrain = 16384;

// body(begin, end) for consecutive blocks of at most `block` that cover [0, n).
template <typename Body>
void ParallelBlocks(ThreadPool& pool, int64_t n, int64_t block, const Body& body) {
  if (n <= 0) return;
  if (n <= block) return body(int64_t{0}, n);
  pool.ParallelFor((n + block - 1) / block, [&](int64_t i, int) { body(i * block, std::min(n, (i + 1) * block)); });
}

// The same over m rows of n elements, in blocks of about kParallelGrain elements.
template <typename Body>
void ParallelRows(ThreadPool& pool, int64_t m, int64_t n, const Body& body) {
  ParallelBlocks(pool, m, std::max<int64_t>(1, kParallelGrain / std::max<int64_t>(1, n)), body);
}

}  // namespace fulgur
