#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/file.h"
#include "base/reference_data.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kSource = FULGUR_SOURCE_DIR;

ModelConfig SmallConfig(int64_t shared = 0) {
  Json json = ParseJson(R"({"vocab_size": 30, "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 3,
      "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "rotary_dim": 2, "num_local_experts": 3,
      "num_experts_per_tok": 2, "attn_type_list": [0, 1, 0], "initializer_range": 0.5})",
                        "small");
  json["shared_intermediate_size"] = shared;
  return ModelConfig::FromJson(json, "small");
}

// A path that is not there yet, another one each time.
fs::path NewFolder() {
  static const TestFolder folder;
  static int count = 0;
  return folder / std::to_string(count++);
}

std::vector<std::string> Files(const fs::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::pair<std::string, Tensor>> List(const ModelConfig& config, Params& params) {
  std::vector<std::pair<std::string, Tensor>> list;
  ForEachParameter(config, params,
                   [&](const std::string& name, Tensor& tensor, const Shape&) { list.emplace_back(name, tensor); });
  return list;
}

void ExpectSame(const ModelConfig& config, Params& a, Params& b) {
  const auto x = List(config, a), y = List(config, b);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(x[i].second.dtype(), y[i].second.dtype()) << x[i].first;
    ASSERT_EQ(x[i].second.shape(), y[i].second.shape()) << x[i].first;
    ASSERT_EQ(std::memcmp(x[i].second.raw(), y[i].second.raw(), x[i].second.bytes()), 0) << x[i].first;
  }
}

std::string LoadError(const fs::path& dir, const ModelConfig& config) {
  try {
    LoadParams(dir, config);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Checkpoint, RoundTripSingleFile) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig();
  Params params = RandomParams(config, 1);
  SaveCheckpoint(dir, config, params);
  EXPECT_EQ(Files(dir), (std::vector<std::string>{"config.json", "model.safetensors"}));
  const ModelConfig read = ModelConfig::FromFile(dir / "config.json");
  EXPECT_EQ(read.ToJson(), config.ToJson());
  EXPECT_EQ(ReadJsonFile(dir / "config.json")["torch_dtype"], "float32");
  Params loaded = LoadParams(dir, read);
  ExpectSame(config, params, loaded);
  Metadata metadata;
  ReadSafetensors(dir / "model.safetensors", &metadata);
  EXPECT_EQ(metadata, (Metadata{{"format", "pt"}}));
}

TEST(Checkpoint, RoundTripShardsAndMixedDtypes) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig(6);
  Params params = RandomParams(config, 2, DType::kBF16);
  SaveOptions options;
  options.dtype = DType::kBF16;
  options.max_shard_bytes = 1500;
  int64_t last = 0, total = 0;
  options.progress = [&](int64_t written, int64_t all) {
    EXPECT_GT(written, last);
    last = written;
    total = all;
  };
  SaveCheckpoint(dir, config, params, options);
  EXPECT_EQ(last, total);
  const std::optional<WeightIndex> index = ReadWeightIndex(dir);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->total_size, total);
  EXPECT_EQ(index->weight_map.size(), List(config, params).size());
  EXPECT_THAT(index->weight_map.at("model.embed_tokens.weight"), HasSubstr("model-00000-of-000"));
  int64_t bytes = 0;
  for (const std::string& file : Files(dir)) {
    if (!file.ends_with(".safetensors")) continue;
    int64_t shard = 0;
    for (const auto& [name, tensor] : ReadSafetensors(dir / file)) {
      EXPECT_EQ(index->weight_map.at(name), file);
      EXPECT_EQ(tensor.dtype(), IsSmallTensor(name) ? DType::kF32 : DType::kBF16) << name;
      shard += static_cast<int64_t>(tensor.bytes());
    }
    EXPECT_LE(shard, 1500);
    bytes += shard;
  }
  EXPECT_EQ(bytes, total);
  EXPECT_EQ(ReadJsonFile(dir / "config.json")["torch_dtype"], "bfloat16");
  Params loaded = LoadParams(dir, config);
  ExpectSame(config, params, loaded);
}

TEST(Checkpoint, StreamedRandomWeightsAreTheSameBits) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig(6);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    SaveOptions options;
    options.dtype = dtype;
    options.max_shard_bytes = 2000;
    WriteRandomCheckpoint(dir, config, 77, options);
    Params streamed = LoadParams(dir, config), made = RandomParams(config, 77, dtype);
    ExpectSame(config, made, streamed);
  }
}

