#include "model/lightning_block.h"

#include "ops/activation.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"

namespace fulgur {

namespace {
constexpr float kInnerNormEps = 1e-6f;  // whatever the config's rms_norm_eps says
}

void LightningActivations::Resize(const PassContext& c) {
  const int64_t HD = c.config.qk_width();
  for (MatrixBuffer<>* m : {&qkv_pre, &qkv}) m->Resize(c.rows, 3 * HD);
  for (MatrixBuffer<>* m : {&attention, &normed, &gate, &gated}) m->Resize(c.rows, HD);
  inv_rms.Resize(c.rows, 1);
}

void LightningGradients::Resize(const PassContext& c) {
  const int64_t HD = c.config.qk_width();
  for (MatrixBuffer<>* m : {&dgated, &dnormed, &dgate, &dattention}) m->Resize(c.rows, HD);
  for (MatrixBuffer<>* m : {&dqkv, &dqkv_pre}) m->Resize(c.rows, 3 * HD);
}

void LightningProject(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h,
                      LightningActivations& a) {
  const MatMulArgs products[] = {{h.Rows(r), &p.qkv.packed, a.qkv_pre.Rows(r)},
                                 {h.Rows(r), &p.gate.packed, a.gate.Rows(r)}};
  MatMul(products, c.exec);
  Silu(a.qkv_pre.Rows(r), a.qkv.Rows(r), c.exec);
}

void LightningProjectBackward(const PassContext& c, const LayerParams& p, RowRange r, const LightningActivations& a,
                              LightningGradients& d, MatrixView dh) {
  // qkv = silu(qkv_pre)
  SiluBackward(d.dqkv.Rows(r), a.qkv_pre.Rows(r), d.dqkv_pre.Rows(r), c.exec);
  // qkv_pre = W_qkv h
  MatMulGradInput(d.dqkv_pre.Rows(r), p.qkv.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
}

void LightningProjectGradWeights(const PassContext& c, ConstMatrixView h, const LightningGradients& d, LayerParams& g) {
  // qkv_pre = W_qkv h
  MatMulGradWeight(d.dqkv_pre, h, g.qkv.weight, c.exec);
}

void LightningAttend(const PassContext& c, const LightningDecay& decay, std::span<const RowSegment> segments,
                     LightningActivations& a) {
  InWaves(c, segments, [&](const auto& wave) {
    Scratch scratch(c.exec.scratch());
    ScratchList<LightningSegment> pieces(scratch);
    for (const auto& [s, rows] : wave) {
      SequenceState::Lightning& m = s->memory->lightning;
      pieces.push_back({a.qkv.Rows(rows), a.attention.Rows(rows), s->position, s->chunk_start, m.state.data(),
                        m.k.data(), m.v.data()});
    }
    LightningAttention(pieces, c.config.num_attention_heads, c.config.head_dim, decay, c.exec);
  });
}

void LightningAttendBackward(const PassContext& c, const LightningDecay& decay, std::span<const DocumentRows> documents,
                             const LightningActivations& a, LightningGradients& d) {
  // attention = LightningAttention(qkv)
  LightningAttentionBackward(a.qkv, d.dattention, documents, c.config.num_attention_heads, decay, d.dqkv, c.exec);
}

void LightningOutput(const PassContext& c, const LayerParams& p, RowRange r, LightningActivations& a, MatrixView out) {
  RmsNorm(a.attention.Rows(r), p.inner_norm.values<float>(), kInnerNormEps, a.normed.Rows(r), a.inv_rms.Rows(r),
          c.exec);
  GatedMultiply(a.normed.Rows(r), a.gate.Rows(r), a.gated.Rows(r), c.exec);
  MatMul(a.gated.Rows(r), p.out.packed, out.Rows(r), c.exec);
}

void LightningOutputBackward(const PassContext& c, const LayerParams& p, RowRange r, const LightningActivations& a,
                             ConstMatrixView dout, LightningGradients& d, MatrixView dh) {
  // out = W_out gated
  MatMulGradInput(dout.Rows(r), p.out.weight, d.dgated.Rows(r), c.exec);
  // gated = normed * sigmoid(gate)
  GatedMultiplyBackward(d.dgated.Rows(r), a.normed.Rows(r), a.gate.Rows(r), d.dnormed.Rows(r), d.dgate.Rows(r), c.exec);
  // gate = W_gate h
  MatMulGradInput(d.dgate.Rows(r), p.gate.weight, dh.Rows(r), c.exec);
  // normed = norm(attention)
  RmsNormGradInput(d.dnormed.Rows(r), a.attention.Rows(r), a.inv_rms.Rows(r), p.inner_norm.values<float>(),
                   d.dattention.Rows(r), c.exec);
}

void LightningOutputGradWeights(const PassContext& c, ConstMatrixView h, const LightningActivations& a,
                                ConstMatrixView dout, const LightningGradients& d, LayerParams& g) {
  // out = W_out gated
  MatMulGradWeight(dout, a.gated, g.out.weight, c.exec);
  // gate = W_gate h
  MatMulGradWeight(d.dgate, h, g.gate.weight, c.exec);
  // normed = norm(attention)
  RmsNormGradWeight(d.dnormed, a.attention, a.inv_rms, g.inner_norm.values<float>(), c.exec);
}

}  // namespace fulgur
