// One decoder layer: attention and mixture of experts, forward and, beside it, backward.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "model/config.h"
#include "model/model.h"
#include "model/params.h"
#include "model/sequence_state.h"
#include "ops/lightning_attention.h"
#include "ops/moe.h"
#include "ops/rotary.h"
#include "ops/router.h"

namespace fulgur {

// Values of one layer for T rows, kept from forward to backward. Inference uses one object for all layers in turn.
struct LayerActivations {
  using Buffer = AlignedVector<float>;
  Buffer x, h, inv_input;  // layer input [T, C], its norm [T, C], 1 / rms [T]
  // Lightning: before and after SiLU [T, 3HD]; attention, its norm, gate before the sigmoid, gated [T, HD].
  Buffer qkv_pre, qkv, attention, inv_inner, normed, gate, gated;
  // Softmax: q [T, HD], k, v [T, KD] (q, k after rotary); `attention` as above; log-sum-exp [T, H].
  Buffer q, k, v, lse;
  Buffer attention_out;           // [T, C] after the output projection
  Buffer x_mid, h_mid, inv_mid;   // residual stream between the sub-blocks, its norm
  Buffer router_logits, weights;  // [T, E], [T, k]
  std::vector<int32_t> experts;   // [T, k]
  ExpertDispatch dispatch;
  Buffer rows, expert_gate, expert_up, expert_act, expert_out;  // [T k, C], [T k, I] x 3, [T k, C]
  Buffer shared_gate, shared_up, shared_act, shared_out,
      shared_mix;  // [T, S] x 3, [T, C], [T] share of the shared expert
  Buffer moe_out;  // [T, C] routed experts only
};

// T rows as pieces of sequences. `memory` belongs to the layer at hand.
struct RowSegment {
  SequenceState::Layer* memory;
  int64_t rows;
  int64_t position;     // tokens of the sequence before these rows
  int64_t chunk_start;  // as LightningSegment's
  // An earlier segment of the pass that this one continues (position: its rows), or -1: `memory` becomes a copy of that
  // one's before these rows are added. The earlier one begins at position 0 and continues none.
  int64_t prefix = -1;
};

// What all layers share in one pass.
struct PassContext {
  const ModelConfig& config;
  ThreadPool& pool;
  const Rotary& rotary;
  const float* rotary_table;  // [T, R] for the rows' positions
  int64_t rows;               // T
};

// a.x holds the input; writes the layer's output to out [T, C] (which may not be a.x). Updates the segments' memory.
void LayerForward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                  std::span<const RowSegment> segments, LayerActivations& a, float* out, const Observer* observer);

// dout [T, C] -> dx [T, C]; adds to the gradients g. Every segment is a whole document. aux: the sums over all layers
// and rows of the batch; aux_coef its weight.
struct BackwardScratch {
  using Buffer = LayerActivations::Buffer;
  Buffer dbranch, dh_mid, dx_mid, dh;                 // [T, C]: of a sub-block's output; h', x', h
  Buffer drows, dact, dgate, dup, dweights, dlogits;  // routed experts: [T k, C], [T k, I] x 3, [T, k], [T, E]
  Buffer drouted, dshared, dmix, dshared_act, dshared_gate, dshared_up;  // [T, C] x 2, [T], [T, S] x 3
  Buffer dgated, dnormed, doutput_gate, dattention, dqkv, dqkv_pre;      // lightning: [T, HD] x 4, [T, 3HD] x 2
  Buffer dq, dk, dv;                                                     // softmax: [T, HD], [T, KD] x 2
};
void LayerBackward(const PassContext& context, int64_t layer, const LayerParams& p, const LightningDecay& decay,
                   std::span<const DocumentRows> documents, const LayerActivations& a, const float* dout,
                   const AuxLoss& aux, double aux_coef, LayerParams& g, float* dx, BackwardScratch& scratch);

}  // namespace fulgur
