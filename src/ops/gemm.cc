#include "ops/gemm.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <type_traits>

#include "base/aligned.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/gemm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// One micro-kernel for every product: a tile of MR rows by NV vectors of columns stays in registers while k runs in
// increasing order. Row counts and tile widths only decide which elements are computed together, never how one is.
HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kPanel = PackedMatrix::kPanelWidth;
constexpr int64_t kKBlock = 128;  // reduction steps between visits to C: a panel's block (16 KB) stays in the L1 cache
constexpr int64_t kPackPanels = 8;    // panels of B that are copied together
constexpr int64_t kRowBlock = 192;    // rows of A that are used again for every panel of a task
constexpr int64_t kTilesToWiden = 2;  // for more than that, a block of bf16 weights is made float32 once
constexpr int64_t kPanelBlock = 16;   // panels whose part of C (192 rows: 393 KB) is worked on together

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kVecsPerPanel = static_cast<int>(kPanel) / kLanes;
// Registers for accumulators: 24 of 32 with AVX-512, 12 of 16 otherwise.
constexpr int kMaxAccumulators = kLanes == 16 ? 24 : 12;
constexpr int kMaxRows = kMaxAccumulators / 2;  // of a tile; its columns are those of a panel

HWY_INLINE V LoadB(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE V LoadB(const bf16* p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, &p->bits));
  return hn::BitCast(D(), hn::ShiftLeft<16>(bits));
}

// kRowMajor: rows of A are contiguous along k (a_col == 1). kColMajor: contiguous along rows (a_row == 1).
enum class ALayout { kRowMajor, kColMajor };

// Of the tiles of one panel. Pointers go in registers beside it: copies of a struct that was just written wait for the
// stores.
struct TileShape {
  int64_t a_stride;  // row-major A: elements from one row to the next
  int64_t b_panel;   // elements from one panel to the next
  int64_t ldb;       // elements from one k to the next
  int64_t k;
  int64_t ldc;
  bool accumulate;
};

// What a tile reads of A. Row-major: one pointer for each three rows; the others are reached by adding the stride once
// or twice, which an address can do for nothing, where a pointer for each row would have to be moved on. Column-major:
// copied, so that one pointer and constants reach everything.
template <int MR, ALayout kLayout>
class TileA {
 public:
  TileA(const float* a, int64_t stride) : stride_(stride) {
#pragma GCC unroll 32
    for (int p = 0; p < kPointers; ++p) a_[p] = a + p * kRowsPerPointer * stride;
  }
  HWY_INLINE V Get(int row, int k) const {
    if (kLayout == ALayout::kColMajor) return hn::Set(D(), a_[0][k * kMaxRows + row]);
    return hn::Set(D(), a_[row / kRowsPerPointer][row % kRowsPerPointer * stride_ + k]);
  }
  HWY_INLINE void Advance(int k) {
#pragma GCC unroll 32
    for (const float*& a : a_) {
      a += kLayout == ALayout::kRowMajor ? k : k * kMaxRows;
#if defined(__GNUC__)
      asm("" : "+r"(a));  // or the compiler makes a pointer for each row after all
#endif
    }
  }

 private:
  static constexpr int kRowsPerPointer = 3;
  static constexpr int kPointers = kLayout == ALayout::kColMajor ? 1 : (MR + kRowsPerPointer - 1) / kRowsPerPointer;
  const float* a_[kPointers];
  int64_t stride_;
};

