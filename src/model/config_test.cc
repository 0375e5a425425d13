#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/reference_data.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const fs::path kSource = FULGUR_SOURCE_DIR;

Json Small() {
  return ParseJson(R"({
    "model_type": "minimax_m1", "vocab_size": 512, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 4,
    "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 16, "rotary_dim": 4, "num_local_experts": 5,
    "num_experts_per_tok": 3, "attn_type_list": [0, 0, 1, 0], "postnorm": true, "rms_norm_eps": 0.001,
    "rope_theta": 500, "layernorm_linear_attention_alpha": 1.7, "layernorm_linear_attention_beta": 0.9,
    "layernorm_full_attention_alpha": 2.3, "layernorm_full_attention_beta": 1.2, "layernorm_mlp_alpha": 1.9,
    "layernorm_mlp_beta": 0.8, "eos_token_id": null, "max_position_embeddings": 4096})",
                   "small");
}

// The same model in the keys of transformers' `minimax`.
Json SmallTransformers() {
  return ParseJson(R"({
    "model_type": "minimax", "vocab_size": 512, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 4,
    "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 16, "num_local_experts": 5, "num_experts_per_tok": 3,
    "layer_types": ["linear_attention", "linear_attention", "full_attention", "linear_attention"],
    "rms_norm_eps": 0.001, "rope_parameters": {"rope_type": "default", "rope_theta": 500, "partial_rotary_factor": 0.25},
    "rope_theta": 10000000, "linear_attn_alpha_factor": 1.7, "linear_attn_beta_factor": 0.9,
    "full_attn_alpha_factor": 2.3, "full_attn_beta_factor": 1.2, "mlp_alpha_factor": 1.9, "mlp_beta_factor": 0.8,
    "block_size": 256, "eos_token_id": [7, 9], "max_position_embeddings": 4096})",
                   "small");
}

std::string ErrorOf(const Json& json) {
  try {
    ModelConfig::FromJson(json, "dir/config.json");
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("dir/config.json"));
    return e.what();
  }
  return "no error";
}

void ExpectSmall(const ModelConfig& c) {
  EXPECT_EQ(c.vocab_size, 512);
  EXPECT_EQ(c.hidden_size, 48);
  EXPECT_EQ(c.intermediate_size, 64);
  EXPECT_EQ(c.num_attention_heads, 6);
  EXPECT_EQ(c.num_key_value_heads, 3);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.rotary_dim, 4);
  EXPECT_EQ(c.num_local_experts, 5);
  EXPECT_EQ(c.num_experts_per_tok, 3);
  using enum AttentionKind;
  EXPECT_EQ(c.attn_type_list, (std::vector{kLightning, kLightning, kSoftmax, kLightning}));
  EXPECT_TRUE(c.postnorm);
  EXPECT_EQ(c.rms_norm_eps, 0.001);
  EXPECT_EQ(c.rope_theta, 500);
  EXPECT_EQ(c.layernorm_linear_attention_alpha, 1.7f);
  EXPECT_EQ(c.layernorm_linear_attention_beta, 0.9f);
  EXPECT_EQ(c.layernorm_full_attention_alpha, 2.3f);
  EXPECT_EQ(c.layernorm_full_attention_beta, 1.2f);
  EXPECT_EQ(c.layernorm_mlp_alpha, 1.9f);
  EXPECT_EQ(c.layernorm_mlp_beta, 0.8f);
}

TEST(ModelConfig, Dialects) {
  ExpectSmall(ModelConfig::FromJson(Small(), "here"));
  const ModelConfig c = ModelConfig::FromJson(SmallTransformers(), "here");
  ExpectSmall(c);
  EXPECT_EQ(c.eos_token_ids, (std::vector<int64_t>{7, 9}));
  Json text01 = Small();
  text01["model_type"] = "minimax_text_01";
  ExpectSmall(ModelConfig::FromJson(text01, "here"));
}

