#include "ops/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/coded_weights.h"
#include "ops/quantize.h"
#include "ops/test_util.h"
#include "tensor/gguf_blocks.h"

namespace fulgur {
namespace {

constexpr auto& kFormats = kAllWeightFormats;
constexpr WeightFormat kIntegerFormats[] = {WeightFormat::kQ8,    WeightFormat::kQ4,  WeightFormat::kQ8F16,
                                            WeightFormat::kQ4F16, WeightFormat::kQ4k, WeightFormat::kQ3,
                                            WeightFormat::kQ2};
constexpr WeightFormat kDotFormats[] = {WeightFormat::kBf16Dot, WeightFormat::kQ8, WeightFormat::kQ4,
                                        WeightFormat::kQ4k,     WeightFormat::kQ3, WeightFormat::kQ2};
const std::pair<int64_t, int64_t> kShapes[] = {{1, 1}, {31, 5}, {32, 64}, {33, 129}, {100, 300}, {530, 1100}};

Tensor Matrix(const std::vector<float>& values, int64_t rows, int64_t cols) {
  Tensor t(DType::kF32, {rows, cols});
  std::copy(values.begin(), values.end(), t.f32());
  return t;
}

Tensor RandomMatrix(int64_t rows, int64_t cols, uint64_t seed) {
  return Matrix(RandomVector(rows * cols, seed), rows, cols);
}

// What an encoded row stands for.
std::vector<double> Decode(const std::vector<float>& x, WeightFormat format) {
  const auto k = static_cast<int64_t>(x.size());
  std::vector<double> values(x.begin(), x.end());
  std::vector<std::byte> row(EncodedRowBytes(format, k));
  if (row.empty()) return values;
  EncodeRows(Row(x), format, row.data());
  for (int64_t i = 0; i < k; ++i) {
    if (format == WeightFormat::kBf16Dot) {
      values[static_cast<size_t>(i)] = ToFloat(reinterpret_cast<const bf16*>(row.data())[i]);
    } else {
      const std::byte* group = row.data() + i / kDotGroup * kInt8RowGroupBytes;
      float scale;
      std::memcpy(&scale, group, sizeof scale);
      values[static_cast<size_t>(i)] = static_cast<double>(scale) * static_cast<int8_t>(group[8 + i % kDotGroup]);
    }
  }
  return values;
}

std::vector<float> Multiply(const std::vector<float>& x, int64_t m, const PackedMatrix& w, ExecContext& exec) {
  std::vector<float> y(static_cast<size_t>(m * w.outputs()), NAN);
  MatMul(View(x, m, w.inputs()), w, View(y, m, w.outputs()), exec);
  return y;
}

TEST(MatMul, IsTheProductOfWhatIsStored) {
  ExecContext exec(2);
  for (const WeightFormat format : kFormats) {
    for (const auto& [n, k] : kShapes) {
      SCOPED_TRACE(fmt::format("{} n {} k {}", WeightFormatName(format), n, k));
      const int64_t m = 7;
      const std::vector<float> x = RandomVector(m * k, 1);
      const PackedMatrix w(RandomMatrix(n, k, 2), format, exec);
      const Tensor weight = w.Unpack();
      std::vector<double> want;
      for (int64_t i = 0; i < m; ++i) {
        const std::vector<double> row = Decode(Slice(x, i * k, k), format);
        for (int64_t j = 0; j < n; ++j) {
          double sum = 0;
          for (int64_t kk = 0; kk < k; ++kk) sum += row[static_cast<size_t>(kk)] * weight.f32()[j * k + kk];
          want.push_back(sum);
        }
      }
      for (const std::string& set : SupportedInstructionSets()) {
        UseInstructionSet(set);
        ExpectClose(Multiply(x, m, w, exec), want, 1e-5);
      }
      UseInstructionSet("");
    }
  }
}

TEST(MatMul, ARowsBitsDoNotDependOnTheOthersNorOnThreads) {
  ExecContext one(1), two(2);
  for (const WeightFormat format : kFormats) {
    for (const auto& [n, k] : kShapes) {
      const int64_t most = 401;
      const std::vector<float> x = RandomVector(most * k, 3);
      const PackedMatrix w(RandomMatrix(n, k, 4), format, one);
      std::vector<float> alone;
      for (const int64_t row : {0, 1, 5, 12, 47, 48, 191, 192, 400}) {
        const std::vector<float> y = Multiply(Slice(x, row * k, k), 1, w, two);
        alone.insert(alone.end(), y.begin(), y.end());
      }
      for (const int64_t m : {2, 3, 6, 13, 48, 49, 192, 193, 401}) {
        SCOPED_TRACE(fmt::format("{} n {} k {} m {}", WeightFormatName(format), n, k, m));
        const std::vector<float> y = Multiply(Slice(x, 0, m * k), m, w, m % 2 == 0 ? one : two);
        int64_t checked = 0;
        for (const int64_t row : {0, 1, 5, 12, 47, 48, 191, 192, 400}) {
          if (row < m) ExpectSameBits(Slice(y, row * n, n), Slice(alone, checked * n, n));
          ++checked;
        }
      }
    }
  }
}

// So many rows that the last block of them is a single one, and more groups than are expanded at a time.
TEST(MatMul, ALastBlockOfOneRow) {
  ExecContext exec(2);
  const int64_t m = 16 * 256 + 1, n = 33, k = 1100;
  const std::vector<float> x = RandomVector(m * k, 13);
  for (const WeightFormat format : kFormats) {
    SCOPED_TRACE(WeightFormatName(format));
    const PackedMatrix w(RandomMatrix(n, k, 14), format, exec);
    const std::vector<float> y = Multiply(x, m, w, exec);
    for (const int64_t row : {int64_t{0}, m - 2, m - 1}) {
      ExpectSameBits(Slice(y, row * n, n), Multiply(Slice(x, row * k, k), 1, w, exec));
    }
  }
}

TEST(MatMul, SeveralProductsAtOnceAreThoseOneByOne) {
  ExecContext exec(2);
  const int64_t k = 100;
  const std::vector<float> x = RandomVector(60 * k, 5);
  std::vector<PackedMatrix> weights;
  for (const WeightFormat format : kFormats) {
    for (const int64_t n : {3, 40, 200}) weights.emplace_back(RandomMatrix(n, k, 6), format, exec);
  }
  std::vector<MatMulArgs> products;
  std::vector<std::vector<float>> results, want;
  results.reserve(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    const int64_t m = static_cast<int64_t>(i) % 4 * 17, first = static_cast<int64_t>(i) % 2;  // some have no rows
    want.push_back(Multiply(Slice(x, first * k, m * k), m, weights[i], exec));
    results.emplace_back(want.back().size(), NAN);
    products.push_back({View(x, 60, k).Rows({first, m}), &weights[i], View(results.back(), m, weights[i].outputs())});
  }
  MatMul(products, exec);
  for (size_t i = 0; i < weights.size(); ++i) ExpectSameBits(results[i], want[i]);
}

TEST(MatMul, IntegerProductsHaveTheSameBitsOnAllSetsWithFma) {
  ExecContext exec(2);
  for (const WeightFormat format : kIntegerFormats) {
    const int64_t n = 70, k = 200, m = 50;
    const std::vector<float> x = RandomVector(m * k, 7);
    const PackedMatrix w(RandomMatrix(n, k, 8), format, exec);
    ExpectSameOnAllInstructionSets([&] { return Multiply(x, m, w, exec); });
  }
}

// The extremes of the integer ranges, which saturating instructions would get wrong.
TEST(MatMul, TheLargestValuesDoNotSaturate) {
  ExecContext exec(1);
  const int64_t k = 64;
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> x(static_cast<size_t>(k), sign);
    for (const WeightFormat format : kDotFormats) {
      const PackedMatrix w(Matrix(std::vector<float>(static_cast<size_t>(2 * k), -1.0f), 2, k), format, exec);
      for (const std::string& set : SupportedInstructionSets()) {
        UseInstructionSet(set);
        for (const float y : Multiply(x, 1, w, exec)) EXPECT_NEAR(y, -sign * 64, IsCoded(format) ? 2 : 0.5) << set;
      }
      UseInstructionSet("");
    }
  }
}

TEST(MatMul, StridesLeaveTheRestAlone) {
  ExecContext exec(1);
  const int64_t m = 5, n = 40, k = 9, ldx = 12, ldy = 45;
  const std::vector<float> x = RandomVector(m * ldx, 8);
  for (const WeightFormat format : kFormats) {
    const PackedMatrix w(RandomMatrix(n, k, 9), format, exec);
    std::vector<float> y(static_cast<size_t>(m * ldy), -7.0f);
    MatMul(View(x, m, ldx).Cols(0, k), w, View(y, m, ldy).Cols(0, n), exec);
    for (int64_t i = 0; i < m; ++i) {
      ExpectSameBits(Slice(y, i * ldy, n), Multiply(Slice(x, i * ldx, k), 1, w, exec));
      for (int64_t j = n; j < ldy; ++j) EXPECT_EQ(y[i * ldy + j], -7.0f);
    }
  }
}

TEST(MatMul, AValueThatIsNotFiniteShows) {
  ExecContext exec(1);
  const int64_t n = 40, k = 80;
  for (const WeightFormat format : kFormats) {
    const PackedMatrix w(RandomMatrix(n, k, 10), format, exec);
    for (const float bad : {std::numeric_limits<float>::infinity(), static_cast<float>(NAN)}) {
      for (const int64_t at : {0, 17, 79}) {
        std::vector<float> x = RandomVector(k, 11);
        x[static_cast<size_t>(at)] = bad;
        for (const float y : Multiply(x, 1, w, exec)) EXPECT_FALSE(std::isfinite(y)) << WeightFormatName(format);
      }
    }
  }
}

TEST(PackedMatrix, ErrorsOfQuantization) {
  ExecContext exec(1);
  const Tensor weight = RandomMatrix(64, 256, 12);
  const auto error = [&](WeightFormat format) {
    const Tensor stored = PackedMatrix(weight, format, exec).Unpack();
    double sum = 0, square = 0;
    for (int64_t i = 0; i < weight.size(); ++i) {
      const double w = weight.f32()[i], d = w - stored.f32()[i];
      sum += d * d;
      square += w * w;
    }
    return std::sqrt(sum / square);
  };
  EXPECT_EQ(error(WeightFormat::kF32), 0);
  EXPECT_LT(error(WeightFormat::kBf16Dot), 0.002);
  EXPECT_LT(error(WeightFormat::kQ8), 0.007);  // a uniform error of half a step of max / 127, max about 2.1 rms
  EXPECT_LT(error(WeightFormat::kQ4), 0.09);
  EXPECT_GT(error(WeightFormat::kQ4), 0.05);
  EXPECT_LT(error(WeightFormat::kQ4k), 0.075);
  EXPECT_LT(error(WeightFormat::kQ3), 0.15);
  EXPECT_LT(error(WeightFormat::kQ2), 0.29);
}

TEST(PackedMatrix, ZerosAndTinyValues) {
  ExecContext exec(1);
  for (const float value : {0.0f, 1e-42f, 1e-30f}) {
    const Tensor weight = Matrix(std::vector<float>(64, value), 2, 32);
    const std::vector<float> x(32, value);
    for (const WeightFormat format : kDotFormats) {
      const PackedMatrix w(weight, format, exec);
      const double least = IsCoded(format) ? 0x1p-27 : 1e-40;  // the least step of a coded format
      for (int64_t i = 0; i < 64; ++i) EXPECT_NEAR(w.Unpack().f32()[i], value, 0.01 * value + least);
      if (value == 0) {
        for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(w.Unpack().f32()[i], 0);
      }
      for (const float y : Multiply(x, 1, w, exec)) EXPECT_NEAR(y, 0, 1e-30);
    }
  }
}

// Blocks of Q8_0 and Q4_0 with every bit of their own: packed they mean what the blocks mean.
TEST(PackedMatrix, GgufBlocksKeepTheirValues) {
  const int64_t rows = 45, k = 96;
  for (const WeightFormat format : {WeightFormat::kQ8F16, WeightFormat::kQ4F16}) {
    SCOPED_TRACE(WeightFormatName(format));
    const GgufType type = format == WeightFormat::kQ8F16 ? GgufType::kQ8_0 : GgufType::kQ4_0;
    const size_t block = GgufBlockBytes(type), row_bytes = static_cast<size_t>(k / 32) * block;
    Rng rng(1);
    std::vector<std::byte> blocks(rows * row_bytes);
    for (std::byte& b : blocks) b = static_cast<std::byte>(rng.Next() & 0xff);
    for (size_t at = 0; at < blocks.size(); at += block) {  // finite scales, subnormal and negative ones among them
      blocks[at + 1] = static_cast<std::byte>((at / block % 31) << 2 | (at / block % 2) << 7);
    }
    std::vector<float> expected(static_cast<size_t>(rows * k));
    DecodeGgufBlocks(type, blocks, expected);
    const int64_t panels = PackedMatrix::Panels(rows),
                  bytes = static_cast<int64_t>(PackedMatrix::PanelBytes(format, k));
    Tensor data(DType::kU8, {panels, bytes});
    for (int64_t p = 0; p < panels; ++p) {
      const auto first = static_cast<size_t>(p) * 32 * row_bytes;
      PackedMatrix::PackGgufPanel(std::span(blocks).subspan(first, std::min(32 * row_bytes, blocks.size() - first)), k,
                                  format, data.raw() + p * bytes);
    }
    const Tensor values = PackedMatrix(format, rows, k, data).Unpack();
    EXPECT_EQ(std::vector<float>(values.f32(), values.f32() + rows * k), expected);
  }
}

TEST(PackedMatrix, OfWrongShapeIsAnError) {
  try {
    PackedMatrix(WeightFormat::kQ4, 100, 64, Tensor(DType::kU8, {4, 100}));
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("q4"));
    EXPECT_THAT(e.what(), testing::HasSubstr("[4, 1152]"));
    EXPECT_THAT(e.what(), testing::HasSubstr("[4, 100]"));
  }
}

}  // namespace
}  // namespace fulgur
