#include "ops/rotary.h"

#include <cmath>

#include "base/error.h"
#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rotary.cc"
#include <hwy/foreach_target.h>
// clang-format off
#include "ops/vec-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

// One row: cosines and sines [half]; the sine is multiplied by sign.
void RotateKernel(const float* cosines, const float* sines, float sign, int64_t half, int64_t heads, int64_t head_dim,
                  float* x) {
  for (int64_t h = 0; h < heads; ++h, x += head_dim) {
    ForEach16(half, 0.0f, [=](auto load, auto store) HWY_ATTR {
      const Row16 c = load(cosines), s = Mul(load(sines), Set16(sign));
      const Row16 a = load(x), b = load(x + half);
      store(NegMulAdd(b, s, Mul(a, c)), x);
      store(MulAdd(a, s, Mul(b, c)), x + half);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(RotateKernel);

Rotary::Rotary(int64_t rotary_dim, double theta) {
  FULGUR_CHECK(rotary_dim >= 0 && rotary_dim % 2 == 0, "rotary_dim {}", rotary_dim);
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotary_dim);
    inv_freq_.push_back(1.0f / static_cast<float>(std::pow(static_cast<float>(theta), static_cast<double>(exponent))));
  }
}

void Rotary::Table(std::span<const int64_t> positions, MatrixView table, ExecContext& exec) const {
  const int64_t half = rotary_dim() / 2;
  FULGUR_CHECK(table.rows == static_cast<int64_t>(positions.size()) && table.cols == 2 * half);
  ParallelRows(exec, table.rows, 32 * rotary_dim(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < half; ++i) {
        // The cosine of the float32 angle, not of the exact one: in double, so that angles of millions are reduced
        // well.
        const float angle = static_cast<float>(positions[static_cast<size_t>(r)]) * inv_freq_[static_cast<size_t>(i)];
        table(r, i) = static_cast<float>(std::cos(static_cast<double>(angle)));
        table(r, half + i) = static_cast<float>(std::sin(static_cast<double>(angle)));
      }
    }
  });
}

namespace {

void Rotate(ConstMatrixView table, float sign, int64_t heads, MatrixView x, ExecContext& exec) {
  const int64_t head_dim = x.cols / heads, half = table.cols / 2;
  FULGUR_CHECK(table.rows == x.rows && head_dim >= table.cols, "head_dim {} < rotary_dim {}", head_dim, table.cols);
  ParallelRows(exec, x.rows, heads * table.cols, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = table.row(r);
      HWY_DYNAMIC_DISPATCH(RotateKernel)(row, row + half, sign, half, heads, head_dim, x.row(r));
    }
  });
}

}  // namespace

void Rotary::Apply(ConstMatrixView table, int64_t heads, MatrixView x, ExecContext& exec) const {
  Rotate(table, 1.0f, heads, x, exec);
}

void Rotary::ApplyBackward(ConstMatrixView table, int64_t heads, MatrixView dx, ExecContext& exec) const {
  Rotate(table, -1.0f, heads, dx, exec);
}

}  // namespace fulgur
#endif
