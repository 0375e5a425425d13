// Reference of ops/rotary.h: one head of one row, in any scalar type.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace fulgur::ref {

// x [head_dim], its first rotary_dim components rotated. The angle is rounded to float32 at each step, as published;
// what follows is exact.
template <typename T>
std::vector<T> Rotate(std::vector<T> x, int64_t rotary_dim, double theta, int64_t position) {
  const size_t half = static_cast<size_t>(rotary_dim) / 2;
  for (size_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary_dim);
    const float inv_freq = 1.0f / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    const double angle = static_cast<float>(position) * inv_freq;
    const T a = x[i], b = x[i + half];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + half] = b * std::cos(angle) + a * std::sin(angle);
  }
  return x;
}

}  // namespace fulgur::ref
