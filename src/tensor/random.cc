#include "tensor/random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

// Natural logarithm of a normal x > 0, by log((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 + ...); error below 1e-12.
double Log(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const uint64_t fraction = bits & 0xfffffffffffffull;
  const uint64_t half = fraction > 0x6a09e667f3bcdull;  // x = m 2^exponent with m in [sqrt(1/2), sqrt(2)]
  const double m = std::bit_cast<double>(fraction | ((0x3ffull - half) << 52));
  const auto exponent = static_cast<int32_t>(bits >> 52) - 1023 + static_cast<int32_t>(half);
  const double s = (m - 1) / (m + 1), s2 = s * s;  // |s| <= 0.172
  constexpr double kSeries[] = {2.0, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13};
  double sum = kSeries[6];
  for (int i = 5; i >= 0; --i) sum = sum * s2 + kSeries[i];
  return s * sum + exponent * 0.6931471805599453;
}

// Cosine and sine of x in [-pi/4, pi/4], by their Taylor series; error below 1e-10.
void CosSin(double x, double* cosine, double* sine) {
  constexpr double kCos[] = {1, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800};
  constexpr double kSin[] = {1, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800};
  const double x2 = x * x;
  double c = kCos[5], s = kSin[5];
  for (int i = 4; i >= 0; --i) {
    c = c * x2 + kCos[i];
    s = s * x2 + kSin[i];
  }
  *cosine = c;
  *sine = s * x;
}

}  // namespace

void FillNormal(uint64_t key, int64_t begin, double stddev, std::span<float> out) {
  FULGUR_CHECK(begin % kRandomBlock == 0);
  const auto n = static_cast<int64_t>(out.size());
  std::array<uint64_t, kRandomBlock / 2> bits;
  std::array<float, kRandomBlock> values;
  for (int64_t first = 0; first < n; first += kRandomBlock) {
    Rng rng(Mix(key, static_cast<uint64_t>((begin + first) / kRandomBlock)));
    for (uint64_t& b : bits) b = rng.Next();
    for (size_t i = 0; i < bits.size(); ++i) {
      const uint64_t b = bits[i];
      const double u = static_cast<int32_t>((b >> 40) + 1) * 0x1p-24;            // (0, 1]
      const double turn = static_cast<int32_t>((b >> 18) & 0x3fffff) * 0x1p-24;  // [0, 1/4)
      const double radius = stddev * std::sqrt(-2 * Log(u));
      double c, s;
      CosSin(6.283185307179586 * (turn - 0.125), &c, &s);
      // One quarter of the circle; exchanging the two and their signs give the others.
      const bool exchange = b & 1;
      const float x = static_cast<float>(radius * (exchange ? s : c)),
                  y = static_cast<float>(radius * (exchange ? c : s));
      values[2 * i] = std::bit_cast<float>(std::bit_cast<uint32_t>(x) ^ static_cast<uint32_t>((b & 2) << 30));
      values[2 * i + 1] = std::bit_cast<float>(std::bit_cast<uint32_t>(y) ^ static_cast<uint32_t>((b & 4) << 29));
    }
    std::copy_n(values.begin(), std::min(kRandomBlock, n - first), out.begin() + first);
  }
}

}  // namespace fulgur
