// The kernels in plain C++, for machines without AVX2; and the readable version of what the others do.
#include <string.h>

#include <cmath>

#include "base/bf16.h"
#include "ops/coded_weights.h"
#include "ops/dot_kernels.h"

namespace fulgur {
namespace {

constexpr int kRows = 4;

template <typename T>
T Read(const char* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}
float Widen(uint32_t bf16_bits) {
  const uint32_t bits = bf16_bits << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
float Bf16At(const char* p, int64_t i) { return Widen(Read<uint16_t>(p + 2 * i)); }

void Bf16(const DotTile& t) {
  for (int i = 0; i < t.rows; ++i) {
    float* c = t.c + i * t.ldc;
    if (!t.accumulate) memset(c, 0, 32 * sizeof(float));
    for (int64_t s = 0; s < t.steps; ++s) {
      const char* a = t.a + i * t.a_stride + s * 4;
      const float even = Bf16At(a, 0), odd = Bf16At(a, 1);
      for (int j = 0; j < 32; ++j) {
        const char* b = t.b + s * 128 + j * 4;
        c[j] = (c[j] + odd * Bf16At(b, 1)) + even * Bf16At(b, 0);
      }
    }
  }
}

// value(group, k, output): the unsigned value of a weight.
template <typename Scale, typename Value>
void Int8(const DotTile& t, int group_bytes, const Value& value) {
  for (int i = 0; i < t.rows; ++i) {
    for (int j = 0; j < 32; ++j) {
      float sum = t.accumulate ? t.c[i * t.ldc + j] : 0.0f;
      for (int64_t g = 0; g < t.steps; ++g) {
        const char* a = t.a + i * t.a_stride + g * kInt8RowGroupBytes;
        const char* b = t.b + g * group_bytes;
        int32_t dot = Read<int32_t>(a + 4);
        for (int k = 0; k < kDotGroup; ++k) dot += value(b, k, j) * static_cast<signed char>(a[8 + k]);
        sum += static_cast<float>(dot) * (Read<float>(a) * ToFloat(Read<Scale>(b + group_bytes - 64 + 2 * j)));
      }
      t.c[i * t.ldc + j] = sum;
    }
  }
}

int Q8Value(const char* b, int k, int j) { return static_cast<unsigned char>(b[k / 4 * 128 + j * 4 + k % 4]); }
int Q4Value(const char* b, int k, int j) {
  const int both = static_cast<unsigned char>(b[k / 8 * 128 + j * 4 + k % 4]);
  return k / 4 % 2 == 0 ? both & 15 : both >> 4;
}

template <typename Scale>
void Q8(const DotTile& t) {
  Int8<Scale>(t, kQ8GroupBytes, Q8Value);
}
template <typename Scale>
void Q4(const DotTile& t) {
  Int8<Scale>(t, kQ4GroupBytes, Q4Value);
}

void ExpandQ4(const char* from, int64_t groups, char* to) {
  for (int64_t g = 0; g < groups; ++g, from += kQ4GroupBytes, to += kQ8GroupBytes) {
    for (int k = 0; k < kDotGroup; ++k) {
      for (int j = 0; j < 32; ++j) to[k / 4 * 128 + j * 4 + k % 4] = static_cast<char>(Q4Value(from, k, j));
    }
    memcpy(to + kQ8GroupBytes - 64, from + kQ4GroupBytes - 64, 64);
  }
}

template <typename Format>
void Coded(const DotTile& t) {
  for (int64_t g = 0; g < t.steps; ++g) {
    const auto* const group = reinterpret_cast<const uint8_t*>(t.b + g * Format::kGroupBytes);
    for (int j = 0; j < 32; ++j) {
      int values[kDotGroup];
      for (int k = 0; k < kDotGroup; ++k) values[k] = CodedValue<Format>(group, k, j);
      const float scale = ScaleOfByte(group[Format::kScales + j]);
      for (int i = 0; i < t.rows; ++i) {
        const char* a = t.a + i * t.a_stride + g * kInt8RowGroupBytes;
        int32_t dot = 0;
        for (int k = 0; k < kDotGroup; ++k) dot += values[k] * static_cast<signed char>(a[8 + k]);
        float& sum = t.c[i * t.ldc + j];
        if (g == 0 && !t.accumulate) sum = 0;
        sum = std::fma(static_cast<float>(dot), Read<float>(a) * scale, sum);
      }
    }
  }
}

}  // namespace

const DotKernels kDotPortable = {
    .bf16_rows = kRows,
    .int8_rows = kRows,
    .bf16 = Bf16,
    .q8 = {Q8<bf16>, Q8<bf16>, nullptr},
    .q4 = {Q4<bf16>, Q8<bf16>, ExpandQ4},
    .q8_f16 = {Q8<f16>, Q8<f16>, nullptr},
    .q4_f16 = {Q4<f16>, Q8<f16>, ExpandQ4},
    .q4k = {Coded<Q4k>, Coded<Q4k>, nullptr},
    .q3 = {Coded<Q3>, Coded<Q3>, nullptr},
    .q2 = {Coded<Q2>, Coded<Q2>, nullptr},
    .pack_bf16 = nullptr,
    .finish = nullptr,
    .bf16_peak = nullptr,
    .int8_peak = nullptr,
};

}  // namespace fulgur
