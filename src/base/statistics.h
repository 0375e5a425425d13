// Figures about samples, and how far they can be trusted.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fulgur {

// Wilson score interval (Wilson 1927) for `correct` successes of `count` trials, z = 1.96: where the true rate lies
// with 95 % confidence. [0, 1] for no trials.
struct Interval {
  double low = 0, high = 1;
};
Interval WilsonInterval(int64_t correct, int64_t count);

// Probability that k of n responses, c of which are right, have a right one among them: 1 - C(n - c, k) / C(n, k),
// without bias (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"). 0 < k <= n, 0 <= c <= n.
double PassAt(int64_t n, int64_t c, int64_t k);

// The least of the values that a share p of all of them does not exceed (nearest rank). 0 without values. `sorted` is
// in increasing order.
double Percentile(std::span<const double> sorted, double p);

// Of the mean of at least two values: the sample's standard deviation over the root of their number.
double StandardError(std::span<const double> values);

}  // namespace fulgur
