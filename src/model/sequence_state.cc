#include "model/sequence_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "ops/lightning_attention.h"
#include "tensor/safetensors.h"

namespace fulgur {

static_assert(kBlock == kLightningChunk && kBlock == kKvBlock);

SequenceState::Layer::Layer(const ModelConfig& config, int64_t n, KvFormat kv_format) : kv_format(kv_format) {
  if (!config.IsLightning(n)) return;
  const size_t H = static_cast<size_t>(config.num_attention_heads), D = static_cast<size_t>(config.head_dim);
  lightning.state.resize(H * D * D);
  lightning.k.resize(H * D * kBlock);
  lightning.v.resize(H * kBlock * D);
}

void SequenceState::Layer::ReserveBlocks(BlockArena& arena, int64_t tokens) {
  while (static_cast<int64_t>(blocks.size()) * kBlock < tokens) blocks.push_back(arena.Allocate());
}

void SequenceState::Layer::CopyFrom(const Layer& other, int64_t tokens, int64_t block_bytes) {
  lightning = other.lightning;
  for (size_t b = 0; static_cast<int64_t>(b) * kBlock < tokens && b < other.blocks.size(); ++b) {
    std::memcpy(blocks[b].get(), other.blocks[b].get(), static_cast<size_t>(block_bytes));
  }
}

SequenceState::SequenceState(const ModelConfig& config, KvFormat kv_format, std::shared_ptr<BlockArena> arena)
    : layout_(kv_format, config.num_key_value_heads, config.head_dim), arena_(std::move(arena)) {
  const size_t block_bytes = static_cast<size_t>(layout_.block_bytes());
  if (arena_ == nullptr) arena_ = std::make_shared<BlockArena>(block_bytes);
  FULGUR_CHECK(arena_->block_bytes() >= block_bytes);
  layers_.reserve(static_cast<size_t>(config.num_hidden_layers));
  for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
    layers_.emplace_back(config, n, kv_format);
    has_lightning_ = has_lightning_ || config.IsLightning(n);
  }
}

size_t SequenceState::bytes() const {
  size_t floats = 0, blocks = 0;
  for (const Layer& l : layers_) {
    floats += l.lightning.state.size() + l.lightning.k.size() + l.lightning.v.size();
    blocks += l.blocks.size();
  }
  return floats * sizeof(float) + blocks * static_cast<size_t>(layout_.block_bytes());
}

bool SequenceState::CanTruncate(int64_t length) const {
  return length >= 0 && length <= length_ && (!has_lightning_ || length >= chunk_start_);
}

void SequenceState::Truncate(int64_t length) {
  if (!CanTruncate(length)) {
    throw Error(
        "cannot go back from {} to {} tokens: the lightning state has taken in the first {}; restore a snapshot",
        length_, length, chunk_start_);
  }
  length_ = length;
  if (chunk_start_ > length) chunk_start_ = std::max<int64_t>(length - 1, 0) / kBlock * kBlock;
  const size_t blocks = static_cast<size_t>((length + kBlock - 1) / kBlock);
  for (Layer& l : layers_) {
    if (l.blocks.size() > blocks) l.blocks.resize(blocks);
  }
}

void SequenceState::OwnBlock(Layer& l, size_t block) {
  std::shared_ptr<std::byte> copy = arena_->Allocate();
  std::memcpy(copy.get(), l.blocks[block].get(), static_cast<size_t>(layout_.block_bytes()));
  l.blocks[block] = std::move(copy);
}

void SequenceState::Reserve(const ModelConfig& config, int64_t count) {
  if (count == 0) return;
  for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
    if (config.IsLightning(n)) continue;
    Layer& l = layer(n);
    // The block that will be written to may be shared with a fork.
    const size_t own = static_cast<size_t>(length_ / kBlock);
    if (own < l.blocks.size() && l.blocks[own].use_count() > 1) OwnBlock(l, own);
    l.ReserveBlocks(*arena_, length_ + count);
  }
}