TEST(ModelConfig, RoundTrip) {
  for (const char* type : {"minimax_m1", "minimax_text_01", "minimax"}) {
    Json json = std::string_view(type) == "minimax" ? SmallTransformers() : Small();
    json["model_type"] = type;
    json["layernorm_mlp_alpha"] = 3.5565588200778455;
    json["mlp_alpha_factor"] = 3.5565588200778455;
    json["shared_intermediate_size"] = 80;
    const ModelConfig c = ModelConfig::FromJson(json, "here");
    const Json written = c.ToJson();
    const ModelConfig again = ModelConfig::FromJson(ParseJson(written.dump(), "written"), "written");
    EXPECT_EQ(again.ToJson(), written);
    EXPECT_EQ(again.model_type, type);
    EXPECT_EQ(again.layernorm_mlp_alpha, c.layernorm_mlp_alpha);
    EXPECT_EQ(again.shared_intermediate_size, 80);
    EXPECT_EQ(again.eos_token_ids, c.eos_token_ids);
    EXPECT_EQ(again.rotary_dim, 4);
    EXPECT_TRUE(written.contains("architectures"));
  }
}

TEST(ModelConfig, MissingKeysMeanWhatThePublishedCodeMakesOfThem) {
  Json json = Small();
  for (const char* key :
       {"postnorm", "layernorm_mlp_alpha", "layernorm_full_attention_beta", "rotary_dim", "head_dim", "rms_norm_eps"}) {
    json.erase(key);
  }
  const ModelConfig c = ModelConfig::FromJson(json, "here");
  EXPECT_FALSE(c.postnorm);
  EXPECT_EQ(c.layernorm_mlp_alpha, 1);
  EXPECT_EQ(c.layernorm_full_attention_beta, 1);
  EXPECT_EQ(c.head_dim, 8);
  EXPECT_EQ(c.rotary_dim, 8);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
}

TEST(ModelConfig, TransformersRotary) {
  Json json = SmallTransformers();
  json.erase("rope_parameters");
  json["rope_theta"] = 123;
  EXPECT_EQ(ModelConfig::FromJson(json, "here").rotary_dim, 16);
  EXPECT_EQ(ModelConfig::FromJson(json, "here").rope_theta, 123);
  json["partial_rotary_factor"] = 0.5;
  EXPECT_EQ(ModelConfig::FromJson(json, "here").rotary_dim, 8);
  json["rotary_dim"] = 4;
  EXPECT_EQ(ModelConfig::FromJson(json, "here").rotary_dim, 4);
  json["rotary_dim"] = 64;  // left over from the model it was reduced from
  EXPECT_EQ(ModelConfig::FromJson(json, "here").rotary_dim, 16);
}

struct BadConfig {
  const char* name;
  const char* key;
  Json value;
  std::vector<std::string> expected;
};

