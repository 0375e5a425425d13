// What the tests of the operations share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ops/gemm.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// Row lengths around the 16 lanes of a kernel, below and above.
inline constexpr int64_t kOddSizes[] = {1, 7, 16, 33, 100};

// Normal values times scale.
inline std::vector<float> RandomVector(int64_t n, uint64_t seed, double scale = 1.0) {
  Rng rng(seed);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(scale * rng.Normal());
  return x;
}

template <typename T = double>
std::vector<T> As(const std::vector<float>& x) {
  return std::vector<T>(x.begin(), x.end());
}

// A slice, as a vector.
template <typename T>
std::vector<T> Slice(const std::vector<T>& x, int64_t begin, int64_t n) {
  return std::vector<T>(x.begin() + begin, x.begin() + begin + n);
}

// The numbers of a vector as a matrix, row after row.
template <typename T>
MatrixViewOf<T> View(std::vector<T>& x, int64_t rows, int64_t cols) {
  EXPECT_EQ(static_cast<int64_t>(x.size()), rows * cols);
  return {x.data(), rows, cols};
}
template <typename T>
MatrixViewOf<const T> View(const std::vector<T>& x, int64_t rows, int64_t cols) {
  EXPECT_EQ(static_cast<int64_t>(x.size()), rows * cols);
  return {x.data(), rows, cols};
}
// As a matrix of one row.
template <typename T>
auto Row(T& x) {
  return View(x, 1, static_cast<int64_t>(x.size()));
}

// sum_i a_i b_i: a scalar function of an operation's result, whose gradient is the operation's backward pass applied to
// a.
template <typename T>
T WeightedBy(const std::vector<float>& a, const std::vector<T>& b) {
  T sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Every |actual - expected| <= tolerance * max |expected| (and as many of them).
inline void ExpectClose(const std::vector<float>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  double scale = 1e-30;
  for (double e : expected) scale = std::max(scale, std::abs(e));
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    // A comparison that NaN fails.
    if (!(error <= tolerance * scale)) {
      FAIL() << "element " << i << " of " << actual.size() << ": " << actual[i] << ", expected " << expected[i]
             << ", error " << error / scale << " of the largest";
    }
  }
}

// The same bits, -0 and NaN included.
inline void ExpectSameBits(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::bit_cast<uint32_t>(actual[i]) != std::bit_cast<uint32_t>(expected[i])) {
      FAIL() << "element " << i << " of " << actual.size() << ": " << actual[i] << " and " << expected[i]
             << " differ in their bits";
    }
  }
}

// compute() -> std::vector<float>: the same bits on every instruction set that has a fused multiply-add, and close to
// them on the others.
template <typename F>
void ExpectSameOnAllInstructionSets(const F& compute, double tolerance = 1e-4) {
  UseInstructionSet("");
  const std::vector<float> expected = compute();
  for (const std::string& name : SupportedInstructionSets()) {
    SCOPED_TRACE(name);
    UseInstructionSet(name);
    const std::vector<float> actual = compute();
    const bool fused = name.rfind("SSE", 0) != 0 && name.rfind("SSSE", 0) != 0 && name != "SCALAR" && name != "EMU128";
    if (fused) {
      ExpectSameBits(actual, expected);
    } else {
      ExpectClose(actual, As(expected), tolerance);
    }
  }
  UseInstructionSet("");
}

}  // namespace fulgur
