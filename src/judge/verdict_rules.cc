#include "judge/verdict_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur::verdict {

namespace {

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// ast.literal_eval of "\d+\.?\d*": an integer, or a float. Python refuses leading zeros of an integer other than 0.
Json Literal(std::string_view digits) {
  const double value = python::ParseFloat(digits).value_or(0);
  if (digits.find('.') != std::string_view::npos) return value;
  if (digits.size() > 1 && digits[0] == '0' && value != 0) {
    throw Error("the rating \"{}\" begins with 0, at which the official code raises SyntaxError", digits);
  }
  if (value < 9e15) return static_cast<int64_t>(value);
  return value;
}

std::vector<std::string> Labels(const Regex& pattern, std::string_view text) {
  std::vector<std::string> labels;
  for (const Regex::Match& match : pattern.FindAll(text)) labels.emplace_back(match[1]);
  return labels;
}

}  // namespace

std::string MtBenchPair(std::string_view reply) {
  if (Has(reply, "[[A]]")) return "A";
  if (Has(reply, "[[B]]")) return "B";
  return Has(reply, "[[C]]") ? "tie" : "error";
}

std::string RewardBenchPair(std::string_view reply) {
  if (Has(reply, "[[A]]")) return "A";
  return Has(reply, "[[B]]") ? "B" : "error";
}

std::string RewardBench2Choice(std::string_view reply) {
  for (const char* letter : {"A", "B", "C", "D"}) {
    if (Has(reply, std::string("[[") + letter + "]]")) return letter;
  }
  return "error";
}

Json MtBenchRating(std::string_view reply) {
  static const Regex two(R"(\[\[(\d+\.?\d*)\]\])"), one(R"(\[(\d+\.?\d*)\])");
  for (const Regex* pattern : {&two, &one}) {
    if (const auto match = pattern->Search(reply)) return Literal((*match)[1]);
  }
  return -1;
}

int RewardBench2Rating(std::string_view reply) {
  static const Regex pattern(R"(\b([1-9]|10)\b\s*$)");
  const auto match = pattern.Search(reply);
  return match ? std::stoi(std::string((*match)[1])) : -1;
}

std::string MtBenchRatingPair(std::string_view reply) {
  static const Regex two(R"(\[\[(\d+\.?\d*),\s?(\d+\.?\d*)\]\])"), one(R"(\[(\d+\.?\d*),\s?(\d+\.?\d*)\])");
  for (const Regex* pattern : {&two, &one}) {
    const auto match = pattern->Search(reply);
    if (!match) continue;
    const double a = Literal((*match)[1]).get<double>(), b = Literal((*match)[2]).get<double>();
    if (std::abs(a - b) <= 0.1) return "tie";
    return a > b ? "A" : "B";
  }
  return "error";
}

std::optional<std::string> ArenaHardLabel(std::string_view reply) {
  static const Regex two(R"(\[\[([AB<>=]+)\]\])"), one(R"(\[([AB<>=]+)\])");
  const std::string text = python::Upper(reply);
  for (const Regex* pattern : {&two, &one}) {
    const std::vector<std::string> labels = Labels(*pattern, text);
    if (!labels.empty()) return labels.back();
  }
  return std::nullopt;
}

std::optional<std::vector<double>> ArenaHardVotesForA(std::string_view label, int weight) {
  const auto strong = static_cast<size_t>(weight);
  if (label == "A>B" || label == "B<A") return std::vector<double>{1};
  if (label == "A>>B" || label == "B<<A") return std::vector<double>(strong, 1);
  if (label == "A=B" || label == "B=A") return std::vector<double>{0.5};
  if (label == "A<B" || label == "B>A") return std::vector<double>{0};
  if (label == "A<<B" || label == "B>>A") return std::vector<double>(strong, 0);
  return std::nullopt;
}

std::optional<std::vector<double>> ArenaHardVotes(const std::optional<std::string>& baseline_first,
                                                  const std::optional<std::string>& model_first, int weight) {
  if (!baseline_first || !model_first) return std::nullopt;
  std::optional<std::vector<double>> votes = ArenaHardVotesForA(*model_first, weight);
  const std::optional<std::vector<double>> baseline = ArenaHardVotesForA(*baseline_first, weight);
  if (!votes || !baseline) return std::nullopt;
  for (const double vote : *baseline) votes->push_back(1 - vote);
  return votes;
}

std::optional<int> PrometheusScore(std::string_view reply) {
  static const Regex pattern(
      R"((?:\[RESULT\]|\[SCORE\]|Score:?|Result:?|\[Result\]:?|score\s+of)\s*(?:\(|\[|\s)*(\d+)(?:(?:\)|\]|\s|$)|(?:/\s*5|\s*out\s*of\s*5))(?:\s*$))",
      Regex::kIgnoreCase);
  const auto match = pattern.Search(reply);
  if (!match) return std::nullopt;
  const std::optional<double> score = python::ParseFloat((*match)[1]);
  if (!score || *score < 1 || *score > 5) return std::nullopt;
  return static_cast<int>(*score);
}

std::optional<std::string> PrometheusWinner(std::string_view reply) {
  static const Regex pattern(
      R"((?:\[RESULT\]|\[RESULT:\s*|\[Response\s+|\[Result\](?:\s+Response)?|\[Result:\s*|(?:^|\n)Result:?\s*)\s*(A|B)(?:\]|\s|$)(?:\s*$))",
      Regex::kIgnoreCase | Regex::kMultiline);
  const auto match = pattern.Search(reply);
  if (!match) return std::nullopt;
  return python::Upper((*match)[1]);
}

std::string OpenCompassVerdict(std::string_view reply) {
  const size_t letter = reply.find_first_of("AB");
  return letter == std::string_view::npos ? "unknown" : std::string(1, reply[letter]);
}

std::optional<std::string> NemoEquivalenceLabel(std::string_view reply) {
  constexpr std::string_view kEqual = "[[A=B]]", kDifferent = "[[A!=B]]";
  const size_t equal = reply.find(kEqual), different = reply.find(kDifferent);
  if (equal == different) return std::nullopt;
  return std::string(equal < different ? kEqual : kDifferent);
}

std::optional<std::string> JudgeBenchDecision(std::string_view reply) {
  static const Regex pattern(R"(\[\[([AB<>=]+)\]\])");
  const std::vector<std::string> labels = Labels(pattern, reply);
  if (labels.empty() || std::set<std::string>(labels.begin(), labels.end()).size() > 1) return std::nullopt;
  return python::Replace(labels[0], ">>", ">");
}

double JudgeBenchPair(std::string_view label, const std::optional<std::string>& game_1,
                      const std::optional<std::string>& game_2) {
  const auto flipped = [](std::string_view decision) -> std::string {
    if (decision == "A>B") return "B>A";
    return decision == "B>A" ? "A>B" : std::string(decision);
  };
  int balance = 0;
  const auto count = [&](const std::string& decision) {
    balance += decision == label ? 1 : decision == flipped(label) ? -1 : 0;
  };
  if (game_1) count(*game_1);
  if (game_2) count(flipped(*game_2));
  return balance > 0 ? 1 : 0;
}

}  // namespace fulgur::verdict
