// Softmax attention at MiniMax-M1's dimensions (8 query heads a kv head, 128 wide), each case beside what the machine
// reaches in the same run: prefill beside multiply-adds (of float32, or of bfloat16 dot products), decoding beside
// reading memory.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/block_arena.h"
#include "base/rng.h"
#include "ops/peak.h"
#include "ops/softmax_attention.h"

namespace fulgur {
namespace {

constexpr int64_t kGroup = 8, kDim = 128;

std::vector<float> Random(int64_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(rng.Uniform() - 0.5);
  return x;
}

// The cache of a sequence of n tokens.
class Cache {
 public:
  Cache(KvFormat format, int64_t kv_heads, int64_t n, ExecContext& exec)
      : layout_(format, kv_heads, kDim), arena_(static_cast<size_t>(layout_.block_bytes())) {
    for (int64_t b = 0; b < (n + kKvBlock - 1) / kKvBlock; ++b) {
      blocks_.push_back(arena_.Allocate());
      views_.push_back(blocks_.back().get());
    }
    const std::vector<float> rows = Random(2 * kKvBlock * kDim, 1);
    exec.pool().ParallelFor(static_cast<int64_t>(views_.size()), [&](int64_t b, int) {
      for (int64_t h = 0; h < kv_heads; ++h) {
        const ConstMatrixView both(rows.data(), 2 * kKvBlock, kDim);
        layout_.Write(views_[static_cast<size_t>(b)], h, 0, both.Rows({0, kKvBlock}), both.Rows({kKvBlock, kKvBlock}));
      }
    });
  }
  std::span<std::byte* const> views() const { return views_; }
  const KvLayout& layout() const { return layout_; }

 private:
  KvLayout layout_;
  BlockArena arena_;
  std::vector<std::shared_ptr<std::byte>> blocks_;
  std::vector<std::byte*> views_;
};

struct Rows {
  Rows(int64_t count, int64_t heads)
      : rows(count),
        kv_heads(heads),
        q(Random(count * heads * kGroup * kDim, 2)),
        k(Random(count * heads * kDim, 3)),
        v(Random(count * heads * kDim, 4)),
        out(q.size()) {}
  SoftmaxSegment Segment(int64_t position, const Cache& cache) {
    const int64_t q_width = kv_heads * kGroup * kDim, width = kv_heads * kDim;
    return {{q.data(), rows, q_width},
            {k.data(), rows, width},
            {v.data(), rows, width},
            {out.data(), rows, q_width},
            {},
            position,
            cache.views(),
            cache.layout().format()};
  }
  int64_t rows, kv_heads;
  std::vector<float> q, k, v, out;
};

void BM_SoftmaxPrefill(benchmark::State& state, KvFormat format) {
  const int64_t depth = state.range(0), rows = 512, kv_heads = 2;
  ExecContext exec(static_cast<int>(state.range(1)));
  const Cache cache(format, kv_heads, depth + rows, exec);
  Rows r(rows, kv_heads);
  const SoftmaxSegment segment = r.Segment(depth, cache);
  // Of the arithmetic that is used.
  const double peak = format == KvFormat::kBf16Dot ? MeasurePeakBf16Gflops(exec) : MeasurePeakGflops(exec);
  const auto attend = [&] { SoftmaxAttention({&segment, 1}, kv_heads * kGroup, kv_heads, kDim, exec); };
  attend();
  for (auto _ : state) attend();
  // Scores and weighted values, of every row with every token it sees.
  const double pairs = static_cast<double>(rows) * (static_cast<double>(depth) + 0.5 * static_cast<double>(rows + 1));
  const double gflop = 4e-9 * pairs * static_cast<double>(kv_heads * kGroup * kDim);
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP"] = gflop;
  state.counters["GFLOP/s"] = benchmark::Counter(gflop, rate);
  state.counters["peak_GFLOP/s"] = peak;
  state.counters["share"] = benchmark::Counter(gflop / peak, rate);
}
void PrefillCases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"depth", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const int threads : {1, 2}) {
    for (const int64_t depth : {0, 4096, 32768}) b->Args({depth, threads});
  }
}
BENCHMARK_CAPTURE(BM_SoftmaxPrefill, f32, KvFormat::kF32)->Apply(PrefillCases);
BENCHMARK_CAPTURE(BM_SoftmaxPrefill, bf16, KvFormat::kBf16)->Apply(PrefillCases);
BENCHMARK_CAPTURE(BM_SoftmaxPrefill, bf16_dot, KvFormat::kBf16Dot)->Apply(PrefillCases);
BENCHMARK_CAPTURE(BM_SoftmaxPrefill, int8, KvFormat::kInt8)->Apply(PrefillCases);

// cached: the same sequence again and again, which shows what arithmetic alone would take if it fits a cache.
void BM_SoftmaxDecode(benchmark::State& state, KvFormat format) {
  const int64_t depth = state.range(0), kv_heads = state.range(1);
  const bool cached = state.range(3) != 0;
  ExecContext exec(static_cast<int>(state.range(2)));
  // As many sequences in turn as no cache holds.
  std::vector<std::unique_ptr<Cache>> caches;
  const KvLayout layout(format, kv_heads, kDim);
  const int64_t bytes = layout.token_bytes() * depth;
  for (int64_t held = 0; held < (cached ? 1 : int64_t{3} << 29); held += bytes) {
    caches.push_back(std::make_unique<Cache>(format, kv_heads, depth, exec));
  }
  Rows r(1, kv_heads);
  const double bandwidth = MeasureReadBandwidth(exec);
  const double peak = format == KvFormat::kBf16Dot ? MeasurePeakBf16Gflops(exec) : MeasurePeakGflops(exec);
  size_t turn = 0;
  for (auto _ : state) {
    const SoftmaxSegment segment = r.Segment(depth - 1, *caches[turn++ % caches.size()]);
    SoftmaxAttention({&segment, 1}, kv_heads * kGroup, kv_heads, kDim, exec);
  }
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  const double gb = 1e-9 * static_cast<double>(bytes);
  const double gflop = 4e-9 * static_cast<double>(depth * kv_heads * kGroup * kDim);
  state.counters["MB"] = 1e3 * gb;
  state.counters["GB/s"] = benchmark::Counter(gb, rate);
  state.counters["read_GB/s"] = bandwidth;
  state.counters["share"] = benchmark::Counter(gb / bandwidth, rate);
  state.counters["share_of_flops"] = benchmark::Counter(gflop / peak, rate);
}
void DecodeCases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"depth", "kv_heads", "threads", "cached"})->UseRealTime()->Unit(benchmark::kMillisecond);
  b->Args({1024, 1, 1, 1});
  for (const int threads : {1, 2}) b->Args({131072, 1, threads, 0});
  for (const int64_t depth : {4096, 32768, 131072}) b->Args({depth, 8, 2, 0});
}
BENCHMARK_CAPTURE(BM_SoftmaxDecode, f32, KvFormat::kF32)->Apply(DecodeCases);
BENCHMARK_CAPTURE(BM_SoftmaxDecode, bf16, KvFormat::kBf16)->Apply(DecodeCases);
BENCHMARK_CAPTURE(BM_SoftmaxDecode, bf16_dot, KvFormat::kBf16Dot)->Apply(DecodeCases);
BENCHMARK_CAPTURE(BM_SoftmaxDecode, int8, KvFormat::kInt8)->Apply(DecodeCases);

}  // namespace
}  // namespace fulgur