class BadModelConfig : public testing::TestWithParam<BadConfig> {};
TEST_P(BadModelConfig, ErrorSaysWhat) {
  Json json = Small();
  json[GetParam().key] = GetParam().value;
  const std::string message = ErrorOf(json);
  for (const std::string& words : GetParam().expected) EXPECT_THAT(message, HasSubstr(words));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadModelConfig,
    testing::Values(BadConfig{"ModelType", "model_type", "llama", {"model_type", "\"llama\"", "minimax_m1"}},
                    BadConfig{"StringDim", "hidden_size", "48", {"hidden_size", "integer", "\"48\""}},
                    BadConfig{"NegativeDim", "hidden_size", -48, {"hidden_size", "-48"}},
                    BadConfig{"ZeroHeads", "num_attention_heads", 0, {"num_attention_heads", "positive"}},
                    BadConfig{"HugeDim", "vocab_size", int64_t{1} << 62, {"vocab_size", "[1, 268435456]"}},
                    BadConfig{"HugeLayers", "num_hidden_layers", int64_t{1} << 40, {"num_hidden_layers"}},
                    BadConfig{"HugeExperts", "num_local_experts", int64_t{1} << 40, {"num_local_experts"}},
                    BadConfig{"KvHeads", "num_key_value_heads", 4, {"num_attention_heads", "multiple", "6 and 4"}},
                    BadConfig{"OddRotary", "rotary_dim", 5, {"rotary_dim must be even, found 5"}},
                    BadConfig{"LargeRotary", "rotary_dim", 18, {"rotary_dim", "[2, 16]", "18"}},
                    BadConfig{"TopK", "num_experts_per_tok", 6, {"num_experts_per_tok", "[1, 5]", "6"}},
                    BadConfig{"LayerListLength", "attn_type_list", {0, 1, 0}, {"attn_type_list", "= 4", "found 3"}},
                    BadConfig{"LayerKind", "attn_type_list", {0, 1, 0, 2}, {"attn_type_list[3]", "found 2"}},
                    BadConfig{"LayerListType", "attn_type_list", "0101", {"attn_type_list", "a list"}},
                    BadConfig{"Epsilon", "rms_norm_eps", 0, {"rms_norm_eps", "positive"}},
                    BadConfig{"Theta", "rope_theta", -1, {"rope_theta", "positive"}},
                    BadConfig{"Alpha", "layernorm_mlp_alpha", 1e300, {"layernorm_mlp_alpha", "ordinary size"}},
                    BadConfig{"Activation", "hidden_act", "gelu", {"hidden_act", "\"gelu\""}},
                    BadConfig{"Window", "sliding_window", 4096, {"sliding_window must be null"}},
                    BadConfig{"Tied", "tie_word_embeddings", true, {"tie_word_embeddings"}},
                    BadConfig{"RopeScaling", "rope_scaling", {{"type", "yarn"}}, {"rope_scaling", "\"yarn\""}},
                    BadConfig{"Quantised", "quantization_config", {{"quant_method", "gptq"}}, {"quantization_config"}},
                    BadConfig{"Eos", "eos_token_id", 512, {"eos_token_id", "[0, 511]", "512"}},
                    BadConfig{"EosType", "eos_token_id", {1, "x"}, {"eos_token_id", "\"x\""}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ModelConfig, OtherErrors) {
  Json json = Small();
  json.erase("attn_type_list");
  EXPECT_THAT(ErrorOf(json), HasSubstr("\"attn_type_list\" is missing"));
  json = Small();
  json.erase("vocab_size");
  EXPECT_THAT(ErrorOf(json), HasSubstr("\"vocab_size\" is missing"));
  json = SmallTransformers();
  json["postnorm"] = false;
  EXPECT_THAT(ErrorOf(json), HasSubstr("postnorm"));
  json["postnorm"] = true;
  json["partial_rotary_factor"] = 2;
  json.erase("rope_parameters");
  EXPECT_THAT(ErrorOf(json), HasSubstr("partial_rotary_factor"));
  json = Small();
  json["num_hidden_layers"] = 1;
  json["attn_type_list"] = {0};
  EXPECT_THAT(ErrorOf(json), HasSubstr("num_hidden_layers >= 2"));
  json["attn_type_list"] = {1};
  EXPECT_EQ(ErrorOf(json), "no error");
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("JSON object"));
}

TEST(ModelConfig, Slopes) {
  ModelConfig c = ModelConfig::FromJson(Small(), "here");
  const double six[] = {-2, -4, -6, -8, -1, -3};  // powers of two
  for (int64_t layer = 0; layer < 4; ++layer) {
    const std::vector<double> s = LightningSlopes(c, layer);
    ASSERT_EQ(s.size(), 6u);
    for (size_t h = 0; h < 6; ++h) {
      EXPECT_DOUBLE_EQ(s[h], std::exp2(six[h]) * (1 - static_cast<double>(layer) / 3 + 1e-5)) << layer << " " << h;
    }
  }
  c.num_attention_heads = 64;
  const std::vector<double> s = LightningSlopes(c, 0);
  for (size_t h = 0; h < 64; ++h) {
    EXPECT_DOUBLE_EQ(s[h], std::exp2(-8.0 * static_cast<double>(h + 1) / 64) * (1 + 1e-5));
  }
  c.model_type = "minimax";
  c.num_attention_heads = 6;
  EXPECT_DOUBLE_EQ(LightningSlopes(c, 3)[0], std::exp2(-8.0 / 6) * (1 - 3 / 3.00001 + 1e-5));
}

TEST(ModelConfig, MiniMaxM1) {
  Json json = Small();
  const int64_t layers = 80;
  for (const auto& [key, value] : std::map<std::string, int64_t>{{"vocab_size", 200064},
                                                                 {"hidden_size", 6144},
                                                                 {"intermediate_size", 9216},
                                                                 {"num_hidden_layers", layers},
                                                                 {"num_attention_heads", 64},
                                                                 {"num_key_value_heads", 8},
                                                                 {"head_dim", 128},
                                                                 {"rotary_dim", 64},
                                                                 {"num_local_experts", 32},
                                                                 {"num_experts_per_tok", 2}}) {
    json[key] = value;
  }
  json["attn_type_list"] = Json::array();
  for (int64_t n = 0; n < layers; ++n) json["attn_type_list"].push_back(n % 8 == 7 ? 1 : 0);
  const ModelConfig c = ModelConfig::FromJson(json, "m1");
  const ParameterCount count = CountParameters(c);
  EXPECT_EQ(count.total, 456'089'655'296);  // "456B"
  EXPECT_EQ(count.active, 45'944'920'064);  // "45.9B"
  EXPECT_EQ(count.embedding, int64_t{200064} * 6144);
}

TEST(ModelConfig, MiniMaxM1AsPublished) {
  FULGUR_REFERENCE_OR_SKIP(folder, "m1");
  const ParameterCount count = CountParameters(ModelConfig::FromFile(folder / "config.json"));
  EXPECT_EQ(count.total, 456'089'655'296);
  EXPECT_EQ(count.active, 45'944'920'064);
}

TEST(ModelConfig, CountAgreesWithTheTensorsOfSmallModels) {
  // 2 layers, written out: C=4, I=3, H=2, K=1, D=2, E=2, k=1, V=5.
  const ModelConfig c = ModelConfig::FromJson(
      ParseJson(R"({"vocab_size": 5, "hidden_size": 4, "intermediate_size": 3, "num_hidden_layers": 2,
                    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2, "rotary_dim": 2,
                    "num_local_experts": 2, "num_experts_per_tok": 1, "attn_type_list": [0, 1]})",
                "tiny"),
      "tiny");
  const int64_t lightning = 12 * 4 + 4 * 4 + 4 + 4 * 4, softmax = 4 * 4 + 2 * 4 + 2 * 4 + 4 * 4;
  const int64_t both = 2 * (4 + 4 + 2 * 4), expert = 3 * 3 * 4;
  const ParameterCount count = CountParameters(c);
  EXPECT_EQ(count.total, 2 * 5 * 4 + 4 + lightning + softmax + both + 4 * expert);
  EXPECT_EQ(count.active, 4 + lightning + softmax + both + 2 * expert);
}

// Reads the config of every case in `root`; how many there are.
int ReadGoldenConfigs(const fs::path& root) {
  int read = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    const ModelConfig c = ModelConfig::FromFile(entry.path() / "config.json");
    EXPECT_EQ(c.model_type, "minimax_m1");
    ++read;
  }
  return read;
}

TEST(ModelConfig, GoldenConfigs) { EXPECT_EQ(ReadGoldenConfigs(kSource / "tests/data/golden"), 3); }

TEST(ModelConfig, AllGoldenConfigs) {
  FULGUR_REFERENCE_OR_SKIP(golden, "golden");
  EXPECT_GT(ReadGoldenConfigs(golden), 3);
}

}  // namespace
}  // namespace fulgur