// One k of the tile: MR x NV multiply-adds. Whichever there are fewer of, rows or vectors, stay in registers: MR x NV
// sums leave few.
template <int MR, int NV, ALayout kLayout, typename TB>
HWY_INLINE void Step(const TileShape& t, const TileA<MR, kLayout>& a, const TB* b, int k, V (&acc)[MR][NV]) {
  const auto load_b = [&](int v) HWY_ATTR {
    return LoadB(b + k * t.ldb + (v / kVecsPerPanel) * t.b_panel + (v % kVecsPerPanel) * kLanes);
  };
  if constexpr (MR < NV) {
    V av[MR];
#pragma GCC unroll 32
    for (int i = 0; i < MR; ++i) av[i] = a.Get(i, k);
#pragma GCC unroll 32
    for (int v = 0; v < NV; ++v) {
      const V bv = load_b(v);
#pragma GCC unroll 32
      for (int i = 0; i < MR; ++i) acc[i][v] = hn::MulAdd(av[i], bv, acc[i][v]);
    }
  } else {
    V bv[NV];
#pragma GCC unroll 32
    for (int v = 0; v < NV; ++v) bv[v] = load_b(v);
#pragma GCC unroll 32
    for (int i = 0; i < MR; ++i) {
      const V av = a.Get(i, k);
#pragma GCC unroll 32
      for (int v = 0; v < NV; ++v) acc[i][v] = hn::MulAdd(av, bv[v], acc[i][v]);
    }
  }
}

// NV vectors of columns: of one panel if NV <= kVecsPerPanel, else of NV / kVecsPerPanel consecutive ones.
template <int MR, int NV, ALayout kLayout, typename TB>
HWY_NOINLINE void MicroKernel(const TileShape& t, const float* HWY_RESTRICT a, const TB* HWY_RESTRICT b,
                              float* HWY_RESTRICT c) {
  const D d;
  V acc[MR][NV];
#pragma GCC unroll 32
  for (int i = 0; i < MR; ++i) {
    if (!t.accumulate) {  // the stores at the end should not wait for these lines
      __builtin_prefetch(c + i * t.ldc, 1);
      if (NV > 1) __builtin_prefetch(c + i * t.ldc + (NV - 1) * kLanes, 1);
    }
#pragma GCC unroll 32
    for (int v = 0; v < NV; ++v) {
      acc[i][v] = t.accumulate ? hn::LoadU(d, c + i * t.ldc + v * kLanes) : hn::Zero(d);
    }
  }
  TileA<MR, kLayout> tile(a, t.a_stride);
  int64_t left = t.k;
  for (; left >= 4; left -= 4, b += 4 * t.ldb) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) Step<MR, NV, kLayout>(t, tile, b, k, acc);
    tile.Advance(4);
  }
  for (; left > 0; --left, b += t.ldb) {
    Step<MR, NV, kLayout>(t, tile, b, 0, acc);
    tile.Advance(1);
  }
#pragma GCC unroll 32
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 32
    for (int v = 0; v < NV; ++v) hn::StoreU(acc[i][v], d, c + i * t.ldc + v * kLanes);
  }
}

// Widest column group for MR rows that fits the registers, in vectors, and at most 8 of them (8 independent chains
// already hide the latency of the multiply-add).
constexpr int GroupVectors(int mr) {
  int nv = 1;
  while (nv * 2 * mr <= kMaxAccumulators && nv < 8) nv *= 2;
  return nv;
}

// Column groups of one panel, for the last panels when the wide group does not fit.
template <int MR, ALayout kLayout, typename TB>
void RunPanel(const TileShape& t, const float* a, const TB* b, float* c) {
  constexpr int kNV = std::min(GroupVectors(MR), kVecsPerPanel);
  for (int v = 0; v < kVecsPerPanel; v += kNV) MicroKernel<MR, kNV, kLayout>(t, a, b + v * kLanes, c + v * kLanes);
}

template <int MR, ALayout kLayout, typename TB>
void RunGroup(const TileShape& t, const float* a, const TB* b, float* c) {
  MicroKernel<MR, GroupVectors(MR), kLayout>(t, a, b, c);
}

template <typename TB>
using TileFn = void (*)(const TileShape&, const float*, const TB*, float*);

template <ALayout kLayout, typename TB, int... MR>
constexpr TileFn<TB> PanelFn(int mr, std::integer_sequence<int, MR...>) {
  constexpr TileFn<TB> table[] = {&RunPanel<MR + 1, kLayout, TB>...};
  return table[mr - 1];
}
template <ALayout kLayout, typename TB, int... MR>
constexpr TileFn<TB> GroupFn(int mr, std::integer_sequence<int, MR...>) {
  constexpr TileFn<TB> table[] = {&RunGroup<MR + 1, kLayout, TB>...};
  return table[mr - 1];
}

