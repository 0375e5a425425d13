// The AVX-512 kernels; dot_avx512.cc and dot_avx512_bf16.cc compile them, the latter with the bf16 instruction.
#include <immintrin.h>

#include "ops/dot_kernels.h"

namespace fulgur {
namespace {

// Rows of a tile: bf16 keeps 12 x 2 accumulators in registers, int8 6 x 2 integer and as many float ones.
constexpr int kBf16Rows = 12, kInt8Rows = 6;

inline __m512i Load(const char* p) { return _mm512_loadu_si512(p); }
inline __m512i Broadcast32(const char* p) { return _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
inline __m512 WidenBf16(const char* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

inline __m512 WidenF16(const char* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

inline __m512 DotBf16(__m512 sum, __m512i a, __m512i b) {
#ifdef __AVX512BF16__
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
#else
  const __m512i high = _mm512_set1_epi32(static_cast<int32_t>(0xffff0000));
  const auto even = [](__m512i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16)); };
  const auto odd = [&](__m512i x) { return _mm512_castsi512_ps(_mm512_and_si512(x, high)); };
  return _mm512_fmadd_ps(even(a), even(b), _mm512_fmadd_ps(odd(a), odd(b), sum));
#endif
}

// Rows of A: a pointer for each three, the others reached by adding the stride once or twice.
template <int MR>
struct Rows {
  static constexpr int kPointers = (MR + 2) / 3;
  const char* p[kPointers];
  int64_t stride;
  Rows(const char* a, int64_t row_stride) : stride(row_stride) {
#pragma GCC unroll 8
    for (int i = 0; i < kPointers; ++i) p[i] = a + i * 3 * stride;
  }
  const char* operator[](int row) const { return p[row / 3] + row % 3 * stride; }
  void Advance(int64_t bytes) {
#pragma GCC unroll 8
    for (int i = 0; i < kPointers; ++i) {
      p[i] += bytes;
      asm("" : "+r"(p[i]));  // or the compiler makes a pointer for each row
    }
  }
};

// Pair s from here. Not a lambda of the loop below: GCC 12 would keep its sums in memory.
template <int MR>
__attribute__((always_inline)) inline void Bf16Step(const Rows<MR>& a, const char* b, int s, __m512 (&acc)[MR][2]) {
  const __m512i b0 = Load(b + s * 128), b1 = Load(b + s * 128 + 64);
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
    const __m512i x = Broadcast32(a[i] + s * 4);
    acc[i][0] = DotBf16(acc[i][0], b0, x);
    acc[i][1] = DotBf16(acc[i][1], b1, x);
  }
}

template <int MR>
void Bf16Tile(const DotTile& t) {
  __m512 acc[MR][2];
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      acc[i][v] = t.accumulate ? _mm512_loadu_ps(t.c + i * t.ldc + v * 16) : _mm512_setzero_ps();
    }
  }
  Rows<MR> a(t.a, t.a_stride);
  const char* b = t.b;
  Ahead ahead(t, t.steps / 4 + 1);
  int64_t left = t.steps;
  for (; left >= 4; left -= 4, b += 4 * 128) {
    ahead.Step();
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) Bf16Step<MR>(a, b, s, acc);
    a.Advance(16);
  }
  for (; left > 0; --left, b += 128) {
    Bf16Step<MR>(a, b, 0, acc);
    a.Advance(4);
  }
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
    _mm512_storeu_ps(t.c + i * t.ldc, acc[i][0]);
    _mm512_storeu_ps(t.c + i * t.ldc + 16, acc[i][1]);
  }
}

// kExpanded: a coded group that was expanded to bytes of factor * level as q8 has its values, then negative products of
// factors and offsets, and float32 scales.
enum class Weights { kQ8, kQ4, kExpanded };
constexpr int kExpandedBytes = 32 * 32 + 32 * 8;