TEST(Checkpoint, RandomWeights) {
  ModelConfig config = SmallConfig();
  Params params = RandomParams(config, 5), other = RandomParams(config, 6);
  for (const float x : params.layers[0].inner_norm.values<float>()) EXPECT_EQ(x, 1);
  EXPECT_NE(params.embedding.f32()[0], other.embedding.f32()[0]);
  double sum = 0;
  for (const auto& [name, tensor] : List(config, params)) {
    if (name.ends_with("norm.weight")) continue;
    for (const float x : tensor.values<float>()) sum += static_cast<double>(x) * x;
  }
  const ParameterCount count = CountParameters(config);
  EXPECT_NEAR(sum / static_cast<double>(count.total), 0.25, 0.03);
  // Fewer layers: the same ones.
  config.num_hidden_layers = 2;
  config.attn_type_list.pop_back();
  Params fewer = RandomParams(config, 5);
  EXPECT_EQ(std::memcmp(fewer.layers[1].experts[2].w2.weight.raw(), params.layers[1].experts[2].w2.weight.raw(),
                        fewer.layers[1].experts[2].w2.weight.bytes()),
            0);
}

TEST(Checkpoint, CountIsTheSumOfTheTensors) {
  for (const int64_t shared : {0, 6}) {
    const ModelConfig config = SmallConfig(shared);
    int64_t sum = 0;
    for (const auto& [name, shape] : ExpectedTensors(config)) sum += NumElements(shape);
    EXPECT_EQ(CountParameters(config).total, sum);
  }
}

TEST(Checkpoint, ZerosLikeHasTheShapes) {
  const ModelConfig config = SmallConfig(6);
  Params params = RandomParams(config, 1, DType::kBF16);
  Params zeros = ZerosLike(config, params);
  const auto x = List(config, params), y = List(config, zeros);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].second.shape(), y[i].second.shape());
    for (const float v : y[i].second.values<float>()) ASSERT_EQ(v, 0);
  }
}

// Loads every case in `root`, and writes it back.
void LoadGoldenCases(const fs::path& root, int* cases) {
  for (const auto& entry : fs::directory_iterator(root)) {
    const fs::path dir = entry.path();
    if (!fs::exists(dir / "config.json")) continue;
    ++*cases;
    const ModelConfig config = ModelConfig::FromFile(dir / "config.json");
    Params params = LoadParams(dir, config);
    if (config.shared_intermediate_size > 0) {
      EXPECT_EQ(params.layers[0].shared_up.weight.dim(0), params.layers[0].shared_down.weight.dim(1));
    }
    if (dir.filename() == "bf16-mixed") {
      EXPECT_EQ(params.layers[0].router.weight.dtype(), DType::kF32);
      EXPECT_EQ(params.layers[0].experts[0].w1.weight.dtype(), DType::kBF16);
    }
    if (fs::exists(dir / "grads.safetensors")) {  // gradients are named and shaped as the parameters are
      const TensorMap grads = ReadSafetensors(dir / "grads.safetensors");
      for (const auto& [name, tensor] : List(config, params)) EXPECT_EQ(grads.at(name).shape(), tensor.shape());
    }
    // Writing it back in the same dtype gives the same tensors.
    const fs::path copy = NewFolder();
    SaveCheckpoint(copy, config, params);
    Params loaded = LoadParams(copy, config);
    const auto x = List(config, params), y = List(config, loaded);
    for (size_t i = 0; i < x.size(); ++i) {
      const Tensor a = x[i].second.ToF32();
      ASSERT_EQ(std::memcmp(a.raw(), y[i].second.raw(), a.bytes()), 0) << x[i].first;
    }
  }
}

TEST(Checkpoint, GoldenCasesLoad) {
  int cases = 0;
  LoadGoldenCases(kSource / "tests/data/golden", &cases);
  EXPECT_EQ(cases, 3);
}

TEST(Checkpoint, AllGoldenCasesLoad) {
  FULGUR_REFERENCE_OR_SKIP(golden, "golden");
  int cases = 0;
  LoadGoldenCases(golden, &cases);
  EXPECT_GT(cases, 3);
}

// A checkpoint as a list of tensors that a test can spoil.
struct SpoiledFiles {
  ModelConfig config = SmallConfig(6);
  fs::path dir = NewFolder();
  std::vector<std::pair<std::string, Tensor>> tensors;

  explicit SpoiledFiles(int64_t shared = 6) : config(SmallConfig(shared)) {
    Params params = RandomParams(config, 3);
    tensors = List(config, params);
    fs::create_directories(dir);
  }
  Tensor& operator[](const std::string& name) {
    for (auto& [n, tensor] : tensors) {
      if (n == name) return tensor;
    }
    tensors.emplace_back(name, Tensor());
    return tensors.back().second;
  }
  void Erase(const std::string& name) {
    std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  }
  void Write(const char* file = "model.safetensors") { WriteSafetensors(dir / file, tensors); }
  std::string Error() { return LoadError(dir, config); }
};

