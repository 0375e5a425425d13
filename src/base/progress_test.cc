#include "base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace fulgur {
namespace {

TEST(Progress, Counts) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(999.6), "1.00k");
  EXPECT_EQ(HumanCount(1234), "1.23k");
  EXPECT_EQ(HumanCount(9999), "10.0k");
  EXPECT_EQ(HumanCount(99999), "100k");
  EXPECT_EQ(HumanCount(999999), "1.00M");
  EXPECT_EQ(HumanCount(45.9e9), "45.9B");
  EXPECT_EQ(HumanCount(7e15), "7000T");
  EXPECT_EQ(HumanCount(-1234), "-1.23k");
}

TEST(Progress, Bytes) {
  EXPECT_EQ(HumanBytes(512), "512 B");
  EXPECT_EQ(HumanBytes(40 * 1024), "40.0 KiB");
  EXPECT_EQ(HumanBytes(280.0 * 1024 * 1024), "280 MiB");
  EXPECT_EQ(HumanBytes(1024.0 * 1024 * 1024 - 1), "1.00 GiB");
}

TEST(Progress, Durations) {
  EXPECT_EQ(HumanDuration(0.2), "0s");
  EXPECT_EQ(HumanDuration(59.4), "59s");
  EXPECT_EQ(HumanDuration(59.6), "1m00s");
  EXPECT_EQ(HumanDuration(200), "3m20s");
  EXPECT_EQ(HumanDuration(3720), "1h02m");
  EXPECT_EQ(HumanDuration(100 * 3600), "100h00m");
  EXPECT_EQ(HumanDuration(std::numeric_limits<double>::infinity()), "?");
}

std::string Captured(const std::function<void()>& work) {
  testing::internal::CaptureStderr();  // into a file, so not a terminal
  work();
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, PlainLinesWithoutATerminal) {
  const std::string text = Captured([] {
    ProgressBar bar("Training", 1000, "tokens");
    for (int i = 1; i <= 1000; ++i) bar.Update(i, "loss 1.93");
  });
  EXPECT_THAT(text, testing::StartsWith("Training   0% 1/1.00k tokens"));  // the first, and then the last
  EXPECT_THAT(text, testing::HasSubstr("Training 100% 1.00k/1.00k tokens"));
  EXPECT_THAT(text, testing::EndsWith("  loss 1.93\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, UnknownTotalAndMoreThanTheTotal) {
  EXPECT_THAT(Captured([] { ProgressBar("Reading", 0, "lines").Update(5); }), testing::StartsWith("Reading 5 lines"));
  EXPECT_THAT(Captured([] { ProgressBar("Reading", 4, "lines").Update(9); }), testing::HasSubstr("100% 9/4"));
}

TEST(Progress, ALineFitsItsTerminal) {
  testing::internal::CaptureStderr();
  {
    ProgressBar bar("training", 2000, "steps");
    bar.Update(400, "19.9k tokens/s (13 % of peak)  loss 6.5273  held out 5.9164, 28.7 % of tokens");
    for (int columns = 1; columns <= 150; ++columns) {
      EXPECT_LE(bar.Line(columns, false).size(), static_cast<size_t>(columns));
    }
    EXPECT_THAT(bar.Line(200, false), testing::HasSubstr("[####"));
    EXPECT_THAT(bar.Line(39, true),
                testing::AllOf(testing::StartsWith("training  20%"), testing::HasSubstr("loss 6.5273")));
    EXPECT_EQ(bar.Line(10, true), "training  ");
    EXPECT_EQ(bar.Line(13, true), "training  20%");
    bar.Update(400, "Zeit 3 µs");
    EXPECT_THAT(bar.Line(150, true), testing::EndsWith("Zeit 3 µs"));
  }
  testing::internal::GetCapturedStderr();
}

TEST(Progress, NothingDoneNothingSaid) {
  EXPECT_EQ(Captured([] { ProgressBar bar("Idle", 10, "steps"); }), "");
  EXPECT_EQ(Captured([] {
              ProgressBar bar("Resumed", 10, "steps");
              bar.StartFrom(10);
            }),
            "");
}

}  // namespace
}  // namespace fulgur
