#include "ops/matmul.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/aligned.h"
#include "ops/gemm.h"
#include "ops/quantize.h"

namespace fulgur {
namespace {

constexpr int64_t kPanel = PackedMatrix::kPanelWidth;
constexpr int64_t kRowBlock = 256;     // rows that share the weights of a task
constexpr int64_t kPanelBlock = 16;    // panels that take turns
constexpr int64_t kTilesToExpand = 2;  // for more than that, a block of 4-bit weights is expanded once
constexpr int64_t kGroupsPerBlock = 16;

// Bytes to ask for memory ahead where a panel is read in one go, measured as share of read bandwidth with one row. One
// Zen 4 core: 89-92 % with 4 KiB, 65-73 % with 8 KiB. Sapphire Rapids, q4: 75 % with 4 KiB, 87 % with 8 KiB.
int64_t ReadAhead() {
#if defined(__x86_64__)
  static const bool amd = __builtin_cpu_is("amd") != 0;
  if (amd) return 4096;
#endif
  return 8192;
}

// Steps along K whose part of a panel stays in the first-level cache: 16 KB.
int64_t StepsPerBlock(WeightFormat format) { return format == WeightFormat::kBf16Dot ? 128 : kGroupsPerBlock; }
size_t StepBytes(WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ8:
      return kQ8GroupBytes;
    case WeightFormat::kQ4:
      return kQ4GroupBytes;
    default:
      return kPanel * 4;
  }
}

// A product on dot kernels: how its m rows are multiplied, which depends on how many there are.
struct DotProduct {
  const DotKernels& kernels;
  const MatMulArgs& args;
  bool bf16, expand, pack;
  DotKernels::Tile run;
  int64_t tile_rows;
  int64_t steps;                // along K: pairs or groups
  int64_t row_bytes, row_step;  // of a row of x as encoded, or packed: in all and for a step (packed: for 16 pairs)
  int64_t step_bytes;           // of a panel for a step
  const char* rows = nullptr;   // [m, row_bytes]

  DotProduct(const DotKernels& k, const MatMulArgs& a) : kernels(k), args(a) {
    const WeightFormat format = a.w->format();
    bf16 = format == WeightFormat::kBf16Dot;
    expand = format == WeightFormat::kQ4 && a.m > kTilesToExpand * k.int8_rows;
    pack = bf16 && k.pack_bf16 != nullptr;
    run = bf16 ? k.bf16 : format == WeightFormat::kQ8 ? k.q8 : expand ? k.q4_wide : k.q4;
    tile_rows = bf16 ? k.bf16_rows : k.int8_rows;
    const int64_t group = bf16 ? 2 : kDotGroup;
    steps = (a.w->inputs() + group - 1) / group;
    row_step = pack ? kPackedPairs * 4 : bf16 ? 4 : kInt8RowGroupBytes;
    row_bytes = (pack ? (steps + kPackedPairs - 1) / kPackedPairs : steps) * row_step;
    step_bytes = static_cast<int64_t>(StepBytes(format));
  }

