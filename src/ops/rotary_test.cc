#include "ops/rotary.h"

#include <algorithm>
#include <cmath>

#include "ops/complex_step.h"
#include "ops/rotary_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

constexpr double kTheta = 1e7;
const std::vector<int64_t> kPositions = {0, 1, 5, 1000, 123457, 10'239'999};

std::vector<float> Apply(const Rotary& rotary, const std::vector<int64_t>& positions, int64_t heads, int64_t head_dim,
                         std::vector<float> x, int64_t ldx, bool backward, int threads) {
  ExecContext exec(threads);
  const auto m = static_cast<int64_t>(positions.size());
  std::vector<float> table(static_cast<size_t>(m * rotary.rotary_dim()));
  const MatrixView rows = View(x, m, ldx).Cols(0, heads * head_dim), angles = View(table, m, rotary.rotary_dim());
  rotary.Table(positions, angles, exec);
  if (backward) {
    rotary.ApplyBackward(angles, heads, rows, exec);
  } else {
    rotary.Apply(angles, heads, rows, exec);
  }
  return x;
}

TEST(Rotary, ForwardAndBackwardMatchTheReference) {
  const int64_t heads = 3, head_dim = 101;
  const int64_t ldx = heads * head_dim + 2;  // what lies between rows stays as it is
  const auto m = static_cast<int64_t>(kPositions.size());
  const std::vector<float> x = RandomVector(m * ldx, 1), dy = RandomVector(m * ldx, 2);
  for (int64_t rotary_dim : {0, 2, 14, 32, 66, 100}) {
    SCOPED_TRACE(rotary_dim);
    const Rotary rotary(rotary_dim, kTheta);
    std::vector<double> y = As(x), dx = As(dy);
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = r * ldx + h * head_dim;
        const int64_t position = kPositions[static_cast<size_t>(r)];
        const std::vector<double> head = ref::Rotate(As(Slice(x, at, head_dim)), rotary_dim, kTheta, position);
        std::copy(head.begin(), head.end(), y.begin() + at);
        const auto f = [&](const std::vector<Complex>& v) {
          return WeightedBy(Slice(dy, at, head_dim), ref::Rotate(v, rotary_dim, kTheta, position));
        };
        const std::vector<double> gradient = ComplexStepGradient(f, As(Slice(x, at, head_dim)));
        std::copy(gradient.begin(), gradient.end(), dx.begin() + at);
      }
    }
    ExpectClose(Apply(rotary, kPositions, heads, head_dim, x, ldx, false, 1), y, 1e-6);
    ExpectClose(Apply(rotary, kPositions, heads, head_dim, dy, ldx, true, 1), dx, 1e-6);
  }
}

TEST(Rotary, PositionZeroChangesNothing) {
  const std::vector<float> x = RandomVector(40, 1);
  ExpectSameBits(Apply(Rotary(20, kTheta), {0, 0}, 1, 20, x, 20, false, 1), x);
}

TEST(Rotary, ScoresDependOnDistanceOnly) {
  // The purpose of it all: (R_a q) . (R_b k) is a function of a - b.
  const std::vector<float> qk = RandomVector(128, 1);
  const auto score = [&](int64_t a, int64_t b) {
    const std::vector<float> y = Apply(Rotary(64, kTheta), {a, b}, 1, 64, qk, 64, false, 1);
    return WeightedBy(Slice(y, 0, 64), As(Slice(y, 64, 64)));
  };
  EXPECT_NEAR(score(9, 4), score(105, 100), 1e-4);
  EXPECT_GT(std::abs(score(9, 4) - score(9, 5)), 1e-2);
}

TEST(Rotary, ARowDoesNotDependOnOthers) {
  const Rotary rotary(66, kTheta);
  const int64_t ldx = 2 * 70;
  const std::vector<float> x = RandomVector(6 * ldx, 1);
  const std::vector<float> whole = Apply(rotary, kPositions, 2, 70, x, ldx, false, 1);
  for (int64_t r = 0; r < 6; ++r) {
    ExpectSameBits(Apply(rotary, {kPositions[static_cast<size_t>(r)]}, 2, 70, Slice(x, r * ldx, ldx), ldx, false, 1),
                   Slice(whole, r * ldx, ldx));
  }
}

TEST(Rotary, SameBitsWithAnyNumberOfThreadsAndOnAllInstructionSets) {
  std::vector<int64_t> positions(700);
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i * i);
  for (int64_t rotary_dim : {2, 14, 32, 66}) {
    SCOPED_TRACE(rotary_dim);
    const Rotary rotary(rotary_dim, kTheta);
    const std::vector<float> x = RandomVector(700 * 70, 1);
    for (bool backward : {false, true}) {
      const std::vector<float> expected = Apply(rotary, positions, 1, 70, x, 70, backward, 1);
      ExpectSameBits(Apply(rotary, positions, 1, 70, x, 70, backward, 2), expected);
      ExpectSameOnAllInstructionSets([&] { return Apply(rotary, positions, 1, 70, x, 70, backward, 1); });
    }
  }
}

}  // namespace
}  // namespace fulgur
