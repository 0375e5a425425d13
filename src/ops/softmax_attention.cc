#include "ops/softmax_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/aligned.h"
#include "base/bf16.h"
#include "ops/dot_kernels.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

#ifndef FULGUR_OPS_SOFTMAX_ATTENTION_ITEMS
#define FULGUR_OPS_SOFTMAX_ATTENTION_ITEMS  // the file is read once for each instruction set
namespace fulgur {
namespace {

struct AttentionShape {
  int64_t heads, kv_heads, d;
  const DotKernels* dot;
  ExecContext& exec;
};

// Some rows of a segment, within one block of positions, for one kv head.
struct AttentionItem {
  const SoftmaxSegment* segment;
  int64_t row0, row1, kv;
  int64_t splits;  // that the rows see keys of
};

// Memory of the result over some keys, for m rows.
int64_t PartialFloats(int64_t m, int64_t padded) { return (m * (padded + 17) + 15) / 16 * 16; }

}  // namespace
}  // namespace fulgur
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/softmax_attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention-inl.h"
#include "ops/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kB = kKvBlock;
constexpr int64_t kPanel = kKvPanel;
constexpr int64_t kSums = 16;  // partial sums of a row's weights

// ---- Products of a few rows with a panel [steps][32]: every element is a chain of multiply-adds in order of the steps

// Rows that are computed together: with 32 columns, 24 of AVX-512's 32 registers for sums, 12 of 16 otherwise.
constexpr int64_t kMaxRows = kFloatLanes == 16 ? 12 : 6;

// Columns h .. and 16 + h .. of a panel's row.
struct ColumnPair {
  FloatVec low, high;
};
HWY_INLINE ColumnPair LoadColumns(const float* row, int64_t h) {
  return {hn::LoadU(FloatTag(), row + h), hn::LoadU(FloatTag(), row + 16 + h)};
}
HWY_INLINE ColumnPair LoadColumns(const bf16* row, int64_t h) {
  const hn::Rebind<uint32_t, FloatTag> d;
  const auto words = hn::LoadU(d, reinterpret_cast<const uint32_t*>(row) + h);
  return {hn::BitCast(FloatTag(), hn::ShiftLeft<16>(words)),
          hn::BitCast(FloatTag(), hn::And(words, hn::Set(d, 0xffff0000u)))};
}
HWY_INLINE ColumnPair LoadColumns(const int8_t* row, int64_t h) {
  const hn::Rebind<int8_t, FloatTag> d8;
  const hn::RebindToSigned<FloatTag> d32;
  return {hn::ConvertTo(FloatTag(), hn::PromoteTo(d32, hn::LoadU(d8, row + h))),
          hn::ConvertTo(FloatTag(), hn::PromoteTo(d32, hn::LoadU(d8, row + 16 + h)))};
}

// c[i * kCRow + j] (+)= sum_k a[i * kARow + k * kAStep] b[k * 32 + j] for i < kRows, j < 32. Strides are constants so
// that one pointer reaches all rows. ahead: a panel to ask memory for meanwhile (b itself: none).
template <int kRows, int64_t kARow, int64_t kAStep, int64_t kCRow, typename T>
HWY_NOINLINE void PanelProduct(int64_t steps, const float* HWY_RESTRICT a, const T* HWY_RESTRICT b, const T* ahead,
                               bool accumulate, float* HWY_RESTRICT c) {
  const FloatTag d;
  for (int64_t h = 0; h < 16; h += kFloatLanes) {
    FloatVec low[kRows], high[kRows];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      low[i] = accumulate ? hn::LoadU(d, c + i * kCRow + h) : hn::Zero(d);
      high[i] = accumulate ? hn::LoadU(d, c + i * kCRow + 16 + h) : hn::Zero(d);
    }
    const float* x = a;
    const T* panel = b;
    const T* next = ahead;
    const auto step = [&](int64_t k) HWY_ATTR {
      __builtin_prefetch(next + k * kPanel, 0, 2);
      if (sizeof(T) * kPanel > 64) __builtin_prefetch(next + k * kPanel + kPanel / 2, 0, 2);
      const ColumnPair columns = LoadColumns(panel + k * kPanel, h);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const FloatVec row = hn::Set(d, x[i * kARow + k * kAStep]);
        low[i] = hn::MulAdd(row, columns.low, low[i]);
        high[i] = hn::MulAdd(row, columns.high, high[i]);
      }
    };
    int64_t left = steps;
    for (; left >= 4; left -= 4, x += 4 * kAStep, panel += 4 * kPanel, next += 4 * kPanel) {
      step(0);
      step(1);
      step(2);
      step(3);
    }
    for (; left > 0; --left, x += kAStep, panel += kPanel, next += kPanel) step(0);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      hn::StoreU(low[i], d, c + i * kCRow + h);
      hn::StoreU(high[i], d, c + i * kCRow + 16 + h);
    }
  }
}