constexpr const char* kW1 = "model.layers.1.block_sparse_moe.experts.2.w1.weight";

TEST(BadCheckpoint, NoWeights) {
  SpoiledFiles f;
  EXPECT_THAT(f.Error(), AllOf(HasSubstr(f.dir.string()), HasSubstr("expected model.safetensors or")));
}

TEST(BadCheckpoint, MissingTensor) {
  SpoiledFiles f;
  f.Erase(kW1);
  f.Write();
  EXPECT_THAT(f.Error(), AllOf(HasSubstr(f.dir.string()), HasSubstr(kW1), HasSubstr("[6, 8] is missing")));
  f.Erase("lm_head.weight");
  f.Write();
  EXPECT_THAT(f.Error(), HasSubstr("and 1 more"));
}

TEST(BadCheckpoint, ExtraTensor) {
  SpoiledFiles f;
  f["model.layers.3.input_layernorm.weight"] = Tensor(DType::kF32, {8});
  f.Write();
  EXPECT_THAT(f.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr("extra tensor"), HasSubstr("layers.3"),
                               HasSubstr("F32 [8]")));
}

TEST(BadCheckpoint, DerivedTensorsAreIgnored) {
  SpoiledFiles f;
  f["model.rotary_emb.inv_freq"] = Tensor(DType::kF32, {1});
  f["model.layers.0.self_attn.slope_rate"] = Tensor(DType::kBF16, {2, 1, 1});
  f["model.layers.1.self_attn.rotary_emb.inv_freq"] = Tensor(DType::kF32, {1});
  f.Write();
  EXPECT_EQ(f.Error(), "no error");
}

TEST(BadCheckpoint, WrongShapeAndRank) {
  SpoiledFiles f;
  f[kW1] = Tensor(DType::kF32, {8, 6});
  f.Write();
  EXPECT_THAT(f.Error(), AllOf(HasSubstr(kW1), HasSubstr("has shape [8, 6]; expected [6, 8]")));
  f[kW1] = Tensor(DType::kF32, {48});
  f.Write();
  EXPECT_THAT(f.Error(), HasSubstr("has shape [48]; expected [6, 8]"));
}

TEST(BadCheckpoint, IntegerDtype) {
  SpoiledFiles f;
  f[kW1] = Tensor(DType::kI64, {6, 8});
  f.Write();
  EXPECT_THAT(f.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(kW1), HasSubstr("is I64; expected F32")));
}

TEST(BadCheckpoint, SharedExpertWidthComesFromTheTensorsAndMustAgree) {
  SpoiledFiles f;
  for (const int layer : {0, 1, 2}) {
    const std::string prefix = fmt::format("model.layers.{}.shared_mlp.", layer);
    f[prefix + "gate_proj.weight"] = f[prefix + "up_proj.weight"] = Tensor(DType::kF32, {10, 8});
    f[prefix + "down_proj.weight"] = Tensor(DType::kF32, {8, 10});
  }
  f.Write();
  EXPECT_EQ(f.Error(), "no error");
  f["model.layers.1.shared_mlp.up_proj.weight"] = Tensor(DType::kF32, {6, 8});
  f.Write();
  EXPECT_THAT(f.Error(), AllOf(HasSubstr("layers.1.shared_mlp.up_proj"), HasSubstr("[6, 8]; expected [10, 8]")));
  f["model.layers.1.shared_mlp.up_proj.weight"] = Tensor(DType::kF32, {10, 8});
  f["model.layers.1.shared_mlp.down_proj.weight"] = Tensor(DType::kF32, {8, 6});
  f.Write();
  EXPECT_THAT(f.Error(), HasSubstr("[8, 6]; expected [8, 10]"));
  f.Erase("model.layers.1.shared_mlp.gate_proj.weight");
  f["model.layers.1.shared_mlp.down_proj.weight"] = Tensor(DType::kF32, {8, 6});
  f["model.layers.1.shared_mlp.up_proj.weight"] = Tensor(DType::kF32, {6, 8});
  f.Write();
  EXPECT_THAT(f.Error(), HasSubstr("gate_proj.weight\" [6, 8] is missing"));
}

