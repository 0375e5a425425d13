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
constexpr int64_t kRowBlock = 192;     // rows that share the weights of a task
constexpr int64_t kPanelBlock = 16;    // panels whose part of y is worked on together
constexpr int64_t kFewRows = 48;       // up to these a panel is read from end to end for all of them
constexpr int64_t kTilesToExpand = 2;  // for more than that, a block of 4-bit weights is made 8-bit once
constexpr int64_t kMaxTileRows = 32;
constexpr int64_t kGroupsPerBlock = 16;

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

// A product on dot kernels, with its rows encoded.
struct DotProduct {
  const DotKernels& kernels;
  const MatMulArgs& args;
  const char* rows;    // [m, row_bytes]
  int64_t row_bytes;   // of x, encoded
  int64_t row_step;    // bytes of a row for one step along K
  int64_t step_bytes;  // bytes of a panel for one step
  int64_t steps;       // along K

  DotProduct(const DotKernels& k, const MatMulArgs& a, const std::byte* encoded)
      : kernels(k), args(a), rows(reinterpret_cast<const char*>(encoded)) {
    const WeightFormat format = a.w->format();
    row_bytes = static_cast<int64_t>(EncodedRowBytes(format, a.w->inputs()));
    row_step = format == WeightFormat::kBf16Dot ? 4 : kInt8RowGroupBytes;
    step_bytes = static_cast<int64_t>(StepBytes(format));
    steps = row_bytes / row_step;
  }
};

// Rows [row, row + n) of one panel, steps [step, step + count): tiles as even as they can be.
void RunPanel(const DotProduct& p, int64_t row, int64_t n, int64_t panel, int64_t step, int64_t count,
              const char* prefetch) {
  const WeightFormat format = p.args.w->format();
  const DotKernels& k = p.kernels;
  const int64_t columns = std::min(kPanel, p.args.w->outputs() - panel * kPanel);
  DotTile t{};
  t.a_stride = p.row_bytes;
  t.b = reinterpret_cast<const char*>(p.args.w->panel(panel)) + step * p.step_bytes;
  t.steps = count;
  t.accumulate = step > 0;
  DotKernels::Tile run = k.bf16;
  int64_t tile_rows = k.bf16_rows;
  alignas(64) char expanded[kGroupsPerBlock * kMaxExpandedGroupBytes];
  if (format != WeightFormat::kBf16Dot) {
    const bool q8 = format == WeightFormat::kQ8;
    const auto expand = q8 ? k.expand_q8 : k.expand_q4;
    const bool wide = expand != nullptr && n > kTilesToExpand * k.int8_rows;
    tile_rows = wide ? k.wide_rows : k.int8_rows;
    run = wide ? (q8 ? k.q8_wide : k.q4_wide) : (q8 ? k.q8 : k.q4);
    if (wide) {
      expand(t.b, count, expanded);
      t.b = expanded;
    }
  }
  const int64_t tiles = (n + tile_rows - 1) / tile_rows;
  t.stream = tiles == 1;
  const int64_t lines = prefetch == nullptr ? 0 : count * p.step_bytes / 64;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = row + n * tile / tiles, end = row + n * (tile + 1) / tiles;
    // The next block of weights comes into the cache while this one is used, a share at a time.
    for (int64_t line = lines * tile / tiles; line < lines * (tile + 1) / tiles; ++line) {
      __builtin_prefetch(prefetch + line * 64, 0, 2);
    }
    t.a = p.rows + first * p.row_bytes + step * p.row_step;
    t.rows = static_cast<int>(end - first);
    float* y = p.args.y + first * p.args.ldy + panel * kPanel;
    if (columns == kPanel) {
      t.c = y;
      t.ldc = p.args.ldy;
      run(t);
      continue;
    }
    alignas(64) float edge[kMaxTileRows * kPanel] = {};
    t.c = edge;
    t.ldc = kPanel;
    if (t.accumulate) {
      for (int64_t i = 0; i < t.rows; ++i) std::copy_n(y + i * p.args.ldy, columns, edge + i * kPanel);
    }
    run(t);
    for (int64_t i = 0; i < t.rows; ++i) std::copy_n(edge + i * kPanel, columns, y + i * p.args.ldy);
  }
}

