// GGUF files become folders: what has a format of its own keeps its bits, the rest the nearest.
#include "model/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "base/test_folder.h"
#include "model/activation_statistics.h"
#include "model/checkpoint.h"
#include "model/pass.h"
#include "model/quantize_checkpoint.h"
#include "ops/matmul.h"
#include "ops/quantize.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

ModelConfig Config() {
  ModelConfig c;
  c.hidden_size = 64;
  c.intermediate_size = 96;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 3;
  c.num_key_value_heads = 1;
  c.head_dim = 32;
  c.rotary_dim = 16;
  c.num_local_experts = 3;
  c.num_experts_per_tok = 2;
  c.vocab_size = 40;
  c.max_position_embeddings = 256;
  c.postnorm = true;
  c.attn_type_list = {AttentionKind::kLightning, AttentionKind::kSoftmax};
  c.Validate("test");
  return c;
}

// A folder with random weights, and the same as a GGUF file in which the matrices of layers are blocks of `type`: random
// ones, with scales near those of the weights.
struct Files {
  TestFolder folder;
  fs::path source, gguf;
  explicit Files(GgufType type) : source(folder / "source"), gguf(folder / "model.gguf") {
    const ModelConfig config = Config();
    Params params = RandomParams(config, 1);
    SaveCheckpoint(source, config, params);
    const fs::path plain = folder / "plain.gguf";
    WriteGguf(source, plain, {.type = GgufType::kF32, .metadata = {}, .progress = {}});
    const GgufFile file(plain);
    std::vector<std::pair<std::string, Json>> metadata(file.metadata().begin(), file.metadata().end());
    std::vector<GgufWriter::Entry> entries;
    for (const auto& [name, tensor] : file.tensors()) {
      const bool matrix = name.starts_with("blk.") && tensor.shape.size() > 1 && name.find("gate_inp") == name.npos;
      entries.push_back({name, matrix ? type : tensor.type, tensor.shape});
    }
    GgufWriter writer(gguf, metadata, entries);
    Rng rng(2);
    for (const GgufWriter::Entry& entry : entries) {
      if (entry.type != type) {
        writer.Write(file.tensors().at(entry.name).blocks);
        continue;
      }
      std::vector<std::byte> blocks(entry.bytes());
      for (std::byte& b : blocks) b = static_cast<std::byte>(rng.Next() & 0xff);
      for (size_t at = 0; at < blocks.size(); at += GgufBlockBytes(type)) {  // float16 around 2^-9 (Q4_0), 2^-12 (Q8_0)
        blocks[at + 1] = static_cast<std::byte>(type == GgufType::kQ4_0 ? 0x18 : 0x0c);
      }
      writer.Write(blocks);
    }
    writer.Commit();
  }
};

// Integer products as dot_kernels.h defines them, of the blocks of one row of weights.
float DefinedProduct(const std::byte* row, GgufType type, const std::vector<float>& x) {
  const WeightFormat format = type == GgufType::kQ8_0 ? WeightFormat::kQ8F16 : WeightFormat::kQ4F16;
  std::vector<std::byte> encoded(EncodedRowBytes(format, static_cast<int64_t>(x.size())));
  EncodeRows({x.data(), 1, static_cast<int64_t>(x.size())}, format, encoded.data());
  float sum = 0;
  for (size_t g = 0; g < x.size() / 32; ++g) {
    const auto* block = reinterpret_cast<const uint8_t*>(row + g * GgufBlockBytes(type));
    const std::byte* group = encoded.data() + g * kInt8RowGroupBytes;
    float scale;
    std::memcpy(&scale, group, sizeof scale);
    int dot = 0;
    for (size_t i = 0; i < 32; ++i) {
      const int q = type == GgufType::kQ8_0 ? static_cast<int8_t>(block[2 + i])
                                            : (i < 16 ? block[2 + i] & 15 : block[2 + i - 16] >> 4) - 8;
      dot += q * static_cast<int8_t>(group[8 + i]);
    }
    const f16 weight_scale{static_cast<uint16_t>(block[0] | block[1] << 8)};
    sum = std::fma(static_cast<float>(dot), scale * ToFloat(weight_scale), sum);
  }
  return sum;
}