template <typename TB>
struct Product {
  int64_t m, n, k;
  const float* a;
  int64_t a_row, a_col;
  const TB* b;
  int64_t b_panel, ldb;
  bool b_padded;  // reading a whole panel of B at the right edge is allowed
  float* c;
  int64_t ldc;
  bool accumulate;
  ExecContext& exec;
};

HWY_INLINE void CopyVector(const float* from, float* to) { hn::StoreU(hn::LoadU(D(), from), D(), to); }
HWY_INLINE void CopyVector(const bf16* from, bf16* to) { std::memcpy(to, from, kLanes * sizeof(bf16)); }

// Elements from one copied block of n rows to the next: a little more than the block has, or the same row of all
// blocks, which are written one after the other, would compete for the same few places of the cache.
template <int64_t kWidth>
constexpr int64_t BlockSize(int64_t n) {
  return n * kWidth + 16;
}

// The block [n, width] of rows -> blocks of kWidth columns, each [n, kWidth] and padded with zeros. Whole rows are read
// in order, which is what the hardware prefetches.
template <int64_t kWidth, typename T>
HWY_INLINE void CopyBlocks(const T* from, int64_t stride, int64_t n, int64_t width, T* to) {
  const int64_t block_size = BlockSize<kWidth>(n);
  const int64_t whole = width / kWidth, rest = width % kWidth;
  for (int64_t i = 0; i < n; ++i) {
    const T* row = from + i * stride;
    T* out = to + i * kWidth;
    for (int64_t b = 0; b < whole; ++b) {
      const T* const begin = row + b * kWidth;
      T* const block = out + b * block_size;
      // Whole vectors; what they bring too much lies in the next row, here and there, and that is copied later.
      if (kWidth % kLanes == 0 || i + 1 < n) {
#pragma GCC unroll 8
        for (int64_t j = 0; j < kWidth; j += kLanes) CopyVector(begin + j, block + j);
      } else {
        std::memcpy(block, begin, kWidth * sizeof(T));
      }
    }
    if (rest > 0) {
      out += whole * block_size;
      std::memcpy(out, row + whole * kWidth, static_cast<size_t>(rest) * sizeof(T));
      std::fill(out + rest, out + kWidth, T{});
    }
  }
}

HWY_INLINE void Prefetch(const float* c, int64_t rows, int64_t ldc) {
  for (int64_t i = 0; i < rows; ++i) {
    __builtin_prefetch(c + i * ldc, 1);
    __builtin_prefetch(c + i * ldc + kPanel - 1, 1);
  }
}

