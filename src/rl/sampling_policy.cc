#include "rl/sampling_policy.h"

#include <cstring>

#include "base/crc32c.h"
#include "train/optimizer.h"

namespace fulgur {

void SamplingPolicy::Prepare(const std::vector<Params>& past) {
  if (!past.empty()) {
    narrow_.reset();
    old_ = std::make_unique<Model>(learner_.config(), past.front(), learner_.exec(), /*keep_weights=*/true);
  }
  if (!config_.low_precision()) return;
  if (narrow_) {
    narrow_->Refresh();
  } else {
    narrow_ = std::make_unique<RolloutModel>(full(), config_.weights, config_.lm_head);
  }
}

Params CopyWeights(Model& model) {
  Params copy = ZerosLike(model.config(), model.params());
  const auto from = ListTensors(model.config(), model.params()), to = ListTensors(model.config(), copy);
  for (size_t i = 0; i < from.size(); ++i) {
    std::memcpy(to[i].second->raw(), from[i].second->raw(), from[i].second->bytes());
  }
  return copy;
}

std::string WeightsCrc(Model& model) {
  uint32_t crc = 0;
  for (const auto& [name, tensor] : ListTensors(model.config(), model.params())) {
    crc = Crc32c(tensor->raw(), tensor->bytes(), crc);
  }
  return fmt::format("{:08x}", crc);
}

}  // namespace fulgur
