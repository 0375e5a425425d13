#include "ops/lightning_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/lightning_attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kC = kLightningChunk;
constexpr int64_t kRows = 8;  // rows whose common part of the causal sum is one product

// out[i] = x[i] * factor
HWY_INLINE void ScaleTo(const float* HWY_RESTRICT x, int64_t n, float factor, float* HWY_RESTRICT out) {
  const D16 tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  const V16 f = hn::Set(tag, factor);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(tag, x + i), f), tag, out + i);
  for (; i < n; ++i) out[i] = x[i] * factor;
}

// x[i] *= factors[i]
HWY_INLINE void MultiplyBy(const float* HWY_RESTRICT factors, int64_t n, float* HWY_RESTRICT x) {
  const D16 tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(tag, x + i), hn::LoadU(tag, factors + i)), tag, x + i);
  for (; i < n; ++i) x[i] *= factors[i];
}

HWY_INLINE void Prefetch(const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(x + i, 0, 2);
}

// M <- lambda^C M + sum_j lambda^(C-1-j) k_j^T v_j.   k: [D, C] transposed, v: [C, D].
void FoldChunk(const float* k, const float* v, int64_t d, const float* power, const float* reversed, float* state,
               float* scratch, ExecContext& exec) {
  Scale(state, d * d, power[kC]);
  std::memcpy(scratch, k, static_cast<size_t>(d * kC) * sizeof(float));
  for (int64_t x = 0; x < d; ++x) MultiplyBy(reversed, kC, scratch + x * kC);
  GemmSerial({d, d, kC, scratch, kC, 1, v, d, state, d, true}, exec);
}

// What one row of a head reads of memory.
struct HeadMemory {
  float* state;
  float* k;
  float* v;
  int64_t offset;  // of the row in its chunk; kC: the chunk is folded first
};
HeadMemory MemoryOf(const LightningSegment& s, int64_t d, int64_t h) {
  return {s.state + h * d * d, s.k + h * d * kC, s.v + h * kC * d, s.position - s.chunk_start};
}

// ForwardHead for a single row: the same sums, with little around them. Meanwhile it asks for
// what `next` reads, because a head of a small model is over before the hardware's prefetch begins.
void ForwardRow(const LightningSegment& s, int64_t d, int64_t h, const float* power, const float* reversed,
                const HeadMemory* next, ExecContext& exec) {
  Scratch scratch(exec.scratch());
  float* const decayed = scratch.Take<float>(std::max(d, kC) * d);
  const HeadMemory at = MemoryOf(s, d, h);
  int64_t offset = at.offset, chunk_start = s.chunk_start;
  if (offset == kC) {
    FoldChunk(at.k, at.v, d, power, reversed, at.state, decayed, exec);
    chunk_start += kC;
    offset = 0;
  }
  const float* const q = s.qkv.data + h * 3 * d;
  float* const out = s.out.data + h * d;
  for (int64_t x = 0; x < d; ++x) at.k[x * kC + offset] = q[d + x];
  std::memcpy(at.v + offset * d, q + 2 * d, static_cast<size_t>(d) * sizeof(float));
  if (next != nullptr) Prefetch(next->state, d * d);
  if (chunk_start > 0) {
    ScaleTo(q, d, power[offset + 1], decayed);
    WeightedRows(decayed, d, at.state, d, false, d, out);
  } else {
    std::memset(out, 0, static_cast<size_t>(d) * sizeof(float));
  }
  const int64_t seen = next == nullptr ? 0 : std::min(next->offset + 1, kC);
  for (int64_t x = 0; seen > 0 && x < d; ++x) Prefetch(next->k + x * kC, seen);
  alignas(64) float scores[kC];
  WeightedRows(q, d, at.k, kC, false, (offset + 16) / 16 * 16, scores);
  MultiplyBy(reversed + kC - 1 - offset, offset + 1, scores);
  if (seen > 0) Prefetch(next->v, seen * d);
  WeightedRows(scores, offset + 1, at.v, d, true, d, out);
}

