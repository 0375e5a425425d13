#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/hendrycks_math.h"
#include "eval/official_rules.h"
#include "math/final_answer.h"
#include "math/verify.h"
#include "text/python_text.h"

namespace fulgur::official {

namespace {

// The content of the last \boxed{} or \fbox{}, or what follows the last "\boxed "; nullopt without one.
std::optional<std::string> LastBoxed(std::string_view text) {
  if (text.find("\\boxed ") != std::string_view::npos) {
    return std::string(python::Split(python::Split(text, "\\boxed ").back(), "$")[0]);
  }
  constexpr std::string_view kBoxed = "\\boxed{";
  size_t begin = text.rfind("\\boxed");
  if (begin == std::string_view::npos) begin = text.rfind("\\fbox");
  if (begin == std::string_view::npos) return std::nullopt;
  int64_t open = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++open;
    if (text[i] == '}' && --open == 0) {
      const std::string_view box = text.substr(begin, i + 1 - begin);
      if (!box.starts_with(kBoxed)) return std::nullopt;  // \fbox: found, but not opened
      return std::string(box.substr(kBoxed.size(), box.size() - kBoxed.size() - 1));
    }
  }
  return std::nullopt;
}

}  // namespace

int LmEvalAime(std::string_view response, std::string_view gold) {
  std::string answer(response);
  const size_t first = response.find('$'), last = response.rfind('$');
  if (first != last) answer = std::string(response.substr(first + 1, last - first - 1));
  if (std::optional<std::string> boxed = LastBoxed(response)) answer = std::move(*boxed);
  const std::optional<std::string> a = NormalizeHendrycks(answer, /*slash_raises=*/true);
  const std::optional<std::string> b = NormalizeHendrycks(gold, /*slash_raises=*/true);
  return a && b ? *a == *b : answer == gold;
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

// AIME: whole numbers from 0 to 999. Problems and answers are the MAA's and not here.
class Aime : public Benchmark {
 public:
  explicit Aime(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::string prompt_name() const override { return "aime"; }
  BenchmarkPreset report() const override { return {.samples = 32}; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1, .samples = 1}; }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      const std::string answer = file.Text(i, {"answer", "Answer"});
      if (answer.empty() || answer.size() > 3 || answer.find_first_not_of("0123456789") != std::string::npos) {
        throw Error("{}: the answer is \"{}\"; it must be a whole number from 0 to 999", file.Where(i), answer);
      }
      items.push_back({file.TextOr(i, {"id", "ID"}, std::to_string(i + 1)),
                       "",
                       {{"problem", file.Text(i, {"problem", "Problem", "question"})}, {"answer", answer}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    return prompt->Messages({{"problem", item.record["problem"].get<std::string>()}});
  }
  // Official: by value, as the report and most harnesses do. Strict: the last box holds the number and nothing else.
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>();
    const MathScore by_value = VerifyMath(gold, answer.content);
    score.official = by_value.value;
    score.why = by_value.reason;
    std::string reason;
    if (const auto finals = FinalAnswers(answer.content, &reason); !finals.empty()) score.official_answer = finals[0];
    if (const std::optional<std::string> box = LastBox(answer.content)) {
      const std::string_view digits = python::Strip(*box);
      if (!digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string_view::npos) {
        score.answer = std::to_string(std::stoi(std::string(digits)));
        score.strict = *score.answer == std::to_string(std::stoi(gold));
      }
    }
    score.details["lm_eval"] = official::LmEvalAime(answer.content, gold);
    return score;
  }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeAime(std::string name) { return std::make_unique<Aime>(std::move(name)); }

}  // namespace fulgur
