// Lightning attention of one layer at M1's dimensions (64 heads of 128), beside what the machine reaches in the same
// run: prefill beside float32 arithmetic, decoding beside reading the states once.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/aligned.h"
#include "base/rng.h"
#include "ops/lightning_attention.h"
#include "ops/peak.h"

namespace fulgur {
namespace {

constexpr int64_t kHeads = 64, kDim = 128, kWidth = kHeads * kDim, kC = kLightningChunk;

std::vector<double> Slopes() {
  std::vector<double> slopes;
  for (int64_t h = 0; h < kHeads; ++h) slopes.push_back(0.01 * static_cast<double>(h + 1));
  return slopes;
}

struct Sequence {
  AlignedVector<float> state = AlignedVector<float>(kWidth * kDim, 0.1f), k = AlignedVector<float>(kWidth * kC, 0.1f),
                       v = AlignedVector<float>(kWidth * kC, 0.1f);
};

AlignedVector<float> Random(int64_t n) {
  AlignedVector<float> values(static_cast<size_t>(n));
  Rng rng(1);
  for (float& x : values) x = static_cast<float>(rng.Uniform() - 0.5);
  return values;
}

void BM_LightningPrefill(benchmark::State& state) {
  ExecContext exec(static_cast<int>(state.range(1)));
  const int64_t rows = state.range(0);
  const LightningDecay decay(Slopes());
  const AlignedVector<float> qkv = Random(rows * 3 * kWidth);
  AlignedVector<float> out(static_cast<size_t>(rows * kWidth));
  Sequence s;
  const LightningSegment segment{
      {qkv.data(), rows, 3 * kWidth}, {out.data(), rows, kWidth}, kC, kC, s.state.data(), s.k.data(), s.v.data()};
  const double peak = MeasurePeakGflops(exec);
  for (auto _ : state) LightningAttention({&segment, 1}, kHeads, kDim, decay, exec);
  // As model/cost.h counts: state read and updated, and each token sees half a chunk.
  const double flops = static_cast<double>(rows * kWidth) * (4.0 * kDim + 2.0 * (kC + 1));
  using benchmark::Counter;
  state.counters["tokens/s"] = Counter(static_cast<double>(rows), Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["peak"] = peak;
}
BENCHMARK(BM_LightningPrefill)
    ->ArgNames({"rows", "threads"})
    ->ArgsProduct({{64, 512, 4096}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// One token of each of `batch` sequences, in the middle of a chunk. There are enough sequences that no cache holds the
// states (a step uses the next ones).
void BM_LightningDecode(benchmark::State& state) {
  const int64_t batch = state.range(0), sequences = 256 / batch * batch;  // 1 GiB of states
  ExecContext exec(static_cast<int>(state.range(1)));
  const LightningDecay decay(Slopes());
  const AlignedVector<float> qkv = Random(batch * 3 * kWidth);
  AlignedVector<float> out(static_cast<size_t>(batch * kWidth));
  std::vector<Sequence> all(static_cast<size_t>(sequences));
  const double bandwidth = MeasureReadBandwidth(exec);
  int64_t next = 0;
  std::vector<LightningSegment> segments(static_cast<size_t>(batch));
  for (auto _ : state) {
    for (int64_t i = 0; i < batch; ++i, next = (next + 1) % sequences) {
      Sequence& s = all[static_cast<size_t>(next)];
      segments[static_cast<size_t>(i)] = {ConstMatrixView(qkv.data(), batch, 3 * kWidth).Rows({i, 1}),
                                          MatrixView(out.data(), batch, kWidth).Rows({i, 1}),
                                          kC + kC / 2,
                                          kC,
                                          s.state.data(),
                                          s.k.data(),
                                          s.v.data()};
    }
    LightningAttention(segments, kHeads, kDim, decay, exec);
  }
  const double bytes = static_cast<double>(batch * kWidth * kDim * 4);
  using benchmark::Counter;
  state.counters["state_GB/s"] = Counter(1e-9 * bytes, Counter::kIsIterationInvariantRate);
  state.counters["read_GB/s"] = bandwidth;
  state.counters["us_to_read_state"] = 1e-3 * bytes / bandwidth;
}
BENCHMARK(BM_LightningDecode)
    ->ArgNames({"batch", "threads"})
    ->ArgsProduct({{1, 16}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fulgur
