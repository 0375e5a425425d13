#include "base/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"

namespace fulgur {
namespace {

TEST(Statistics, WilsonIntervals) {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const auto check = [](int64_t correct, int64_t count, double low, double high) {
    const Interval i = WilsonInterval(correct, count);
    EXPECT_NEAR(i.low, low, 5e-5);
    EXPECT_NEAR(i.high, high, 5e-5);
  };
  check(81, 263, 0.2553, 0.3662);
  check(15, 148, 0.0624, 0.1605);
  check(0, 20, 0, 0.1611);
  check(1, 29, 0.0061, 0.1718);
  check(20, 20, 0.8389, 1);
  EXPECT_EQ(WilsonInterval(0, 0).low, 0);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
  EXPECT_EQ(WilsonIntervalOfRate(0.25, 8).low, WilsonInterval(2, 8).low);
  EXPECT_GT(WilsonIntervalOfRate(0.3, 8).low, WilsonInterval(2, 8).low);  // between the whole numbers
  EXPECT_LT(WilsonIntervalOfRate(0.3, 8).low, WilsonInterval(3, 8).low);
}

TEST(Statistics, PassAtKnownValues) {
  EXPECT_DOUBLE_EQ(PassAt(10, 3, 1), 0.3);
  EXPECT_NEAR(PassAt(10, 3, 2), 1 - 42.0 / 90.0, 1e-12);
  EXPECT_DOUBLE_EQ(PassAt(4, 0, 4), 0);
  EXPECT_DOUBLE_EQ(PassAt(4, 1, 4), 1);
  EXPECT_DOUBLE_EQ(PassAt(4, 4, 1), 1);
}

TEST(Statistics, PercentilesByNearestRank) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_EQ(Percentile(values, 0.5), 2);
  EXPECT_EQ(Percentile(values, 0.51), 3);
  EXPECT_EQ(Percentile(values, 0), 1);
  EXPECT_EQ(Percentile(values, 1), 4);
  EXPECT_EQ(Percentile({}, 0.5), 0);
}

TEST(Statistics, StandardErrorOfAMean) {
  // Deviations -1, 0, 1: variance 2 / 2, over 3 values.
  EXPECT_NEAR(StandardError(std::vector<double>{1, 2, 3}), 0.577350, 1e-6);
}

TEST(Statistics, PassHatKnownValues) {
  EXPECT_NEAR(PassHat(10, 3, 2), 3.0 / 45, 1e-12);
  EXPECT_EQ(PassHat(10, 1, 2), 0);
  EXPECT_EQ(PassHat(4, 4, 3), 1);
}

TEST(Statistics, ConsensusIsTheFirstOfTheMostFrequent) {
  using Answers = std::vector<std::optional<std::string>>;
  EXPECT_EQ(Consensus(Answers{"b", "a", "a", "b"}), "b");
  EXPECT_EQ(Consensus(Answers{std::nullopt, std::nullopt, "x"}), "x");
  EXPECT_EQ(Consensus(Answers{std::nullopt}), std::nullopt);
}

TEST(Statistics, ClusteredErrorsCountItems) {
  // Two items whose samples agree with each other are two observations, not four.
  const ClusteredMean m = MeanOverItems({{1, 1}, {0, 0}});
  EXPECT_EQ(m.mean, 0.5);
  EXPECT_NEAR(*m.stderr_of_means, 0.5, 1e-12);
  EXPECT_NEAR(*m.stderr_clustered, 0.5, 1e-12);
  EXPECT_LT(*m.stderr_naive, 0.3);
  EXPECT_FALSE(MeanOverItems({{1, 0, 1}}).stderr_of_means.has_value());
}

TEST(Statistics, PairsOfItems) {
  const PairedDifference d = CompareByItem({{1, 1}, {0, 1}, {1, 1}}, {{0, 1}, {0, 0}, {1, 0}});
  EXPECT_DOUBLE_EQ(d.difference, 0.5);
  EXPECT_NEAR(*d.stderr_paired, 0, 1e-12);  // every item differs by one half
}

TEST(Statistics, McNemarExactAndMid) {
  // Fagerland et al. 2013, table 2: 1 and 7 of 21 pairs differ.
  EXPECT_NEAR(McNemar(1, 7).exact, 0.0703, 5e-5);
  EXPECT_NEAR(McNemar(1, 7).mid, 0.0391, 5e-5);
  EXPECT_EQ(McNemar(0, 0).exact, 1);
  EXPECT_EQ(McNemar(0, 0).mid, 1);
  EXPECT_EQ(McNemar(4, 4).exact, 1);
  // Far from the middle of very many pairs.
  EXPECT_NEAR(McNemar(49000, 51000).exact / 2.6e-10, 1, 0.1);
}

TEST(Statistics, HolmStepsDown) {
  const std::vector<double> adjusted = HolmAdjusted(std::vector<double>{0.04, 0.01, 0.03});
  EXPECT_DOUBLE_EQ(adjusted[1], 0.03);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.06);
}

