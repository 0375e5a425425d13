#include "base/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fulgur {
namespace {

TEST(Bf16, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bf16 x{static_cast<uint16_t>(bits)};
    const float f = ToFloat(x);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(ToFloat(ToBf16(f)))) << bits;
      EXPECT_EQ(ToBf16(f).bits & 0x8000u, bits & 0x8000u) << bits;
    } else {
      EXPECT_EQ(ToBf16(f).bits, bits);
    }
  }
}

// Between every two neighbours a < b of one sign: just above a, just below, at, and just above the middle, just below
// b. The middle goes to the neighbour with even bits.
TEST(Bf16, RoundsToNearestEven) {
  for (uint32_t upper = 0; upper < 0x10000; ++upper) {
    if ((upper & 0x7fffu) >= 0x7f80u) continue;  // infinities and NaN have no neighbour above
    const auto rounded = [&](uint32_t lower) { return ToBf16(std::bit_cast<float>(upper << 16 | lower)).bits; };
    EXPECT_EQ(rounded(0x0001), upper);
    EXPECT_EQ(rounded(0x7fff), upper);
    EXPECT_EQ(rounded(0x8000), upper % 2 == 0 ? upper : upper + 1);
    EXPECT_EQ(rounded(0x8001), upper + 1);
    EXPECT_EQ(rounded(0xffff), upper + 1);
  }
}

TEST(Bf16, NanWithLowPayloadStaysNan) {
  const float nan = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(ToFloat(ToBf16(nan))));
  EXPECT_EQ(ToBf16(std::numeric_limits<float>::max()).bits, 0x7f80);  // nearer to infinity than to the largest bf16
  EXPECT_EQ(ToBf16(-std::numeric_limits<float>::infinity()).bits, 0xff80);
}

// IEEE 754 binary16: (-1)^s 2^(e-15) (1 + m/1024), and m 2^-24 for e = 0.
TEST(F16, EveryValueIsWhatTheStandardSays) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float f = ToFloat(f16{static_cast<uint16_t>(bits)});
    const int exponent = static_cast<int>(bits >> 10 & 0x1f);
    const int mantissa = static_cast<int>(bits & 0x3ff);
    EXPECT_EQ(std::signbit(f), bits >> 15 == 1) << bits;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(f), mantissa != 0) << bits;
      EXPECT_EQ(std::isinf(f), mantissa == 0) << bits;
    } else {
      const double magnitude =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 15 - 10);
      EXPECT_EQ(std::abs(static_cast<double>(f)), magnitude) << bits;
    }
  }
}

}  // namespace
}  // namespace fulgur
