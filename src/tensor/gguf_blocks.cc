#include "tensor/gguf_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bf16.h"
#include "base/error.h"

namespace fulgur {
namespace {

struct TypeInfo {
  GgufType type;
  const char* name;
  int values;  // of a block
  size_t bytes;
};
constexpr TypeInfo kTypes[] = {
    {GgufType::kF32, "F32", 1, 4},       {GgufType::kF16, "F16", 1, 2},         {GgufType::kBF16, "BF16", 1, 2},
    {GgufType::kQ4_0, "Q4_0", 32, 18},   {GgufType::kQ4_1, "Q4_1", 32, 20},     {GgufType::kQ5_0, "Q5_0", 32, 22},
    {GgufType::kQ5_1, "Q5_1", 32, 24},   {GgufType::kQ8_0, "Q8_0", 32, 34},     {GgufType::kQ2_K, "Q2_K", 256, 84},
    {GgufType::kQ3_K, "Q3_K", 256, 110}, {GgufType::kQ4_K, "Q4_K", 256, 144},   {GgufType::kQ5_K, "Q5_K", 256, 176},
    {GgufType::kQ6_K, "Q6_K", 256, 210}, {GgufType::kIQ4_NL, "IQ4_NL", 32, 18}, {GgufType::kIQ4_XS, "IQ4_XS", 256, 136},
};

const TypeInfo& InfoOf(GgufType type) {
  const TypeInfo* const info =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeInfo& i) { return i.type == type; });
  FULGUR_CHECK(info != std::end(kTypes));
  return *info;
}

// Numbers of a block, one after the other. Little-endian, without alignment.
class Reader {
 public:
  explicit Reader(const std::byte* at) : at_(reinterpret_cast<const uint8_t*>(at)) {}
  float F16() { return ToFloat(f16{Take<uint16_t>()}); }
  template <typename T>
  T Take() {
    T value;
    std::memcpy(&value, Bytes(sizeof value), sizeof value);
    return value;
  }
  const uint8_t* Bytes(size_t n) { return std::exchange(at_, at_ + n); }

 private:
  const uint8_t* at_;
};

// The steps of IQ4_NL and IQ4_XS: closer together near zero, where most weights are.
constexpr int kIq4Steps[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 32 numbers of 4 bits: byte i holds number i below and number i + 16 above.
int Nibble(const uint8_t* packed, int i) { return i < 16 ? packed[i] & 15 : packed[i - 16] >> 4; }

void DecodeQ4_0(Reader r, float* out) {
  const float scale = r.F16();
  const uint8_t* const q = r.Bytes(16);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(Nibble(q, i) - 8) * scale;
}

void DecodeQ4_1(Reader r, float* out) {
  const float scale = r.F16(), least = r.F16();
  const uint8_t* const q = r.Bytes(16);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(Nibble(q, i)) * scale + least;
}

void DecodeQ5_0(Reader r, float* out) {
  const float scale = r.F16();
  const uint32_t fifth = r.Take<uint32_t>();  // bit i belongs to number i
  const uint8_t* const q = r.Bytes(16);
  for (int i = 0; i < 32; ++i) {
    out[i] = static_cast<float>((Nibble(q, i) | static_cast<int>(fifth >> i & 1) << 4) - 16) * scale;
  }
}

void DecodeQ5_1(Reader r, float* out) {
  const float scale = r.F16(), least = r.F16();
  const uint32_t fifth = r.Take<uint32_t>();
  const uint8_t* const q = r.Bytes(16);
  for (int i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(Nibble(q, i) | static_cast<int>(fifth >> i & 1) << 4) * scale + least;
  }
}

void DecodeQ8_0(Reader r, float* out) {
  const float scale = r.F16();
  const uint8_t* const q = r.Bytes(32);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(q[i])) * scale;
}

void DecodeIq4Nl(Reader r, float* out) {
  const float scale = r.F16();
  const uint8_t* const q = r.Bytes(16);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(kIq4Steps[Nibble(q, i)]);
}

