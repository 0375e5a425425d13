#include "rl/rollout_model.h"

#include <type_traits>
#include <vector>

namespace fulgur {
namespace {

std::vector<Linear*> Linears(const ModelConfig& config, Params& params) {
  std::vector<Linear*> linears;
  VisitParameters(config, params, [&](const std::string&, auto& parameter, const Shape&) {
    if constexpr (std::is_same_v<std::decay_t<decltype(parameter)>, Linear>) linears.push_back(&parameter);
  });
  return linears;
}

}  // namespace

RolloutModel::RolloutModel(Model& trained, WeightFormat weights, WeightFormat lm_head) : trained_(trained) {
  Params params = trained.params();  // handles: vectors and the embedding stay shared
  VisitParameters(trained.config(), params, [&](const std::string& name, auto& parameter, const Shape&) {
    if constexpr (std::is_same_v<std::decay_t<decltype(parameter)>, Linear>) {
      WeightFormat format = weights;
      if (name == "lm_head.weight") format = lm_head;
      if (name.ends_with("block_sparse_moe.gate.weight")) format = WeightFormat::kF32;
      parameter.packed = PackedMatrix(parameter.weight, format, trained.exec());
    }
  });
  model_ = std::make_unique<Model>(trained.config(), std::move(params), trained.exec());
}

void RolloutModel::Refresh() {
  const std::vector<Linear*> from = Linears(trained_.config(), trained_.params());
  const std::vector<Linear*> to = Linears(trained_.config(), model_->params());
  for (size_t i = 0; i < from.size(); ++i) to[i]->packed.Update(from[i]->weight, trained_.exec());
}

}  // namespace fulgur
