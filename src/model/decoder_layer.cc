#include "model/decoder_layer.h"

#include <algorithm>
#include <string>

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/softmax_attention.h"
#include "ops/vec.h"

// A layer is a few stages. Within one each row depends on itself only, so a thread takes a block of rows through all
// operations of a stage while its values are in the cache; only attention, the sorting by expert and the sums over rows
// of weight gradients see more than one row.
namespace fulgur {
namespace {

using Buffer = LayerActivations::Buffer;

constexpr float kInnerNormEps = 1e-6f;  // of the norm inside lightning attention, whatever rms_norm_eps says
constexpr int64_t kBlockRows = 96;      // a multiple of the matrix product's tile of 12 rows
constexpr int64_t kBlockWidth = 1024;   // hidden size up to which the values of a block fit a cache of 1-2 MB

float* Sized(Buffer& buffer, int64_t n) {
  if (buffer.size() < static_cast<size_t>(n)) buffer.resize(static_cast<size_t>(n));
  return buffer.data();
}

// f(first row, number of rows) over all rows. With too few blocks for the threads, or rows too wide, all rows are one
// block, and each operation in f is split over the threads instead (inside a loop of the pool they are not).
template <typename F>
void InRowBlocks(const PassContext& c, const F& f) {
  const int64_t blocks = (c.rows + kBlockRows - 1) / kBlockRows;
  if (blocks < 2 * c.pool.threads() || c.config.hidden_size > kBlockWidth) return f(int64_t{0}, c.rows);
  c.pool.ParallelFor(blocks, [&](int64_t b, int) { f(b * kBlockRows, std::min(kBlockRows, c.rows - b * kBlockRows)); });
}

void Observe(const Observer* observer, const char* name, int64_t layer, const float* values, int64_t rows,
             int64_t cols) {
  if (observer != nullptr) (*observer)(name + std::to_string(layer), values, rows, cols);
}

// Rows [first, first + n) of y = x W^T.
MatMulArgs Product(const Linear& w, const Buffer& x, int64_t first, int64_t n, Buffer& y) {
  const int64_t in = w.packed.inputs(), out = w.packed.outputs();
  return {x.data() + first * in, in, n, &w.packed, y.data() + first * out, out};
}
void Apply(const Linear& w, const Buffer& x, int64_t first, int64_t n, Buffer& y, ThreadPool& pool) {
  const MatMulArgs product = Product(w, x, first, n, y);
  MatMul({&product, 1}, pool);
}

// Rows [first, first + n) of dx = dy W, or dx += dy W. With GradWeight the mirror of Apply.
void GradInput(const Linear& w, const float* dy, int64_t first, int64_t n, float* dx, bool accumulate,
               ThreadPool& pool) {
  const int64_t out = w.weight.dim(0), in = w.weight.dim(1);
  MatMulGradInput(dy + first * out, out, n, w.weight, dx + first * in, in, pool, accumulate);
}

// dw += dy^T x over rows [first, first + n).
void GradWeight(const float* dy, const float* x, int64_t first, int64_t n, Linear& g, ThreadPool& pool) {
  const int64_t out = g.weight.dim(0), in = g.weight.dim(1);
  MatMulGradWeight(dy + first * out, out, x + first * in, in, n, g.weight, pool);
}

// ---- Attention: before it (from h), itself, and after it (to attention_out)

void LightningProject(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, LayerActivations& a) {
  const int64_t width = 3 * c.config.qk_width();
  const MatMulArgs products[] = {Product(p.qkv, a.h, first, n, a.qkv_pre), Product(p.gate, a.h, first, n, a.gate)};
  MatMul(products, c.pool);
  Silu(a.qkv_pre.data() + first * width, n * width, a.qkv.data() + first * width, c.pool);
}

// f(segments of the pass, their first rows) for those that continue none, then for those that continue another, which
// have been given its memory.
template <typename F>
void InWaves(const PassContext& c, std::span<const RowSegment> segments, const F& f) {
  static thread_local std::vector<std::pair<const RowSegment*, int64_t>> kept;
  auto& wave = kept;  // this thread's, in the loop's body too
  const int64_t block_bytes = KvLayout(segments.empty() ? KvFormat::kF32 : segments[0].memory->kv_format,
                                       c.config.num_key_value_heads, c.config.head_dim)
                                  .block_bytes();
  for (const bool continued : {false, true}) {
    wave.clear();
    int64_t row = 0;
    for (const RowSegment& s : segments) {
      if ((s.prefix >= 0) == continued) wave.emplace_back(&s, row);
      row += s.rows;
    }
    if (wave.empty()) continue;
    if (continued) {
      c.pool.ParallelFor(static_cast<int64_t>(wave.size()), [&](int64_t i, int) {
        const RowSegment& s = *wave[static_cast<size_t>(i)].first;
        s.memory->CopyFrom(*segments[static_cast<size_t>(s.prefix)].memory, s.position, block_bytes);
      });
    }
    f(wave);
  }
}

void LightningAttend(const PassContext& c, const LightningDecay& decay, std::span<const RowSegment> segments,
                     LayerActivations& a) {
  const int64_t H = c.config.num_attention_heads, D = c.config.head_dim, HD = H * D;
  static thread_local std::vector<LightningSegment> pieces;
  InWaves(c, segments, [&](const auto& wave) {
    pieces.clear();
    for (const auto& [s, row] : wave) {
      SequenceState::Lightning& m = s->memory->lightning;
      pieces.push_back({a.qkv.data() + row * 3 * HD, a.attention.data() + row * HD, s->rows, s->position,
                        s->chunk_start, m.state.data(), m.k.data(), m.v.data()});
    }
    LightningAttention(pieces, H, D, decay, c.pool);
  });
}

void LightningOutput(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, LayerActivations& a) {
  const int64_t HD = c.config.qk_width(), at = first * HD;
  RmsNorm(a.attention.data() + at, n, HD, p.inner_norm.f32(), kInnerNormEps, a.normed.data() + at,
          a.inv_inner.data() + first, c.pool);
  GatedMultiply(a.normed.data() + at, a.gate.data() + at, n * HD, a.gated.data() + at, c.pool);
  Apply(p.out, a.gated, first, n, a.attention_out, c.pool);
}

void SoftmaxProject(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, LayerActivations& a) {
  const int64_t H = c.config.num_attention_heads, K = c.config.num_key_value_heads, D = c.config.head_dim;
  const float* table = c.rotary_table + first * c.rotary.rotary_dim();
  const MatMulArgs products[] = {Product(p.q, a.h, first, n, a.q), Product(p.k, a.h, first, n, a.k),
                                 Product(p.v, a.h, first, n, a.v)};
  MatMul(products, c.pool);
  c.rotary.Apply(table, n, H, D, a.q.data() + first * H * D, H * D, c.pool);
  c.rotary.Apply(table, n, K, D, a.k.data() + first * K * D, K * D, c.pool);
}

void SoftmaxAttend(const PassContext& c, std::span<const RowSegment> segments, LayerActivations& a) {
  const int64_t H = c.config.num_attention_heads, K = c.config.num_key_value_heads, D = c.config.head_dim;
  static thread_local std::vector<SoftmaxSegment> pieces;
  static thread_local std::vector<std::byte*> blocks;
  InWaves(c, segments, [&](const auto& wave) {
    pieces.clear();
    blocks.clear();
    for (const auto& [s, row] : wave) {
      for (const auto& block : s->memory->blocks) blocks.push_back(block.get());
    }
    std::byte* const* first = blocks.data();
    for (const auto& [s, row] : wave) {
      pieces.push_back({a.q.data() + row * H * D,
                        a.k.data() + row * K * D,
                        a.v.data() + row * K * D,
                        a.attention.data() + row * H * D,
                        a.lse.data() + row * H,
                        s->rows,
                        s->position,
                        {first, s->memory->blocks.size()},
                        s->memory->kv_format});
      first += s->memory->blocks.size();
    }
    SoftmaxAttention(pieces, H, K, D, c.pool);
  });
}

// ---- Attention, backward: dbranch is the gradient of attention_out, dh of h

// To dattention.
void LightningOutputBackward(const PassContext& c, const LayerParams& p, int64_t first, int64_t n,
                             const LayerActivations& a, BackwardScratch& s) {
  const int64_t HD = c.config.qk_width(), at = first * HD;
  GradInput(p.out, s.dbranch.data(), first, n, s.dgated.data(), false, c.pool);
  GatedMultiplyBackward(s.dgated.data() + at, a.normed.data() + at, a.gate.data() + at, n * HD, s.dnormed.data() + at,
                        s.doutput_gate.data() + at, c.pool);
  GradInput(p.gate, s.doutput_gate.data(), first, n, s.dh.data(), false, c.pool);
  RmsNormGradInput(s.dnormed.data() + at, a.attention.data() + at, a.inv_inner.data() + first, n, HD,
                   p.inner_norm.f32(), s.dattention.data() + at, c.pool);
}

// From dqkv.
void LightningProjectBackward(const PassContext& c, const LayerParams& p, int64_t first, int64_t n,
                              const LayerActivations& a, BackwardScratch& s) {
  const int64_t width = 3 * c.config.qk_width(), at = first * width;
  SiluBackward(s.dqkv.data() + at, a.qkv_pre.data() + at, n * width, s.dqkv_pre.data() + at, c.pool);
  GradInput(p.qkv, s.dqkv_pre.data(), first, n, s.dh.data(), true, c.pool);
}

// From dq, dk, dv.
void SoftmaxProjectBackward(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, BackwardScratch& s) {
  const int64_t H = c.config.num_attention_heads, K = c.config.num_key_value_heads, D = c.config.head_dim;
  const float* table = c.rotary_table + first * c.rotary.rotary_dim();
  c.rotary.ApplyBackward(table, n, H, D, s.dq.data() + first * H * D, H * D, c.pool);
  c.rotary.ApplyBackward(table, n, K, D, s.dk.data() + first * K * D, K * D, c.pool);
  GradInput(p.q, s.dq.data(), first, n, s.dh.data(), false, c.pool);
  GradInput(p.k, s.dk.data(), first, n, s.dh.data(), true, c.pool);
  GradInput(p.v, s.dv.data(), first, n, s.dh.data(), true, c.pool);
}

// ---- Mixture of experts

// Rows of one expert in [first, first + n) of the rows sorted by expert.
struct ExpertRows {
  int64_t expert, first, n;
};

// The experts that have rows, those with the most first, so that threads finish together; in pieces of at most `piece`.
std::vector<ExpertRows> SplitByExpert(const ExpertDispatch& dispatch, int64_t piece) {
  std::vector<ExpertRows> split;
  for (int64_t e = 0; e + 1 < static_cast<int64_t>(dispatch.first.size()); ++e) {
    const int64_t end = dispatch.first[static_cast<size_t>(e) + 1];
    for (int64_t row = dispatch.first[static_cast<size_t>(e)]; row < end; row += piece) {
      split.push_back({e, row, std::min(piece, end - row)});
    }
  }
  std::stable_sort(split.begin(), split.end(), [](const ExpertRows& a, const ExpertRows& b) { return a.n > b.n; });
  return split;
}

// Whether the pieces are enough, and small enough for caches, that each thread takes whole ones.
bool PiecePerThread(const PassContext& c, const std::vector<ExpertRows>& split) {
  return static_cast<int64_t>(split.size()) >= 2 * c.pool.threads() && c.config.hidden_size <= kBlockWidth;
}

// f(rows) for all, spread over the threads; or one after the other, and each operation in f is split over the threads.
template <typename F>
void ForExpertRows(const PassContext& c, const std::vector<ExpertRows>& split, const F& f) {
  if (!PiecePerThread(c, split)) {
    for (const ExpertRows& rows : split) f(rows);
  } else {
    c.pool.ParallelFor(static_cast<int64_t>(split.size()), [&](int64_t i, int) { f(split[static_cast<size_t>(i)]); });
  }
}

// All pieces together: gate and up of all experts are one call, so that each weight is read once and
// threads wait for each other once.
void ExpertsForward(const PassContext& c, const LayerParams& p, std::span<const ExpertRows> pieces,
                    LayerActivations& a) {
  const int64_t C = c.config.hidden_size, I = c.config.intermediate_size;
  static thread_local std::vector<MatMulArgs> products;
  const auto expert = [&](const ExpertRows& rows) -> const ExpertParams& {
    return p.experts[static_cast<size_t>(rows.expert)];
  };
  products.clear();
  for (const ExpertRows& rows : pieces) {
    GatherRows(a.dispatch, a.h_mid.data(), rows.first, rows.first + rows.n, C, a.rows.data(), c.pool);
    products.push_back(Product(expert(rows).w1, a.rows, rows.first, rows.n, a.expert_gate));
    products.push_back(Product(expert(rows).w3, a.rows, rows.first, rows.n, a.expert_up));
  }
  MatMul(products, c.pool);
  products.clear();
  for (const ExpertRows& rows : pieces) {
    const int64_t at = rows.first * I;
    SwiGlu(a.expert_gate.data() + at, a.expert_up.data() + at, rows.n * I, a.expert_act.data() + at, c.pool);
    products.push_back(Product(expert(rows).w2, a.expert_act, rows.first, rows.n, a.expert_out));
  }
  MatMul(products, c.pool);
}

void SharedForward(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, LayerActivations& a,
                   float* ffn) {
  const int64_t C = c.config.hidden_size, S = p.shared_gate.packed.outputs();
  const MatMulArgs products[] = {Product(p.shared_gate, a.h_mid, first, n, a.shared_gate),
                                 Product(p.shared_up, a.h_mid, first, n, a.shared_up)};
  MatMul(products, c.pool);
  SwiGlu(a.shared_gate.data() + first * S, a.shared_up.data() + first * S, n * S, a.shared_act.data() + first * S,
         c.pool);
  Apply(p.shared_down, a.shared_act, first, n, a.shared_out, c.pool);
  c.pool.ParallelFor(n, [&](int64_t i, int) {
    const int64_t t = first + i;
    const float mix = Sigmoid(Dot(a.h_mid.data() + t * C, p.shared_coefficient.f32(), C));
    a.shared_mix[static_cast<size_t>(t)] = mix;
    ScaleRow(1.0f - mix, a.moe_out.data() + t * C, C, ffn + t * C);
    AddScaledRow(mix, a.shared_out.data() + t * C, C, ffn + t * C);
  });
}

// dffn -> drouted (the routed experts' part), and dh_mid.
void SharedBackward(const PassContext& c, const LayerParams& p, int64_t first, int64_t n, const LayerActivations& a,
                    const float* dffn, BackwardScratch& s) {
  const int64_t C = c.config.hidden_size, S = p.shared_gate.weight.dim(0);
  c.pool.ParallelFor(n, [&](int64_t i, int) {
    const int64_t t = first + i;
    const float mix = a.shared_mix[static_cast<size_t>(t)];
    ScaleRow(1.0f - mix, dffn + t * C, C, s.drouted.data() + t * C);
    ScaleRow(mix, dffn + t * C, C, s.dshared.data() + t * C);
    const float d = Dot(dffn + t * C, a.shared_out.data() + t * C, C) - Dot(dffn + t * C, a.moe_out.data() + t * C, C);
    s.dmix[static_cast<size_t>(t)] = d * mix * (1.0f - mix);
    AddScaledRow(s.dmix[static_cast<size_t>(t)], p.shared_coefficient.f32(), C, s.dh_mid.data() + t * C);
  });
  GradInput(p.shared_down, s.dshared.data(), first, n, s.dshared_act.data(), false, c.pool);
  SwiGluBackward(s.dshared_act.data() + first * S, a.shared_gate.data() + first * S, a.shared_up.data() + first * S,
                 n * S, s.dshared_gate.data() + first * S, s.dshared_up.data() + first * S, c.pool);
  GradInput(p.shared_gate, s.dshared_gate.data(), first, n, s.dh_mid.data(), true, c.pool);
  GradInput(p.shared_up, s.dshared_up.data(), first, n, s.dh_mid.data(), true, c.pool);
}

void SharedGradWeights(const PassContext& c, const LayerActivations& a, const BackwardScratch& s, LayerParams& g) {
  const int64_t T = c.rows, C = c.config.hidden_size;
  MatMulGradWeight(s.dmix.data(), 1, a.h_mid.data(), C, T, g.shared_coefficient, c.pool);
  GradWeight(s.dshared.data(), a.shared_act.data(), 0, T, g.shared_down, c.pool);
  GradWeight(s.dshared_gate.data(), a.h_mid.data(), 0, T, g.shared_gate, c.pool);
  GradWeight(s.dshared_up.data(), a.h_mid.data(), 0, T, g.shared_up, c.pool);
}

// drows: gradient of the expert's output -> of its input. A block of rows at a time, weight gradients too: they are
// sums in the order of the rows, however these are cut.
void ExpertBackward(const PassContext& c, const LayerParams& p, const ExpertRows& rows, const LayerActivations& a,
                    BackwardScratch& s, LayerParams& g) {
  const int64_t I = c.config.intermediate_size, end = rows.first + rows.n;
  const int64_t block = c.config.hidden_size > kBlockWidth ? rows.n : 2 * kBlockRows;
  const ExpertParams& expert = p.experts[static_cast<size_t>(rows.expert)];
  ExpertParams& ge = g.experts[static_cast<size_t>(rows.expert)];
  for (int64_t first = rows.first; first < end; first += block) {
    const int64_t n = std::min(block, end - first), at = first * I;
    GradWeight(s.drows.data(), a.expert_act.data(), first, n, ge.w2, c.pool);
    GradInput(expert.w2, s.drows.data(), first, n, s.dact.data(), false, c.pool);
    SwiGluBackward(s.dact.data() + at, a.expert_gate.data() + at, a.expert_up.data() + at, n * I, s.dgate.data() + at,
                   s.dup.data() + at, c.pool);
    GradWeight(s.dgate.data(), a.rows.data(), first, n, ge.w1, c.pool);
    GradInput(expert.w1, s.dgate.data(), first, n, s.drows.data(), false, c.pool);
    GradWeight(s.dup.data(), a.rows.data(), first, n, ge.w3, c.pool);
    GradInput(expert.w3, s.dup.data(), first, n, s.drows.data(), true, c.pool);
  }
}

void SizeForward(const PassContext& c, const LayerParams& p, bool lightning, LayerActivations& a) {
  const int64_t T = c.rows, C = c.config.hidden_size, H = c.config.num_attention_heads, HD = c.config.qk_width();
  const int64_t I = c.config.intermediate_size, k = c.config.num_experts_per_tok;
  for (Buffer* buffer : {&a.h, &a.attention_out, &a.x_mid, &a.h_mid, &a.moe_out}) Sized(*buffer, T * C);
  for (Buffer* buffer : {&a.inv_input, &a.inv_mid}) Sized(*buffer, T);
  Sized(a.attention, T * HD);
  if (lightning) {
    for (Buffer* buffer : {&a.qkv_pre, &a.qkv}) Sized(*buffer, T * 3 * HD);
    for (Buffer* buffer : {&a.normed, &a.gate, &a.gated}) Sized(*buffer, T * HD);
    Sized(a.inv_inner, T);
  } else {
    Sized(a.q, T * HD);
    for (Buffer* buffer : {&a.k, &a.v}) Sized(*buffer, T * c.config.kv_width());
    Sized(a.lse, T * H);
  }
  Sized(a.router_logits, T * c.config.num_local_experts);
  Sized(a.weights, T * k);
  if (a.experts.size() < static_cast<size_t>(T * k)) a.experts.resize(static_cast<size_t>(T * k));
  for (Buffer* buffer : {&a.rows, &a.expert_out}) Sized(*buffer, T * k * C);
  for (Buffer* buffer : {&a.expert_gate, &a.expert_up, &a.expert_act}) Sized(*buffer, T * k * I);
  if (!p.shared_coefficient.empty()) {
    for (Buffer* buffer : {&a.shared_gate, &a.shared_up, &a.shared_act}) {
      Sized(*buffer, T * p.shared_gate.packed.outputs());
    }
    Sized(a.shared_out, T * C);
    Sized(a.shared_mix, T);
  }
}

void SizeBackward(const PassContext& c, const LayerParams& p, bool lightning, BackwardScratch& s) {
  const int64_t T = c.rows, C = c.config.hidden_size, HD = c.config.qk_width();
  const int64_t I = c.config.intermediate_size, k = c.config.num_experts_per_tok;
  for (Buffer* buffer : {&s.dbranch, &s.dh_mid, &s.dx_mid, &s.dh}) Sized(*buffer, T * C);
  Sized(s.drows, T * k * C);
  for (Buffer* buffer : {&s.dact, &s.dgate, &s.dup}) Sized(*buffer, T * k * I);
  Sized(s.dweights, T * k);
  Sized(s.dlogits, T * c.config.num_local_experts);
  if (!p.shared_coefficient.empty()) {
    for (Buffer* buffer : {&s.drouted, &s.dshared}) Sized(*buffer, T * C);
    Sized(s.dmix, T);
    for (Buffer* buffer : {&s.dshared_act, &s.dshared_gate, &s.dshared_up}) {
      Sized(*buffer, T * p.shared_gate.weight.dim(0));
    }
  }
  Sized(s.dattention, T * HD);
  if (lightning) {
    for (Buffer* buffer : {&s.dgated, &s.dnormed, &s.doutput_gate}) Sized(*buffer, T * HD);
    for (Buffer* buffer : {&s.dqkv, &s.dqkv_pre}) Sized(*buffer, T * 3 * HD);
  } else {
    Sized(s.dq, T * HD);
    for (Buffer* buffer : {&s.dk, &s.dv}) Sized(*buffer, T * c.config.kv_width());
  }
}

}  // namespace

void LayerForward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                  std::span<const RowSegment> segments, LayerActivations& a, float* out, const Observer* observer) {
  const ModelConfig& config = context.config;
  const int64_t T = context.rows, C = config.hidden_size, E = config.num_local_experts, k = config.num_experts_per_tok;
  const bool lightning = config.IsLightning(layer), shared = !p.shared_coefficient.empty();
  const float eps = static_cast<float>(config.rms_norm_eps);
  const float alpha = lightning ? config.layernorm_linear_attention_alpha : config.layernorm_full_attention_alpha;
  const float beta = lightning ? config.layernorm_linear_attention_beta : config.layernorm_full_attention_beta;
  ThreadPool& pool = context.pool;
  SizeForward(context, p, lightning, a);

  InRowBlocks(context, [&](int64_t first, int64_t n) {
    RmsNorm(a.x.data() + first * C, n, C, p.input_norm.f32(), eps, a.h.data() + first * C, a.inv_input.data() + first,
            pool);
    lightning ? LightningProject(context, p, first, n, a) : SoftmaxProject(context, p, first, n, a);
  });
  lightning ? LightningAttend(context, decay, segments, a) : SoftmaxAttend(context, segments, a);

  const float* residual = config.postnorm ? a.h.data() : a.x.data();
  InRowBlocks(context, [&](int64_t first, int64_t n) {
    const int64_t at = first * C;
    lightning ? LightningOutput(context, p, first, n, a) : Apply(p.o, a.attention, first, n, a.attention_out, pool);
    WeightedSum(alpha, residual + at, beta, a.attention_out.data() + at, n * C, a.x_mid.data() + at, pool);
    RmsNorm(a.x_mid.data() + at, n, C, p.post_norm.f32(), eps, a.h_mid.data() + at, a.inv_mid.data() + first, pool);
    Apply(p.router, a.h_mid, first, n, a.router_logits, pool);
    Route(a.router_logits.data() + first * E, n, E, k, a.experts.data() + first * k, a.weights.data() + first * k,
          pool);
  });
  a.dispatch.Build(a.experts.data(), T, k, E);
  const std::vector<ExpertRows> pieces = SplitByExpert(a.dispatch, 2 * kBlockRows);
  if (PiecePerThread(context, pieces)) {
    ForExpertRows(context, pieces, [&](const ExpertRows& rows) { ExpertsForward(context, p, {&rows, 1}, a); });
  } else {
    ExpertsForward(context, p, pieces, a);
  }

  const float* residual_mid = config.postnorm ? a.h_mid.data() : a.x_mid.data();
  InRowBlocks(context, [&](int64_t first, int64_t n) {
    const int64_t at = first * C;
    CombineRows(a.dispatch, a.expert_out.data(), a.weights.data(), first, first + n, k, C, a.moe_out.data(), pool);
    if (shared) SharedForward(context, p, first, n, a, out);
    const float* ffn = shared ? out : a.moe_out.data();
    WeightedSum(config.layernorm_mlp_alpha, residual_mid + at, config.layernorm_mlp_beta, ffn + at, n * C, out + at,
                pool);
  });

  if (observer == nullptr) return;
  Observe(observer, "attn_out.", layer, a.attention_out.data(), T, C);
  Observe(observer, "router_logits.", layer, a.router_logits.data(), T, E);
  const std::vector<float> experts(a.experts.begin(), a.experts.begin() + T * k);
  Observe(observer, "selected_experts.", layer, experts.data(), T, k);
  Observe(observer, "routing_weights.", layer, a.weights.data(), T, k);
  Observe(observer, "moe_out.", layer, a.moe_out.data(), T, C);
}

