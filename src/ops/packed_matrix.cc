#include "ops/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "ops/coded_weights.h"
#include "ops/dot_kernels.h"
#include "ops/quantize.h"
#include "ops/quantize_coded.h"
#include "tensor/gguf_blocks.h"

namespace fulgur {
namespace {

constexpr int64_t kWidth = PackedMatrix::kPanelWidth;
constexpr std::array<const char*, 10> kNames = {"f32",    "bf16",   "bf16-dot", "q8", "q4",
                                                "q8-f16", "q4-f16", "q4k",      "q3", "q2"};

// Panel p as [K][32].
template <typename T>
void PackColumns(const T* weight, int64_t n, int64_t k, int64_t p, T* out) {
  const int64_t first = p * kWidth, columns = std::min(kWidth, n - first);
  if (columns < kWidth) std::fill(out, out + k * kWidth, T{});
  constexpr int64_t kBlockK = 64;  // keeps the 32 source rows and the destination in the cache
  for (int64_t k0 = 0; k0 < k; k0 += kBlockK) {
    const int64_t k1 = std::min(k, k0 + kBlockK);
    for (int64_t j = 0; j < columns; ++j) {
      const T* row = weight + (first + j) * k;
      for (int64_t kk = k0; kk < k1; ++kk) out[kk * kWidth + j] = row[kk];
    }
  }
}

// Panel p as [K / 2][32][2].
void PackPairs(const bf16* weight, int64_t n, int64_t k, int64_t p, bf16* out) {
  const int64_t first = p * kWidth, columns = std::min(kWidth, n - first);
  if (columns < kWidth || k % 2 != 0) std::fill(out, out + (k + 1) / 2 * 2 * kWidth, bf16{});
  constexpr int64_t kBlockK = 64;
  for (int64_t k0 = 0; k0 < k; k0 += kBlockK) {
    const int64_t k1 = std::min(k, k0 + kBlockK);
    for (int64_t j = 0; j < columns; ++j) {
      const bf16* row = weight + (first + j) * k;
      for (int64_t kk = k0; kk < k1; ++kk) out[(kk / 2 * kWidth + j) * 2 + kk % 2] = row[kk];
    }
  }
}

// Where value k of output j of a group lies: the byte, and for 4 bits whether it is the high half.
int Q8Byte(int k, int64_t j) { return k / 4 * 128 + static_cast<int>(j) * 4 + k % 4; }
int Q4Byte(int k, int64_t j) { return k / 8 * 128 + static_cast<int>(j) * 4 + k % 4; }
bool Q4High(int k) { return k / 4 % 2 == 1; }

// For whole groups; empty if there is none.
std::vector<float> PaddedImportance(const float* importance, int64_t k) {
  if (importance == nullptr) return {};
  std::vector<float> padded(importance, importance + k);
  padded.resize(static_cast<size_t>((k + kDotGroup - 1) / kDotGroup * kDotGroup));
  return padded;
}

// Of 8 and 4 bits.
struct GroupLayout {
  bool q4, f16_scales;
  int bytes;
  explicit GroupLayout(WeightFormat format)
      : q4(format == WeightFormat::kQ4 || format == WeightFormat::kQ4F16),
        f16_scales(format == WeightFormat::kQ8F16 || format == WeightFormat::kQ4F16),
        bytes(q4 ? kQ4GroupBytes : kQ8GroupBytes) {}

