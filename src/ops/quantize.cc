#include "ops/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/coded_weights.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/quantize.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

static_assert(kDotGroup == 32);

// The nearest integers of x (in [-127, 127]) to out as int8; returns them as floats.
HWY_INLINE Row16 RoundToInt8(Row16 x, int8_t* out) {
  const FloatTag d;
  const hn::Rebind<int8_t, FloatTag> d8;
  Row16 rounded;
  for (int64_t p = 0; p < kParts; ++p) {
    const auto i = hn::NearestInt(x.part[p]);
    hn::StoreU(hn::DemoteTo(d8, i), d8, out + p * kFloatLanes);
    rounded.part[p] = hn::ConvertTo(d, i);
  }
  return rounded;
}

// zero_point 0: the sums of both halves of a group instead of a correction.
void EncodeInt8Row(const float* x, int64_t k, float zero_point, char* out) {
  for (int64_t i = 0; i < k; i += kDotGroup, out += kInt8RowGroupBytes) {
    const auto load = [&](int64_t at) HWY_ATTR {
      return at + 16 <= k ? Load16(x + at) : Load16N(x + at, std::max<int64_t>(0, k - at));
    };
    const Row16 a = load(i), b = load(i + 16), zero = Zero16();
    const float max = ReduceMax(Max(Abs(a), Abs(b)));
    // 0 if all are finite, else not a number.
    const float finite = ReduceSum(MulAdd(a, zero, Mul(b, zero)));
    const float inverse = max > 0 ? 127.0f / max : 0.0f;
    const float scale = max * (1.0f / 127.0f) + finite;
    float sum_low = 0, sum_high = 0;
    // Tiny magnitudes have no inverse: they are zeros.
    if (finite == 0 && inverse <= std::numeric_limits<float>::max()) {
      int8_t* q = reinterpret_cast<int8_t*>(out + 8);
      const Row16 inv = Set16(inverse);
      const Row16 low = RoundToInt8(Mul(a, inv), q), high = RoundToInt8(Mul(b, inv), q + 16);
      sum_low = ReduceSum(low);
      sum_high = ReduceSum(high);
    } else {
      std::fill(out + 8, out + 8 + kDotGroup, char{0});
    }
    __builtin_memcpy(out, &scale, sizeof scale);
    if (zero_point == 0) {
      const int16_t sums[2] = {static_cast<int16_t>(sum_low), static_cast<int16_t>(sum_high)};
      __builtin_memcpy(out + 4, sums, sizeof sums);
    } else {
      const int32_t correction = -static_cast<int32_t>((sum_low + sum_high) * zero_point);
      __builtin_memcpy(out + 4, &correction, sizeof correction);
    }
  }
}

void EncodeBf16Row(const float* HWY_RESTRICT x, int64_t k, char* HWY_RESTRICT out) {
  uint16_t* to = reinterpret_cast<uint16_t*>(out);
  for (int64_t i = 0; i < k; ++i) {  // ToBf16 in a form that compilers vectorise
    uint32_t u;
    __builtin_memcpy(&u, x + i, sizeof u);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, quiet = (u >> 16) | 0x40u;
    to[i] = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
  if (k % 2 != 0) to[k] = 0;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(EncodeInt8Row);
HWY_EXPORT(EncodeBf16Row);

namespace {

// x rounded to the nearest integer, halves to even, for |x| < 2^22: what the current rounding mode does to a float
// without room for a fraction. Vectorises, as library calls do not.
inline float Nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

float MaxMagnitude(const float* x) {
  float max = 0;
  for (int i = 0; i < kDotGroup; ++i) max = std::max(max, std::abs(x[i]));
  return max;
}

// q = x / scale, rounded and kept in [low, high].
void Round(const float* x, bf16 scale, float low, float high, int8_t* q) {
  const float s = ToFloat(scale);
  for (int i = 0; i < kDotGroup; ++i) {
    const float value = s == 0 ? 0.0f : std::clamp(x[i] / s, low, high);
    q[i] = static_cast<int8_t>(Nearest(value));
  }
}

}  // namespace

QuantizedGroup QuantizeQ8(const float* x) {
  QuantizedGroup group{};
  const float scale = MaxMagnitude(x) / 127.0f;
  group.scale = ToBf16(scale);
  if (ToFloat(group.scale) < scale) ++group.scale.bits;  // or the largest would be cut off
  Round(x, group.scale, -127, 127, group.q);
  return group;
}

QuantizedGroup QuantizeQ4(const float* x, const float* importance) {
  QuantizedGroup group{};
  float extreme = 0;  // the value of largest magnitude
  for (int i = 0; i < kDotGroup; ++i) {
    if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
  }
  if (extreme == 0) return group;
  // Where the extreme value goes, around -8: beyond it it is cut off, for finer steps elsewhere. With q given, the best
  // scale is sum(q x) / sum(q q), and the error is less the larger sum(q x)^2 / sum(q q).
  constexpr int kCandidates = 21;
  float best_gain = 0, best_scale = -extreme / 8.0f;
  for (int c = 0; c < kCandidates; ++c) {
    const float inverse = -(7.0f + 0.1f * static_cast<float>(c)) / extreme;
    float qx = 0, qq = 0;
    for (int i = 0; i < kDotGroup; ++i) {
      const float q = Nearest(std::clamp(x[i] * inverse, -8.0f, 7.0f));
      const float w = importance == nullptr ? 1.0f : importance[i];
      qx += w * (q * x[i]);
      qq += w * (q * q);
    }
    if (qq > 0 && qx * qx > best_gain * qq) {
      best_gain = qx * qx / qq;
      best_scale = qx / qq;
    }
  }
  group.scale = ToBf16(best_scale);
  Round(x, group.scale, -8, 7, group.q);
  return group;
}

size_t EncodedRowBytes(WeightFormat format, int64_t k) {
  switch (format) {
    case WeightFormat::kF32:
    case WeightFormat::kBf16:
      return 0;
    case WeightFormat::kBf16Dot:
      return static_cast<size_t>((k + 1) / 2 * 4);
    case WeightFormat::kQ8:
    case WeightFormat::kQ4:
    case WeightFormat::kQ8F16:
    case WeightFormat::kQ4F16:
    case WeightFormat::kQ4k:
    case WeightFormat::kQ3:
    case WeightFormat::kQ2:
      return static_cast<size_t>((k + kDotGroup - 1) / kDotGroup * kInt8RowGroupBytes);
  }
  return 0;
}

void EncodeRows(ConstMatrixView x, WeightFormat format, std::byte* out) {
  const size_t bytes = EncodedRowBytes(format, x.cols);
  for (int64_t i = 0; i < x.rows; ++i) {
    char* row = reinterpret_cast<char*>(out) + static_cast<size_t>(i) * bytes;
    if (format == WeightFormat::kBf16Dot) {
      HWY_DYNAMIC_DISPATCH(EncodeBf16Row)(x.row(i), x.cols, row);
    } else {
      const bool q8 = format == WeightFormat::kQ8 || format == WeightFormat::kQ8F16;
      const float zero_point = q8 ? 128.0f : IsCoded(format) ? 0.0f : 8.0f;
      HWY_DYNAMIC_DISPATCH(EncodeInt8Row)(x.row(i), x.cols, zero_point, row);
    }
  }
}

}  // namespace fulgur
#endif  // HWY_ONCE
