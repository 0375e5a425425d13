// The mixture of experts of a layer, each stage's forward beside its backward:
//   route     the k experts of each row, and their weights
//   experts   expert_out = W2 (silu(W1 row) * W3 row), rows sorted by expert
//   combine   out = sum over a row's experts of weight * expert_out; with a shared expert
//             mix * shared(h) + (1 - mix) * that sum,  mix = sigmoid(coefficient . h)
// Rows of h [T, C]. route and combine take some rows, experts takes all.
#pragma once

#include "model/pass_context.h"
#include "ops/moe.h"
#include "ops/router.h"

namespace fulgur {

struct MoeActivations {
  MatrixBuffer<> router_logits, weights;           // [T, E], [T, k]
  MatrixBuffer<int32_t> experts;                   // [T, k]
  ExpertDispatch dispatch;                         // where the rows of each expert stand
  MatrixBuffer<> rows, gate, up, act, expert_out;  // [T k, C], [T k, I] x 3, [T k, C]
  MatrixBuffer<> routed;                           // [T, C] the routed experts' sum
  // The shared expert: [T, S] x 3, [T, C], and its share of the result [T, 1].
  MatrixBuffer<> shared_gate, shared_up, shared_act, shared_out, mix;
  void Resize(const PassContext& c, const LayerParams& p);
};

// Gradients of the activations of the same names.
struct MoeGradients {
  MatrixBuffer<> dlogits, dweights, drows, dact, dgate, dup;
  MatrixBuffer<> drouted, dmix, dshared, dshared_act, dshared_gate, dshared_up;
  void Resize(const PassContext& c, const LayerParams& p);
};

void MoeRoute(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, MoeActivations& a);
// From dweights, drows and the auxiliary loss (aux: the sums over all layers and rows of the batch; aux_coef its
// weight): dh += what came through the experts' rows and the router.
void MoeRouteBackward(const PassContext& c, const LayerParams& p, RowRange r, const MoeActivations& a,
                      const AuxLoss& aux, double aux_coef, MoeGradients& d, MatrixView dh);

void MoeExperts(const PassContext& c, const LayerParams& p, ConstMatrixView h, MoeActivations& a);
// drows of the experts' outputs become those of their inputs; adds the experts' weight gradients.
void MoeExpertsBackward(const PassContext& c, const LayerParams& p, const MoeActivations& a, MoeGradients& d,
                        LayerParams& g);

// Returns where the result is: `out`, which is written if there is a shared expert, or the routed experts' sum.
ConstMatrixView MoeCombine(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, MoeActivations& a,
                           MatrixView out);
// dout -> drows of the experts' outputs, dweights, and dh = what came through the shared expert.
void MoeCombineBackward(const PassContext& c, const LayerParams& p, RowRange r, const MoeActivations& a,
                        ConstMatrixView dout, MoeGradients& d, MatrixView dh);

// Of the router and the shared expert.
void MoeGradWeights(const PassContext& c, ConstMatrixView h, const MoeActivations& a, const MoeGradients& d,
                    LayerParams& g);

}  // namespace fulgur
