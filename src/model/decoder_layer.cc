#include "model/decoder_layer.h"

#include <string>

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/rms_norm.h"
#include "ops/softmax_attention.h"
#include "ops/vec.h"

namespace fulgur {
namespace {

constexpr float kInnerNormEps = 1e-6f;  // of the norm inside lightning attention, whatever rms_norm_eps says

float* Sized(LayerActivations::Buffer& buffer, int64_t n) {
  if (buffer.size() < static_cast<size_t>(n)) buffer.resize(static_cast<size_t>(n));
  return buffer.data();
}

void Observe(const Observer* observer, const char* name, int64_t layer, const float* values, int64_t rows,
             int64_t cols) {
  if (observer != nullptr) (*observer)(name + std::to_string(layer), values, rows, cols);
}

void Apply(const Linear& w, const float* x, int64_t rows, float* y, ThreadPool& pool) {
  MatMul(x, w.packed.inputs(), rows, w.packed, y, w.packed.outputs(), pool);
}

// dw += dy^T x, and dx = dy W (or +=). The mirror of Apply.
void ApplyBackward(const Linear& w, const float* x, const float* dy, int64_t rows, float* dx, bool accumulate,
                   Linear& g, ThreadPool& pool) {
  const int64_t n = w.weight.dim(0), k = w.weight.dim(1);
  MatMulGradWeight(dy, n, x, k, rows, g.weight, pool);
  if (dx != nullptr) MatMulGradInput(dy, n, rows, w.weight, dx, k, pool, accumulate);
}

void LightningForward(const PassContext& c, const LayerParams& p, const LightningDecay& decay,
                      std::span<const RowSegment> segments, LayerActivations& a) {
  const int64_t T = c.rows, H = c.config.num_attention_heads, D = c.config.head_dim, HD = H * D,
                C = c.config.hidden_size;
  Apply(p.qkv, a.h.data(), T, Sized(a.qkv_pre, T * 3 * HD), c.pool);
  Silu(a.qkv_pre.data(), T * 3 * HD, Sized(a.qkv, T * 3 * HD), c.pool);
  Sized(a.attention, T * HD);
  static thread_local std::vector<LightningSegment> pieces;
  pieces.clear();
  int64_t row = 0;
  for (const RowSegment& s : segments) {
    SequenceState::Lightning& m = s.memory->lightning;
    pieces.push_back({a.qkv.data() + row * 3 * HD, a.attention.data() + row * HD, s.rows, s.position, s.chunk_start,
                      m.state.data(), m.k.data(), m.v.data()});
    row += s.rows;
  }
  LightningAttention(pieces, H, D, decay, c.pool);
  RmsNorm(a.attention.data(), T, HD, p.inner_norm.f32(), kInnerNormEps, Sized(a.normed, T * HD), Sized(a.inv_inner, T),
          c.pool);
  Apply(p.gate, a.h.data(), T, Sized(a.gate, T * HD), c.pool);
  GatedMultiply(a.normed.data(), a.gate.data(), T * HD, Sized(a.gated, T * HD), c.pool);
  Apply(p.out, a.gated.data(), T, Sized(a.attention_out, T * C), c.pool);
}

// da [T, C]: gradient of attention_out. dh [T, C] is overwritten.
void LightningBackward(const PassContext& c, const LayerParams& p, const LightningDecay& decay,
                       std::span<const int64_t> starts, const LayerActivations& a, const float* da, LayerParams& g,
                       float* dh, BackwardScratch& s) {
  const int64_t T = c.rows, H = c.config.num_attention_heads, D = c.config.head_dim, HD = H * D;
  float* dgated = Sized(s.db, T * HD);
  ApplyBackward(p.out, a.gated.data(), da, T, dgated, false, g.out, c.pool);
  float* dnormed = Sized(s.dc, T * HD);
  float* dgate = Sized(s.dd, T * HD);
  GatedMultiplyBackward(dgated, a.normed.data(), a.gate.data(), T * HD, dnormed, dgate, c.pool);
  ApplyBackward(p.gate, a.h.data(), dgate, T, dh, false, g.gate, c.pool);
  float* dattention = dgated;
  RmsNormBackward(dnormed, a.attention.data(), a.inv_inner.data(), T, HD, p.inner_norm.f32(), dattention,
                  g.inner_norm.f32(), c.pool);
  float* dqkv = Sized(s.de, T * 3 * HD);
  LightningAttentionBackward(a.qkv.data(), dattention, starts, H, D, decay, dqkv, c.pool);
  float* dqkv_pre = Sized(s.df, T * 3 * HD);
  SiluBackward(dqkv, a.qkv_pre.data(), T * 3 * HD, dqkv_pre, c.pool);
  ApplyBackward(p.qkv, a.h.data(), dqkv_pre, T, dh, true, g.qkv, c.pool);
}

void SoftmaxForward(const PassContext& c, const LayerParams& p, std::span<const RowSegment> segments,
                    LayerActivations& a) {
  const int64_t T = c.rows, H = c.config.num_attention_heads, K = c.config.num_key_value_heads, D = c.config.head_dim;
  Apply(p.q, a.h.data(), T, Sized(a.q, T * H * D), c.pool);
  Apply(p.k, a.h.data(), T, Sized(a.k, T * K * D), c.pool);
  Apply(p.v, a.h.data(), T, Sized(a.v, T * K * D), c.pool);
  c.rotary.Apply(c.rotary_table, T, H, D, a.q.data(), H * D, c.pool);
  c.rotary.Apply(c.rotary_table, T, K, D, a.k.data(), K * D, c.pool);
  Sized(a.attention, T * H * D);
  Sized(a.lse, T * H);
  static thread_local std::vector<SoftmaxSegment> pieces;
  static thread_local std::vector<KvBlockView> blocks;
  pieces.clear();
  blocks.clear();
  for (const RowSegment& s : segments) {
    for (const auto& block : s.memory->blocks) blocks.push_back({block->k.data(), block->v.data()});
  }
  int64_t row = 0;
  const KvBlockView* first = blocks.data();
  for (const RowSegment& s : segments) {
    pieces.push_back({a.q.data() + row * H * D,
                      a.k.data() + row * K * D,
                      a.v.data() + row * K * D,
                      a.attention.data() + row * H * D,
                      a.lse.data() + row * H,
                      s.rows,
                      s.position,
                      {first, s.memory->blocks.size()}});
    first += s.memory->blocks.size();
    row += s.rows;
  }
  SoftmaxAttention(pieces, H, K, D, c.pool);
  Apply(p.o, a.attention.data(), T, Sized(a.attention_out, T * c.config.hidden_size), c.pool);
}

void SoftmaxBackward(const PassContext& c, const LayerParams& p, std::span<const int64_t> starts,
                     const LayerActivations& a, const float* da, LayerParams& g, float* dh, BackwardScratch& s) {
  const int64_t T = c.rows, H = c.config.num_attention_heads, K = c.config.num_key_value_heads, D = c.config.head_dim;
  float* dattention = Sized(s.db, T * H * D);
  ApplyBackward(p.o, a.attention.data(), da, T, dattention, false, g.o, c.pool);
  float* dq = Sized(s.dc, T * H * D);
  float* dk = Sized(s.dd, T * K * D);
  float* dv = Sized(s.de, T * K * D);
  SoftmaxAttentionBackward(
      {a.q.data(), a.k.data(), a.v.data(), a.attention.data(), a.lse.data(), dattention, dq, dk, dv}, starts, H, K, D,
      c.pool);
  c.rotary.ApplyBackward(c.rotary_table, T, H, D, dq, H * D, c.pool);
  c.rotary.ApplyBackward(c.rotary_table, T, K, D, dk, K * D, c.pool);
  ApplyBackward(p.q, a.h.data(), dq, T, dh, false, g.q, c.pool);
  ApplyBackward(p.k, a.h.data(), dk, T, dh, true, g.k, c.pool);
  ApplyBackward(p.v, a.h.data(), dv, T, dh, true, g.v, c.pool);
}

// FFN(h_mid) -> ffn [T, C].
void MoeForward(const PassContext& c, int64_t layer, const LayerParams& p, LayerActivations& a, float* ffn,
                const Observer* observer) {
  const int64_t T = c.rows, C = c.config.hidden_size, I = c.config.intermediate_size;
  const int64_t E = c.config.num_local_experts, k = c.config.num_experts_per_tok;
  Apply(p.router, a.h_mid.data(), T, Sized(a.router_logits, T * E), c.pool);
  if (a.experts.size() < static_cast<size_t>(T * k)) a.experts.resize(static_cast<size_t>(T * k));
  Route(a.router_logits.data(), T, E, k, a.experts.data(), Sized(a.weights, T * k), c.pool);
  a.dispatch.Build(a.experts.data(), T, k, E);
  GatherRows(a.dispatch, a.h_mid.data(), T, k, C, Sized(a.rows, T * k * C), c.pool);
  Sized(a.expert_gate, T * k * I);
  Sized(a.expert_up, T * k * I);
  Sized(a.expert_act, T * k * I);
  Sized(a.expert_out, T * k * C);
  for (int64_t e = 0; e < E; ++e) {
    const int64_t row = a.dispatch.first[static_cast<size_t>(e)],
                  n = a.dispatch.first[static_cast<size_t>(e) + 1] - row;
    if (n == 0) continue;
    const ExpertParams& expert = p.experts[static_cast<size_t>(e)];
    Apply(expert.w1, a.rows.data() + row * C, n, a.expert_gate.data() + row * I, c.pool);
    Apply(expert.w3, a.rows.data() + row * C, n, a.expert_up.data() + row * I, c.pool);
    SwiGlu(a.expert_gate.data() + row * I, a.expert_up.data() + row * I, n * I, a.expert_act.data() + row * I, c.pool);
    Apply(expert.w2, a.expert_act.data() + row * I, n, a.expert_out.data() + row * C, c.pool);
  }
  CombineRows(a.dispatch, a.expert_out.data(), a.weights.data(), T, k, C, Sized(a.moe_out, T * C), c.pool);
  if (observer != nullptr) {
    Observe(observer, "router_logits.", layer, a.router_logits.data(), T, E);
    const std::vector<float> experts(a.experts.begin(), a.experts.begin() + T * k);
    Observe(observer, "selected_experts.", layer, experts.data(), T, k);
    Observe(observer, "routing_weights.", layer, a.weights.data(), T, k);
    Observe(observer, "moe_out.", layer, a.moe_out.data(), T, C);
  }
  if (p.shared_coefficient.empty()) {
    std::copy_n(a.moe_out.data(), T * C, ffn);
    return;
  }
  const int64_t S = p.shared_gate.packed.outputs();
  Apply(p.shared_gate, a.h_mid.data(), T, Sized(a.shared_gate, T * S), c.pool);
  Apply(p.shared_up, a.h_mid.data(), T, Sized(a.shared_up, T * S), c.pool);
  SwiGlu(a.shared_gate.data(), a.shared_up.data(), T * S, Sized(a.shared_act, T * S), c.pool);
  Apply(p.shared_down, a.shared_act.data(), T, Sized(a.shared_out, T * C), c.pool);
  Sized(a.shared_mix, T);
  c.pool.ParallelFor(T, [&](int64_t t, int) {
    const float mix = Sigmoid(Dot(a.h_mid.data() + t * C, p.shared_coefficient.f32(), C));
    a.shared_mix[static_cast<size_t>(t)] = mix;
    ScaleRow(1.0f - mix, a.moe_out.data() + t * C, C, ffn + t * C);
    AddScaledRow(mix, a.shared_out.data() + t * C, C, ffn + t * C);
  });
}

// dffn [T, C] -> dh [T, C] (overwritten).
void MoeBackward(const PassContext& c, const LayerParams& p, const LayerActivations& a, const float* dffn,
                 const AuxLoss& aux, double aux_coef, LayerParams& g, float* dh, BackwardScratch& s) {
  const int64_t T = c.rows, C = c.config.hidden_size, I = c.config.intermediate_size;
  const int64_t E = c.config.num_local_experts, k = c.config.num_experts_per_tok;
  std::fill_n(dh, T * C, 0.0f);
  const float* drouted = dffn;
  if (!p.shared_coefficient.empty()) {
    const int64_t S = p.shared_gate.weight.dim(0);
    float* routed = Sized(s.db, T * C);
    float* dshared = Sized(s.dc, T * C);
    float* dmix = Sized(s.dd, T);
    c.pool.ParallelFor(T, [&](int64_t t, int) {
      const float mix = a.shared_mix[static_cast<size_t>(t)];
      ScaleRow(1.0f - mix, dffn + t * C, C, routed + t * C);
      ScaleRow(mix, dffn + t * C, C, dshared + t * C);
      const float d =
          Dot(dffn + t * C, a.shared_out.data() + t * C, C) - Dot(dffn + t * C, a.moe_out.data() + t * C, C);
      dmix[t] = d * mix * (1.0f - mix);
      AddScaledRow(dmix[t], p.shared_coefficient.f32(), C, dh + t * C);
    });
    MatMulGradWeight(dmix, 1, a.h_mid.data(), C, T, g.shared_coefficient, c.pool);
    float* dact = Sized(s.de, T * S);
    ApplyBackward(p.shared_down, a.shared_act.data(), dshared, T, dact, false, g.shared_down, c.pool);
    float* dgate = Sized(s.df, T * S);
    float* dup = Sized(s.dg, T * S);
    SwiGluBackward(dact, a.shared_gate.data(), a.shared_up.data(), T * S, dgate, dup, c.pool);
    ApplyBackward(p.shared_gate, a.h_mid.data(), dgate, T, dh, true, g.shared_gate, c.pool);
    ApplyBackward(p.shared_up, a.h_mid.data(), dup, T, dh, true, g.shared_up, c.pool);
    drouted = routed;
  }
  float* drows = Sized(s.dc, T * k * C);
  float* dweights = Sized(s.dd, T * k);
  CombineRowsBackward(a.dispatch, drouted, a.expert_out.data(), a.weights.data(), T, k, C, drows, dweights, c.pool);
  float* dact = Sized(s.de, T * k * I);
  float* dgate = Sized(s.df, T * k * I);
  float* dup = Sized(s.dg, T * k * I);
  for (int64_t e = 0; e < E; ++e) {
    const int64_t row = a.dispatch.first[static_cast<size_t>(e)],
                  n = a.dispatch.first[static_cast<size_t>(e) + 1] - row;
    if (n == 0) continue;
    const ExpertParams& expert = p.experts[static_cast<size_t>(e)];
    ExpertParams& ge = g.experts[static_cast<size_t>(e)];
    ApplyBackward(expert.w2, a.expert_act.data() + row * I, drows + row * C, n, dact + row * I, false, ge.w2, c.pool);
    SwiGluBackward(dact + row * I, a.expert_gate.data() + row * I, a.expert_up.data() + row * I, n * I, dgate + row * I,
                   dup + row * I, c.pool);
    ApplyBackward(expert.w1, a.rows.data() + row * C, dgate + row * I, n, drows + row * C, false, ge.w1, c.pool);
    ApplyBackward(expert.w3, a.rows.data() + row * C, dup + row * I, n, drows + row * C, true, ge.w3, c.pool);
  }
  GatherRowsBackward(a.dispatch, drows, T, k, C, dh, c.pool);
  float* dlogits = Sized(s.db, T * E);
  RouteBackward(dweights, a.weights.data(), a.experts.data(), T, E, k, dlogits, c.pool);
  if (aux_coef != 0) aux.AddGradient(a.router_logits.data(), T, aux_coef, dlogits, c.pool);
  ApplyBackward(p.router, a.h_mid.data(), dlogits, T, dh, true, g.router, c.pool);
}

}  // namespace

void LayerForward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                  std::span<const RowSegment> segments, LayerActivations& a, float* out, const Observer* observer) {
  const ModelConfig& config = context.config;
  const int64_t T = context.rows, C = config.hidden_size;
  const bool lightning = config.IsLightning(layer);
  const float eps = static_cast<float>(config.rms_norm_eps);
  const float alpha = lightning ? config.layernorm_linear_attention_alpha : config.layernorm_full_attention_alpha;
  const float beta = lightning ? config.layernorm_linear_attention_beta : config.layernorm_full_attention_beta;

  RmsNorm(a.x.data(), T, C, p.input_norm.f32(), eps, Sized(a.h, T * C), Sized(a.inv_input, T), context.pool);
  if (lightning) {
    LightningForward(context, p, decay, segments, a);
  } else {
    SoftmaxForward(context, p, segments, a);
  }
  Observe(observer, "attn_out.", layer, a.attention_out.data(), T, C);
  const float* residual = config.postnorm ? a.h.data() : a.x.data();
  WeightedSum(alpha, residual, beta, a.attention_out.data(), T * C, Sized(a.x_mid, T * C), context.pool);

  RmsNorm(a.x_mid.data(), T, C, p.post_norm.f32(), eps, Sized(a.h_mid, T * C), Sized(a.inv_mid, T), context.pool);
  MoeForward(context, layer, p, a, out, observer);
  const float* residual_mid = config.postnorm ? a.h_mid.data() : a.x_mid.data();
  WeightedSum(config.layernorm_mlp_alpha, residual_mid, config.layernorm_mlp_beta, out, T * C, out, context.pool);
}