  // Rows [row, row + n) from step `step` on; packed ones: row is a multiple of kPackedRows, n what was packed together.
  const char* RowsAt(int64_t row, int64_t n, int64_t step) const {
    const char* at = rows + row * row_bytes;
    return at + (pack ? step / kPackedPairs * std::min<int64_t>(n, kPackedRows) : step) * row_step;
  }
};

// Rows [row, row + n) of x to the form that the kernels read. Packed rows: row is a multiple of kPackedRows.
void EncodeRows(const DotProduct& p, int64_t row, int64_t n, std::byte* rows) {
  const MatMulArgs& a = p.args;
  std::byte* const to = rows + row * p.row_bytes;
  if (!p.pack) return EncodeRows(a.x + row * a.ldx, a.ldx, n, a.w->inputs(), a.w->format(), to);
  static thread_local AlignedVector<std::byte> plain;
  const size_t bytes = EncodedRowBytes(a.w->format(), a.w->inputs());
  if (plain.size() < kPackedRows * bytes) plain.resize(kPackedRows * bytes);
  for (int64_t i = 0; i < n; i += kPackedRows) {
    const int64_t count = std::min<int64_t>(kPackedRows, n - i);
    EncodeRows(a.x + (row + i) * a.ldx, a.ldx, count, a.w->inputs(), a.w->format(), plain.data());
    p.kernels.pack_bf16(reinterpret_cast<const char*>(plain.data()), static_cast<int64_t>(bytes),
                        static_cast<int>(count), p.steps, reinterpret_cast<char*>(to + i * p.row_bytes));
  }
}

// Rows [row0, row1) of panels [panel0, panel1). With one tile of rows each panel is read from end to end; with more, a
// block along K of a panel serves all rows, and a few panels take turns, so that the rows' part of that block stays in
// the second-level cache. Sums stand side by side meanwhile: rows of y far apart would compete for the same few places
// of a cache.
void RunDotBlock(const DotProduct& p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  const int64_t n = row1 - row0, ldy = p.args.ldy, outputs = p.args.w->outputs();
  const int64_t tiles = (n + p.tile_rows - 1) / p.tile_rows;
  const bool once = tiles == 1 && !p.expand;  // a last block may have few rows of a product of many
  const int64_t block = once ? p.steps : StepsPerBlock(p.args.w->format()), at_once = once ? 1 : kPanelBlock;
  static thread_local AlignedVector<float> sums;  // [at_once, n, kPanel]
  alignas(64) char expanded[kGroupsPerBlock * kQ8GroupBytes];
  for (int64_t first_panel = panel0; first_panel < panel1; first_panel += at_once) {
    const int64_t panels = std::min(at_once, panel1 - first_panel);
    const bool in_place = block >= p.steps && (first_panel + panels) * kPanel <= outputs;
    const size_t sums_size = static_cast<size_t>(at_once * n * kPanel);
    if (!in_place && sums.size() < sums_size) sums.resize(sums_size);
    const auto weights = [&](int64_t panel, int64_t step) {
      return reinterpret_cast<const char*>(p.args.w->panel(first_panel + panel)) + step * p.step_bytes;
    };
    DotTile t{};
    t.a_stride = p.row_bytes;
    t.ldc = in_place ? ldy : kPanel;
    for (int64_t step = 0; step < p.steps; step += block) {
      t.steps = std::min(block, p.steps - step);
      t.accumulate = step > 0;
      for (int64_t panel = 0; panel < panels; ++panel) {
        t.b = weights(panel, step);
        const bool last_panel = panel + 1 == panels, last = last_panel && step + block >= p.steps;
        const char* const next = once         ? t.b + ReadAhead()
                                 : last_panel ? weights(0, step + block)
                                              : weights(panel + 1, step);
        const int64_t lines = last && !once ? 0 : t.steps * p.step_bytes / 64;
        if (p.expand) {
          p.kernels.expand_q4(t.b, t.steps, expanded);
          t.b = expanded;
        }
        float* const c =
            in_place ? p.args.y + row0 * ldy + (first_panel + panel) * kPanel : sums.data() + panel * n * kPanel;
        for (int64_t tile = 0; tile < tiles; ++tile) {
          // Tiles as even as they can be; packed rows stay together.
          const int64_t begin = p.pack ? tile * p.tile_rows : n * tile / tiles;
          const int64_t end = p.pack ? std::min(n, begin + p.tile_rows) : n * (tile + 1) / tiles;
          // Each tile asks for its share of the next block of weights; a panel that is read in one go, for what
          // follows.
          t.ahead = next + lines * tile / tiles * 64;
          t.lines = lines * (tile + 1) / tiles - lines * tile / tiles;
          t.rows = static_cast<int>(end - begin);
          t.a = p.RowsAt(row0 + begin, t.rows, step);
          if (t.rows > kPackedRows) t.a2 = p.RowsAt(row0 + begin + kPackedRows, t.rows - kPackedRows, step);
          t.c = c + begin * t.ldc;
          p.run(t);
        }
      }
    }
    if (in_place) continue;
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t column = (first_panel + panel) * kPanel;
      const float* from = sums.data() + panel * n * kPanel;
      float* to = p.args.y + row0 * ldy + column;
      for (int64_t i = 0; i < n; ++i) std::copy_n(from + i * kPanel, std::min(kPanel, outputs - column), to + i * ldy);
    }
  }
}

struct Task {
  int64_t product, row0, row1, panel0, panel1;
};

