#include "base/error.h"
#include "base/rng.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "eval/python_random.h"
#include "unicode/regex.h"

namespace fulgur::official {

std::optional<std::string> GpqaLetter(std::string_view response) {
  static const Regex pattern(R"(Answer[ \t]*:[ \t]*\$?([A-D])\$?)", Regex::kIgnoreCase);
  const auto match = pattern.Search(response);
  if (!match) return std::nullopt;
  return std::string((*match)[1]);
}

std::vector<int> GpqaPermutation(int64_t n) {
  PythonRandom random(0);
  std::vector<int> order;
  for (int64_t call = 0; call <= n; ++call) order = random.Permutation(4);
  return order;
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

class Gpqa : public Benchmark {
 public:
  explicit Gpqa(const BenchmarkOptions& options) : options_(options) {}
  std::string name() const override { return "gpqa-diamond"; }
  std::string prompt_name() const override { return "gpqa-diamond"; }
  BenchmarkPreset report() const override { return {.samples = 32}; }
  BenchmarkPreset official() const override {
    return {.temperature = 0.5, .top_p = 1, .samples = 4, .max_tokens = 2048};
  }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      Json choices = Json::array({file.Text(i, {"Correct Answer"})});
      for (const char* wrong : {"Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"}) {
        choices.push_back(file.Text(i, {wrong}));
      }
      items.push_back(
          {file.TextOr(i, {"Record ID"}, std::to_string(i + 1)),
           file.TextOr(i, {"High-level domain", "Subdomain"}, ""),
           {{"question", file.Text(i, {"Question"})}, {"choices", choices}, {"number", i}, {"items", file.size()}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t sample, const PromptFile* prompt) const override {
    const std::vector<int> order = Order(item, sample);
    std::map<std::string, std::string> fields = {{"question", item.record["question"].get<std::string>()}};
    for (size_t place = 0; place < 4; ++place) {
      fields[std::string(1, static_cast<char>('A' + place))] =
          item.record["choices"][static_cast<size_t>(order[place])].get<std::string>();
    }
    return prompt->Messages(fields);
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t sample, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::vector<int> order = Order(item, sample);
    size_t right = 0;
    while (order[right] != 0) ++right;
    const std::string gold(1, static_cast<char>('A' + right));
    score.official_answer = official::GpqaLetter(answer.content);
    score.official = score.official_answer == gold;
    if (const std::optional<char> letter = FinalLetter(answer.content, 4)) {
      // Votes are for a choice, since its letter differs from sample to sample.
      const auto choice = static_cast<size_t>(order[static_cast<size_t>(*letter - 'A')]);
      score.answer = item.record["choices"][choice].get<std::string>();
      score.strict = *letter == gold[0];
      score.details["letter"] = std::string(1, *letter);
    }
    score.details["gold"] = gold;
    if (score.strict == 0) score.why = "the answer is " + gold;
    return score;
  }

 private:
  // The choice at each place: drawn by item and sample, so that every model sees the same orders; or as simple-evals
  // draws them, which goes through all items, again for each sample.
  std::vector<int> Order(const BenchmarkItem& item, int64_t sample) const {
    if (options_.official_order) {
      const auto call =
          static_cast<size_t>(sample) * item.record["items"].get<size_t>() + item.record["number"].get<size_t>();
      while (official_.size() <= call) official_.push_back(random_.Permutation(4));
      return official_[call];
    }
    Rng rng(Mix(options_.seed, Mix(StableHash(item.id), static_cast<uint64_t>(sample))));
    std::vector<int> order = {0, 1, 2, 3};
    for (size_t i = 4; i > 1; --i) std::swap(order[i - 1], order[rng.Below(i)]);
    return order;
  }
  BenchmarkOptions options_;
  mutable PythonRandom random_{0};
  mutable std::vector<std::vector<int>> official_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeGpqa(const BenchmarkOptions& options) { return std::make_unique<Gpqa>(options); }

}  // namespace fulgur