  // Zeros for all outputs of a panel.
  void Clear(int64_t groups, std::byte* panel) const {
    for (int64_t g = 0; g < groups; ++g, panel += bytes) {
      std::memset(panel, q4 ? 0x88 : 0x80, static_cast<size_t>(bytes - 64));
      std::memset(panel + bytes - 64, 0, 64);
    }
  }
  void Store(uint8_t* group, int64_t j, int k, int value) const {
    if (!q4) {
      group[Q8Byte(k, j)] = static_cast<uint8_t>(value + 128);
    } else {
      uint8_t& both = group[Q4Byte(k, j)];
      both = static_cast<uint8_t>(Q4High(k) ? (both & 15) | (value + 8) << 4 : (both & 0xf0) | (value + 8));
    }
  }
  void StoreScale(uint8_t* group, int64_t j, uint16_t bits) const {
    std::memcpy(group + bytes - 64 + 2 * j, &bits, sizeof bits);
  }
  int Value(const uint8_t* group, int64_t j, int k) const {
    if (!q4) return group[Q8Byte(k, j)] - 128;
    const int both = group[Q4Byte(k, j)];
    return (Q4High(k) ? both >> 4 : both & 15) - 8;
  }
  float Scale(const uint8_t* group, int64_t j) const {
    uint16_t bits;
    std::memcpy(&bits, group + bytes - 64 + 2 * j, sizeof bits);
    return f16_scales ? ToFloat(f16{bits}) : ToFloat(bf16{bits});
  }
};

void PackGroups(const Tensor& weight, WeightFormat format, int64_t p, std::byte* out, const float* importance) {
  const GroupLayout layout(format);
  const int64_t n = weight.dim(0), k = weight.dim(1), first = p * kWidth, columns = std::min(kWidth, n - first);
  const int64_t groups = (k + kDotGroup - 1) / kDotGroup;
  std::vector<float> row(static_cast<size_t>(groups * kDotGroup));
  const std::vector<float> padded = PaddedImportance(importance, k);
  layout.Clear(groups, out);
  for (int64_t j = 0; j < columns; ++j) {
    RowToF32(weight, first + j, row.data());
    for (int64_t g = 0; g < groups; ++g) {
      const float* values = row.data() + g * kDotGroup;
      const QuantizedGroup quantized =
          layout.q4 ? QuantizeQ4(values, importance == nullptr ? nullptr : padded.data() + g * kDotGroup)
                    : QuantizeQ8(values);
      auto* group = reinterpret_cast<uint8_t*>(out + g * layout.bytes);
      for (int i = 0; i < kDotGroup; ++i) layout.Store(group, j, i, quantized.q[i]);
      layout.StoreScale(group, j, layout.f16_scales ? ToF16(ToFloat(quantized.scale)).bits : quantized.scale.bits);
    }
  }
}

void PackCoded(const Tensor& weight, WeightFormat format, int64_t p, std::byte* out, const float* importance) {
  const int64_t n = weight.dim(0), k = weight.dim(1), first = p * kWidth, columns = std::min(kWidth, n - first);
  const int64_t groups = (k + kDotGroup - 1) / kDotGroup;
  const size_t group_bytes = PackedMatrix::PanelBytes(format, kDotGroup);
  std::vector<float> row(static_cast<size_t>(k)), values(static_cast<size_t>(groups * kDotGroup * kWidth));
  for (int64_t j = 0; j < columns; ++j) {
    RowToF32(weight, first + j, row.data());
    for (int64_t i = 0; i < k; ++i) values[static_cast<size_t>(i * kWidth + j)] = row[static_cast<size_t>(i)];
  }
  const std::vector<float> padded = PaddedImportance(importance, k);
  for (int64_t g = 0; g < groups; ++g) {
    QuantizeCodedGroup(format, values.data() + g * kDotGroup * kWidth,
                       importance == nullptr ? nullptr : padded.data() + g * kDotGroup,
                       reinterpret_cast<uint8_t*>(out) + static_cast<size_t>(g) * group_bytes);
  }
}

}  // namespace

const char* WeightFormatName(WeightFormat format) { return kNames[static_cast<size_t>(format)]; }

std::optional<WeightFormat> WeightFormatFromName(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<WeightFormat>(i);
  }
  return std::nullopt;
}