template <int MR, Weights kWeights, bool kF16Scales = false>
void Int8Tile(const DotTile& t) {
  constexpr bool kExpanded = kWeights == Weights::kExpanded;
  constexpr int kBytes = kExpanded ? kExpandedBytes : kWeights == Weights::kQ4 ? kQ4GroupBytes : kQ8GroupBytes;
  __m512 acc[MR][2];
#pragma GCC unroll 6
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      acc[i][v] = t.accumulate ? _mm512_loadu_ps(t.c + i * t.ldc + v * 16) : _mm512_setzero_ps();
    }
  }
  Rows<MR> a(t.a, t.a_stride);
  const char* b = t.b;
  Ahead ahead(t, t.steps);
  for (int64_t g = 0; g < t.steps; ++g) {
    ahead.Step();
    __m512i dot[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < MR; ++i) dot[i][0] = dot[i][1] = kExpanded ? _mm512_setzero_si512() : Broadcast32(a[i] + 4);
    const auto step = [&](int quad, __m512i b0, __m512i b1) {
#pragma GCC unroll 6
      for (int i = 0; i < MR; ++i) {
        const __m512i x = Broadcast32(a[i] + 8 + quad * 4);
        dot[i][0] = _mm512_dpbusd_epi32(dot[i][0], b0, x);
        dot[i][1] = _mm512_dpbusd_epi32(dot[i][1], b1, x);
      }
    };
    if constexpr (kWeights == Weights::kQ4) {
      const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        const __m512i b0 = Load(b + q * 128), b1 = Load(b + q * 128 + 64);
        step(2 * q, _mm512_and_si512(b0, low), _mm512_and_si512(b1, low));
        step(2 * q + 1, _mm512_and_si512(_mm512_srli_epi16(b0, 4), low),
             _mm512_and_si512(_mm512_srli_epi16(b1, 4), low));
      }
    } else {
#pragma GCC unroll 8
      for (int q = 0; q < 8; ++q) step(q, Load(b + q * 128), Load(b + q * 128 + 64));
    }
    __m512 scale0, scale1;
    if constexpr (kExpanded) {
      const __m512i offsets0 = Load(b + 1024), offsets1 = Load(b + 1088);
#pragma GCC unroll 6
      for (int i = 0; i < MR; ++i) {
        const __m512i sums = Broadcast32(a[i] + 4);
        dot[i][0] = _mm512_dpwssd_epi32(dot[i][0], offsets0, sums);
        dot[i][1] = _mm512_dpwssd_epi32(dot[i][1], offsets1, sums);
      }
      scale0 = _mm512_loadu_ps(b + 1152);
      scale1 = _mm512_loadu_ps(b + 1216);
    } else {
      scale0 = kF16Scales ? WidenF16(b + kBytes - 64) : WidenBf16(b + kBytes - 64);
      scale1 = kF16Scales ? WidenF16(b + kBytes - 32) : WidenBf16(b + kBytes - 32);
    }
#pragma GCC unroll 6
    for (int i = 0; i < MR; ++i) {
      const __m512 x = _mm512_castsi512_ps(Broadcast32(a[i]));
      acc[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i][0]), _mm512_mul_ps(x, scale0), acc[i][0]);
      acc[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i][1]), _mm512_mul_ps(x, scale1), acc[i][1]);
    }
    a.Advance(kInt8RowGroupBytes);
    b += kBytes;
  }
#pragma GCC unroll 6
  for (int i = 0; i < MR; ++i) {
    _mm512_storeu_ps(t.c + i * t.ldc, acc[i][0]);
    _mm512_storeu_ps(t.c + i * t.ldc + 16, acc[i][1]);
  }
}

// ---- Coded formats: coded_weights.h ----

using V = __m512i;
using Floats = __m512;
constexpr int kLanes = 16, kVectorBytes = 64;
#define INLINE __attribute__((always_inline)) inline

INLINE V Set8(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
INLINE V Set32(int x) { return _mm512_set1_epi32(x); }
INLINE V And(V a, V b) { return _mm512_and_si512(a, b); }
INLINE V Or(V a, V b) { return _mm512_or_si512(a, b); }
template <int kBits>
INLINE V ShiftRight(V x) {
  return _mm512_srli_epi16(x, kBits);
}
template <int kBits>
INLINE V ShiftLeft(V x) {
  return _mm512_slli_epi16(x, kBits);
}
template <int kBits>
INLINE V ShiftLeft32(V x) {
  return _mm512_slli_epi32(x, kBits);
}
INLINE V Mul16(V a, V b) { return _mm512_mullo_epi16(a, b); }
INLINE V Table(const uint8_t* of16) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(of16)));
}
INLINE V Table32(const int* of4) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(of4)));
}
INLINE V Lookup(V table, V index) { return _mm512_shuffle_epi8(table, index); }
INLINE V Lookup32(V table, V index) { return _mm512_permutexvar_epi32(index, table); }
// A byte for each output, in 32 bits.
INLINE V LoadBytes(const char* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
INLINE V LoadBytes8Twice(const char* p) {
  return _mm512_cvtepu8_epi32(_mm_set1_epi64x(*reinterpret_cast<const int64_t*>(p)));
}
// Of 8 bytes that hold 2 bits of outputs j, j + 8, j + 16 and j + 24: those of vector v lowest.
INLINE V LoadPairsOfBits(const char* p, int v) {
  const V bytes = LoadBytes8Twice(p);
  return _mm512_srlv_epi32(bytes, _mm512_inserti64x4(Set32(4 * v), _mm256_set1_epi32(4 * v + 2), 1));
}
// Tables of 16-bit numbers from 0 to 255 by pairs of indices: byte 1 and 3 ask for no entry and become 0.
INLINE V LookupPairs(V table, V pairs) { return Lookup(table, Or(pairs, Set32(static_cast<int>(0x80008000)))); }
INLINE V InBothHalves(V x) { return Or(x, ShiftLeft32<16>(x)); }
INLINE Floats ScalesOf(V bytes) {
  return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(bytes, 20)), _mm512_set1_ps(kScaleByteUnit));
}

