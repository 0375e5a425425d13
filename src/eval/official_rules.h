// The public benchmarks' own rules: what their official code reads in a response, and how it scores. Their flaws are
// kept, since a published number has them in it; docs/evaluation.md names each rule's origin and flaws. What Fulgur
// reads itself ("strict") stands in the benchmarks' files beside these.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace fulgur::official {

// The official code raises this exception of Python's and stops; nothing is scored.
struct Raises {
  std::string exception;
};

// --- AIME (aime.cc): lm-evaluation-harness. 0 or 1.
int LmEvalAime(std::string_view response, std::string_view gold);

// --- MATH-500 (math_500.cc): grading of openai/prm800k, of an answer, not of a whole response. What sympy decides
// there is decided by math/ here.
bool Prm800kEqual(std::string_view answer, std::string_view gold);

// --- GPQA (gpqa.cc): simple-evals. The letter as written, lower case too, which then equals no gold answer.
std::optional<std::string> GpqaLetter(std::string_view response);
// The order of the four choices of question `n`, counted from 0: position p shows choice order[p].
std::vector<int> GpqaPermutation(int64_t n);

// --- MMLU-Pro (mmlu_pro.cc). nullopt: the official code then guesses.
std::optional<std::string> MmluProLetter(std::string_view response);

// --- LongBench-v2 (longbench_v2.cc).
std::optional<std::string> LongBenchLetter(std::string_view response);
// What remains of token ids that are more than max_len: the first and the last half.
template <typename T>
std::vector<T> LongBenchTruncated(const std::vector<T>& ids, int64_t max_len);
struct LongBenchPrediction {
  bool read = false, right = false;  // an unread one counts 0, or a quarter ("compensated")
  std::string difficulty, length;
};
// Percent with one decimal of a column ("overall", "easy", "hard", "short", "medium", "long"); nullopt if it is empty.
std::optional<double> LongBenchAccuracy(std::span<const LongBenchPrediction> predictions, std::string_view column,
                                        bool compensated);

// --- ZebraLogic (zebra_logic.cc): ZeroEval. `solution` is the set's {"header", "rows"}.
struct ZebraScore {
  bool parsed = false;
  int64_t correct_cells = 0, total_cells = 0;
  bool solved = false;
  std::optional<Raises> raises;
};
ZebraScore ScoreZebra(const Json& solution, std::string_view response);
// The table of all puzzles: percentages as text with two decimals; null where there are none.
Json ZebraTable(std::span<const std::pair<std::string, ZebraScore>> scores_by_size);

// --- OpenAI-MRCR (mrcr.cc): the data card's rule.
double MrcrRatio(std::string_view response, std::string_view answer, std::string_view prefix);

// --- LiveCodeBench (livecodebench.cc).
std::string LiveCodeBenchCode(std::string_view response);

// --- SimpleQA (simple_qa.cc): simple-evals. A correct, B incorrect, C not attempted.
char SimpleQaGrade(std::string_view reply);
// What the grader meant, ours: CORRECT, INCORRECT or NOT_ATTEMPTED spelled out, else the last letter that stands alone.
char SimpleQaIntended(std::string_view reply);
struct SimpleQaScores {
  double correct = 0, incorrect = 0, not_attempted = 0, attempted = 0, accuracy_given_attempted = 0, f1 = 0;
};
SimpleQaScores AggregateSimpleQa(std::string_view grades);

// --- HLE (hle.cc). Confidence 0 to 1.
struct HleScores {
  double accuracy = 0;
  double half_width = 0;                             // percent, of the 95 % interval
  std::optional<double> calibration_error;           // without the most confident bin; none for fewer than 100
  std::optional<double> calibration_error_all_bins;  // ours: with it
};
HleScores AggregateHle(std::span<const double> confidence, std::span<const double> correct);

// --- MultiChallenge (multi_challenge.cc).
struct MultiChallengeResult {
  std::string question, axis;
  bool passed = false;
};
struct MultiChallengeScores {
  double overall = 0;                                // percent, mean over axes
  std::vector<std::pair<std::string, double>> axes;  // in the order in which they come
};
MultiChallengeScores AggregateMultiChallenge(std::span<const MultiChallengeResult> results);

// --- SWE-bench (swebench.cc): RESOLVED_FULL, RESOLVED_PARTIAL or RESOLVED_NO. `status`: test to its status.
std::string SweBenchResolved(const Json& status, std::span<const std::string> fail_to_pass,
                             std::span<const std::string> pass_to_pass);

// ---

template <typename T>
std::vector<T> LongBenchTruncated(const std::vector<T>& ids, int64_t max_len) {
  const auto size = static_cast<int64_t>(ids.size());
  if (size <= max_len) return ids;
  std::vector<T> kept(ids.begin(), ids.begin() + max_len / 2);
  // ids[-max_len // 2:]: floor division keeps one more at the end of an odd number. From -0 it is all of them.
  const int64_t tail = (max_len + 1) / 2;
  kept.insert(kept.end(), tail == 0 ? ids.begin() : ids.end() - tail, ids.end());
  return kept;
}

}  // namespace fulgur::official
