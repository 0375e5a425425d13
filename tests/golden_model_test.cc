// The model against reference data computed with the published implementation. The cases in tests/data/golden are a
// part of a larger set; the others are skipped where they are not at hand (base/reference_data.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "base/reference_data.h"
#include "model/trace.h"
#include "ops/gemm.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

const fs::path kHere = fs::path(FULGUR_SOURCE_DIR) / "tests/data/golden";
// Their names are those of their folders. A list, so that those that are not at hand have a name to be skipped by.
const std::set<std::string> kInference{
    "bf16",       "bf16-mixed",  "lightning-last", "odd-heads",  "shared-expert-postnorm", "shared-expert-prenorm",
    "three-seqs", "tiny-hybrid", "tiny-long",      "two-periods"};
const std::set<std::string> kGradient{"grad-hybrid", "grad-long", "grad-shared"};

// A test of one case; `dir` is its folder.
class Golden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    dir = kHere / GetParam();
    if (fs::exists(dir)) return;
    FULGUR_REFERENCE_OR_SKIP(found, "golden/" + GetParam());
    dir = found;
  }
  fs::path dir;
};

std::string CaseName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

void ExpectClose(const std::string& name, const Tensor& got, const Tensor& want, const Json& tolerance) {
  ASSERT_EQ(ShapeString(got.shape()), ShapeString(want.shape())) << name;
  const double atol = JsonGet<double>(tolerance, "atol", name), rel_rms = JsonGet<double>(tolerance, "rel_rms", name);
  double worst = 0, diff2 = 0, want2 = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    const double diff = std::abs(static_cast<double>(got.f32()[i]) - want.f32()[i]);
    ASSERT_TRUE(std::isfinite(got.f32()[i])) << name << " element " << i;
    worst = std::max(worst, diff);
    diff2 += diff * diff;
    want2 += static_cast<double>(want.f32()[i]) * want.f32()[i];
  }
  EXPECT_LE(worst, atol) << name;
  EXPECT_LE(std::sqrt(diff2 / want2), rel_rms) << name;
}

void ExpectEqualInts(const std::string& name, const Tensor& got, const Tensor& want) {
  ASSERT_EQ(ShapeString(got.shape()), ShapeString(want.shape())) << name;
  for (int64_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got.values<int64_t>()[static_cast<size_t>(i)], want.values<int64_t>()[static_cast<size_t>(i)])
        << name << " element " << i;
  }
}

TensorMap ToMap(const NamedTensors& tensors) { return {tensors.begin(), tensors.end()}; }

// Every tensor of the reference is there and close to it, for every input of the case.
void ExpectMatchesReference(Model& model, const fs::path& dir, int64_t chunk) {
  const Json info = ReadJsonFile(dir / "case.json");
  const Json& tolerances = info["tolerances_fp32"];
  for (const Json& input : info["inputs"]) {
    const TensorMap want = ReadSafetensors(dir / JsonGet<std::string>(input, "file", "case.json"));
    const TensorMap got = ToMap(TraceForward(model, want.at("input_ids"), {.chunk = chunk, .greedy_steps = 32}));
    for (const auto& [name, tensor] : want) {
      if (name == "logits_f64") {
        ExpectClose(name, got.at("logits"), tensor, tolerances["logits"]);
        continue;
      }
      ASSERT_TRUE(got.contains(name)) << name;
      if (tensor.dtype() == DType::kI64) {
        ExpectEqualInts(name, got.at(name), tensor);
      } else {
        ExpectClose(name, got.at(name), tensor, tolerances[name.substr(0, name.find('.'))]);
      }
    }
  }
}

class GoldenForward : public Golden {};
INSTANTIATE_TEST_SUITE_P(Cases, GoldenForward, testing::ValuesIn(kInference), CaseName);

TEST_P(GoldenForward, MatchesReference) {
  ExecContext exec(2);
  ExpectMatchesReference(*Model::Load(dir, exec), dir, 0);
}

