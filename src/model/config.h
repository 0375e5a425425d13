// The architecture of one model, as config.json describes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

enum class AttentionKind { kLightning = 0, kSoftmax = 1 };  // the values in attn_type_list

// Field names are those of MiniMax's published config.json, where it has one.
struct ModelConfig {
  std::string model_type = "minimax_m1";  // or "minimax_text_01" (the same in all but name), or "minimax"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;          // C
  int64_t intermediate_size = 0;    // I, width of an expert
  int64_t num_hidden_layers = 0;    // L
  int64_t num_attention_heads = 0;  // H
  int64_t num_key_value_heads = 0;  // K, softmax layers only
  int64_t head_dim = 0;             // D; H * D need not be hidden_size
  int64_t rotary_dim = 0;           // R <= D, even
  double rope_theta = 10000000;
  double rms_norm_eps = 1e-5;
  int64_t num_local_experts = 0;              // E
  int64_t num_experts_per_tok = 0;            // k
  int64_t shared_intermediate_size = 0;       // > 0: there is a shared expert; its width comes from the tensors
  std::vector<AttentionKind> attn_type_list;  // one per layer
  bool postnorm = false;
  float layernorm_linear_attention_alpha = 1, layernorm_linear_attention_beta = 1;
  float layernorm_full_attention_alpha = 1, layernorm_full_attention_beta = 1;
  float layernorm_mlp_alpha = 1, layernorm_mlp_beta = 1;
  double router_aux_loss_coef = 0.001;
  double initializer_range = 0.02;
  int64_t max_position_embeddings = 0;
  std::vector<int64_t> eos_token_ids;  // from eos_token_id, a number or a list; often absent

  bool IsLightning(int64_t layer) const {
    return attn_type_list[static_cast<size_t>(layer)] == AttentionKind::kLightning;
  }
  int64_t qk_width() const { return num_attention_heads * head_dim; }  // H * D
  int64_t kv_width() const { return num_key_value_heads * head_dim; }  // K * D

  // Understands `minimax_m1`, `minimax_text_01`, and the keys of transformers' own `minimax` (layer_types with
  // "linear_attention"/"full_attention", *_alpha_factor / *_beta_factor, partial_rotary_factor, rope_parameters; its
  // residuals are always post-norm). rotary_dim, where given, wins over partial_rotary_factor; neither means head_dim.
  // Throws Error naming `where`, the key, what was expected and found; unknown keys are ignored, but keys that ask for
  // something this implementation does not do (tied embeddings, a sliding window, scaled rotary angles, quantised
  // weights, another activation) are Errors.
  static ModelConfig FromJson(const Json& json, const std::string& where);
  static ModelConfig FromFile(const std::filesystem::path& path);
  // The keys of this model_type's dialect, with architectures and auto_map so that transformers and vLLM know the
  // model. FromJson reads back the same values.
  Json ToJson() const;
  // Throws Error if the numbers do not make a model. Called by FromJson.
  void Validate(const std::string& where) const;
};

// `total`: all parameters, embedding and LM head included. `active`: those that one token passes through, without
// embedding and LM head, as the report counts them (456B and 45.9B for MiniMax-M1). `embedding`: V * C, which is the
// size of the LM head too. A shared expert counts as intermediate_size wide.
struct ParameterCount {
  int64_t total = 0, active = 0, embedding = 0;
};
ParameterCount CountParameters(const ModelConfig& config);

// Decay slopes of a layer's lightning heads, computed in double: the state decays by exp(-slope) per token.
// For H a power of two slope_h = 2^(-8 (h+1) / H); otherwise, with P the largest power of two below H, the P slopes of
// P heads and then the first H - P of the even-numbered slopes of 2P heads. Layer n of L scales them by 1 - n / (L-1) +
// 1e-5, softmax layers being counted. For model_type "minimax", transformers' own formula: slope_h = 2^(-8 (h+1) / H)
// for every H, scaled by 1 - n / (L-1 + 1e-5) + 1e-5.
std::vector<double> LightningSlopes(const ModelConfig& config, int64_t layer);

}  // namespace fulgur