#include "ops/dot_byte_codes-inl.h"
#include "ops/dot_q2-inl.h"
#include "ops/dot_q3-inl.h"
#include "ops/dot_q4k-inl.h"

INLINE V NegativeProducts(V offsets, V factors) { return _mm512_sub_epi16(Set32(0), Mul16(offsets, factors)); }

template <typename Group>
void Expand(const char* from, int64_t groups, char* to) {
  const Group group;
  for (int64_t g = 0; g < groups; ++g, from += Group::kBytes, to += kExpandedBytes) {
    for (int v = 0; v < 2; ++v) {
      V levels[8];
      group.Levels(from, v, levels);
      const V factors = group.Factors(from, v);
      const V first = InBothHalves(And(factors, Set32(0xffff))), second = InBothHalves(_mm512_srli_epi32(factors, 16));
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) _mm512_storeu_si512(to + i * 128 + v * 64, Mul16(levels[i], i < 4 ? first : second));
      _mm512_storeu_si512(to + 1024 + v * 64, NegativeProducts(group.Offsets(from, v), factors));
      _mm512_storeu_ps(to + 1152 + v * 64, group.Scales(from, v));
    }
  }
}

// Integer sum of four quadruples x of a row with outputs whose levels these are.
INLINE V DotLevels(const V* levels, const char* x) {
  V sum = Set32(0);
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) sum = _mm512_dpbusd_epi32(sum, levels[q], Broadcast32(x + q * 4));
  return sum;
}

template <int MR, typename Group>
void CodedTile(const DotTile& t) {
  const Group group;
  __m512 acc[MR][2];
#pragma GCC unroll 6
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      acc[i][v] = t.accumulate ? _mm512_loadu_ps(t.c + i * t.ldc + v * 16) : _mm512_setzero_ps();
    }
  }
  Rows<MR> a(t.a, t.a_stride);
  const char* b = t.b;
  Ahead ahead(t, t.steps);
  for (int64_t g = 0; g < t.steps; ++g) {
    ahead.Step();
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      V levels[8];
      group.Levels(b, v, levels);
      const V factors = group.Factors(b, v), offsets = NegativeProducts(group.Offsets(b, v), factors);
      const V first_factor = And(factors, Set32(0xffff)), second_factor = _mm512_srli_epi32(factors, 16);
      const Floats scales = group.Scales(b, v);
#pragma GCC unroll 6
      for (int i = 0; i < MR; ++i) {
        const V first = _mm512_mullo_epi32(DotLevels(levels, a[i] + 8), first_factor);
        const V second = _mm512_mullo_epi32(DotLevels(levels + 4, a[i] + 24), second_factor);
        const V dot = _mm512_dpwssd_epi32(_mm512_add_epi32(first, second), offsets, Broadcast32(a[i] + 4));
        const __m512 x = _mm512_castsi512_ps(Broadcast32(a[i]));
        acc[i][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(x, scales), acc[i][v]);
      }
    }
    a.Advance(kInt8RowGroupBytes);
    b += Group::kBytes;
  }
#pragma GCC unroll 6
  for (int i = 0; i < MR; ++i) {
    _mm512_storeu_ps(t.c + i * t.ldc, acc[i][0]);
    _mm512_storeu_ps(t.c + i * t.ldc + 16, acc[i][1]);
  }
}

