// What the public judge systems read in a judge's reply, and how they count it, flaws included. docs/evaluation.md
// names each rule's origin.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur::verdict {

// --- MT-bench (FastChat) and RewardBench (verdict_rules.cc)
std::string MtBenchPair(std::string_view reply);         // "A", "B", "tie", "error": [[A]], [[B]], [[C]] in this order
std::string RewardBenchPair(std::string_view reply);     // "A", "B", "error"
std::string RewardBench2Choice(std::string_view reply);  // "A" to "D", "error"
Json MtBenchRating(std::string_view reply);              // the number in [[n]], else in [n]; -1 without one
int RewardBench2Rating(std::string_view reply);          // 1 to 10 at the end of the reply; -1 without one
std::string MtBenchRatingPair(std::string_view reply);  // of [[a,b]], else [a,b]: "A", "B", "tie" (within 0.1), "error"

// --- Arena-Hard
std::optional<std::string> ArenaHardLabel(std::string_view reply);
// The votes that a label gives to A; a strong one counts `weight` times. nullopt for what is no label.
std::optional<std::vector<double>> ArenaHardVotesForA(std::string_view label, int weight = 3);
// Votes for the model of a question that was judged twice, first with the baseline as A, then with the model as A. A
// game without a label drops the question.
std::optional<std::vector<double>> ArenaHardVotes(const std::optional<std::string>& baseline_first,
                                                  const std::optional<std::string>& model_first, int weight = 3);

// --- Prometheus 2
std::optional<int> PrometheusScore(std::string_view reply);
std::optional<std::string> PrometheusWinner(std::string_view reply);

// --- OpenCompass's generic judge: the first A or B anywhere, "unknown" without one
std::string OpenCompassVerdict(std::string_view reply);

// --- NeMo-Gym's equivalence judge: the first of [[A=B]] and [[A!=B]]
std::optional<std::string> NemoEquivalenceLabel(std::string_view reply);

// --- JudgeBench
std::optional<std::string> JudgeBenchDecision(std::string_view reply);
// Both orders, the second with A and B exchanged: 1 if more of them are right than wrong. No decision is neither.
double JudgeBenchPair(std::string_view label, const std::optional<std::string>& game_1,
                      const std::optional<std::string>& game_2);

// --- RewardBench 2 (rewardbench.cc)
double RewardBench2BestOf(
    std::span<const double> scores);  // the first is the right one; a shared maximum gives its share
struct TiesRow {
  std::string id;  // "ref:N" or "tied:N"
  size_t num_correct = 0;
  std::vector<double> scores;  // the right ones first
};
double RewardBench2Ties(std::span<const TiesRow> rows);

// --- NeMo-Gym's generative reward model (nemo_genrm.cc)
struct GenRmScores {
  double score_1 = 3, score_2 = 3, ranking = 3.5;  // what an unreadable reply counts as
};
GenRmScores ParseGenRm(std::string_view reply);
struct GenRmComparison {
  size_t i = 0, j = 0;
  GenRmScores scores;
};
struct GenRmOptions {
  double default_score = 3;
  double reasoning_bonus = 0, answer_bonus = 0, top_percentile = 0.2;
  double reasoning_length_penalty = 0, answer_length_penalty = 0, style_penalty = 0;
};
struct GenRmRewards {
  std::vector<double> rewards, base, adjustments;
  std::optional<double> mean_score, deviation, tiebreak_rate;  // none without comparisons
};
GenRmRewards AggregateGenRm(std::span<const GenRmComparison> comparisons, std::span<const std::string> answers,
                            std::span<const std::string> reasoning, const GenRmOptions& options);

// --- Fulgur's own (pairs.cc)
// Both orders of a pair, each -1, 0 or 1 for the candidate: what they agree on, 0 where they contradict each other, and
// nothing where one has no verdict.
struct PairVerdict {
  int value = 0;
  bool consistent = true;
};
std::optional<PairVerdict> CombineOrders(std::optional<int> candidate_first, std::optional<int> reference_first);

// Swiss rounds. Pairs by points, then by index, from the top down, each with the first opponent it has not met,
// backtracking where somebody is left over; of an odd number the last who has not sat out yet does, for a point.
// `score(a, b)` is 1 if a wins, 0.5 for a draw.
struct SwissGame {
  int round;
  size_t a, b;  // b is a for a bye
  double score_a;
  bool bye() const { return a == b; }
};
struct SwissResult {
  std::vector<double> points, buchholz;  // buchholz: the sum of the opponents' points
  size_t best = 0;                       // by points, then Buchholz, then index
  std::vector<SwissGame> games;
};
template <typename Score>
SwissResult PlaySwiss(size_t players, int rounds, Score score);

// ---

// The pairs of a round, best first; `met[a][b]`. Empty only if there is no player.
struct SwissRound {
  std::optional<size_t> bye;
  std::vector<std::pair<size_t, size_t>> pairs;
};
SwissRound PairSwissRound(const std::vector<double>& points, const std::vector<std::vector<bool>>& met,
                          const std::vector<bool>& had_bye);
void FinishSwiss(SwissResult* result);

template <typename Score>
SwissResult PlaySwiss(size_t players, int rounds, Score score) {
  SwissResult result;
  result.points.assign(players, 0);
  std::vector<std::vector<bool>> met(players, std::vector<bool>(players));
  std::vector<bool> had_bye(players);
  for (int round = 1; round <= rounds && players > 0; ++round) {
    const SwissRound plan = PairSwissRound(result.points, met, had_bye);
    if (plan.bye) {
      had_bye[*plan.bye] = true;
      result.games.push_back({round, *plan.bye, *plan.bye, 1});
      result.points[*plan.bye] += 1;
    }
    for (const auto& [a, b] : plan.pairs) {
      const double score_a = score(a, b);
      met[a][b] = met[b][a] = true;
      result.points[a] += score_a;
      result.points[b] += 1 - score_a;
      result.games.push_back({round, a, b, score_a});
    }
  }
  FinishSwiss(&result);
  return result;
}

}  // namespace fulgur::verdict
