// Models that go out as GGUF files and come back.
#include "tensor/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "model/checkpoint.h"
#include "tests/command.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kNano = std::string(FULGUR_SOURCE_DIR) + "/models/nano";

std::string Fulgur(const std::vector<std::string>& args) {
  const CommandResult result = RunFulgur(args);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

std::string ErrorOf(const std::vector<std::string>& args) {
  const CommandResult result = RunFulgur(args);
  EXPECT_EQ(result.status, 1);
  return result.err;
}

// What a model answers.
std::string Answer(const fs::path& model) {
  return Fulgur({"generate", model.string(), "--prompt", "The capital of 17 + 25 is", "--max-tokens", "40",
                 "--temperature", "0", "--seed", "1"});
}

TEST(GgufModel, GoesOutAndComesBackWithTheSameBits) {
  const TestFolder folder;
  const std::string file = folder / "nano.gguf";
  Fulgur({"quantize", kNano, file, "--type", "f32"});
  for (const std::string type : {"q8", "q4", "bf16"}) {
    SCOPED_TRACE(type);
    const fs::path direct = folder / ("direct-" + type), back = folder / ("back-" + type);
    Fulgur({"quantize", kNano, direct.string(), "--type", type});
    EXPECT_THAT(Fulgur({"quantize", file, back.string(), "--type", type}), HasSubstr("% of theirs"));
    // The tensors that are packed are the same bytes; the LM head is float32 here and bf16 there, the same values.
    const TensorMap a = ReadSafetensors(direct / "model.safetensors"), b = ReadSafetensors(back / "model.safetensors");
    EXPECT_EQ(a.size(), b.size());
    int same = 0;
    for (const auto& [name, tensor] : a) {
      if (name.starts_with("lm_head") || (!name.ends_with("." + type) && !name.ends_with(".bf16-dot"))) continue;
      ASSERT_TRUE(b.contains(name)) << name;
      ASSERT_EQ(b.at(name).bytes(), tensor.bytes());
      EXPECT_EQ(std::memcmp(b.at(name).raw(), tensor.raw(), tensor.bytes()), 0) << name;
      ++same;
    }
    EXPECT_GT(same, 100);
    EXPECT_EQ(Answer(back), Answer(direct));
    const ModelConfig one = ModelConfig::FromFile(direct / "config.json");
    ModelConfig two = ModelConfig::FromFile(back / "config.json");
    two.initializer_range = one.initializer_range;  // of training: GGUF has no keys for these
    two.router_aux_loss_coef = one.router_aux_loss_coef;
    EXPECT_EQ(one.ToJson(), two.ToJson());
  }
}

TEST(GgufModel, EightBitsAndHalvesAreNear) {
  const TestFolder folder;
  for (const std::string type : {"f16", "q8_0"}) {
    const std::string file = folder / ("nano-" + type + ".gguf");
    Fulgur({"quantize", kNano, file, "--type", type});
    const GgufFile gguf{fs::path(file)};
    const GgufTensor& experts = gguf.tensors().at("blk.0.ffn_up_exps.weight");
    EXPECT_EQ(experts.shape, (Shape{8, 128, 128}));
    EXPECT_EQ(GgufTypeName(experts.type), type == "f16" ? "F16" : "Q8_0");
    EXPECT_EQ(gguf.tensors().at("blk.0.attn_norm.weight").type, GgufType::kF32);
    EXPECT_EQ(gguf.tensors().at("blk.0.ffn_gate_inp.weight").type, GgufType::kF32);
    EXPECT_EQ(gguf.metadata().at("minimax-01.full_attention_interval"), 8);
    EXPECT_EQ(gguf.metadata().at("tokenizer.ggml.tokens").size(), 675u);
    Fulgur({"quantize", file, folder / ("back-" + type), "--type", "q8"});
    const Json report = ParseJson(
        Fulgur({"eval", folder / ("back-" + type), "--task", "addition", "--count", "20", "--json"}), "report");
    EXPECT_GE(report["all"]["correct"], 18);
  }
}

TEST(GgufModel, WhatCannotBeDoneIsSaid) {
  const TestFolder folder;
  const std::string file = folder / "nano.gguf";
  EXPECT_THAT(ErrorOf({"quantize", kNano, file, "--type", "q4"}),
              HasSubstr("a GGUF file is written in f32, f16 or q8_0"));
  EXPECT_THAT(ErrorOf({"quantize", kNano, folder / "x", "--type", "f16"}), HasSubstr("is for GGUF files"));
  Fulgur({"quantize", kNano, file, "--type", "q8_0"});
  EXPECT_THAT(ErrorOf({"quantize", kNano, file, "--type", "q8_0"}), HasSubstr("is there already"));
  // Cut off, and of another architecture.
  std::string bytes = ReadFile(file);
  WriteFileAtomic(folder / "cut.gguf", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(ErrorOf({"quantize", folder / "cut.gguf", folder / "x", "--type", "q8"}),
              HasSubstr("the file is cut off"));
  bytes.replace(bytes.find("minimax-01"), 10, "minimax-m2");
  WriteFileAtomic(folder / "other.gguf", bytes);
  EXPECT_THAT(ErrorOf({"quantize", folder / "other.gguf", folder / "x", "--type", "q8"}),
              HasSubstr("general.architecture is \"minimax-m2\"; only \"minimax-01\" is read"));
  EXPECT_FALSE(fs::exists(folder / "x" / "config.json"));
  // A model that the format has no keys for.
  const fs::path model = folder / "model";
  fs::copy(kNano, model);
  Json config = ReadJsonFile(model / "config.json");
  config["layernorm_mlp_beta"] = 0.5;
  WriteFileAtomic(model / "config.json", config.dump());
  EXPECT_THAT(ErrorOf({"quantize", model.string(), folder / "no.gguf", "--type", "f32"}),
              HasSubstr("a layernorm beta is not 1"));
  EXPECT_FALSE(fs::exists(folder / "no.gguf"));
}

}  // namespace
}  // namespace fulgur
