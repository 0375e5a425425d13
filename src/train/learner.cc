#include "train/learner.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fulgur {
namespace {

std::string Number(double value) { return std::isnan(value) ? "NaN" : fmt::format("{:g}", value); }

// The first NaN or infinity of `values`, or -1.
int64_t FirstNotFinite(const float* values, int64_t count) {
  constexpr int64_t kBlock = 4096;
  constexpr uint32_t kExponent = 0x7f800000;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    uint32_t bad = 0;
    for (int64_t i = begin; i < end; ++i) {
      uint32_t bits;
      std::memcpy(&bits, values + i, sizeof bits);
      bad |= (bits & kExponent) == kExponent;
    }
    if (bad == 0) continue;
    return std::find_if(values + begin, values + end, [](float v) { return !std::isfinite(v); }) - values;
  }
  return -1;
}

}  // namespace

std::string NotFinite::ToString() const { return fmt::format("{}[{}] is {}", tensor, index, Number(value)); }

std::optional<NotFinite> FirstNotFinite(const ModelConfig& config, Params& params, ExecContext& exec) {
  const auto tensors = ListTensors(config, params);
  std::vector<int64_t> first(tensors.size());
  exec.pool().ParallelFor(static_cast<int64_t>(tensors.size()), [&](int64_t i, int) {
    const Tensor& tensor = *tensors[static_cast<size_t>(i)].second;
    first[static_cast<size_t>(i)] = FirstNotFinite(tensor.f32(), tensor.size());
  });
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (first[i] >= 0) return NotFinite{tensors[i].first, first[i], tensors[i].second->f32()[first[i]]};
  }
  return std::nullopt;
}

Learner::Learner(std::unique_ptr<Model> model, const AdamWOptions& options, bool decay_norms)
    : model_(std::move(model)),
      pass_(*model_),
      grads_(ZerosLike(model_->config(), model_->params())),
      optimizer_(model_->config(), model_->params(), options, decay_norms) {}

void Learner::ZeroGradient() { SetZero(config(), grads_, model_->exec()); }

double Learner::Update(const std::string& where, double loss, int64_t number, double lr, double clip) {
  ExecContext& exec = model_->exec();
  const double norm = GlobalNorm(config(), grads_, exec);
  if (!std::isfinite(loss) || !std::isfinite(norm)) {
    std::string cause = "all weights and the gradient are finite";
    if (const auto weight = FirstNotFinite(config(), params(), exec)) {
      cause = "among the weights, " + weight->ToString();
    } else if (const auto gradient = FirstNotFinite(config(), grads_, exec)) {
      cause = "the weights are finite; in the gradient, " + gradient->ToString();
    }
    throw Error("{}: the loss is {} and the gradient's norm {}: {}; a smaller learning rate (here {:g}) may help",
                where, Number(loss), Number(norm), cause, lr);
  }
  ++updates_;
  optimizer_.Step(params(), grads_, number, lr, clip > 0 && norm > clip ? clip / norm : 1.0, exec);
  if (const auto weight = FirstNotFinite(config(), params(), exec)) {
    throw Error("{}: among the weights after it, {}; a smaller learning rate (here {:g}) may help", where,
                weight->ToString(), lr);
  }
  model_->Repack();
  return norm;
}

}  // namespace fulgur
