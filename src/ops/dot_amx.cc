// The kernels on AMX (Sapphire Rapids and later): products of whole tiles of 16 rows. For bf16 it multiplies every
// number of rows, one included, because its sums are rounded in an order of their own: of the 16 pairs that a tile holds
// along K, the even and the odd elements are added up apart, then together, then to the sum so far. Bytes are exact, so
// there it only takes over from the AVX-512 kernels where rows are many.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ops/dot_kernels.h"

namespace fulgur {
namespace {

constexpr int kBf16Rows = 32, kWideRows = 16;
constexpr int kPairs = 16;  // along K that one bf16 tile holds

// Tile registers: C 0-3, A 4-5, B 6-7. What the thread at hand has set up; -1: nothing.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);
thread_local int g_configured = -1;

void Load(int which, const TileConfig& config) {
  _tile_loadconfig(&config);
  g_configured = which;
}

// C [first, 32] and [second, 32] in tiles 0, 1 and 2, 3; A in 4 and 5; B 16 pairs of 16 outputs in 6 and 7.
void ConfigureBf16(int rows) {
  if (g_configured == rows) return;
  TileConfig config;
  const int first = rows < 16 ? rows : 16, second = rows > 16 ? rows - 16 : 1;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = static_cast<uint8_t>(i >= 6 ? kPairs : i == 2 || i == 3 || i == 5 ? second : first);
  }
  Load(rows, config);
}

// C in 0 and 1, A of 32 bytes a row in 4 and 5, B of 8 quadruples in 6 and 7.
void ConfigureInt8(int rows) {
  if (g_configured == 64 + rows) return;
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = i == 4 || i == 5 ? 32 : 64;
    config.rows[i] = static_cast<uint8_t>(i >= 6 ? 8 : rows);
  }
  Load(64 + rows, config);
}

void Finish() {
  if (g_configured < 0) return;
  _tile_release();
  g_configured = -1;
}

inline void Prefetch(const char* p, int bytes) {
  for (int i = 0; i < bytes; i += 64) _mm_prefetch(p + i, _MM_HINT_T0);
}

// What is left of K in less than 16 pairs, with zeros after it, which add nothing.
struct Tail {
  alignas(64) char a[kBf16Rows * 64], b[kPairs * 128];
  Tail(const char* from_a, int64_t a_stride, int rows, const char* from_b, int64_t pairs) {
    __builtin_memset(a, 0, sizeof a);
    __builtin_memset(b, 0, sizeof b);
    for (int i = 0; i < rows; ++i) __builtin_memcpy(a + i * 64, from_a + i * a_stride, static_cast<size_t>(pairs) * 4);
    __builtin_memcpy(b, from_b, static_cast<size_t>(pairs) * 128);
  }
};

template <bool kTwo>
void Bf16Rows(const DotTile& t) {
  constexpr int64_t kAhead = 8192;
  const int64_t ldc = t.ldc * 4;
  float* const c2 = t.c + 16 * t.ldc;
  if (t.accumulate) {
    _tile_loadd(0, t.c, ldc);
    _tile_loadd(1, t.c + 16, ldc);
    if (kTwo) {
      _tile_loadd(2, c2, ldc);
      _tile_loadd(3, c2 + 16, ldc);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (kTwo) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  const auto step = [](const char* a, int64_t a_stride, const char* b) {
    _tile_loadd(4, a, a_stride);
    _tile_loadd(6, b, 128);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 64, 128);
    _tile_dpbf16ps(1, 4, 7);
    if (kTwo) {
      _tile_loadd(5, a + 16 * a_stride, a_stride);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  };
  const char *a = t.a, *b = t.b;
  int64_t left = t.steps;
  for (; left >= kPairs; left -= kPairs, a += kPairs * 4, b += kPairs * 128) {
    if (t.stream) Prefetch(b + kAhead, kPairs * 128);
    step(a, t.a_stride, b);
  }
  if (left > 0) {
    const Tail tail(a, t.a_stride, t.rows, b, left);
    step(tail.a, 64, tail.b);
  }
  _tile_stored(0, t.c, ldc);
  _tile_stored(1, t.c + 16, ldc);
  if (kTwo) {
    _tile_stored(2, c2, ldc);
    _tile_stored(3, c2 + 16, ldc);
  }
}

void Bf16(const DotTile& t) {
  ConfigureBf16(t.rows);
  t.rows > 16 ? Bf16Rows<true>(t) : Bf16Rows<false>(t);
}

// A block of expanded weights: for each group the signed values of outputs 0-15, [8][16][4], those of 16-31, and the
// scales as float [32].
constexpr int kWideGroupBytes = 32 * 32 + 32 * 4;
static_assert(kWideGroupBytes <= kMaxExpandedGroupBytes);

inline __m512 WidenBf16(const char* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

template <bool kQ4>
void Expand(const char* from, int64_t groups, char* to) {
  constexpr int kBytes = kQ4 ? kQ4GroupBytes : kQ8GroupBytes;
  const __m512i low = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8), flip = _mm512_set1_epi8(-128);
  for (int64_t g = 0; g < groups; ++g, from += kBytes, to += kWideGroupBytes) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      char* const half = to + v * 512;
      if constexpr (kQ4) {
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
          const __m512i b = _mm512_loadu_si512(from + q * 128 + v * 64);
          _mm512_storeu_si512(half + q * 128, _mm512_sub_epi8(_mm512_and_si512(b, low), eight));
          _mm512_storeu_si512(half + q * 128 + 64,
                              _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(b, 4), low), eight));
        }
      } else {
#pragma GCC unroll 8
        for (int q = 0; q < 8; ++q) {
          _mm512_storeu_si512(half + q * 64, _mm512_xor_si512(_mm512_loadu_si512(from + q * 128 + v * 64), flip));
        }
      }
      _mm512_storeu_ps(to + 1024 + v * 64, WidenBf16(from + kBytes - 64 + v * 32));
    }
  }
}

