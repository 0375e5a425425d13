#include "ops/activation.h"

#include "ops/activation_ref.h"
#include "ops/complex_step.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

// Every result of the six functions on vectors of n elements.
struct Results {
  std::vector<float> silu, silu_dx, swiglu, dgate, dup, gated, gated_dx, gated_dgate;

  std::vector<float> All() const {
    std::vector<float> all;
    for (const auto* part : {&silu, &silu_dx, &swiglu, &dgate, &dup, &gated, &gated_dx, &gated_dgate}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
};

Results RunAll(const std::vector<float>& x, const std::vector<float>& up, const std::vector<float>& dy, int threads) {
  ExecContext exec(threads);
  Results r;
  for (auto* part : {&r.silu, &r.silu_dx, &r.swiglu, &r.dgate, &r.dup, &r.gated, &r.gated_dx, &r.gated_dgate}) {
    part->resize(x.size());
  }
  Silu(Row(x), Row(r.silu), exec);
  SiluBackward(Row(dy), Row(x), Row(r.silu_dx), exec);
  SwiGlu(Row(x), Row(up), Row(r.swiglu), exec);
  SwiGluBackward(Row(dy), Row(x), Row(up), Row(r.dgate), Row(r.dup), exec);
  GatedMultiply(Row(up), Row(x), Row(r.gated), exec);
  GatedMultiplyBackward(Row(dy), Row(up), Row(x), Row(r.gated_dx), Row(r.gated_dgate), exec);
  return r;
}

Results RunAll(int64_t n, int threads) {
  return RunAll(RandomVector(n, 1, 4), RandomVector(n, 2), RandomVector(n, 3), threads);
}

TEST(Activation, ForwardAndBackwardMatchTheReference) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const std::vector<float> x = RandomVector(n, 1, 4), up = RandomVector(n, 2), dy = RandomVector(n, 3);
    const Results r = RunAll(x, up, dy, 1);
    std::vector<double> silu, silu_dx, swiglu, dgate, dup, gated, gated_dx, gated_dgate;
    for (size_t i = 0; i < x.size(); ++i) {
      const double g = x[i], u = up[i], d = dy[i];
      silu.push_back(ref::Silu(g));
      swiglu.push_back(ref::SwiGlu(g, u));
      gated.push_back(ref::GatedMultiply(u, g));
      silu_dx.push_back(
          ComplexStepGradient([d](const std::vector<Complex>& v) { return d * ref::Silu(v[0]); }, {g})[0]);
      const std::vector<double> by_swiglu =
          ComplexStepGradient([d](const std::vector<Complex>& v) { return d * ref::SwiGlu(v[0], v[1]); }, {g, u});
      dgate.push_back(by_swiglu[0]);
      dup.push_back(by_swiglu[1]);
      const std::vector<double> by_gated = ComplexStepGradient(
          [d](const std::vector<Complex>& v) { return d * ref::GatedMultiply(v[0], v[1]); }, {u, g});
      gated_dx.push_back(by_gated[0]);
      gated_dgate.push_back(by_gated[1]);
    }
    // 1 - s cancels where s is near 1, and silu' = s (1 + x (1 - s)) near its zero at -1.28.
    ExpectClose(r.silu, silu, 1e-6);
    ExpectClose(r.silu_dx, silu_dx, 3e-6);
    ExpectClose(r.swiglu, swiglu, 1e-6);
    ExpectClose(r.dgate, dgate, 3e-6);
    ExpectClose(r.dup, dup, 1e-6);
    ExpectClose(r.gated, gated, 1e-6);
    ExpectClose(r.gated_dx, gated_dx, 1e-6);
    ExpectClose(r.gated_dgate, gated_dgate, 3e-6);
  }
}

