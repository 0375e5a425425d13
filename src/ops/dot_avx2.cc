#if defined(__x86_64__)
#include <immintrin.h>

#include "ops/dot_kernels.h"

namespace fulgur {
namespace {

// A tile is a few rows by 16 of the 32 outputs, twice. int8 keeps its float sums in memory: the integer ones need the
// registers.
constexpr int kRows = 4;

inline __m256i Load(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline __m256i Broadcast32(const char* p) { return _mm256_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
inline __m256 WidenBf16(const char* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline __m256 WidenF16(const char* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline __m256 Even(__m256i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)); }
inline __m256 Odd(__m256i x) {
  return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(static_cast<int32_t>(0xffff0000))));
}

template <int MR>
void Bf16Half(const DotTile& t, int half) {
  Ahead ahead(t, t.steps);
  __m256 acc[MR][2];
  float* c = t.c + half * 16;
#pragma GCC unroll 4
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      acc[i][v] = t.accumulate ? _mm256_loadu_ps(c + i * t.ldc + v * 8) : _mm256_setzero_ps();
    }
  }
  const char* b = t.b + half * 64;
  for (int64_t s = 0; s < t.steps; ++s, b += 128) {
    if (half == 0) ahead.Step();
    const __m256i b0 = Load(b), b1 = Load(b + 32);
    const __m256 even0 = Even(b0), even1 = Even(b1), odd0 = Odd(b0), odd1 = Odd(b1);
#pragma GCC unroll 4
    for (int i = 0; i < MR; ++i) {
      const __m256i x = Broadcast32(t.a + i * t.a_stride + s * 4);
      const __m256 odd = Odd(x), even = Even(x);
      acc[i][0] = _mm256_fmadd_ps(even0, even, _mm256_fmadd_ps(odd0, odd, acc[i][0]));
      acc[i][1] = _mm256_fmadd_ps(even1, even, _mm256_fmadd_ps(odd1, odd, acc[i][1]));
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < MR; ++i) {
    _mm256_storeu_ps(c + i * t.ldc, acc[i][0]);
    _mm256_storeu_ps(c + i * t.ldc + 8, acc[i][1]);
  }
}

template <int MR>
void Bf16Tile(const DotTile& t) {
  Bf16Half<MR>(t, 0);
  Bf16Half<MR>(t, 1);
}

// sum <- fma(float(dot), row scale * weight scale, sum) for one row and half.
template <bool kF16Scales>
inline void AddGroup(__m256i dot0, __m256i dot1, const char* row, const char* scales, float* sum) {
  const auto widen = [](const char* p) { return kF16Scales ? WidenF16(p) : WidenBf16(p); };
  const __m256 x = _mm256_castsi256_ps(Broadcast32(row));
  _mm256_storeu_ps(sum,
                   _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot0), _mm256_mul_ps(x, widen(scales)), _mm256_loadu_ps(sum)));
  _mm256_storeu_ps(sum + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot1), _mm256_mul_ps(x, widen(scales + 16)),
                                            _mm256_loadu_ps(sum + 8)));
}

enum class Weights { kQ8, kQ4, kQ4Wide };

