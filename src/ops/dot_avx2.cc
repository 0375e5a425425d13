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
inline void AddGroup(__m256i dot0, __m256i dot1, const char* row, const char* scales, float* sum) {
  const __m256 x = _mm256_castsi256_ps(Broadcast32(row));
  _mm256_storeu_ps(
      sum, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot0), _mm256_mul_ps(x, WidenBf16(scales)), _mm256_loadu_ps(sum)));
  _mm256_storeu_ps(sum + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot1), _mm256_mul_ps(x, WidenBf16(scales + 16)),
                                            _mm256_loadu_ps(sum + 8)));
}

enum class Weights { kQ8, kQ4, kQ4Wide };

template <int MR, Weights kWeights>
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
      AddGroup(dot[i][0], dot[i][1], a + i * t.a_stride, b + kBytes - 64 + half * 32, c + i * t.ldc);
    }
  }
}

template <int MR, Weights kWeights>
void Int8Tile(const DotTile& t) {
  Int8Half<MR, kWeights>(t, 0);
  Int8Half<MR, kWeights>(t, 1);
}

void Bf16(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[] = {Bf16Tile<1>, Bf16Tile<2>, Bf16Tile<3>, Bf16Tile<4>};
  kTiles[t.rows - 1](t);
}

template <Weights kWeights>
void Int8(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[] = {Int8Tile<1, kWeights>, Int8Tile<2, kWeights>, Int8Tile<3, kWeights>,
                                                Int8Tile<4, kWeights>};
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
    .q8 = Int8<Weights::kQ8>,
    .q4 = Int8<Weights::kQ4>,
    .q4_wide = Int8<Weights::kQ4Wide>,
    .expand_q4 = ExpandQ4,
    .pack_bf16 = nullptr,
    .finish = nullptr,
    .bf16_peak = nullptr,
    .int8_peak = Int8Peak,
};

}  // namespace fulgur
#endif  // __x86_64__
