#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "judge/verdict_rules.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur::verdict {

namespace {

// float(value) of Python; nullopt where it raises.
std::optional<double> AsFloat(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return python::ParseFloat(value.get_ref<const std::string&>());
  return std::nullopt;
}

std::optional<GenRmScores> ReadScores(std::string_view text) {
  std::optional<Json> parsed = python::ParseJson(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  Json object = std::move(*parsed);
  if (object.contains("overall") && object["overall"].is_object()) object = Json(object["overall"]);
  GenRmScores scores;
  bool any = false;
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, double*>>{
           {"score_1", &scores.score_1}, {"score_2", &scores.score_2}, {"ranking", &scores.ranking}}) {
    if (!object.contains(key)) continue;
    any = true;
    const std::optional<double> number = AsFloat(object[key]);
    if (!number) return std::nullopt;
    *value = *number;
  }
  return any ? std::optional(scores) : std::nullopt;
}

// The {...} that are not inside of another. Whether a brace stands in a string is told only from the object's begin on.
std::vector<std::string_view> Objects(std::string_view text) {
  std::vector<std::string_view> objects;
  for (size_t begin = 0; begin < text.size(); ++begin) {
    if (text[begin] != '{') continue;
    bool in_string = false, escaped = false;
    int64_t depth = 0;
    for (size_t i = begin; i < text.size(); ++i) {
      const char c = text[i];
      if (escaped) {
        escaped = false;
      } else if (in_string && c == '\\') {
        escaped = true;
      } else if (c == '"') {
        in_string = !in_string;
      } else if (!in_string && c == '{') {
        ++depth;
      } else if (!in_string && c == '}' && --depth == 0) {
        objects.push_back(text.substr(begin, i + 1 - begin));
        begin = i;
        break;
      }
    }
  }
  return objects;
}

// 1 for the smallest down to 0 for the largest, less their mean; all 0 if they are equal.
std::vector<double> SmallerIsBetter(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (*low == *high) return std::vector<double>(values.size(), 0);
  std::vector<double> weights;
  for (const double v : values) weights.push_back(1 - (v - *low) / (*high - *low));
  const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
  for (double& w : weights) w -= mean;
  return weights;
}

// Headings, list items, bold text and emojis per character, blocks of code left out.
double StyleDensity(std::string_view answer) {
  static const Regex code(R"(```[\s\S]*?```)");
  static const Regex* elements[] = {
      new Regex(R"(^#{1,6}\s)", Regex::kMultiline),
      new Regex(R"(^\s*\d+\.\s)", Regex::kMultiline),
      new Regex(R"(^\s*[-*+]\s)", Regex::kMultiline),
      new Regex(R"(\*\*[^*\n]+\*\*)"),
      new Regex(R"(__[^_\n]+__)"),
      new Regex(R"([\x{1f600}-\x{1f64f}\x{1f300}-\x{1f5ff}\x{1f680}-\x{1f6ff}\x{1f1e0}-\x{1f1ff}\x{24c2}-\x{1f251})"
                R"(\x{1f900}-\x{1f9ff}\x{1fa00}-\x{1faff}\x{2600}-\x{27bf}])")};
  const std::string text = code.Replace(answer, "");
  const size_t length = python::Length(python::Strip(text));
  if (length == 0) return 0;
  const std::string again = code.Replace(text, "");
  size_t count = 0;
  for (const Regex* element : elements) count += element->FindAll(again).size();
  return static_cast<double>(count) / static_cast<double>(length);
}

// A bonus for the shortest text that is not empty, if its score is among the best.
void AddShortestBonus(const std::vector<double>& lengths, double bonus, double threshold, GenRmRewards* rewards) {
  if (bonus <= 0) return;
  std::optional<size_t> shortest;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] > 0 && (!shortest || lengths[i] < lengths[*shortest])) shortest = i;
  }
  if (!shortest || rewards->rewards[*shortest] < threshold) return;
  rewards->rewards[*shortest] += bonus;
  rewards->adjustments[*shortest] += bonus;
}

