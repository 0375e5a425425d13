#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "eval/sequence_matcher.h"

namespace fulgur::official {

double MrcrRatio(std::string_view response, std::string_view answer, std::string_view prefix) {
  if (!response.starts_with(prefix)) return 0;
  response.remove_prefix(prefix.size());
  if (answer.starts_with(prefix)) answer.remove_prefix(prefix.size());
  return SequenceRatio(response, answer, /*autojunk=*/true);
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

// Long conversations in which the same request comes several times; one of the answers has to be given again.
class Mrcr : public Benchmark {
 public:
  std::string name() const override { return "mrcr"; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1}; }

  // The conversation without what is asked at its end.
  std::string SharedText(const BenchmarkItem& item) const override {
    Json messages = item.record["messages"];
    messages.erase(messages.size() - 1);
    return messages.dump();
  }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      items.push_back({file.TextOr(i, {"id"}, std::to_string(i + 1)),
                       file.TextOr(i, {"n_needles"}, "?") + " needles",
                       {{"messages", file.Messages(i, "prompt")},
                        {"answer", file.Text(i, {"answer"})},
                        {"prefix", file.Text(i, {"random_string_to_prepend"})},
                        {"n_chars", file.TextOr(i, {"n_chars"}, "")}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile*) const override {
    return item.record["messages"];
  }
  // Official: difflib with its "autojunk", which makes long texts that hardly differ look unlike. Strict: without it.
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>(),
                      prefix = item.record["prefix"].get<std::string>();
    score.official = official::MrcrRatio(answer.content, gold, prefix);
    if (!answer.content.empty()) score.answer = answer.content.substr(0, 200);
    if (answer.content.starts_with(prefix)) {
      score.strict = SequenceRatio(answer.content.substr(prefix.size()),
                                   gold.starts_with(prefix) ? gold.substr(prefix.size()) : gold, false);
    } else {
      score.why = "the answer does not begin with " + prefix;
    }
    return score;
  }
};

}  // namespace

std::unique_ptr<Benchmark> MakeMrcr() { return std::make_unique<Mrcr>(); }

}  // namespace fulgur
