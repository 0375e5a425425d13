// The element types of GGUF files: numbers in blocks that share scales. The layouts are those of ggml
// (https://github.com/ggml-org/ggml, docs/gguf.md and ggml-common.h); the names are its names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bf16.h"

namespace fulgur {

// Values are the numbers that a file's tensor infos hold.
enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
};

std::optional<GgufType> GgufTypeFromNumber(uint32_t number);
std::optional<GgufType> GgufTypeFromName(std::string_view name);  // "Q4_K"
std::string GgufTypeName(GgufType type);
std::vector<std::string> GgufTypeNames();

int64_t GgufBlockValues(GgufType type);  // values of a block: 1, 32 or 256
size_t GgufBlockBytes(GgufType type);    // and its bytes

// What blocks mean. `blocks`: n * GgufBlockBytes bytes; `values`: n * GgufBlockValues.
void DecodeGgufBlocks(GgufType type, std::span<const std::byte> blocks, std::span<float> values);

// To nearest even; what is too large becomes infinite.
f16 ToF16(float x);

// The reverse for kF32, kF16 (to nearest even) and kQ8_0 (scale = largest magnitude / 127 as a float16; each value to
// the nearest multiple, ties away from zero). Values must be finite and within float16's range, or the result is not.
void EncodeGgufBlocks(GgufType type, std::span<const float> values, std::span<std::byte> blocks);

}  // namespace fulgur
