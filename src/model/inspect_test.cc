#include "model/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/reference_data.h"
#include "base/test_folder.h"
#include "model/checkpoint.h"
#include "model/memory_plan.h"
#include "model/sequence_state.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

ModelConfig SmallConfig() {
  return ModelConfig::FromJson(ParseJson(R"({"vocab_size": 30, "hidden_size": 8, "intermediate_size": 6,
      "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "rotary_dim": 2,
      "num_local_experts": 3, "num_experts_per_tok": 2, "attn_type_list": [0, 1, 0]})",
                                         "small"),
                               "small");
}

// A folder with the model in shards.
fs::path NewModel(const ModelConfig& config) {
  static const TestFolder folder;
  static int count = 0;
  const fs::path dir = folder / std::to_string(count++);
  SaveOptions options;
  options.dtype = DType::kBF16;
  options.max_shard_bytes = 1000;
  WriteRandomCheckpoint(dir, config, 1, options);
  return dir;
}

TEST(MemoryPlan, IsWhatASequenceTakes) {
  const ModelConfig config = SmallConfig();
  for (const auto& [format, token_bytes] : {std::pair{KvFormat::kF32, (4 + 32) * 4},  // a key of 4, a value of 32
                                            {KvFormat::kBf16, (4 + 32) * 2},
                                            {KvFormat::kInt8, 4 + 32 + 8}}) {
    SequenceState state(config, format);
    for (const int64_t length : {64, 100, 1000}) {
      state.Reserve(config, length - state.length());
      state.Advance(length - state.length());
      const MemoryPlan plan = PlanMemory(config, length, format);
      EXPECT_EQ(plan.lightning_state, 2 * 2 * 4 * 4 * 4);
      EXPECT_EQ(plan.lightning_chunk, 2 * 2 * 2 * 4 * 64 * 4);
      EXPECT_EQ(plan.kv_cache, (length + 63) / 64 * 64 * token_bytes);
      EXPECT_EQ(static_cast<int64_t>(state.bytes()), plan.lightning_state + plan.lightning_chunk + plan.kv_cache)
          << length;
    }
  }
}

TEST(MemoryPlan, MiniMaxM1) {
  ModelConfig config = SmallConfig();
  config.hidden_size = 6144;
  config.num_attention_heads = 64;
  config.num_key_value_heads = 8;
  config.head_dim = 128;
  config.num_hidden_layers = 80;
  config.attn_type_list.clear();
  for (int n = 0; n < 80; ++n) config.attn_type_list.push_back(static_cast<AttentionKind>(n % 8 == 7));
  const MemoryPlan plan = PlanMemory(config, 1 << 20);
  EXPECT_EQ(plan.lightning_state, 280 << 20);
  EXPECT_EQ(plan.kv_cache, int64_t{80} << 30);
  EXPECT_EQ(PlanMemory(config, 1 << 20, KvFormat::kBf16).kv_cache, int64_t{40} << 30);  // 40 KiB a token
  EXPECT_EQ(PlanMemory(config, 1 << 20, KvFormat::kInt8).kv_cache, (int64_t{20} << 30) + (int64_t{640} << 20));
  EXPECT_EQ(LayerPattern(config.attn_type_list), "(7 lightning, 1 softmax) x 10");
}

TEST(MemoryPlan, LimitsOfTheContext) {
  EXPECT_THROW(PlanMemory(SmallConfig(), -1), Error);
  EXPECT_THROW(PlanMemory(SmallConfig(), INT64_MAX), Error);
  EXPECT_EQ(PlanMemory(SmallConfig(), 0).kv_cache, 0);
}

TEST(LayerPattern, Forms) {
  using enum AttentionKind;
  EXPECT_EQ(LayerPattern({kLightning}), "1 lightning");
  EXPECT_EQ(LayerPattern({kSoftmax, kSoftmax, kSoftmax}), "3 softmax");
  EXPECT_EQ(LayerPattern({kLightning, kSoftmax, kLightning, kSoftmax}), "(1 lightning, 1 softmax) x 2");
  EXPECT_EQ(LayerPattern({kLightning, kLightning, kSoftmax, kLightning}), "2 lightning, 1 softmax, 1 lightning");
}