// 16 outputs: the integer sums of a group leave the tile, are scaled and added to float sums in registers.
template <int MR>
void WideHalf(const DotTile& t, int half) {
  alignas(64) int32_t sums[2][16 * 16];
  float* const c = t.c + half * 16;
  __m512 acc[MR];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) acc[i] = t.accumulate ? _mm512_loadu_ps(c + i * t.ldc) : _mm512_setzero_ps();
  // Rows of A: a pointer for each three, the others reached by adding the stride once or twice.
  constexpr int kPointers = (MR + 2) / 3;
  const char* rows[kPointers];
#pragma GCC unroll 6
  for (int i = 0; i < kPointers; ++i) rows[i] = t.a + i * 3 * t.a_stride;
  const char* a = t.a + 8;
  const char* b = t.b + half * 512;
  const int64_t stride = t.a_stride;
  const auto add = [&](const int32_t* sum, __m512 scale, int64_t ahead) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const float* x = reinterpret_cast<const float*>(rows[i / 3] + i % 3 * stride + ahead);
      acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sum + i * 16)),
                               _mm512_mul_ps(_mm512_set1_ps(*x), scale), acc[i]);
    }
  };
  const auto advance = [&](int64_t bytes) {
#pragma GCC unroll 6
    for (int i = 0; i < kPointers; ++i) {
      rows[i] += bytes;
      asm("" : "+r"(rows[i]));  // or the compiler makes a pointer for each row
    }
  };
  const auto scales = [&](const char* group) { return _mm512_loadu_ps(group + 1024 - half * 448); };
  int64_t g = 0;
  for (; g + 2 <= t.steps; g += 2, a += 2 * kInt8RowGroupBytes, b += 2 * kWideGroupBytes) {
    _tile_loadd(4, a, stride);
    _tile_loadd(6, b, 64);
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(5, a + kInt8RowGroupBytes, stride);
    _tile_loadd(7, b + kWideGroupBytes, 64);
    _tile_zero(1);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    add(sums[0], scales(b), 0);
    add(sums[1], scales(b + kWideGroupBytes), kInt8RowGroupBytes);
    advance(2 * kInt8RowGroupBytes);
  }
  if (g < t.steps) {
    _tile_loadd(4, a, stride);
    _tile_loadd(6, b, 64);
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    _tile_stored(0, sums[0], 64);
    add(sums[0], scales(b), 0);
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) _mm512_storeu_ps(c + i * t.ldc, acc[i]);
}

template <int MR>
void WideTile(const DotTile& t) {
  ConfigureInt8(MR);
  WideHalf<MR>(t, 0);
  WideHalf<MR>(t, 1);
}

void Wide(const DotTile& t) {
  static constexpr DotKernels::Tile kTiles[kWideRows] = {
      WideTile<1>, WideTile<2>,  WideTile<3>,  WideTile<4>,  WideTile<5>,  WideTile<6>,  WideTile<7>,  WideTile<8>,
      WideTile<9>, WideTile<10>, WideTile<11>, WideTile<12>, WideTile<13>, WideTile<14>, WideTile<15>, WideTile<16>};
  kTiles[t.rows - 1](t);
}

// Four tiles of sums, so that one is ready for the next product when the others are done.
template <bool kBf16>
double Peak(int64_t rounds, int seed, float* sink) {
  ConfigureBf16(kBf16Rows);
  alignas(64) char values[1024];
  __builtin_memset(values, seed & 1, sizeof values);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, values, 64);
  _tile_loadd(5, values, 64);
  _tile_loadd(6, values, 64);
  _tile_loadd(7, values, 64);
  for (int64_t i = 0; i < rounds; ++i) {
    if constexpr (kBf16) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    } else {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  }
  _tile_stored(0, values, 64);
  Finish();
  *sink = static_cast<float>(values[0]);
  return 2.0 * 4 * 16 * 16 * (kBf16 ? 32 : 64) * static_cast<double>(rounds);
}

}  // namespace

const DotKernels& AmxKernels() {
  static const DotKernels kernels = [] {
    DotKernels k = kDotAvx512Bf16;
    k.bf16_rows = kBf16Rows;
    k.bf16 = Bf16;
    k.wide_rows = kWideRows;
    k.wide_group_bytes = kWideGroupBytes;
    k.q8_wide = k.q4_wide = Wide;
    k.expand_q8 = Expand<false>;
    k.expand_q4 = Expand<true>;
    k.finish = Finish;
    k.bf16_peak = Peak<true>;
    k.int8_peak = Peak<false>;
    return k;
  }();
  return kernels;
}

}  // namespace fulgur
#endif
