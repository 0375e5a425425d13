#include "model/config.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fulgur {
namespace {

// The three dialects, and other spellings of them that are in circulation.
std::string ModelType(const Json& json, const std::string& where) {
  const std::string type = JsonGetOr<std::string>(json, "model_type", "minimax_m1", where);
  if (type == "minimax_m1" || type == "MiniMaxM1") return "minimax_m1";
  if (type == "minimax_text_01" || type == "MiniMaxText01") return "minimax_text_01";
  if (type == "minimax") return type;
  throw Error("{}: unsupported model_type \"{}\"; expected minimax_m1, minimax_text_01 or minimax", where, type);
}

// Of two spellings of a key, the one that is there (and not null).
const char* Spelling(const Json& json, const char* first, const char* second) {
  const auto present = [&](const char* key) { return json.contains(key) && !json[key].is_null(); };
  return !present(first) && present(second) ? second : first;
}

std::vector<AttentionKind> LayerKinds(const Json& json, bool transformers, int64_t layers, const std::string& where) {
  const char* key =
      transformers ? Spelling(json, "layer_types", "attn_type_list") : Spelling(json, "attn_type_list", "layer_types");
  std::vector<AttentionKind> kinds;
  if (transformers && (!json.contains(key) || json[key].is_null())) {  // transformers' default: alternating
    for (int64_t n = 0; n < layers; ++n)
      kinds.push_back(n % 2 == 0 ? AttentionKind::kSoftmax : AttentionKind::kLightning);
    return kinds;
  }
  if (!json.contains(key)) throw Error("{}: the key \"{}\" is missing", where, key);
  if (!json[key].is_array()) throw Error("{}: the key \"{}\" must be a list with one entry per layer", where, key);
  for (const Json& kind : json[key]) {
    if (kind == 0 || kind == "linear_attention") {
      kinds.push_back(AttentionKind::kLightning);
    } else if (kind == 1 || kind == "full_attention") {
      kinds.push_back(AttentionKind::kSoftmax);
    } else {
      throw Error(
          "{}: {}[{}] must be 0 or \"linear_attention\" (lightning), or 1 or \"full_attention\" (softmax), found {}",
          where, key, kinds.size(), kind.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80));
    }
  }
  return kinds;
}

// What the model would need and this implementation does not have must not be ignored.
void RejectUnsupported(const Json& json, const std::string& where) {
  const std::string act = JsonGetOr<std::string>(json, "hidden_act", "silu", where);
  if (act != "silu" && act != "swish") throw Error("{}: hidden_act must be \"silu\", found \"{}\"", where, act);
  if (json.contains("sliding_window") && !json["sliding_window"].is_null()) {
    throw Error("{}: sliding_window must be null: softmax layers attend to the whole context", where);
  }
  if (JsonGetOr<bool>(json, "tie_word_embeddings", false, where)) {
    throw Error("{}: tie_word_embeddings must be false: the LM head is a matrix of its own", where);
  }
  if (json.contains("quantization_config") && !json["quantization_config"].is_null()) {
    const Json& quantization = json["quantization_config"];
    if (!quantization.is_object() || quantization.value("quant_method", Json()) != "fulgur") {
      throw Error(
          "{}: this quantization_config is not supported: the weights must be F32, F16 or BF16, or written by "
          "`fulgur quantize`",
          where);
    }
  }
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.contains(key) || json[key].is_null()) continue;
    if (!json[key].is_object()) throw Error("{}: {} must be null or an object", where, key);
    const std::string type =
        JsonGetOr<std::string>(json[key], Spelling(json[key], "rope_type", "type"), "default", where + ": " + key);
    if (type != "default") throw Error("{}: {} must be of type \"default\", found \"{}\"", where, key, type);
  }
}

// A float key, from a double that float can hold.
float Factor(const Json& json, const char* published, const char* transformers, const std::string& where) {
  const char* key = Spelling(json, published, transformers);
  const double value = JsonGetOr<double>(json, key, 1, where);
  if (!(std::abs(value) <= 1e30)) throw Error("{}: {} must be a number of ordinary size, found {}", where, key, value);
  return static_cast<float>(value);
}

// The shortest decimal that reads back as this float.
double Shortest(float x) { return std::stod(fmt::format("{}", x)); }

}  // namespace