void SequenceState::Advance(int64_t count) {
  if (count == 0) return;
  length_ += count;
  chunk_start_ = std::max(chunk_start_, (length_ - 1) / kBlock * kBlock);
}

SequenceState::Blocks SequenceState::TakeFullBlocks() {
  Blocks taken;
  const size_t full = static_cast<size_t>(chunk_start_ / kBlock);
  for (size_t b = 0; b < full; ++b) {
    for (Layer& l : layers_) {
      if (!l.blocks.empty()) taken.push_back(std::move(l.blocks[b]));
    }
  }
  for (Layer& l : layers_) {
    if (!l.blocks.empty()) l.blocks.erase(l.blocks.begin(), l.blocks.begin() + static_cast<std::ptrdiff_t>(full));
  }
  return taken;
}

void SequenceState::PutFullBlocks(const Blocks& blocks) {
  const size_t full = static_cast<size_t>(chunk_start_ / kBlock);
  if (full == 0) return;
  const size_t layers = blocks.size() / full;  // that have KV blocks
  FULGUR_CHECK(blocks.size() == layers * full, "{} blocks for {} positions", blocks.size(), full);
  size_t index = 0;
  for (Layer& l : layers_) {
    if (!l.lightning.state.empty()) continue;
    Blocks all;
    all.reserve(full + l.blocks.size());
    for (size_t b = 0; b < full; ++b) all.push_back(blocks[b * layers + index]);
    all.insert(all.end(), l.blocks.begin(), l.blocks.end());
    l.blocks = std::move(all);
    ++index;
  }
  FULGUR_CHECK(index == layers);
}

void SequenceState::OwnLastBlocks() {
  const size_t full = static_cast<size_t>(chunk_start_ / kBlock);
  for (Layer& l : layers_) {
    for (size_t b = full; b < l.blocks.size(); ++b) {
      if (l.blocks[b].use_count() > 1) OwnBlock(l, b);
    }
  }
}

Tensor SequenceState::LightningState(const ModelConfig& config, int64_t n) const {
  const int64_t H = config.num_attention_heads, D = config.head_dim, rows = length_ - chunk_start_;
  const std::vector<double> slopes = LightningSlopes(config, n);
  Tensor out(DType::kF32, {H, D, D});
  const Lightning& m = layer(n).lightning;
  for (int64_t h = 0; h < H; ++h) {
    const double s = slopes[static_cast<size_t>(h)];
    for (int64_t x = 0; x < D; ++x) {
      for (int64_t y = 0; y < D; ++y) {
        double sum = std::exp(-s * static_cast<double>(rows)) * m.state[static_cast<size_t>((h * D + x) * D + y)];
        for (int64_t j = 0; j < rows; ++j) {
          sum += std::exp(-s * static_cast<double>(rows - 1 - j)) *
                 static_cast<double>(m.k[static_cast<size_t>((h * D + x) * kBlock + j)]) *
                 m.v[static_cast<size_t>((h * kBlock + j) * D + y)];
        }
        out.f32()[(h * D + x) * D + y] = static_cast<float>(sum);
      }
    }
  }
  return out;
}

namespace {

constexpr const char* kFormatName = "fulgur sequence state";
constexpr const char* kLayoutVersion = "1";  // of KvLayout: files hold blocks as they lie in memory

// The tensor `name` of a saved state, checked against the model.
const Tensor& Saved(const TensorMap& tensors, const std::string& name, DType dtype, const Shape& shape,
                    const std::filesystem::path& path) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Error("{}: the tensor {} is missing: not a state of this model", path.string(), name);
  if (it->second.shape() != shape || it->second.dtype() != dtype) {
    throw Error("{}: {} is {} {}, this model's states have {} {}", path.string(), name, DTypeName(it->second.dtype()),
                ShapeString(it->second.shape()), DTypeName(dtype), ShapeString(shape));
  }
  return it->second;
}

}  // namespace