void AdjustForLength(std::span<const std::string> answers, std::span<const std::string> reasoning,
                     const GenRmOptions& options, GenRmRewards* rewards) {
  std::vector<double> answer_lengths, reasoning_lengths;
  for (size_t i = 0; i < answers.size(); ++i) {
    answer_lengths.push_back(static_cast<double>(python::Length(python::Strip(answers[i]))));
    reasoning_lengths.push_back(static_cast<double>(python::Length(python::Strip(reasoning[i]))));
  }
  std::vector<double> sorted = rewards->rewards;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto top = static_cast<int64_t>(static_cast<double>(sorted.size()) * options.top_percentile) - 1;
  const double threshold = sorted[static_cast<size_t>(std::max<int64_t>(0, top))];
  AddShortestBonus(reasoning_lengths, options.reasoning_bonus, threshold, rewards);
  AddShortestBonus(answer_lengths, options.answer_bonus, threshold, rewards);
  if (options.reasoning_length_penalty <= 0 && options.answer_length_penalty <= 0) return;
  const std::vector<double> by_reasoning = SmallerIsBetter(reasoning_lengths);
  const std::vector<double> by_answer = SmallerIsBetter(answer_lengths);
  for (size_t i = 0; i < answers.size(); ++i) {
    const double sum =
        by_reasoning[i] * options.reasoning_length_penalty + by_answer[i] * options.answer_length_penalty;
    rewards->rewards[i] += sum;
    rewards->adjustments[i] += sum;
  }
}

}  // namespace

GenRmScores ParseGenRm(std::string_view reply) {
  static const Regex fenced(R"(```json\s*([\s\S]*?)\s*```)", Regex::kIgnoreCase);
  for (const Regex::Match& block : fenced.FindAll(reply)) {
    for (const std::string_view object : Objects(block[1])) {
      if (const auto scores = ReadScores(object)) return *scores;
    }
  }
  GenRmScores last;
  for (const std::string_view object : Objects(reply)) {
    if (const auto scores = ReadScores(object)) last = *scores;
  }
  return last;
}

GenRmRewards AggregateGenRm(std::span<const GenRmComparison> comparisons, std::span<const std::string> answers,
                            std::span<const std::string> reasoning, const GenRmOptions& options) {
  const size_t n = answers.size();
  if (reasoning.size() != n) throw Error("{} answers and {} texts of reasoning", n, reasoning.size());
  GenRmRewards rewards;
  std::vector<double> sums(n), counts(n), scores;
  double ties = 0;
  for (const GenRmComparison& c : comparisons) {
    if (c.i >= n || c.j >= n) throw Error("a comparison of answers {} and {}, of {}", c.i, c.j, n);
    double a = c.scores.score_1, b = c.scores.score_2;
    scores.insert(scores.end(), {a, b});
    if (a == b) {
      ++ties;
      a += 3.5 - c.scores.ranking;
      b -= 3.5 - c.scores.ranking;
    }
    sums[c.i] += a;
    sums[c.j] += b;
    ++counts[c.i];
    ++counts[c.j];
  }
  for (size_t i = 0; i < n; ++i) {
    rewards.base.push_back(counts[i] > 0 ? sums[i] / counts[i] : options.default_score);
  }
  rewards.rewards = rewards.base;
  rewards.adjustments.assign(n, 0);
  if (n >= 2) {
    AdjustForLength(answers, reasoning, options, &rewards);
    if (options.style_penalty > 0) {
      std::vector<double> densities;
      for (const std::string& answer : answers) densities.push_back(StyleDensity(answer));
      const std::vector<double> weights = SmallerIsBetter(densities);
      for (size_t i = 0; i < n; ++i) {
        rewards.rewards[i] += weights[i] * options.style_penalty;
        rewards.adjustments[i] += weights[i] * options.style_penalty;
      }
    }
  }
  if (!comparisons.empty()) {
    const auto count = static_cast<double>(scores.size());
    const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / count;
    double squares = 0;
    for (const double s : scores) squares += (s - mean) * (s - mean);
    rewards.mean_score = mean;
    rewards.deviation = std::sqrt(squares / count);
    rewards.tiebreak_rate = ties / static_cast<double>(comparisons.size());
  }
  return rewards;
}

}  // namespace fulgur::verdict
