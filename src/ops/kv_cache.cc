#include "ops/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/bf16.h"
#include "base/error.h"

namespace fulgur {
namespace {

constexpr int64_t kPanel = kKvPanel;

template <KvFormat kFormat>
struct ElementOf {
  using Type = bf16;
};
template <>
struct ElementOf<KvFormat::kF32> {
  using Type = float;
};
template <>
struct ElementOf<KvFormat::kInt8> {
  using Type = int8_t;
};

// Where the element of a panel [rows][32] stands.
template <KvFormat kFormat>
int64_t Place(int64_t row, int64_t lane) {
  if (kFormat == KvFormat::kBf16) return row * kPanel + 2 * (lane % 16) + lane / 16;
  if (kFormat == KvFormat::kBf16Dot) return row / 2 * 2 * kPanel + 2 * lane + row % 2;
  return row * kPanel + lane;
}
template <KvFormat kFormat>
int64_t KeyIndex(int64_t key_dim, int64_t slot, int64_t x) {
  return slot / kPanel * key_dim * kPanel + Place<kFormat>(x, slot % kPanel);
}
template <KvFormat kFormat>
int64_t ValueIndex(int64_t slot, int64_t x) {
  return x / kPanel * kKvBlock * kPanel + Place<kFormat>(slot, x % kPanel);
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

template <KvFormat kFormat, typename T>
void WriteHead(T* keys, T* values, float* scales, const KvLayout& layout, int64_t slot, ConstMatrixView k,
               ConstMatrixView v) {
  const int64_t rows = k.rows, d = layout.head_dim(), key_dim = layout.key_dim();
  T* const type = nullptr;
  float inverse[kKvBlock] = {};
  const auto set_scales = [&](ConstMatrixView x, float* scale) {
    for (int64_t r = 0; scales != nullptr && r < rows; ++r) {
      const RowScale s = ScaleOf(x.row(r), d);
      scale[slot + r] = s.scale;
      inverse[r] = s.inverse;
    }
  };
  const auto narrow = [&](float x, int64_t r) {
    return Narrowed(scales != nullptr && inverse[r] == 0 ? 0.0f : x, inverse[r], type);
  };
  set_scales(k, scales);
  for (int64_t x = 0; x < d; ++x) {
    for (int64_t r = 0; r < rows; ++r) keys[KeyIndex<kFormat>(key_dim, slot + r, x)] = narrow(k(r, x), r);
  }
  set_scales(v, scales == nullptr ? nullptr : scales + kKvBlock);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t x = 0; x < d; ++x) values[ValueIndex<kFormat>(slot + r, x)] = narrow(v(r, x), r);
  }
}

float Widened(float x) { return x; }
float Widened(bf16 x) { return ToFloat(x); }
float Widened(int8_t x) { return static_cast<float>(x); }

template <KvFormat kFormat, typename T>
void ReadHead(const T* keys, const T* values, const float* scales, const KvLayout& layout, int64_t slot, float* k,
              float* v) {
  for (int64_t x = 0; x < layout.head_dim(); ++x) {
    k[x] = Widened(keys[KeyIndex<kFormat>(layout.key_dim(), slot, x)]);
    v[x] = Widened(values[ValueIndex<kFormat>(slot, x)]);
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
    case KvFormat::kBf16Dot:
      return "bf16-dot";
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
               : format == KvFormat::kInt8 ? 1
                                           : 2),
      scales_(format == KvFormat::kInt8 ? 1 : 0) {}

namespace {

// f(std::integral_constant<KvFormat, format>)
template <typename F>
void WithFormat(KvFormat format, const F& f) {
  switch (format) {
    case KvFormat::kF32:
      return f(std::integral_constant<KvFormat, KvFormat::kF32>());
    case KvFormat::kBf16:
      return f(std::integral_constant<KvFormat, KvFormat::kBf16>());
    case KvFormat::kBf16Dot:
      return f(std::integral_constant<KvFormat, KvFormat::kBf16Dot>());
    case KvFormat::kInt8:
      return f(std::integral_constant<KvFormat, KvFormat::kInt8>());
  }
}

}  // namespace

void KvLayout::Write(std::byte* block, int64_t head, int64_t slot, ConstMatrixView k, ConstMatrixView v) const {
  FULGUR_CHECK(slot >= 0 && slot + k.rows <= kKvBlock && v.rows == k.rows && k.cols == head_dim_ &&
               v.cols == head_dim_);
  std::byte* const base = block + head * head_bytes();
  float* const scales = scales_ != 0 ? reinterpret_cast<float*>(base + scale_offset()) : nullptr;
  WithFormat(format_, [&]<KvFormat kFormat>(std::integral_constant<KvFormat, kFormat>) {
    using T = typename ElementOf<kFormat>::Type;
    WriteHead<kFormat>(reinterpret_cast<T*>(base), reinterpret_cast<T*>(base + value_offset()), scales, *this, slot, k,
                       v);
  });
}

void KvLayout::Read(const std::byte* block, int64_t head, int64_t slot, float* k, float* v) const {
  const std::byte* const base = block + head * head_bytes();
  const float* const scales = scales_ != 0 ? reinterpret_cast<const float*>(base + scale_offset()) : nullptr;
  WithFormat(format_, [&]<KvFormat kFormat>(std::integral_constant<KvFormat, kFormat>) {
    using T = typename ElementOf<kFormat>::Type;
    ReadHead<kFormat>(reinterpret_cast<const T*>(base), reinterpret_cast<const T*>(base + value_offset()), scales,
                      *this, slot, k, v);
  });
}

}  // namespace fulgur