// Rows [row, row + rows), at most kRowBlock, of panels [panel0, panel1).
template <ALayout kLayout, typename TB>
void RunPanels(const Product<TB>& p, int64_t row, int64_t rows, int64_t panel0, int64_t panel1) {
  using Rows = std::make_integer_sequence<int, kMaxRows>;
  alignas(64) float edge_c[kMaxRows * kPanel] = {};
  Scratch scratch(p.exec.scratch());

  const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
  // One tile uses what it reads of B once: then it reads each panel in one go.
  const int64_t k_block = tiles > 1 ? kKBlock : std::max<int64_t>(1, p.k);
  const int64_t longest = std::min(k_block, p.k);
  float* packed_a = nullptr;  // column-major A: blocks of [k][kMaxRows]
  TB* packed_b = nullptr;     // blocks of [k][kPanel]
  if (kLayout == ALayout::kColMajor) packed_a = scratch.Take<float>(tiles * BlockSize<kMaxRows>(longest));
  for (int64_t k0 = 0; k0 < std::max<int64_t>(1, p.k); k0 += k_block) {
    const int64_t kc = std::min(k_block, p.k - k0);
    const bool accumulate = p.accumulate || k0 > 0;
    const float* a = p.a + row * p.a_row + k0 * p.a_col;
    if (kLayout == ALayout::kColMajor) {
      CopyBlocks<kMaxRows>(a, p.a_col, kc, rows, packed_a);
      a = packed_a;
    }
    int64_t packed_begin = 0, packed_end = panel0;  // panels of this k block that packed_b holds
    for (int64_t panel = panel0; panel < panel1;) {
      const int64_t columns = std::min(kPanel, p.n - panel * kPanel);
      const TB* b = p.b + panel * p.b_panel + k0 * p.ldb;
      float* const c = p.c + row * p.ldc + panel * kPanel;
      TileShape t{p.a_row, p.b_panel, p.ldb, kc, p.ldc, accumulate};
      // A few rows: several panels at a time, so that enough multiply-adds are under way.
      if constexpr (kLayout == ALayout::kRowMajor) {
        const int64_t group = tiles == 1 ? std::max(1, GroupVectors(static_cast<int>(rows)) / kVecsPerPanel) : 1;
        if (group > 1 && panel + group <= panel1 && (panel + group) * kPanel <= p.n) {
          GroupFn<kLayout, TB>(static_cast<int>(rows), Rows())(t, a, b, c);
          panel += group;
          continue;
        }
      }
      // B that is not packed: copy panels that serve many rows, and one that ends at the right edge.
      if (!p.b_padded && (columns < kPanel || (rows > 2 * kMaxRows && p.ldb > 2 * kPanel))) {
        if (panel >= packed_end) {
          packed_begin = panel;
          packed_end = std::min(panel1, panel + kPackPanels);
          if (packed_b == nullptr) packed_b = scratch.Take<TB>(kPackPanels * BlockSize<kPanel>(longest));
          CopyBlocks<kPanel>(b, p.ldb, kc, std::min(p.n, packed_end * kPanel) - panel * kPanel, packed_b);
        }
        b = packed_b + (panel - packed_begin) * BlockSize<kPanel>(kc);
        t.ldb = kPanel;
      }
      if (columns < kPanel) t.ldc = kPanel;
      const auto run_tiles = [&]<typename T>(const T* panel_b) {
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t i = tile * kMaxRows;
          const int mr = static_cast<int>(std::min<int64_t>(kMaxRows, rows - i));
          const TileFn<T> run = PanelFn<kLayout, T>(mr, Rows());
          const float* const tile_a =
              kLayout == ALayout::kColMajor ? a + tile * BlockSize<kMaxRows>(kc) : a + i * p.a_row;
          float* const tile_c = c + i * p.ldc;
          // What the next tiles need comes into the cache while this one is computed: C, and weights a share at a time.
          if (accumulate && tile + 1 < tiles) Prefetch(tile_c + kMaxRows * p.ldc, kMaxRows, p.ldc);
          if (p.b_padded && tiles > 1 && panel + 1 < panel1) {
            const int64_t lines = kc * kPanel * static_cast<int64_t>(sizeof(TB)) / 64;
            for (int64_t line = lines * tile / tiles; line < lines * (tile + 1) / tiles; ++line) {
              __builtin_prefetch(reinterpret_cast<const char*>(b + p.b_panel) + line * 64, 0, 2);
            }
          }
          if (columns == kPanel) {
            run(t, tile_a, panel_b, tile_c);
            continue;
          }
          const size_t width = static_cast<size_t>(columns) * sizeof(float);
          if (accumulate) {
            for (int q = 0; q < mr; ++q) std::memcpy(edge_c + q * kPanel, tile_c + q * p.ldc, width);
          }
          run(t, tile_a, panel_b, edge_c);
          for (int q = 0; q < mr; ++q) std::memcpy(tile_c + q * p.ldc, edge_c + q * kPanel, width);
        }
      };
      if (std::is_same_v<TB, bf16> && tiles > kTilesToWiden) {
        alignas(64) float wide[kKBlock * kPanel];
        for (int64_t i = 0; i < kc * kPanel; i += kLanes) hn::Store(LoadB(b + i), D(), wide + i);
        run_tiles(wide);
      } else {
        run_tiles(b);
      }
      ++panel;
    }
  }
}