ModelConfig ModelConfig::FromJson(const Json& json, const std::string& where) {
  if (!json.is_object()) throw Error("{}: expected a JSON object", where);
  ModelConfig c;
  c.model_type = ModelType(json, where);
  const bool transformers = c.model_type == "minimax";
  RejectUnsupported(json, where);

  c.vocab_size = JsonGet<int64_t>(json, "vocab_size", where);
  c.hidden_size = JsonGet<int64_t>(json, "hidden_size", where);
  c.intermediate_size = JsonGet<int64_t>(json, "intermediate_size", where);
  c.num_hidden_layers = JsonGet<int64_t>(json, "num_hidden_layers", where);
  c.num_attention_heads = JsonGet<int64_t>(json, "num_attention_heads", where);
  if (c.num_attention_heads < 1) throw Error("{}: num_attention_heads must be positive", where);
  c.num_key_value_heads = JsonGetOr<int64_t>(json, "num_key_value_heads", c.num_attention_heads, where);
  c.head_dim = JsonGetOr<int64_t>(json, "head_dim", c.hidden_size / c.num_attention_heads, where);
  c.num_local_experts = JsonGet<int64_t>(json, "num_local_experts", where);
  c.num_experts_per_tok = JsonGet<int64_t>(json, "num_experts_per_tok", where);
  c.shared_intermediate_size = JsonGetOr<int64_t>(json, "shared_intermediate_size", 0, where);

  // transformers keeps rotary parameters in an object of their own, which wins over a top-level rope_theta.
  const Json none = Json::object();
  const Json& rope =
      json.contains("rope_parameters") && json["rope_parameters"].is_object() ? json["rope_parameters"] : none;
  c.rope_theta = JsonGetOr<double>(rope, "rope_theta", JsonGetOr<double>(json, "rope_theta", 1e6, where), where);
  const double partial = JsonGetOr<double>(rope, "partial_rotary_factor",
                                           JsonGetOr<double>(json, "partial_rotary_factor", 1, where), where);
  if (!(partial > 0 && partial <= 1)) {
    throw Error("{}: partial_rotary_factor must be in (0, 1], found {}", where, partial);
  }
  c.rotary_dim = static_cast<int64_t>(std::lround(static_cast<double>(c.head_dim) * partial));
  c.rotary_dim = JsonGetOr<int64_t>(json, "rotary_dim", c.rotary_dim, where);
  // transformers' configs can carry a rotary_dim from the model they were made from although head_dim was reduced.
  if (transformers) c.rotary_dim = std::min(c.rotary_dim, c.head_dim);

  c.rms_norm_eps = JsonGetOr<double>(json, "rms_norm_eps", 1e-5, where);
  // Bounded before lists of this length are made.
  if (c.num_hidden_layers < 1 || c.num_hidden_layers > 1 << 16) {
    throw Error("{}: num_hidden_layers must be in [1, {}], found {}", where, 1 << 16, c.num_hidden_layers);
  }
  c.attn_type_list = LayerKinds(json, transformers, c.num_hidden_layers, where);
  // transformers' code always lets the residual carry the normalised value, and has no key for it.
  c.postnorm = JsonGetOr<bool>(json, "postnorm", transformers, where);
  if (transformers && !c.postnorm) {
    throw Error(
        "{}: postnorm is false, but a \"minimax\" model always has post-norm residuals; expected true or no key",
        where);
  }
  c.layernorm_linear_attention_alpha =
      Factor(json, "layernorm_linear_attention_alpha", "linear_attn_alpha_factor", where);
  c.layernorm_linear_attention_beta = Factor(json, "layernorm_linear_attention_beta", "linear_attn_beta_factor", where);
  c.layernorm_full_attention_alpha = Factor(json, "layernorm_full_attention_alpha", "full_attn_alpha_factor", where);
  c.layernorm_full_attention_beta = Factor(json, "layernorm_full_attention_beta", "full_attn_beta_factor", where);
  c.layernorm_mlp_alpha = Factor(json, "layernorm_mlp_alpha", "mlp_alpha_factor", where);
  c.layernorm_mlp_beta = Factor(json, "layernorm_mlp_beta", "mlp_beta_factor", where);
  c.router_aux_loss_coef = JsonGetOr<double>(json, "router_aux_loss_coef", 0.001, where);
  c.initializer_range = JsonGetOr<double>(json, "initializer_range", 0.02, where);
  c.max_position_embeddings = JsonGetOr<int64_t>(json, "max_position_embeddings", 0, where);
  if (c.max_position_embeddings == 0 && json.contains("max_position_embeddings") &&
      !json["max_position_embeddings"].is_null()) {
    throw Error("{}: max_position_embeddings is 0, so that no text would fit; leave it out for no limit", where);
  }

  if (json.contains("eos_token_id") && json["eos_token_id"].is_array()) {
    for (const Json& id : json["eos_token_id"]) {
      c.eos_token_ids.push_back(JsonGet<int64_t>(Json{{"eos_token_id", id}}, "eos_token_id", where));
    }
  } else if (json.contains("eos_token_id") && !json["eos_token_id"].is_null()) {
    c.eos_token_ids.push_back(JsonGet<int64_t>(json, "eos_token_id", where));
  }
  c.Validate(where);
  return c;
}

