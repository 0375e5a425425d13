#include "base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace fulgur {
namespace {

// The first outputs for the state 1, 2, 3, 4, computed apart from this code with Python's integers.
TEST(Rng, IsXoshiro256PlusPlus) {
  Rng rng;
  rng.set_state({1, 2, 3, 4});
  for (const uint64_t expected :
       {uint64_t{41943041}, uint64_t{58720359}, uint64_t{3588806011781223}, uint64_t{3591011842654386},
        uint64_t{9228616714210784205u}, uint64_t{9973669472204895162u}}) {
    EXPECT_EQ(rng.Next(), expected);
  }
}

TEST(Rng, MixIsSplitmix64) {
  EXPECT_EQ(Mix(0), 16294208416658607535u);
  EXPECT_EQ(Mix(1), 10451216379200822465u);
  EXPECT_EQ(Mix(1234567), 6457827717110365317u);
  std::set<uint64_t> seen;
  for (uint64_t a = 0; a < 30; ++a) {
    for (uint64_t b = 0; b < 30; ++b) seen.insert(Mix(a, b));
  }
  EXPECT_EQ(seen.size(), 900u);  // (a, b) and (b, a) differ too
}

TEST(Rng, SameSeedSameDraws) {
  Rng a(7), b(7), c(8);
  EXPECT_EQ(a.state(), b.state());
  EXPECT_NE(a.state(), c.state());
  const Rng::State saved = a.state();
  const uint64_t first = a.Next();
  a.set_state(saved);
  EXPECT_EQ(a.Next(), first);
}

TEST(Rng, BelowReachesEverythingEquallyOften) {
  Rng rng(1);
  std::vector<int> count(7);
  for (int i = 0; i < 70000; ++i) ++count[rng.Below(7)];
  for (const int c : count) EXPECT_NEAR(c, 10000, 500);  // five standard deviations
  EXPECT_EQ(rng.Below(1), 0u);
  const uint64_t most = ~uint64_t{0} / 2 + 2;  // almost half of the draws are rejected
  for (int i = 0; i < 100; ++i) EXPECT_LT(rng.Below(most), most);
}

TEST(Rng, IntIncludesBothEnds) {
  Rng rng(2);
  std::set<int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(rng.Int(-2, 2));
  EXPECT_EQ(seen, (std::set<int64_t>{-2, -1, 0, 1, 2}));
}

TEST(Rng, UniformAndNormalHaveTheirMoments) {
  Rng rng(3);
  const int n = 100000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.Uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u / n;
    const double z = rng.Normal();
    normal += z / n;
    square += z * z / n;
  }
  EXPECT_NEAR(uniform, 0.5, 0.005);
  EXPECT_NEAR(normal, 0, 0.016);
  EXPECT_NEAR(square, 1, 0.023);
}

TEST(Rng, ShuffleIsAPermutationAndMovesEveryPlace) {
  Rng rng(4);
  std::vector<std::vector<int>> count(4, std::vector<int>(4));
  for (int round = 0; round < 4000; ++round) {
    std::vector<int> items(4);
    std::iota(items.begin(), items.end(), 0);
    rng.Shuffle(std::span(items));
    for (int i = 0; i < 4; ++i) ++count[i][items[i]];
    std::sort(items.begin(), items.end());
    ASSERT_EQ(items, (std::vector<int>{0, 1, 2, 3}));
  }
  for (const auto& row : count) {
    for (const int c : row) EXPECT_NEAR(c, 1000, 140);
  }
}

}  // namespace
}  // namespace fulgur