template <int MR, Weights kWeights, bool kF16Scales>
void Int8Half(const DotTile& t, int half) {
  Ahead ahead(t, t.steps);
  constexpr int kBytes = kWeights == Weights::kQ4 ? kQ4GroupBytes : kQ8GroupBytes;
  float* c = t.c + half * 16;
  if (!t.accumulate) {
    for (int i = 0; i < MR; ++i) {
      _mm256_storeu_ps(c + i * t.ldc, _mm256_setzero_ps());
      _mm256_storeu_ps(c + i * t.ldc + 8, _mm256_setzero_ps());
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  const char* a = t.a;
  const char* b = t.b;
  for (int64_t g = 0; g < t.steps; ++g, a += kInt8RowGroupBytes, b += kBytes) {
    if (half == 0) ahead.Step();
    __m256i dot[MR][2];
#pragma GCC unroll 4
    for (int i = 0; i < MR; ++i) dot[i][0] = dot[i][1] = _mm256_setzero_si256();
    if constexpr (kWeights == Weights::kQ8) {
      // |w| times the row's value with w's sign: 2 * 128 * 127 fits 16 bits, where 255 * 127 * 2 would not. The row's
      // correction is for the zero point that this does without.
#pragma GCC unroll 8
      for (int q = 0; q < 8; ++q) {
        const __m256i flip = _mm256_set1_epi8(static_cast<char>(128));
        const __m256i b0 = _mm256_xor_si256(Load(b + q * 128 + half * 64), flip);
        const __m256i b1 = _mm256_xor_si256(Load(b + q * 128 + half * 64 + 32), flip);
        const __m256i abs0 = _mm256_abs_epi8(b0), abs1 = _mm256_abs_epi8(b1);
#pragma GCC unroll 4
        for (int i = 0; i < MR; ++i) {
          const __m256i x = Broadcast32(a + i * t.a_stride + 8 + q * 4);
          dot[i][0] =
              _mm256_add_epi32(dot[i][0], _mm256_madd_epi16(_mm256_maddubs_epi16(abs0, _mm256_sign_epi8(x, b0)), ones));
          dot[i][1] =
              _mm256_add_epi32(dot[i][1], _mm256_madd_epi16(_mm256_maddubs_epi16(abs1, _mm256_sign_epi8(x, b1)), ones));
        }
      }
    } else {
      // 8 quadruples' pairs add up to 8 * 2 * 15 * 127 = 30480 at most: 16 bits hold a group.
      const auto step = [&](int quad, __m256i b0, __m256i b1) {
#pragma GCC unroll 4
        for (int i = 0; i < MR; ++i) {
          const __m256i x = Broadcast32(a + i * t.a_stride + 8 + quad * 4);
          dot[i][0] = _mm256_add_epi16(dot[i][0], _mm256_maddubs_epi16(b0, x));
          dot[i][1] = _mm256_add_epi16(dot[i][1], _mm256_maddubs_epi16(b1, x));
        }
      };
      if constexpr (kWeights == Weights::kQ4) {
        const __m256i low = _mm256_set1_epi8(15);
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
          const __m256i b0 = Load(b + q * 128 + half * 64), b1 = Load(b + q * 128 + half * 64 + 32);
          step(2 * q, _mm256_and_si256(b0, low), _mm256_and_si256(b1, low));
          step(2 * q + 1, _mm256_and_si256(_mm256_srli_epi16(b0, 4), low),
               _mm256_and_si256(_mm256_srli_epi16(b1, 4), low));
        }
      } else {
#pragma GCC unroll 8
        for (int q = 0; q < 8; ++q) {
          step(q, Load(b + q * 128 + half * 64), Load(b + q * 128 + half * 64 + 32));
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < MR; ++i) {
        const __m256i correction = Broadcast32(a + i * t.a_stride + 4);
        dot[i][0] = _mm256_add_epi32(_mm256_madd_epi16(dot[i][0], ones), correction);
        dot[i][1] = _mm256_add_epi32(_mm256_madd_epi16(dot[i][1], ones), correction);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < MR; ++i) {
      AddGroup<kF16Scales>(dot[i][0], dot[i][1], a + i * t.a_stride, b + kBytes - 64 + half * 32, c + i * t.ldc);
    }
  }
}

template <int MR, Weights kWeights, bool kF16Scales>
void Int8Tile(const DotTile& t) {
  Int8Half<MR, kWeights, kF16Scales>(t, 0);
  Int8Half<MR, kWeights, kF16Scales>(t, 1);
}

// ---- Coded formats: coded_weights.h ----

using V = __m256i;
using Floats = __m256;
constexpr int kLanes = 8, kVectorBytes = 32;
#define INLINE __attribute__((always_inline)) inline

INLINE V Set8(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
INLINE V Set32(int x) { return _mm256_set1_epi32(x); }
INLINE V And(V a, V b) { return _mm256_and_si256(a, b); }
INLINE V Or(V a, V b) { return _mm256_or_si256(a, b); }
template <int kBits>
INLINE V ShiftRight(V x) {
  return _mm256_srli_epi16(x, kBits);
}
template <int kBits>
INLINE V ShiftLeft(V x) {
  return _mm256_slli_epi16(x, kBits);
}
template <int kBits>
INLINE V ShiftLeft32(V x) {
  return _mm256_slli_epi32(x, kBits);
}
INLINE V Mul16(V a, V b) { return _mm256_mullo_epi16(a, b); }
INLINE V Table(const uint8_t* of16) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(of16)));
}
INLINE V Table32(const int* of4) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(of4)));
}
INLINE V Lookup(V table, V index) { return _mm256_shuffle_epi8(table, index); }
INLINE V Lookup32(V table, V index) { return _mm256_permutevar8x32_epi32(table, index); }
// A byte for each output, in 32 bits.
INLINE V LoadBytes(const char* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
// Of 8 bytes that hold 2 bits of outputs j, j + 8, j + 16 and j + 24: those of vector v lowest.
INLINE V LoadPairsOfBits(const char* p, int v) { return _mm256_srli_epi32(LoadBytes(p), 2 * v); }
// Tables of 16-bit numbers from 0 to 255 by pairs of indices: byte 1 and 3 ask for no entry and become 0.
INLINE V LookupPairs(V table, V pairs) { return Lookup(table, Or(pairs, Set32(static_cast<int>(0x80008000)))); }
// The low or the high 16 bits of an output in both places.
INLINE V LowTwice(V x) {
  return _mm256_shuffle_epi8(
      x, _mm256_broadcastsi128_si256(_mm_set_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100)));
}
INLINE V HighTwice(V x) {
  return _mm256_shuffle_epi8(
      x, _mm256_broadcastsi128_si256(_mm_set_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302)));
}
INLINE Floats ScalesOf(V bytes) {
  return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bytes, 20)), _mm256_set1_ps(kScaleByteUnit));
}

