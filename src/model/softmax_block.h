// The attention block of a softmax layer, each stage's forward beside its backward:
//   project   q, k = rotary(W_q h), rotary(W_k h),  v = W_v h
//   attend    attention = softmax attention over each sequence
//   output    out = W_o attention
// Rows of h [T, C] and out [T, C]. project and output take some rows, attend takes all.
#pragma once

#include <span>

#include "model/pass_context.h"
#include "ops/documents.h"

namespace fulgur {

struct SoftmaxActivations {
  MatrixBuffer<> q, k, v;         // [T, HD], [T, KD] x 2: q and k after rotary
  MatrixBuffer<> attention, lse;  // [T, HD]; log-sum-exp [T, H]
  void Resize(const PassContext& c);
};

// Gradients of the activations of the same names.
struct SoftmaxGradients {
  MatrixBuffer<> dq, dk, dv, dattention;
  void Resize(const PassContext& c);
};

void SoftmaxProject(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView h, SoftmaxActivations& a);
// From dq, dk, dv, which become those before rotary.
void SoftmaxProjectBackward(const PassContext& c, const LayerParams& p, RowRange r, SoftmaxGradients& d, MatrixView dh);
void SoftmaxProjectGradWeights(const PassContext& c, ConstMatrixView h, const SoftmaxGradients& d, LayerParams& g);

void SoftmaxAttend(const PassContext& c, std::span<const RowSegment> segments, SoftmaxActivations& a);
// dattention -> dq, dk, dv. Every segment was a whole document.
void SoftmaxAttendBackward(const PassContext& c, std::span<const DocumentRows> documents, const SoftmaxActivations& a,
                           SoftmaxGradients& d);

void SoftmaxOutput(const PassContext& c, const LayerParams& p, RowRange r, const SoftmaxActivations& a, MatrixView out);
// dout -> dattention
void SoftmaxOutputBackward(const PassContext& c, const LayerParams& p, RowRange r, ConstMatrixView dout,
                           SoftmaxGradients& d);
void SoftmaxOutputGradWeights(const PassContext& c, const SoftmaxActivations& a, ConstMatrixView dout, LayerParams& g);

}  // namespace fulgur
