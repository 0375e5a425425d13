// Tokens per second of forward and backward, beside the multiply-add peak that this machine reaches in the same run.
#include <benchmark/benchmark.h>

#include "base/rng.h"
#include "model/checkpoint.h"
#include "model/gradient.h"
#include "ops/peak.h"

namespace fulgur {
namespace {

ModelConfig Hybrid(int64_t hidden, int64_t head_dim, int64_t width, int64_t vocab) {
  ModelConfig c;
  c.vocab_size = vocab;
  c.hidden_size = hidden;
  c.intermediate_size = width;
  c.num_hidden_layers = 8;
  c.num_attention_heads = hidden / head_dim;
  c.num_key_value_heads = c.num_attention_heads / 2;
  c.head_dim = head_dim;
  c.rotary_dim = head_dim / 2;
  c.num_local_experts = 8;
  c.num_experts_per_tok = 2;
  c.attn_type_list.assign(8, AttentionKind::kLightning);
  c.attn_type_list.back() = AttentionKind::kSoftmax;
  c.postnorm = true;
  c.Validate("benchmark");
  return c;
}

// range: hidden, head_dim, expert width, vocabulary, tokens a batch, recompute.
void BM_Training(benchmark::State& state) {
  ExecContext exec;
  const ModelConfig config = Hybrid(state.range(0), state.range(1), state.range(2), state.range(3));
  Model model(config, RandomParams(config, 1), exec, true);
  Params grads = ZerosLike(config, model.params());
  Pass pass(model);
  Rng rng(1);
  TokenBatch batch;
  while (static_cast<int64_t>(batch.tokens.size()) < state.range(4)) {
    std::vector<int32_t> document(200);
    for (int32_t& id : document) id = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(config.vocab_size)));
    batch.AddDocument(document);
  }
  const RowLoss loss = CrossEntropy(batch);
  const double peak = MeasurePeakGflops(exec);
  const GradientOptions options{.aux_coef = 0.01, .recompute = state.range(5) != 0};
  AddGradient(pass, batch, loss, options, grads);  // the first pass allocates
  for (auto _ : state) AddGradient(pass, batch, loss, options, grads);
  const double tokens = static_cast<double>(batch.tokens.size());
  const double flops = 6.0 * static_cast<double>(CountParameters(config).active) * tokens;
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["Mparams_active"] = static_cast<double>(CountParameters(config).active) * 1e-6;
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["peak_GFLOP/s"] = peak;
  state.counters["share"] = benchmark::Counter(flops * 1e-9 / peak, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_Training)
    ->ArgNames({"hidden", "head_dim", "width", "vocab", "tokens", "recompute"})
    ->Args({128, 32, 128, 675, 2048, 0})  // models/nano
    ->Args({256, 64, 384, 512, 4096, 0})  // 21.6M parameters, 7.5M active
    ->Args({256, 64, 384, 512, 4096, 1})
    ->Args({512, 64, 512, 4096, 4096, 0})  // 83M, 24M active
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fulgur
