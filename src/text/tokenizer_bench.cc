// Tokenization in MB/s, with M1's tokenizer where it is at hand (base/reference_data.h), else a small one.
//   build/release/src/text/text_bench --benchmark_filter=Token
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/rng.h"
#include "text/bench_util.h"

namespace fulgur {
namespace {

// Words in a spread like that of language: a few often, many seldom.
std::string Words(const std::vector<std::string>& syllables, const std::string& space) {
  Rng rng(1);
  std::vector<std::string> words(20000);
  for (std::string& word : words) {
    for (uint64_t n = 1 + rng.Below(4); n > 0; --n) word += rng.Pick(syllables);
  }
  std::string text;
  while (text.size() < (4 << 20)) {
    const double u = rng.Uniform();
    text += words[static_cast<size_t>(u * u * u * static_cast<double>(words.size()))] + space;
    if (rng.Chance(0.1)) text += rng.Chance(0.5) ? ",\n" : "123. ";
  }
  return text;
}

std::string TextOf(int64_t kind) {
  switch (kind) {
    case 0:
      return Words({"ka", "lo", "ter", "in", "the", "re", "s", "ing", "ma", "to"}, " ");
    case 1:
      return Words({"\u4E2D", "\u6587", "\u7684", "\u662F", "\u4E0D", "\u4E86", "\u5728", "\u4EBA"}, "");
    case 2:
      return Words({"\u043A\u0430", "\u043B\u043E", "\u0442\u0435", "\u0440", "\u0438\u043D"}, " ");
    default:
      return std::string(1 << 20, 'a');
  }
}

void BM_TokenizerEncode(benchmark::State& state) {
  static constexpr const char* kLabels[] = {"Latin words", "Chinese", "Cyrillic words", "1 MB of one letter"};
  const std::string text = TextOf(state.range(0));
  size_t tokens = BenchTokenizer().Encode("loads it", Tokenizer::Special::kRecognised).size();
  for (auto _ : state) tokens = BenchTokenizer().Encode(text, Tokenizer::Special::kRecognised).size();
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
  state.SetLabel(kLabels[state.range(0)]);
  state.counters["bytes/token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}
BENCHMARK(BM_TokenizerEncode)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);

void BM_TokenizerDecode(benchmark::State& state) {
  const std::string text = TextOf(0);
  const auto ids = BenchTokenizer().Encode(text, Tokenizer::Special::kRecognised);
  for (auto _ : state) benchmark::DoNotOptimize(BenchTokenizer().Decode(ids, true));
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
}
BENCHMARK(BM_TokenizerDecode)->Unit(benchmark::kMillisecond);

void BM_TokenizerStreamDecode(benchmark::State& state) {
  const auto ids = BenchTokenizer().Encode(TextOf(0), Tokenizer::Special::kRecognised);
  for (auto _ : state) {
    StreamDecoder decoder(BenchTokenizer());
    for (const int32_t id : ids) benchmark::DoNotOptimize(decoder.Push(id));
  }
  state.SetItemsProcessed(static_cast<int64_t>(ids.size()) * state.iterations());
}
BENCHMARK(BM_TokenizerStreamDecode)->Unit(benchmark::kMillisecond);

void BM_TokenizerLoad(benchmark::State& state) {
  const std::string json = ReadFile(BenchTokenizerPath());
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::FromJson(json, "bench").vocab_size());
  state.SetBytesProcessed(static_cast<int64_t>(json.size()) * state.iterations());
}
BENCHMARK(BM_TokenizerLoad)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fulgur
