#include "eval/pass_rates.h"

#include <gtest/gtest.h>

namespace fulgur {
namespace {

TEST(PassRates, MeansOverProblemsAndOverTasks) {
  PassRates rates;
  rates.Add("a", 4, 4, 1, 40);  // pass@1 1/4, pass@2 1/2, pass@4 1
  rates.Add("a", 4, 4, 4, 20);
  rates.Add("b", 4, 4, 0, 12);
  const Json json = rates.ToJson();
  EXPECT_EQ(json["problems"], 3);
  EXPECT_FALSE(json.contains("unjudged"));
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["pass_at_1"].get<double>(), 0.625);
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["pass_at_2"].get<double>(), 0.75);
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["pass_at_4"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["length"].get<double>(), 7.5);
  EXPECT_DOUBLE_EQ(json["mean"]["pass_at_1"].get<double>(), 0.3125);
  EXPECT_EQ(json["tasks"]["b"]["low"], 0);
}

TEST(PassRates, ResponsesWithoutVerdictAreNeitherRightNorWrong) {
  PassRates rates;
  rates.Add("a", 4, 2, 1, 4);  // pass@4 cannot be known
  rates.Add("a", 4, 4, 1, 4);
  rates.Add("a", 4, 0, 0, 4);
  const Json json = rates.ToJson();
  EXPECT_EQ(json["unjudged"], 6);
  EXPECT_EQ(json["problems"], 3);
  EXPECT_EQ(json["tasks"]["a"]["problems"], 2);
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["pass_at_1"].get<double>(), 0.375);
  EXPECT_DOUBLE_EQ(json["tasks"]["a"]["pass_at_2"].get<double>(), 0.75);
  EXPECT_FALSE(json["tasks"]["a"].contains("pass_at_4"));
}

}  // namespace
}  // namespace fulgur
