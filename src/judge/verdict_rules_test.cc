#include "judge/verdict_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulgur::verdict {
namespace {

using testing::ElementsAre;

TEST(VerdictRules, DoubleBracketsInTheirOrder) {
  EXPECT_EQ(MtBenchPair("not [[B]] but [[A]]"), "A");
  EXPECT_EQ(MtBenchPair("even: [[C]]"), "tie");
  EXPECT_EQ(RewardBenchPair("even: [[C]]"), "error");
  EXPECT_EQ(RewardBench2Choice("the last, [[D]]"), "D");
  EXPECT_EQ(RewardBench2Choice("[D]"), "error");
}

TEST(VerdictRules, Ratings) {
  EXPECT_EQ(MtBenchRating("see [2]; so [[6.5]]"), 6.5);
  EXPECT_EQ(MtBenchRating("see [2]; so 7"), 2);
  EXPECT_EQ(MtBenchRating("seven"), -1);
  EXPECT_EQ(RewardBench2Rating("I give 7.5"), 5) << "the official pattern's own reading";
  EXPECT_EQ(RewardBench2Rating("6/10 \n"), 10);
  EXPECT_EQ(RewardBench2Rating("11"), -1);
  EXPECT_EQ(MtBenchRatingPair("[[7.1,7]]"), "tie");
  EXPECT_EQ(MtBenchRatingPair("[4, 6]"), "B");
}

TEST(VerdictRules, ArenaHardCountsStrongLabelsThreefold) {
  EXPECT_EQ(ArenaHardLabel("first [[b>>a]], at last [[a=b]]"), "A=B");
  EXPECT_EQ(ArenaHardLabel("undecided"), std::nullopt);
  EXPECT_EQ(ArenaHardVotesForA(">"), std::nullopt);
  // As B the model loses by far, as A it wins.
  EXPECT_THAT(ArenaHardVotes("A>>B", "A>B").value(), ElementsAre(1, 0, 0, 0));
  EXPECT_EQ(ArenaHardVotes(std::nullopt, "A>B"), std::nullopt);
}

TEST(VerdictRules, PrometheusReadsTheEnd) {
  EXPECT_EQ(PrometheusScore("A first [RESULT] 3, corrected: [RESULT] (2)"), 2);
  EXPECT_EQ(PrometheusScore("[RESULT] 3 is what I would say"), std::nullopt);
  EXPECT_EQ(PrometheusScore("Score: 4 out of 5"), 4);
  EXPECT_EQ(PrometheusScore("[RESULT] 6"), std::nullopt);
  EXPECT_EQ(PrometheusWinner("Both are fine.\nResult: b\n"), "B");
  EXPECT_EQ(PrometheusWinner("[RESULT] B or none"), std::nullopt);
}

TEST(VerdictRules, JudgeBenchNeedsOneLabel) {
  EXPECT_EQ(JudgeBenchDecision("[[B>>A]], as I said: [[B>>A]]"), "B>A");
  EXPECT_EQ(JudgeBenchDecision("[[B>>A]] or rather [[B>A]]"), std::nullopt);
  EXPECT_EQ(JudgeBenchPair("B>A", "B>A", std::nullopt), 1);
  EXPECT_EQ(JudgeBenchPair("B>A", "B>A", "B>A"), 0) << "the second order says the opposite";
}

TEST(VerdictRules, EquivalenceTakesTheFirstLabel) {
  EXPECT_EQ(NemoEquivalenceLabel("[[A!=B]]; though [[A=B]]"), "[[A!=B]]");
  EXPECT_EQ(NemoEquivalenceLabel("A=B"), std::nullopt);
}

TEST(VerdictRules, GenRmReadsTheLastObjectWithAKnownKey) {
  EXPECT_EQ(ParseGenRm("{\"score_1\": \" 2 \"} {\"x\": 1}").score_1, 2);
  EXPECT_EQ(ParseGenRm("{\"score_1\": 1} ```json {\"score_1\": 5}``` {\"score_1\": 2}").score_1, 5);
  EXPECT_EQ(ParseGenRm("{\"score_1\": null}").ranking, 3.5);
}

TEST(VerdictRules, GenRmRewards) {
  const std::vector<GenRmComparison> comparisons = {{0, 1, {4, 4, 1.5}}, {1, 0, {2, 3, 5}}};
  GenRmOptions options;
  const std::vector<std::string> answers = {"short", "**a much longer** one"}, reasoning = {"", "thought"};
  GenRmRewards r = AggregateGenRm(comparisons, answers, reasoning, options);
  EXPECT_THAT(r.base, ElementsAre((6 + 3) / 2.0, (2 + 2) / 2.0));
  EXPECT_EQ(r.tiebreak_rate, 0.5);
  options.answer_length_penalty = 2;
  r = AggregateGenRm(comparisons, answers, reasoning, options);
  EXPECT_THAT(r.adjustments, ElementsAre(1, -1));
  options.answer_length_penalty = 0;
  options.style_penalty = 1;
  r = AggregateGenRm(comparisons, answers, reasoning, options);
  EXPECT_THAT(r.adjustments, ElementsAre(0.5, -0.5));
  options.style_penalty = 0;
  options.reasoning_bonus = 1;
  r = AggregateGenRm(comparisons, answers, reasoning, options);
  EXPECT_THAT(r.adjustments, ElementsAre(0, 0)) << "the shortest thought is not of the best answer";
}

TEST(VerdictRules, RewardBench2) {
  EXPECT_DOUBLE_EQ(RewardBench2BestOf(std::vector<double>{7, 7, 7}), 1.0 / 3);
  EXPECT_EQ(RewardBench2BestOf(std::vector<double>{6, 7}), 0);
  // Everything right, and the right ones equal: both accuracies, both margins, and a margin term of 1.
  const std::vector<TiesRow> rows = {{"ref:8", 1, {5, 1}}, {"tied:8", 2, {5, 5, 2}}};
  EXPECT_NEAR(RewardBench2Ties(rows), 1.01, 1e-12);
}

TEST(VerdictRules, OrdersThatContradictEachOtherAreNoVerdictOfEither) {
  EXPECT_EQ(CombineOrders(1, 1)->value, 1);
  EXPECT_EQ(CombineOrders(1, -1)->value, 0);
  EXPECT_FALSE(CombineOrders(1, 0)->consistent);
  EXPECT_FALSE(CombineOrders(1, std::nullopt).has_value());
}

TEST(VerdictRules, SwissRoundsNeverRepeatAPairWhileOthersAreLeft) {
  const SwissResult r = PlaySwiss(5, 5, [](size_t a, size_t b) { return a > b ? 1.0 : 0.0; });
  EXPECT_EQ(r.best, 4u);
  std::vector<int> byes(5);
  std::vector<std::vector<int>> met(5, std::vector<int>(5));
  for (const SwissGame& game : r.games) {
    if (game.bye()) {
      ++byes[game.a];
    } else {
      ++met[std::min(game.a, game.b)][std::max(game.a, game.b)];
    }
  }
  EXPECT_THAT(byes, ElementsAre(1, 1, 1, 1, 1));
  for (size_t a = 0; a < 5; ++a) {
    for (size_t b = a + 1; b < 5; ++b) EXPECT_EQ(met[a][b], 1) << a << " " << b;
  }
}

}  // namespace
}  // namespace fulgur::verdict
