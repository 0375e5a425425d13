#include <algorithm>
#include <numeric>

#include "judge/verdict_rules.h"

namespace fulgur::verdict {

std::optional<PairVerdict> CombineOrders(std::optional<int> candidate_first, std::optional<int> reference_first) {
  if (!candidate_first || !reference_first) return std::nullopt;
  const bool consistent = *candidate_first == *reference_first;
  return PairVerdict{consistent ? *candidate_first : 0, consistent};
}

namespace {

// Pairs those of `order` that are left, from the front: each with the first it may meet, such that all are paired.
// Gives up after a bounded number of steps.
class Pairing {
 public:
  Pairing(std::vector<size_t> order, const std::vector<std::vector<bool>>& met) : left_(std::move(order)), met_(met) {}
  bool Pair(bool rematches) {
    rematches_ = rematches;
    steps_ = 0;
    pairs_.clear();
    return Next(left_);
  }
  const std::vector<std::pair<size_t, size_t>>& pairs() const { return pairs_; }

 private:
  bool Next(const std::vector<size_t>& left) {
    if (left.empty()) return true;
    for (size_t k = 1; k < left.size(); ++k) {
      if (!rematches_ && met_[left[0]][left[k]]) continue;
      if (++steps_ > 1'000'000) return false;
      std::vector<size_t> rest;
      for (size_t i = 1; i < left.size(); ++i) {
        if (i != k) rest.push_back(left[i]);
      }
      pairs_.emplace_back(left[0], left[k]);
      if (Next(rest)) return true;
      pairs_.pop_back();
    }
    return false;
  }
  std::vector<size_t> left_;
  const std::vector<std::vector<bool>>& met_;
  bool rematches_ = false;
  int64_t steps_ = 0;
  std::vector<std::pair<size_t, size_t>> pairs_;
};

}  // namespace

SwissRound PairSwissRound(const std::vector<double>& points, const std::vector<std::vector<bool>>& met,
                          const std::vector<bool>& had_bye) {
  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return points[a] > points[b]; });
  SwissRound round;
  if (order.size() % 2 == 1) {
    size_t at = order.size() - 1;
    while (at > 0 && had_bye[order[at]]) --at;
    if (had_bye[order[at]]) at = order.size() - 1;  // all have sat out: the last does again
    round.bye = order[at];
    order.erase(order.begin() + static_cast<ptrdiff_t>(at));
  }
  Pairing pairing(order, met);
  if (!pairing.Pair(/*rematches=*/false)) pairing.Pair(/*rematches=*/true);
  round.pairs = pairing.pairs();
  return round;
}

void FinishSwiss(SwissResult* result) {
  result->buchholz.assign(result->points.size(), 0);
  for (const SwissGame& game : result->games) {
    if (game.bye()) continue;
    result->buchholz[game.a] += result->points[game.b];
    result->buchholz[game.b] += result->points[game.a];
  }
  for (size_t i = 1; i < result->points.size(); ++i) {
    const size_t b = result->best;
    if (std::pair(result->points[i], result->buchholz[i]) > std::pair(result->points[b], result->buchholz[b])) {
      result->best = i;
    }
  }
}

}  // namespace fulgur::verdict