// f(std::integral_constant<int, n>, first row) for pieces of n rows that cover [0, rows).
template <typename F>
HWY_INLINE void ForRowPieces(int64_t rows, const F& f) {
  int64_t r = 0;
  const auto take = [&]<int kRows>(std::integral_constant<int, kRows> n) HWY_ATTR {
    if constexpr (kRows <= kMaxRows) {
      for (; rows - r >= kRows; r += kRows) f(n, r);
    }
  };
  take(std::integral_constant<int, 12>());
  take(std::integral_constant<int, 8>());
  take(std::integral_constant<int, 6>());
  take(std::integral_constant<int, 4>());
  take(std::integral_constant<int, 2>());
  take(std::integral_constant<int, 1>());
}

// ---- Softmax

// 2^x for x <= 0, within 2 ulp; below -126: 2^-126, which beside the weight 1 of the largest score is nothing. Taylor's
// series to (r ln 2)^7 / 7! for |r| <= 1/2.
HWY_INLINE FloatVec Exp2(FloatVec x) {
  const FloatTag d;
  const auto set = [d](float c) HWY_ATTR { return hn::Set(d, c); };
  const auto magic = set(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number, in the lowest bits
  x = hn::Max(set(-126.0f), x);         // in this order NaN stays NaN
  const FloatVec rounded = hn::Add(x, magic);
  const FloatVec r = hn::Sub(x, hn::Sub(rounded, magic));
  FloatVec p = set(1.52527338e-5f);
  p = hn::MulAdd(p, r, set(1.54035304e-4f));
  p = hn::MulAdd(p, r, set(1.33335581e-3f));
  p = hn::MulAdd(p, r, set(9.61812911e-3f));
  p = hn::MulAdd(p, r, set(5.55041087e-2f));
  p = hn::MulAdd(p, r, set(2.40226507e-1f));
  p = hn::MulAdd(p, r, set(6.93147181e-1f));
  p = hn::MulAdd(p, r, set(1.0f));
  const hn::RebindToSigned<FloatTag> di;
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, rounded));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
}
HWY_INLINE Row16 Exp2(Row16 x) {
  for (int64_t i = 0; i < kParts; ++i) x.part[i] = Exp2(x.part[i]);
  return x;
}
HWY_INLINE float Exp2Scalar(float x) { return hn::GetLane(Exp2(hn::Set(FloatTag(), x))); }

// Results over some of the keys, of the m rows of a tile: sum over keys of weight * value, and of the weights, the
// weight of a key being 2^(score - max).
struct Partial {
  float* out;   // [D' / 32][m][32]
  float* sums;  // [m][16], to be added up
  float* max;   // [m]
};
Partial PartialAt(float* memory, int64_t m, int64_t padded) {
  return {memory, memory + m * padded, memory + m * (padded + kSums)};
}

// Scores of a row with a block's keys, of which the first `visible` count -> weights times value_scale, in place.
// Returns what the sums of earlier blocks have to be multiplied with.
template <bool kScaled>
HWY_INLINE float WeightsOfRow(float* scores, int64_t visible, bool first, const float* key_scale,
                              const float* value_scale, float* max, float* sums) {
  Row16 x[4];
  const bool whole = visible == kB;
  for (int64_t i = 0; i < 4; ++i) {
    x[i] = Load16(scores + 16 * i);
    if (kScaled) x[i] = Mul(x[i], Load16(key_scale + 16 * i));
  }
  if (!whole) {
    for (int64_t i = 0; i < 4; ++i) Store16(x[i], scores + 16 * i);
    std::fill(scores + visible, scores + kB, kMinusInfinity);
    for (int64_t i = 0; i < 4; ++i) x[i] = Load16(scores + 16 * i);
  }
  const float of_block = ReduceMax(Max(Max(x[0], x[1]), Max(x[2], x[3])));
  const float old_max = *max, new_max = first || of_block > old_max ? of_block : old_max;
  const Row16 shift = Set16(new_max);
  for (int64_t i = 0; i < 4; ++i) x[i] = Exp2(Sub(x[i], shift));
  if (!whole) {
    for (int64_t i = 0; i < 4; ++i) Store16(x[i], scores + 16 * i);
    std::fill(scores + visible, scores + kB, 0.0f);
    for (int64_t i = 0; i < 4; ++i) x[i] = Load16(scores + 16 * i);
  }
  const Row16 sum = Add(Add(x[0], x[1]), Add(x[2], x[3]));
  for (int64_t i = 0; i < 4; ++i) {
    if (kScaled) x[i] = Mul(x[i], Load16(value_scale + 16 * i));
    Store16(x[i], scores + 16 * i);
  }
  *max = new_max;
  if (first) {
    Store16(sum, sums);
    return 1.0f;
  }
  const float correction = new_max == old_max ? 1.0f : Exp2Scalar(old_max - new_max);
  Store16(MulAdd(Load16(sums), Set16(correction), sum), sums);
  return correction;
}

// x rounded to bfloat16, to nearest even.
HWY_INLINE void StoreBf16(Row16 x, bf16* to) {
  const hn::RebindToUnsigned<FloatTag> d;
  const hn::Rebind<uint16_t, FloatTag> d16;
  for (int64_t i = 0; i < kParts; ++i) {
    const auto bits = hn::BitCast(d, x.part[i]);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fffu))));
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<FloatTag>(), rounded)), d16, &to[i * kFloatLanes].bits);
  }
}

