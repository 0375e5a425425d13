#include "ops/matmul.h"

#include <algorithm>
#include <atomic>
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
constexpr int64_t kTilesToExpand = 2;  // for more than that, a block of weights of few bits is expanded once
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
    case WeightFormat::kQ8F16:
      return kQ8GroupBytes;
    case WeightFormat::kQ4:
    case WeightFormat::kQ4F16:
      return kQ4GroupBytes;
    case WeightFormat::kQ4k:
      return kQ4kGroupBytes;
    case WeightFormat::kQ3:
      return kQ3GroupBytes;
    case WeightFormat::kQ2:
      return kQ2GroupBytes;
    default:
      return kPanel * 4;
  }
}

const DotKernels::Integer& IntegerKernels(const DotKernels& kernels, WeightFormat format) {
  switch (format) {
    case WeightFormat::kQ8:
      return kernels.q8;
    case WeightFormat::kQ8F16:
      return kernels.q8_f16;
    case WeightFormat::kQ4F16:
      return kernels.q4_f16;
    case WeightFormat::kQ4k:
      return kernels.q4k;
    case WeightFormat::kQ3:
      return kernels.q3;
    case WeightFormat::kQ2:
      return kernels.q2;
    default:
      return kernels.q4;
  }
}

// A product on dot kernels: how its m rows are multiplied, which depends on how many there are.
struct DotProduct {
  const DotKernels& kernels;
  const MatMulArgs& args;
  bool bf16, pack;
  void (*expand)(const char* from, int64_t groups, char* to) = nullptr;  // if there are enough rows
  DotKernels::Tile run;
  int64_t tile_rows;
  int64_t steps;                // along K: pairs or groups
  int64_t row_bytes, row_step;  // of a row of x as encoded, or packed: in all and for a step (packed: for 16 pairs)
  int64_t step_bytes;           // of a panel for a step
  const char* rows = nullptr;   // [m, row_bytes]

  DotProduct(const DotKernels& k, const MatMulArgs& a) : kernels(k), args(a) {
    const WeightFormat format = a.w->format();
    bf16 = format == WeightFormat::kBf16Dot;
    pack = bf16 && k.pack_bf16 != nullptr;
    const DotKernels::Integer& integer = IntegerKernels(k, format);
    if (!bf16 && a.x.rows > kTilesToExpand * k.int8_rows) expand = integer.expand;
    run = bf16 ? k.bf16 : expand != nullptr ? integer.many : integer.few;
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
void EncodeRows(const DotProduct& p, int64_t row, int64_t n, std::byte* rows, ExecContext& exec) {
  const WeightFormat format = p.args.w->format();
  const ConstMatrixView x = p.args.x.Rows({row, n});
  std::byte* const to = rows + row * p.row_bytes;
  if (!p.pack) return EncodeRows(x, format, to);
  Scratch scratch(exec.scratch());
  const int64_t bytes = static_cast<int64_t>(EncodedRowBytes(format, x.cols));
  std::byte* const plain = scratch.Take<std::byte>(kPackedRows * bytes);
  for (int64_t i = 0; i < n; i += kPackedRows) {
    const int64_t count = std::min<int64_t>(kPackedRows, n - i);
    EncodeRows(x.Rows({i, count}), format, plain);
    p.kernels.pack_bf16(reinterpret_cast<const char*>(plain), bytes, static_cast<int>(count), p.steps,
                        reinterpret_cast<char*>(to + i * p.row_bytes));
  }
}

// Rows [row0, row1) of panels [panel0, panel1). With one tile of rows each panel is read from end to end; with more, a
// block along K of a panel serves all rows, and a few panels take turns, so that the rows' part of that block stays in
// the second-level cache. Sums stand side by side meanwhile: rows of y far apart would compete for the same few places
// of a cache.
void RunDotBlock(const DotProduct& p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1, ExecContext& exec) {
  const MatrixView y = p.args.y;
  const int64_t n = row1 - row0, outputs = p.args.w->outputs();
  const int64_t tiles = (n + p.tile_rows - 1) / p.tile_rows;
  const bool once = tiles == 1 && p.expand == nullptr;  // a last block may have few rows of a product of many
  const int64_t block = once ? p.steps : StepsPerBlock(p.args.w->format()), at_once = once ? 1 : kPanelBlock;
  Scratch scratch(exec.scratch());
  float* sums = nullptr;  // [at_once, n, kPanel]
  alignas(64) char expanded[kGroupsPerBlock * kExpandedGroupBytes];
  for (int64_t first_panel = panel0; first_panel < panel1; first_panel += at_once) {
    const int64_t panels = std::min(at_once, panel1 - first_panel);
    const bool in_place = block >= p.steps && (first_panel + panels) * kPanel <= outputs;
    if (!in_place && sums == nullptr) sums = scratch.Take<float>(at_once * n * kPanel);
    const auto weights = [&](int64_t panel, int64_t step) {
      return reinterpret_cast<const char*>(p.args.w->panel(first_panel + panel)) + step * p.step_bytes;
    };
    DotTile t{};
    t.a_stride = p.row_bytes;
    t.ldc = in_place ? y.stride : kPanel;
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
        if (p.expand != nullptr) {
          p.expand(t.b, t.steps, expanded);
          t.b = expanded;
        }
        float* const c = in_place ? y.row(row0) + (first_panel + panel) * kPanel : sums + panel * n * kPanel;
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
      const float* from = sums + panel * n * kPanel;
      for (int64_t i = 0; i < n; ++i) {
        std::copy_n(from + i * kPanel, std::min(kPanel, outputs - column), y.row(row0 + i) + column);
      }
    }
  }
}

// Whether b reads the rows that a reads, in the same form.
bool SameRows(const MatMulArgs& a, const MatMulArgs& b) {
  return a.x.data == b.x.data && a.x.stride == b.x.stride && a.x.rows == b.x.rows && a.x.cols == b.x.cols &&
         a.w->format() == b.w->format();
}

std::atomic<MatMulObserver*> g_observer = nullptr;

struct Task {
  int64_t product, row0, row1, panel0, panel1;
};

// Cuts the products into tasks: enough that threads finish together, each large enough to be worth handing out. Row
// blocks of the same panels follow each other, so that the weights are in a cache that threads share.
void Cut(std::span<const MatMulArgs> products, int threads, ScratchList<Task>& tasks) {
  double total = 0;
  const auto work = [](const MatMulArgs& p, int64_t rows, int64_t panels) {
    return static_cast<double>(rows) * static_cast<double>(panels * kPanel) * static_cast<double>(p.w->inputs());
  };
  for (const MatMulArgs& p : products) total += work(p, p.x.rows, p.w->panels());
  const double wanted = threads == 1 ? total : std::max(total / (32.0 * threads), 131072.0);
  for (int64_t i = 0; i < static_cast<int64_t>(products.size()); ++i) {
    const MatMulArgs& p = products[static_cast<size_t>(i)];
    const int64_t m = p.x.rows;
    if (m == 0) continue;
    const int64_t blocks = (m + kRowBlock - 1) / kRowBlock, panels = p.w->panels();
    const int64_t rows = ((m + blocks - 1) / blocks + kPackedRows - 1) / kPackedRows * kPackedRows;
    const int64_t cuts =
        std::clamp<int64_t>(static_cast<int64_t>(work(p, std::min(m, rows), panels) / wanted), 1, panels);
    for (int64_t c = 0; c < cuts; ++c) {
      for (int64_t row = 0; row < m; row += rows) {
        tasks.push_back({i, row, std::min(m, row + rows), panels * c / cuts, panels * (c + 1) / cuts});
      }
    }
  }
}

}  // namespace