TEST(Inspect, CompleteModel) {
  const ModelConfig config = SmallConfig();
  const fs::path dir = NewModel(config);
  const Json report = InspectModel(dir, {10, 100});
  EXPECT_EQ(report["weights"]["state"], "complete");
  EXPECT_TRUE(report["problems"].empty()) << report["problems"].dump();
  EXPECT_EQ(report["parameters"]["total"], CountParameters(config).total);
  EXPECT_EQ(report["weights"]["tensors"], report["weights"]["expected_tensors"]);
  const int64_t f32 = report["weights"]["bytes"]["F32"], bf16 = report["weights"]["bytes"]["BF16"];
  EXPECT_EQ(f32 / 4 + bf16 / 2, CountParameters(config).total);
  EXPECT_EQ(report["weights"]["total_size"], f32 + bf16);
  EXPECT_EQ(report["weights"]["total_size_means"], "BF16, norms and router F32");
  EXPECT_EQ(report["memory"].size(), 2u);
  EXPECT_THAT(InspectionText(report), HasSubstr("complete"));
}

TEST(Inspect, MissingShardsAndProblems) {
  const ModelConfig config = SmallConfig();
  const fs::path dir = NewModel(config);
  const std::string last = ReadWeightIndex(dir)->weight_map.at("lm_head.weight");
  fs::remove(dir / last);
  Json report = InspectModel(dir, {});
  EXPECT_EQ(report["weights"]["state"], "partial");
  EXPECT_EQ(report["weights"]["missing_files"], Json::array({last}));
  EXPECT_TRUE(report["problems"].empty());
  EXPECT_THAT(InspectionText(report), HasSubstr("missing: " + last));

  Json index = ReadJsonFile(dir / kIndexFile);
  index["weight_map"].erase("lm_head.weight");
  index["weight_map"]["stray"] = last;
  index["metadata"]["total_size"] = 17;
  WriteFileAtomic(dir / kIndexFile, index.dump());
  report = InspectModel(dir, {});
  ASSERT_EQ(report["problems"].size(), 3u) << report["problems"].dump();
  EXPECT_THAT(report["problems"][0].get<std::string>(), AllOf(HasSubstr("lacks 1"), HasSubstr("lm_head.weight")));
  EXPECT_THAT(report["problems"][1].get<std::string>(), AllOf(HasSubstr("names 1"), HasSubstr("stray")));
  EXPECT_THAT(report["problems"][2].get<std::string>(), HasSubstr("total_size 17"));
}

TEST(Inspect, CorruptShardIsAProblem) {
  const fs::path dir = NewModel(SmallConfig());
  Json config = ReadJsonFile(dir / kConfigFile);
  config["intermediate_size"] = 7;
  WriteFileAtomic(dir / kConfigFile, config.dump());
  const Json report = InspectModel(dir, {});
  EXPECT_THAT(report["problems"].dump(), HasSubstr("has shape [6, 8]; expected [7, 8]"));
}

TEST(Inspect, ConfigFileOnly) {
  const fs::path dir = NewModel(SmallConfig());
  const Json report = InspectModel(dir / kConfigFile, {64});
  EXPECT_FALSE(report.contains("weights"));
  EXPECT_FALSE(InspectionText(report).empty());
  fs::remove(dir / kConfigFile);
  EXPECT_THROW(InspectModel(dir, {}), Error);
  EXPECT_THROW(InspectModel(dir / "nowhere", {}), Error);
}

TEST(Inspect, MiniMaxM1) {
  FULGUR_REFERENCE_OR_SKIP(dir, "m1");
  const Json report = InspectModel(dir, {1000000});
  EXPECT_EQ(report["weights"]["state"], "index only");
  EXPECT_EQ(report["weights"]["files"], 413);
  EXPECT_EQ(report["weights"]["tensors"], 8243);
  EXPECT_EQ(report["weights"]["expected_tensors"], 8243);
  EXPECT_EQ(report["weights"]["total_size_means"], "BF16, router F32");
  EXPECT_TRUE(report["problems"].empty()) << report["problems"].dump();
  EXPECT_THAT(InspectionText(report), AllOf(HasSubstr("456B total"), HasSubstr("45.9B")));
}

}  // namespace
}  // namespace fulgur