TEST(GgufModel, EightAndFourBitsKeepTheirValuesAndProducts) {
  for (const GgufType type : {GgufType::kQ8_0, GgufType::kQ4_0}) {
    SCOPED_TRACE(GgufTypeName(type));
    const Files files(type);
    const WeightFormat same = type == GgufType::kQ8_0 ? WeightFormat::kQ8 : WeightFormat::kQ4;
    const WeightFormat kept = type == GgufType::kQ8_0 ? WeightFormat::kQ8F16 : WeightFormat::kQ4F16;
    ExecContext exec(2);
    for (const bool named : {false, true}) {
      const fs::path out = files.folder / (named ? "named" : "nearest");
      QuantizeOptions options;
      if (named) options.recipe = WeightRecipe{same, {}, {}};
      EXPECT_EQ(QuantizeCheckpoint(files.gguf, out, options, false, exec).error, 0.0);
      const ModelConfig config = ModelConfig::FromFile(out / kConfigFile);
      Params params = LoadParams(out, config);
      const GgufFile file(files.gguf);
      int checked = 0;
      VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
        if constexpr (std::is_same_v<T, Linear>) {
          if (name == "lm_head.weight" || name.ends_with("moe.gate.weight")) return;
          ASSERT_EQ(parameter.packed.format(), kept) << name;
          const GgufRows rows = RowsFromGguf(file, name, shape);
          const Tensor expected = rows.Rows(0, shape[0]), values = parameter.packed.Unpack();
          EXPECT_EQ(std::memcmp(values.raw(), expected.raw(), values.bytes()), 0) << name;
          // The very bits that the blocks' arithmetic gives.
          std::vector<float> x(static_cast<size_t>(shape[1])), y(static_cast<size_t>(shape[0]));
          Rng rng(3);
          for (float& v : x) v = static_cast<float>(rng.Normal());
          MatMul({x.data(), 1, shape[1]}, parameter.packed, {y.data(), 1, shape[0]}, exec);
          for (int64_t j = 0; j < shape[0]; ++j) {
            ASSERT_EQ(y[static_cast<size_t>(j)], DefinedProduct(rows.Blocks(j, 1).data(), type, x)) << name << " " << j;
          }
          ++checked;
        }
      });
      EXPECT_EQ(checked, 3 + 4 + 2 * 9);
    }
  }
}

