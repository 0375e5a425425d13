#include "model/activation_statistics.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "model/pass.h"
#include "ops/matmul.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

constexpr int64_t kEnoughRows = 32;

// What one matrix has seen.
struct Sums {
  std::string name;
  int64_t rows = 0;
  std::vector<double> squares;
};

class Recorder : public MatMulObserver {
 public:
  explicit Recorder(Model& model) {
    VisitParameters(model.config(), model.params(),
                    [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
                      if constexpr (std::is_same_v<T, Linear>) {
                        Sums& sums = sums_[&parameter.packed];
                        sums.name = name;
                        sums.squares.resize(static_cast<size_t>(shape[1]));
                      }
                    });
  }
  void Seen(const MatMulArgs& product) override {
    const std::lock_guard lock(mutex_);
    const auto found = sums_.find(product.w);
    if (found == sums_.end()) return;
    found->second.rows += product.x.rows;
    for (int64_t i = 0; i < product.x.rows; ++i) {
      const float* row = product.x.row(i);
      for (size_t k = 0; k < found->second.squares.size(); ++k) {
        found->second.squares[k] += static_cast<double>(row[k]) * row[k];
      }
    }
  }
  const std::map<const PackedMatrix*, Sums>& sums() const { return sums_; }

 private:
  std::mutex mutex_;
  std::map<const PackedMatrix*, Sums> sums_;
};

// The name without the expert's number: one for all experts of a layer.
std::string WithoutExpert(const std::string& name) {
  const std::string experts = ".experts.";
  const size_t at = name.find(experts);
  if (at == std::string::npos) return name;
  return name.substr(0, at) + name.substr(name.find('.', at + experts.size()));
}

}  // namespace

ActivationStatistics ActivationStatistics::Measure(Model& model, const std::vector<std::vector<int32_t>>& texts,
                                                   const std::function<void(int64_t)>& progress) {
  Recorder recorder(model);
  {
    const MatMulObserver::Scope scope(&recorder);
    Pass pass(model);
    for (size_t i = 0; i < texts.size(); ++i) {
      SequenceState state = model.NewState();
      const Segment segment{&state, texts[i]};
      pass.Forward({&segment, 1}, LogitRows::kNone);
      progress(static_cast<int64_t>(i + 1));
    }
  }
  std::map<std::string, Sums> together;
  for (const auto& [matrix, sums] : recorder.sums()) {
    Sums& all = together[WithoutExpert(sums.name)];
    all.squares.resize(sums.squares.size());
    all.rows += sums.rows;
    for (size_t k = 0; k < sums.squares.size(); ++k) all.squares[k] += sums.squares[k];
  }
  ActivationStatistics statistics;
  for (const auto& [matrix, sums] : recorder.sums()) {
    const Sums& all = together.at(WithoutExpert(sums.name));
    if (all.rows == 0) continue;  // the LM head, without logits
    const auto missing = static_cast<double>(std::max<int64_t>(0, kEnoughRows - sums.rows));
    std::vector<float>& means = statistics.mean_squares[sums.name];
    for (size_t k = 0; k < sums.squares.size(); ++k) {
      const double prior = all.squares[k] / static_cast<double>(all.rows);
      means.push_back(
          static_cast<float>((sums.squares[k] + missing * prior) / (static_cast<double>(sums.rows) + missing)));
    }
  }
  return statistics;
}

void ActivationStatistics::Save(const std::filesystem::path& path) const {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, values] : mean_squares) {
    Tensor t(DType::kF32, {static_cast<int64_t>(values.size())});
    std::copy(values.begin(), values.end(), t.f32());
    tensors.emplace_back(name, std::move(t));
  }
  WriteSafetensors(path, tensors);
}

ActivationStatistics ActivationStatistics::Load(const std::filesystem::path& path) {
  ActivationStatistics statistics;
  for (const auto& [name, tensor] : ReadSafetensors(path)) {
    if (tensor.dtype() != DType::kF32 || tensor.shape().size() != 1) {
      throw Error("{}: tensor \"{}\" is {} {}; statistics of activations are vectors of F32", path.string(), name,
                  DTypeName(tensor.dtype()), ShapeString(tensor.shape()));
    }
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (!(tensor.f32()[i] >= 0) || !std::isfinite(tensor.f32()[i])) {
        throw Error("{}: tensor \"{}\": element [{}] is {}; a mean square is at least 0", path.string(), name, i,
                    tensor.f32()[i]);
      }
    }
    statistics.mean_squares[name].assign(tensor.f32(), tensor.f32() + tensor.size());
  }
  return statistics;
}

uint64_t ActivationStatistics::hash() const {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  const auto add = [&](const void* data, size_t n) {
    for (size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3ull;
  };
  for (const auto& [name, values] : mean_squares) {
    add(name.data(), name.size());
    add(values.data(), values.size() * sizeof(float));
  }
  return hash;
}

}  // namespace fulgur
