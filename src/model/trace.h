// A forward pass, or a gradient, with every named value written down: what `fulgur debug forward` and `debug grad`
// print, and what reference data is compared with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/model.h"

namespace fulgur {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct TraceOptions {
  int64_t chunk = 0;          // tokens per pass; 0: the whole prompt at once, 1: token by token
  int64_t greedy_steps = 32;  // tokens to continue by argmax (lowest id on ties); 0: none
};

// input_ids [B, S] I64. Returns, with B = batch, S = length: input_ids, logits [B, S, V], hidden.0 .. hidden.L [B, S,
// C] (n + 1 after layer n), final_norm [B, S, C], attn_out.N and moe_out.N [B, S, C], router_logits.N [B S, E],
// selected_experts.N [B S, k] I64, routing_weights.N [B S, k], kv_state.N [B, H, D, D] of lightning layers after the
// prompt, k_cache.N and v_cache.N [B, S, K, D] of softmax layers, and greedy_ids [B, n], greedy_logits [B, n, V],
// greedy_ids_full [B, n] (the same by recomputing the whole sequence for every token). The same bits whatever the
// chunk.
NamedTensors TraceForward(Model& model, const Tensor& input_ids, const TraceOptions& options);

// input_ids, labels [B, S] I64: label t is the token at t, predicted from t - 1; -100 does not count. Returns loss,
// ce_loss, aux_loss (F32 [1], the auxiliary loss weighted with the config's router_aux_loss_coef in `loss`) and the
// gradient of the loss for every parameter under the parameter's name. The model must hold its weights.
NamedTensors TraceGradient(Model& model, const Tensor& input_ids, const Tensor& labels, bool recompute = true);

}  // namespace fulgur