// Rows [row0, row1) of panels [panel0, panel1), in pieces whose part of C stays in the cache while k runs.
template <ALayout kLayout, typename TB>
void RunBlock(const Product<TB>& p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  for (int64_t row = row0; row < row1; row += kRowBlock) {
    for (int64_t panel = panel0; panel < panel1; panel += kPanelBlock) {
      RunPanels<kLayout, TB>(p, row, std::min(row1 - row, kRowBlock), panel, std::min(panel1, panel + kPanelBlock));
    }
  }
}

template <typename TB>
void RunProduct(const Product<TB>& p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  if (std::is_same_v<TB, bf16> || p.a_col == 1) {  // bf16 are weights, and x is row-major
    RunBlock<ALayout::kRowMajor, TB>(p, row0, row1, panel0, panel1);
  } else if constexpr (std::is_same_v<TB, float>) {
    RunBlock<ALayout::kColMajor, TB>(p, row0, row1, panel0, panel1);
  }
}

// Cuts the product into tasks: enough of them that threads finish together, each large enough to be worth handing out.
template <typename TB>
void Run(const Product<TB>& p, bool serial) {
  const int64_t panels = (p.n + kPanel - 1) / kPanel;
  const int threads = serial ? 1 : p.exec.pool().parallelism();
  const double work = static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  if (threads == 1 || work < 1 << 15) {
    RunProduct(p, 0, p.m, 0, panels);
    return;
  }
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(work / (1 << 17)), threads, 8 * threads);
  // A column-major A is copied by every task that uses a row of it: cut along the rows, in whole tiles, rather than
  // panels.
  int64_t row_block = kRowBlock;
  if (p.a_col != 1) {
    const int64_t share = (p.m + threads - 1) / threads;
    row_block = std::clamp<int64_t>((share + kMaxRows - 1) / kMaxRows * kMaxRows, 2 * kMaxRows, kRowBlock);
  }
  const int64_t row_blocks = (p.m + row_block - 1) / row_block;
  const int64_t panel_blocks = p.a_col != 1 && row_blocks >= threads
                                   ? 1
                                   : std::min(panels, std::max<int64_t>(1, (wanted + row_blocks - 1) / row_blocks));
  p.exec.pool().ParallelFor(row_blocks * panel_blocks, [&](int64_t task, int) {
    const int64_t rb = task / panel_blocks, pb = task % panel_blocks;
    RunProduct(p, rb * row_block, std::min(p.m, (rb + 1) * row_block), panels * pb / panel_blocks,
               panels * (pb + 1) / panel_blocks);
  });
}

template <typename TB>
void RunMatMulBlock(ConstMatrixView x, const PackedMatrix& w, MatrixView y, int64_t row0, int64_t row1, int64_t panel0,
                    int64_t panel1, ExecContext& exec) {
  const int64_t k = w.inputs();
  RunProduct<TB>({row1, w.outputs(), k, x.data, x.stride, 1, reinterpret_cast<const TB*>(w.panel(0)), k * kPanel,
                  kPanel, true, y.data, y.stride, false, exec},
                 row0, row1, panel0, panel1);
}
void MatMulBlockF32(ConstMatrixView x, const PackedMatrix& w, MatrixView y, int64_t row0, int64_t row1, int64_t panel0,
                    int64_t panel1, ExecContext& exec) {
  RunMatMulBlock<float>(x, w, y, row0, row1, panel0, panel1, exec);
}
void MatMulBlockBf16(ConstMatrixView x, const PackedMatrix& w, MatrixView y, int64_t row0, int64_t row1, int64_t panel0,
                     int64_t panel1, ExecContext& exec) {
  RunMatMulBlock<bf16>(x, w, y, row0, row1, panel0, panel1, exec);
}