// Of the K types, 256 values: 2 bits of value i, which stand in byte 32 * (i / 128) + i % 32, at bit 2 * (i / 32 % 4).
int TwoBits(const uint8_t* packed, int i) { return packed[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3; }

// 16 groups of 16: a scale and an offset of 4 bits each.
void DecodeQ2K(Reader r, float* out) {
  const uint8_t* const groups = r.Bytes(16);
  const uint8_t* const q = r.Bytes(64);
  const float scale = r.F16(), offset = r.F16();
  for (int i = 0; i < 256; ++i) {
    const int group = groups[i / 16];
    out[i] = scale * static_cast<float>(group & 15) * static_cast<float>(TwoBits(q, i)) -
             offset * static_cast<float>(group >> 4);
  }
}

// 16 groups of 16 with signed scales of 6 bits: 4 low bits of group g in byte g % 8, 2 high ones in byte 8 + g % 4.
void DecodeQ3K(Reader r, float* out) {
  const uint8_t* const high = r.Bytes(32);  // bit i / 32 of byte i % 32: value i has its third bit, 4 less without
  const uint8_t* const q = r.Bytes(64);
  const uint8_t* const groups = r.Bytes(12);
  const float scale = r.F16();
  for (int i = 0; i < 256; ++i) {
    const int g = i / 16;
    const int low = g < 8 ? groups[g] & 15 : groups[g - 8] >> 4;
    const int group = (low | (groups[8 + g % 4] >> (g / 4 * 2) & 3) << 4) - 32;
    const int value = TwoBits(q, i) - ((high[i % 32] >> (i / 32) & 1) != 0 ? 0 : 4);
    out[i] = scale * static_cast<float>(group) * static_cast<float>(value);
  }
}

// Scale and offset of 8 groups of 32, 6 bits each, in 12 bytes: those of groups 0 to 3 in the low bits of bytes 0 to 3
// and 4 to 7, whose high bits are the high bits of groups 4 to 7; their low bits are bytes 8 to 11.
struct ScaleAndOffset {
  int scale, offset;
};
ScaleAndOffset SixBits(const uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  const int low = packed[group + 4];
  return {(low & 15) | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4};
}

// 4 bits of value i: 64 values share 32 bytes, the first 32 below.
int FourBits(const uint8_t* packed, int i) {
  const int byte = packed[i / 64 * 32 + i % 32];
  return i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
}

void DecodeQ4K(Reader r, float* out) {
  const float scale = r.F16(), offset = r.F16();
  const uint8_t* const groups = r.Bytes(12);
  const uint8_t* const q = r.Bytes(128);
  for (int i = 0; i < 256; ++i) {
    const ScaleAndOffset g = SixBits(groups, i / 32);
    out[i] = scale * static_cast<float>(g.scale) * static_cast<float>(FourBits(q, i)) -
             offset * static_cast<float>(g.offset);
  }
}

void DecodeQ5K(Reader r, float* out) {
  const float scale = r.F16(), offset = r.F16();
  const uint8_t* const groups = r.Bytes(12);
  const uint8_t* const fifth = r.Bytes(32);  // bit i / 32 of byte i % 32 belongs to value i
  const uint8_t* const q = r.Bytes(128);
  for (int i = 0; i < 256; ++i) {
    const ScaleAndOffset g = SixBits(groups, i / 32);
    const int value = FourBits(q, i) | (fifth[i % 32] >> (i / 32) & 1) << 4;
    out[i] = scale * static_cast<float>(g.scale) * static_cast<float>(value) - offset * static_cast<float>(g.offset);
  }
}

// 16 groups of 16 with scales of 8 bits. Of 128 values, the first 64 have their low 4 bits below, the others above.
void DecodeQ6K(Reader r, float* out) {
  const uint8_t* const low = r.Bytes(128);
  const uint8_t* const high = r.Bytes(64);
  const uint8_t* const groups = r.Bytes(16);
  const float scale = r.F16();
  for (int i = 0; i < 256; ++i) {
    const int byte = low[i / 128 * 64 + i % 64];
    const int value = ((i / 64 % 2 == 0 ? byte & 15 : byte >> 4) | TwoBits(high, i) << 4) - 32;
    out[i] = scale * static_cast<float>(static_cast<int8_t>(groups[i / 16])) * static_cast<float>(value);
  }
}

// 8 groups of 32 with signed scales of 6 bits: 4 low bits in a nibble, 2 high ones in a word of 16.
void DecodeIq4Xs(Reader r, float* out) {
  const float scale = r.F16();
  const uint16_t high = r.Take<uint16_t>();
  const uint8_t* const low = r.Bytes(4);
  const uint8_t* const q = r.Bytes(128);
  for (int i = 0; i < 256; ++i) {
    const int g = i / 32;
    const int group = ((low[g / 2] >> (g % 2 * 4) & 15) | (high >> (2 * g) & 3) << 4) - 32;
    out[i] = scale * static_cast<float>(group) * static_cast<float>(kIq4Steps[Nibble(q + g * 16, i % 32)]);
  }
}

void EncodeQ8_0(const float* x, std::byte* out) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0.0f;
  const uint16_t bits = ToF16(scale).bits;
  std::memcpy(out, &bits, 2);
  for (int i = 0; i < 32; ++i) out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

}  // namespace

