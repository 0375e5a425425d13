#include "base/statistics.h"

#include <gtest/gtest.h>

#include <vector>

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

}  // namespace
}  // namespace fulgur