#include "ops/dot_byte_codes-inl.h"
#include "ops/dot_q2-inl.h"
#include "ops/dot_q3-inl.h"
#include "ops/dot_q4k-inl.h"

// A group that was expanded: levels in a byte as q8 has its values, then factors, offsets and scales.
template <typename Group>
struct ExpandedGroup {
  static constexpr int kBytes = kExpandedGroupBytes, kMostLevel = Group::kMostLevel;
  INLINE void Levels(const char* group, int v, V (&out)[8]) const {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) out[i] = Load(group + i * 128 + v * 32);
  }
  INLINE V Factors(const char* group, int v) const { return Load(group + 1024 + v * 32); }
  INLINE V Offsets(const char* group, int v) const { return Load(group + 1152 + v * 32); }
  INLINE Floats Scales(const char* group, int v) const {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(group + 1280 + v * 32));
  }
};

INLINE void Store(V x, char* p) { _mm256_storeu_si256(reinterpret_cast<V*>(p), x); }

template <typename Group>
void Expand(const char* from, int64_t groups, char* to) {
  const Group group;
  for (int64_t g = 0; g < groups; ++g, from += Group::kBytes, to += kExpandedGroupBytes) {
    for (int v = 0; v < 4; ++v) {
      V levels[8];
      group.Levels(from, v, levels);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) Store(levels[i], to + i * 128 + v * 32);
      Store(group.Factors(from, v), to + 1024 + v * 32);
      Store(group.Offsets(from, v), to + 1152 + v * 32);
      Store(_mm256_castps_si256(group.Scales(from, v)), to + 1280 + v * 32);
    }
  }
}

// factor * integer sum of four quadruples x of a row with outputs whose levels these are. Products of two are added up
// in 16 bits as long as they fit: 4 * 2 * 31 * 127 or 2 * 2 * 63 * 127.
template <int kMostLevel>
INLINE V DotLevels(const V* levels, const char* x, V factor) {
  static_assert(kMostLevel <= 64);
  const auto product = [&](int q) __attribute__((always_inline)) {
    return _mm256_maddubs_epi16(levels[q], Broadcast32(x + q * 4));
  };
  const V a = _mm256_add_epi16(product(0), product(1)), b = _mm256_add_epi16(product(2), product(3));
  if constexpr (kMostLevel <= 31) return _mm256_madd_epi16(_mm256_add_epi16(a, b), factor);
  return _mm256_add_epi32(_mm256_madd_epi16(a, factor), _mm256_madd_epi16(b, factor));
}

