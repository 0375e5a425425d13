#include "base/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace fulgur {

Interval WilsonInterval(int64_t correct, int64_t count) {
  if (count <= 0) return {};
  const double z = 1.959963984540054, n = static_cast<double>(count), p = static_cast<double>(correct) / n;
  const double centre = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // The ends are exact at 0 and 1, where rounding would leave 1e-17.
  return {correct == 0 ? 0 : (centre - half) / scale, correct == count ? 1 : (centre + half) / scale};
}

double PassAt(int64_t n, int64_t c, int64_t k) {
  FULGUR_CHECK(0 < k && k <= n && 0 <= c && c <= n);
  double none = 1;  // C(n - c, k) / C(n, k)
  for (int64_t i = 0; i < k; ++i) {
    none *= std::max(0.0, static_cast<double>(n - c - i)) / static_cast<double>(n - i);
  }
  return 1 - none;
}

double Percentile(std::span<const double> sorted, double p) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(p * static_cast<double>(sorted.size())) - 1;
  return sorted[static_cast<size_t>(std::clamp(rank, 0.0, static_cast<double>(sorted.size() - 1)))];
}

double StandardError(std::span<const double> values) {
  FULGUR_CHECK(values.size() >= 2);
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / (n - 1) / n);
}

}  // namespace fulgur
