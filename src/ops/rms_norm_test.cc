#include "ops/rms_norm.h"

#include <algorithm>

#include "ops/complex_step.h"
#include "ops/rms_norm_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

constexpr float kEps = 1e-2f;  // large enough to show

struct Problem {
  int64_t m, n;
  std::vector<float> x, w, dy;
  Problem(int64_t rows, int64_t cols)
      : m(rows), n(cols), x(RandomVector(m * n, 1, 0.3)), w(RandomVector(n, 2)), dy(RandomVector(m * n, 3)) {}

  // y, inv_rms, dx, dw in one vector.
  std::vector<float> Run(int threads) const {
    ExecContext exec(threads);
    const auto size = static_cast<size_t>(m * n);
    std::vector<float> y(size), inv_rms(static_cast<size_t>(m)), dx(size), dw(static_cast<size_t>(n), 0.5f);
    RmsNorm(View(x, m, n), w, kEps, View(y, m, n), View(inv_rms, m, 1), exec);
    RmsNormGradInput(View(dy, m, n), View(x, m, n), View(inv_rms, m, 1), w, View(dx, m, n), exec);
    RmsNormGradWeight(View(dy, m, n), View(x, m, n), View(inv_rms, m, 1), dw, exec);
    for (const std::vector<float>& part : {inv_rms, dx, dw}) y.insert(y.end(), part.begin(), part.end());
    return y;
  }
};

TEST(RmsNorm, ForwardAndBackwardMatchTheReference) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const Problem p(3, n);
    const std::vector<float> result = p.Run(1);
    std::vector<double> y, inv_rms, dx, dw(static_cast<size_t>(n), 0.5);  // dw accumulates onto 0.5
    for (int64_t r = 0; r < p.m; ++r) {
      const std::vector<float> x = Slice(p.x, r * n, n), dy = Slice(p.dy, r * n, n);
      for (double v : ref::RmsNorm(As(x), As(p.w), kEps)) y.push_back(v);
      inv_rms.push_back(ref::RmsNorm(As(x), std::vector<double>(x.size(), 1.0), kEps)[0] / x[0]);
      const auto by_x = [&](const std::vector<Complex>& v) {
        return WeightedBy(dy, ref::RmsNorm(v, As<Complex>(p.w), kEps));
      };
      for (double v : ComplexStepGradient(by_x, As(x))) dx.push_back(v);
      const auto by_w = [&](const std::vector<Complex>& v) {
        return WeightedBy(dy, ref::RmsNorm(As<Complex>(x), v, kEps));
      };
      const std::vector<double> gradient = ComplexStepGradient(by_w, As(p.w));
      for (size_t i = 0; i < dw.size(); ++i) dw[i] += gradient[i];
    }
    const int64_t size = p.m * n;
    ExpectClose(Slice(result, 0, size), y, 1e-6);
    ExpectClose(Slice(result, size, p.m), inv_rms, 1e-6);
    ExpectClose(Slice(result, size + p.m, size), dx, 3e-6);
    ExpectClose(Slice(result, 2 * size + p.m, n), dw, 1e-6);
  }
}

TEST(RmsNorm, GradInputMayOverwriteItsInput) {
  ExecContext exec(2);
  const Problem p(700, 33);
  const std::vector<float> expected = p.Run(1);
  const int64_t size = p.m * p.n;
  const std::vector<float> inv_rms = Slice(expected, size, p.m);
  std::vector<float> dx = p.dy;
  RmsNormGradInput(View(dx, p.m, p.n), View(p.x, p.m, p.n), View(inv_rms, p.m, 1), p.w, View(dx, p.m, p.n), exec);
  ExpectSameBits(dx, Slice(expected, size + p.m, size));
}

TEST(RmsNorm, ARowDoesNotDependOnOthersNorOnItsAddress) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const Problem p(40000 / n, n);
    const std::vector<float> whole = p.Run(1);
    for (int64_t r : {int64_t{0}, int64_t{5}, p.m - 1}) {
      for (int64_t offset = 0; offset < 3; ++offset) {
        std::vector<float> row = RandomVector(n + offset, 9);
        std::copy_n(p.x.begin() + r * n, n, row.begin() + offset);
        const float inv_rms =
            RmsNormRow(&row[static_cast<size_t>(offset)], n, p.w.data(), kEps, &row[static_cast<size_t>(offset)]);
        ExpectSameBits(Slice(row, offset, n), Slice(whole, r * n, n));
        ExpectSameBits({inv_rms}, Slice(whole, p.m * n + r, 1));
      }
    }
  }
}

TEST(RmsNorm, SameBitsWithAnyNumberOfThreads) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const Problem p(40000 / n, n);
    ExpectSameBits(p.Run(2), p.Run(1));
  }
}

TEST(RmsNorm, SameBitsOnAllInstructionSets) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const Problem p(5, n);
    ExpectSameOnAllInstructionSets([&p] { return p.Run(1); });
  }
}

TEST(RmsNorm, ZerosStayZero) {
  const std::vector<float> w = {1, 2, 3};
  std::vector<float> x(3);
  EXPECT_FLOAT_EQ(RmsNormRow(x.data(), 3, w.data(), 1e-6f, x.data()), 1000);
  EXPECT_THAT(x, testing::Each(0));
}

}  // namespace
}  // namespace fulgur