// Cuts the products into tasks: enough that threads finish together, each large enough to be worth handing out. Row
// blocks of the same panels follow each other, so that the weights are in a cache that threads share.
void Cut(std::span<const MatMulArgs> products, int threads, std::vector<Task>& tasks) {
  double total = 0;
  const auto work = [](const MatMulArgs& p, int64_t rows, int64_t panels) {
    return static_cast<double>(rows) * static_cast<double>(panels * kPanel) * static_cast<double>(p.w->inputs());
  };
  for (const MatMulArgs& p : products) total += work(p, p.m, p.w->panels());
  const double wanted = threads == 1 ? total : std::max(total / (32.0 * threads), 131072.0);
  tasks.clear();
  for (int64_t i = 0; i < static_cast<int64_t>(products.size()); ++i) {
    const MatMulArgs& p = products[static_cast<size_t>(i)];
    if (p.m == 0) continue;
    const int64_t blocks = (p.m + kRowBlock - 1) / kRowBlock, panels = p.w->panels();
    const int64_t rows = ((p.m + blocks - 1) / blocks + kPackedRows - 1) / kPackedRows * kPackedRows;
    const int64_t cuts =
        std::clamp<int64_t>(static_cast<int64_t>(work(p, std::min(p.m, rows), panels) / wanted), 1, panels);
    for (int64_t c = 0; c < cuts; ++c) {
      for (int64_t row = 0; row < p.m; row += rows) {
        tasks.push_back({i, row, std::min(p.m, row + rows), panels * c / cuts, panels * (c + 1) / cuts});
      }
    }
  }
}

}  // namespace

const DotKernels& ChosenDotKernels() {
#if defined(__x86_64__)
  const std::string_view set = InstructionSet();
  if (set == "AMX") return AmxKernels();
  if (set.starts_with("AVX3") && __builtin_cpu_supports("avx512vnni")) {
    return __builtin_cpu_supports("avx512bf16") ? kDotAvx512Bf16 : kDotAvx512;
  }
  if (set.starts_with("AVX")) return kDotAvx2;
#endif
  return kDotPortable;
}

void MatMul(std::span<const MatMulArgs> products, ThreadPool& pool) {
  // Encode the rows first. Scratch belongs to the calling thread; workers read it.
  static thread_local AlignedVector<std::byte> encoded;
  static thread_local std::vector<DotProduct> dots;
  static thread_local std::vector<size_t> offsets;
  static thread_local std::vector<Task> tasks;
  const DotKernels& kernels = ChosenDotKernels();
  offsets.clear();
  dots.clear();
  size_t bytes = 0;
  const auto encodes = [](const MatMulArgs& p) { return EncodedRowBytes(p.w->format(), p.w->inputs()) > 0; };
  const auto same_rows = [&](size_t i) {
    if (i == 0) return false;
    const MatMulArgs &a = products[i - 1], &b = products[i];
    return a.x == b.x && a.ldx == b.ldx && a.m == b.m && a.w->inputs() == b.w->inputs() &&
           a.w->format() == b.w->format();
  };
  for (size_t i = 0; i < products.size(); ++i) {
    const MatMulArgs& p = products[i];
    dots.emplace_back(kernels, p);
    if (same_rows(i)) {
      offsets.push_back(offsets.back());
      continue;
    }
    offsets.push_back(bytes);
    if (encodes(p)) bytes += (static_cast<size_t>(p.m * dots.back().row_bytes) + 63) / 64 * 64;
  }
  if (encoded.size() < bytes) encoded.resize(bytes);
  for (size_t i = 0; i < products.size(); ++i) {
    DotProduct& p = dots[i];
    std::byte* const rows = encoded.data() + offsets[i];
    p.rows = reinterpret_cast<const char*>(rows);
    if (same_rows(i) || !encodes(products[i])) continue;
    const int64_t m = products[i].m;
    if (m <= kPackedRows) {
      EncodeRows(p, 0, m, rows);
    } else {
      pool.ParallelFor((m + kPackedRows - 1) / kPackedRows, [&](int64_t b, int) {
        EncodeRows(p, b * kPackedRows, std::min<int64_t>(kPackedRows, m - b * kPackedRows), rows);
      });
    }
  }

  Cut(products, pool.parallelism(), tasks);
  const std::vector<Task>& work = tasks;
  const std::vector<DotProduct>& dot = dots;
  pool.ParallelFor(static_cast<int64_t>(work.size()), [&](int64_t i, int) {
    const Task& t = work[static_cast<size_t>(i)];
    const MatMulArgs& p = products[static_cast<size_t>(t.product)];
    if (!encodes(p)) return MatMulBlock(p.x, p.ldx, *p.w, p.y, p.ldy, t.row0, t.row1, t.panel0, t.panel1);
    RunDotBlock(dot[static_cast<size_t>(t.product)], t.row0, t.row1, t.panel0, t.panel1);
    if (kernels.finish != nullptr) kernels.finish();
  });
}

void MatMul(const float* x, int64_t ldx, int64_t m, const PackedMatrix& w, float* y, int64_t ldy, ThreadPool& pool) {
  const MatMulArgs product{x, ldx, m, &w, y, ldy};
  MatMul({&product, 1}, pool);
}

}  // namespace fulgur