void LayerBackward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                   std::span<const int64_t> starts, const LayerActivations& a, const float* dout, const AuxLoss& aux,
                   double aux_coef, LayerParams& g, float* dx, BackwardScratch& s) {
  const ModelConfig& config = context.config;
  const int64_t T = context.rows, C = config.hidden_size, n = T * C;
  const bool lightning = config.IsLightning(layer);
  const float alpha = lightning ? config.layernorm_linear_attention_alpha : config.layernorm_full_attention_alpha;
  const float beta = lightning ? config.layernorm_linear_attention_beta : config.layernorm_full_attention_beta;
  ThreadPool& pool = context.pool;

  // out = alpha_m r' + beta_m FFN(h'),  r' = h' or x'
  float* dbranch = Sized(s.da, n);
  float* dh = Sized(s.dh, n);
  float* dx_mid = Sized(s.dx_mid, n);
  WeightedSum(config.layernorm_mlp_beta, dout, 0.0f, dout, n, dbranch, pool);
  MoeBackward(context, p, a, dbranch, aux, aux_coef, g, dh, s);
  if (config.postnorm) AddScaled(config.layernorm_mlp_alpha, dout, n, dh, pool);
  RmsNormBackward(dh, a.x_mid.data(), a.inv_mid.data(), T, C, p.post_norm.f32(), dx_mid, g.post_norm.f32(), pool);
  if (!config.postnorm) AddScaled(config.layernorm_mlp_alpha, dout, n, dx_mid, pool);

  // x' = alpha_a r + beta_a Attention(h),  r = h or x
  WeightedSum(beta, dx_mid, 0.0f, dx_mid, n, dbranch, pool);
  if (lightning) {
    LightningBackward(context, p, decay, starts, a, dbranch, g, dh, s);
  } else {
    SoftmaxBackward(context, p, starts, a, dbranch, g, dh, s);
  }
  if (config.postnorm) AddScaled(alpha, dx_mid, n, dh, pool);
  RmsNormBackward(dh, a.x.data(), a.inv_input.data(), T, C, p.input_norm.f32(), dx, g.input_norm.f32(), pool);
  if (!config.postnorm) AddScaled(alpha, dx_mid, n, dx, pool);
}

}  // namespace fulgur
