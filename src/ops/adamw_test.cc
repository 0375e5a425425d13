#include "ops/adamw.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ops/adamw_ref.h"
#include "ops/test_util.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

struct State {
  std::vector<float> p, m, v;
  explicit State(int64_t n) : p(RandomVector(n, 1)), m(RandomVector(n, 2, 1e-3)), v(RandomVector(n, 3, 1e-5)) {
    for (float& x : v) x = std::abs(x);
  }
  void Step(const std::vector<float>& g, int64_t step, const AdamWOptions& options, float grad_scale, int threads) {
    ExecContext exec(threads);
    AdamWStep(p, m, v, g, step, options, grad_scale, exec);
  }
  std::vector<float> All() const {
    std::vector<float> all = p;
    all.insert(all.end(), m.begin(), m.end());
    all.insert(all.end(), v.begin(), v.end());
    return all;
  }
};

TEST(AdamW, MatchesTheReference) {
  const AdamWOptions options = {.lr = 0.01, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.3};
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    State state(n);
    std::vector<double> p = As(state.p), m = As(state.m), v = As(state.v);
    for (int64_t step = 1; step <= 3; ++step) {
      const std::vector<float> g = RandomVector(n, static_cast<uint64_t>(10 + step), 1e-2);
      state.Step(g, step, options, 0.5f, 1);
      for (size_t i = 0; i < g.size(); ++i) ref::AdamW(p[i], m[i], v[i], 0.5 * g[i], step, options);
    }
    ExpectClose(state.p, p, 1e-6);
    ExpectClose(state.m, m, 1e-6);
    ExpectClose(state.v, v, 1e-6);
  }
}

// Every parameter and moment of five steps on gradients from 1e-20 to 1e-5, computed by PyTorch's AdamW in float64.
TEST(AdamW, MatchesTheGoldenRun) {
  ExecContext exec(2);
  const TensorMap golden =
      ReadSafetensors(std::filesystem::path(FULGUR_SOURCE_DIR) / "tests/data/golden/adamw/adamw.safetensors");
  const auto expect_near = [&](const std::string& name, const std::vector<float>& actual, double absolute,
                               double relative) {
    const auto expected = golden.at(name).values<float>();
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      const double e = expected[i];
      ASSERT_NEAR(actual[i], e, absolute + relative * std::abs(e)) << name << " element " << i;
    }
  };
  int tensors = 0;
  for (const auto& [name, init] : golden) {
    if (name.rfind("init.", 0) != 0) continue;
    ++tensors;
    const std::string t = name.substr(5);
    std::vector<float> p(init.values<float>().begin(), init.values<float>().end()), m(p.size()), v(p.size());
    for (int64_t step = 1; step <= 5; ++step) {
      const std::string n = std::to_string(step) + "." + t;
      AdamWStep(p, m, v, golden.at("grad." + n).values<float>(), step, {}, 1.0f, exec);
      expect_near("param." + n, p, 3e-7, 0);
      expect_near("exp_avg." + n, m, 1e-24, 1e-4);
      expect_near("exp_avg_sq." + n, v, 1e-37, 1e-5);
    }
  }
  EXPECT_EQ(tensors, 7);
}

TEST(AdamW, SubnormalSecondMomentsAreKept) {
  State state(20);
  std::fill(state.v.begin(), state.v.end(), 0.0f);
  state.Step(std::vector<float>(20, 1e-20f), 1, {}, 1.0f, 1);
  for (float v : state.v) EXPECT_NEAR(v, 5e-42, 2e-45);
}

TEST(AdamW, SameBitsWithAnyNumberOfThreadsAndOnAllInstructionSets) {
  const auto run = [](int64_t n, int threads) {
    State state(n);
    state.Step(RandomVector(n, 4, 1e-2), 7, {}, 0.3f, threads);
    return state.All();
  };
  for (int64_t n : {1, 7, 16, 33, 100, 40001}) {
    SCOPED_TRACE(n);
    ExpectSameBits(run(n, 2), run(n, 1));
    ExpectSameOnAllInstructionSets([&] { return run(n, 1); });
  }
}

TEST(SumSquares, IsExactEnoughAndIndependentOfThreads) {
  ExecContext one(1), two(2);
  for (int64_t n : {0, 1, 7, 16, 33, 100, 100003}) {
    SCOPED_TRACE(n);
    const std::vector<float> g = RandomVector(n, 5);
    long double expected = 0;
    for (float x : g) expected += static_cast<long double>(x) * x;
    const double actual = SumSquares(g, one);
    EXPECT_NEAR(actual, static_cast<double>(expected), 1e-13 * static_cast<double>(expected));
    EXPECT_EQ(SumSquares(g, two), actual);
    for (const std::string& name : SupportedInstructionSets()) {
      UseInstructionSet(name);
      EXPECT_EQ(SumSquares(g, one), actual) << name;
    }
    UseInstructionSet("");
  }
}

TEST(SumSquares, DoesNotOverflowFloat) {
  ExecContext exec(1);
  const std::vector<float> g(3, 1e30f);
  EXPECT_NEAR(SumSquares(g, exec), 3e60, 1e54);
}

}  // namespace
}  // namespace fulgur
