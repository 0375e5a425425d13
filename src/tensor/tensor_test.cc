#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/random.h"

namespace fulgur {
namespace {

TEST(Tensor, ZeroedAlignedAndShared) {
  Tensor a(DType::kF32, {3, 5});
  EXPECT_EQ(a.size(), 15);
  EXPECT_EQ(a.bytes(), 60u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.raw()) % 64, 0u);
  for (const float x : a.values<float>()) EXPECT_EQ(x, 0);
  Tensor handle = a, copy = a.Clone();
  a.f32()[7] = 3;
  EXPECT_EQ(handle.f32()[7], 3);
  EXPECT_EQ(copy.f32()[7], 0);
  EXPECT_EQ(ShapeString(a.shape()), "[3, 5]");
}

TEST(Tensor, EmptyAndSizeZeroDiffer) {
  EXPECT_TRUE(Tensor().empty());
  EXPECT_FALSE(Tensor(DType::kF32, {0}).empty());
  EXPECT_EQ(Tensor(DType::kF32, {4, 0}).bytes(), 0u);
}

TEST(Tensor, ConversionsAgreeElementByElement) {
  Tensor f(DType::kF32, {2, 500});
  FillNormal(7, 0, 3.0, f.values<float>());
  const Tensor b = f.To(DType::kBF16), back = b.ToF32();
  std::vector<float> row(500);
  RowToF32(b, 1, row.data());
  for (int64_t i = 0; i < f.size(); ++i) {
    const float x = f.f32()[i], y = back.f32()[i];
    EXPECT_EQ(ToFloat(ToBf16(x)), y);
    EXPECT_EQ(ElementAsFloat(b, i), y);
    EXPECT_NEAR(x, y, std::abs(x) / 256);
    if (i >= 500) {
      EXPECT_EQ(row[static_cast<size_t>(i - 500)], y);
    }
  }
  Tensor h(DType::kF16, {3});
  h.values<f16>()[0] = {0x3c00};  // 1
  h.values<f16>()[1] = {0xc500};  // -5
  h.values<f16>()[2] = {0x0001};  // the smallest subnormal
  EXPECT_EQ(h.ToF32().f32()[0], 1);
  EXPECT_EQ(h.ToF32().f32()[1], -5);
  EXPECT_EQ(h.ToF32().f32()[2], 0x1p-24f);
}

TEST(FillNormal, PartsAreTheWhole) {
  std::vector<float> whole(5 * kRandomBlock + 13);
  FillNormal(11, 0, 1, whole);
  std::vector<float> part(2 * kRandomBlock + 1);
  FillNormal(11, 2 * kRandomBlock, 1, part);
  for (size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[i + 2 * kRandomBlock]) << i;
  std::vector<float> other(whole.size());
  FillNormal(12, 0, 1, other);
  EXPECT_NE(whole, other);
}

// Known bits: the draws are part of what a seed means, so they must not change between machines or versions.
TEST(FillNormal, BitsAreFixed) {
  std::vector<float> x(4);
  FillNormal(2024, 0, 0.02, x);
  const std::vector<float> expected = {0x1.fde7b8p-8f, -0x1.bb9e62p-7f, -0x1.a4ad18p-9f, -0x1.cbd5fep-7f};
  EXPECT_EQ(x, expected);
}

TEST(FillNormal, IsNormal) {
  constexpr int64_t kCount = 1 << 20;
  std::vector<float> x(kCount);
  FillNormal(3, 0, 2.0, x);
  double sum[5] = {};
  int64_t within[4] = {};
  double neighbours = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double z = x[i] / 2.0;
    for (int p = 1; p < 5; ++p) sum[p] += std::pow(z, p);
    for (int k = 1; k < 4; ++k) within[k] += std::abs(z) < k;
    if (i > 0) neighbours += z * x[i - 1] / 2.0;
  }
  const double n = kCount, sigma = 1 / std::sqrt(n);
  EXPECT_NEAR(sum[1] / n, 0, 5 * sigma);
  EXPECT_NEAR(sum[2] / n, 1, 5 * std::sqrt(2) * sigma);
  EXPECT_NEAR(sum[3] / n, 0, 5 * std::sqrt(15) * sigma);
  EXPECT_NEAR(sum[4] / n, 3, 5 * std::sqrt(96) * sigma);
  EXPECT_NEAR(neighbours / n, 0, 5 * sigma);
  const double mass[4] = {0, std::erf(std::sqrt(0.5)), std::erf(std::sqrt(2.0)), std::erf(3 / std::sqrt(2.0))};
  for (int k = 1; k < 4; ++k) EXPECT_NEAR(static_cast<double>(within[k]) / n, mass[k], 3 * sigma) << k;
}

}  // namespace
}  // namespace fulgur
