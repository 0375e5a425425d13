// Micro-kernels of matrix products on dot-product instructions (bf16 pairs, int8 quadruples): intrinsics, because
// Highway 1.0 cannot emit them. One file per instruction set, compiled for it, which includes nothing but this and
// intrinsics, so that no inline function that others share is compiled with instructions that a machine may lack.
//
// Weights come as panels of 32 outputs, activations as rows encoded to match (quantize.h):
//   bf16  weights [K / 2][32][2] bf16;                   a row: bf16 [K]
//   q8    groups of 32 along K, each [8][32][4] uint8 (value + 128), then bf16 [32] scales: 1088 bytes
//   q4    groups of 32 along K, each [4][32][4] uint8 (low half: value + 8 of k quadruple 2i, high half: of 2i + 1),
//   then
//         bf16 [32] scales: 576 bytes
//         an int8 row: groups {float scale; int32 correction; int8 value [32]}, correction = -zero point * sum of
//         values
//   q8-f16, q4-f16  as q8 and q4, with float16 scales
//   q4k, q3, q2 (coded formats): as coded_weights.h says
//         an int8 row as above, with two int16 sums of 16 values each in the place of the correction
// K is padded to whole pairs or groups.
//
// An output of an int8 product, coded formats included, is one chain over groups in order: sum <- fma(float(integer dot
// product of the group), row scale * weight scale, sum). The integer part is exact, so instruction sets with a fused
// multiply-add give the same bits. One of a bf16 product is one chain of dot products over pairs, rounded as the
// instruction set does.
#pragma once

#include <stdint.h>

namespace fulgur {

inline constexpr int kDotGroup = 32;                // values along K that share a scale
inline constexpr int kQ8GroupBytes = 32 * 32 + 64;  // of a panel
inline constexpr int kQ4GroupBytes = 32 * 32 / 2 + 64;
inline constexpr int kQ4kGroupBytes = 32 * 32 / 2 + 32 + 32;
inline constexpr int kQ3GroupBytes = 32 * 32 * 3 / 8 + 32 + 24;
inline constexpr int kQ2GroupBytes = 32 * 32 / 4 + 32 + 32;
inline constexpr int kInt8RowGroupBytes = 8 + kDotGroup;
// A block of weights of a few bits that was expanded once for many rows: at most so many bytes a group.
inline constexpr int kExpandedGroupBytes = 32 * 32 + 32 * 12;

// What the numbers in coded formats mean (coded_weights.h). Tables are looked up by 16 bytes; q3's repeat.
inline constexpr uint8_t kQ4kLevels[16] = {0, 7, 12, 17, 21, 24, 27, 30, 33, 36, 39, 42, 46, 51, 56, 63};
inline constexpr uint8_t kQ3Levels[16] = {0, 6, 11, 14, 17, 20, 25, 31, 0, 6, 11, 14, 17, 20, 25, 31};
inline constexpr uint8_t kQ4kOffsets[16] = {25, 27, 29, 30, 33, 34, 36, 38};
inline constexpr uint8_t kQ3Offsets[16] = {12, 14, 17, 19};
inline constexpr uint8_t kQ2Offsets[16] = {0, 2, 4, 5, 7, 8, 10, 12};
// Pairs: of the second 16 inputs << 16 | of the first.
inline constexpr int kQ4kFactors[4] = {4 | 4 << 16, 4 | 2 << 16, 2 | 4 << 16, 4 | 1 << 16};
inline constexpr int kFactors[4] = {8 | 8 << 16, 8 | 5 << 16, 5 | 8 << 16, 8 | 2 << 16};  // of q3 and q2
inline constexpr float kScaleByteUnit = 0x1p102f;  // times the float whose bits are the scale byte << 20

// c [rows, 32] (+)= a [rows, K] b [K, 32]
struct DotTile {
  const char* a;
  int64_t a_stride;  // bytes from one row to the next; not of packed rows
  const char* a2;    // packed rows: where rows 16 and on are
  int rows;          // at most DotKernels::*_rows
  const char* b;
  int64_t steps;  // pairs or groups
  float* c;
  int64_t ldc;
  bool accumulate;
  // Memory to ask for meanwhile, some with every step, because the hardware's own prefetch falls behind where there is
  // arithmetic in between, and a burst would hold up the tile's own reads. `lines` of 64 bytes.
  const char* ahead;
  int64_t lines;
};

// Hands out the lines of a tile in equal shares, one a step.
struct Ahead {
  const char* at;
  const char* end;
  int64_t share;
  Ahead(const DotTile& t, int64_t steps)
      : at(t.ahead), end(t.ahead + t.lines * 64), share((t.lines + steps - 1) / steps * 64) {}
  void Step() {
    const char* const to = end - at < share ? end : at + share;
    for (; at < to; at += 64) __builtin_prefetch(at);
  }
};

struct DotKernels {
  using Tile = void (*)(const DotTile&);
  int bf16_rows, int8_rows;  // rows of a full tile
  Tile bf16;
  // Of a format with integer products. For many rows a block of the weights is expanded once (nullptr: it is not), to
  // a layout of the instruction set's own, and `many` multiplies with that.
  struct Integer {
    Tile few, many;
    void (*expand)(const char* from, int64_t groups, char* to);
  };
  Integer q8, q4, q8_f16, q4_f16, q4k, q3, q2;
  // If not nullptr, bf16 reads rows that this has packed, n <= 16 together: for each 16 pairs along K (the last ones
  // padded with zeros) [n][16] pairs.
  void (*pack_bf16)(const char* rows, int64_t row_bytes, int n, int64_t pairs, char* to);
  void (*finish)();  // after the last tile of a piece of work on this thread; nullptr: nothing to do
  // `rounds` of a loop in registers, to measure what the instructions can do: returns operations (a multiply-add is 2).
  // nullptr: the set has none of its own.
  double (*bf16_peak)(int64_t rounds, int seed, float* sink);
  double (*int8_peak)(int64_t rounds, int seed, float* sink);
};
inline constexpr int kPackedRows = 16, kPackedPairs = 16;

extern const DotKernels kDotAvx512Bf16;  // AVX-512 with VNNI and BF16 (from Cooper Lake and Zen 4)
extern const DotKernels kDotAvx512;      // AVX-512 with VNNI (from Cascade Lake)
extern const DotKernels kDotAvx2;        // AVX2 and FMA
extern const DotKernels kDotPortable;
const DotKernels& AmxKernels();  // bf16 on AMX tiles, the rest of kDotAvx512Bf16 (from Sapphire Rapids)

}  // namespace fulgur