void LayerBackward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                   std::span<const DocumentRows> documents, const LayerActivations& a, const float* dout,
                   const AuxLoss& aux, double aux_coef, LayerParams& g, float* dx, BackwardScratch& s) {
  const ModelConfig& config = context.config;
  const int64_t T = context.rows, C = config.hidden_size, E = config.num_local_experts, k = config.num_experts_per_tok;
  const int64_t H = config.num_attention_heads, D = config.head_dim;
  const bool lightning = config.IsLightning(layer), shared = !p.shared_coefficient.empty();
  const float alpha = lightning ? config.layernorm_linear_attention_alpha : config.layernorm_full_attention_alpha;
  const float beta = lightning ? config.layernorm_linear_attention_beta : config.layernorm_full_attention_beta;
  ThreadPool& pool = context.pool;
  SizeBackward(context, p, lightning, s);

  // out = alpha_m r' + beta_m FFN(h'),  r' = h' or x'
  InRowBlocks(context, [&](int64_t first, int64_t n) {
    const int64_t at = first * C;
    WeightedSum(config.layernorm_mlp_beta, dout + at, 0.0f, dout + at, n * C, s.dbranch.data() + at, pool);
    std::fill_n(s.dh_mid.data() + at, n * C, 0.0f);
    if (shared) SharedBackward(context, p, first, n, a, s.dbranch.data(), s);
    CombineRowsBackward(a.dispatch, shared ? s.drouted.data() : s.dbranch.data(), a.expert_out.data(), a.weights.data(),
                        first, first + n, k, C, s.drows.data(), s.dweights.data(), pool);
  });
  if (shared) SharedGradWeights(context, a, s, g);
  ForExpertRows(context, SplitByExpert(a.dispatch, T * k),
                [&](const ExpertRows& rows) { ExpertBackward(context, p, rows, a, s, g); });

  // h' = norm(x'),  x' = alpha_a r + beta_a Attention(h),  r = h or x
  InRowBlocks(context, [&](int64_t first, int64_t n) {
    const int64_t at = first * C;
    GatherRowsBackward(a.dispatch, s.drows.data(), first, first + n, k, C, s.dh_mid.data(), pool);
    float* dlogits = s.dlogits.data() + first * E;
    RouteBackward(s.dweights.data() + first * k, a.weights.data() + first * k, a.experts.data() + first * k, n, E, k,
                  dlogits, pool);
    if (aux_coef != 0) aux.AddGradient(a.router_logits.data() + first * E, n, aux_coef, dlogits, pool);
    GradInput(p.router, s.dlogits.data(), first, n, s.dh_mid.data(), true, pool);
    float* dh_mid = s.dh_mid.data() + at;
    float* dx_mid = s.dx_mid.data() + at;
    if (config.postnorm) AddScaled(config.layernorm_mlp_alpha, dout + at, n * C, dh_mid, pool);
    RmsNormGradInput(dh_mid, a.x_mid.data() + at, a.inv_mid.data() + first, n, C, p.post_norm.f32(), dx_mid, pool);
    if (!config.postnorm) AddScaled(config.layernorm_mlp_alpha, dout + at, n * C, dx_mid, pool);
    WeightedSum(beta, dx_mid, 0.0f, dx_mid, n * C, s.dbranch.data() + at, pool);
    if (lightning) {
      LightningOutputBackward(context, p, first, n, a, s);
    } else {
      GradInput(p.o, s.dbranch.data(), first, n, s.dattention.data(), false, pool);
    }
  });
  GradWeight(s.dlogits.data(), a.h_mid.data(), 0, T, g.router, pool);
  RmsNormGradWeight(s.dh_mid.data(), a.x_mid.data(), a.inv_mid.data(), T, C, g.post_norm.f32(), pool);
  if (lightning) {
    GradWeight(s.dbranch.data(), a.gated.data(), 0, T, g.out, pool);
    GradWeight(s.doutput_gate.data(), a.h.data(), 0, T, g.gate, pool);
    RmsNormGradWeight(s.dnormed.data(), a.attention.data(), a.inv_inner.data(), T, H * D, g.inner_norm.f32(), pool);
    LightningAttentionBackward(a.qkv.data(), s.dattention.data(), documents, H, D, decay, s.dqkv.data(), pool);
  } else {
    GradWeight(s.dbranch.data(), a.attention.data(), 0, T, g.o, pool);
    SoftmaxAttentionBackward({a.q.data(), a.k.data(), a.v.data(), a.attention.data(), a.lse.data(), s.dattention.data(),
                              s.dq.data(), s.dk.data(), s.dv.data()},
                             documents, H, config.num_key_value_heads, D, pool);
  }

  // h = norm(x)
  InRowBlocks(context, [&](int64_t first, int64_t n) {
    const int64_t at = first * C;
    lightning ? LightningProjectBackward(context, p, first, n, a, s) : SoftmaxProjectBackward(context, p, first, n, s);
    float* dh = s.dh.data() + at;
    if (config.postnorm) AddScaled(alpha, s.dx_mid.data() + at, n * C, dh, pool);
    RmsNormGradInput(dh, a.x.data() + at, a.inv_input.data() + first, n, C, p.input_norm.f32(), dx + at, pool);
    if (!config.postnorm) AddScaled(alpha, s.dx_mid.data() + at, n * C, dx + at, pool);
  });
  RmsNormGradWeight(s.dh.data(), a.x.data(), a.inv_input.data(), T, C, g.input_norm.f32(), pool);
  if (lightning) {
    GradWeight(s.dqkv_pre.data(), a.h.data(), 0, T, g.qkv, pool);
  } else {
    GradWeight(s.dq.data(), a.h.data(), 0, T, g.q, pool);
    GradWeight(s.dk.data(), a.h.data(), 0, T, g.k, pool);
    GradWeight(s.dv.data(), a.h.data(), 0, T, g.v, pool);
  }
}

}  // namespace fulgur