MatMulObserver::Scope::Scope(MatMulObserver* observer) { FULGUR_CHECK(g_observer.exchange(observer) == nullptr); }
MatMulObserver::Scope::~Scope() { g_observer = nullptr; }

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

void MatMul(std::span<const MatMulArgs> products, ExecContext& exec) {
  if (MatMulObserver* const observer = g_observer.load(std::memory_order_acquire)) {
    for (const MatMulArgs& p : products) observer->Seen(p);
  }
  Scratch scratch(exec.scratch());
  const DotKernels& kernels = ChosenDotKernels();
  const int64_t count = static_cast<int64_t>(products.size());
  // Products on dot kernels first: their rows are encoded.
  DotProduct** const dots = scratch.Take<DotProduct*>(count);  // null: a product on gemm.h's kernels
  for (int64_t i = 0; i < count; ++i) {
    const MatMulArgs& p = products[static_cast<size_t>(i)];
    FULGUR_CHECK(p.x.cols == p.w->inputs() && p.y.cols == p.w->outputs() && p.y.rows == p.x.rows);
    dots[i] = nullptr;
    if (EncodedRowBytes(p.w->format(), p.w->inputs()) == 0) continue;
    dots[i] = new (scratch.Take<DotProduct>(1)) DotProduct(kernels, p);
    const bool same_rows = i > 0 && dots[i - 1] != nullptr && SameRows(products[static_cast<size_t>(i - 1)], p);
    const int64_t m = p.x.rows;
    std::byte* const rows = same_rows ? nullptr : scratch.Take<std::byte>(m * dots[i]->row_bytes);
    dots[i]->rows = same_rows ? dots[i - 1]->rows : reinterpret_cast<const char*>(rows);
    if (same_rows) continue;
    exec.pool().ParallelFor((m + kPackedRows - 1) / kPackedRows, [&](int64_t b, int) {
      EncodeRows(*dots[i], b * kPackedRows, std::min<int64_t>(kPackedRows, m - b * kPackedRows), rows, exec);
    });
  }

  ScratchList<Task> tasks(scratch);
  Cut(products, exec.pool().parallelism(), tasks);
  exec.pool().ParallelFor(tasks.size(), [&](int64_t i, int) {
    const Task& t = tasks[i];
    const MatMulArgs& p = products[static_cast<size_t>(t.product)];
    if (dots[t.product] == nullptr) return MatMulBlock(p.x, *p.w, p.y, t.row0, t.row1, t.panel0, t.panel1, exec);
    RunDotBlock(*dots[t.product], t.row0, t.row1, t.panel0, t.panel1, exec);
    if (kernels.finish != nullptr) kernels.finish();
  });
}

}  // namespace fulgur