void ForwardHead(const LightningSegment& s, int64_t d, int64_t h, const float* power, const float* reversed,
                 ExecContext& exec) {
  Scratch scratch(exec.scratch());
  float* const decayed = scratch.Take<float>(kC * d);  // [C, D]: q scaled for the state, or [D, C]: k for folding
  float* const q = scratch.Take<float>(kC * d);        // [C, D]
  float* const k_rows = scratch.Take<float>(kC * d);   // [C, D]
  float* const scores = scratch.Take<float>(kC * kC);
  float* const state = s.state + h * d * d;
  float* const k = s.k + h * d * kC;
  float* const v = s.v + h * kC * d;
  const int64_t rows_total = s.qkv.rows, row_stride = s.qkv.stride, out_stride = s.out.stride;

  int64_t chunk_start = s.chunk_start;
  for (int64_t r = 0; r < rows_total;) {
    int64_t offset = s.position + r - chunk_start;
    if (offset == kC) {
      FoldChunk(k, v, d, power, reversed, state, decayed, exec);
      chunk_start += kC;
      offset = 0;
    }
    const int64_t n = std::min(kC - offset, rows_total - r);
    const float* rows = s.qkv.row(r) + h * 3 * d;
    float* out = s.out.row(r) + h * d;
    for (int64_t i = 0; i < n; ++i) {
      const float* row = rows + i * row_stride;
      if (i + 2 < n) Prefetch(row + 2 * row_stride, 3 * d);
      std::memcpy(q + i * d, row, static_cast<size_t>(d) * sizeof(float));
      ScaleTo(row, d, power[offset + i + 1], decayed + i * d);
      std::memcpy(k_rows + i * d, row + d, static_cast<size_t>(d) * sizeof(float));
      std::memcpy(v + (offset + i) * d, row + 2 * d, static_cast<size_t>(d) * sizeof(float));
    }
    Transpose(k_rows, d, n, d, k + offset, kC);
    if (chunk_start > 0) {
      GemmSerial({n, d, d, decayed, d, 1, state, d, out, out_stride}, exec);
    } else {
      for (int64_t i = 0; i < n; ++i) std::memset(out + i * out_stride, 0, static_cast<size_t>(d) * sizeof(float));
    }
    // Columns past the last row are computed from what k holds there and never read.
    const int64_t columns = (offset + n + 31) / 32 * 32;
    GemmSerial({n, columns, d, q, d, 1, k, kC, scores, kC}, exec);
    for (int64_t i = 0; i < n; ++i) MultiplyBy(reversed + kC - 1 - (offset + i), offset + i + 1, scores + i * kC);
    for (int64_t i0 = 0; i0 < n; i0 += kRows) {
      const int64_t rows_here = std::min(kRows, n - i0), common = offset + i0 + 1;
      GemmSerial({rows_here, d, common, scores + i0 * kC, kC, 1, v, d, out + i0 * out_stride, out_stride, true}, exec);
      for (int64_t i = 1; i < rows_here; ++i) {
        WeightedRows(scores + (i0 + i) * kC + common, i, v + common * d, d, true, d, out + (i0 + i) * out_stride);
      }
    }
    r += n;
  }
}

// Heads [begin, end) of all segments, one after the other.
void ForwardHeads(std::span<const LightningSegment> segments, int64_t heads, int64_t d, const LightningDecay& decay,
                  int64_t begin, int64_t end, ExecContext& exec) {
  const auto segment = [&](int64_t i) -> const LightningSegment& { return segments[static_cast<size_t>(i / heads)]; };
  for (int64_t i = begin; i < end; ++i) {
    const LightningSegment& s = segment(i);
    const int64_t h = i % heads;
    if (s.qkv.rows != 1) {
      ForwardHead(s, d, h, decay.head(h), decay.reversed(h), exec);
      continue;
    }
    const bool has_next = i + 1 < end && segment(i + 1).qkv.rows == 1;
    const HeadMemory next = has_next ? MemoryOf(segment(i + 1), d, (i + 1) % heads) : HeadMemory{};
    ForwardRow(s, d, h, decay.head(h), decay.reversed(h), has_next ? &next : nullptr, exec);
  }
}

