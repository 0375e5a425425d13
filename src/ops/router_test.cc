#include "ops/router.h"

#include <algorithm>
#include <limits>

#include "ops/complex_step.h"
#include "ops/router_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

struct Routing {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Routing RunRoute(const std::vector<float>& logits, int64_t num_experts, int64_t k, int threads = 1) {
  ExecContext exec(threads);
  const int64_t m = static_cast<int64_t>(logits.size()) / num_experts;
  Routing r{std::vector<int32_t>(static_cast<size_t>(m * k)), std::vector<float>(static_cast<size_t>(m * k))};
  Route(View(logits, m, num_experts), View(r.experts, m, k), View(r.weights, m, k), exec);
  return r;
}

std::vector<float> RunRouteBackward(const std::vector<float>& dweights, const Routing& routing, int64_t num_experts,
                                    int64_t k, int threads = 1) {
  ExecContext exec(threads);
  const int64_t m = static_cast<int64_t>(dweights.size()) / k;
  std::vector<float> dlogits(static_cast<size_t>(m * num_experts), 9.0f);
  RouteBackward(View(dweights, m, k), View(routing.weights, m, k), View(routing.experts, m, k),
                View(dlogits, m, num_experts), exec);
  return dlogits;
}

TEST(Router, ForwardAndBackwardMatchTheReference) {
  for (int64_t experts : kOddSizes) {
    for (int64_t k : {int64_t{1}, int64_t{2}, int64_t{3}, experts}) {
      if (k > experts) continue;
      SCOPED_TRACE(testing::Message() << experts << " experts, top " << k);
      const int64_t m = 4;
      const std::vector<float> logits = RandomVector(m * experts, 1, 2), dweights = RandomVector(m * k, 2);
      const Routing routing = RunRoute(logits, experts, k);
      std::vector<int32_t> selected;
      std::vector<double> weights, dlogits;
      for (int64_t r = 0; r < m; ++r) {
        const std::vector<float> row = Slice(logits, r * experts, experts);
        for (int32_t e : ref::TopK(As(row), k)) selected.push_back(e);
        for (double w : ref::RoutingWeights(As(row), k)) weights.push_back(w);
        const auto f = [&](const std::vector<Complex>& v) {
          return WeightedBy(Slice(dweights, r * k, k), ref::RoutingWeights(v, k));
        };
        for (double d : ComplexStepGradient(f, As(row))) dlogits.push_back(d);
      }
      EXPECT_EQ(routing.experts, selected);
      ExpectClose(routing.weights, weights, 1e-6);
      const std::vector<float> actual = RunRouteBackward(dweights, routing, experts, k);
      // With one expert selected the weight is the constant 1, and the gradient 0.
      if (k == 1) {
        EXPECT_THAT(actual, testing::Each(0));
      } else {
        ExpectClose(actual, dlogits, 2e-6);
      }
    }
  }
}

TEST(Router, EqualLogitsGoToTheLowestIndex) {
  const Routing r = RunRoute({1, 3, 3, 2, 3}, 5, 3);
  EXPECT_THAT(r.experts, testing::ElementsAre(1, 2, 4));
  EXPECT_THAT(r.weights, testing::Each(1.0f / 3));
}

TEST(Router, SelectsDistinctExpertsEvenFromNonsense) {
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits : {std::vector<float>{nan, nan, nan, nan},
                                           {nan, 1, nan, 2},
                                           {-infinity, -infinity, -infinity, -infinity},
                                           {infinity, nan, 1, infinity}}) {
    std::vector<int32_t> experts = RunRoute(logits, 4, 3).experts;
    std::sort(experts.begin(), experts.end());
    EXPECT_EQ(std::unique(experts.begin(), experts.end()), experts.end());
    EXPECT_GE(experts.front(), 0);
    EXPECT_LT(experts.back(), 4);
  }
}

