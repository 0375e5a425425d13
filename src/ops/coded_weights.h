// Weights in 4.5, 3.4375 and 2.5 bits: the formats q4k, q3 and q2. A code of a few bits stands for a level, levels are
// closer to each other in the middle, and 32 inputs of an output share a scale:
//
//   weight = scale * value,   value = factor * (level of the code - offset)
//
// Factor and offset are small whole numbers of each half, 16 inputs, so that a half of small weights has finer steps
// than a scale for both would give it. Integer dot products take levels; factors and offsets come in afterwards.
//
// A panel's group is 32 inputs of 32 outputs: the codes, 32 scale bytes, and what gives factors and offsets. This is
// its definition; the kernels of each instruction set decode it by dot_q4k-inl.h, dot_q3-inl.h and dot_q2-inl.h.
//
//         codes                                levels            factors and offsets
//   q4k   4 bits, as q4 has them               16, 0 to 63       a byte an output: pair of factors << 6 | number of the
//                                                                second offset << 3 | of the first
//   q3    3 bits: [3][32][4] bytes (below)     8, 0 to 31        16 bytes: second << 2 | first of output j, above it of
//                                                                j + 16; then 8 bytes: pairs of j, j + 8, ..., 2 bits
//                                                                each
//   q2    2 bits: byte i / 16 of [2][32][4]    0, 4, 8, 12       as q4k
//         has input i at bit i % 16 / 4 * 2
//
// q3's bytes hold quadruple 2 i of inputs in bits 0-2 and quadruple 2 i + 1 in bits 3-5; in bits 6 and 7 the first and
// the second have the low bits of quadruples 6 and 7, the third has the high bit of both.
//
// A scale byte is a float of 5 bits of exponent and 3 of mantissa with gradual underflow, from 2^-27 to 120.
#pragma once

#include <bit>
#include <cstdint>

#include "base/error.h"
#include "ops/dot_kernels.h"
#include "ops/packed_matrix.h"

namespace fulgur {

// What the codes of a group cannot reach.
inline constexpr float kLargestCodedWeight = 4096;

inline float ScaleOfByte(uint8_t byte) { return std::bit_cast<float>(uint32_t{byte} << 20) * kScaleByteUnit; }

// Where things lie in a group `g`: input k and output j, both from 0 to 31.
struct Q4k {
  static constexpr int kGroupBytes = kQ4kGroupBytes, kScales = 512;
  static int Level(const uint8_t* g, int k, int j) {
    return kQ4kLevels[g[k / 8 * 128 + j * 4 + k % 4] >> (k / 4 % 2 * 4) & 15];
  }
  static int Factor(const uint8_t* g, int k, int j) { return kQ4kFactors[g[544 + j] >> 6] >> (k / 16 * 16) & 15; }
  static int Offset(const uint8_t* g, int k, int j) { return kQ4kOffsets[g[544 + j] >> (k / 16 * 3) & 7]; }
};

struct Q3 {
  static constexpr int kGroupBytes = kQ3GroupBytes, kScales = 384;
  static int Level(const uint8_t* g, int k, int j) {
    const int quad = k / 4, at = j * 4 + k % 4;
    if (quad < 6) return kQ3Levels[g[quad / 2 * 128 + at] >> (quad % 2 * 3) & 7];
    return kQ3Levels[g[(quad - 6) * 128 + at] >> 6 | (g[256 + at] >> quad & 1) << 2];
  }
  static int Factor(const uint8_t* g, int k, int j) {
    return kFactors[g[432 + j % 8] >> (j / 8 * 2) & 3] >> (k / 16 * 16) & 15;
  }
  static int Offset(const uint8_t* g, int k, int j) {
    return kQ3Offsets[g[416 + j % 16] >> (j / 16 * 4 + k / 16 * 2) & 3];
  }
};

struct Q2 {
  static constexpr int kGroupBytes = kQ2GroupBytes, kScales = 256;
  static int Level(const uint8_t* g, int k, int j) {
    return 4 * (g[k / 16 * 128 + j * 4 + k % 4] >> (k % 16 / 4 * 2) & 3);
  }
  static int Factor(const uint8_t* g, int k, int j) { return kFactors[g[288 + j] >> 6] >> (k / 16 * 16) & 15; }
  static int Offset(const uint8_t* g, int k, int j) { return kQ2Offsets[g[288 + j] >> (k / 16 * 3) & 7]; }
};

template <typename Format>
int CodedValue(const uint8_t* g, int k, int j) {
  return Format::Factor(g, k, j) * (Format::Level(g, k, j) - Format::Offset(g, k, j));
}

inline bool IsCoded(WeightFormat format) {
  return format == WeightFormat::kQ4k || format == WeightFormat::kQ3 || format == WeightFormat::kQ2;
}
// visit(Q4k()), visit(Q3()) or visit(Q2()).
template <typename Visit>
auto VisitCoded(WeightFormat format, const Visit& visit) {
  FULGUR_CHECK(IsCoded(format));
  return format == WeightFormat::kQ4k ? visit(Q4k()) : format == WeightFormat::kQ3 ? visit(Q3()) : visit(Q2());
}

}  // namespace fulgur
