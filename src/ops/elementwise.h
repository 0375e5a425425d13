// Sums of vectors, element by element. Flat arrays of n elements.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace fulgur {

// out = a x + b y, rounded as fma(b, y, a * x). out may be x or y.
void WeightedSum(float a, const float* x, float b, const float* y, int64_t n, float* out, ThreadPool& pool);

// out += a x, rounded as fma(a, x, out).
void AddScaled(float a, const float* x, int64_t n, float* out, ThreadPool& pool);

// Serial, for one row. out = a x.
void ScaleRow(float a, const float* x, int64_t n, float* out);
void AddScaledRow(float a, const float* x, int64_t n, float* out);
// sum of x y over 16 fixed lanes and a fixed tree: the same bits on every instruction set with a fused multiply-add.
float Dot(const float* x, const float* y, int64_t n);

}  // namespace fulgur
