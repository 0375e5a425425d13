#include "model/gguf_model.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/params.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr const char* kArchitecture = "minimax-01";
constexpr size_t kBufferBytes = size_t{16} << 20;

// The name of a parameter's tensor; those of all experts of a layer lie in one.
struct Place {
  std::string tensor;
  int64_t expert = -1;
};
Place PlaceOf(const std::string& name) {
  static const std::map<std::string, std::string> kWhole = {{"model.embed_tokens.weight", "token_embd.weight"},
                                                            {"model.norm.weight", "output_norm.weight"},
                                                            {"lm_head.weight", "output.weight"}};
  static const std::map<std::string, std::string> kOfLayer = {
      {"input_layernorm.weight", "attn_norm.weight"},         {"self_attn.qkv_proj.weight", "attn_qkv.weight"},
      {"self_attn.output_gate.weight", "attn_gate.weight"},   {"self_attn.norm.weight", "attn_norm_2.weight"},
      {"self_attn.out_proj.weight", "attn_output.weight"},    {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},           {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"block_sparse_moe.gate.weight", "ffn_gate_inp.weight"}};
  static const std::map<std::string, std::string> kOfExpert = {{"w1.weight", "ffn_gate_exps.weight"},
                                                               {"w2.weight", "ffn_down_exps.weight"},
                                                               {"w3.weight", "ffn_up_exps.weight"}};
  if (const auto whole = kWhole.find(name); whole != kWhole.end()) return {whole->second};
  const std::string layers = "model.layers.", experts = "block_sparse_moe.experts.";
  FULGUR_CHECK(name.starts_with(layers), "{}", name);
  const size_t dot = name.find('.', layers.size());
  const std::string block = "blk." + name.substr(layers.size(), dot - layers.size()) + ".", rest = name.substr(dot + 1);
  if (const auto layer = kOfLayer.find(rest); layer != kOfLayer.end()) return {block + layer->second};
  FULGUR_CHECK(rest.starts_with(experts), "{}", name);
  const size_t end = rest.find('.', experts.size());
  return {block + kOfExpert.at(rest.substr(end + 1)), std::stoll(rest.substr(experts.size(), end - experts.size()))};
}

const Json& Key(const GgufFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw Error("{}: the key {} is missing", file.where(), key);
  return found->second;
}

int64_t Integer(const GgufFile& file, const std::string& key) {
  const Json& value = Key(file, key);
  // Some keys may hold a list with a number for each layer.
  if (!value.is_number_integer() || value.get<double>() > 1e15 || value.get<double>() < 0) {
    throw Error("{}: {} is {}; a whole number from 0 is expected", file.where(), key, GgufValueText(value));
  }
  return value.get<int64_t>();
}

double Number(const GgufFile& file, const std::string& key) {
  const Json& value = Key(file, key);
  if (!value.is_number()) {
    throw Error("{}: {} is {}; a number is expected", file.where(), key, GgufValueText(value));
  }
  return value.get<double>();
}

// A float32 is written as the shortest number that it is the nearest to, so that 1e-5 stays 1e-5.
double Shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

std::vector<AttentionKind> LayerKinds(const GgufFile& file, const std::string& prefix, int64_t layers) {
  std::vector<AttentionKind> kinds(static_cast<size_t>(layers), AttentionKind::kLightning);
  const std::string list_key = prefix + "attention.recurrent_layers", interval_key = prefix + "full_attention_interval";
  if (file.metadata().contains(list_key)) {
    const Json& list = Key(file, list_key);
    if (!list.is_array() || list.size() != kinds.size()) {
      throw Error("{}: {} must be a list of {} members, one a layer", file.where(), list_key, layers);
    }
    for (size_t n = 0; n < kinds.size(); ++n) {
      const bool recurrent = list[n].is_boolean() ? list[n].get<bool>() : list[n] != 0;
      if (!recurrent) kinds[n] = AttentionKind::kSoftmax;
    }
    return kinds;
  }
  const int64_t interval = file.metadata().contains(interval_key) ? Integer(file, interval_key) : 8;
  if (interval < 1) throw Error("{}: {} is {}; it must be at least 1", file.where(), interval_key, interval);
  for (int64_t n = interval - 1; n < layers; n += interval) kinds[static_cast<size_t>(n)] = AttentionKind::kSoftmax;
  return kinds;
}