TEST(Router, AuxLossMatchesTheReference) {
  ExecContext exec(2);
  const int64_t m = 9, k = 2;
  for (int64_t experts : {7, 16, 33}) {
    SCOPED_TRACE(experts);
    const std::vector<float> logits = RandomVector(m * experts, 1);
    const std::vector<int32_t> selected = RunRoute(logits, experts, k).experts;
    AuxLoss aux(experts);
    EXPECT_EQ(aux.Value(), 0);
    for (const RowRange& rows : {RowRange{0, 4}, RowRange{4, m - 4}}) {  // in two calls, as of two layers
      aux.Add(View(logits, m, experts).Rows(rows), View(selected, m, k).Rows(rows));
    }
    EXPECT_EQ(aux.rows(), m);
    EXPECT_NEAR(aux.Value(), ref::AuxLoss(As(logits), experts, k), 1e-6);

    std::vector<float> dlogits(logits.size(), 0.25f);  // accumulates
    aux.AddGradient(View(logits, m, experts), 10, View(dlogits, m, experts), exec);
    std::vector<double> expected = ComplexStepGradient(
        [&](const std::vector<Complex>& v) { return 10.0 * ref::AuxLoss(v, experts, k); }, As(logits));
    for (double& v : expected) v += 0.25;
    ExpectClose(dlogits, expected, 1e-6);
  }
}

TEST(Router, FiguresOfAFewRows) {
  // Softmax of the first row: 1/2, 1/4, 1/8, 1/8; of the second: all 1/4.
  const std::vector<float> logits = {std::log(4.0f), std::log(2.0f), 0, 0, 1, 1, 1, 1};
  const std::vector<int32_t> experts = {0, 1, 0, 1};
  AuxLoss aux(4);
  const RouterFigures figures = aux.Add(View(logits, 2, 4), View(experts, 2, 2));
  EXPECT_NEAR(figures.dropped, 0.25 + 0.5, 1e-6);
  EXPECT_NEAR(figures.entropy, 1.75 * std::log(2.0) + std::log(4.0), 1e-6);
}

TEST(Router, AuxLossOfPerfectBalanceIsK) {
  // Row r selects experts r and r + 1 of 4, all with the same logits up to rotation.
  std::vector<float> logits;
  for (int r = 0; r < 4; ++r) {
    for (int e = 0; e < 4; ++e) logits.push_back((e - r + 4) % 4 == 0 ? 2.0f : (e - r + 4) % 4 == 1 ? 1.0f : 0.0f);
  }
  AuxLoss aux(4);
  const std::vector<int32_t> experts = RunRoute(logits, 4, 2).experts;
  aux.Add(View(logits, 4, 4), View(experts, 4, 2));
  EXPECT_NEAR(aux.Value(), 2, 1e-6);
}

// All results of a routing of m rows, as floats.
std::vector<float> All(int64_t m, int64_t experts, int64_t k, int threads) {
  const std::vector<float> logits = RandomVector(m * experts, 5);
  const Routing r = RunRoute(logits, experts, k, threads);
  std::vector<float> all = RunRouteBackward(RandomVector(m * k, 6), r, experts, k, threads);
  all.insert(all.end(), r.weights.begin(), r.weights.end());
  all.insert(all.end(), r.experts.begin(), r.experts.end());
  AuxLoss aux(experts);
  aux.Add(View(logits, m, experts), View(r.experts, m, k));
  ExecContext exec(threads);
  std::vector<float> dlogits(logits.size());
  aux.AddGradient(View(logits, m, experts), 1, View(dlogits, m, experts), exec);
  all.insert(all.end(), dlogits.begin(), dlogits.end());
  all.push_back(static_cast<float>(aux.Value()));
  return all;
}

TEST(Router, ARowDoesNotDependOnOthers) {
  const std::vector<float> logits = RandomVector(50 * 33, 5);
  const Routing whole = RunRoute(logits, 33, 3);
  for (int64_t r = 0; r < 50; ++r) {
    ExpectSameBits(RunRoute(Slice(logits, r * 33, 33), 33, 3).weights, Slice(whole.weights, r * 3, 3));
  }
}

TEST(Router, SameBitsWithAnyNumberOfThreadsAndOnAllInstructionSets) {
  for (int64_t experts : {7, 33}) {
    ExpectSameBits(All(5000, experts, 2, 2), All(5000, experts, 2, 1));
    ExpectSameOnAllInstructionSets([experts] { return All(40, experts, 2, 1); });
  }
}

}  // namespace
}  // namespace fulgur
