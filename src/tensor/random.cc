#include "tensor/random.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

// Natural logarithm of a normal x > 0, by log((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 + ...); error below 1e-12.
double Log(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  auto exponent = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);  // [1, 2)
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;  // |s| <= 0.172
  const double series =
      s * (1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9 + s2 * (1.0 / 11 + s2 / 13))))));
  return 2 * series + static_cast<double>(exponent) * 0.6931471805599453;
}

// Cosine and sine of x in [-pi/4, pi/4], by their Taylor series; error below 1e-10.
void CosSin(double x, double* cosine, double* sine) {
  const double x2 = x * x;
  *cosine = 1 - x2 / 2 * (1 - x2 / 12 * (1 - x2 / 30 * (1 - x2 / 56 * (1 - x2 / 90))));
  *sine = x * (1 - x2 / 6 * (1 - x2 / 20 * (1 - x2 / 42 * (1 - x2 / 72 * (1 - x2 / 110)))));
}

}  // namespace

void FillNormal(uint64_t key, int64_t begin, double stddev, std::span<float> out) {
  FULGUR_CHECK(begin % kRandomBlock == 0);
  const auto n = static_cast<int64_t>(out.size());
  for (int64_t block = 0; block * kRandomBlock < n; ++block) {
    Rng rng(Mix(key, static_cast<uint64_t>(begin / kRandomBlock + block)));
    const int64_t end = std::min(n, (block + 1) * kRandomBlock);
    for (int64_t i = block * kRandomBlock; i < end; i += 2) {
      const uint64_t bits = rng.Next();
      const double u = static_cast<double>((bits >> 40) + 1) * 0x1p-24;            // (0, 1]
      const double turn = static_cast<double>((bits >> 14) & 0x3fffff) * 0x1p-24;  // [0, 1/4)
      const double radius = stddev * std::sqrt(-2 * Log(u));
      double c, s;
      CosSin(6.283185307179586 * (turn - 0.125), &c, &s);
      if (bits & 1) std::swap(c, s);  // the other quarters of the circle
      if (bits & 2) c = -c;
      if (bits & 4) s = -s;
      out[static_cast<size_t>(i)] = static_cast<float>(radius * c);
      if (i + 1 < end) out[static_cast<size_t>(i + 1)] = static_cast<float>(radius * s);
    }
  }
}

}  // namespace fulgur
