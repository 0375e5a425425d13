// Rotary position embedding (Su et al. 2021) in half-split form, on the first R components of each head: component
// i < R/2 pairs with i + R/2, and (a, b) -> (a cos - b sin, b cos + a sin) with
//   angle = position * inv_freq_i,   inv_freq_i = 1 / theta^(2i / R),   both rounded to float32 as the published code
//   does.
// The other components of a head stay as they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/exec_context.h"
#include "tensor/matrix_view.h"

namespace fulgur {

class Rotary {
 public:
  Rotary() = default;
  // rotary_dim R: even, >= 0.
  Rotary(int64_t rotary_dim, double theta);

  int64_t rotary_dim() const { return 2 * static_cast<int64_t>(inv_freq_.size()); }

  // positions [m] -> table [m, R]: per row cos of the R/2 angles, then sin. One table serves all layers.
  // Exact to rounding for any position below 2^24 (beyond, the position itself is rounded to float32).
  void Table(std::span<const int64_t> positions, MatrixView table, ExecContext& exec) const;

  // x [m, heads * head_dim], rotated in place by the rows of the table. head_dim >= R.
  void Apply(ConstMatrixView table, int64_t heads, MatrixView x, ExecContext& exec) const;
  // The gradient goes through the transpose, which is the rotation by the negative angle: dx in place, as above.
  void ApplyBackward(ConstMatrixView table, int64_t heads, MatrixView dx, ExecContext& exec) const;

 private:
  std::vector<float> inv_freq_;  // [R/2]
};

}  // namespace fulgur
