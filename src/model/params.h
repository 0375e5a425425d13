// All parameters of a model, in one struct. Gradients and optimizer moments are further instances of it, walked by the
// same visitor, so that a parameter cannot be forgotten in one of them.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "model/config.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace fulgur {

// A linear map y = x W^T. `weight` [out, in] is as the checkpoint has it (perhaps a view of the mapped file);
// `packed` is what the forward pass multiplies with. Gradients and moments have no `packed`; a model that only infers
// drops `weight` once it is packed, and one of a checkpoint that holds packed weights never has it.
struct Linear {
  Tensor weight;
  PackedMatrix packed;
};

struct ExpertParams {
  Linear w1, w3;  // [I, C]: gate and up
  Linear w2;      // [C, I]: down
};

struct LayerParams {
  Tensor input_norm, post_norm;  // [C]
  // Lightning layers.
  Linear qkv;         // [3HD, C], head-major: per head q, k, v
  Linear gate;        // [HD, C]
  Tensor inner_norm;  // [HD]
  Linear out;         // [C, HD]
  // Softmax layers.
  Linear q, k, v;  // [HD, C], [KD, C], [KD, C]
  Linear o;        // [C, HD]
  // Mixture of experts.
  Linear router;  // [E, C]
  std::vector<ExpertParams> experts;
  // Shared expert, if the config has one. Its width S is that of the tensors.
  Linear shared_gate, shared_up;  // [S, C]
  Linear shared_down;             // [C, S]
  Tensor shared_coefficient;      // [1, C]
};

struct Params {
  Tensor embedding;  // [V, C]
  std::vector<LayerParams> layers;
  Tensor final_norm;  // [C]
  Linear lm_head;     // [V, C]
};

// Calls f(name, parameter, shape) for every parameter in checkpoint order; `parameter` is a Linear& or a Tensor&,
// `name` as published ("model.layers.3.self_attn...."), `shape` as the config demands (for the shared expert,
// intermediate_size wide as the published code makes it; a checkpoint's own width is accepted, see checkpoint.h). Sizes
// `layers` and `experts` to the config first.
template <typename F>
void VisitParameters(const ModelConfig& c, Params& p, F&& f) {
  const int64_t C = c.hidden_size, HD = c.qk_width(), KD = c.kv_width(), I = c.intermediate_size;
  p.layers.resize(static_cast<size_t>(c.num_hidden_layers));
  f("model.embed_tokens.weight", p.embedding, Shape{c.vocab_size, C});
  for (int64_t n = 0; n < c.num_hidden_layers; ++n) {
    LayerParams& l = p.layers[static_cast<size_t>(n)];
    const std::string layer = "model.layers." + std::to_string(n) + ".";
    f(layer + "input_layernorm.weight", l.input_norm, Shape{C});
    if (c.IsLightning(n)) {
      f(layer + "self_attn.qkv_proj.weight", l.qkv, Shape{3 * HD, C});
      f(layer + "self_attn.output_gate.weight", l.gate, Shape{HD, C});
      f(layer + "self_attn.norm.weight", l.inner_norm, Shape{HD});
      f(layer + "self_attn.out_proj.weight", l.out, Shape{C, HD});
    } else {
      f(layer + "self_attn.q_proj.weight", l.q, Shape{HD, C});
      f(layer + "self_attn.k_proj.weight", l.k, Shape{KD, C});
      f(layer + "self_attn.v_proj.weight", l.v, Shape{KD, C});
      f(layer + "self_attn.o_proj.weight", l.o, Shape{C, HD});
    }
    f(layer + "post_attention_layernorm.weight", l.post_norm, Shape{C});
    f(layer + "block_sparse_moe.gate.weight", l.router, Shape{c.num_local_experts, C});
    l.experts.resize(static_cast<size_t>(c.num_local_experts));
    for (int64_t e = 0; e < c.num_local_experts; ++e) {
      ExpertParams& expert = l.experts[static_cast<size_t>(e)];
      const std::string prefix = layer + "block_sparse_moe.experts." + std::to_string(e) + ".";
      f(prefix + "w1.weight", expert.w1, Shape{I, C});
      f(prefix + "w2.weight", expert.w2, Shape{C, I});
      f(prefix + "w3.weight", expert.w3, Shape{I, C});
    }
    if (c.shared_intermediate_size > 0) {
      f(layer + "shared_mlp.gate_proj.weight", l.shared_gate, Shape{I, C});
      f(layer + "shared_mlp.up_proj.weight", l.shared_up, Shape{I, C});
      f(layer + "shared_mlp.down_proj.weight", l.shared_down, Shape{C, I});
      f(layer + "coefficient.weight", l.shared_coefficient, Shape{1, C});
    }
  }
  f("model.norm.weight", p.final_norm, Shape{C});
  f("lm_head.weight", p.lm_head, Shape{c.vocab_size, C});
}

// Calls f(name, tensor, shape) for every parameter, that of a linear map being its `weight`.
// F: void(const std::string& name, Tensor& tensor, const Shape& shape).
template <typename F>
void ForEachParameter(const ModelConfig& c, Params& p, F&& f) {
  VisitParameters(c, p, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
    if constexpr (std::is_same_v<T, Linear>) {
      f(name, parameter.weight, shape);
    } else {
      f(name, parameter, shape);
    }
  });
}

// Calls f(linear) for every linear map that the model has.
template <typename F>
void ForEachLinear(const ModelConfig& c, Params& p, F&& f) {
  VisitParameters(c, p, [&]<typename T>(const std::string&, T& parameter, const Shape&) {
    if constexpr (std::is_same_v<T, Linear>) f(parameter);
  });
}

// Zeros of the shapes of `like`, all F32: gradients, optimizer moments.
Params ZerosLike(const ModelConfig& config, Params& like);

}  // namespace fulgur
