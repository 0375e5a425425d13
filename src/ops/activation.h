// Element-wise activations. sigmoid(x) = 1 / (1 + exp(-x)), silu(x) = x sigmoid(x) (Elfwing et al. 2017).
// Every function is over n elements; an element's bits do not depend on its place. An output may be the very array of
// an input (overlaps that are shifted are not allowed). Without a pool the work is done on this thread, which is the
// form for use inside a ParallelFor body.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace fulgur {

// y = silu(x)
void Silu(const float* x, int64_t n, float* y);
void Silu(const float* x, int64_t n, float* y, ThreadPool& pool);
// dx = dy * s (1 + x (1 - s)), s = sigmoid(x)
void SiluBackward(const float* dy, const float* x, int64_t n, float* dx);
void SiluBackward(const float* dy, const float* x, int64_t n, float* dx, ThreadPool& pool);

// y = silu(gate) * up (Shazeer 2020, "GLU Variants Improve Transformer", eq. 6)
void SwiGlu(const float* gate, const float* up, int64_t n, float* y);
void SwiGlu(const float* gate, const float* up, int64_t n, float* y, ThreadPool& pool);
// dgate = dy * up * silu'(gate), dup = dy * silu(gate)
void SwiGluBackward(const float* dy, const float* gate, const float* up, int64_t n, float* dgate, float* dup);
void SwiGluBackward(const float* dy, const float* gate, const float* up, int64_t n, float* dgate, float* dup,
                    ThreadPool& pool);

// y = x * sigmoid(gate)
void GatedMultiply(const float* x, const float* gate, int64_t n, float* y);
void GatedMultiply(const float* x, const float* gate, int64_t n, float* y, ThreadPool& pool);
// dx = dy * s, dgate = dy * x * s (1 - s), s = sigmoid(gate)
void GatedMultiplyBackward(const float* dy, const float* x, const float* gate, int64_t n, float* dx, float* dgate);
void GatedMultiplyBackward(const float* dy, const float* x, const float* gate, int64_t n, float* dx, float* dgate,
                           ThreadPool& pool);

}  // namespace fulgur