// Rows [row0, row1) of a segment, all in one block of positions, for the query heads of one kv head. Row i of the tile
// is row row0 + i / group, head kv * group + i % group.
struct Tile {
  const SoftmaxSegment& s;
  const AttentionShape& shape;
  int64_t kv, row0, row1;
  int64_t group, m, padded;
  int64_t position;  // of row0
  KvLayout layout;

  Tile(const AttentionItem& item, const AttentionShape& shape)
      : s(*item.segment),
        shape(shape),
        kv(item.kv),
        row0(item.row0),
        row1(item.row1),
        group(shape.heads / shape.kv_heads),
        m((item.row1 - item.row0) * group),
        padded((shape.d + kPanel - 1) / kPanel * kPanel),
        position(item.segment->position + item.row0),
        layout(item.segment->format, shape.kv_heads, shape.d) {}

  int64_t own_block() const { return position / kB; }
  const float* query(int64_t i) const { return s.q.row(row0 + i / group) + (kv * group + i % group) * shape.d; }
  float query_scale() const { return static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(shape.d))); }
  // Keys of its own block that row i sees.
  int64_t visible(int64_t i) const { return position % kB + i / group + 1; }
};

// Queries times log2(e) / sqrt(D), so that scores are exponents of 2; kMaxRows rows next to each other: [m /
// kMaxRows][D] [kMaxRows].
void PackQueries(const Tile& t, float* q) {
  const int64_t d = t.shape.d;
  const float scale = t.query_scale();
  for (int64_t i = 0; i < t.m; ++i) {
    const float* from = t.query(i);
    float* to = q + i / kMaxRows * kMaxRows * d + i % kMaxRows;
    for (int64_t x = 0; x < d; ++x) to[x * kMaxRows] = from[x] * scale;
  }
}

HWY_INLINE void RescaleRow(const Tile& t, int64_t i, float correction, const Partial& partial) {
  const Row16 factor = Set16(correction);
  for (int64_t p = 0; p < t.padded / kPanel; ++p) {
    float* out = partial.out + (p * t.m + i) * kPanel;
    Store16(Mul(Load16(out), factor), out);
    Store16(Mul(Load16(out + 16), factor), out + 16);
  }
}

// Asks for lines [begin, end) of what follows p.
HWY_INLINE void PrefetchLines(const std::byte* p, int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end; ++line) __builtin_prefetch(p + line * 64, 0, 2);
}

// One block for all rows of a tile. own: it is the block in which the rows themselves are. next: the head's part of the
// block that comes after it, or null.
template <typename T, bool kScaled>
void VisitBlock(const Tile& t, const float* q, const T* keys, const T* values, const float* scales, bool own,
                bool first, const std::byte* next, float* scores, const Partial& partial) {
  const int64_t m = t.m, d = t.shape.d, panels = t.padded / kPanel;
  const int64_t tiles = (m + kMaxRows - 1) / kMaxRows;
  // The next block comes into the cache meanwhile. With few rows, where reading is what counts, step for step; with
  // many a share of it after each few rows.
  const bool few = m <= 2 * kMaxRows && next != nullptr;
  const int64_t lines = next == nullptr || few ? 0 : t.layout.head_bytes() / 64;
  const auto* const next_keys = few ? reinterpret_cast<const T*>(next) : keys;
  const auto* const next_values = few ? reinterpret_cast<const T*>(next + t.layout.value_offset()) : values;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t row = i * kMaxRows;
    ForRowPieces(std::min(kMaxRows, m - row), [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) HWY_ATTR {
      const float* a = q + row * d + r;
      float* c = scores + (row + r) * kB;
      const T* const ahead = row + r == 0 ? next_keys : keys;
      PanelProduct<kRows, 1, kMaxRows, kB>(d, a, keys, ahead, false, c);
      PanelProduct<kRows, 1, kMaxRows, kB>(d, a, keys + d * kPanel, ahead + d * kPanel, false, c + kPanel);
    });
    PrefetchLines(next, lines * i / tiles, lines * (i + 1) / tiles);
  }
  for (int64_t i = 0; i < m; ++i) {
    const int64_t visible = own ? t.visible(i) : kB;
    const float correction = WeightsOfRow<kScaled>(scores + i * kB, visible, first, scales, scales + kB,
                                                   partial.max + i, partial.sums + i * kSums);
    if (!first && correction != 1.0f) RescaleRow(t, i, correction, partial);
  }
  // out[rows] (+)= weights[rows, keys from .. to) values
  const auto add = [&](int64_t row, int64_t rows, int64_t from, int64_t to, bool accumulate) HWY_ATTR {
    ForRowPieces(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) HWY_ATTR {
      const float* a = scores + (row + r) * kB + from;
      const T* const ahead = row + r == 0 ? next_values : values;
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t at = (p * kB + from) * kPanel;
        PanelProduct<kRows, kB, 1, kPanel>(to - from, a, values + at, ahead + at, accumulate,
                                           partial.out + (p * m + row + r) * kPanel);
      }
    });
  };
  if (!own) {
    add(0, m, 0, kB, !first);
    return;
  }
  // A few rows together as far as all of them see, then those of each position alone.
  for (int64_t row = 0; row < m; row += kMaxRows) {
    const int64_t end = std::min(m, row + kMaxRows), common = t.visible(row);
    add(row, end - row, 0, common, !first);
    for (int64_t i = (row / t.group + 1) * t.group; i < end; i += t.group) {
      add(i, std::min(end, i + t.group) - i, common, t.visible(i), true);
    }
  }
}

