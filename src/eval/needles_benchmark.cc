#include "base/error.h"
#include "eval/benchmark.h"
#include "text/python_text.h"

namespace fulgur {

namespace {

// Made-up texts in which a sentence has to be found again (fulgur data needles --kind facts): ours, so the official
// rule is ours too.
class Needles : public Benchmark {
 public:
  std::string name() const override { return "needles"; }
  BenchmarkPreset report() const override { return official(); }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1}; }
  // What stands before the question.
  std::string SharedText(const BenchmarkItem& item) const override {
    const std::string text = item.record["messages"][0]["content"].get<std::string>();
    return text.substr(0, text.rfind("\n\n"));
  }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      items.push_back({file.TextOr(i, {"id"}, std::to_string(i + 1)),
                       file.Text(i, {"length"}) + " characters",
                       {{"messages", file.Messages(i, "prompt")}, {"answer", file.Text(i, {"answer"})}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile*) const override {
    return item.record["messages"];
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>();
    const std::string said(python::Strip(answer.content));
    if (!said.empty()) score.official_answer = score.answer = said.substr(0, 200);
    score.official = score.strict = said == python::Strip(gold);
    if (score.strict == 0) score.why = "the answer is " + gold;
    return score;
  }
};

}  // namespace

std::unique_ptr<Benchmark> MakeNeedles() { return std::make_unique<Needles>(); }

}  // namespace fulgur
