// Constrained output: how long it takes to find which tokens may come next. With M1's tokenizer where it is at hand
// (base/reference_data.h), else with a small one, which the label says.
//   build/release/src/text/text_bench --benchmark_filter=Constraint
#include <benchmark/benchmark.h>

#include <string>

#include "base/json.h"
#include "grammar/json_schema.h"
#include "grammar/token_constraint.h"
#include "text/bench_util.h"

namespace fulgur {
namespace {

std::shared_ptr<const ConstraintVocabulary> Vocabulary() {
  static const auto vocabulary = std::make_shared<const ConstraintVocabulary>(BenchTokenizer());
  return vocabulary;
}

constexpr const char* kSchema = R"({
  "type": "object",
  "properties": {
    "title": {"type": "string", "maxLength": 80},
    "summary": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "score": {"type": "number", "minimum": 0, "maximum": 10},
    "authors": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"},
      "email": {"type": "string", "format": "email"}, "role": {"enum": ["writer", "editor"]}}, "required": ["name"]}}
  },
  "required": ["title", "summary"]
})";

constexpr const char* kText =
    "{\n  \"title\": \"On counting sheep\",\n  \"summary\": \"A flock of 17 is counted, \\\"twice\\\", by two "
    "people.\",\n"
    "  \"date\": \"2024-02-29\",\n  \"score\": 7.25,\n  \"authors\": [\n    {\"name\": \"Ada\", \"email\": "
    "\"ada@example.org\", "
    "\"role\": \"editor\"},\n    {\"name\": \"Bo\", \"role\": \"writer\"}\n  ]\n}";

void Label(benchmark::State& state) { state.SetLabel(std::to_string(BenchTokenizer().vocab_size()) + " tokens"); }

void BM_ConstraintVocabulary(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ConstraintVocabulary(BenchTokenizer()).words());
  Label(state);
}
BENCHMARK(BM_ConstraintVocabulary)->Unit(benchmark::kMillisecond);

void BM_ConstraintCompile(benchmark::State& state) {
  const Json schema = ParseJson(kSchema, "bench");
  size_t nodes = 0;
  for (auto _ : state) nodes = JsonSchemaGrammar(schema, "bench")->nodes();
  state.counters["nodes"] = static_cast<double>(nodes);
}
BENCHMARK(BM_ConstraintCompile)->Unit(benchmark::kMillisecond);

// A mask and a step for each token of the text. 0: with nothing remembered; 1: as in the second output of a schema.
void BM_ConstraintStep(benchmark::State& state) {
  const auto grammar = JsonSchemaGrammar(ParseJson(kSchema, "bench"), "bench");
  const auto ids = BenchTokenizer().Encode(kText, Tokenizer::Special::kPlainText);
  const int32_t end = static_cast<int32_t>(BenchTokenizer().vocab_size()) - 1;
  auto constraint = std::make_unique<TokenConstraint>(grammar, Vocabulary());
  TokenBits bits;
  for (auto _ : state) {
    if (state.range(0) == 0) constraint = std::make_unique<TokenConstraint>(grammar, Vocabulary());
    TokenConstraint::Cursor cursor = constraint->Begin(Grammar::Start::kAnswer);
    for (const int32_t id : ids) {
      constraint->Allowed(cursor, {&end, 1}, &bits);
      if (!cursor.Push(BenchTokenizer().Bytes(id))) {
        state.SkipWithError("the text does not fit");
        return;
      }
    }
  }
  state.counters["per token"] =
      benchmark::Counter(static_cast<double>(state.iterations() * static_cast<int64_t>(ids.size())),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  Label(state);
}
BENCHMARK(BM_ConstraintStep)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// One mask with nothing remembered, after a text: 0 inside a string, 1 where a value of any type begins, 2 in thinking,
// 3 inside a string of at most 80 characters with 10 left, 4 inside one with a pattern.
void BM_ConstraintMask(benchmark::State& state) {
  static constexpr const char* kSchemas[] = {"{}", "{}", "{}", R"({"type": "string", "maxLength": 80})",
                                             R"({"type": "string", "pattern": "^\\w+( \\w+)*$"})"};
  static constexpr const char* kBefore[] = {"\"", "", "Well", "\"", "\"ab c"};
  static constexpr const char* kLabels[] = {"in a string", "before a value", "in thinking", "10 characters left",
                                            "pattern"};
  const size_t kind = static_cast<size_t>(state.range(0));
  const auto grammar = JsonSchemaGrammar(ParseJson(kSchemas[kind], "bench"), "bench");
  TokenBits bits;
  for (auto _ : state) {
    const TokenConstraint constraint(grammar, Vocabulary());
    TokenConstraint::Cursor cursor = constraint.Begin(kind == 2 ? Grammar::Start::kThinking : Grammar::Start::kAnswer);
    cursor.Push(kBefore[kind]);
    if (kind == 3) cursor.Push(std::string(70, 'x'));
    constraint.Allowed(cursor, {}, &bits);
  }
  state.SetLabel(std::string(kLabels[kind]) + ", " + std::to_string(BenchTokenizer().vocab_size()) + " tokens");
}
BENCHMARK(BM_ConstraintMask)->DenseRange(0, 4)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fulgur
