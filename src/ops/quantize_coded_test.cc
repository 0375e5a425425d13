#include "ops/quantize_coded.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/reference_data.h"
#include "ops/coded_weights.h"
#include "ops/test_util.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

constexpr WeightFormat kCoded[] = {WeightFormat::kQ4k, WeightFormat::kQ3, WeightFormat::kQ2};

// Inputs and outputs of one group.
std::vector<float> RandomGroup(uint64_t seed) { return RandomVector(32 * 32, seed, 0.02); }

std::vector<uint8_t> Quantize(WeightFormat format, const std::vector<float>& x, const float* importance = nullptr) {
  std::vector<uint8_t> group(PackedMatrix::PanelBytes(format, 32));
  QuantizeCodedGroup(format, x.data(), importance, group.data());
  return group;
}

float Decoded(WeightFormat format, const std::vector<uint8_t>& group, int k, int j) {
  return VisitCoded(format, [&]<typename Format>(Format) {
    return ScaleOfByte(group[static_cast<size_t>(Format::kScales + j)]) *
           static_cast<float>(CodedValue<Format>(group.data(), k, j));
  });
}

// Sum of squared errors over inputs [begin, end).
double Error(WeightFormat format, const std::vector<float>& x, const std::vector<uint8_t>& group, int begin, int end) {
  double error = 0;
  for (int k = begin; k < end; ++k) {
    for (int j = 0; j < 32; ++j) {
      const double d = Decoded(format, group, k, j) - x[static_cast<size_t>(k * 32 + j)];
      error += d * d;
    }
  }
  return error;
}

// Root mean square of what packing changes, over that of the values.
double RelativeError(const Tensor& weight, WeightFormat format) {
  ExecContext exec(1);
  const Tensor packed = PackedMatrix(weight, format, exec).Unpack();
  double error = 0, sum = 0;
  for (int64_t i = 0; i < weight.size(); ++i) {
    const double x = weight.f32()[i], d = x - packed.f32()[i];
    error += d * d;
    sum += x * x;
  }
  return std::sqrt(error / sum);
}

// Bits a weight and errors of the reference implementation's types on these rows. Ours have no more bits, and lose
// less.
TEST(QuantizeCoded, ReferenceRows) {
  FULGUR_REFERENCE_OR_SKIP(folder, "gguf");
  const struct {
    WeightFormat format;
    const char* type;
    double bits, error;
  } cases[] = {{WeightFormat::kQ4k, "Q4_K", 4.5, 0.0889},
               {WeightFormat::kQ3, "Q3_K", 3.4375, 0.2017},
               {WeightFormat::kQ2, "Q2_K", 2.6, 0.3566}};
  for (const auto& c : cases) {
    const Tensor source = ReadSafetensors(folder / (std::string(c.type) + ".safetensors")).at("source");
    EXPECT_LT(RelativeError(source, c.format), 0.97 * c.error) << c.type;
    EXPECT_LE(8.0 * static_cast<double>(PackedMatrix::PanelBytes(c.format, 512)) / (512 * 32), c.bits) << c.type;
  }
}

// The same kind of rows: every 97th value is eight times larger.
TEST(QuantizeCoded, RowsWithLargeValues) {
  std::vector<float> x = RandomVector(32 * 512, 5);
  for (size_t i = 0; i < x.size(); i += 97) x[i] *= 8;
  Tensor rows(DType::kF32, {32, 512});
  std::copy(x.begin(), x.end(), rows.f32());
  EXPECT_LT(RelativeError(rows, WeightFormat::kQ4k), 0.0889);
  EXPECT_LT(RelativeError(rows, WeightFormat::kQ3), 0.18);
  EXPECT_LT(RelativeError(rows, WeightFormat::kQ2), 0.31);
}

TEST(QuantizeCoded, NoChangeOfACodeMakesItBetter) {
  // With scale, factor and offset as chosen, every value gets the nearest that its codes can say.
  for (const WeightFormat format : kCoded) {
    const std::vector<float> x = RandomGroup(1);
    const std::vector<uint8_t> group = Quantize(format, x);
    for (int j = 0; j < 32; ++j) {
      for (int half = 0; half < 2; ++half) {
        std::array<float, 16> taken;
        for (int i = 0; i < 16; ++i) taken[static_cast<size_t>(i)] = Decoded(format, group, half * 16 + i, j);
        for (int i = 0; i < 16; ++i) {
          const float value = x[static_cast<size_t>((half * 16 + i) * 32 + j)];
          for (const float other : taken) {
            EXPECT_LE(std::abs(taken[static_cast<size_t>(i)] - value), std::abs(other - value) * 1.0001f + 1e-9f);
          }
        }
      }
    }
  }
}

TEST(QuantizeCoded, TheSameBytesOnAllInstructionSets) {
  for (const WeightFormat format : kCoded) {
    const std::vector<float> x = RandomGroup(2), importance = RandomVector(32, 3);
    std::vector<float> positive(32);
    for (size_t i = 0; i < 32; ++i) positive[i] = importance[i] * importance[i];
    UseInstructionSet("");
    const std::vector<uint8_t> expected = Quantize(format, x, positive.data());
    for (const std::string& set : SupportedInstructionSets()) {
      UseInstructionSet(set);
      EXPECT_EQ(Quantize(format, x, positive.data()), expected) << WeightFormatName(format) << " " << set;
    }
    UseInstructionSet("");
  }
}

TEST(QuantizeCoded, ImportantInputsLoseLess) {
  for (const WeightFormat format : kCoded) {
    const std::vector<float> x = RandomGroup(4);
    std::vector<float> importance(32, 1.0f);
    std::fill(importance.begin(), importance.begin() + 4, 100.0f);
    const std::vector<uint8_t> plain = Quantize(format, x), weighted = Quantize(format, x, importance.data());
    EXPECT_LT(Error(format, x, weighted, 0, 4), 0.7 * Error(format, x, plain, 0, 4)) << WeightFormatName(format);
    EXPECT_GT(Error(format, x, weighted, 4, 32), Error(format, x, plain, 4, 32)) << WeightFormatName(format);
  }
}

TEST(QuantizeCoded, ZerosSizesAndImportanceOfNothing) {
  for (const WeightFormat format : kCoded) {
    SCOPED_TRACE(WeightFormatName(format));
    const std::vector<float> zeros(32 * 32, 0.0f), none(32, 0.0f);
    const std::vector<uint8_t> group = Quantize(format, zeros);
    for (int j = 0; j < 32; ++j) EXPECT_EQ(Decoded(format, group, 5, j), 0.0f);
    for (const float size : {1e-5f, 1.0f, 1000.0f, kLargestCodedWeight / 5}) {
      std::vector<float> x = RandomGroup(6);
      double sum = 0;
      for (float& v : x) {
        v = std::clamp(v * 50 * size, -kLargestCodedWeight, kLargestCodedWeight);
        sum += static_cast<double>(v) * v;
      }
      EXPECT_LT(Error(format, x, Quantize(format, x), 0, 32), 0.1 * sum) << size;
    }
    // Inputs that never carry anything may become anything finite.
    const std::vector<uint8_t> any = Quantize(format, RandomGroup(7), none.data());
    for (int j = 0; j < 32; ++j) EXPECT_TRUE(std::isfinite(Decoded(format, any, 0, j)));
  }
}

}  // namespace
}  // namespace fulgur
