// What it costs, in arithmetic, to generate an answer of n tokens: for models of this family and for two others that
// the MiniMax-M1 report compares with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace fulgur {

// A multiply-add is 2 operations. Token t of a sequence (the first is 0) costs
//   per_token + per_pair * (t + 1):
// per_token: 2 for each weight it passes (LM head included, embedding not) and, in lightning layers, 4 HD D for the
// state (read and update) and 4 HD for each token of its block of 64 up to itself, 32.5 on average; per_pair: what
// softmax attention spends on each token it sees, itself included (scores and weighted values).
struct GenerationCost {
  std::string name;
  double parameters = 0;  // all, embedding included
  double active = 0;      // weights that a token passes, without embedding and LM head
  double per_token = 0;
  double per_pair = 0;

  // Of generating `generated` tokens after `prompt` tokens, the prompt not counted.
  double Flops(int64_t prompt, int64_t generated) const;
  // Of the last of them alone.
  double LastTokenFlops(int64_t prompt, int64_t generated) const;
};

GenerationCost CostOfModel(const std::string& name, const ModelConfig& config);

// The same model with softmax attention in every layer.
ModelConfig AllSoftmaxTwin(ModelConfig config);
// Dimensions of MiniMax-M1 as published in its config.json.
ModelConfig MiniMaxM1Dimensions();

// DeepSeek-R1 (dimensions of DeepSeek-V3's config.json; DeepSeek-V2 report, section 2.1, for the attention): 61 layers
// of hidden size 7168, 3 of them dense (18432), else 1 shared and 8 of 256 experts (2048); 128 heads of multi-head
// latent attention with a query rank of 1536, a key-value rank of 512, 128 dimensions without and 64 with rotary angle,
// values of 128.
//   absorbed: attention works on the latent vectors, as serving does in decoding: 2 (512 + 64) + 2 * 512 a head and
//   pair. Otherwise on keys and values as if they were stored expanded: 2 (128 + 64) + 2 * 128.
GenerationCost DeepSeekR1Cost(bool absorbed);

// Qwen3-235B-A22B (config.json): 94 layers of hidden size 4096, 64 heads and 4 kv heads of 128, 8 of 128 experts
// (1536).
GenerationCost Qwen3Cost();

// M1, its all-softmax twin, DeepSeek-R1 both ways, Qwen3.
std::vector<GenerationCost> ComparedModels();

}  // namespace fulgur