// ---- The same with dot products of bfloat16 (dot_kernels.h), for blocks before a tile's own

constexpr int64_t kWeightBytes = kB * 2;  // of a row's weights

// A row's queries for the kernels: pairs, padded to what they pack.
int64_t QueryPairs(const Tile& t) { return t.layout.key_dim() / 2; }
int64_t QueryRowBytes(const Tile& t) {
  const int64_t pairs = QueryPairs(t);
  return 4 * (t.shape.dot->pack_bf16 == nullptr ? pairs : (pairs + kPackedPairs - 1) / kPackedPairs * kPackedPairs);
}
int64_t DotFloats(const Tile& t) {
  if (t.s.format != KvFormat::kBf16Dot) return 0;
  return (t.m * (QueryRowBytes(t) + kWeightBytes) / 4 + 15) / 16 * 16;
}

void PackDotQueries(const Tile& t, char* to) {
  const DotKernels& kernels = *t.shape.dot;
  const int64_t d = t.shape.d, plain_bytes = QueryPairs(t) * 4, row_bytes = QueryRowBytes(t);
  const float scale = t.query_scale();
  Scratch scratch(t.shape.exec.scratch());
  bf16* const plain = scratch.Take<bf16>(kPackedRows * plain_bytes / 2);
  for (int64_t i = 0; i < t.m; i += kPackedRows) {
    const int64_t n = std::min<int64_t>(kPackedRows, t.m - i);
    for (int64_t r = 0; r < n; ++r) {
      bf16* const row = plain + r * plain_bytes / 2;
      for (int64_t x = 0; x < d; ++x) row[x] = ToBf16(t.query(i + r)[x] * scale);
      if (d % 2 != 0) row[d] = bf16{0};
    }
    const char* const rows = reinterpret_cast<const char*>(plain);
    if (kernels.pack_bf16 != nullptr) {
      kernels.pack_bf16(rows, plain_bytes, static_cast<int>(n), QueryPairs(t), to + i * row_bytes);
    } else {
      std::memcpy(to + i * row_bytes, rows, static_cast<size_t>(n * row_bytes));
    }
  }
}

// A whole block for all rows. q: as PackDotQueries has made them; weights: room for m rows.
void VisitDotBlock(const Tile& t, const char* q, const std::byte* block, bool first, const std::byte* next,
                   float* scores, char* weights, const Partial& partial) {
  const DotKernels& kernels = *t.shape.dot;
  const bool packed = kernels.pack_bf16 != nullptr;
  const int64_t m = t.m, panels = t.padded / kPanel, tiles = (m + kernels.bf16_rows - 1) / kernels.bf16_rows;
  const int64_t key_dim = t.layout.key_dim();
  // Products of all rows with one panel; each asks for its share of what follows.
  const auto product = [&](const char* rows, int64_t row_bytes, const std::byte* panel, int64_t steps, float* c,
                           int64_t ldc, bool accumulate, const std::byte* ahead, int64_t lines) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = tile * kernels.bf16_rows, n = std::min<int64_t>(kernels.bf16_rows, m - row);
      DotTile p{};
      p.a = rows + row * row_bytes;
      p.a_stride = row_bytes;
      p.a2 = packed && n > kPackedRows ? p.a + kPackedRows * row_bytes : nullptr;
      p.rows = static_cast<int>(n);
      p.b = reinterpret_cast<const char*>(panel);
      p.steps = steps;
      p.c = c + row * ldc;
      p.ldc = ldc;
      p.accumulate = accumulate;
      p.ahead = reinterpret_cast<const char*>(ahead) + lines * tile / tiles * 64;
      p.lines = ahead == nullptr ? 0 : lines * (tile + 1) / tiles - lines * tile / tiles;
      kernels.bf16(p);
    }
  };
  const int64_t key_bytes = key_dim * kPanel * 2, value_bytes = kB * kPanel * 2;  // of a panel
  const auto at = [](const std::byte* p, int64_t bytes) { return p == nullptr ? nullptr : p + bytes; };
  for (int64_t p = 0; p < 2; ++p) {
    product(q, QueryRowBytes(t), block + p * key_bytes, key_dim / 2, scores + p * kPanel, kB, false,
            at(next, p * key_bytes), key_bytes / 64);
  }
  for (int64_t i = 0; i < m; ++i) {
    float* const row = scores + i * kB;
    const float correction =
        WeightsOfRow<false>(row, kB, first, nullptr, nullptr, partial.max + i, partial.sums + i * kSums);
    // Packed: rows that are together have their first 32 weights next to each other, then the other 32.
    const int64_t group = i / kPackedRows * kPackedRows, together = std::min<int64_t>(kPackedRows, m - group);
    for (int64_t half = 0; half < 2; ++half) {
      char* const to =
          weights + (packed ? group * kWeightBytes + (half * together + i - group) * 64 : i * kWeightBytes + half * 64);
      StoreBf16(Load16(row + 32 * half), reinterpret_cast<bf16*>(to));
      StoreBf16(Load16(row + 32 * half + 16), reinterpret_cast<bf16*>(to) + 16);
    }
    if (!first && correction != 1.0f) RescaleRow(t, i, correction, partial);
  }
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t bytes = t.layout.value_offset() + p * value_bytes;
    product(weights, kWeightBytes, block + bytes, kB / 2, partial.out + p * m * kPanel, kPanel, !first, at(next, bytes),
            value_bytes / 64);
  }
}

