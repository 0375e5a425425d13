// What the layers and blocks of one pass share. Internal to this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "model/config.h"
#include "model/params.h"
#include "model/sequence_state.h"
#include "ops/exec_context.h"
#include "ops/kv_cache.h"
#include "ops/rotary.h"
#include "tensor/matrix_view.h"

namespace fulgur {

// Called with intermediate values while a forward runs. Names are those of model/trace.h; rows are all tokens of all
// segments in order.
using Observer = std::function<void(const std::string& name, ConstMatrixView values)>;

struct PassContext {
  const ModelConfig& config;
  ExecContext& exec;
  const Rotary& rotary;
  ConstMatrixView rotary_table;  // [T, R] for the rows' positions
  int64_t rows;                  // T
};

// T rows as pieces of sequences. `memory` belongs to the layer at hand.
struct RowSegment {
  SequenceState::Layer* memory;
  int64_t rows;
  int64_t position;     // tokens of the sequence before these rows
  int64_t chunk_start;  // as LightningSegment's
  // An earlier segment of the pass that this one continues (position: its rows), or -1: `memory` becomes a copy of that
  // one's before these rows are added. The earlier one begins at position 0 and continues none.
  int64_t prefix = -1;
};

// Between two points at which rows meet (attention, the sorting by expert, sums over rows) each row depends on itself
// only, so a thread takes a block of rows through all operations while its values are in the cache.
inline constexpr int64_t kBlockRows = 96;     // a multiple of the matrix product's tile of 12 rows
inline constexpr int64_t kBlockWidth = 1024;  // hidden size up to which the values of a block fit a cache of 1-2 MB

// f(rows) for blocks that cover all rows. With too few blocks for the threads, or rows too wide, all rows are one
// block, and each operation in f is split over the threads instead (inside a parallel loop they are not).
template <typename F>
void InRowBlocks(const PassContext& c, const F& f) {
  const int64_t blocks = (c.rows + kBlockRows - 1) / kBlockRows;
  ThreadPool& pool = c.exec.pool();
  if (blocks < 2 * pool.threads() || c.config.hidden_size > kBlockWidth) return f(RowRange{0, c.rows});
  pool.ParallelFor(blocks, [&](int64_t b, int) {
    f(RowRange{b * kBlockRows, std::min(kBlockRows, c.rows - b * kBlockRows)});
  });
}

// f(segments, the rows of each) for those that continue none, then for those that continue another, which have been
// given its memory.
template <typename F>
void InWaves(const PassContext& c, std::span<const RowSegment> segments, const F& f) {
  struct Member {
    const RowSegment* segment;
    RowRange rows;
  };
  Scratch scratch(c.exec.scratch());
  ScratchList<Member> wave(scratch);
  for (const bool continued : {false, true}) {
    wave.clear();
    int64_t row = 0;
    for (const RowSegment& s : segments) {
      if ((s.prefix >= 0) == continued) wave.push_back({&s, {row, s.rows}});
      row += s.rows;
    }
    if (wave.empty()) continue;
    if (continued) {
      const KvLayout layout(segments[0].memory->kv_format, c.config.num_key_value_heads, c.config.head_dim);
      c.exec.pool().ParallelFor(wave.size(), [&](int64_t i, int) {
        const RowSegment& s = *wave[i].segment;
        s.memory->CopyFrom(*segments[static_cast<size_t>(s.prefix)].memory, s.position, layout.block_bytes());
      });
    }
    f(wave);
  }
}

}  // namespace fulgur