void GemmF32(const GemmArgs& g, bool serial, ExecContext& exec) {
  Run<float>({g.m, g.n, g.k, g.a, g.a_row, g.a_col, g.b, kPanel, g.ldb, false, g.c, g.ldc, g.accumulate, exec}, serial);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <hwy/targets.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fulgur {

HWY_EXPORT(MatMulBlockF32);
HWY_EXPORT(MatMulBlockBf16);
HWY_EXPORT(GemmF32);

void MatMulBlock(ConstMatrixView x, const PackedMatrix& w, MatrixView y, int64_t row0, int64_t row1, int64_t panel0,
                 int64_t panel1, ExecContext& exec) {
  if (w.format() == WeightFormat::kBf16) {
    HWY_DYNAMIC_DISPATCH(MatMulBlockBf16)(x, w, y, row0, row1, panel0, panel1, exec);
  } else {
    HWY_DYNAMIC_DISPATCH(MatMulBlockF32)(x, w, y, row0, row1, panel0, panel1, exec);
  }
}

void Gemm(const GemmArgs& args, ExecContext& exec) {
  FULGUR_CHECK(args.a_row == 1 || args.a_col == 1);
  if (args.m == 0 || args.n == 0) return;
  HWY_DYNAMIC_DISPATCH(GemmF32)(args, /*serial=*/false, exec);
}

void GemmSerial(const GemmArgs& args, ExecContext& exec) {
  FULGUR_CHECK(args.a_row == 1 || args.a_col == 1);
  if (args.m == 0 || args.n == 0) return;
  HWY_DYNAMIC_DISPATCH(GemmF32)(args, /*serial=*/true, exec);
}

void MatMulGradInput(ConstMatrixView dy, const Tensor& w, MatrixView dx, ExecContext& exec, bool accumulate) {
  FULGUR_CHECK(dy.cols == w.dim(0) && dx.cols == w.dim(1) && dx.rows == dy.rows);
  Gemm({dy.rows, w.dim(1), w.dim(0), dy.data, dy.stride, 1, w.f32(), w.dim(1), dx.data, dx.stride, accumulate}, exec);
}

void MatMulGradWeight(ConstMatrixView dy, ConstMatrixView x, Tensor& dw, ExecContext& exec) {
  FULGUR_CHECK(dy.cols == dw.dim(0) && x.cols == dw.dim(1) && x.rows == dy.rows);
  Gemm({dw.dim(0), dw.dim(1), dy.rows, dy.data, 1, dy.stride, x.data, x.stride, dw.f32(), dw.dim(1), true}, exec);
}

namespace {

bool g_amx_allowed = true;  // by UseInstructionSet
// Asking Highway costs tens of microseconds in a virtual machine, where each CPUID instruction leaves it, and every
// product asks.
std::atomic<const char*> g_instruction_set = nullptr;

// AMX with the tiles' bf16 and int8 products, and the kernel's leave to use them.
bool HasAmx() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25, kAll = kBf16 | kTile | kInt8;
    if ((d & kAll) != kAll || !__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) {
      return false;
    }
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has;
#else
  return false;
#endif
}

constexpr const char* kAmx = "AMX";

}  // namespace

const char* InstructionSet() {
  const char* name = g_instruction_set.load(std::memory_order_relaxed);
  if (name == nullptr) {
    const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
    name = g_amx_allowed && HasAmx() ? kAmx : hwy::TargetName(targets & -targets);
    g_instruction_set.store(name, std::memory_order_relaxed);
  }
  return name;
}

std::vector<std::string> SupportedInstructionSets() {
  std::vector<std::string> names;
  if (HasAmx()) names.push_back(kAmx);
  hwy::SetSupportedTargetsForTest(0);
  for (int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    names.push_back(hwy::TargetName(left & -left));
  }
  return names;
}

void UseInstructionSet(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  g_amx_allowed = name.empty() || name == kAmx;
  if (!name.empty() && !(name == kAmx && HasAmx())) {
    int64_t target = 0;
    for (int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
      if (name == hwy::TargetName(left & -left)) target = left & -left;
    }
    if (target == 0)
      throw Error("instruction set {} is not one of this machine's: {}", name,
                  fmt::join(SupportedInstructionSets(), ", "));
    hwy::SetSupportedTargetsForTest(target);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  g_instruction_set.store(nullptr, std::memory_order_relaxed);
}

}  // namespace fulgur
#endif  // HWY_ONCE
