// AdamW (Loshchilov and Hutter 2017), step n = 1, 2, ...:
//   p <- p (1 - lr wd);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
//   p <- p - lr (m / (1 - b1^n)) / (sqrt(v / (1 - b2^n)) + eps)
// in float32, the constants from double. eps is outside the root and after the bias correction. v of the smallest
// gradients is subnormal and stays so.
#pragma once

#include <cstdint>
#include <span>

#include "ops/exec_context.h"

namespace fulgur {

struct AdamWOptions {  // the defaults are those of the MiniMax-M1 report
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-15;
  double weight_decay = 0.1;
};

// One tensor, p, m, v, g of as many elements. step counts from 1. grad_scale multiplies g first (gradient clipping).
void AdamWStep(std::span<float> p, std::span<float> m, std::span<float> v, std::span<const float> g, int64_t step,
               const AdamWOptions& options, float grad_scale, ExecContext& exec);

// sum_i g_i^2 in double, in an order that depends on their number only.
double SumSquares(std::span<const float> g, ExecContext& exec);

}  // namespace fulgur