// Floats of scratch that VisitSplit needs, and those of a tile's queries.
int64_t PlainQueryFloats(const Tile& t) {
  return ((t.m + kMaxRows - 1) / kMaxRows * kMaxRows * t.shape.d + 15) / 16 * 16;
}
int64_t QueryFloats(const Tile& t) { return PlainQueryFloats(t) + DotFloats(t); }
// All forms of the queries that the tile's format needs.
void PrepareQueries(const Tile& t, float* q) {
  PackQueries(t, q);
  if (t.s.format == KvFormat::kBf16Dot) PackDotQueries(t, reinterpret_cast<char*>(q + PlainQueryFloats(t)));
}
int64_t VisitFloats(const Tile& t) { return t.m * kB + kB * (t.shape.d + t.padded); }

// Panels of interleaved rows, [stored / 2][32][2] each -> [rows][32] float32, rows <= stored.
void WidenPairs(const bf16* from, int64_t panels, int64_t rows, int64_t stored, float* to) {
  const hn::Rebind<uint32_t, FloatTag> d;
  const FloatTag df;
  for (int64_t p = 0; p < panels; ++p, from += stored * kPanel, to += rows * kPanel) {
    for (int64_t r = 0; r < rows; r += 2) {
      for (int64_t i = 0; i < kPanel; i += kFloatLanes) {
        const auto words = hn::LoadU(d, reinterpret_cast<const uint32_t*>(from + r * kPanel) + i);
        hn::StoreU(hn::BitCast(df, hn::ShiftLeft<16>(words)), df, to + r * kPanel + i);
        if (r + 1 == rows) continue;
        hn::StoreU(hn::BitCast(df, hn::And(words, hn::Set(d, 0xffff0000u))), df, to + (r + 1) * kPanel + i);
      }
    }
  }
}

// The keys of one split that the tile's rows see.
void VisitSplit(const Tile& t, int64_t split, float* q, float* scratch, const Partial& partial) {
  const int64_t first = split * (kKvSplit / kB), end = std::min(first + kKvSplit / kB, t.own_block() + 1);
  const int64_t d = t.shape.d;
  float* const scores = scratch;               // [m, 64]
  float* const wide_keys = scores + t.m * kB;  // a block in float32
  float* const wide_values = wide_keys + kB * d;
  const auto head = [&](int64_t b) { return t.s.blocks[static_cast<size_t>(b)] + t.kv * t.layout.head_bytes(); };
  for (int64_t b = first; b < end; ++b) {
    const std::byte* const block = head(b);
    const std::byte* const next = b + 1 <= t.own_block() ? head(b + 1) : nullptr;
    const std::byte* const values = block + t.layout.value_offset();
    const bool own = b == t.own_block();
    switch (t.s.format) {
      case KvFormat::kF32:
        VisitBlock<float, false>(t, q, reinterpret_cast<const float*>(block), reinterpret_cast<const float*>(values),
                                 nullptr, own, b == first, next, scores, partial);
        break;
      case KvFormat::kBf16:
        VisitBlock<bf16, false>(t, q, reinterpret_cast<const bf16*>(block), reinterpret_cast<const bf16*>(values),
                                nullptr, own, b == first, next, scores, partial);
        break;
      case KvFormat::kBf16Dot: {
        if (!own) {
          char* const rows = reinterpret_cast<char*>(q + PlainQueryFloats(t));
          VisitDotBlock(t, rows, block, b == first, next, scores, rows + t.m * QueryRowBytes(t), partial);
          break;
        }
        // Here rows see different numbers of keys: float32.
        WidenPairs(reinterpret_cast<const bf16*>(block), 2, d, t.layout.key_dim(), wide_keys);
        WidenPairs(reinterpret_cast<const bf16*>(values), t.padded / kPanel, kB, kB, wide_values);
        VisitBlock<float, false>(t, q, wide_keys, wide_values, nullptr, own, b == first, next, scores, partial);
        break;
      }
      case KvFormat::kInt8: {
        const auto* k = reinterpret_cast<const int8_t*>(block);
        const auto* v = reinterpret_cast<const int8_t*>(values);
        const auto* scales = reinterpret_cast<const float*>(block + t.layout.scale_offset());
        if (t.m <= 2 * kMaxRows) {
          VisitBlock<int8_t, true>(t, q, k, v, scales, own, b == first, next, scores, partial);
          break;
        }
        const auto widen = [](const int8_t* from, int64_t n, float* to) HWY_ATTR {
          for (int64_t i = 0; i < n; i += kPanel) {
            for (int64_t h = 0; h < 16; h += kFloatLanes) {
              const ColumnPair columns = LoadColumns(from + i, h);
              hn::StoreU(columns.low, FloatTag(), to + i + h);
              hn::StoreU(columns.high, FloatTag(), to + i + 16 + h);
            }
          }
        };
        widen(k, kB * d, wide_keys);
        widen(v, kB * t.padded, wide_values);
        VisitBlock<float, true>(t, q, wide_keys, wide_values, scales, own, b == first, next, scores, partial);
        break;
      }
    }
  }
}