template <int MR, typename Group>
void CodedTile(const DotTile& t) {
  const Group group;
  Ahead ahead(t, t.steps);
  if (!t.accumulate) {
    for (int i = 0; i < MR; ++i) {
      for (int v = 0; v < 4; ++v) _mm256_storeu_ps(t.c + i * t.ldc + v * 8, _mm256_setzero_ps());
    }
  }
  const char* a = t.a;
  const char* b = t.b;
  for (int64_t g = 0; g < t.steps; ++g, a += kInt8RowGroupBytes, b += Group::kBytes) {
    ahead.Step();
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      V levels[8];
      group.Levels(b, v, levels);
      const V factors = group.Factors(b, v);
      const V first = LowTwice(factors), second = HighTwice(factors);
      const V offsets = _mm256_sub_epi16(Set32(0), Mul16(group.Offsets(b, v), factors));
      const Floats scales = group.Scales(b, v);
#pragma GCC unroll 4
      for (int i = 0; i < MR; ++i) {
        const char* const row = a + i * t.a_stride;
        const V dot = _mm256_add_epi32(_mm256_add_epi32(DotLevels<Group::kMostLevel>(levels, row + 8, first),
                                                        DotLevels<Group::kMostLevel>(levels + 4, row + 24, second)),
                                       _mm256_madd_epi16(offsets, Broadcast32(row + 4)));
        const __m256 x = _mm256_castsi256_ps(Broadcast32(row));
        float* const c = t.c + i * t.ldc + v * 8;
        _mm256_storeu_ps(c, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(x, scales), _mm256_loadu_ps(c)));
      }
    }
  }
}

template <typename Group>
void Coded(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[] = {CodedTile<1, Group>, CodedTile<2, Group>, CodedTile<3, Group>,
                                                CodedTile<4, Group>};
  kTiles[t.rows - 1](t);
}

template <typename Group>
constexpr DotKernels::Integer kCoded = {Coded<Group>, Coded<ExpandedGroup<Group>>, Expand<Group>};

void Bf16(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[] = {Bf16Tile<1>, Bf16Tile<2>, Bf16Tile<3>, Bf16Tile<4>};
  kTiles[t.rows - 1](t);
}

template <Weights kWeights, bool kF16Scales = false>
void Int8(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[] = {Int8Tile<1, kWeights, kF16Scales>, Int8Tile<2, kWeights, kF16Scales>,
                                                Int8Tile<3, kWeights, kF16Scales>, Int8Tile<4, kWeights, kF16Scales>};
  kTiles[t.rows - 1](t);
}

void ExpandQ4(const char* from, int64_t groups, char* to) {
  const __m256i low = _mm256_set1_epi8(15);
  for (int64_t g = 0; g < groups; ++g, from += kQ4GroupBytes, to += kQ8GroupBytes) {
    for (int q = 0; q < 4; ++q) {
      for (int v = 0; v < 4; ++v) {
        const __m256i b = Load(from + q * 128 + v * 32);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + q * 256 + v * 32), _mm256_and_si256(b, low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + q * 256 + 128 + v * 32),
                            _mm256_and_si256(_mm256_srli_epi16(b, 4), low));
      }
    }
    for (int v = 0; v < 2; ++v) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kQ8GroupBytes - 64 + v * 32),
                          Load(from + kQ4GroupBytes - 64 + v * 32));
    }
  }
}

constexpr int kChains = 12;

double Int8Peak(int64_t rounds, int seed, float* sink) {
  const __m256i one = _mm256_set1_epi16(1), b = _mm256_set1_epi8(static_cast<char>(seed & 1));
  __m256i a = _mm256_set1_epi8(1), x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm256_set1_epi32(seed + c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      asm("" : "+x"(a));  // or the compiler takes equal steps together
      x[c] = _mm256_add_epi32(x[c], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm256_add_epi32(x[0], x[c]);
  *sink = static_cast<float>(_mm256_cvtsi256_si32(x[0]));
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

}  // namespace

const DotKernels kDotAvx2 = {
    .bf16_rows = kRows,
    .int8_rows = kRows,
    .bf16 = Bf16,
    .q8 = {Int8<Weights::kQ8>, Int8<Weights::kQ8>, nullptr},
    .q4 = {Int8<Weights::kQ4>, Int8<Weights::kQ4Wide>, ExpandQ4},
    .q8_f16 = {Int8<Weights::kQ8, true>, Int8<Weights::kQ8, true>, nullptr},
    .q4_f16 = {Int8<Weights::kQ4, true>, Int8<Weights::kQ4Wide, true>, ExpandQ4},
    .q4k = kCoded<Q4kGroup>,
    .q3 = kCoded<Q3Group>,
    .q2 = kCoded<Q2Group>,
    .pack_bf16 = nullptr,
    .finish = nullptr,
    .bf16_peak = nullptr,
    .int8_peak = Int8Peak,
};

}  // namespace fulgur
#endif  // __x86_64__
