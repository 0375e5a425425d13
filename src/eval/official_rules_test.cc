#include "eval/official_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/sequence_matcher.h"

namespace fulgur::official {
namespace {

using testing::ElementsAre;

TEST(OfficialRules, AimeOfLmEvaluationHarness) {
  EXPECT_EQ(LmEvalAime("so it is \\boxed{204}", "204"), 1);
  EXPECT_EQ(LmEvalAime("\\boxed{7} and then \\boxed{ 204 }.", "204"), 1);
  EXPECT_EQ(LmEvalAime("\\boxed{\\frac{408}{2}}", "204"), 0);
  EXPECT_EQ(LmEvalAime("$n = 204$", "204"), 1);
  EXPECT_EQ(LmEvalAime("204 it is", "204"), 0);
}

TEST(OfficialRules, MathGrading) {
  EXPECT_TRUE(Prm800kEqual("\\frac34", "3/4"));
  EXPECT_FALSE(Prm800kEqual("6/8", "3/4")) << "fractions have to be reduced";
  EXPECT_TRUE(Prm800kEqual("(x+1)^2", "x^2+2x+1"));
  EXPECT_TRUE(Prm800kEqual("5\\text{ cm}", "5"));
  EXPECT_TRUE(Prm800kEqual("2,500", "2500"));
  EXPECT_TRUE(Prm800kEqual("(1, \\frac{2}{4})", "(1,0.5)"));
  EXPECT_FALSE(Prm800kEqual("[1,2)", "(1,2)"));
  EXPECT_FALSE(Prm800kEqual("8/2", "4")) << "a whole number has to be written as one";
  EXPECT_TRUE(Prm800kEqual("2\\sqrt{3}", "\\sqrt{12}"));
  EXPECT_FALSE(Prm800kEqual("2\\sqrt{3}", "3\\sqrt{2}"));
}

TEST(OfficialRules, Letters) {
  EXPECT_EQ(GpqaLetter("Answer: All of them are wrong"), "A") << "the official pattern's own reading";
  EXPECT_EQ(GpqaLetter("**Answer:** C"), std::nullopt);
  EXPECT_EQ(GpqaLetter("ANSWER : $d"), "d");
  EXPECT_EQ(MmluProLetter("Hence the answer is (**G**)."), "G");
  EXPECT_EQ(MmluProLetter("Answer: no\nwait, answer: F"), "F");
  EXPECT_EQ(MmluProLetter("B fits and so do I"), "I");
  EXPECT_EQ(MmluProLetter("none of these"), std::nullopt);
  EXPECT_EQ(LongBenchLetter("The correct answer is B, I mean: The correct answer is (C)"), "C");
  EXPECT_EQ(LongBenchLetter("the correct answer is (C)"), std::nullopt);
}

TEST(OfficialRules, LongBench) {
  EXPECT_THAT(LongBenchTruncated(std::vector<int>{1, 2, 3, 4, 5, 6, 7}, 5), ElementsAre(1, 2, 5, 6, 7));
  EXPECT_THAT(LongBenchTruncated(std::vector<int>{1, 2}, 2), ElementsAre(1, 2));
  const std::vector<LongBenchPrediction> predictions = {
      {true, true, "easy", "short"}, {false, false, "hard", "long"}, {true, false, "hard", "long"}};
  EXPECT_EQ(LongBenchAccuracy(predictions, "overall", false), 33.3);
  EXPECT_EQ(LongBenchAccuracy(predictions, "hard", true), 12.5);
  EXPECT_EQ(LongBenchAccuracy(predictions, "medium", true), std::nullopt);
}

const Json kSolution = Json::parse(R"({"header": ["House", "Pet"], "rows": [["1", "cat"], ["2", "dog"]]})");

TEST(OfficialRules, Zebra) {
  const auto score = [](const char* text) { return ScoreZebra(kSolution, text); };
  const ZebraScore right =
      score("{\"draft\": 1} {\"solution\": {\"House 1\": {\"Pet\": \"Cat \"},\n\"House 2\": {\"Pet\": [\"dog\", 1]}}}");
  EXPECT_TRUE(right.solved);
  EXPECT_FALSE(score("{\"reasoning\": \":}\", \"solution\": {}}").parsed);
  EXPECT_EQ(score("{\"solution\": {\"House 2\": {\"Pet\": \"dog\"}}}").correct_cells, 1);
  EXPECT_EQ(score("{\"solution\": {\"House 2\": {\"Pet\": 7}}}").raises->exception, "TypeError");
  EXPECT_EQ(score("{\"solution\": {\"House 2\": {\"Pet\": [7]}}}").raises->exception, "AttributeError");
  EXPECT_EQ(score("{\"reasoning\": null, \"solution\": {}}").raises->exception, "TypeError");
  const std::vector<std::pair<std::string, ZebraScore>> all = {{"2*2", right}, {"6*6", score("?")}};
  const Json table = ZebraTable(all);
  EXPECT_EQ(table["Puzzle Acc"], "50.00");
  EXPECT_EQ(table["Easy Puzzle Acc"], "100.00");
  EXPECT_EQ(table["XL Puzzle Acc"], "0.00");
  EXPECT_TRUE(table["Large Puzzle Acc"].is_null());
  EXPECT_EQ(table["No answer"], "50.00");
}

// What difflib says of these texts, by CPython 3.11.
TEST(OfficialRules, SequenceRatio) {
  EXPECT_DOUBLE_EQ(SequenceRatio("", "", true), 1);
  EXPECT_DOUBLE_EQ(SequenceRatio("abcd", "bcde", true), 0.75);
  EXPECT_THAT(MatchingBlocks("qabxcd", "abycdf", true),
              ElementsAre(MatchingBlock{1, 0, 2}, MatchingBlock{4, 3, 2}, MatchingBlock{6, 6, 0}));
  const std::string a(200, 'x'), b = "y" + std::string(199, 'x');
  EXPECT_DOUBLE_EQ(SequenceRatio(a, b, true), 0) << "a code point that is everywhere begins no block";
  EXPECT_DOUBLE_EQ(SequenceRatio(a, b, false), 0.995);
  EXPECT_EQ(MrcrRatio("K9 the text", "K9 the text", "K9"), 1);
  EXPECT_EQ(MrcrRatio("the text", "K9 the text", "K9"), 0);
}

TEST(OfficialRules, CodeAndJudgedSets) {
  EXPECT_EQ(LiveCodeBenchCode("```\nold\n```\nbetter:\n```python\nnew\n\nline\n```"), "new\n\nline");
  EXPECT_EQ(LiveCodeBenchCode("```python\nno end"), "");
  EXPECT_EQ(SimpleQaGrade("INCORRECT"), 'C');
  EXPECT_EQ(SimpleQaIntended("INCORRECT"), 'B');
  EXPECT_EQ(SimpleQaIntended("A fine answer; the grade: B"), 'B');
  const SimpleQaScores s = AggregateSimpleQa("AABC");
  EXPECT_DOUBLE_EQ(s.accuracy_given_attempted, 2.0 / 3);
  EXPECT_DOUBLE_EQ(s.f1, 2 * (2.0 / 3) * 0.5 / (2.0 / 3 + 0.5));

  std::vector<double> confidence(150, 0.5), correct(150, 0);
  EXPECT_EQ(AggregateHle(confidence, correct).calibration_error, 0.0) << "the only bin is the last";
  EXPECT_EQ(AggregateHle(confidence, correct).calibration_error_all_bins, 0.5);
  EXPECT_EQ(AggregateHle(std::vector<double>(99, 0), std::vector<double>(99, 0)).calibration_error, std::nullopt);

  const std::vector<MultiChallengeResult> results = {{"1", "X", false}, {"1", "X", true}, {"2", "Y", false}};
  EXPECT_EQ(AggregateMultiChallenge(results).overall, 50);
}

TEST(OfficialRules, SweBench) {
  const std::vector<std::string> fix = {"t[a b"}, keep = {"k"};
  const auto resolved = [&](const Json& status) { return SweBenchResolved(status, fix, keep); };
  EXPECT_EQ(resolved({{"t[a b c]", "PASSED"}, {"k", "SKIPPED"}}), "RESOLVED_FULL");
  EXPECT_EQ(resolved({{"t[a b c]", "SKIPPED"}, {"k", "PASSED"}}), "RESOLVED_NO");
  EXPECT_EQ(resolved({{"t[a b c]", "PASSED"}, {"t[a b d]", "FAILED"}, {"k", "PASSED"}}), "RESOLVED_NO")
      << "what the cut id stands for is not clear";
  EXPECT_EQ(resolved({{"t[a b]", "XFAIL"}, {"k", "ERROR"}}), "RESOLVED_NO");
  EXPECT_EQ(SweBenchResolved({{"a", "PASSED"}}, std::vector<std::string>{"a", "b"}, {}), "RESOLVED_PARTIAL");
}

}  // namespace
}  // namespace fulgur::official