// The keys of the architecture.
std::vector<std::pair<std::string, Json>> MetadataOf(const ModelConfig& c, GgufType type, const std::string& where) {
  const auto refuse = [&](const char* what) {
    throw Error("{}: {}, which GGUF's {} has no key for", where, what, kArchitecture);
  };
  if (c.shared_intermediate_size > 0) refuse("the model has a shared expert");
  if (!c.postnorm) refuse("postnorm is false");
  if (c.layernorm_linear_attention_beta != 1 || c.layernorm_full_attention_beta != 1 || c.layernorm_mlp_beta != 1) {
    refuse("a layernorm beta is not 1");
  }
  const float alpha = c.layernorm_mlp_alpha;
  if (c.layernorm_linear_attention_alpha != alpha || c.layernorm_full_attention_alpha != alpha) {
    refuse("the layernorm alphas differ");
  }
  const std::string p = std::string(kArchitecture) + ".";
  std::vector<std::pair<std::string, Json>> m = {
      {"general.architecture", kArchitecture},
      {"general.type", "model"},
      {"general.file_type", type == GgufType::kF32   ? 0
                            : type == GgufType::kF16 ? 1
                                                     : 7},  // llama.cpp's numbers
      {"general.quantization_version", 2},
      {p + "vocab_size", c.vocab_size},
      {p + "context_length", c.max_position_embeddings},
      {p + "embedding_length", c.hidden_size},
      {p + "block_count", c.num_hidden_layers},
      {p + "feed_forward_length", c.intermediate_size},
      {p + "attention.head_count", c.num_attention_heads},
      {p + "attention.head_count_kv", c.num_key_value_heads},
      {p + "attention.key_length", c.head_dim},
      {p + "attention.value_length", c.head_dim},
      {p + "attention.layer_norm_rms_epsilon", c.rms_norm_eps},
      {p + "rope.dimension_count", c.rotary_dim},
      {p + "rope.freq_base", c.rope_theta},
      {p + "expert_count", c.num_local_experts},
      {p + "expert_used_count", c.num_experts_per_tok},
      {p + "residual_scale", alpha}};
  // Every n-th layer with softmax attention is one number; any other pattern a list.
  const auto first = std::find(c.attn_type_list.begin(), c.attn_type_list.end(), AttentionKind::kSoftmax);
  const int64_t interval = first - c.attn_type_list.begin() + 1;
  bool regular = true;
  Json recurrent = Json::array();
  for (int64_t n = 0; n < c.num_hidden_layers; ++n) {
    regular = regular && c.IsLightning(n) == ((n + 1) % interval != 0);
    recurrent.push_back(c.IsLightning(n));
  }
  m.emplace_back(regular ? std::pair<std::string, Json>{p + "full_attention_interval", interval}
                         : std::pair<std::string, Json>{p + "attention.recurrent_layers", recurrent});
  return m;
}

}  // namespace

ModelConfig ConfigFromGguf(const GgufFile& file) {
  const Json& architecture = Key(file, "general.architecture");
  if (architecture != kArchitecture) {
    throw Error("{}: general.architecture is {}; only \"{}\" is read", file.where(), GgufValueText(architecture),
                kArchitecture);
  }
  const std::string p = std::string(kArchitecture) + ".";
  ModelConfig c;
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2) {
    throw Error("{}: the matrix token_embd.weight is missing", file.where());
  }
  c.vocab_size = embedding->second.shape[0];
  c.hidden_size = Integer(file, p + "embedding_length");
  c.num_hidden_layers = Integer(file, p + "block_count");
  if (c.num_hidden_layers < 1 || c.num_hidden_layers > 1 << 16) {
    throw Error("{}: {}block_count is {}", file.where(), p, c.num_hidden_layers);
  }
  c.intermediate_size = Integer(file, p + "feed_forward_length");
  c.num_attention_heads = Integer(file, p + "attention.head_count");
  c.num_key_value_heads = Integer(file, p + "attention.head_count_kv");
  c.head_dim = Integer(file, p + "attention.key_length");
  if (file.metadata().contains(p + "attention.value_length") &&
      Integer(file, p + "attention.value_length") != c.head_dim) {
    throw Error("{}: keys and values of different lengths", file.where());
  }
  c.rotary_dim = Integer(file, p + "rope.dimension_count");
  c.rope_theta = Shortest(Number(file, p + "rope.freq_base"));
  c.rms_norm_eps = Shortest(Number(file, p + "attention.layer_norm_rms_epsilon"));
  c.num_local_experts = Integer(file, p + "expert_count");
  c.num_experts_per_tok = Integer(file, p + "expert_used_count");
  c.max_position_embeddings = Integer(file, p + "context_length");
  c.attn_type_list = LayerKinds(file, p, c.num_hidden_layers);
  c.postnorm = true;
  const float alpha = static_cast<float>(Number(file, p + "residual_scale"));
  c.layernorm_linear_attention_alpha = c.layernorm_full_attention_alpha = c.layernorm_mlp_alpha = alpha;
  if (file.metadata().contains("tokenizer.ggml.eos_token_id")) {
    c.eos_token_ids = {Integer(file, "tokenizer.ggml.eos_token_id")};
  }
  c.Validate(file.where());
  return c;
}

std::span<const std::byte> GgufRows::Blocks(int64_t first, int64_t count) const {
  const size_t row_bytes = static_cast<size_t>(shape.back() / GgufBlockValues(type)) * GgufBlockBytes(type);
  return blocks.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes);
}

