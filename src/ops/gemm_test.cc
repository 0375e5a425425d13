#include "ops/gemm.h"

#include <algorithm>
#include <cmath>

#include "ops/matmul.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

Tensor Matrix(const std::vector<float>& values, int64_t rows, int64_t cols) {
  Tensor t(DType::kF32, {rows, cols});
  std::copy(values.begin(), values.end(), t.f32());
  return t;
}

// The definition: one chain of fused multiply-adds per element, k in order.
std::vector<float> Chain(const std::vector<float>& x, const std::vector<float>& w, int64_t m, int64_t n, int64_t k) {
  std::vector<float> y(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t kk = 0; kk < k; ++kk) sum = std::fma(x[i * k + kk], w[j * k + kk], sum);
      y[i * n + j] = sum;
    }
  }
  return y;
}

bool HasFma() {
  const std::string best = SupportedInstructionSets().front();
  return best == "AMX" || best.starts_with("AVX") || best == "NEON";
}

TEST(Gemm, EveryElementIsOneChain) {
  if (!HasFma()) GTEST_SKIP() << "no fused multiply-add";
  ExecContext one(1), two(2);
  for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25, 193, 400}) {
    for (const auto& [n, k] :
         {std::pair<int64_t, int64_t>{1, 1}, {31, 5}, {32, 127}, {33, 128}, {100, 129}, {160, 300}}) {
      const std::vector<float> x = RandomVector(m * k, 1), w = RandomVector(n * k, 2);
      const std::vector<float> want = Chain(x, w, m, n, k);
      std::vector<float> y(static_cast<size_t>(m * n), NAN);
      for (ExecContext* exec : {&one, &two}) {
        MatMul(View(x, m, k), PackedMatrix(Matrix(w, n, k), *exec), View(y, m, n), *exec);
        SCOPED_TRACE(fmt::format("m {} n {} k {}", m, n, k));
        ExpectSameBits(y, want);
      }
    }
  }
}

TEST(Gemm, Bf16WeightsAreWidenedExactly) {
  ExecContext exec(2);
  const int64_t m = 13, n = 70, k = 77;
  const std::vector<float> x = RandomVector(m * k, 3);
  const Tensor narrow = Matrix(RandomVector(n * k, 4), n, k).To(DType::kBF16);
  std::vector<float> a(static_cast<size_t>(m * n)), b(a);
  const PackedMatrix packed(narrow, exec);
  EXPECT_EQ(packed.format(), WeightFormat::kBf16);
  MatMul(View(x, m, k), packed, View(a, m, n), exec);
  MatMul(View(x, m, k), PackedMatrix(narrow.ToF32(), exec), View(b, m, n), exec);
  ExpectSameBits(a, b);
}

TEST(Gemm, GradientsAreTheTransposedProducts) {
  ExecContext exec(2);
  for (const auto& [m, n, k] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 3, 2}, {37, 65, 33}, {300, 50, 100}, {205, 200, 31}}) {
    const std::vector<float> dy = RandomVector(m * n, 5), x = RandomVector(m * k, 6), w = RandomVector(n * k, 7);
    std::vector<double> dx(static_cast<size_t>(m * k)), dw(static_cast<size_t>(n * k));
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t kk = 0; kk < k; ++kk) {
          dx[i * k + kk] += static_cast<double>(dy[i * n + j]) * w[j * k + kk];
          dw[j * k + kk] += static_cast<double>(dy[i * n + j]) * x[i * k + kk];
        }
      }
    }
    for (double& v : dw) v += 1;  // accumulated on what is there
    const Tensor weight = Matrix(w, n, k);
    ExpectSameOnAllInstructionSets([&, m = m, n = n, k = k] {
      std::vector<float> got(static_cast<size_t>(m * k), NAN);
      MatMulGradInput(View(dy, m, n), weight, View(got, m, k), exec);
      ExpectClose(got, dx, 1e-5);
      Tensor grad = Matrix(std::vector<float>(static_cast<size_t>(n * k), 1.0f), n, k);
      MatMulGradWeight(View(dy, m, n), View(x, m, k), grad, exec);
      ExpectClose({grad.f32(), grad.f32() + n * k}, dw, 1e-5);
      got.insert(got.end(), grad.f32(), grad.f32() + n * k);
      return got;
    });
  }
}

TEST(Gemm, StridesLeaveTheRestAlone) {
  ExecContext exec(1);
  const int64_t m = 5, n = 40, k = 9, ldx = 12, ldy = 45;
  const std::vector<float> x = RandomVector(m * ldx, 8), w = RandomVector(n * k, 9);
  std::vector<float> y(static_cast<size_t>(m * ldy), -7.0f), dense;
  for (int64_t i = 0; i < m; ++i) dense.insert(dense.end(), x.begin() + i * ldx, x.begin() + i * ldx + k);
  MatMul(View(x, m, ldx).Cols(0, k), PackedMatrix(Matrix(w, n, k), exec), View(y, m, ldy).Cols(0, n), exec);
  std::vector<float> want(static_cast<size_t>(m * n));
  MatMul(View(dense, m, k), PackedMatrix(Matrix(w, n, k), exec), View(want, m, n), exec);
  for (int64_t i = 0; i < m; ++i) {
    ExpectSameBits(Slice(y, i * ldy, n), Slice(want, i * n, n));
    for (int64_t j = n; j < ldy; ++j) EXPECT_EQ(y[i * ldy + j], -7.0f);
  }
}

TEST(Gemm, UnknownInstructionSetIsNamed) {
  try {
    UseInstructionSet("MMX");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("MMX"));
    EXPECT_THAT(e.what(), testing::HasSubstr(SupportedInstructionSets().front()));
  }
  UseInstructionSet("");
}

}  // namespace
}  // namespace fulgur