template <typename Group>
void Coded(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kInt8Rows] = {CodedTile<1, Group>, CodedTile<2, Group>, CodedTile<3, Group>,
                                                         CodedTile<4, Group>, CodedTile<5, Group>, CodedTile<6, Group>};
  kTiles[t.rows - 1](t);
}

void Bf16(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kBf16Rows] = {Bf16Tile<1>, Bf16Tile<2>,  Bf16Tile<3>,  Bf16Tile<4>,
                                                         Bf16Tile<5>, Bf16Tile<6>,  Bf16Tile<7>,  Bf16Tile<8>,
                                                         Bf16Tile<9>, Bf16Tile<10>, Bf16Tile<11>, Bf16Tile<12>};
  kTiles[t.rows - 1](t);
}

template <Weights kWeights, bool kF16Scales = false>
void Int8(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kInt8Rows] = {
      Int8Tile<1, kWeights, kF16Scales>, Int8Tile<2, kWeights, kF16Scales>, Int8Tile<3, kWeights, kF16Scales>,
      Int8Tile<4, kWeights, kF16Scales>, Int8Tile<5, kWeights, kF16Scales>, Int8Tile<6, kWeights, kF16Scales>};
  kTiles[t.rows - 1](t);
}

void ExpandQ4(const char* from, int64_t groups, char* to) {
  const __m512i low = _mm512_set1_epi8(15);
  for (int64_t g = 0; g < groups; ++g, from += kQ4GroupBytes, to += kQ8GroupBytes) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m512i b = Load(from + q * 128 + v * 64);
        _mm512_storeu_si512(to + q * 256 + v * 64, _mm512_and_si512(b, low));
        _mm512_storeu_si512(to + q * 256 + 128 + v * 64, _mm512_and_si512(_mm512_srli_epi16(b, 4), low));
      }
    }
    _mm512_storeu_si512(to + kQ8GroupBytes - 64, Load(from + kQ4GroupBytes - 64));
  }
}

// Chains enough to hide a latency of 4-6 cycles on two pipes, all in registers.
constexpr int kChains = 12;

double Int8Peak(int64_t rounds, int seed, float* sink) {
  const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(static_cast<char>(seed & 1));
  __m512i x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_set1_epi32(seed + c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      x[c] = _mm512_dpbusd_epi32(x[c], a, b);
      asm("" : "+v"(x[c]));  // or the compiler takes equal steps together
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm512_add_epi32(x[0], x[c]);
  *sink = static_cast<float>(_mm512_cvtsi512_si32(x[0]));
  return 2.0 * 64 * kChains * static_cast<double>(rounds);
}

#ifdef __AVX512BF16__
double Bf16Peak(int64_t rounds, int seed, float* sink) {
  // 0x3f00 is 0.5 in bfloat16; times 0 or nearly 0, so that sums stay finite.
  const __m512i a = _mm512_set1_epi16(0x3f00), b = _mm512_set1_epi16(static_cast<short>(seed & 1));
  __m512 x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_set1_ps(static_cast<float>(seed + c));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      x[c] = DotBf16(x[c], a, b);
      asm("" : "+v"(x[c]));
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm512_add_ps(x[0], x[c]);
  *sink = _mm512_cvtss_f32(x[0]);
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}
#else
constexpr double (*Bf16Peak)(int64_t, int, float*) = nullptr;
#endif

template <typename Group>
constexpr DotKernels::Integer kCoded = {Coded<Group>, Int8<Weights::kExpanded>, Expand<Group>};

constexpr DotKernels kKernels = {
    .bf16_rows = kBf16Rows,
    .int8_rows = kInt8Rows,
    .bf16 = Bf16,
    .q8 = {Int8<Weights::kQ8>, Int8<Weights::kQ8>, nullptr},
    .q4 = {Int8<Weights::kQ4>, Int8<Weights::kQ8>, ExpandQ4},
    .q8_f16 = {Int8<Weights::kQ8, true>, Int8<Weights::kQ8, true>, nullptr},
    .q4_f16 = {Int8<Weights::kQ4, true>, Int8<Weights::kQ8, true>, ExpandQ4},
    .q4k = kCoded<Q4kGroup>,
    .q3 = kCoded<Q3Group>,
    .q2 = kCoded<Q2Group>,
    .pack_bf16 = nullptr,
    .finish = nullptr,
    .bf16_peak = Bf16Peak,
    .int8_peak = Int8Peak,
};

}  // namespace
}  // namespace fulgur