Tensor GgufRows::Rows(int64_t first, int64_t count) const {
  const std::span<const std::byte> part = Blocks(first, count);
  Shape part_shape = shape;
  if (shape.size() > 1) part_shape[0] = count;
  const auto stored = [&](DType dtype) {
    const bool aligned = reinterpret_cast<uintptr_t>(part.data()) % DTypeSize(dtype) == 0;
    const Tensor view(dtype, part_shape, part.data(), nullptr);
    return aligned ? view : view.Clone();
  };
  if (type == GgufType::kF32) return stored(DType::kF32);
  if (type == GgufType::kF16) return stored(DType::kF16);
  if (type == GgufType::kBF16) return stored(DType::kBF16);
  Tensor values(DType::kF32, part_shape);
  DecodeGgufBlocks(type, part, values.values<float>());
  return values;
}

GgufRows RowsFromGguf(const GgufFile& file, const std::string& name, const Shape& shape) {
  Place place = PlaceOf(name);
  auto found = file.tensors().find(place.tensor);
  if (found == file.tensors().end() && name == "lm_head.weight") {
    place.tensor = "token_embd.weight";
    found = file.tensors().find(place.tensor);
  }
  if (found == file.tensors().end()) throw Error("{}: tensor {} is missing", file.where(), place.tensor);
  const GgufTensor& t = found->second;
  const bool of_many = place.expert >= 0;
  const Shape whole = t.shape, one = of_many && !whole.empty() ? Shape(whole.begin() + 1, whole.end()) : whole;
  if (one != shape || (of_many && place.expert >= whole[0])) {
    throw Error("{}: tensor {} is {}; {}{} is expected", file.where(), place.tensor, ShapeString(whole),
                of_many ? "experts of " : "", ShapeString(shape));
  }
  const size_t bytes = static_cast<size_t>(NumElements(shape) / GgufBlockValues(t.type)) * GgufBlockBytes(t.type);
  const size_t at = of_many ? static_cast<size_t>(place.expert) * bytes : 0;
  return {place.tensor, t.type, shape, t.blocks.subspan(at, bytes)};
}

void WriteGguf(const fs::path& source, const fs::path& out, const GgufOptions& options) {
  const ModelConfig config = ModelConfig::FromFile(source / kConfigFile);
  std::vector<std::pair<std::string, Json>> metadata =
      MetadataOf(config, options.type, (source / kConfigFile).string());
  metadata.insert(metadata.end(), options.metadata.begin(), options.metadata.end());
  Params params = LoadParams(source, config);

  // The tensors of the file, each from one parameter or from those of all experts.
  std::vector<GgufWriter::Entry> entries;
  std::vector<std::vector<Tensor>> parts;
  std::map<std::string, size_t> index;
  VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
    const Tensor* weight = nullptr;
    if constexpr (std::is_same_v<T, Linear>) {
      if (!parameter.packed.empty()) {
        throw Error("{}: the weights are stored as {}: convert the model that they were made from", source.string(),
                    WeightFormatName(parameter.packed.format()));
      }
      weight = &parameter.weight;
    } else {
      weight = &parameter;
    }
    const Place place = PlaceOf(name);
    const auto [at, is_new] = index.emplace(place.tensor, entries.size());
    if (is_new) {
      GgufType type = shape.size() < 2 || IsSmallTensor(name) ? GgufType::kF32 : options.type;
      if (shape.back() % GgufBlockValues(type) != 0) type = GgufType::kF16;
      Shape whole = shape;
      if (place.expert >= 0) whole.insert(whole.begin(), config.num_local_experts);
      entries.push_back({place.tensor, type, whole});
      parts.emplace_back();
    }
    parts[at->second].push_back(*weight);
  });

  int64_t total = 0, written = 0;
  for (const GgufWriter::Entry& e : entries) total += static_cast<int64_t>(e.bytes());
  GgufWriter writer(out, metadata, entries);
  std::vector<float> values;
  std::vector<std::byte> blocks;
  for (size_t i = 0; i < entries.size(); ++i) {
    const GgufType type = entries[i].type;
    for (const Tensor& part : parts[i]) {
      const int64_t width = part.shape().back(), rows = part.size() / width;
      const int64_t at_once = std::max<int64_t>(1, static_cast<int64_t>(kBufferBytes / sizeof(float)) / width);
      for (int64_t row = 0; row < rows; row += at_once) {
        const int64_t count = std::min(at_once, rows - row);
        values.resize(static_cast<size_t>(count * width));
        for (int64_t r = 0; r < count; ++r) {
          float* const to = values.data() + r * width;
          for (int64_t j = 0; j < width; ++j) {
            to[j] = ElementAsFloat(part, (row + r) * width + j);
            if (!(std::abs(to[j]) <= std::numeric_limits<float>::max())) {
              throw Error("{}: tensor {}: an element of row {} is {}; a weight must be finite", source.string(),
                          entries[i].name, row + r, to[j]);
            }
          }
        }
        blocks.resize(values.size() / static_cast<size_t>(GgufBlockValues(type)) * GgufBlockBytes(type));
        EncodeGgufBlocks(type, values, blocks);
        writer.Write(blocks);
        written += static_cast<int64_t>(blocks.size());
        if (options.progress) options.progress(written, total);
      }
    }
  }
  writer.Commit();
}

}  // namespace fulgur
