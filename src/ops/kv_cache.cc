#include "ops/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bf16.h"
#include "base/error.h"

namespace fulgur {
namespace {

constexpr int64_t kPanel = kKvPanel;

// Where element `lane` of a panel's row stands.
template <typename T>
int64_t Place(int64_t lane) {
  return lane;
}
template <>
int64_t Place<bf16>(int64_t lane) {
  return 2 * (lane % 16) + lane / 16;
}

template <typename T>
int64_t KeyIndex(int64_t d, int64_t slot, int64_t x) {
  return (slot / kPanel * d + x) * kPanel + Place<T>(slot % kPanel);
}
template <typename T>
int64_t ValueIndex(int64_t slot, int64_t x) {
  return (x / kPanel * kKvBlock + slot) * kPanel + Place<T>(x % kPanel);
}

float Narrowed(float x, float, float*) { return x; }
bf16 Narrowed(float x, float, bf16*) { return ToBf16(x); }
int8_t Narrowed(float x, float inverse, int8_t*) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves a whole number, rounded to nearest even
  return static_cast<int8_t>(x * inverse + kRound - kRound);
}

// Scale of a row in int8, and what its values are multiplied with. A row that has an infinity or NaN becomes NaN
// altogether.
struct RowScale {
  float scale, inverse;
};
RowScale ScaleOf(const float* x, int64_t n) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    finite = finite && x[i] - x[i] == 0.0f;
  }
  if (!finite) return {std::numeric_limits<float>::quiet_NaN(), 0};
  const float scale = largest / 127.0f;
  if (scale < std::numeric_limits<float>::min()) return {0, 0};  // too small to divide by
  return {scale, 1.0f / scale};
}

template <typename T>
void WriteHead(T* keys, T* values, float* scales, int64_t d, int64_t slot, int64_t rows, const float* k, const float* v,
               int64_t stride) {
  T* const type = nullptr;
  float inverse[kKvBlock] = {};
  const auto set_scales = [&](const float* x, float* scale) {
    for (int64_t r = 0; scales != nullptr && r < rows; ++r) {
      const RowScale s = ScaleOf(x + r * stride, d);
      scale[slot + r] = s.scale;
      inverse[r] = s.inverse;
    }
  };
  const auto narrow = [&](float x, int64_t r) {
    return Narrowed(scales != nullptr && inverse[r] == 0 ? 0.0f : x, inverse[r], type);
  };
  set_scales(k, scales);
  for (int64_t x = 0; x < d; ++x) {
    for (int64_t r = 0; r < rows; ++r) keys[KeyIndex<T>(d, slot + r, x)] = narrow(k[r * stride + x], r);
  }
  set_scales(v, scales + kKvBlock);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t x = 0; x < d; ++x) values[ValueIndex<T>(slot + r, x)] = narrow(v[r * stride + x], r);
  }
}

float Widened(float x) { return x; }
float Widened(bf16 x) { return ToFloat(x); }
float Widened(int8_t x) { return static_cast<float>(x); }

template <typename T>
void ReadHead(const T* keys, const T* values, const float* scales, int64_t d, int64_t slot, float* k, float* v) {
  for (int64_t x = 0; x < d; ++x) {
    k[x] = Widened(keys[KeyIndex<T>(d, slot, x)]);
    v[x] = Widened(values[ValueIndex<T>(slot, x)]);
    if (scales == nullptr) continue;
    k[x] *= scales[slot];
    v[x] *= scales[kKvBlock + slot];
  }
}

}  // namespace

const char* KvFormatName(KvFormat format) {
  switch (format) {
    case KvFormat::kF32:
      return "f32";
    case KvFormat::kBf16:
      return "bf16";
    case KvFormat::kInt8:
      return "int8";
  }
  return "";
}

std::optional<KvFormat> KvFormatFromName(const std::string& name) {
  for (const KvFormat format : kAllKvFormats) {
    if (name == KvFormatName(format)) return format;
  }
  return std::nullopt;
}

KvLayout::KvLayout(KvFormat format, int64_t kv_heads, int64_t head_dim)
    : format_(format),
      kv_heads_(kv_heads),
      head_dim_(head_dim),
      element_(format == KvFormat::kF32    ? 4
               : format == KvFormat::kBf16 ? 2
                                           : 1),
      scales_(format == KvFormat::kInt8 ? 1 : 0) {}

void KvLayout::Write(std::byte* block, int64_t head, int64_t slot, int64_t rows, const float* k, const float* v,
                     int64_t stride) const {
  FULGUR_CHECK(slot >= 0 && rows >= 0 && slot + rows <= kKvBlock);
  std::byte* const base = block + head * head_bytes();
  const auto write = [&](auto* keys) {
    using T = std::remove_pointer_t<decltype(keys)>;
    float* const scales = scales_ != 0 ? reinterpret_cast<float*>(base + scale_offset()) : nullptr;
    WriteHead(keys, reinterpret_cast<T*>(base + value_offset()), scales, head_dim_, slot, rows, k, v, stride);
  };
  if (format_ == KvFormat::kF32) return write(reinterpret_cast<float*>(base));
  if (format_ == KvFormat::kBf16) return write(reinterpret_cast<bf16*>(base));
  write(reinterpret_cast<int8_t*>(base));
}

void KvLayout::Read(const std::byte* block, int64_t head, int64_t slot, float* k, float* v) const {
  const std::byte* const base = block + head * head_bytes();
  const auto read = [&](auto* keys) {
    using T = std::remove_pointer_t<decltype(keys)>;
    const float* const scales = scales_ != 0 ? reinterpret_cast<const float*>(base + scale_offset()) : nullptr;
    ReadHead(keys, reinterpret_cast<T*>(base + value_offset()), scales, head_dim_, slot, k, v);
  };
  if (format_ == KvFormat::kF32) return read(reinterpret_cast<const float*>(base));
  if (format_ == KvFormat::kBf16) return read(reinterpret_cast<const bf16*>(base));
  read(reinterpret_cast<const int8_t*>(base));
}

}  // namespace fulgur
