// The small operations, at the dimensions of MiniMax-M1 and in bytes moved, beside a plain copy: most are bound by
// memory.
#include <benchmark/benchmark.h>

#include <cstring>

#include "ops/activation.h"
#include "ops/adamw.h"
#include "ops/cross_entropy.h"
#include "ops/rms_norm.h"
#include "ops/rotary.h"
#include "ops/router.h"
#include "ops/vec.h"

namespace fulgur {
namespace {

std::vector<float> Values(int64_t n) {
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 2000) / 500.0f - 2.0f;
  return x;
}

ExecContext& Exec() {
  static ExecContext exec;
  return exec;
}

// floats: read and written in one iteration.
void SetFloats(benchmark::State& state, int64_t floats) {
  state.SetBytesProcessed(state.iterations() * floats * static_cast<int64_t>(sizeof(float)));
}

constexpr int64_t kHidden = 6144, kInner = 9216, kVocabulary = 200064, kExperts = 32;

void BM_Copy(benchmark::State& state) {
  const int64_t n = state.range(0) * kHidden;
  const std::vector<float> x = Values(n);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    std::memcpy(y.data(), x.data(), x.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  SetFloats(state, 2 * n);
}
BENCHMARK(BM_Copy)->Arg(1)->Arg(512);

void BM_RmsNorm(benchmark::State& state) {
  const int64_t m = state.range(0);
  const std::vector<float> x = Values(m * kHidden), w = Values(kHidden);
  std::vector<float> y(x.size());
  for (auto _ : state) RmsNorm({x.data(), m, kHidden}, w, 1e-5f, {y.data(), m, kHidden}, {}, Exec());
  SetFloats(state, 2 * m * kHidden);
}
BENCHMARK(BM_RmsNorm)->Arg(1)->Arg(512)->UseRealTime();

void BM_RmsNormBackward(benchmark::State& state) {
  const int64_t m = state.range(0);
  const std::vector<float> x = Values(m * kHidden), dy = x, w = Values(kHidden), inv_rms = Values(m);
  std::vector<float> dx(x.size()), dw(w.size());
  for (auto _ : state) {
    RmsNormGradInput({dy.data(), m, kHidden}, {x.data(), m, kHidden}, {inv_rms.data(), m, 1}, w,
                     {dx.data(), m, kHidden}, Exec());
    RmsNormGradWeight({dy.data(), m, kHidden}, {x.data(), m, kHidden}, {inv_rms.data(), m, 1}, dw, Exec());
  }
  SetFloats(state, 5 * m * kHidden);
}
BENCHMARK(BM_RmsNormBackward)->Arg(512)->UseRealTime();

void BM_SwiGlu(benchmark::State& state) {
  const int64_t n = state.range(0) * kInner;
  const std::vector<float> gate = Values(n), up = gate;
  std::vector<float> y(gate.size());
  for (auto _ : state) SwiGlu({gate.data(), 1, n}, {up.data(), 1, n}, {y.data(), 1, n}, Exec());
  SetFloats(state, 3 * n);
}
BENCHMARK(BM_SwiGlu)->Arg(1)->Arg(512)->UseRealTime();

void BM_SwiGluBackward(benchmark::State& state) {
  const int64_t n = state.range(0) * kInner;
  const std::vector<float> gate = Values(n), up = gate, dy = gate;
  std::vector<float> dgate(gate.size()), dup(gate.size());
  for (auto _ : state)
    SwiGluBackward({dy.data(), 1, n}, {gate.data(), 1, n}, {up.data(), 1, n}, {dgate.data(), 1, n}, {dup.data(), 1, n},
                   Exec());
  SetFloats(state, 5 * n);
}
BENCHMARK(BM_SwiGluBackward)->Arg(512)->UseRealTime();

void BM_RotaryTable(benchmark::State& state) {
  const int64_t m = state.range(0);
  const Rotary rotary(64, 1e7);
  std::vector<int64_t> positions(static_cast<size_t>(m));
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(1000000 + i);
  std::vector<float> table(static_cast<size_t>(m * 64));
  for (auto _ : state) rotary.Table(positions, {table.data(), m, 64}, Exec());
  state.SetItemsProcessed(state.iterations() * m);
}
BENCHMARK(BM_RotaryTable)->Arg(1)->Arg(512)->UseRealTime();

void BM_RotaryApply(benchmark::State& state) {
  const int64_t m = state.range(0), heads = 64, head_dim = 128;
  const Rotary rotary(64, 1e7);
  const std::vector<int64_t> positions(static_cast<size_t>(m), 12345);
  std::vector<float> table(static_cast<size_t>(m * 64));
  rotary.Table(positions, {table.data(), m, 64}, Exec());
  std::vector<float> x = Values(m * heads * head_dim);
  for (auto _ : state) rotary.Apply({table.data(), m, 64}, heads, {x.data(), m, heads * head_dim}, Exec());
  SetFloats(state, 2 * m * heads * 64);
}
BENCHMARK(BM_RotaryApply)->Arg(1)->Arg(512)->UseRealTime();

void BM_Route(benchmark::State& state) {
  const int64_t m = state.range(0);
  const std::vector<float> logits = Values(m * kExperts);
  std::vector<int32_t> experts(static_cast<size_t>(2 * m));
  std::vector<float> weights(experts.size());
  for (auto _ : state) Route({logits.data(), m, kExperts}, {experts.data(), m, 2}, {weights.data(), m, 2}, Exec());
  state.SetItemsProcessed(state.iterations() * m);
}
BENCHMARK(BM_Route)->Arg(1)->Arg(512)->UseRealTime();

void BM_LogProb(benchmark::State& state) {
  const std::vector<float> logits = Values(kVocabulary);
  for (auto _ : state) benchmark::DoNotOptimize(LogProb(logits.data(), kVocabulary, 7));
  SetFloats(state, 2 * kVocabulary);
}
BENCHMARK(BM_LogProb);

void BM_LogProbsBackward(benchmark::State& state) {
  const int64_t m = 16;
  const std::vector<float> logits = Values(m * kVocabulary), grad(m, 1.0f);
  const std::vector<int32_t> targets(m, 7);
  std::vector<float> dlogits(logits.size());
  for (auto _ : state) {
    LogProbsBackward({logits.data(), m, kVocabulary}, targets, grad, {dlogits.data(), m, kVocabulary}, Exec());
  }
  SetFloats(state, 4 * m * kVocabulary);
}
BENCHMARK(BM_LogProbsBackward)->UseRealTime();

void BM_Softmax(benchmark::State& state) {
  std::vector<float> x = Values(state.range(0));
  for (auto _ : state) Softmax(x.data(), state.range(0), x.data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Softmax)->Arg(kExperts)->Arg(1024);

void BM_AdamW(benchmark::State& state) {
  const int64_t n = state.range(0);
  std::vector<float> p = Values(n), m = p, v(p.size(), 1.0f);
  const std::vector<float> g = p;
  int64_t step = 0;
  for (auto _ : state) AdamWStep(p, m, v, g, ++step, {}, 1.0f, Exec());
  SetFloats(state, 7 * n);
}
BENCHMARK(BM_AdamW)->Arg(1 << 22)->UseRealTime();

void BM_SumSquares(benchmark::State& state) {
  const std::vector<float> g = Values(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(SumSquares(g, Exec()));
  SetFloats(state, state.range(0));
}
BENCHMARK(BM_SumSquares)->Arg(1 << 22)->UseRealTime();

}  // namespace
}  // namespace fulgur