// The folder of a file that Fulgur wrote in Q8_0 gives the logits of the values that stand in the file: those of a model
// whose weights these are, with activations rounded as 8 bits are.
TEST(GgufModel, LogitsAreThoseOfTheFilesValues) {
  const Files files(GgufType::kQ8_0);
  ExecContext exec(2);
  QuantizeCheckpoint(files.gguf, files.folder / "packed", {}, false, exec);
  const std::unique_ptr<Model> model = Model::Load(files.folder / "packed", exec);
  // The values as float32 in a folder of their own, and each matrix packed from the file's blocks by hand.
  const GgufFile file(files.gguf);
  const ModelConfig config = ConfigFromGguf(file);
  Params params = LoadParams(files.source, config);
  VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
    if constexpr (std::is_same_v<T, Linear>) {
      const GgufRows rows = RowsFromGguf(file, name, shape);
      parameter.weight = rows.Rows(0, shape[0]);
      if (rows.type != GgufType::kQ8_0) return;
      // From the values: the scale of a group is what its block says, each value a multiple of it.
      const int64_t panels = PackedMatrix::Panels(shape[0]), groups = shape[1] / 32;
      Tensor data(DType::kU8, {panels, static_cast<int64_t>(PackedMatrix::PanelBytes(WeightFormat::kQ8F16, shape[1]))});
      auto* bytes = reinterpret_cast<uint8_t*>(data.raw());
      for (int64_t j = 0; j < panels * 32; ++j) {
        for (int64_t g = 0; g < groups; ++g) {
          uint8_t* group = bytes + (j / 32 * groups + g) * kQ8GroupBytes;
          uint16_t scale = 0;
          if (j < shape[0]) std::memcpy(&scale, rows.Blocks(j, 1).data() + g * 34, 2);
          std::memcpy(group + 1024 + j % 32 * 2, &scale, 2);
          for (int64_t i = 0; i < 32; ++i) {
            const float value = j < shape[0] ? parameter.weight.f32()[j * shape[1] + g * 32 + i] : 0.0f;
            const int q = j < shape[0] ? static_cast<int>(std::lround(value / ToFloat(f16{scale}))) : 0;
            group[i / 4 * 128 + j % 32 * 4 + i % 4] = static_cast<uint8_t>(q + 128);
          }
        }
      }
      parameter.packed = PackedMatrix(WeightFormat::kQ8F16, shape[0], shape[1], data);
      parameter.weight = Tensor();
    }
  });
  Model expected(config, std::move(params), exec);
  const std::vector<int32_t> tokens = {1, 5, 39, 0, 7, 7, 12, 30};
  std::vector<std::vector<float>> logits;
  for (const Model* m : std::initializer_list<const Model*>{model.get(), &expected}) {
    Pass pass(*m);
    SequenceState state = m->NewState();
    const Segment segment{&state, tokens};
    const std::span<const float> out = pass.Forward({&segment, 1}, LogitRows::kAll);
    logits.emplace_back(out.begin(), out.end());
  }
  EXPECT_EQ(logits[0].size(), tokens.size() * 40);
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(ActivationStatistics, AreMeanSquaresOfWhatMatricesGet) {
  const Files files(GgufType::kQ8_0);
  ExecContext exec(2), one(1);
  const std::vector<std::vector<int32_t>> texts = {{1, 5, 39, 0, 7, 7, 12, 30}, {2, 3}};
  const std::unique_ptr<Model> model = Model::Load(files.source, exec);
  const ActivationStatistics statistics = ActivationStatistics::Measure(*model, texts, [](int64_t) {});
  // Every matrix but the LM head, each of its inputs; the same with one thread.
  EXPECT_EQ(statistics.mean_squares.size(), 3u + 4 + 2 * (1 + 9));
  const std::unique_ptr<Model> again = Model::Load(files.source, one);
  EXPECT_EQ(ActivationStatistics::Measure(*again, texts, [](int64_t) {}).mean_squares, statistics.mean_squares);
  // The first matrix gets the embedding after a norm with weights of 1: by hand.
  const std::vector<float>& first = statistics.mean_squares.at("model.layers.0.self_attn.qkv_proj.weight");
  std::vector<double> expected(64);
  const Tensor embedding = model->params().embedding.ToF32();
  for (const auto& text : texts) {
    for (const int32_t token : text) {
      const float* row = embedding.f32() + token * 64;
      double sum = 0;
      for (int i = 0; i < 64; ++i) sum += static_cast<double>(row[i]) * row[i];
      for (size_t i = 0; i < 64; ++i) {
        expected[i] += static_cast<double>(row[i]) * row[i] / (sum / 64 + model->config().rms_norm_eps) / 10;
      }
    }
  }
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(first[i], expected[i], 1e-5 * (1 + expected[i]));
  // Written and read, and used: the same model with other bytes.
  const fs::path path = files.folder / kActivationsFile;
  statistics.Save(path);
  const ActivationStatistics loaded = ActivationStatistics::Load(path);
  EXPECT_EQ(loaded.mean_squares, statistics.mean_squares);
  EXPECT_EQ(loaded.hash(), statistics.hash());
  QuantizeOptions options{.recipe = WeightRecipe{WeightFormat::kQ2, {}, {}}, .progress = {}};
  QuantizeCheckpoint(files.source, files.folder / "plain", options, false, exec);
  options.statistics = &loaded;
  QuantizeCheckpoint(files.source, files.folder / "weighted", options, false, exec);
  const TensorMap plain = ReadSafetensors(files.folder / "plain" / kSingleFile);
  const TensorMap weighted = ReadSafetensors(files.folder / "weighted" / kSingleFile);
  const std::string name = "model.layers.0.block_sparse_moe.experts.1.w1.weight.q2";
  EXPECT_NE(std::memcmp(plain.at(name).raw(), weighted.at(name).raw(), plain.at(name).bytes()), 0);
  // Of another model.
  ActivationStatistics other = loaded;
  other.mean_squares.erase("model.layers.1.self_attn.o_proj.weight");
  options.statistics = &other;
  EXPECT_THAT([&] { QuantizeCheckpoint(files.source, files.folder / "other", options, false, exec); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("they are of another model")));
}

}  // namespace
}  // namespace fulgur