void SequenceState::Save(const ModelConfig& config, const std::filesystem::path& path) const {
  const int64_t H = config.num_attention_heads, D = config.head_dim;
  std::vector<SafetensorsWriter::Entry> entries = {{"counters", DType::kI64, {2}}};
  for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
    const std::string prefix = fmt::format("layers.{}.", n);
    if (config.IsLightning(n)) {
      entries.push_back({prefix + "state", DType::kF32, {H, D, D}});
      entries.push_back({prefix + "chunk_k", DType::kF32, {H, D, kBlock}});
      entries.push_back({prefix + "chunk_v", DType::kF32, {H, kBlock, D}});
    } else {
      const int64_t count = static_cast<int64_t>(layer(n).blocks.size());
      entries.push_back({prefix + "kv", DType::kU8, {count, layout_.block_bytes()}});
    }
  }
  SafetensorsWriter writer(
      path, entries, {{"format", kFormatName}, {"kv_cache", KvFormatName(kv_format())}, {"kv_layout", kLayoutVersion}});
  const int64_t counters[] = {length_, chunk_start_};
  writer.Write(counters, sizeof counters);
  for (const Layer& l : layers_) {
    for (const std::vector<float>* values : {&l.lightning.state, &l.lightning.k, &l.lightning.v}) {
      writer.Write(values->data(), values->size() * sizeof(float));
    }
    for (const auto& block : l.blocks) writer.Write(block.get(), static_cast<size_t>(layout_.block_bytes()));
  }
  writer.Commit();
}

SequenceState SequenceState::Load(const std::filesystem::path& path, const ModelConfig& config) {
  const int64_t H = config.num_attention_heads, D = config.head_dim;
  Metadata metadata;
  const TensorMap tensors = ReadSafetensors(path, &metadata);
  const auto counters = tensors.find("counters");
  if (metadata["format"] != kFormatName || counters == tensors.end() || counters->second.dtype() != DType::kI64 ||
      counters->second.shape() != Shape{2}) {
    throw Error(
        "{}: not a sequence state: \"format\" in its metadata is \"{}\", and it must have an I64 tensor "
        "\"counters\" of shape [2]",
        path.string(), metadata["format"]);
  }
  const std::optional<KvFormat> format = KvFormatFromName(metadata["kv_cache"]);
  if (!format || metadata["kv_layout"] != kLayoutVersion) {
    throw Error("{}: a KV cache \"{}\" in layout \"{}\"; expected f32, bf16, bf16-dot or int8 in layout {}",
                path.string(), metadata["kv_cache"], metadata["kv_layout"], kLayoutVersion);
  }
  SequenceState state(config, *format);
  state.length_ = counters->second.values<int64_t>()[0];
  state.chunk_start_ = counters->second.values<int64_t>()[1];
  if (state.length_ < 0 || state.length_ > int64_t{1} << 40 || state.chunk_start_ < 0 ||
      state.chunk_start_ % kBlock != 0 || state.chunk_start_ > state.length_ ||
      state.length_ - state.chunk_start_ > kBlock) {
    throw Error("{}: counters [{}, {}] do not describe a sequence", path.string(), state.length_, state.chunk_start_);
  }
  const int64_t count = (state.length_ + kBlock - 1) / kBlock, size = state.layout_.block_bytes();
  for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
    const std::string prefix = fmt::format("layers.{}.", n);
    const auto read = [&](const char* name, const Shape& shape, std::vector<float>& into) {
      const auto values = Saved(tensors, prefix + name, DType::kF32, shape, path).values<float>();
      into.assign(values.begin(), values.end());
    };
    Layer& l = state.layer(n);
    if (config.IsLightning(n)) {
      read("state", {H, D, D}, l.lightning.state);
      read("chunk_k", {H, D, kBlock}, l.lightning.k);
      read("chunk_v", {H, kBlock, D}, l.lightning.v);
    } else {
      const Tensor* kv = &Saved(tensors, prefix + "kv", DType::kU8, {count, size}, path);
      l.ReserveBlocks(*state.arena_, state.length_);
      for (int64_t b = 0; b < count; ++b) {
        std::memcpy(l.blocks[static_cast<size_t>(b)].get(), kv->raw() + b * size, static_cast<size_t>(size));
      }
    }
  }
  return state;
}

}  // namespace fulgur
