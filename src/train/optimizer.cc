#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fulgur {
namespace {

// Bodies for all tensors, the largest first so that the last ones to finish are small.
void ForEachTensorInParallel(const std::vector<std::pair<std::string, Tensor*>>& tensors, ExecContext& exec,
                             const std::function<void(size_t)>& body) {
  std::vector<size_t> order(tensors.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tensors[a].second->size() > tensors[b].second->size(); });
  exec.pool().ParallelFor(static_cast<int64_t>(order.size()),
                          [&](int64_t i, int) { body(order[static_cast<size_t>(i)]); });
}

}  // namespace

double Schedule::At(int64_t step) const {
  if (step <= warmup_steps) return lr * static_cast<double>(step) / static_cast<double>(warmup_steps);
  const int64_t start = steps - decay_steps;
  if (step <= start) return lr;
  const double u = std::min(1.0, static_cast<double>(step - start) / static_cast<double>(decay_steps));
  double shape = 0;
  switch (decay) {
    case Decay::kCosine:
      shape = 0.5 * (1 + std::cos(3.14159265358979323846 * u));
      break;
    case Decay::kLinear:
      shape = 1 - u;
      break;
    case Decay::kSqrt:
      shape = 1 - std::sqrt(u);
      break;
  }
  return lr * (final_ratio + (1 - final_ratio) * shape);
}

std::vector<std::pair<std::string, Tensor*>> ListTensors(const ModelConfig& config, Params& params) {
  std::vector<std::pair<std::string, Tensor*>> tensors;
  ForEachParameter(config, params,
                   [&](const std::string& name, Tensor& tensor, const Shape&) { tensors.emplace_back(name, &tensor); });
  return tensors;
}

Optimizer::Optimizer(const ModelConfig& config, Params& params, const AdamWOptions& options, bool decay_norms)
    : config_(config),
      options_(options),
      decay_norms_(decay_norms),
      m_(ZerosLike(config, params)),
      v_(ZerosLike(config, params)) {}

void Optimizer::Step(Params& params, Params& grads, int64_t step, double lr, double grad_scale, ExecContext& exec) {
  const auto p = ListTensors(config_, params), m = ListTensors(config_, m_), v = ListTensors(config_, v_),
             g = ListTensors(config_, grads);
  ForEachTensorInParallel(p, exec, [&](size_t i) {
    Tensor& tensor = *p[i].second;
    AdamWOptions options = options_;
    options.lr = lr;
    const bool vector = tensor.shape().size() == 1 || tensor.dim(0) == 1;
    if (vector && !decay_norms_) options.weight_decay = 0;
    AdamWStep(tensor.values<float>(), m[i].second->values<float>(), v[i].second->values<float>(),
              g[i].second->values<float>(), step, options, static_cast<float>(grad_scale), exec);
  });
}

double GlobalNorm(const ModelConfig& config, Params& grads, ExecContext& exec) {
  const auto g = ListTensors(config, grads);
  std::vector<double> squares(g.size());
  ForEachTensorInParallel(g, exec, [&](size_t i) { squares[i] = SumSquares(g[i].second->values<float>(), exec); });
  double sum = 0;
  for (const double s : squares) sum += s;
  return std::sqrt(sum);
}

void SetZero(const ModelConfig& config, Params& grads, ExecContext& exec) {
  const auto g = ListTensors(config, grads);
  ForEachTensorInParallel(g, exec, [&](size_t i) { std::memset(g[i].second->raw(), 0, g[i].second->bytes()); });
}

}  // namespace fulgur
