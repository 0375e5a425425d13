#include "base/line_chart.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace fulgur {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

int64_t Count(const std::string& text, const std::string& what) {
  int64_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(LineChart, StepsAreRound) {
  EXPECT_DOUBLE_EQ(NiceStep(1, 5), 0.2);
  EXPECT_DOUBLE_EQ(NiceStep(100, 5), 20);
  EXPECT_DOUBLE_EQ(NiceStep(131072, 5), 20000);
  EXPECT_DOUBLE_EQ(NiceStep(0.004, 5), 0.001);
}

TEST(LineChart, DrawsLinesBandsAndGaps) {
  LineChart chart;
  chart.title = "a < b & c";
  chart.y_label = [](double v) { return fmt::format("{:.0f} %", 100 * v); };
  chart.lines.push_back({"one", {0, 10, 20}, {0.1, 0.5, 0.3}, {0.05, 0.4, 0.2}, {0.2, 0.6, 0.5}});
  chart.lines.push_back({"two", {0, 10, 20, 30, 40}, {0.1, 0.2, std::nan(""), 0.4, 0.6}, {}, {}});
  const std::string svg = chart.Svg();
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; c"));
  EXPECT_EQ(Count(svg, "<polygon"), 1);
  EXPECT_EQ(Count(svg, "<polyline"), 3);  // one, and two in two pieces
  EXPECT_THAT(svg, HasSubstr(">60 %<"));
  EXPECT_THAT(svg, HasSubstr(">0 %<"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr(">-0<")));
  // The highest value is at the top, the last x at the right edge of the plot.
  EXPECT_THAT(svg, HasSubstr("600.0,20.0 \" fill=\"none\""));
}

TEST(LineChart, NothingToDraw) {
  EXPECT_THAT(LineChart{}.Svg(), HasSubstr("</svg>"));
  LineChart point;
  point.lines.push_back({"p", {3}, {7}, {}, {}});
  EXPECT_THAT(point.Svg(), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace fulgur