// What is claimed of a comparison holds in simulation: with no difference it is called significant in about 5 % of all
// runs, with the smallest detectable difference in about 80 %.
TEST(Statistics, ErrorRatesAreWhatIsClaimed) {
  constexpr int kRuns = 1000, kItems = 100, kSamples = 4;
  Rng rng(1);
  const auto significant = [&](double difference) {
    int found = 0;
    for (int run = 0; run < kRuns; ++run) {
      SampleScores a(kItems), b(kItems);
      for (int item = 0; item < kItems; ++item) {
        const double p = 0.2 + 0.5 * rng.Uniform();
        for (int s = 0; s < kSamples; ++s) {
          a[static_cast<size_t>(item)].push_back(rng.Uniform() < p + difference);
          b[static_cast<size_t>(item)].push_back(rng.Uniform() < p);
        }
      }
      const PairedDifference d = CompareByItem(a, b);
      found += NormalTwoSidedP(d.difference, *d.stderr_paired) < 0.05;
    }
    return static_cast<double>(found) / kRuns;
  };
  EXPECT_NEAR(significant(0), 0.05, 0.02);
  // Variance of an item's difference: 2 p (1 - p) / samples, p spread over 0.2 .. 0.7 (and a little above).
  const double se = std::sqrt(2 * 0.2267 / kSamples / kItems);
  EXPECT_NEAR(significant(SmallestDetectableDifference(se)), 0.8, 0.05);
}

TEST(Statistics, LengthTakenOut) {
  // The longer answer always wins, and the model's is the longer one three times of four: without length nothing is
  // left.
  std::vector<double> model, reference, preference;
  for (int i = 0; i < 40; ++i) {
    model.push_back(i % 4 == 0 ? 60 : 140);
    reference.push_back(100);
    preference.push_back(model.back() > reference.back());
  }
  const LengthControlled r = ControlLength(model, reference, preference, 1e-3);
  EXPECT_GT(r.length, 5);
  EXPECT_DOUBLE_EQ(r.win_rate, 0.75);
  EXPECT_NEAR(r.length_controlled, 0.5, 0.15);
}

TEST(Statistics, BestOfAllSubsets) {
  const BestOfN r = BestOfSubsets(std::vector<double>{2, 1, 2}, std::vector<double>{1, 1, 0});
  EXPECT_NEAR(r.best_of[0], 2.0 / 3, 1e-12);
  EXPECT_NEAR(r.best_of[1], (1 + 0.5 + 0) / 3, 1e-12);  // {2,1} right, {2,2} a tie of right and wrong, {1,2} wrong
  EXPECT_NEAR(r.best_of[2], 0.5, 1e-12);
  EXPECT_NEAR(r.pass_at[1], 1, 1e-12);
}

}  // namespace
}  // namespace fulgur