size_t PackedMatrix::PanelBytes(WeightFormat format, int64_t k) {
  const auto inputs = static_cast<size_t>(k), groups = (inputs + kDotGroup - 1) / kDotGroup;
  switch (format) {
    case WeightFormat::kF32:
      return inputs * kWidth * 4;
    case WeightFormat::kBf16:
      return inputs * kWidth * 2;
    case WeightFormat::kBf16Dot:
      return (inputs + 1) / 2 * kWidth * 4;
    case WeightFormat::kQ8:
    case WeightFormat::kQ8F16:
      return groups * kQ8GroupBytes;
    case WeightFormat::kQ4:
    case WeightFormat::kQ4F16:
      return groups * kQ4GroupBytes;
    case WeightFormat::kQ4k:
      return groups * kQ4kGroupBytes;
    case WeightFormat::kQ3:
      return groups * kQ3GroupBytes;
    case WeightFormat::kQ2:
      return groups * kQ2GroupBytes;
  }
  return 0;
}

void PackedMatrix::PackPanel(const Tensor& weight, WeightFormat format, int64_t p, std::byte* out,
                             const float* importance) {
  const int64_t n = weight.dim(0), k = weight.dim(1);
  switch (format) {
    case WeightFormat::kQ8:
    case WeightFormat::kQ4:
    case WeightFormat::kQ8F16:
    case WeightFormat::kQ4F16:
      return PackGroups(weight, format, p, out, importance);
    default:
      break;
  }
  if (IsCoded(format)) return PackCoded(weight, format, p, out, importance);
  // The rows of this panel in the type they are stored in.
  const DType dtype = format == WeightFormat::kF32 ? DType::kF32 : DType::kBF16;
  if (weight.dtype() != dtype) {
    const int64_t first = p * kWidth, rows = std::min(kWidth, n - first);
    const Tensor part(weight.dtype(), {rows, k},
                      weight.raw() + static_cast<size_t>(first * k) * DTypeSize(weight.dtype()), nullptr);
    return PackPanel(part.To(dtype), format, 0, out);
  }
  if (format == WeightFormat::kF32) return PackColumns(weight.f32(), n, k, p, reinterpret_cast<float*>(out));
  const bf16* values = weight.values<bf16>().data();
  format == WeightFormat::kBf16 ? PackColumns(values, n, k, p, reinterpret_cast<bf16*>(out))
                                : PackPairs(values, n, k, p, reinterpret_cast<bf16*>(out));
}

void PackedMatrix::PackGgufPanel(std::span<const std::byte> blocks, int64_t k, WeightFormat format, std::byte* out) {
  const GroupLayout layout(format);
  const GgufType type = layout.q4 ? GgufType::kQ4_0 : GgufType::kQ8_0;
  FULGUR_CHECK(layout.f16_scales && k % kDotGroup == 0);
  const int64_t groups = k / kDotGroup;
  const size_t block_bytes = GgufBlockBytes(type);
  const int64_t rows = static_cast<int64_t>(blocks.size() / block_bytes) / groups;
  FULGUR_CHECK(rows <= kWidth && static_cast<size_t>(rows * groups) * block_bytes == blocks.size());
  layout.Clear(groups, out);
  const auto* block = reinterpret_cast<const uint8_t*>(blocks.data());
  for (int64_t j = 0; j < rows; ++j) {
    for (int64_t g = 0; g < groups; ++g, block += block_bytes) {
      auto* group = reinterpret_cast<uint8_t*>(out + g * layout.bytes);
      layout.StoreScale(group, j, static_cast<uint16_t>(block[0] | block[1] << 8));
      // Quadruples of inputs. Q8_0: 32 int8. Q4_0: 16 bytes, value i below, value i + 16 above, plus 8.
      uint32_t quads[8];
      std::memcpy(quads, block + 2, layout.q4 ? 16 : 32);
      constexpr uint32_t kLow = 0x0f0f0f0f;
      for (int q = 0; q < 4 && layout.q4; ++q) {
        const int shift = q / 2 * 4, first = q % 2 * 2;
        const uint32_t both = (quads[first] >> shift & kLow) | (quads[first + 1] >> shift & kLow) << 4;
        std::memcpy(group + q * 128 + j * 4, &both, 4);
      }
      for (int q = 0; q < 8 && !layout.q4; ++q) {
        const uint32_t values = quads[q] ^ 0x80808080;
        std::memcpy(group + q * 128 + j * 4, &values, 4);
      }
    }
  }
}

