#include "ops/activation.h"

#include "ops/activation_ref.h"
#include "ops/complex_step.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

// Every result of the six functions on vectors of n elements: with a pool, or without one if threads is 0.
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
  const auto n = static_cast<int64_t>(x.size());
  Results r;
  for (auto* part : {&r.silu, &r.silu_dx, &r.swiglu, &r.dgate, &r.dup, &r.gated, &r.gated_dx, &r.gated_dgate}) {
    part->resize(x.size());
  }
  if (threads == 0) {
    Silu(x.data(), n, r.silu.data());
    SiluBackward(dy.data(), x.data(), n, r.silu_dx.data());
    SwiGlu(x.data(), up.data(), n, r.swiglu.data());
    SwiGluBackward(dy.data(), x.data(), up.data(), n, r.dgate.data(), r.dup.data());
    GatedMultiply(up.data(), x.data(), n, r.gated.data());
    GatedMultiplyBackward(dy.data(), up.data(), x.data(), n, r.gated_dx.data(), r.gated_dgate.data());
  } else {
    ThreadPool pool(threads);
    Silu(x.data(), n, r.silu.data(), pool);
    SiluBackward(dy.data(), x.data(), n, r.silu_dx.data(), pool);
    SwiGlu(x.data(), up.data(), n, r.swiglu.data(), pool);
    SwiGluBackward(dy.data(), x.data(), up.data(), n, r.dgate.data(), r.dup.data(), pool);
    GatedMultiply(up.data(), x.data(), n, r.gated.data(), pool);
    GatedMultiplyBackward(dy.data(), up.data(), x.data(), n, r.gated_dx.data(), r.gated_dgate.data(), pool);
  }
  return r;
}

Results RunAll(int64_t n, int threads) {
  return RunAll(RandomVector(n, 1, 4), RandomVector(n, 2), RandomVector(n, 3), threads);
}

TEST(Activation, ForwardAndBackwardMatchTheReference) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    const std::vector<float> x = RandomVector(n, 1, 4), up = RandomVector(n, 2), dy = RandomVector(n, 3);
    const Results r = RunAll(x, up, dy, 0);
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
  Silu(x.data(), 4, y.data());
  EXPECT_THAT(y, testing::ElementsAre(0, testing::FloatNear(0, 1e-36f), 89, 1000));
  SiluBackward(one.data(), x.data(), 4, y.data());
  EXPECT_THAT(y, testing::ElementsAre(0, testing::FloatNear(0, 1e-36f), 1, 1));
}

TEST(Activation, AnElementDoesNotDependOnItsPlace) {
  const std::vector<float> x = RandomVector(100, 1, 4), up = RandomVector(100, 2), dy = RandomVector(100, 3);
  const Results whole = RunAll(x, up, dy, 0);
  for (int64_t begin : {0, 1, 17, 93}) {
    for (int64_t n : {1, 7}) {
      const Results part = RunAll(Slice(x, begin, n), Slice(up, begin, n), Slice(dy, begin, n), 0);
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
  const Results expected = RunAll(x, up, dy, 0);
  std::vector<float> y = x;
  Silu(y.data(), 33, y.data());
  ExpectSameBits(y, expected.silu);
  std::vector<float> gate = x, value = up;
  SwiGluBackward(dy.data(), gate.data(), value.data(), 33, gate.data(), value.data());
  ExpectSameBits(gate, expected.dgate);
  ExpectSameBits(value, expected.dup);
  gate = x, value = up;
  GatedMultiplyBackward(dy.data(), value.data(), gate.data(), 33, value.data(), gate.data());
  ExpectSameBits(value, expected.gated_dx);
  ExpectSameBits(gate, expected.gated_dgate);
}

TEST(Activation, SameBitsWithAnyNumberOfThreads) {
  for (int64_t n : {0, 1, 100, 40001}) {
    SCOPED_TRACE(n);
    const std::vector<float> serial = RunAll(n, 0).All();
    ExpectSameBits(RunAll(n, 1).All(), serial);
    ExpectSameBits(RunAll(n, 2).All(), serial);
  }
}

TEST(Activation, SameBitsOnAllInstructionSets) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    ExpectSameOnAllInstructionSets([n] { return RunAll(n, 0).All(); });
  }
}

}  // namespace
}  // namespace fulgur
