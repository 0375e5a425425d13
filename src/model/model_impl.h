// What Model::Forward and AddGradient share. Internal to this folder.
#pragma once

#include <memory>
#include <vector>

#include "model/decoder_layer.h"
#include "model/model.h"

namespace fulgur {

struct Model::Impl {
  Rotary rotary;
  std::vector<LightningDecay> decay;  // per layer (unused for softmax layers)
  // Scratch of a pass, kept so that a token costs no allocation.
  LayerActivations activations;
  AlignedVector<float> rotary_table, next, final_rows, final_norm, inv_rms, logits;
  std::vector<int64_t> positions;
  std::vector<RowSegment> segments;
  // Of training: activations of every layer (or inputs only), memory of one layer per document.
  std::vector<LayerActivations> tape;
  std::vector<std::vector<float>> inputs;
  std::vector<SequenceState::Layer> lightning_memory, softmax_memory;
  std::unique_ptr<BlockArena> document_blocks;  // of softmax_memory, float32
  BackwardScratch backward;
  AlignedVector<float> dnorm, dx, dout, dlogits;
  std::vector<float> logprobs;
};

// Throws Error if an id is no row of the embedding; where names the position in the message.
void CheckTokens(const ModelConfig& config, std::span<const int32_t> tokens);
// Embedding rows of the tokens -> out [n, C].
void Embed(const Params& params, std::span<const int32_t> tokens, float* out);

}  // namespace fulgur