// into: keys of earlier splits, then also those of `from`.
void Merge(const Tile& t, const Partial& from, const Partial& into) {
  for (int64_t i = 0; i < t.m; ++i) {
    const float a = into.max[i], b = from.max[i], max = b > a ? b : a;
    const Row16 of_into = Set16(Exp2Scalar(a - max)), of_from = Set16(Exp2Scalar(b - max));
    const auto merge = [&](const float* x, float* y)
                           HWY_ATTR { Store16(MulAdd(Load16(x), of_from, Mul(Load16(y), of_into)), y); };
    into.max[i] = max;
    merge(from.sums + i * kSums, into.sums + i * kSums);
    for (int64_t p = 0; p < t.padded / kPanel; ++p) {
      const int64_t at = (p * t.m + i) * kPanel;
      merge(from.out + at, into.out + at);
      merge(from.out + at + 16, into.out + at + 16);
    }
  }
}

void Finish(const Tile& t, const Partial& partial) {
  const int64_t d = t.shape.d;
  for (int64_t i = 0; i < t.m; ++i) {
    const int64_t row = t.row0 + i / t.group, head = t.kv * t.group + i % t.group;
    const float sum = ReduceSum(Load16(partial.sums + i * kSums));
    float* const to = t.s.out.row(row) + head * d;
    for (int64_t p = 0; p * kPanel < d; ++p) {
      float* const from = partial.out + (p * t.m + i) * kPanel;
      Scale(from, kPanel, 1.0f / sum);
      std::memcpy(to + p * kPanel, from, static_cast<size_t>(std::min(kPanel, d - p * kPanel)) * sizeof(float));
    }
    if (!t.s.lse.empty()) {
      const double log2 = static_cast<double>(partial.max[i]) + std::log2(static_cast<double>(sum));
      t.s.lse(row, head) = static_cast<float>(log2 * 0.6931471805599453);
    }
  }
}

// ---- What the loops below call

void FinishKernels(const Tile& t) {
  if (t.s.format == KvFormat::kBf16Dot && t.shape.dot->finish != nullptr) t.shape.dot->finish();
}

void AttendItem(const AttentionItem& item, const AttentionShape& shape) {
  const Tile t(item, shape);
  const int64_t floats = PartialFloats(t.m, t.padded);
  Scratch memory(shape.exec.scratch());
  float* const q = memory.Take<float>(QueryFloats(t) + VisitFloats(t) + 2 * floats);
  float* const scratch = q + QueryFloats(t);
  const Partial all = PartialAt(scratch + VisitFloats(t), t.m, t.padded);
  const Partial one = PartialAt(scratch + VisitFloats(t) + floats, t.m, t.padded);
  PrepareQueries(t, q);
  for (int64_t split = 0; split < item.splits; ++split) {
    VisitSplit(t, split, q, scratch, split == 0 ? all : one);
    if (split > 0) Merge(t, one, all);
  }
  FinishKernels(t);
  Finish(t, all);
}

void AttendSplit(const AttentionItem& item, const AttentionShape& shape, int64_t split, float* memory) {
  const Tile t(item, shape);
  Scratch scratch(shape.exec.scratch());
  float* const q = scratch.Take<float>(QueryFloats(t) + VisitFloats(t));
  PrepareQueries(t, q);
  VisitSplit(t, split, q, q + QueryFloats(t), PartialAt(memory, t.m, t.padded));
  FinishKernels(t);
}

void MergeSplit(const AttentionItem& item, const AttentionShape& shape, float* from, float* into) {
  const Tile t(item, shape);
  Merge(t, PartialAt(from, t.m, t.padded), PartialAt(into, t.m, t.padded));
}

void FinishItem(const AttentionItem& item, const AttentionShape& shape, float* memory) {
  const Tile t(item, shape);
  Finish(t, PartialAt(memory, t.m, t.padded));
}