TEST(Activation, FarFromZero) {
  std::vector<float> x = {-1000, -89, 89, 1000}, y(4), one(4, 1.0f);
  ExecContext exec(1);
  Silu(Row(x), Row(y), exec);
  EXPECT_THAT(y, testing::ElementsAre(0, testing::FloatNear(0, 1e-36f), 89, 1000));
  SiluBackward(Row(one), Row(x), Row(y), exec);
  EXPECT_THAT(y, testing::ElementsAre(0, testing::FloatNear(0, 1e-36f), 1, 1));
}

TEST(Activation, AnElementDoesNotDependOnItsPlace) {
  const std::vector<float> x = RandomVector(100, 1, 4), up = RandomVector(100, 2), dy = RandomVector(100, 3);
  const Results whole = RunAll(x, up, dy, 1);
  for (int64_t begin : {0, 1, 17, 93}) {
    for (int64_t n : {1, 7}) {
      const Results part = RunAll(Slice(x, begin, n), Slice(up, begin, n), Slice(dy, begin, n), 1);
      ExpectSameBits(part.silu, Slice(whole.silu, begin, n));
      ExpectSameBits(part.silu_dx, Slice(whole.silu_dx, begin, n));
      ExpectSameBits(part.swiglu, Slice(whole.swiglu, begin, n));
      ExpectSameBits(part.dgate, Slice(whole.dgate, begin, n));
      ExpectSameBits(part.gated, Slice(whole.gated, begin, n));
      ExpectSameBits(part.gated_dgate, Slice(whole.gated_dgate, begin, n));
    }
  }
}

TEST(Activation, OutputsMayBeInputs) {
  const std::vector<float> x = RandomVector(33, 1, 4), up = RandomVector(33, 2), dy = RandomVector(33, 3);
  const Results expected = RunAll(x, up, dy, 1);
  ExecContext exec(1);
  std::vector<float> y = x;
  Silu(Row(y), Row(y), exec);
  ExpectSameBits(y, expected.silu);
  std::vector<float> gate = x, value = up;
  SwiGluBackward(Row(dy), Row(gate), Row(value), Row(gate), Row(value), exec);
  ExpectSameBits(gate, expected.dgate);
  ExpectSameBits(value, expected.dup);
  gate = x, value = up;
  GatedMultiplyBackward(Row(dy), Row(value), Row(gate), Row(value), Row(gate), exec);
  ExpectSameBits(value, expected.gated_dx);
  ExpectSameBits(gate, expected.gated_dgate);
}

// Rows of a wider matrix: the same bits as of rows side by side, and what lies between stays as it is.
TEST(Activation, RowsWithAStride) {
  const int64_t rows = 30, cols = 1100, stride = 1103;
  ExecContext exec(2);
  const std::vector<float> x = RandomVector(rows * stride, 1), gate = RandomVector(rows * stride, 2);
  std::vector<float> y(x.size(), 7.0f);
  GatedMultiply(View(x, rows, stride).Cols(3, cols), View(gate, rows, stride).Cols(3, cols),
                View(y, rows, stride).Cols(3, cols), exec);
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<float> want(static_cast<size_t>(cols));
    const std::vector<float> x_row = Slice(x, r * stride + 3, cols), gate_row = Slice(gate, r * stride + 3, cols);
    GatedMultiply(Row(x_row), Row(gate_row), Row(want), exec);
    ExpectSameBits(Slice(y, r * stride + 3, cols), want);
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(y[static_cast<size_t>(r * stride + i)], 7);
  }
}

TEST(Activation, SameBitsWithAnyNumberOfThreads) {
  for (int64_t n : {0, 1, 100, 40001}) {
    SCOPED_TRACE(n);
    const std::vector<float> serial = RunAll(n, 1).All();
    ExpectSameBits(RunAll(n, 2).All(), serial);
  }
}

TEST(Activation, SameBitsOnAllInstructionSets) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    ExpectSameOnAllInstructionSets([n] { return RunAll(n, 1).All(); });
  }
}

}  // namespace
}  // namespace fulgur
