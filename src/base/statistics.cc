#include "base/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/error.h"

namespace fulgur {

Interval WilsonInterval(int64_t correct, int64_t count) {
  if (count <= 0) return {};
  return WilsonIntervalOfRate(static_cast<double>(correct) / static_cast<double>(count), static_cast<double>(count));
}

Interval WilsonIntervalOfRate(double rate, double trials) {
  if (!(trials > 0)) return {};
  const double z = 1.959963984540054, n = trials, p = rate;
  const double centre = p + z * z / (2 * n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // The ends are exact at 0 and 1, where rounding would leave 1e-17.
  return {p == 0 ? 0 : (centre - half) / scale, p == 1 ? 1 : (centre + half) / scale};
}

double PassAt(int64_t n, int64_t c, int64_t k) {
  FULGUR_CHECK(0 < k && k <= n && 0 <= c && c <= n);
  double none = 1;  // C(n - c, k) / C(n, k)
  for (int64_t i = 0; i < k; ++i) {
    none *= std::max(0.0, static_cast<double>(n - c - i)) / static_cast<double>(n - i);
  }
  return 1 - none;
}

double PassHat(int64_t n, int64_t c, int64_t k) {
  FULGUR_CHECK(0 < k && k <= n && 0 <= c && c <= n);
  double all = 1;
  for (int64_t i = 0; i < k; ++i) all *= std::max(0.0, static_cast<double>(c - i)) / static_cast<double>(n - i);
  return all;
}

std::optional<std::string> Consensus(std::span<const std::optional<std::string>> answers) {
  std::unordered_map<std::string, int64_t> votes;
  for (const auto& answer : answers) {
    if (answer) ++votes[*answer];
  }
  std::optional<std::string> best;
  int64_t most = 0;
  for (const auto& answer : answers) {
    if (answer && votes[*answer] > most) {
      most = votes[*answer];
      best = answer;
    }
  }
  return best;
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

namespace {

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

ClusteredMean MeanOverItems(const SampleScores& scores) {
  ClusteredMean result;
  if (scores.empty()) return result;
  std::vector<double> means, all;
  for (const std::vector<double>& samples : scores) {
    FULGUR_CHECK(!samples.empty());
    means.push_back(Mean(samples));
    all.insert(all.end(), samples.begin(), samples.end());
  }
  result.mean = Mean(means);
  if (all.size() >= 2) result.stderr_naive = StandardError(all);
  if (means.size() < 2) return result;
  result.stderr_of_means = StandardError(means);
  const double centre = Mean(all);
  double variance = 0;
  for (const std::vector<double>& samples : scores) {
    double sum = 0;
    for (const double v : samples) sum += v - centre;
    variance += sum * sum;
  }
  const auto items = static_cast<double>(means.size());
  result.stderr_clustered = std::sqrt(variance * items / (items - 1)) / static_cast<double>(all.size());
  return result;
}

PairedDifference CompareByItem(const SampleScores& a, const SampleScores& b) {
  FULGUR_CHECK(a.size() == b.size());
  PairedDifference result;
  if (a.empty()) return result;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    FULGUR_CHECK(!a[i].empty() && !b[i].empty());
    differences.push_back(Mean(a[i]) - Mean(b[i]));
  }
  result.difference = Mean(differences);
  if (differences.size() >= 2) result.stderr_paired = StandardError(differences);
  return result;
}

McNemarTest McNemar(int64_t b, int64_t c) {
  FULGUR_CHECK(b >= 0 && c >= 0);
  const int64_t n = b + c, fewer = std::min(b, c);
  if (n == 0) return {};
  // Probability of `fewer` of n fair coins; the halves are taken in between, so that no step leaves the range.
  long double probability = 1;
  int64_t halves = n;
  for (int64_t i = 1; i <= fewer; ++i) {
    probability *= static_cast<long double>(n - fewer + i) / static_cast<long double>(i);
    for (; probability > 1 && halves > 0; --halves) probability /= 2;
  }
  for (; halves > 0; --halves) probability /= 2;
  long double tail = 0, term = probability;
  for (int64_t i = fewer; i >= 0 && term > 0; --i) {
    tail += term;
    term *= static_cast<long double>(i) / static_cast<long double>(n - i + 1);
  }
  McNemarTest test;
  test.exact = static_cast<double>(std::min(1.0L, 2 * tail));
  test.mid = static_cast<double>(std::min(1.0L, 2 * tail) - probability);
  return test;
}

std::vector<double> HolmAdjusted(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return p_values[x] < p_values[y]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const auto tests_left = static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, tests_left * p_values[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

double NormalTwoSidedP(double difference, double standard_error) {
  if (standard_error > 0) return std::erfc(std::abs(difference) / standard_error / std::sqrt(2.0));
  return difference == 0 ? 1 : 0;
}

double SmallestDetectableDifference(double standard_error) {
  constexpr double kLevel = 1.959963984540054, kPower = 0.8416212335729143;  // normal quantiles of 0.975 and 0.8
  return (kLevel + kPower) * standard_error;
}

LengthControlled ControlLength(std::span<const double> length_model, std::span<const double> length_reference,
                               std::span<const double> preference, double ridge) {
  const size_t n = preference.size();
  FULGUR_CHECK(n >= 2 && length_model.size() == n && length_reference.size() == n);
  std::vector<double> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = length_model[i] - length_reference[i];
  const double sd = StandardError(x) * std::sqrt(static_cast<double>(n));
  for (double& v : x) v = sd > 0 ? std::tanh(v / sd) : 0;
  LengthControlled result;
  const auto logistic = [](double z) { return 1 / (1 + std::exp(-z)); };
  for (int step = 0; step < 100; ++step) {
    double gradient[2] = {-ridge * result.intercept, -ridge * result.length};
    double hessian[3] = {ridge, 0, ridge};  // [0][0], [0][1], [1][1]
    for (size_t i = 0; i < n; ++i) {
      const double p = logistic(result.intercept + result.length * x[i]);
      const double weight = p * (1 - p);
      gradient[0] += preference[i] - p;
      gradient[1] += (preference[i] - p) * x[i];
      hessian[0] += weight;
      hessian[1] += weight * x[i];
      hessian[2] += weight * x[i] * x[i];
    }
    const double determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
    if (!(determinant > 0)) break;
    const double a = (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
    const double b = (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
    result.intercept += a;
    result.length += b;
    if (std::abs(a) + std::abs(b) < 1e-14) break;
  }
  result.win_rate = Mean(preference);
  result.length_controlled = logistic(result.intercept);
  return result;
}

BestOfN BestOfSubsets(std::span<const double> scores, std::span<const double> correct) {
  FULGUR_CHECK(scores.size() == correct.size());
  const auto count = static_cast<int64_t>(scores.size());
  struct Group {
    int64_t size = 0;
    double right = 0;
  };
  std::map<double, Group> groups;  // of equal scores, from the lowest
  int64_t right = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    Group& group = groups[scores[i]];
    ++group.size;
    group.right += correct[i];
    right += correct[i] > 0;
  }
  // Whether all of n drawn are among the `among` lowest: C(among, n) / C(count, n).
  BestOfN result;
  for (int64_t n = 1; n <= count; ++n) {
    double sum = 0, below = 0;
    int64_t among = 0;
    for (const auto& [score, group] : groups) {
      among += group.size;
      const double up_to_here = PassHat(count, among, n);
      // Of equal best scores in a subset each is chosen equally often, so the group's own share of right ones counts.
      sum += (up_to_here - below) * group.right / static_cast<double>(group.size);
      below = up_to_here;
    }
    result.best_of.push_back(sum);
    result.pass_at.push_back(PassAt(count, right, n));
  }
  return result;
}

}  // namespace fulgur