// ---- Backward, for one head. Pointers are at the head's part of a row.

struct BackwardShape {
  int64_t d, row_stride, out_stride;  // of qkv and dqkv; of dout
  const float* power;
  const float* reversed;
  ExecContext& exec;
};

// A document; or, if it continues another, that one's rows since the last chunk began (tail), and the document.
struct BackwardRows {
  const float* tail;
  int64_t tail_rows;
  const float* qkv;
  const float* dout;
  int64_t rows;
  float* dqkv;

  int64_t total() const { return tail_rows + rows; }
  const float* row(int64_t t, int64_t stride) const {
    return t < tail_rows ? tail + t * stride : qkv + (t - tail_rows) * stride;
  }
};

// States [count, D, D] at the start of chunk 0, 1, ...; the first one is `initial`, or zero if that is nullptr.
void StatesOf(const BackwardShape& s, const BackwardRows& rows, const float* initial, int64_t count, float* states) {
  const int64_t d = s.d, square = d * d;
  Scratch scratch(s.exec.scratch());
  const auto take = [&] { return scratch.Take<float>(kC * d); };
  float *const k = take(), *const v = take(), *const kt = take(), *const tmp = take();
  if (initial != nullptr) {
    std::copy_n(initial, square, states);
  } else {
    std::fill_n(states, square, 0.0f);
  }
  for (int64_t c = 0; c + 1 < count; ++c) {
    for (int64_t i = 0; i < kC; ++i) {
      const float* row = rows.row(c * kC + i, s.row_stride);
      std::memcpy(k + i * d, row + d, static_cast<size_t>(d) * sizeof(float));
      std::memcpy(v + i * d, row + 2 * d, static_cast<size_t>(d) * sizeof(float));
    }
    Transpose(k, d, kC, d, kt, kC);
    float* next = states + (c + 1) * square;
    std::memcpy(next, states + c * square, static_cast<size_t>(square) * sizeof(float));
    FoldChunk(kt, v, d, s.power, s.reversed, next, tmp, s.exec);
  }
}

