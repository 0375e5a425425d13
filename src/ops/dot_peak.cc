#include "ops/dot_peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fulgur {
namespace {

#if defined(__x86_64__)

// Enough to hide a latency of 4-6 cycles on two pipes. Every loop over them is unrolled, so that they stay in
// registers.
constexpr int kChains = 12;

FULGUR_AVX512_DOT double Bf16Avx512(int64_t rounds, int seed, float* sink) {
  // Halves, so that sums stay finite: 0x3f00 is 0.5 in bfloat16.
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00), b = (__m512bh)_mm512_set1_epi16(static_cast<short>(seed & 1));
  __m512 x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_set1_ps(static_cast<float>(seed + c));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      x[c] = _mm512_dpbf16_ps(x[c], a, b);
      asm("" : "+v"(x[c]));  // or the compiler takes equal steps together
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm512_add_ps(x[0], x[c]);
  *sink = _mm512_cvtss_f32(x[0]);
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

FULGUR_AVX512_DOT double Int8Avx512(int64_t rounds, int seed, float* sink) {
  const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(static_cast<char>(seed & 1));
  __m512i x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_set1_epi32(seed + c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      x[c] = _mm512_dpbusd_epi32(x[c], a, b);
      asm("" : "+v"(x[c]));
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm512_add_epi32(x[0], x[c]);
  *sink = static_cast<float>(_mm512_cvtsi512_si32(x[0]));
  return 2.0 * 64 * kChains * static_cast<double>(rounds);
}

FULGUR_AVX2 double Int8Avx2(int64_t rounds, int seed, float* sink) {
  const __m256i one = _mm256_set1_epi16(1), b = _mm256_set1_epi8(static_cast<char>(seed & 1));
  __m256i a = _mm256_set1_epi8(1), x[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) x[c] = _mm256_set1_epi32(seed + c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      asm("" : "+x"(a));
      x[c] = _mm256_add_epi32(x[c], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
    }
  }
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) x[0] = _mm256_add_epi32(x[0], x[c]);
  *sink = static_cast<float>(_mm256_cvtsi256_si32(x[0]));
  return 2.0 * 32 * kChains * static_cast<double>(rounds);
}

#endif

}  // namespace

double Bf16DotLoop(DotInstructions instructions, int64_t rounds, int seed, float* sink) {
#if defined(__x86_64__)
  if (instructions == DotInstructions::kAvx512Dot) return Bf16Avx512(rounds, seed, sink);
#endif
  return 0;
}

double Int8DotLoop(DotInstructions instructions, int64_t rounds, int seed, float* sink) {
#if defined(__x86_64__)
  if (instructions == DotInstructions::kAvx512Dot) return Int8Avx512(rounds, seed, sink);
  if (instructions == DotInstructions::kAvx2) return Int8Avx2(rounds, seed, sink);
#endif
  return 0;
}

}  // namespace fulgur