// Row invariance: the same bits for any chunking and any number of threads; and with every instruction set, if it has a
// fused multiply-add, the bits of the best one.
TEST_P(GoldenForward, SameBitsHoweverItIsComputed) {
  ExecContext one(1), two(2);
  const std::unique_ptr<Model> model = Model::Load(dir, two), serial = Model::Load(dir, one);
  const Json info = ReadJsonFile(dir / "case.json");
  for (const Json& input : info["inputs"]) {
    const TensorMap file = ReadSafetensors(dir / JsonGet<std::string>(input, "file", "case.json"));
    const NamedTensors whole = TraceForward(*model, file.at("input_ids"), {.chunk = 0, .greedy_steps = 8});
    const auto expect_same = [&](const NamedTensors& other, const std::string& how) {
      ASSERT_EQ(whole.size(), other.size()) << how;
      for (size_t i = 0; i < whole.size(); ++i) {
        ASSERT_EQ(whole[i].first, other[i].first) << how;
        ASSERT_EQ(std::memcmp(whole[i].second.raw(), other[i].second.raw(), whole[i].second.bytes()), 0)
            << whole[i].first << " differs: " << how;
      }
    };
    for (const int64_t chunk : {1, 7, 64, 100}) {
      expect_same(TraceForward(*model, file.at("input_ids"), {.chunk = chunk, .greedy_steps = 8}),
                  fmt::format("chunk {}", chunk));
    }
    expect_same(TraceForward(*serial, file.at("input_ids"), {.chunk = 33, .greedy_steps = 8}), "1 thread, chunk 33");
    for (const std::string& set : SupportedInstructionSets()) {
      if (set != "AVX3" && set != "AVX2") continue;
      UseInstructionSet(set);
      expect_same(TraceForward(*model, file.at("input_ids"), {.chunk = 50, .greedy_steps = 8}), set);
    }
    UseInstructionSet("");
  }
}

TEST_P(GoldenForward, PortablePathMatchesReference) {
  ExecContext exec(2);
  const std::unique_ptr<Model> model = Model::Load(dir, exec);
  UseInstructionSet(SupportedInstructionSets().back());
  ExpectMatchesReference(*model, dir, 0);
  UseInstructionSet("");
}

class GoldenGradient : public Golden {};
INSTANTIATE_TEST_SUITE_P(Cases, GoldenGradient, testing::ValuesIn(kGradient), CaseName);

TEST_P(GoldenGradient, MatchesReference) {
  const Json info = ReadJsonFile(dir / "case.json");
  const double rel_norm = JsonGet<double>(info["tolerances"], "per_tensor_rel_norm_fp32", "case.json");
  const double loss_abs = JsonGet<double>(info["tolerances"], "loss_abs", "case.json");
  const TensorMap expected = ReadSafetensors(dir / "expected.safetensors");
  const TensorMap want = ReadSafetensors(dir / "grads.safetensors");
  ExecContext one(1), two(2);
  const std::unique_ptr<Model> model = Model::Load(dir, two, true), serial = Model::Load(dir, one, true);
  const NamedTensors traced = TraceGradient(*model, expected.at("input_ids"), expected.at("labels"));
  const TensorMap got = ToMap(traced);
  for (const char* name : {"loss", "ce_loss", "aux_loss"}) {
    EXPECT_NEAR(got.at(name).f32()[0], JsonGet<double>(info, name, "case.json"), loss_abs) << name;
  }
  for (const auto& [name, tensor] : want) {
    ASSERT_TRUE(got.contains(name)) << name;
    ASSERT_EQ(got.at(name).shape(), tensor.shape()) << name;
    double diff2 = 0, want2 = 0;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const double g = got.at(name).f32()[i], w = tensor.f32()[i];
      diff2 += (g - w) * (g - w);
      want2 += w * w;
    }
    if (want2 == 0) {
      EXPECT_EQ(diff2, 0) << name << " must be exactly zero";
    } else {
      EXPECT_LE(std::sqrt(diff2 / want2), rel_norm) << name;
    }
  }
  // The same bits without recomputation and with one thread.
  for (const NamedTensors& other : {TraceGradient(*model, expected.at("input_ids"), expected.at("labels"), false),
                                    TraceGradient(*serial, expected.at("input_ids"), expected.at("labels"))}) {
    for (size_t i = 0; i < traced.size(); ++i) {
      ASSERT_EQ(std::memcmp(traced[i].second.raw(), other[i].second.raw(), traced[i].second.bytes()), 0)
          << traced[i].first;
    }
  }
}

// No case of the larger set is forgotten by the lists above.
TEST(GoldenCases, EveryOneIsListed) {
  FULGUR_REFERENCE_OR_SKIP(root, "golden");
  std::set<std::string> inference, gradient;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    const auto kind = JsonGet<std::string>(ReadJsonFile(entry.path() / "case.json"), "kind", "case.json");
    (kind == "inference" ? inference : gradient).insert(entry.path().filename().string());
  }
  EXPECT_EQ(inference, kInference);
  EXPECT_EQ(gradient, kGradient);
}

}  // namespace
}  // namespace fulgur
