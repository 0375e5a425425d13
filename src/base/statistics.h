// Figures about samples, and how far they can be trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fulgur {

// Wilson score interval (Wilson 1927) for `correct` successes of `count` trials, z = 1.96: where the true rate lies
// with 95 % confidence. [0, 1] for no trials.
struct Interval {
  double low = 0, high = 1;
};
Interval WilsonInterval(int64_t correct, int64_t count);
// Of a rate from 0 to 1 that need not be a whole number of successes.
Interval WilsonIntervalOfRate(double rate, double trials);

// Probability that k of n responses, c of which are right, have a right one among them: 1 - C(n - c, k) / C(n, k),
// without bias (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"). 0 < k <= n, 0 <= c <= n.
double PassAt(int64_t n, int64_t c, int64_t k);

// Probability that k draws without replacement from n responses, c of which are right, are all right: C(c, k) / C(n, k)
// ("pass^k", Yao et al. 2024, tau-bench). 0 < k <= n, 0 <= c <= n.
double PassHat(int64_t n, int64_t c, int64_t k);

// The most frequent answer ("cons@k", majority vote); of equally frequent ones the one that came first. nullopt is no
// answer and does not vote.
std::optional<std::string> Consensus(std::span<const std::optional<std::string>> answers);

// The least of the values that a share p of all of them does not exceed (nearest rank). 0 without values. `sorted` is
// in increasing order.
double Percentile(std::span<const double> sorted, double p);

// Of the mean of at least two values: the sample's standard deviation over the root of their number.
double StandardError(std::span<const double> values);

// Scores [item][sample] of one model; an item has at least one sample.
using SampleScores = std::vector<std::vector<double>>;

// The mean over items of the items' means, and how far it can be trusted. Samples of one item are not independent, so
// the items are what counts (Miller 2024, "Adding Error Bars to Evals").
struct ClusteredMean {
  double mean = 0;
  // Standard deviation of the items' means over the root of their number. Nothing is known with fewer than two items.
  std::optional<double> stderr_of_means;
  // The clustered estimator of Miller 2024 as inspect_ai has it: squared sums of an item's deviations from the mean of
  // all samples, times C / (C - 1). The same where all items have as many samples.
  std::optional<double> stderr_clustered;
  // As if all samples were independent. For comparison: too small.
  std::optional<double> stderr_naive;
};
ClusteredMean MeanOverItems(const SampleScores& scores);

// Mean of `a` less `b` by item, with the standard error of the items' differences: of the same items, in the same
// order.
struct PairedDifference {
  double difference = 0;
  std::optional<double> stderr_paired;  // nothing with fewer than two items
};
PairedDifference CompareByItem(const SampleScores& a, const SampleScores& b);

// McNemar's test of paired yes-no results: `b` items that only the first got right, `c` that only the second did.
// Two-sided; the mid-p value counts the observed outcome half (Fagerland, Lydersen, Laake 2013) and is less cautious.
struct McNemarTest {
  double exact = 1, mid = 1;
};
McNemarTest McNemar(int64_t b, int64_t c);

// Holm's step-down correction (1979): p values of several comparisons, each adjusted so that holding all of them to one
// level keeps the chance of any false alarm at it. In the order given.
std::vector<double> HolmAdjusted(std::span<const double> p_values);

// Two-sided p value of a difference that is normally distributed with this standard error; 1 where both are 0.
double NormalTwoSidedP(double difference, double standard_error);

// The smallest true difference that a test at 5 % (two-sided) finds with a chance of 80 %: (1.96 + 0.84) standard
// errors.
double SmallestDetectableDifference(double standard_error);

// Win rate with the effect of length taken out (after Dubois et al. 2024): logistic regression of `preference` (1 the
// model's answer is better, 0.5 a tie, 0 the reference's) on tanh((length_model - length_reference) / sd), sd of the
// differences with n - 1, and a ridge penalty ridge / 2 on the square of both coefficients; by Newton's method. At
// least two entries. The corrected rate is the logistic function of the intercept.
struct LengthControlled {
  double intercept = 0, length = 0;
  double win_rate = 0, length_controlled = 0;
};
LengthControlled ControlLength(std::span<const double> length_model, std::span<const double> length_reference,
                               std::span<const double> preference, double ridge);

// Best-of-n of a judge, exactly: for n = 1 .. N, the mean over all subsets of n of the N responses of whether the one
// with the highest score is right (ties share), and of whether any is right.
struct BestOfN {
  std::vector<double> best_of, pass_at;
};
BestOfN BestOfSubsets(std::span<const double> scores, std::span<const double> correct);

}  // namespace fulgur