// dqkv of the document from the states. dk and dv of the tail are added to dtail [tail, 2, D], and the gradient of the
// first state to dfirst [D, D], where these are not nullptr. later: gradient, from documents that continue this one, of
// the state at the start of the last chunk that is not whole, or after the last one if all are; or nullptr.
void BackwardOf(const BackwardShape& s, const BackwardRows& rows, const float* states, const float* later, float* dtail,
                float* dfirst) {
  const int64_t d = s.d, square = d * d, total = rows.total(), chunks = (total + kC - 1) / kC;
  ExecContext& exec = s.exec;
  Scratch scratch(exec.scratch());
  const auto take = [&](int64_t n) { return scratch.Take<float>(n); };
  float* const dstate = take(square);  // gradient of the state after the chunk at hand
  float* const transposed = take(square);
  float *const q = take(kC * d), *const k = take(kC * d), *const v = take(kC * d), *const dy = take(kC * d);
  float *const kt = take(kC * d), *const vt = take(kC * d), *const tmp = take(kC * d);
  float *const dq = take(kC * d), *const dk = take(kC * d), *const dv = take(kC * d);
  float *const score = take(kC * kC), *const dscore = take(kC * kC);
  const auto copy = [d](const float* from, float* to) {
    std::memcpy(to, from, static_cast<size_t>(d) * sizeof(float));
  };
  const auto add_later = [&] {
    for (int64_t i = 0; later != nullptr && i < square; ++i) dstate[i] += later[i];
  };

  std::fill_n(dstate, square, 0.0f);
  if (total % kC == 0) add_later();
  for (int64_t c = chunks - 1; c >= 0; --c) {
    const int64_t n = std::min(kC, total - c * kC);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t t = c * kC + i;
      const float* row = rows.row(t, s.row_stride);
      copy(row, q + i * d);
      copy(row + d, k + i * d);
      copy(row + 2 * d, v + i * d);
      if (t < rows.tail_rows) {
        std::fill_n(dy + i * d, d, 0.0f);
      } else {
        copy(rows.dout + (t - rows.tail_rows) * s.out_stride, dy + i * d);
      }
    }
    const float* state = states + c * square;
    Transpose(k, d, n, d, kt, kC);
    Transpose(v, d, n, d, vt, kC);
    GemmSerial({n, n, d, q, d, 1, kt, kC, score, kC}, exec);
    GemmSerial({n, n, d, dy, d, 1, vt, kC, dscore, kC}, exec);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const float decay = j <= i ? s.power[i - j] : 0.0f;
        score[i * kC + j] *= decay;
        dscore[i * kC + j] *= decay;
      }
    }
    // dq_i = lambda^(i+1) dy_i M^T + sum_{j <= i} dscore_ij k_j
    Transpose(state, d, d, d, transposed, d);
    GemmSerial({n, d, d, dy, d, 1, transposed, d, dq, d}, exec);
    for (int64_t i = 0; i < n; ++i) Scale(dq + i * d, d, s.power[i + 1]);
    GemmSerial({n, d, n, dscore, kC, 1, k, d, dq, d, true}, exec);
    // dk_j = lambda^(n-1-j) v_j dM^T + sum_{i >= j} dscore_ij q_i;   dv_j = lambda^(n-1-j) k_j dM + sum_{i >= j}
    // score_ij dy_i
    Transpose(dstate, d, d, d, transposed, d);
    GemmSerial({n, d, d, v, d, 1, transposed, d, dk, d}, exec);
    GemmSerial({n, d, d, k, d, 1, dstate, d, dv, d}, exec);
    for (int64_t j = 0; j < n; ++j) {
      Scale(dk + j * d, d, s.power[n - 1 - j]);
      Scale(dv + j * d, d, s.power[n - 1 - j]);
    }
    GemmSerial({n, d, n, dscore, 1, kC, q, d, dk, d, true}, exec);
    GemmSerial({n, d, n, score, 1, kC, dy, d, dv, d, true}, exec);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t t = c * kC + i;
      if (t < rows.tail_rows) {
        float* to = dtail + t * 2 * d;
        for (int64_t x = 0; x < d; ++x) to[x] += dk[i * d + x];
        for (int64_t x = 0; x < d; ++x) to[d + x] += dv[i * d + x];
        continue;
      }
      float* row = rows.dqkv + (t - rows.tail_rows) * s.row_stride;
      copy(dq + i * d, row);
      copy(dk + i * d, row + d);
      copy(dv + i * d, row + 2 * d);
    }
    if (c == 0 && dfirst == nullptr) break;
    // dM <- lambda^n dM + sum_i lambda^(i+1) q_i^T dy_i
    Scale(dstate, square, s.power[n]);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t x = 0; x < d; ++x) tmp[i * d + x] = q[i * d + x] * s.power[i + 1];
    }
    GemmSerial({d, d, n, tmp, 1, d, dy, d, dstate, d, true}, exec);
    if (n < kC) add_later();
  }
  for (int64_t i = 0; dfirst != nullptr && i < square; ++i) dfirst[i] += dstate[i];
}

