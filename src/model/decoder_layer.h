// One decoder layer: norm, attention, residual, norm, mixture of experts, residual; forward and, beside it, backward.
// Internal to this folder.
#pragma once

#include <span>

#include "model/lightning_block.h"
#include "model/moe_block.h"
#include "model/pass_context.h"
#include "model/softmax_block.h"

namespace fulgur {

// Values of one layer for T rows, kept from forward to backward. Inference uses one object for all layers in turn.
struct LayerActivations {
  MatrixBuffer<> x, h, inv_input;        // layer input [T, C], its norm, 1 / rms [T, 1]
  LightningActivations lightning;        // of one of the two
  SoftmaxActivations softmax;            //
  MatrixBuffer<> attention;              // [T, C] what the attention block gives
  MatrixBuffer<> x_mid, h_mid, inv_mid;  // residual stream between the blocks, its norm, 1 / rms
  MoeActivations moe;
};

// Gradients of the activations of the same names.
struct LayerGradients {
  MatrixBuffer<> dbranch;  // of what a block gives
  MatrixBuffer<> dh_mid, dx_mid, dh;
  LightningGradients lightning;
  SoftmaxGradients softmax;
  MoeGradients moe;
};

// Of one layer: its number and parameters, and the decay if it is a lightning layer.
struct LayerWeights {
  int64_t number;
  const LayerParams& params;
  const LightningDecay& decay;
};

// a.x holds the input; writes the layer's output to out [T, C] (which may not be a.x). Updates the segments' memory.
void LayerForward(const PassContext& c, const LayerWeights& layer, std::span<const RowSegment> segments,
                  LayerActivations& a, MatrixView out, const Observer* observer);

// dout [T, C] -> dx [T, C]; adds to the gradients g. Every segment is a whole document. aux: the sums over all layers
// and rows of the batch; aux_coef its weight.
void LayerBackward(const PassContext& c, const LayerWeights& layer, std::span<const DocumentRows> documents,
                   const LayerActivations& a, ConstMatrixView dout, const AuxLoss& aux, double aux_coef, LayerParams& g,
                   MatrixView dx, LayerGradients& d);

}  // namespace fulgur
