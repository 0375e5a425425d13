#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "text/python_text.h"

namespace fulgur::official {

std::string LiveCodeBenchCode(std::string_view response) {
  const std::vector<std::string_view> lines = python::Split(response, "\n");
  std::vector<size_t> fences;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("```") != std::string_view::npos) fences.push_back(i);
  }
  if (fences.size() < 2) return "";
  const size_t begin = fences[fences.size() - 2] + 1, end = fences.back();
  return python::Join({lines.begin() + static_cast<ptrdiff_t>(begin), lines.begin() + static_cast<ptrdiff_t>(end)},
                      "\n");
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

// Programs are not run here: predictions are exported in the official evaluator's form (fulgur eval --export), and its
// verdicts are read from its file of results.
class LiveCodeBench : public Benchmark {
 public:
  explicit LiveCodeBench(const BenchmarkOptions& options) {
    if (options.verdicts.empty()) return;
    const BenchmarkFile file(options.verdicts);
    for (size_t i = 0; i < file.size(); ++i) {
      const Json graded = file.Value(i, "graded_list");
      if (!graded.is_array()) throw Error("{}: \"graded_list\" is no list", file.Where(i));
      for (const Json& verdict : graded) {
        if (!verdict.is_boolean())
          throw Error("{}: \"graded_list\" has an entry that is neither true nor false", file.Where(i));
        verdicts_[file.Text(i, {"question_id"})].push_back(verdict.get<bool>());
      }
    }
  }
  std::string name() const override { return "livecodebench"; }
  std::string prompt_name() const override { return "livecodebench"; }
  BenchmarkPreset report() const override { return {.samples = 16}; }
  BenchmarkPreset official() const override {
    return {.temperature = 0.2, .top_p = 0.95, .samples = 10, .max_tokens = 2000};
  }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      items.push_back({file.Text(i, {"question_id"}),
                       file.TextOr(i, {"difficulty"}, ""),
                       {{"question_content", file.Text(i, {"question_content"})},
                        {"starter_code", file.TextOr(i, {"starter_code"}, "")}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    const std::string starter = item.record["starter_code"].get<std::string>();
    return prompt->Messages(
        {{"question_content", item.record["question_content"].get<std::string>()},
         {"format",
          starter.empty()
              ? "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test "
                "on the sample inputs). Enclose your code within delimiters as follows."
              : "You will use the following starter code to write the solution to the problem and enclose your "
                "code within delimiters."},
         {"starter_code", starter.empty() ? "# YOUR CODE HERE" : starter}});
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t sample, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string code = official::LiveCodeBenchCode(answer.content);
    if (!code.empty()) score.official_answer = score.answer = code;
    score.details["code"] = code;
    const auto verdicts = verdicts_.find(item.id);
    if (verdicts == verdicts_.end() || static_cast<size_t>(sample) >= verdicts->second.size()) {
      score.unjudged = true;
      score.why = "no verdict of the official evaluator";
    } else {
      score.official = score.strict = verdicts->second[static_cast<size_t>(sample)];
      if (score.official == 0) score.why = "a test failed";
    }
    return score;
  }

 private:
  std::map<std::string, std::vector<bool>> verdicts_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeLiveCodeBench(const BenchmarkOptions& options) {
  return std::make_unique<LiveCodeBench>(options);
}

}  // namespace fulgur
