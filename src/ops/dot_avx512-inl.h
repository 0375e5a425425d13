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

template <int MR, bool kQ4>
void Int8Tile(const DotTile& t) {
  constexpr int kBytes = kQ4 ? kQ4GroupBytes : kQ8GroupBytes;
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
    for (int i = 0; i < MR; ++i) dot[i][0] = dot[i][1] = Broadcast32(a[i] + 4);
    const auto step = [&](int quad, __m512i b0, __m512i b1) {
#pragma GCC unroll 6
      for (int i = 0; i < MR; ++i) {
        const __m512i x = Broadcast32(a[i] + 8 + quad * 4);
        dot[i][0] = _mm512_dpbusd_epi32(dot[i][0], b0, x);
        dot[i][1] = _mm512_dpbusd_epi32(dot[i][1], b1, x);
      }
    };
    if constexpr (kQ4) {
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
    const __m512 scale0 = WidenBf16(b + kBytes - 64), scale1 = WidenBf16(b + kBytes - 32);
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

void Bf16(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kBf16Rows] = {Bf16Tile<1>, Bf16Tile<2>,  Bf16Tile<3>,  Bf16Tile<4>,
                                                         Bf16Tile<5>, Bf16Tile<6>,  Bf16Tile<7>,  Bf16Tile<8>,
                                                         Bf16Tile<9>, Bf16Tile<10>, Bf16Tile<11>, Bf16Tile<12>};
  kTiles[t.rows - 1](t);
}

template <bool kQ4>
void Int8(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kInt8Rows] = {Int8Tile<1, kQ4>, Int8Tile<2, kQ4>, Int8Tile<3, kQ4>,
                                                         Int8Tile<4, kQ4>, Int8Tile<5, kQ4>, Int8Tile<6, kQ4>};
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

constexpr DotKernels kKernels = {
    .bf16_rows = kBf16Rows,
    .int8_rows = kInt8Rows,
    .bf16 = Bf16,
    .q8 = Int8<false>,
    .q4 = Int8<true>,
    .q4_wide = Int8<false>,
    .expand_q4 = ExpandQ4,
    .pack_bf16 = nullptr,
    .finish = nullptr,
    .bf16_peak = Bf16Peak,
    .int8_peak = Int8Peak,
};

}  // namespace
}  // namespace fulgur
