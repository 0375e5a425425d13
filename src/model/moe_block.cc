#include "model/moe_block.h"

#include <algorithm>

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/vec.h"

namespace fulgur {
namespace {

bool HasShared(const LayerParams& p) { return !p.shared_coefficient.empty(); }

// Rows of one expert among the rows sorted by expert.
struct ExpertRows {
  int64_t expert;
  RowRange rows;
};

// The experts that have rows, those with the most first, so that threads finish together; in pieces of at most `piece`.
void SplitByExpert(const ExpertDispatch& dispatch, int64_t piece, ScratchList<ExpertRows>& split) {
  for (int64_t e = 0; e + 1 < static_cast<int64_t>(dispatch.first.size()); ++e) {
    const int64_t end = dispatch.first[static_cast<size_t>(e) + 1];
    for (int64_t row = dispatch.first[static_cast<size_t>(e)]; row < end; row += piece) {
      split.push_back({e, {row, std::min(piece, end - row)}});
    }
  }
  std::sort(split.begin(), split.end(), [](const ExpertRows& a, const ExpertRows& b) {
    return a.rows.count != b.rows.count ? a.rows.count > b.rows.count : a.rows.first < b.rows.first;
  });
}

// Whether the pieces are enough, and small enough for caches, that each thread takes whole ones.
bool PiecePerThread(const PassContext& c, const ScratchList<ExpertRows>& split) {
  return split.size() >= 2 * c.exec.pool().threads() && c.config.hidden_size <= kBlockWidth;
}

// All pieces together: gate and up of all experts are one call, so that each weight is read once and threads wait for
// each other once.
void ForwardPieces(const PassContext& c, const LayerParams& p, std::span<const ExpertRows> pieces, ConstMatrixView h,
                   MoeActivations& a) {
  Scratch scratch(c.exec.scratch());
  ScratchList<MatMulArgs> products(scratch);
  for (const auto& [e, r] : pieces) {
    const ExpertParams& expert = p.experts[static_cast<size_t>(e)];
    GatherRows(a.dispatch, h, r, a.rows, c.exec);
    products.push_back({a.rows.Rows(r), &expert.w1.packed, a.gate.Rows(r)});
    products.push_back({a.rows.Rows(r), &expert.w3.packed, a.up.Rows(r)});
  }
  MatMul(products, c.exec);
  products.clear();
  for (const auto& [e, r] : pieces) {
    SwiGlu(a.gate.Rows(r), a.up.Rows(r), a.act.Rows(r), c.exec);
    products.push_back({a.act.Rows(r), &p.experts[static_cast<size_t>(e)].w2.packed, a.expert_out.Rows(r)});
  }
  MatMul(products, c.exec);
}

// A block of rows at a time, weight gradients too: they are sums in the order of the rows, however these are cut.
void BackwardPiece(const PassContext& c, const LayerParams& p, const ExpertRows& piece, const MoeActivations& a,
                   MoeGradients& d, LayerParams& g) {
  const int64_t end = piece.rows.end(), block = c.config.hidden_size > kBlockWidth ? piece.rows.count : 2 * kBlockRows;
  const ExpertParams& expert = p.experts[static_cast<size_t>(piece.expert)];
  ExpertParams& ge = g.experts[static_cast<size_t>(piece.expert)];
  for (int64_t first = piece.rows.first; first < end; first += block) {
    const RowRange r{first, std::min(block, end - first)};
    // expert_out = W2 act
    MatMulGradWeight(d.drows.Rows(r), a.act.Rows(r), ge.w2.weight, c.exec);
    MatMulGradInput(d.drows.Rows(r), expert.w2.weight, d.dact.Rows(r), c.exec);
    // act = silu(gate) * up
    SwiGluBackward(d.dact.Rows(r), a.gate.Rows(r), a.up.Rows(r), d.dgate.Rows(r), d.dup.Rows(r), c.exec);
    // gate = W1 row
    MatMulGradWeight(d.dgate.Rows(r), a.rows.Rows(r), ge.w1.weight, c.exec);
    MatMulGradInput(d.dgate.Rows(r), expert.w1.weight, d.drows.Rows(r), c.exec);
    // up = W3 row
    MatMulGradWeight(d.dup.Rows(r), a.rows.Rows(r), ge.w3.weight, c.exec);
    MatMulGradInput(d.dup.Rows(r), expert.w3.weight, d.drows.Rows(r), c.exec, /*accumulate=*/true);
  }
}

// out = mix * shared(h) + (1 - mix) * routed
void CombineShared(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, MoeActivations& a,
                   MatrixView out) {
  const MatMulArgs products[] = {{h.Rows(r), &p.shared_gate.packed, a.shared_gate.Rows(r)},
                                 {h.Rows(r), &p.shared_up.packed, a.shared_up.Rows(r)}};
  MatMul(products, c.exec);
  SwiGlu(a.shared_gate.Rows(r), a.shared_up.Rows(r), a.shared_act.Rows(r), c.exec);
  MatMul(a.shared_act.Rows(r), p.shared_down.packed, a.shared_out.Rows(r), c.exec);
  const int64_t C = out.cols;
  const MatrixView mixes = a.mix, routed = a.routed, shared_out = a.shared_out;
  c.exec.pool().ParallelFor(r.count, [&](int64_t i, int) {
    const int64_t t = r.first + i;
    const float mix = Sigmoid(Dot(h.row(t), p.shared_coefficient.f32(), C));
    mixes(t, 0) = mix;
    ScaleRow(1.0f - mix, routed.row(t), C, out.row(t));
    AddScaledRow(mix, shared_out.row(t), C, out.row(t));
  });
}

// dout -> drouted; dh +=
void CombineSharedBackward(const PassContext& c, const LayerParams& p, RowRange r, const MoeActivations& a,
                           ConstMatrixView dout, MoeGradients& d, MatrixView dh) {
  const int64_t C = dout.cols;
  const ConstMatrixView mixes = a.mix, routed = a.routed, shared_out = a.shared_out;
  const MatrixView drouted = d.drouted, dshared = d.dshared, dmix = d.dmix;
  c.exec.pool().ParallelFor(r.count, [&](int64_t i, int) {
    const int64_t t = r.first + i;
    const float mix = mixes(t, 0);
    // out = mix * shared_out + (1 - mix) * routed
    ScaleRow(1.0f - mix, dout.row(t), C, drouted.row(t));
    ScaleRow(mix, dout.row(t), C, dshared.row(t));
    // mix = sigmoid(coefficient . h)
    const float by_mix = Dot(dout.row(t), shared_out.row(t), C) - Dot(dout.row(t), routed.row(t), C);
    dmix(t, 0) = by_mix * mix * (1.0f - mix);
    AddScaledRow(dmix(t, 0), p.shared_coefficient.f32(), C, dh.row(t));
  });
  // shared_out = W_down shared_act
  MatMulGradInput(d.dshared.Rows(r), p.shared_down.weight, d.dshared_act.Rows(r), c.exec);
  // shared_act = silu(shared_gate) * shared_up
  SwiGluBackward(d.dshared_act.Rows(r), a.shared_gate.Rows(r), a.shared_up.Rows(r), d.dshared_gate.Rows(r),
                 d.dshared_up.Rows(r), c.exec);
  // shared_gate = W_gate h,  shared_up = W_up h
  MatMulGradInput(d.dshared_gate.Rows(r), p.shared_gate.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
  MatMulGradInput(d.dshared_up.Rows(r), p.shared_up.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
}

}  // namespace

void MoeActivations::Resize(const PassContext& c, const LayerParams& p) {
  const int64_t T = c.rows, C = c.config.hidden_size, I = c.config.intermediate_size, k = c.config.num_experts_per_tok;
  router_logits.Resize(T, c.config.num_local_experts);
  weights.Resize(T, k);
  experts.Resize(T, k);
  for (MatrixBuffer<>* m : {&rows, &expert_out}) m->Resize(T * k, C);
  for (MatrixBuffer<>* m : {&gate, &up, &act}) m->Resize(T * k, I);
  routed.Resize(T, C);
  if (!HasShared(p)) return;
  for (MatrixBuffer<>* m : {&shared_gate, &shared_up, &shared_act}) m->Resize(T, p.shared_gate.packed.outputs());
  shared_out.Resize(T, C);
  mix.Resize(T, 1);
}

void MoeGradients::Resize(const PassContext& c, const LayerParams& p) {
  const int64_t T = c.rows, C = c.config.hidden_size, I = c.config.intermediate_size, k = c.config.num_experts_per_tok;
  dlogits.Resize(T, c.config.num_local_experts);
  dweights.Resize(T, k);
  drows.Resize(T * k, C);
  for (MatrixBuffer<>* m : {&dact, &dgate, &dup}) m->Resize(T * k, I);
  if (!HasShared(p)) return;
  for (MatrixBuffer<>* m : {&drouted, &dshared}) m->Resize(T, C);
  dmix.Resize(T, 1);
  for (MatrixBuffer<>* m : {&dshared_act, &dshared_gate, &dshared_up}) m->Resize(T, p.shared_gate.weight.dim(0));
}

void MoeRoute(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, MoeActivations& a) {
  MatMul(h.Rows(r), p.router.packed, a.router_logits.Rows(r), c.exec);
  Route(a.router_logits.Rows(r), a.experts.Rows(r), a.weights.Rows(r), c.exec);
}

void MoeRouteBackward(const PassContext& c, const LayerParams& p, RowRange r, const MoeActivations& a,
                      const AuxLoss& aux, double aux_coef, MoeGradients& d, MatrixView dh) {
  // rows = h of the tokens that chose the expert
  GatherRowsBackward(a.dispatch, d.drows, r, a.experts.cols(), dh, c.exec);
  // experts, weights = Route(router_logits), and the auxiliary loss of router_logits
  RouteBackward(d.dweights.Rows(r), a.weights.Rows(r), a.experts.Rows(r), d.dlogits.Rows(r), c.exec);
  if (aux_coef != 0) aux.AddGradient(a.router_logits.Rows(r), aux_coef, d.dlogits.Rows(r), c.exec);
  // router_logits = W_router h
  MatMulGradInput(d.dlogits.Rows(r), p.router.weight, dh.Rows(r), c.exec, /*accumulate=*/true);
}

void MoeExperts(const PassContext& c, const LayerParams& p, ConstMatrixView h, MoeActivations& a) {
  a.dispatch.Build(a.experts.view(), c.config.num_local_experts);
  Scratch scratch(c.exec.scratch());
  ScratchList<ExpertRows> pieces(scratch);
  SplitByExpert(a.dispatch, 2 * kBlockRows, pieces);
  if (!PiecePerThread(c, pieces)) return ForwardPieces(c, p, pieces, h, a);
  c.exec.pool().ParallelFor(pieces.size(), [&](int64_t i, int) { ForwardPieces(c, p, {&pieces[i], 1}, h, a); });
}

void MoeExpertsBackward(const PassContext& c, const LayerParams& p, const MoeActivations& a, MoeGradients& d,
                        LayerParams& g) {
  // Whole experts: no two threads add to one weight gradient.
  Scratch scratch(c.exec.scratch());
  ScratchList<ExpertRows> experts(scratch);
  SplitByExpert(a.dispatch, a.rows.rows(), experts);
  if (!PiecePerThread(c, experts)) {
    for (const ExpertRows& expert : experts) BackwardPiece(c, p, expert, a, d, g);
  } else {
    c.exec.pool().ParallelFor(experts.size(), [&](int64_t i, int) { BackwardPiece(c, p, experts[i], a, d, g); });
  }
}

ConstMatrixView MoeCombine(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, MoeActivations& a,
                           MatrixView out) {
  CombineRows(a.dispatch, a.expert_out, a.weights, r, a.routed, c.exec);
  if (!HasShared(p)) return a.routed;
  CombineShared(c, p, r, h, a, out);
  return out;
}

void MoeCombineBackward(const PassContext& c, const LayerParams& p, RowRange r, const MoeActivations& a,
                        ConstMatrixView dout, MoeGradients& d, MatrixView dh) {
  for (int64_t t = r.first; t < r.end(); ++t) std::fill_n(dh.row(t), dh.cols, 0.0f);
  const bool shared = HasShared(p);
  if (shared) CombineSharedBackward(c, p, r, a, dout, d, dh);
  // routed = sum of weights * expert_out
  const ConstMatrixView drouted = shared ? d.drouted : dout;
  CombineRowsBackward(a.dispatch, drouted, a.expert_out, a.weights, r, d.drows, d.dweights, c.exec);
}

void MoeGradWeights(const PassContext& c, ConstMatrixView h, const MoeActivations& a, const MoeGradients& d,
                    LayerParams& g) {
  // router_logits = W_router h
  MatMulGradWeight(d.dlogits, h, g.router.weight, c.exec);
  if (!HasShared(g)) return;
  // mix = sigmoid(coefficient . h)
  MatMulGradWeight(d.dmix, h, g.shared_coefficient, c.exec);
  // shared_out = W_down (silu(W_gate h) * W_up h)
  MatMulGradWeight(d.dshared, a.shared_act, g.shared_down.weight, c.exec);
  MatMulGradWeight(d.dshared_gate, h, g.shared_gate.weight, c.exec);
  MatMulGradWeight(d.dshared_up, h, g.shared_up.weight, c.exec);
}

}  // namespace fulgur
