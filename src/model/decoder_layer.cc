#include "model/decoder_layer.h"

#include "ops/elementwise.h"
#include "ops/rms_norm.h"

namespace fulgur {
namespace {

// The residual sums of a layer: stream = alpha * residual + beta * branch.
struct ResidualScales {
  float alpha, beta;          // attention
  float mlp_alpha, mlp_beta;  // mixture of experts
};

ResidualScales ScalesOf(const ModelConfig& c, bool lightning) {
  return {lightning ? c.layernorm_linear_attention_alpha : c.layernorm_full_attention_alpha,
          lightning ? c.layernorm_linear_attention_beta : c.layernorm_full_attention_beta, c.layernorm_mlp_alpha,
          c.layernorm_mlp_beta};
}

void Resize(const PassContext& c, const LayerParams& p, bool lightning, LayerActivations& a) {
  for (MatrixBuffer<>* m : {&a.h, &a.attention, &a.x_mid, &a.h_mid}) m->Resize(c.rows, c.config.hidden_size);
  for (MatrixBuffer<>* m : {&a.inv_input, &a.inv_mid}) m->Resize(c.rows, 1);
  lightning ? a.lightning.Resize(c) : a.softmax.Resize(c);
  a.moe.Resize(c, p);
}

void Resize(const PassContext& c, const LayerParams& p, bool lightning, LayerGradients& d) {
  for (MatrixBuffer<>* m : {&d.dbranch, &d.dh_mid, &d.dx_mid, &d.dh}) m->Resize(c.rows, c.config.hidden_size);
  lightning ? d.lightning.Resize(c) : d.softmax.Resize(c);
  d.moe.Resize(c, p);
}

void Observe(const Observer* observer, const std::string& layer, const LayerActivations& a) {
  if (observer == nullptr) return;
  (*observer)("attn_out." + layer, a.attention);
  (*observer)("router_logits." + layer, a.moe.router_logits);
  const MatrixViewOf<const int32_t> experts = a.moe.experts;
  const std::vector<float> numbers(experts.data, experts.data + experts.rows * experts.cols);
  (*observer)("selected_experts." + layer, ConstMatrixView(numbers.data(), experts.rows, experts.cols));
  (*observer)("routing_weights." + layer, a.moe.weights);
  (*observer)("moe_out." + layer, a.moe.routed);
}

}  // namespace

void LayerForward(const PassContext& c, const LayerWeights& layer, std::span<const RowSegment> segments,
                  LayerActivations& a, MatrixView out, const Observer* observer) {
  const LayerParams& p = layer.params;
  const bool lightning = c.config.IsLightning(layer.number);
  const float eps = static_cast<float>(c.config.rms_norm_eps);
  const ResidualScales scales = ScalesOf(c.config, lightning);
  Resize(c, p, lightning, a);

  InRowBlocks(c, [&](RowRange r) {
    RmsNorm(a.x.Rows(r), p.input_norm.values<float>(), eps, a.h.Rows(r), a.inv_input.Rows(r), c.exec);
    lightning ? LightningProject(c, p, r, a.h, a.lightning) : SoftmaxProject(c, p, r, a.h, a.softmax);
  });
  lightning ? LightningAttend(c, layer.decay, segments, a.lightning) : SoftmaxAttend(c, segments, a.softmax);
  InRowBlocks(c, [&](RowRange r) {
    lightning ? LightningOutput(c, p, r, a.lightning, a.attention) : SoftmaxOutput(c, p, r, a.softmax, a.attention);
    const MatrixView residual = c.config.postnorm ? a.h.Rows(r) : a.x.Rows(r);
    WeightedSum(scales.alpha, residual, scales.beta, a.attention.Rows(r), a.x_mid.Rows(r), c.exec);
    RmsNorm(a.x_mid.Rows(r), p.post_norm.values<float>(), eps, a.h_mid.Rows(r), a.inv_mid.Rows(r), c.exec);
    MoeRoute(c, p, r, a.h_mid, a.moe);
  });
  MoeExperts(c, p, a.h_mid, a.moe);
  InRowBlocks(c, [&](RowRange r) {
    const ConstMatrixView branch = MoeCombine(c, p, r, a.h_mid, a.moe, out);
    const MatrixView residual = c.config.postnorm ? a.h_mid.Rows(r) : a.x_mid.Rows(r);
    WeightedSum(scales.mlp_alpha, residual, scales.mlp_beta, branch.Rows(r), out.Rows(r), c.exec);
  });
  Observe(observer, std::to_string(layer.number), a);
}

void LayerBackward(const PassContext& c, const LayerWeights& layer, std::span<const DocumentRows> documents,
                   const LayerActivations& a, ConstMatrixView dout, const AuxLoss& aux, double aux_coef, LayerParams& g,
                   MatrixView dx, LayerGradients& d) {
  const LayerParams& p = layer.params;
  const bool lightning = c.config.IsLightning(layer.number), postnorm = c.config.postnorm;
  const ResidualScales scales = ScalesOf(c.config, lightning);
  Resize(c, p, lightning, d);

  InRowBlocks(c, [&](RowRange r) {
    // out = mlp_alpha * residual + mlp_beta * moe(h_mid)
    WeightedSum(scales.mlp_beta, dout.Rows(r), 0.0f, dout.Rows(r), d.dbranch.Rows(r), c.exec);
    MoeCombineBackward(c, p, r, a.moe, d.dbranch, d.moe, d.dh_mid);
  });
  MoeExpertsBackward(c, p, a.moe, d.moe, g);
  InRowBlocks(c, [&](RowRange r) {
    MoeRouteBackward(c, p, r, a.moe, aux, aux_coef, d.moe, d.dh_mid);
    // out = mlp_alpha * residual + ..., residual = h_mid or x_mid;  h_mid = norm(x_mid)
    if (postnorm) AddScaled(scales.mlp_alpha, dout.Rows(r), d.dh_mid.Rows(r), c.exec);
    RmsNormGradInput(d.dh_mid.Rows(r), a.x_mid.Rows(r), a.inv_mid.Rows(r), p.post_norm.values<float>(),
                     d.dx_mid.Rows(r), c.exec);
    if (!postnorm) AddScaled(scales.mlp_alpha, dout.Rows(r), d.dx_mid.Rows(r), c.exec);
    // x_mid = alpha * residual + beta * attention(h)
    WeightedSum(scales.beta, d.dx_mid.Rows(r), 0.0f, d.dx_mid.Rows(r), d.dbranch.Rows(r), c.exec);
    lightning ? LightningOutputBackward(c, p, r, a.lightning, d.dbranch, d.lightning, d.dh)
              : SoftmaxOutputBackward(c, p, r, d.dbranch, d.softmax);
  });
  MoeGradWeights(c, a.h_mid, a.moe, d.moe, g);
  RmsNormGradWeight(d.dh_mid, a.x_mid, a.inv_mid, g.post_norm.values<float>(), c.exec);
  if (lightning) {
    LightningOutputGradWeights(c, a.h, a.lightning, d.dbranch, d.lightning, g);
    LightningAttendBackward(c, layer.decay, documents, a.lightning, d.lightning);
  } else {
    SoftmaxOutputGradWeights(c, a.softmax, d.dbranch, g);
    SoftmaxAttendBackward(c, documents, a.softmax, d.softmax);
  }
  InRowBlocks(c, [&](RowRange r) {
    lightning ? LightningProjectBackward(c, p, r, a.lightning, d.lightning, d.dh)
              : SoftmaxProjectBackward(c, p, r, d.softmax, d.dh);
    // x_mid = alpha * residual + ..., residual = h or x;  h = norm(x)
    if (postnorm) AddScaled(scales.alpha, d.dx_mid.Rows(r), d.dh.Rows(r), c.exec);
    RmsNormGradInput(d.dh.Rows(r), a.x.Rows(r), a.inv_input.Rows(r), p.input_norm.values<float>(), dx.Rows(r), c.exec);
    if (!postnorm) AddScaled(scales.alpha, d.dx_mid.Rows(r), dx.Rows(r), c.exec);
  });
  RmsNormGradWeight(d.dh, a.x, a.inv_input, g.input_norm.values<float>(), c.exec);
  lightning ? LightningProjectGradWeights(c, a.h, d.lightning, g) : SoftmaxProjectGradWeights(c, a.h, d.softmax, g);
}

}  // namespace fulgur