ModelConfig ModelConfig::FromFile(const std::filesystem::path& path) {
  return FromJson(ReadJsonFile(path), path.string());
}

void ModelConfig::Validate(const std::string& where) const {
  const auto range = [&](const char* key, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) throw Error("{}: {} must be in [{}, {}], found {}", where, key, low, high, value);
  };
  // The upper limits are far above any model; products of them stay far from overflow.
  range("vocab_size", vocab_size, 1, 1 << 28);
  range("hidden_size", hidden_size, 1, 1 << 20);
  range("intermediate_size", intermediate_size, 1, 1 << 20);
  range("num_hidden_layers", num_hidden_layers, 1, 1 << 16);
  range("num_attention_heads", num_attention_heads, 1, 1 << 16);
  range("num_key_value_heads", num_key_value_heads, 1, num_attention_heads);
  range("head_dim", head_dim, 1, (1 << 20) / num_attention_heads);
  range("rotary_dim", rotary_dim, 2, head_dim);
  range("num_local_experts", num_local_experts, 1, (1 << 18) / num_hidden_layers);
  range("num_experts_per_tok", num_experts_per_tok, 1, num_local_experts);
  range("shared_intermediate_size", shared_intermediate_size, 0, 1 << 20);
  range("max_position_embeddings", max_position_embeddings, 0, int64_t{1} << 40);
  if (num_attention_heads % num_key_value_heads != 0) {
    throw Error("{}: num_attention_heads must be a multiple of num_key_value_heads, found {} and {}", where,
                num_attention_heads, num_key_value_heads);
  }
  if (rotary_dim % 2 != 0) throw Error("{}: rotary_dim must be even, found {}", where, rotary_dim);
  if (static_cast<int64_t>(attn_type_list.size()) != num_hidden_layers) {
    throw Error("{}: attn_type_list must have num_hidden_layers = {} entries, found {}", where, num_hidden_layers,
                attn_type_list.size());
  }
  const auto positive = [&](const char* key, double value) {
    if (!(value > 0 && std::isfinite(value))) throw Error("{}: {} must be positive, found {}", where, key, value);
  };
  positive("rope_theta", rope_theta);
  positive("rms_norm_eps", rms_norm_eps);
  const auto not_negative = [&](const char* key, double value) {
    if (!(value >= 0 && std::isfinite(value))) throw Error("{}: {} must not be negative, found {}", where, key, value);
  };
  not_negative("router_aux_loss_coef", router_aux_loss_coef);
  not_negative("initializer_range", initializer_range);
  for (const int64_t id : eos_token_ids) range("eos_token_id", id, 0, vocab_size - 1);
  bool lightning = false;
  for (int64_t n = 0; n < num_hidden_layers; ++n) lightning = lightning || IsLightning(n);
  if (lightning && num_hidden_layers == 1 && model_type != "minimax") {
    throw Error(
        "{}: a model with lightning layers needs num_hidden_layers >= 2: the decay of layer n is scaled by "
        "1 - n / (num_hidden_layers - 1)",
        where);
  }
}

