// The attention block of a lightning layer, each stage's forward beside its backward:
//   project   qkv = silu(W_qkv h),  gate = W_gate h
//   attend    attention = lightning attention over each sequence
//   output    out = W_out (norm(attention) * sigmoid(gate))
// Rows of h [T, C] and out [T, C]. project and output take some rows, attend takes all.
#pragma once

#include <span>

#include "model/pass_context.h"
#include "ops/documents.h"
#include "ops/lightning_attention.h"

namespace fulgur {

struct LightningActivations {
  MatrixBuffer<> qkv_pre, qkv;         // [T, 3HD] before and after SiLU
  MatrixBuffer<> attention, inv_rms;   // [T, HD], and [T, 1] of its norm
  MatrixBuffer<> normed, gate, gated;  // [T, HD]; gate before the sigmoid
  void Resize(const PassContext& c);
};

// Gradients of the activations of the same names.
struct LightningGradients {
  MatrixBuffer<> dgated, dnormed, dgate, dattention, dqkv, dqkv_pre;
  void Resize(const PassContext& c);
};

void LightningProject(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h,
                      LightningActivations& a);
// From dqkv; dh += (LightningOutputBackward has written the gate's part).
void LightningProjectBackward(const PassContext& c, const LayerParams& p, RowRange r, const LightningActivations& a,
                              LightningGradients& d, MatrixView dh);
void LightningProjectGradWeights(const PassContext& c, ConstMatrixView h, const LightningGradients& d, LayerParams& g);

void LightningAttend(const PassContext& c, const LightningDecay& decay, std::span<const RowSegment> segments,
                     LightningActivations& a);
// dattention -> dqkv. Every segment was a whole document.
void LightningAttendBackward(const PassContext& c, const LightningDecay& decay, std::span<const DocumentRows> documents,
                             const LightningActivations& a, LightningGradients& d);

void LightningOutput(const PassContext& c, const LayerParams& p, RowRange r, LightningActivations& a, MatrixView out);
// dout -> dattention, and dh = the gate's part.
void LightningOutputBackward(const PassContext& c, const LayerParams& p, RowRange r, const LightningActivations& a,
                             ConstMatrixView dout, LightningGradients& d, MatrixView dh);
void LightningOutputGradWeights(const PassContext& c, ConstMatrixView h, const LightningActivations& a,
                                ConstMatrixView dout, const LightningGradients& d, LayerParams& g);

}  // namespace fulgur
