#include "model/model.h"

#include <algorithm>

#include "model/checkpoint.h"

namespace fulgur {

Model::Model(ModelConfig config, Params params, ExecContext& exec, bool keep_weights)
    : config_(std::move(config)),
      params_(std::move(params)),
      exec_(exec),
      rotary_(config_.rotary_dim, config_.rope_theta) {
  for (int64_t n = 0; n < config_.num_hidden_layers; ++n) {
    decay_.emplace_back(config_.IsLightning(n) ? LightningSlopes(config_, n) : std::vector<double>());
  }
  if (keep_weights) {
    ForEachLinear(config_, params_, [](Linear& linear) {
      if (!linear.packed.empty()) {
        throw Error("the weights are stored as {}: train the model that they were made from",
                    WeightFormatName(linear.packed.format()));
      }
    });
  }
  if (keep_weights) {  // trained in place: own float32 copies of whatever is a view or narrower
    ForEachParameter(config_, params_, [](const std::string&, Tensor& t, const Shape&) {
      t = t.ToF32();
      if (!t.writable()) t = t.Clone();
    });
  } else {  // vectors are few: float32, so that kernels see one type
    ForEachParameter(config_, params_, [](const std::string&, Tensor& t, const Shape& shape) {
      if (shape.size() == 1 || shape[0] == 1) t = t.ToF32();
    });
  }
  ForEachLinear(config_, params_, [&](Linear& linear) {
    if (linear.packed.empty()) linear.packed = PackedMatrix(linear.weight, exec_);
    if (!keep_weights) linear.weight = Tensor();
    if (linear.packed.format() == WeightFormat::kF32) return;
    const KvFormat usual = linear.packed.format() == WeightFormat::kBf16 ? KvFormat::kBf16 : KvFormat::kBf16Dot;
    usual_kv_format_ = std::max(usual_kv_format_, usual);
  });
  set_kv_format(KvFormat::kF32);
}

void Model::set_kv_format(KvFormat format) {
  const KvLayout layout(format, config_.num_key_value_heads, config_.head_dim);
  kv_format_ = format;
  kv_blocks_ = std::make_shared<BlockArena>(static_cast<size_t>(layout.block_bytes()));
}

std::unique_ptr<Model> Model::Load(const std::filesystem::path& dir, ExecContext& exec, bool keep_weights) {
  const ModelConfig config = ModelConfig::FromFile(dir / "config.json");
  return std::make_unique<Model>(config, LoadParams(dir, config), exec, keep_weights);
}

void Model::Repack() {
  ForEachLinear(config_, params_, [&](Linear& linear) { linear.packed.Update(linear.weight, exec_); });
}

}  // namespace fulgur