TEST(BadCheckpoint, SharedExpertAgainstTheConfig) {
  SpoiledFiles without(0);
  without.config = SmallConfig(6);
  without.Write();
  EXPECT_THAT(without.Error(), HasSubstr("shared_mlp.gate_proj.weight\" [6, 8] is missing"));
  SpoiledFiles with(6);
  with.config = SmallConfig(0);
  with.Write();
  EXPECT_THAT(with.Error(), HasSubstr("extra tensor"));
}

// Two shards with an index that each test spoils.
struct Sharded : SpoiledFiles {
  std::vector<std::pair<std::string, Tensor>> first, second;
  Json index;
  Sharded() {
    index["metadata"] = {{"total_size", 1}};  // stale, which is allowed
    for (size_t i = 0; i < tensors.size(); ++i) {
      (i < 10 ? first : second).push_back(tensors[i]);
      index["weight_map"][tensors[i].first] = i < 10 ? "a.safetensors" : "b.safetensors";
    }
  }
  std::string Error() {
    WriteSafetensors(dir / "a.safetensors", first);
    WriteSafetensors(dir / "b.safetensors", second);
    WriteFileAtomic(dir / kIndexFile, index.dump());
    return LoadError(dir, config);
  }
};

TEST(BadIndex, GoodOne) {
  Sharded s;
  EXPECT_EQ(s.Error(), "no error");
}

TEST(BadIndex, ShardIsMissing) {
  Sharded s;
  s.index["weight_map"]["lm_head.weight"] = "c.safetensors";
  EXPECT_THAT(s.Error(), AllOf(HasSubstr("c.safetensors"), HasSubstr("is missing"), HasSubstr("lm_head.weight")));
}

TEST(BadIndex, ShardLacksTheTensor) {
  Sharded s;
  s.second.pop_back();  // lm_head
  EXPECT_THAT(s.Error(), AllOf(HasSubstr("b.safetensors"), HasSubstr("\"lm_head.weight\" is missing")));
}

TEST(BadIndex, TensorInTwoShards) {
  Sharded s;
  s.second.push_back(s.first[0]);
  EXPECT_THAT(s.Error(),
              AllOf(HasSubstr("b.safetensors"), HasSubstr("embed_tokens"), HasSubstr("says it is in a.safe")));
}

TEST(BadIndex, TensorNotInTheIndex) {
  Sharded s;
  s.second.emplace_back("stray", Tensor(DType::kF32, {2}));
  EXPECT_THAT(s.Error(), AllOf(HasSubstr("b.safetensors"), HasSubstr("extra tensor \"stray\" F32 [2]")));
}

TEST(BadIndex, NameThatTheConfigDoesNotHave) {
  Sharded s;
  s.second.emplace_back("stray", Tensor(DType::kF32, {2}));
  s.index["weight_map"]["stray"] = "b.safetensors";
  EXPECT_THAT(s.Error(), AllOf(HasSubstr("b.safetensors"), HasSubstr("extra tensor \"stray\""), HasSubstr("config")));
}

TEST(BadIndex, TruncatedShard) {
  Sharded s;
  s.Error();
  fs::resize_file(s.dir / "b.safetensors", fs::file_size(s.dir / "b.safetensors") - 4);
  EXPECT_THAT(LoadError(s.dir, s.config), AllOf(HasSubstr("b.safetensors"), HasSubstr("truncated")));
}

TEST(BadIndex, PathsThatLeaveTheFolder) {
  for (const char* file : {"../a.safetensors", "/etc/passwd", "sub/a.safetensors", "..", ".", "", "a\\b"}) {
    Sharded s;
    s.index["weight_map"]["lm_head.weight"] = file;
    EXPECT_THAT(s.Error(), AllOf(HasSubstr(kIndexFile), HasSubstr("lm_head.weight"), HasSubstr("plain file name")))
        << file;
  }
}

TEST(BadIndex, Malformed) {
  const fs::path dir = NewFolder();
  fs::create_directories(dir);
  for (const char* text :
       {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})", R"({"weight_map": {"a": 1}})",
        R"({"weight_map": {"a": "f", "a": "g"}})", R"({"weight_map": {"a": "f"}, "metadata": {"total_size": "x"}})"}) {
    WriteFileAtomic(dir / kIndexFile, text);
    EXPECT_THAT(LoadError(dir, SmallConfig()), HasSubstr(kIndexFile)) << text;
  }
}

TEST(BadIndex, BothSingleFileAndIndex) {
  Sharded s;
  s.Write();
  EXPECT_THAT(s.Error(), HasSubstr("has both"));
}

