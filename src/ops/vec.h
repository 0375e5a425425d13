// The exponential of all kernels, and what is made of it, on this thread. Reductions run in 16 lanes (element i in lane
// i mod 16) that are combined by a fixed tree, whatever the vector length of the machine (ops/vec-inl.h).
#pragma once

#include <cstdint>

namespace fulgur {

// exp within 1.2 ulp (0.9 with a fused multiply-add), and sigmoid(x) = 1 / (1 + exp(-x)).
float Exp(float x);
float Sigmoid(float x);

// y = softmax(x) (y may be x), n >= 1
void Softmax(const float* x, int64_t n, float* y);

}  // namespace fulgur