Json ModelConfig::ToJson() const {
  const bool transformers = model_type == "minimax";
  const bool text_01 = model_type == "minimax_text_01";
  Json json;
  json["architectures"] = {transformers ? "MiniMaxForCausalLM"
                           : text_01    ? "MiniMaxText01ForCausalLM"
                                        : "MiniMaxM1ForCausalLM"};
  json["model_type"] = model_type;
  if (!transformers) {
    // The Python code of the published models, by repository, so that it need not lie beside the weights.
    const std::string code = text_01 ? "MiniMaxAI/MiniMax-Text-01--" : "MiniMaxAI/MiniMax-M1-80k--";
    const std::string file = text_01 ? "minimax_text_01.MiniMaxText01" : "minimax_m1.MiniMaxM1";
    json["auto_map"] = {{"AutoConfig", code + "configuration_" + file + "Config"},
                        {"AutoModelForCausalLM", code + "modeling_" + file + "ForCausalLM"}};
  }
  json["vocab_size"] = vocab_size;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_key_value_heads;
  json["head_dim"] = head_dim;
  json["rotary_dim"] = rotary_dim;
  json["num_local_experts"] = num_local_experts;
  json["num_experts_per_tok"] = num_experts_per_tok;
  json["rms_norm_eps"] = rms_norm_eps;
  Json kinds = Json::array();
  for (const AttentionKind kind : attn_type_list) {
    if (transformers) {
      kinds.push_back(kind == AttentionKind::kLightning ? "linear_attention" : "full_attention");
    } else {
      kinds.push_back(static_cast<int>(kind));
    }
  }
  json[transformers ? "layer_types" : "attn_type_list"] = kinds;
  if (transformers) {
    json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", rope_theta}};
    if (rotary_dim != head_dim) {
      json["rope_parameters"]["partial_rotary_factor"] =
          static_cast<double>(rotary_dim) / static_cast<double>(head_dim);
    }
  } else {
    json["postnorm"] = postnorm;
  }
  json["rope_theta"] = rope_theta;
  json["shared_intermediate_size"] = shared_intermediate_size;
  json["shared_moe_mode"] = "sigmoid";
  const auto factor = [&](const char* published, const char* other, float value) {
    json[transformers ? other : published] = Shortest(value);
  };
  factor("layernorm_linear_attention_alpha", "linear_attn_alpha_factor", layernorm_linear_attention_alpha);
  factor("layernorm_linear_attention_beta", "linear_attn_beta_factor", layernorm_linear_attention_beta);
  factor("layernorm_full_attention_alpha", "full_attn_alpha_factor", layernorm_full_attention_alpha);
  factor("layernorm_full_attention_beta", "full_attn_beta_factor", layernorm_full_attention_beta);
  factor("layernorm_mlp_alpha", "mlp_alpha_factor", layernorm_mlp_alpha);
  factor("layernorm_mlp_beta", "mlp_beta_factor", layernorm_mlp_beta);
  json["router_aux_loss_coef"] = router_aux_loss_coef;
  json["router_jitter_noise"] = 0.0;
  json["output_router_logits"] = false;
  json["initializer_range"] = initializer_range;
  if (max_position_embeddings > 0) json["max_position_embeddings"] = max_position_embeddings;
  json["hidden_act"] = "silu";
  json["attention_dropout"] = 0.0;
  json["sliding_window"] = nullptr;
  json["tie_word_embeddings"] = false;
  json["use_cache"] = true;
  json["bos_token_id"] = nullptr;
  json["eos_token_id"] = eos_token_ids.empty()       ? Json(nullptr)
                         : eos_token_ids.size() == 1 ? Json(eos_token_ids[0])
                                                     : Json(eos_token_ids);
  return json;
}

ParameterCount CountParameters(const ModelConfig& c) {
  const int64_t C = c.hidden_size, HD = c.qk_width(), KD = c.kv_width();
  const int64_t expert = 3 * c.intermediate_size * C;
  int64_t outside_experts = C;  // the final norm
  for (int64_t n = 0; n < c.num_hidden_layers; ++n) {
    outside_experts += 2 * C + c.num_local_experts * C;  // layer norms, router
    outside_experts += c.IsLightning(n) ? 5 * HD * C + HD : 2 * HD * C + 2 * KD * C;
    if (c.shared_intermediate_size > 0) outside_experts += expert + C;
  }
  ParameterCount count;
  count.embedding = c.vocab_size * C;
  count.total = 2 * count.embedding + outside_experts + c.num_hidden_layers * c.num_local_experts * expert;
  count.active = outside_experts + c.num_hidden_layers * c.num_experts_per_tok * expert;
  return count;
}

std::vector<double> LightningSlopes(const ModelConfig& c, int64_t layer) {
  const int64_t H = c.num_attention_heads;
  const auto geometric = [](int64_t heads, int64_t h) {  // the h-th slope of `heads` heads
    return std::exp2(-8.0 * static_cast<double>(h + 1) / static_cast<double>(heads));
  };
  const double n = static_cast<double>(layer), last = static_cast<double>(c.num_hidden_layers - 1);
  std::vector<double> slopes;
  if (c.model_type == "minimax") {  // transformers has its own formula; the two agree to 1e-5 where H is a power of two
    for (int64_t h = 0; h < H; ++h) slopes.push_back(geometric(H, h) * (1 - n / (last + 1e-5) + 1e-5));
    return slopes;
  }
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(H)));
  for (int64_t h = 0; h < H; ++h) {
    const double slope = h < power ? geometric(power, h) : geometric(2 * power, 2 * (h - power));
    slopes.push_back(slope * (1 - n / last + 1e-5));
  }
  return slopes;
}

}  // namespace fulgur
