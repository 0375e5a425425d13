#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/peak.h"

namespace fulgur {
namespace {

Tensor Random(Shape shape) {
  Tensor t(DType::kF32, std::move(shape));
  Rng rng(1);
  for (float& x : t.values<float>()) x = static_cast<float>(rng.Uniform() - 0.5);
  return t;
}

void Report(benchmark::State& state, int64_t m, int64_t n, int64_t k) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

// m rows by weights [n, k]: operations beside the peak, and weights read beside the bandwidth of memory (only with few
// rows, and weights that no cache holds, is that the limit).
void BM_MatMul(benchmark::State& state, WeightFormat format) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  ExecContext exec(static_cast<int>(state.range(3)));
  const Tensor x = Random({m, k});
  const PackedMatrix w(Random({n, k}), format, exec);
  Tensor y(DType::kF32, {m, n});
  state.counters["peak"] = MeasurePeakOf(format, exec);
  state.counters["read_GB/s"] = MeasureReadBandwidth(exec);
  for (auto _ : state) MatMul({x.f32(), m, k}, w, {y.f32(), m, n}, exec);
  Report(state, m, n, k);
  state.counters["weights_GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(w.bytes()), benchmark::Counter::kIsIterationInvariantRate);
}
void Shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"});
  for (const int threads : {1, 2}) {
    for (const int m : {1, 4, 12, 64, 1024}) b->Args({m, 768, 256, threads});   // models/nano and its like
    for (const int m : {1, 4, 16, 32, 512}) b->Args({m, 9216, 6144, threads});  // an expert of M1
    for (const int m : {1, 2, 4}) b->Args({m, 55296, 6144, threads});           // six: too large for any cache
  }
  b->UseRealTime();
}
BENCHMARK_CAPTURE(BM_MatMul, f32, WeightFormat::kF32)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, bf16, WeightFormat::kBf16)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, bf16_dot, WeightFormat::kBf16Dot)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, q8, WeightFormat::kQ8)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, q4, WeightFormat::kQ4)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, q4k, WeightFormat::kQ4k)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, q3, WeightFormat::kQ3)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_MatMul, q2, WeightFormat::kQ2)->Apply(Shapes);

// With AVX2: one row by weights that no cache holds, and many rows.
void BM_MatMulAvx2(benchmark::State& state, WeightFormat format) {
  const std::vector<std::string> sets = SupportedInstructionSets();
  if (std::find(sets.begin(), sets.end(), "AVX2") == sets.end()) {
    for (auto _ : state) state.SkipWithError("this machine has no AVX2");
    return;
  }
  UseInstructionSet("AVX2");
  BM_MatMul(state, format);
  UseInstructionSet("");
}
void FewShapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"})->Args({1, 55296, 6144, 2})->Args({512, 9216, 6144, 2})->UseRealTime();
}
BENCHMARK_CAPTURE(BM_MatMulAvx2, q4, WeightFormat::kQ4)->Apply(FewShapes);
BENCHMARK_CAPTURE(BM_MatMulAvx2, q4k, WeightFormat::kQ4k)->Apply(FewShapes);
BENCHMARK_CAPTURE(BM_MatMulAvx2, q3, WeightFormat::kQ3)->Apply(FewShapes);
BENCHMARK_CAPTURE(BM_MatMulAvx2, q2, WeightFormat::kQ2)->Apply(FewShapes);

void BM_GradInput(benchmark::State& state) {
  const int64_t m = 1024, n = 768, k = 256;
  ExecContext exec(static_cast<int>(state.range(0)));
  const Tensor dy = Random({m, n}), w = Random({n, k});
  Tensor dx(DType::kF32, {m, k});
  for (auto _ : state) MatMulGradInput({dy.f32(), m, n}, w, {dx.f32(), m, k}, exec);
  Report(state, m, n, k);
}
BENCHMARK(BM_GradInput)->Arg(1)->Arg(2)->UseRealTime();

void BM_GradWeight(benchmark::State& state) {
  const int64_t m = 1024, n = 768, k = 256;
  ExecContext exec(static_cast<int>(state.range(0)));
  const Tensor dy = Random({m, n}), x = Random({m, k});
  Tensor dw(DType::kF32, {n, k});
  for (auto _ : state) MatMulGradWeight({dy.f32(), m, n}, {x.f32(), m, k}, dw, exec);
  Report(state, m, n, k);
}
BENCHMARK(BM_GradWeight)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace fulgur