f16 ToF16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const auto of = [&](uint32_t rest) { return f16{static_cast<uint16_t>(sign | rest)}; };
  const float magnitude = std::fabs(x);
  if (!(magnitude < 65520.0f)) return of(magnitude != magnitude ? 0x7e00 : 0x7c00);
  if (magnitude < 0x1p-14f) return of(static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
  const uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return of((rounded >> 13) - (112u << 10));
}

std::optional<GgufType> GgufTypeFromNumber(uint32_t number) {
  for (const TypeInfo& info : kTypes) {
    if (static_cast<uint32_t>(info.type) == number) return info.type;
  }
  return std::nullopt;
}

std::optional<GgufType> GgufTypeFromName(std::string_view name) {
  for (const TypeInfo& info : kTypes) {
    if (name == info.name) return info.type;
  }
  return std::nullopt;
}

std::string GgufTypeName(GgufType type) { return InfoOf(type).name; }

std::vector<std::string> GgufTypeNames() {
  std::vector<std::string> names;
  for (const TypeInfo& info : kTypes) names.emplace_back(info.name);
  return names;
}

int64_t GgufBlockValues(GgufType type) { return InfoOf(type).values; }
size_t GgufBlockBytes(GgufType type) { return InfoOf(type).bytes; }

void DecodeGgufBlocks(GgufType type, std::span<const std::byte> blocks, std::span<float> values) {
  const TypeInfo& info = InfoOf(type);
  const size_t n = values.size() / static_cast<size_t>(info.values);
  FULGUR_CHECK(values.size() == n * static_cast<size_t>(info.values) && blocks.size() == n * info.bytes);
  const auto each = [&](auto decode) {
    for (size_t b = 0; b < n; ++b) {
      decode(Reader(&blocks[b * info.bytes]), &values[b * static_cast<size_t>(info.values)]);
    }
  };
  switch (type) {
    case GgufType::kF32:
      return each([](Reader r, float* out) { *out = r.Take<float>(); });
    case GgufType::kF16:
      return each([](Reader r, float* out) { *out = r.F16(); });
    case GgufType::kBF16:
      return each([](Reader r, float* out) { *out = ToFloat(bf16{r.Take<uint16_t>()}); });
    case GgufType::kQ4_0:
      return each(DecodeQ4_0);
    case GgufType::kQ4_1:
      return each(DecodeQ4_1);
    case GgufType::kQ5_0:
      return each(DecodeQ5_0);
    case GgufType::kQ5_1:
      return each(DecodeQ5_1);
    case GgufType::kQ8_0:
      return each(DecodeQ8_0);
    case GgufType::kQ2_K:
      return each(DecodeQ2K);
    case GgufType::kQ3_K:
      return each(DecodeQ3K);
    case GgufType::kQ4_K:
      return each(DecodeQ4K);
    case GgufType::kQ5_K:
      return each(DecodeQ5K);
    case GgufType::kQ6_K:
      return each(DecodeQ6K);
    case GgufType::kIQ4_NL:
      return each(DecodeIq4Nl);
    case GgufType::kIQ4_XS:
      return each(DecodeIq4Xs);
  }
}

void EncodeGgufBlocks(GgufType type, std::span<const float> values, std::span<std::byte> blocks) {
  const TypeInfo& info = InfoOf(type);
  const size_t n = values.size() / static_cast<size_t>(info.values);
  FULGUR_CHECK(values.size() == n * static_cast<size_t>(info.values) && blocks.size() == n * info.bytes);
  for (size_t b = 0; b < n; ++b) {
    const float* const from = &values[b * static_cast<size_t>(info.values)];
    std::byte* const to = &blocks[b * info.bytes];
    if (type == GgufType::kF32) {
      std::memcpy(to, from, 4);
    } else if (type == GgufType::kF16) {
      const uint16_t bits = ToF16(*from).bits;
      std::memcpy(to, &bits, 2);
    } else {
      FULGUR_CHECK(type == GgufType::kQ8_0, "{} is only read", info.name);
      EncodeQ8_0(from, to);
    }
  }
}

}  // namespace fulgur
