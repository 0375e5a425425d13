// bf16 products on AMX (Sapphire Rapids and later), by tiles of 16 rows: for any number of rows, one included, because
// sums are rounded in an order of their own. Of the 16 pairs that a tile holds along K, the even and the odd elements
// are added up apart, then together, then to the sum so far.
//
// Bytes stay with AVX-512: each group of 32 needs its integer sums out of the tile, scaled and added, which takes
// longer than the products; measured, tiles gained a fifth for 64 rows and more, and lost below.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ops/dot_kernels.h"

namespace fulgur {
namespace {

constexpr int kBf16Rows = 32;
constexpr int kPairs = kPackedPairs;  // along K that one bf16 tile holds

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);
thread_local int g_configured = 0;  // rows that this thread's tiles are set up for

// C [first, 32] and [second, 32] in tiles 0, 1 and 2, 3; A in 4 and 5; B 16 pairs of 16 outputs in 6 and 7.
void Configure(int rows) {
  if (g_configured == rows) return;
  TileConfig config;
  const int first = rows < 16 ? rows : 16, second = rows > 16 ? rows - 16 : 1;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = static_cast<uint8_t>(i >= 6 ? kPairs : i == 2 || i == 3 || i == 5 ? second : first);
  }
  asm volatile("" : : "r"(&config) : "memory");  // g++ thinks that the next line reads 8 bytes of it
  _tile_loadconfig(&config);
  g_configured = rows;
}

void Finish() {
  if (g_configured == 0) return;
  _tile_release();
  g_configured = 0;
}

// Rows from one packed step along K to the next: n rows of 64 bytes.
void Pack(const char* rows, int64_t row_bytes, int n, int64_t pairs, char* to) {
  for (int64_t p = 0; p < pairs; p += kPackedPairs) {
    const int64_t bytes = pairs - p < kPackedPairs ? (pairs - p) * 4 : 64;
    for (int i = 0; i < n; ++i, to += 64) {
      const char* from = rows + i * row_bytes + p * 4;
      if (bytes == 64) {
        _mm512_storeu_si512(to, _mm512_loadu_si512(from));
      } else {
        __builtin_memset(to, 0, 64);
        __builtin_memcpy(to, from, static_cast<size_t>(bytes));
      }
    }
  }
}

template <bool kTwo>
void Bf16Rows(const DotTile& t) {
  const int64_t ldc = t.ldc * 4, a_step = (kTwo ? 16 : t.rows) * 64, a2_step = (t.rows - 16) * 64;
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
  const auto step = [](const char* a, const char* a2, const char* b) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 128);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 64, 128);
    _tile_dpbf16ps(1, 4, 7);
    if (kTwo) {
      _tile_loadd(5, a2, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  };
  const char *a = t.a, *a2 = t.a2, *b = t.b;
  Ahead ahead(t, t.steps / kPairs + 1);
  int64_t left = t.steps;
  for (; left >= kPairs; left -= kPairs, a += a_step, b += kPairs * 128) {
    ahead.Step();
    step(a, a2, b);
    if (kTwo) a2 += a2_step;
  }
  if (left > 0) {  // zeros for what is not there, as the packed rows have
    alignas(64) char tail[kPairs * 128] = {};
    __builtin_memcpy(tail, b, static_cast<size_t>(left) * 128);
    step(a, a2, tail);
  }
  _tile_stored(0, t.c, ldc);
  _tile_stored(1, t.c + 16, ldc);
  if (kTwo) {
    _tile_stored(2, c2, ldc);
    _tile_stored(3, c2 + 16, ldc);
  }
}

void Bf16(const DotTile& t) {
  Configure(t.rows);
  t.rows > 16 ? Bf16Rows<true>(t) : Bf16Rows<false>(t);
}

// Four tiles of sums, so that one is ready for the next product when the others are done.
double Bf16Peak(int64_t rounds, int seed, float* sink) {
  Configure(kBf16Rows);
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
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, values, 64);
  Finish();
  *sink = static_cast<float>(values[0]);
  return 2.0 * 4 * 16 * 16 * 32 * static_cast<double>(rounds);
}

}  // namespace

const DotKernels& AmxKernels() {
  static const DotKernels kernels = [] {
    DotKernels k = kDotAvx512Bf16;
    k.bf16_rows = kBf16Rows;
    k.bf16 = Bf16;
    k.pack_bf16 = Pack;
    k.finish = Finish;
    k.bf16_peak = Bf16Peak;
    return k;
  }();
  return kernels;
}

}  // namespace fulgur
#endif
