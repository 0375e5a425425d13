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

// Without --type each matrix becomes what is nearest: of Q8_0 the same values, so that going out again gives the same file.
TEST(GgufModel, EightBitsComeInWithoutLoss) {
  const TestFolder folder;
  const std::string file = folder / "nano.gguf";
  Fulgur({"quantize", kNano, file, "--type", "q8_0"});
  EXPECT_THAT(Fulgur({"quantize", file, (folder / "back").string()}), HasSubstr("0.00 % of theirs"));
  const TensorMap tensors = ReadSafetensors(fs::path(folder / "back") / "model.safetensors");
  EXPECT_TRUE(tensors.contains("model.layers.0.block_sparse_moe.experts.0.w1.weight.q8-f16"));
  EXPECT_FALSE(Answer(folder / "back").empty());
  const Json report = ParseJson(Fulgur({"inspect", file, "--json"}), "report");
  EXPECT_EQ(report["dims"]["num_local_experts"], 8);
  EXPECT_EQ(report["weights"]["state"], "complete");
  EXPECT_GT(report["weights"]["bytes"]["Q8_0"], report["weights"]["bytes"]["F32"]);
  EXPECT_THAT(Fulgur({"inspect", file, "--memory", "1GB"}), HasSubstr("chosen for this memory"));
}

TEST(Quantize, CalibratesByATextAndByWhatWasMeasuredBefore) {
  const TestFolder folder;
  WriteFileAtomic(folder / "text.txt", "What is 17 + 25? 17 + 25 = 42. Sort the numbers 5, 3, 9: 3, 5, 9.");
  const auto quantize = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> args = {"quantize", kNano, (folder / name).string(), "--type", "q2"};
    args.insert(args.end(), more.begin(), more.end());
    Fulgur(args);
    return ReadFile(folder / name / "model.safetensors");
  };
  const std::string plain = quantize("plain", {});
  const std::string weighted = quantize("weighted", {"--calibrate", (folder / "text.txt").string()});
  EXPECT_NE(plain, weighted);
  EXPECT_EQ(plain.size(), weighted.size());
  EXPECT_EQ(quantize("again", {"--calibrate", (folder / "weighted" / "activations.safetensors").string()}), weighted);
  WriteFileAtomic(folder / "empty.txt", "");
  EXPECT_THAT(ErrorOf({"quantize", kNano, folder / "x", "--type", "q2", "--calibrate", folder / "empty.txt"}),
              HasSubstr("there is no text"));
  EXPECT_THAT(ErrorOf({"quantize", kNano, folder / "x"}), HasSubstr("--type is needed"));
}

TEST(Quantize, ARecipeHasAFormatForEachKindOfMatrix) {
  const TestFolder folder;
  EXPECT_THAT(Fulgur({"quantize", kNano, folder / "x", "--type", "m1-192gb"}),
              HasSubstr("q2, second matrices of experts q3, attention q4k"));
  const TensorMap tensors = ReadSafetensors(fs::path(folder / "x") / "model.safetensors");
  const std::string layer = "model.layers.0.";
  EXPECT_TRUE(tensors.contains(layer + "self_attn.qkv_proj.weight.q4k"));
  EXPECT_TRUE(tensors.contains(layer + "block_sparse_moe.experts.7.w1.weight.q2"));
  EXPECT_TRUE(tensors.contains(layer + "block_sparse_moe.experts.7.w2.weight.q3"));
  EXPECT_EQ(ReadJsonFile(fs::path(folder / "x") / "config.json")["quantization_config"]["down_type"], "q3");
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
