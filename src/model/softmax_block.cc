#include "model/softmax_block.h"

#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/softmax_attention.h"

namespace fulgur {

void SoftmaxActivations::Resize(const PassContext& c) {
  for (MatrixBuffer<>* m : {&q, &attention}) m->Resize(c.rows, c.config.qk_width());
  for (MatrixBuffer<>* m : {&k, &v}) m->Resize(c.rows, c.config.kv_width());
  lse.Resize(c.rows, c.config.num_attention_heads);
}

void SoftmaxGradients::Resize(const PassContext& c) {
  for (MatrixBuffer<>* m : {&dq, &dattention}) m->Resize(c.rows, c.config.qk_width());
  for (MatrixBuffer<>* m : {&dk, &dv}) m->Resize(c.rows, c.config.kv_width());
}

void SoftmaxProject(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, SoftmaxActivations& a) {
  const ConstMatrixView table = c.rotary_table.Rows(r);
  const MatMulArgs products[] = {{h.Rows(r), &p.q.packed, a.q.Rows(r)},
                                 {h.Rows(r), &p.k.packed, a.k.Rows(r)},
                                 {h.Rows(r), &p.v.packed, a.v.Rows(r)}};
  MatMul(products, c.exec);
  c.rotary.Apply(table, c.config.num_attention_heads, a.q.Rows(r), c.exec);
  c.rotary.Apply(table, c.config.num_key_value_heads, a.k.Rows(r), c.exec);
}

void SoftmaxProjectBackward(const PassContext& c, const LayerParams& p, RowRange r, SoftmaxGradients& d,
                            MatrixView dh) {
  // q, k = rotary(q), rotary(k)
  const ConstMatrixView table = c.rotary_table.Rows(r);
  c.rotary.ApplyBackward(table, c.config.num_attention_heads, d.dq.Rows(r), c.exec);
  c.rotary.ApplyBackward(table, c.config.num_key_value_heads, d.dk.Rows(r), c.exec);
  // q = W_q h,  k = W_k h,  v = W_v h
  MatMulGradInput(d.dq.Rows(r), p.q.weight, dh.Rows(r), c.exec);
  MatMulGradInput(d.dk.Rows(r), p.k.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
  MatMulGradInput(d.dv.Rows(r), p.v.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
}

void SoftmaxProjectGradWeights(const PassContext& c, ConstMatrixView h, const SoftmaxGradients& d, LayerParams& g) {
  // q = W_q h,  k = W_k h,  v = W_v h
  MatMulGradWeight(d.dq, h, g.q.weight, c.exec);
  MatMulGradWeight(d.dk, h, g.k.weight, c.exec);
  MatMulGradWeight(d.dv, h, g.v.weight, c.exec);
}

void SoftmaxAttend(const PassContext& c, std::span<const RowSegment> segments, SoftmaxActivations& a) {
  InWaves(c, segments, [&](const auto& wave) {
    Scratch scratch(c.exec.scratch());
    int64_t count = 0;
    for (const auto& [s, rows] : wave) count += static_cast<int64_t>(s->memory->blocks.size());
    std::byte** blocks = scratch.Take<std::byte*>(count);
    ScratchList<SoftmaxSegment> pieces(scratch);
    for (const auto& [s, rows] : wave) {
      const std::span<std::byte* const> own(blocks, s->memory->blocks.size());
      for (const auto& block : s->memory->blocks) *blocks++ = block.get();
      pieces.push_back({a.q.Rows(rows), a.k.Rows(rows), a.v.Rows(rows), a.attention.Rows(rows), a.lse.Rows(rows),
                        s->position, own, s->memory->kv_format});
    }
    SoftmaxAttention(pieces, c.config.num_attention_heads, c.config.num_key_value_heads, c.config.head_dim, c.exec);
  });
}

void SoftmaxAttendBackward(const PassContext& c, std::span<const DocumentRows> documents, const SoftmaxActivations& a,
                           SoftmaxGradients& d) {
  // attention, lse = SoftmaxAttention(q, k, v)
  SoftmaxAttentionBackward({a.q, a.k, a.v, a.attention, a.lse, d.dattention, d.dq, d.dk, d.dv}, documents,
                           c.config.num_attention_heads, c.config.num_key_value_heads, c.exec);
}

void SoftmaxOutput(const PassContext& c, const LayerParams& p, RowRange r, const SoftmaxActivations& a,
                   MatrixView out) {
  MatMul(a.attention.Rows(r), p.o.packed, out.Rows(r), c.exec);
}

void SoftmaxOutputBackward(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView dout,
                           SoftmaxGradients& d) {
  // out = W_o attention
  MatMulGradInput(dout.Rows(r), p.o.weight, d.dattention.Rows(r), c.exec);
}

void SoftmaxOutputGradWeights(const PassContext& c, const SoftmaxActivations& a, ConstMatrixView dout, LayerParams& g) {
  // out = W_o attention
  MatMulGradWeight(dout, a.attention, g.o.weight, c.exec);
}

}  // namespace fulgur
