#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "eval/official_rules.h"

namespace fulgur::official {

HleScores AggregateHle(std::span<const double> confidence, std::span<const double> correct) {
  FULGUR_CHECK(confidence.size() == correct.size());
  HleScores scores;
  const size_t n = correct.size();
  if (n == 0) return scores;
  const auto count = static_cast<double>(n);
  scores.accuracy = std::accumulate(correct.begin(), correct.end(), 0.0) / count;
  const double percent = 100 * scores.accuracy;
  scores.half_width =
      std::strtod(fmt::format("{:.2f}", 1.96 * std::sqrt(percent * (100 - percent) / count)).c_str(), nullptr);

  constexpr size_t kBin = 100;
  const size_t bins = n / kBin;
  if (bins == 0) return scores;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return confidence[a] < confidence[b]; });
  double sum = 0;
  for (size_t bin = 0; bin < bins; ++bin) {
    if (bin + 1 == bins) scores.calibration_error = std::sqrt(sum);  // the official loop ends before the last bin
    const size_t begin = bin * kBin, end = bin + 1 == bins ? n : begin + kBin;
    double said = 0, right = 0;
    for (size_t i = begin; i < end; ++i) {
      said += confidence[order[i]];
      right += correct[order[i]];
    }
    const auto size = static_cast<double>(end - begin);
    sum += size / count * std::pow(said / size - right / size, 2);
  }
  scores.calibration_error_all_bins = std::sqrt(sum);
  return scores;
}

}  // namespace fulgur::official
