#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::official {

namespace {

// The last of A to J with no word character on either side: \b[A-J]\b(?!.*\b[A-J]\b), found from the end.
std::optional<std::string> LastLoneLetter(std::string_view text) {
  const std::u32string points = python::CodePoints(text);
  for (size_t i = points.size(); i-- > 0;) {
    if (points[i] < U'A' || points[i] > U'J') continue;
    const bool word_before = i > 0 && unicode::IsWord(points[i - 1]);
    const bool word_behind = i + 1 < points.size() && unicode::IsWord(points[i + 1]);
    if (!word_before && !word_behind) return std::string(1, static_cast<char>(points[i]));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> MmluProLetter(std::string_view response) {
  const std::string text = python::Replace(response, "**", "");
  static const Regex answer_is(R"(answer is \(?([A-J])\)?)"), answer(R"(.*[aA]nswer:\s*([A-J]))");
  if (const auto match = answer_is.Search(text)) return std::string((*match)[1]);
  if (const auto match = answer.Search(text)) return std::string((*match)[1]);
  return LastLoneLetter(text);
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

class MmluPro : public Benchmark {
 public:
  explicit MmluPro(const BenchmarkOptions& options) {
    if (options.examples.empty()) return;
    const BenchmarkFile file(options.examples);
    std::map<std::string, int> counts;
    for (size_t i = 0; i < file.size(); ++i) {
      const std::string category = file.Text(i, {"category"});
      if (++counts[category] > 5) continue;
      std::string thought = file.TextOr(i, {"cot_content"}, "");
      if (thought.starts_with("A: ")) thought.erase(0, 3);
      if (thought.empty()) thought = "Let's think step by step.";
      examples_[category] += "Question: " + file.Text(i, {"question"}) +
                             "\nOptions: " + Options(file.Texts(i, "options")) + "Answer: " + thought + "\n\n";
    }
  }
  std::string name() const override { return "mmlu-pro"; }
  std::string prompt_name() const override { return "mmlu-pro"; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1, .max_tokens = 4000}; }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      std::vector<std::string> options;
      for (const std::string& option : file.Texts(i, "options")) {
        if (option != "N/A") options.push_back(option);
      }
      const std::string answer = file.Text(i, {"answer"});
      if (options.size() < 2 || options.size() > 10 || answer.size() != 1 || answer[0] < 'A' ||
          static_cast<size_t>(answer[0] - 'A') >= options.size()) {
        throw Error("{}: the answer is \"{}\" of {} options", file.Where(i), answer, options.size());
      }
      items.push_back({file.TextOr(i, {"question_id"}, std::to_string(i + 1)),
                       file.Text(i, {"category"}),
                       {{"question", file.Text(i, {"question"})}, {"options", options}, {"answer", answer}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    const auto examples = examples_.find(item.group);
    return prompt->Messages({{"category", item.group},
                             {"examples", examples == examples_.end() ? "" : examples->second},
                             {"question", item.record["question"].get<std::string>()},
                             {"options", Options(item.record["options"].get<std::vector<std::string>>())}});
  }
  // Official: where it reads nothing it guesses, of which the expectation counts here.
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>();
    const size_t options = item.record["options"].size();
    score.official_answer = official::MmluProLetter(answer.content);
    score.official =
        score.official_answer ? (*score.official_answer == gold ? 1 : 0) : 1.0 / static_cast<double>(options);
    if (const std::optional<char> letter = FinalLetter(answer.content, static_cast<int>(options))) {
      score.answer = std::string(1, *letter);
      score.strict = *letter == gold[0];
    }
    if (score.strict == 0) score.why = "the answer is " + gold;
    return score;
  }

 private:
  static std::string Options(const std::vector<std::string>& options) {
    std::string text;
    for (size_t i = 0; i < options.size(); ++i)
      text += std::string(1, static_cast<char>('A' + i)) + ". " + options[i] + "\n";
    return text;
  }
  std::map<std::string, std::string> examples_;  // by category
};

}  // namespace

std::unique_ptr<Benchmark> MakeMmluPro(const BenchmarkOptions& options) { return std::make_unique<MmluPro>(options); }

}  // namespace fulgur