// Document `root` and those that continue it, for head h.
void BackwardHead(ConstMatrixView qkv, ConstMatrixView dout, std::span<const DocumentRows> documents, int64_t root,
                  int64_t d, int64_t h, const float* power, const float* reversed, MatrixView dqkv, ExecContext& exec) {
  const BackwardShape shape{d, qkv.stride, dout.stride, power, reversed, exec};
  const auto rows_of = [&](const DocumentRows& document) {
    return BackwardRows{nullptr,
                        0,
                        qkv.row(document.first) + h * 3 * d,
                        dout.row(document.first) + h * d,
                        document.rows,
                        dqkv.row(document.first) + h * 3 * d};
  };
  Scratch scratch(exec.scratch());
  const auto chunks = [](const BackwardRows& rows) { return (rows.total() + kC - 1) / kC; };
  const BackwardRows whole = rows_of(documents[static_cast<size_t>(root)]);
  const std::vector<int64_t> continuations = Continuations(documents, root);
  if (continuations.empty()) {
    if (whole.rows == 0) return;
    float* const states = scratch.Take<float>(chunks(whole) * d * d);
    StatesOf(shape, whole, nullptr, chunks(whole), states);
    return BackwardOf(shape, whole, states, nullptr, nullptr, nullptr);
  }
  const int64_t full = whole.rows / kC, tail = whole.rows % kC;
  float* const states = scratch.Take<float>((full + 1) * d * d);
  StatesOf(shape, whole, nullptr, full + 1, states);
  float *const dstate = scratch.Take<float>(d * d), *const dtail = scratch.Take<float>(2 * tail * d);
  std::fill_n(dstate, d * d, 0.0f);
  std::fill_n(dtail, 2 * tail * d, 0.0f);
  for (const int64_t c : continuations) {
    BackwardRows rows = rows_of(documents[static_cast<size_t>(c)]);
    rows.tail = whole.qkv + full * kC * shape.row_stride;
    rows.tail_rows = tail;
    if (rows.rows == 0) continue;
    Scratch own(exec.scratch());
    float* const own_states = own.Take<float>(chunks(rows) * d * d);
    StatesOf(shape, rows, states + full * d * d, chunks(rows), own_states);
    BackwardOf(shape, rows, own_states, nullptr, dtail, dstate);
  }
  BackwardOf(shape, whole, states, dstate, nullptr, nullptr);
  for (int64_t t = 0; t < tail; ++t) {
    float* row = whole.dqkv + (full * kC + t) * shape.row_stride + d;  // dk and dv lie side by side
    for (int64_t x = 0; x < 2 * d; ++x) row[x] += dtail[t * 2 * d + x];
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(ForwardHeads);
HWY_EXPORT(BackwardHead);

LightningDecay::LightningDecay(std::span<const double> slopes) {
  powers.reserve(slopes.size() * kStride);
  for (const double s : slopes) {
    const auto power = [s](int64_t n) { return static_cast<float>(std::exp(-s * static_cast<double>(n))); };
    for (int64_t n = 0; n <= kLightningChunk; ++n) powers.push_back(power(n));
    for (int64_t n = 0; n < kLightningChunk; ++n) powers.push_back(power(kLightningChunk - 1 - n));
  }
}

void LightningAttention(std::span<const LightningSegment> segments, int64_t heads, int64_t head_dim,
                        const LightningDecay& decay, ExecContext& exec) {
  // Single rows: a few heads to a task, so that each can ask for the next one's memory.
  const bool single = std::all_of(segments.begin(), segments.end(), [](const auto& s) { return s.qkv.rows == 1; });
  const int64_t all = static_cast<int64_t>(segments.size()) * heads;
  const int64_t tasks = single ? std::min<int64_t>(all, 8 * exec.pool().parallelism()) : all;
  exec.pool().ParallelFor(tasks, [&](int64_t task, int) {
    HWY_DYNAMIC_DISPATCH(ForwardHeads)
    (segments, heads, head_dim, decay, all * task / tasks, all * (task + 1) / tasks, exec);
  });
}

void LightningAttentionBackward(ConstMatrixView qkv, ConstMatrixView dout, std::span<const DocumentRows> documents,
                                int64_t heads, const LightningDecay& decay, MatrixView dqkv, ExecContext& exec) {
  const int64_t d = dout.cols / heads;
  FULGUR_CHECK(qkv.cols == 3 * dout.cols && dqkv.cols == qkv.cols && dqkv.stride == qkv.stride);
  exec.pool().ParallelFor(static_cast<int64_t>(documents.size()) * heads, [&](int64_t task, int) {
    const int64_t h = task % heads, root = task / heads;
    if (documents[static_cast<size_t>(root)].prefix >= 0) return;
    HWY_DYNAMIC_DISPATCH(BackwardHead)
    (qkv, dout, documents, root, d, h, decay.head(h), decay.reversed(h), dqkv, exec);
  });
}

}  // namespace fulgur
#endif  // HWY_ONCE
