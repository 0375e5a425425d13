// Rotary position embedding (Su et al. 2021) in half-split form, on the first R components of each head: component
// i < R/2 pairs with i + R/2, and (a, b) -> (a cos - b sin, b cos + a sin) with
//   angle = position * inv_freq_i,   inv_freq_i = 1 / theta^(2i / R),   both rounded to float32 as the published code
//   does.
// The other components of a head stay as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"

namespace fulgur {

class Rotary {
 public:
  Rotary() = default;
  // rotary_dim R: even, >= 0.
  Rotary(int64_t rotary_dim, double theta);

  int64_t rotary_dim() const { return 2 * static_cast<int64_t>(inv_freq_.size()); }

  // positions [m] -> table [m, R]: per row cos of the R/2 angles, then sin. One table serves all layers.
  // Exact to rounding for any position below 2^24 (beyond, the position itself is rounded to float32).
  void Table(const int64_t* positions, int64_t m, float* table, ThreadPool& pool) const;

  // x [m, heads, head_dim] with row stride ldx, rotated in place. head_dim >= R.
  void Apply(const float* table, int64_t m, int64_t heads, int64_t head_dim, float* x, int64_t ldx,
             ThreadPool& pool) const;
  // The gradient goes through the transpose, which is the rotation by the negative angle: dx in place, as above.
  void ApplyBackward(const float* table, int64_t m, int64_t heads, int64_t head_dim, float* dx, int64_t lddx,
                     ThreadPool& pool) const;

 private:
  std::vector<float> inv_freq_;  // [R/2]
};

}  // namespace fulgur