void RunDotBlock(const DotProduct& p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  const WeightFormat format = p.args.w->format();
  const int64_t tile_rows = format == WeightFormat::kBf16Dot ? p.kernels.bf16_rows : p.kernels.int8_rows;
  const int64_t n = row1 - row0;
  const auto weights = [&](int64_t panel, int64_t step) {
    return reinterpret_cast<const char*>(p.args.w->panel(panel)) + step * p.step_bytes;
  };
  if (n <= kFewRows) {  // weights count: each panel from end to end
    const int64_t block = n <= tile_rows ? p.steps : StepsPerBlock(format);
    for (int64_t panel = panel0; panel < panel1; ++panel) {
      for (int64_t step = 0; step < p.steps; step += block) {
        const int64_t count = std::min(block, p.steps - step), next = step + count;
        const bool more = next < p.steps || panel + 1 < panel1;
        RunPanel(p, row0, n, panel, step, count, n > tile_rows && more ? weights(panel, next) : nullptr);
      }
    }
    return;
  }
  for (int64_t first = panel0; first < panel1; first += kPanelBlock) {
    const int64_t end = std::min(panel1, first + kPanelBlock);
    for (int64_t step = 0; step < p.steps; step += StepsPerBlock(format)) {
      const int64_t count = std::min(StepsPerBlock(format), p.steps - step);
      for (int64_t panel = first; panel < end; ++panel) {
        RunPanel(p, row0, n, panel, step, count, panel + 1 < end ? weights(panel + 1, step) : nullptr);
      }
    }
  }
}

struct Task {
  int64_t product, row0, row1, panel0, panel1;
};

// Cuts the products into tasks: enough that threads finish together, each large enough to be worth handing out.
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
    const int64_t blocks = (p.m + kRowBlock - 1) / kRowBlock, panels = p.w->panels();
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t row0 = p.m * b / blocks, row1 = p.m * (b + 1) / blocks;
      const int64_t cuts = std::clamp<int64_t>(static_cast<int64_t>(work(p, row1 - row0, panels) / wanted), 1, panels);
      for (int64_t c = 0; c < cuts; ++c) tasks.push_back({i, row0, row1, panels * c / cuts, panels * (c + 1) / cuts});
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
  static thread_local std::vector<size_t> offsets;
  static thread_local std::vector<Task> tasks;
  offsets.clear();
  size_t bytes = 0;
  const auto same_rows = [&](size_t i) {
    if (i == 0) return false;
    const MatMulArgs &a = products[i - 1], &b = products[i];
    return a.x == b.x && a.ldx == b.ldx && a.m == b.m && a.w->inputs() == b.w->inputs() &&
           a.w->format() == b.w->format();
  };
  for (size_t i = 0; i < products.size(); ++i) {
    const MatMulArgs& p = products[i];
    if (same_rows(i)) {
      offsets.push_back(offsets.back());
      continue;
    }
    offsets.push_back(bytes);
    bytes += static_cast<size_t>(p.m) * EncodedRowBytes(p.w->format(), p.w->inputs());
    bytes = (bytes + 63) / 64 * 64;
  }
  if (encoded.size() < bytes) encoded.resize(bytes);
  std::byte* const rows = encoded.data();
  for (size_t i = 0; i < products.size(); ++i) {
    const MatMulArgs& p = products[i];
    const size_t row_bytes = EncodedRowBytes(p.w->format(), p.w->inputs());
    if (row_bytes == 0 || same_rows(i)) continue;
    std::byte* out = rows + offsets[i];
    const auto encode = [&](int64_t row, int64_t count) {
      EncodeRows(p.x + row * p.ldx, p.ldx, count, p.w->inputs(), p.w->format(),
                 out + static_cast<size_t>(row) * row_bytes);
    };
    constexpr int64_t kRows = 8;
    if (p.m < 2 * kRows) {
      encode(0, p.m);
    } else {
      pool.ParallelFor((p.m + kRows - 1) / kRows,
                       [&](int64_t b, int) { encode(b * kRows, std::min(kRows, p.m - b * kRows)); });
    }
  }

  Cut(products, pool.parallelism(), tasks);
  const DotKernels& kernels = ChosenDotKernels();
  const std::vector<Task>& work = tasks;
  const std::vector<size_t>& offset = offsets;
  pool.ParallelFor(static_cast<int64_t>(work.size()), [&](int64_t i, int) {
    const Task& t = work[static_cast<size_t>(i)];
    const MatMulArgs& p = products[static_cast<size_t>(t.product)];
    if (p.w->format() == WeightFormat::kF32 || p.w->format() == WeightFormat::kBf16) {
      MatMulBlock(p.x, p.ldx, *p.w, p.y, p.ldy, t.row0, t.row1, t.panel0, t.panel1);
    } else {
      RunDotBlock(DotProduct(kernels, p, rows + offset[static_cast<size_t>(t.product)]), t.row0, t.row1, t.panel0,
                  t.panel1);
      if (kernels.finish != nullptr) kernels.finish();
    }
  });
}

void MatMul(const float* x, int64_t ldx, int64_t m, const PackedMatrix& w, float* y, int64_t ldy, ThreadPool& pool) {
  const MatMulArgs product{x, ldx, m, &w, y, ldy};
  MatMul({&product, 1}, pool);
}

}  // namespace fulgur
