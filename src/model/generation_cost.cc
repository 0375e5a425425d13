#include "model/generation_cost.h"

#include <algorithm>
#include <cmath>

#include "model/sequence_state.h"

namespace fulgur {

double GenerationCost::Flops(int64_t prompt, int64_t generated) const {
  const auto pairs = [](double tokens) { return tokens * (tokens + 1) / 2; };
  const auto p = static_cast<double>(prompt), n = static_cast<double>(generated);
  return per_token * n + per_pair * (pairs(p + n) - pairs(p));
}

double GenerationCost::LastTokenFlops(int64_t prompt, int64_t generated) const {
  return per_token + per_pair * static_cast<double>(prompt + generated);
}

GenerationCost CostOfModel(const std::string& name, const ModelConfig& config) {
  const ParameterCount count = CountParameters(config);
  const auto width = static_cast<double>(config.qk_width()), head = static_cast<double>(config.head_dim);
  const auto lightning = static_cast<double>(
      std::count(config.attn_type_list.begin(), config.attn_type_list.end(), AttentionKind::kLightning));
  GenerationCost cost;
  cost.name = name;
  cost.parameters = static_cast<double>(count.total);
  cost.active = static_cast<double>(count.active);
  cost.per_token = 2 * (cost.active + static_cast<double>(count.embedding)) +
                   lightning * 4 * width * (head + static_cast<double>(kBlock + 1) / 2);
  cost.per_pair = (static_cast<double>(config.num_hidden_layers) - lightning) * 4 * width;
  return cost;
}

ModelConfig AllSoftmaxTwin(ModelConfig config) {
  std::fill(config.attn_type_list.begin(), config.attn_type_list.end(), AttentionKind::kSoftmax);
  return config;
}

ModelConfig MiniMaxM1Dimensions() {
  ModelConfig c;
  c.vocab_size = 200064;
  c.hidden_size = 6144;
  c.intermediate_size = 9216;
  c.num_hidden_layers = 80;
  c.num_attention_heads = 64;
  c.num_key_value_heads = 8;
  c.head_dim = 128;
  c.rotary_dim = 64;
  c.num_local_experts = 32;
  c.num_experts_per_tok = 2;
  for (int n = 0; n < 80; ++n) {
    c.attn_type_list.push_back(n % 8 == 7 ? AttentionKind::kSoftmax : AttentionKind::kLightning);
  }
  c.postnorm = true;
  c.layernorm_linear_attention_alpha = c.layernorm_full_attention_alpha = c.layernorm_mlp_alpha =
      static_cast<float>(std::pow(2.0 * 80, 0.25));
  c.max_position_embeddings = 10240000;
  c.Validate("MiniMax-M1");
  return c;
}

GenerationCost DeepSeekR1Cost(bool absorbed) {
  constexpr double kLayers = 61, kDense = 3, kHidden = 7168, kHeads = 128, kVocab = 129280;
  constexpr double kQueryRank = 1536, kKvRank = 512, kPlain = 128, kRotary = 64, kValue = 128;
  constexpr double kAttention = kHidden * kQueryRank + kQueryRank * kHeads * (kPlain + kRotary) +  // queries
                                kHidden * (kKvRank + kRotary) +                                    // latent vector
                                kKvRank * kHeads * (kPlain + kValue) +                             // expansion
                                kHeads * kValue * kHidden;                                         // output
  constexpr double kExpert = 3 * kHidden * 2048, kDenseMlp = 3 * kHidden * 18432, kRouter = kHidden * 256;
  GenerationCost cost;
  cost.name = absorbed ? "DeepSeek-R1, latent" : "DeepSeek-R1, expanded";
  const double rest = kLayers * kAttention + kDense * kDenseMlp + (kLayers - kDense) * (kRouter + kExpert);
  cost.active = rest + (kLayers - kDense) * 8 * kExpert;
  cost.parameters = rest + (kLayers - kDense) * 256 * kExpert + 2 * kVocab * kHidden;
  cost.per_token = 2 * (cost.active + kVocab * kHidden);
  cost.per_pair = kLayers * kHeads * 2 * (absorbed ? (kKvRank + kRotary) + kKvRank : (kPlain + kRotary) + kValue);
  return cost;
}

GenerationCost Qwen3Cost() {
  constexpr double kLayers = 94, kHidden = 4096, kHeads = 64, kKvHeads = 4, kHead = 128, kVocab = 151936;
  constexpr double kExpert = 3 * kHidden * 1536;
  constexpr double kAttention = 2 * kHidden * kHead * (kHeads + kKvHeads), kRouter = kHidden * 128;
  GenerationCost cost;
  cost.name = "Qwen3-235B-A22B";
  cost.active = kLayers * (kAttention + kRouter + 8 * kExpert);
  cost.parameters = kLayers * (kAttention + kRouter + 128 * kExpert) + 2 * kVocab * kHidden;
  cost.per_token = 2 * (cost.active + kVocab * kHidden);
  cost.per_pair = kLayers * 4 * kHeads * kHead;
  return cost;
}

std::vector<GenerationCost> ComparedModels() {
  const ModelConfig m1 = MiniMaxM1Dimensions();
  return {CostOfModel("MiniMax-M1", m1), CostOfModel("M1, all softmax", AllSoftmaxTwin(m1)), DeepSeekR1Cost(false),
          DeepSeekR1Cost(true), Qwen3Cost()};
}

}  // namespace fulgur
