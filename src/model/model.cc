#include "model/model.h"

#include <algorithm>
#include <cstring>

#include "model/checkpoint.h"
#include "model/model_impl.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"

namespace fulgur {

Model::Model(ModelConfig config, Params params, ThreadPool& pool, bool keep_weights)
    : config_(std::move(config)), params_(std::move(params)), pool_(pool), impl_(std::make_unique<Impl>()) {
  impl_->rotary = Rotary(config_.rotary_dim, config_.rope_theta);
  for (int64_t n = 0; n < config_.num_hidden_layers; ++n) {
    impl_->decay.emplace_back(config_.IsLightning(n) ? LightningSlopes(config_, n) : std::vector<double>());
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
    if (linear.packed.empty()) linear.packed = PackedMatrix(linear.weight, pool_);
    if (!keep_weights) linear.weight = Tensor();
    if (linear.packed.format() == WeightFormat::kF32) return;
    const KvFormat usual = linear.packed.format() == WeightFormat::kBf16 ? KvFormat::kBf16 : KvFormat::kBf16Dot;
    usual_kv_format_ = std::max(usual_kv_format_, usual);
  });
  set_kv_format(KvFormat::kF32);
  const KvLayout layout(KvFormat::kF32, config_.num_key_value_heads, config_.head_dim);
  impl_->document_blocks = std::make_unique<BlockArena>(static_cast<size_t>(layout.block_bytes()));
}

void Model::set_kv_format(KvFormat format) {
  const KvLayout layout(format, config_.num_key_value_heads, config_.head_dim);
  kv_format_ = format;
  kv_blocks_ = std::make_shared<BlockArena>(static_cast<size_t>(layout.block_bytes()));
}

Model::~Model() = default;

std::unique_ptr<Model> Model::Load(const std::filesystem::path& dir, ThreadPool& pool, bool keep_weights) {
  const ModelConfig config = ModelConfig::FromFile(dir / "config.json");
  return std::make_unique<Model>(config, LoadParams(dir, config), pool, keep_weights);
}

void Model::Repack() {
  ForEachLinear(config_, params_, [&](Linear& linear) { linear.packed.Update(linear.weight, pool_); });
}

void CheckTokens(const ModelConfig& config, std::span<const int32_t> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= config.vocab_size) {
      throw Error("token {} at position {} is outside the vocabulary of {}", tokens[i], i, config.vocab_size);
    }
  }
}

void Embed(const Params& params, std::span<const int32_t> tokens, float* out) {
  const int64_t C = params.embedding.dim(1);
  for (size_t i = 0; i < tokens.size(); ++i) RowToF32(params.embedding, tokens[i], out + static_cast<int64_t>(i) * C);
}

std::span<const float> Model::Forward(std::span<const Segment> segments, LogitRows rows, const Observer* observer) {
  Impl& m = *impl_;
  const Params& params = params_;
  const int64_t C = config_.hidden_size, V = config_.vocab_size;
  int64_t T = 0;
  for (const Segment& s : segments) {
    CheckTokens(config_, s.tokens);
    T += static_cast<int64_t>(s.tokens.size());
  }
  if (T == 0) return {};

  m.positions.clear();
  m.activations.x.resize(std::max(m.activations.x.size(), static_cast<size_t>(T * C)));
  m.next.resize(m.activations.x.size());
  int64_t row = 0;
  for (const Segment& s : segments) {
    const int64_t n = static_cast<int64_t>(s.tokens.size());
    s.state->Reserve(config_, n);
    Embed(params_, s.tokens, m.activations.x.data() + row * C);
    for (int64_t i = 0; i < n; ++i) m.positions.push_back(s.state->length() + i);
    row += n;
  }
  m.rotary_table.resize(static_cast<size_t>(T * config_.rotary_dim));
  m.rotary.Table(m.positions.data(), T, m.rotary_table.data(), pool_);
  const PassContext context{config_, pool_, m.rotary, m.rotary_table.data(), T};
  if (observer != nullptr) (*observer)("hidden.0", m.activations.x.data(), T, C);

  for (int64_t n = 0; n < config_.num_hidden_layers; ++n) {
    m.segments.clear();
    for (const Segment& s : segments) {
      if (s.tokens.empty()) continue;
      m.segments.push_back(
          {&s.state->layer(n), static_cast<int64_t>(s.tokens.size()), s.state->length(), s.state->chunk_start()});
    }
    LayerForward(context, n, params.layers[static_cast<size_t>(n)], m.decay[static_cast<size_t>(n)], m.segments,
                 m.activations, m.next.data(), observer);
    m.activations.x.swap(m.next);
    if (observer != nullptr) (*observer)(fmt::format("hidden.{}", n + 1), m.activations.x.data(), T, C);
  }
  for (const Segment& s : segments) s.state->Advance(static_cast<int64_t>(s.tokens.size()));
  if (rows == LogitRows::kNone && observer == nullptr) return {};

  // Final norm and LM head, on the rows that are asked for.
  const float* x = m.activations.x.data();
  int64_t count = T;
  if (rows == LogitRows::kLast) {
    count = 0;
    for (const Segment& s : segments) count += s.tokens.empty() ? 0 : s.last;
    m.final_rows.resize(static_cast<size_t>(count * C));
    float* to = m.final_rows.data();
    row = 0;
    for (const Segment& s : segments) {
      if (s.tokens.empty()) continue;
      FULGUR_CHECK(s.last >= 1 && s.last <= static_cast<int64_t>(s.tokens.size()));
      row += static_cast<int64_t>(s.tokens.size());
      to = std::copy_n(x + (row - s.last) * C, s.last * C, to);
    }
    x = m.final_rows.data();
  }
  m.final_norm.resize(std::max(m.final_norm.size(), static_cast<size_t>(count * C)));
  m.inv_rms.resize(std::max(m.inv_rms.size(), static_cast<size_t>(count)));
  RmsNorm(x, count, C, params.final_norm.f32(), static_cast<float>(config_.rms_norm_eps), m.final_norm.data(),
          m.inv_rms.data(), pool_);
  if (observer != nullptr) (*observer)("final_norm", m.final_norm.data(), count, C);
  if (rows == LogitRows::kNone) return {};
  m.logits.resize(std::max(m.logits.size(), static_cast<size_t>(count * V)));
  MatMul(m.final_norm.data(), C, count, params.lm_head.packed, m.logits.data(), V, pool_);
  return {m.logits.data(), static_cast<size_t>(count * V)};
}

}  // namespace fulgur