PackedMatrix::PackedMatrix(const Tensor& weight, WeightFormat format, ExecContext& exec) : format_(format) {
  FULGUR_CHECK(weight.shape().size() == 2, "shape {}", ShapeString(weight.shape()));
  n_ = weight.dim(0);
  k_ = weight.dim(1);
  panel_bytes_ = PanelBytes(format, k_);
  data_ = Tensor(DType::kU8, {panels(), static_cast<int64_t>(panel_bytes_)});
  Update(weight, exec);
}

PackedMatrix::PackedMatrix(const Tensor& weight, ExecContext& exec)
    : PackedMatrix(weight, weight.dtype() == DType::kBF16 ? WeightFormat::kBf16 : WeightFormat::kF32, exec) {}

PackedMatrix::PackedMatrix(WeightFormat format, int64_t n, int64_t k, Tensor data)
    : format_(format), n_(n), k_(k), panel_bytes_(PanelBytes(format, k)), data_(std::move(data)) {
  const Shape expected = {panels(), static_cast<int64_t>(panel_bytes_)};
  if (data_.dtype() != DType::kU8 || data_.shape() != expected) {
    throw Error("packed {} weights of [{}, {}] are U8 {}, found {} {}", WeightFormatName(format), n, k,
                ShapeString(expected), DTypeName(data_.dtype()), ShapeString(data_.shape()));
  }
}

void PackedMatrix::Update(const Tensor& weight, ExecContext& exec) {
  FULGUR_CHECK(weight.dim(0) == n_ && weight.dim(1) == k_);
  std::byte* out = data_.raw();
  exec.pool().ParallelFor(
      panels(), [&](int64_t p, int) { PackPanel(weight, format_, p, out + static_cast<size_t>(p) * panel_bytes_); });
}

Tensor PackedMatrix::Unpack() const {
  Tensor weight(DType::kF32, {n_, k_});
  // value(panel, i, column): of input i.
  const auto unpack = [&](const auto& value) {
    for (int64_t j = 0; j < n_; ++j) {
      const std::byte* const p = panel(j / kWidth);
      float* const row = weight.f32() + j * k_;
      for (int64_t i = 0; i < k_; ++i) row[i] = value(p, i, j % kWidth);
    }
    return weight;
  };
  switch (format_) {
    case WeightFormat::kF32:
      return unpack([](const std::byte* p, int64_t i, int64_t column) {
        return reinterpret_cast<const float*>(p)[i * kWidth + column];
      });
    case WeightFormat::kBf16:
      return unpack([](const std::byte* p, int64_t i, int64_t column) {
        return ToFloat(reinterpret_cast<const bf16*>(p)[i * kWidth + column]);
      });
    case WeightFormat::kBf16Dot:
      return unpack([](const std::byte* p, int64_t i, int64_t column) {
        return ToFloat(reinterpret_cast<const bf16*>(p)[(i / 2 * kWidth + column) * 2 + i % 2]);
      });
    case WeightFormat::kQ8:
    case WeightFormat::kQ4:
    case WeightFormat::kQ8F16:
    case WeightFormat::kQ4F16:
      return unpack([layout = GroupLayout(format_)](const std::byte* p, int64_t i, int64_t column) {
        const auto* group = reinterpret_cast<const uint8_t*>(p + i / kDotGroup * layout.bytes);
        return layout.Scale(group, column) *
               static_cast<float>(layout.Value(group, column, static_cast<int>(i % kDotGroup)));
      });
    case WeightFormat::kQ4k:
    case WeightFormat::kQ3:
    case WeightFormat::kQ2:
      return VisitCoded(format_, [&]<typename Format>(Format) {
        return unpack([](const std::byte* p, int64_t i, int64_t column) {
          const auto* group = reinterpret_cast<const uint8_t*>(p + i / kDotGroup * Format::kGroupBytes);
          const int j = static_cast<int>(column), value = CodedValue<Format>(group, static_cast<int>(i % kDotGroup), j);
          return ScaleOfByte(group[Format::kScales + j]) * static_cast<float>(value);
        });
      });
  }
  return weight;
}

}  // namespace fulgur
