#include <fmt/format.h>

#include <cstdlib>

#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur::official {

std::optional<std::string> LongBenchLetter(std::string_view response) {
  const std::string text = python::Replace(response, "*", "");
  static const Regex in_brackets(R"(The correct answer is \(([A-D])\))"), plain("The correct answer is ([A-D])");
  for (const Regex* pattern : {&in_brackets, &plain}) {
    if (const auto match = pattern->Search(text)) return std::string((*match)[1]);
  }
  return std::nullopt;
}

std::optional<double> LongBenchAccuracy(std::span<const LongBenchPrediction> predictions, std::string_view column,
                                        bool compensated) {
  double sum = 0;
  int64_t count = 0;
  for (const LongBenchPrediction& p : predictions) {
    // What is not easy is hard, what is neither short nor medium is long.
    const std::string_view difficulty = p.difficulty == "easy" ? "easy" : "hard";
    const std::string_view length = p.length == "short" ? "short" : p.length == "medium" ? "medium" : "long";
    if (column != "overall" && column != difficulty && column != length) continue;
    ++count;
    sum += compensated && !p.read ? 0.25 : p.right ? 1 : 0;
  }
  if (count == 0) return std::nullopt;
  // Python's round(): the decimal nearest to the exact value of the double.
  return std::strtod(fmt::format("{:.1f}", 100 * sum / static_cast<double>(count)).c_str(), nullptr);
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

class LongBenchV2 : public Benchmark {
 public:
  std::string name() const override { return "longbench-v2"; }
  std::string prompt_name() const override { return "longbench-v2"; }
  BenchmarkPreset official() const override { return {.temperature = 0.1, .top_p = 1, .max_tokens = 128}; }
  bool truncates() const override { return true; }
  std::string SharedText(const BenchmarkItem& item) const override { return item.record["context"].get<std::string>(); }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      Json record = {{"length", file.Text(i, {"length"})}, {"difficulty", file.Text(i, {"difficulty"})}};
      for (const char* key : {"question", "choice_A", "choice_B", "choice_C", "choice_D", "answer", "context"}) {
        record[key] = file.Text(i, {key});
      }
      const auto& answer = record["answer"].get_ref<const std::string&>();
      if (answer.size() != 1 || answer[0] < 'A' || answer[0] > 'D') {
        throw Error("{}: the answer is \"{}\"; it must be A, B, C or D", file.Where(i), answer);
      }
      items.push_back(
          {file.TextOr(i, {"_id"}, std::to_string(i + 1)), file.TextOr(i, {"domain"}, ""), std::move(record)});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    std::map<std::string, std::string> fields;
    for (const auto& [key, value] : item.record.items())
      fields[key] = std::string(python::Strip(value.get<std::string>()));
    return prompt->Messages(fields);
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>();
    score.official_answer = official::LongBenchLetter(answer.content);
    score.official = score.official_answer == gold;
    if (const std::optional<char> letter = FinalLetter(answer.content, 4)) {
      score.answer = std::string(1, *letter);
      score.strict = *letter == gold[0];
    }
    if (score.strict == 0) score.why = "the answer is " + gold;
    return score;
  }
  Json Table(const std::vector<std::pair<const BenchmarkItem*, const BenchmarkScore*>>& scores) const override {
    std::vector<official::LongBenchPrediction> predictions;
    for (const auto& [item, score] : scores) {
      predictions.push_back({score->official_answer.has_value(), score->official == 1,
                             item->record["difficulty"].get<std::string>(), item->record["length"].get<std::string>()});
    }
    Json table = Json::object();
    for (const char* column : {"overall", "easy", "hard", "short", "medium", "long"}) {
      for (const bool compensated : {false, true}) {
        const auto value = official::LongBenchAccuracy(predictions, column, compensated);
        table[std::string(column) + (compensated ? " compensated" : "")] = value ? Json(*value) : Json();
      }
    }
    return table;
  }
};

}  // namespace

std::unique_ptr<Benchmark> MakeLongBenchV2() { return std::make_unique<LongBenchV2>(); }

}  // namespace fulgur