TEST(Checkpoint, TransformersNames) {
  SpoiledFiles f(0);
  Params published = RandomParams(f.config, 3);
  std::vector<std::pair<std::string, Tensor>> renamed;
  for (const auto& [name, tensor] : f.tensors) {
    if (name.find("block_sparse_moe") == std::string::npos) renamed.emplace_back(name, tensor);
  }
  const int64_t E = 3, I = 6, C = 8;
  for (size_t n = 0; n < 3; ++n) {
    LayerParams& layer = published.layers[n];
    Tensor gate_up(DType::kF32, {E, 2 * I, C}), down(DType::kF32, {E, C, I});
    for (int64_t e = 0; e < E; ++e) {
      const ExpertParams& expert = layer.experts[static_cast<size_t>(e)];
      std::copy_n(std::as_const(expert.w1.weight).f32(), I * C, gate_up.f32() + e * 2 * I * C);
      std::copy_n(std::as_const(expert.w3.weight).f32(), I * C, gate_up.f32() + (2 * e + 1) * I * C);
      std::copy_n(std::as_const(expert.w2.weight).f32(), I * C, down.f32() + e * I * C);
    }
    const std::string prefix = fmt::format("model.layers.{}.mlp.", n);
    renamed.emplace_back(prefix + "gate.weight", layer.router.weight);
    renamed.emplace_back(prefix + "experts.gate_up_proj", gate_up);
    renamed.emplace_back(prefix + "experts.down_proj", down);
  }
  f.tensors = renamed;
  f.Write();
  Params loaded = LoadParams(f.dir, f.config);
  ExpectSame(f.config, published, loaded);

  f["model.layers.1.mlp.experts.down_proj"] = Tensor(DType::kF32, {3, 6, 8});
  f.Write();
  EXPECT_THAT(f.Error(),
              AllOf(HasSubstr("layers.1.mlp.experts.down_proj"), HasSubstr("[3, 6, 8]; expected [3, 8, 6]")));
}

TEST(Checkpoint, OverwritingLeavesNothingOfTheOldOne) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig();
  Params first = RandomParams(config, 1), second = RandomParams(config, 2);
  SaveOptions shards;
  shards.max_shard_bytes = 1000;
  SaveCheckpoint(dir, config, first, shards);
  WriteFileAtomic(dir / "tokenizer.json", "{}");
  EXPECT_GT(Files(dir).size(), 5u);
  Params old = LoadParams(dir, config);
  SaveCheckpoint(dir, config, second);
  EXPECT_EQ(Files(dir), (std::vector<std::string>{"config.json", "model.safetensors", "tokenizer.json"}));
  Params loaded = LoadParams(dir, config);
  ExpectSame(config, second, loaded);
  ExpectSame(config, first, old);               // maps of files that were replaced stay valid
  SaveCheckpoint(dir, config, loaded, shards);  // from the very files it replaces
  loaded = LoadParams(dir, config);
  ExpectSame(config, second, loaded);
}

TEST(Checkpoint, LeftoversOfACutOffSaveAreRemoved) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig();
  Params params = RandomParams(config, 1);
  fs::create_directories(dir);
  for (const char* name : {"model-00003-of-00007.safetensors.partial", "model.safetensors.partial.tmp4711",
                           "model.safetensors.index.json.partial"}) {
    WriteFileAtomic(dir / name, "x");
  }
  WriteFileAtomic(dir / "mymodel.safetensors.partial", "somebody else's");
  SaveCheckpoint(dir, config, params);
  EXPECT_EQ(Files(dir), (std::vector<std::string>{"config.json", "model.safetensors", "mymodel.safetensors.partial"}));
}

// A save that fails while it writes leaves the old checkpoint as it was.
TEST(Checkpoint, FailedSaveKeepsTheOldOne) {
  const fs::path dir = NewFolder();
  const ModelConfig config = SmallConfig();
  Params first = RandomParams(config, 1), second = RandomParams(config, 2);
  SaveCheckpoint(dir, config, first);
  SaveOptions options;
  options.max_shard_bytes = 1000;
  options.progress = [](int64_t written, int64_t) {
    if (written > 3000) throw Error("the disk is full");
  };
  EXPECT_THROW(SaveCheckpoint(dir, config, second, options), Error);
  EXPECT_EQ(Files(dir), (std::vector<std::string>{"config.json", "model.safetensors"}));
  Params loaded = LoadParams(dir, ModelConfig::FromFile(dir / "config.json"));
  ExpectSame(config, first, loaded);
  options.max_shard_bytes = 0;
  EXPECT_THROW(SaveCheckpoint(dir, config, second, options), Error);
  EXPECT_THROW(SaveCheckpoint("/proc/not/writable", config, second), Error);
}

}  // namespace
}  // namespace fulgur