// Gradient of document `root`, and of those that continue it, for one kv head.
void BackwardHead(const SoftmaxBackwardArgs& a, std::span<const DocumentRows> documents, int64_t root, int64_t heads,
                  int64_t kv_heads, int64_t kv, ExecContext& exec) {
  const int64_t d = a.q.cols / heads, group = heads / kv_heads;
  Scratch scratch(exec.scratch());
  float* const kt = scratch.Take<float>(d * kB);   // [D, 64]
  float* const vt = scratch.Take<float>(d * kB);   // [D, 64]
  float* const p = scratch.Take<float>(kB * kB);   // [64, 64] probabilities
  float* const ds = scratch.Take<float>(kB * kB);  // [64, 64] gradient of the scores
  float* const delta = scratch.Take<float>(kB);    // [64] dout . out
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));

  // Queries [q0, q0 + qn) of a head with the keys [k0, k0 + kn) that kt and vt hold; rows of the batch. The first query
  // sees `seen` of these keys, each further one another.
  const auto queries = [&](int64_t head, int64_t q0, int64_t qn, int64_t k0, int64_t kn, int64_t seen) HWY_ATTR {
    const float *const q = a.q.row(q0) + head * d, *const dout = a.dout.row(q0) + head * d;
    GemmSerial({qn, kn, d, q, a.q.stride, 1, kt, kB, p, kB}, exec);
    GemmSerial({qn, kn, d, dout, a.dout.stride, 1, vt, kB, ds, kB}, exec);
    for (int64_t i = 0; i < qn; ++i) {
      const float *const out_row = a.out.row(q0 + i) + head * d, *const dout_row = a.dout.row(q0 + i) + head * d;
      double dot = 0;
      for (int64_t x = 0; x < d; ++x) dot += static_cast<double>(dout_row[x]) * out_row[x];
      delta[i] = static_cast<float>(dot);
      float* row = p + i * kB;
      const int64_t visible = std::min(kn, seen + i);
      Scale(row, kB, scale);
      std::fill(row + std::max<int64_t>(visible, 0), row + kB, -std::numeric_limits<float>::infinity());
      ExpRow(row, kB, a.lse(q0 + i, head), row);
      for (int64_t j = 0; j < kn; ++j) ds[i * kB + j] = row[j] * (ds[i * kB + j] - delta[i]) * scale;
    }
    const int64_t at = kv * d;
    GemmSerial({qn, d, kn, ds, kB, 1, a.k.row(k0) + at, a.k.stride, a.dq.row(q0) + head * d, a.dq.stride, true}, exec);
    GemmSerial({kn, d, qn, ds, 1, kB, q, a.q.stride, a.dk.row(k0) + at, a.dk.stride, true}, exec);
    GemmSerial({kn, d, qn, p, 1, kB, dout, a.dout.stride, a.dv.row(k0) + at, a.dv.stride, true}, exec);
  };
  // Keys of `document` with its own queries and those of the documents that continue it.
  const auto keys = [&](const DocumentRows& document, std::span<const int64_t> continuations) HWY_ATTR {
    for (int64_t k0 = 0; k0 < document.rows; k0 += kB) {
      const int64_t kn = std::min(kB, document.rows - k0), row = document.first + k0;
      Transpose(a.k.row(row) + kv * d, a.k.stride, kn, d, kt, kB);
      Transpose(a.v.row(row) + kv * d, a.v.stride, kn, d, vt, kB);
      for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
        for (int64_t q0 = k0; q0 < document.rows; q0 += kB) {
          queries(head, document.first + q0, std::min(kB, document.rows - q0), row, kn, q0 - k0 + 1);
        }
        for (const int64_t c : continuations) {
          const DocumentRows& later = documents[static_cast<size_t>(c)];
          for (int64_t q0 = 0; q0 < later.rows; q0 += kB) {
            queries(head, later.first + q0, std::min(kB, later.rows - q0), row, kn, kn);
          }
        }
      }
    }
  };

  const std::vector<int64_t> continuations = Continuations(documents, root);
  const auto zero = [&](const DocumentRows& document) {
    for (int64_t j = document.first; j < document.first + document.rows; ++j) {
      std::fill_n(a.dk.row(j) + kv * d, d, 0.0f);
      std::fill_n(a.dv.row(j) + kv * d, d, 0.0f);
      std::fill_n(a.dq.row(j) + kv * group * d, group * d, 0.0f);
    }
  };
  zero(documents[static_cast<size_t>(root)]);
  for (const int64_t c : continuations) zero(documents[static_cast<size_t>(c)]);
  keys(documents[static_cast<size_t>(root)], continuations);
  for (const int64_t c : continuations) keys(documents[static_cast<size_t>(c)], {});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(AttendItem);
HWY_EXPORT(AttendSplit);
HWY_EXPORT(MergeSplit);
HWY_EXPORT(FinishItem);
HWY_EXPORT(BackwardHead);

