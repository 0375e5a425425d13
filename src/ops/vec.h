// Small vector functions on this thread. Element-wise results do not depend on an element's place; reductions run in 16
// lanes (element i in lane i mod 16) that are combined by a fixed tree, whatever the vector length of the machine.
#pragma once

#include <cstdint>

namespace fulgur {

// The exponential and sigmoid of all kernels.
float Exp(float x);
float Sigmoid(float x);

// sum_i x_i y_i
float Dot(const float* x, const float* y, int64_t n);
// y += a x
void AddScaled(float a, const float* x, int64_t n, float* y);
// out = a x + b y (out may be x or y)
void LinearCombination(float a, const float* x, float b, const float* y, int64_t n, float* out);
// y = a x (y may be x)
void Scale(float a, const float* x, int64_t n, float* y);
// y = softmax(x) (y may be x), n >= 1
void Softmax(const float* x, int64_t n, float* y);

}  // namespace fulgur