namespace {

constexpr int64_t kTileRows = 128;  // query rows that visit a block together: they share what reading it costs

int64_t Rows(const AttentionItem& item, const AttentionShape& shape) {
  return (item.row1 - item.row0) * (shape.heads / shape.kv_heads);
}

// Keys and values into the blocks.
void Append(std::span<const SoftmaxSegment> segments, const AttentionShape& shape) {
  for (const SoftmaxSegment& s : segments) {
    if (s.q.rows == 0) continue;
    const KvLayout layout(s.format, shape.kv_heads, shape.d);
    const int64_t total = s.position + s.q.rows;
    const int64_t first = s.position / kKvBlock, blocks = (total - 1) / kKvBlock + 1 - first;
    const auto write = [&](int64_t i, int) {
      const int64_t b = first + i / shape.kv_heads, h = i % shape.kv_heads;
      const int64_t begin = std::max(s.position, b * kKvBlock), end = std::min(total, (b + 1) * kKvBlock);
      const RowRange rows{begin - s.position, end - begin};
      const auto head = [&](ConstMatrixView x) { return x.Rows(rows).Cols(h * shape.d, shape.d); };
      layout.Write(s.blocks[static_cast<size_t>(b)], h, begin % kKvBlock, head(s.k), head(s.v));
    };
    if (blocks > 1) {
      shape.exec.pool().ParallelFor(blocks * shape.kv_heads, write);
    } else {
      for (int64_t h = 0; h < shape.kv_heads; ++h) write(h, 0);
    }
  }
}

// All splits of the items, over the threads in any order, then merged in order. A window of them at a time bounds the
// memory; only its last item can be unfinished, and goes on in the next.
void AttendInSplits(const ScratchList<AttentionItem>& items, const AttentionShape& shape) {
  struct Part {
    int64_t item, split;
    float* memory;
  };
  ThreadPool& pool = shape.exec.pool();
  Scratch scratch(shape.exec.scratch());
  ScratchList<Part> parts(scratch);
  ScratchList<int64_t> firsts(scratch);  // parts at which an item begins
  const int64_t padded = (shape.d + kKvPanel - 1) / kKvPanel * kKvPanel;
  int64_t largest = 0;
  for (const AttentionItem& item : items) largest = std::max(largest, PartialFloats(Rows(item, shape), padded));
  const int64_t room = std::max<int64_t>(int64_t{1} << 20, 4 * pool.threads() * largest);
  float* const memory = scratch.Take<float>(room);
  float* const carry = scratch.Take<float>(largest);

  int64_t item = 0, split = 0;
  while (item < items.size()) {
    parts.clear();
    firsts.clear();
    int64_t used = 0;
    while (item < items.size()) {
      const AttentionItem& it = items[item];
      const int64_t floats = PartialFloats(Rows(it, shape), padded);
      if (used + floats > room) break;
      if (firsts.empty() || split == 0) firsts.push_back(parts.size());
      parts.push_back({item, split, memory + used});
      used += floats;
      if (++split < it.splits) continue;
      ++item;
      split = 0;
    }
    firsts.push_back(parts.size());
    // Neighbours go to one thread, which reads on where it has asked for memory ahead.
    const int64_t count = parts.size();
    const int64_t step = std::clamp<int64_t>(count / (8 * pool.threads()), 1, 16);
    pool.ParallelFor((count + step - 1) / step, [&](int64_t i, int) {
      for (int64_t n = i * step; n < std::min(count, (i + 1) * step); ++n) {
        const Part& p = parts[n];
        HWY_DYNAMIC_DISPATCH(AttendSplit)(items[p.item], shape, p.split, p.memory);
      }
    });
    pool.ParallelFor(firsts.size() - 1, [&](int64_t i, int) {
      const int64_t begin = firsts[i], end = firsts[i + 1];
      const Part& first = parts[begin];
      const AttentionItem& it = items[first.item];
      float* const all = first.split > 0 ? carry : first.memory;
      for (int64_t n = first.split > 0 ? begin : begin + 1; n < end; ++n) {
        HWY_DYNAMIC_DISPATCH(MergeSplit)(it, shape, parts[n].memory, all);
      }
      if (parts[end - 1].split + 1 == it.splits) {
        HWY_DYNAMIC_DISPATCH(FinishItem)(it, shape, all);
      } else if (all != carry) {
        std::copy_n(all, PartialFloats(Rows(it, shape), padded), carry);
      }
    });
  }
}

}  // namespace

void SoftmaxAttention(std::span<const SoftmaxSegment> segments, int64_t heads, int64_t kv_heads, int64_t head_dim,
                      ExecContext& exec) {
  const AttentionShape shape{heads, kv_heads, head_dim, &ChosenDotKernels(), exec};
  Append(segments, shape);
  Scratch scratch(exec.scratch());
  ScratchList<AttentionItem> items(scratch);
  const int64_t tile = std::clamp<int64_t>(kTileRows / (heads / kv_heads), 1, kKvBlock);
  int64_t total = 0, largest = 0;  // work in splits
  for (const SoftmaxSegment& s : segments) {
    for (int64_t r = 0; r < s.q.rows;) {
      const int64_t to_boundary = kKvBlock - (s.position + r) % kKvBlock;
      const int64_t end = std::min({s.q.rows, r + tile, r + to_boundary});
      const int64_t splits = (s.position + r) / kKvSplit + 1;
      for (int64_t kv = 0; kv < kv_heads; ++kv) items.push_back({&s, r, end, kv, splits});
      total += kv_heads * splits * (end - r);
      largest = std::max(largest, splits > 1 ? splits * (end - r) : 0);
      r = end;
    }
  }
  // Whole items where they are small beside what each thread has to do; else their splits are shared out too. What is
  // computed is the same.
  if (4 * largest * exec.pool().parallelism() <= total || exec.pool().parallelism() == 1) {
    exec.pool().ParallelFor(items.size(), [&](int64_t i, int) { HWY_DYNAMIC_DISPATCH(AttendItem)(items[i], shape); });
  } else {
    AttendInSplits(items, shape);
  }
}

void SoftmaxAttentionBackward(const SoftmaxBackwardArgs& args, std::span<const DocumentRows> documents, int64_t heads,
                              int64_t kv_heads, ExecContext& exec) {
  exec.pool().ParallelFor(static_cast<int64_t>(documents.size()) * kv_heads, [&](int64_t task, int) {
    const int64_t root = task / kv_heads;
    if (documents[static_cast<size_t>(root)].prefix >= 0) return;
    HWY_DYNAMIC_DISPATCH(BackwardHead)(args, documents, root, heads, kv_heads, task % kv_heads, exec);
  });
}

}  // namespace fulgur
#endif  // HWY_ONCE
