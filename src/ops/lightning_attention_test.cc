#include "ops/lightning_attention.h"

#include <algorithm>

#include "ops/complex_step.h"
#include "ops/lightning_attention_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

// Runs n rows in pieces of `chunk` and returns the output, then the state.
std::vector<float> RunPieces(const std::vector<float>& qkv, int64_t n, int64_t heads, int64_t d,
                             const LightningDecay& decay, int64_t chunk, int threads) {
  ExecContext exec(threads);
  std::vector<float> out(static_cast<size_t>(n * heads * d)), state(static_cast<size_t>(heads * d * d));
  std::vector<float> k(static_cast<size_t>(heads * d * 64)), v(k.size());
  int64_t chunk_start = 0;
  for (int64_t at = 0; at < n; at += chunk) {
    const int64_t rows = std::min(chunk, n - at);
    const LightningSegment segment{View(qkv, n, heads * 3 * d).Rows({at, rows}),
                                   View(out, n, heads * d).Rows({at, rows}),
                                   at,
                                   chunk_start,
                                   state.data(),
                                   k.data(),
                                   v.data()};
    LightningAttention({&segment, 1}, heads, d, decay, exec);
    chunk_start = (at + rows - 1) / 64 * 64;
  }
  out.insert(out.end(), state.begin(), state.end());
  return out;
}

// q, k or v (which = 0, 1, 2) of one head.
std::vector<double> Part(const std::vector<float>& qkv, int64_t first, int64_t n, int64_t heads, int64_t d, int64_t h,
                         int64_t which) {
  std::vector<double> part;
  for (int64_t t = first; t < first + n; ++t) {
    for (int64_t x = 0; x < d; ++x) part.push_back(qkv[static_cast<size_t>(((t * heads + h) * 3 + which) * d + x)]);
  }
  return part;
}

const std::vector<double> kSlopes = {0.5, 0.1, 1e-5};

TEST(LightningAttention, IsTheRecurrence) {
  const int64_t heads = 3;
  const LightningDecay decay(kSlopes);
  for (const auto& [n, d] : {std::pair<int64_t, int64_t>{1, 4}, {63, 16}, {64, 33}, {65, 8}, {200, 20}, {257, 64}}) {
    const std::vector<float> qkv = RandomVector(n * heads * 3 * d, 11);
    const std::vector<float> got = RunPieces(qkv, n, heads, d, decay, n, 2);
    for (int64_t h = 0; h < heads; ++h) {
      const std::vector<double> want = ref::LightningAttention(
          Part(qkv, 0, n, heads, d, h, 0), Part(qkv, 0, n, heads, d, h, 1), Part(qkv, 0, n, heads, d, h, 2),
          static_cast<size_t>(d), kSlopes[static_cast<size_t>(h)]);
      std::vector<float> head;
      for (int64_t t = 0; t < n; ++t) {
        for (int64_t x = 0; x < d; ++x) head.push_back(got[static_cast<size_t>((t * heads + h) * d + x)]);
      }
      SCOPED_TRACE(fmt::format("n {} d {} head {}", n, d, h));
      ExpectClose(head, want, 1e-5);
    }
  }
}

TEST(LightningAttention, SameBitsHoweverRowsArrive) {
  const int64_t heads = 3, n = 300;
  const LightningDecay decay(kSlopes);
  for (const int64_t d : {24, 32, 144, 240}) {
    const std::vector<float> qkv = RandomVector(n * heads * 3 * d, 12);
    const std::vector<float> whole = RunPieces(qkv, n, heads, d, decay, n, 1);
    for (const int64_t chunk : {1, 2, 9, 63, 64, 65, 128, 250}) {
      SCOPED_TRACE(fmt::format("d {} chunk {}", d, chunk));
      ExpectSameBits(RunPieces(qkv, n, heads, d, decay, chunk, 2), whole);
    }
    for (const int64_t chunk : {1, 100}) {
      ExpectSameOnAllInstructionSets([&] { return RunPieces(qkv, n, heads, d, decay, chunk, 2); });
    }
  }
}

// Single rows of sequences that are at different places of their chunks.
TEST(LightningAttention, RowsOfManySequencesDoNotMix) {
  const int64_t heads = 2, n = 140, d = 32, sequences = 5, step = heads * 3 * d;
  const LightningDecay decay(std::vector<double>{0.3, 0.01});
  ExecContext exec(2);
  struct Sequence {
    std::vector<float> qkv, out, state, k, v;
  };
  std::vector<Sequence> all;
  for (int64_t s = 0; s < sequences; ++s) {
    all.push_back({RandomVector(n * step, static_cast<uint64_t>(20 + s)), std::vector<float>(n * heads * d),
                   std::vector<float>(heads * d * d), std::vector<float>(heads * d * 64),
                   std::vector<float>(heads * d * 64)});
  }
  for (int64_t at = 0; at < n + 13 * sequences; ++at) {  // sequence s begins 13 s steps later
    std::vector<LightningSegment> segments;
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t t = at - 13 * s;
      if (t < 0 || t >= n) continue;
      Sequence& q = all[static_cast<size_t>(s)];
      segments.push_back({View(q.qkv, n, step).Rows({t, 1}), View(q.out, n, heads * d).Rows({t, 1}), t,
                          std::max<int64_t>(0, t - 1) / 64 * 64, q.state.data(), q.k.data(), q.v.data()});
    }
    LightningAttention(segments, heads, d, decay, exec);
  }
  for (Sequence& q : all) {
    q.out.insert(q.out.end(), q.state.begin(), q.state.end());
    ExpectSameBits(q.out, RunPieces(q.qkv, n, heads, d, decay, n, 1));
  }
}

TEST(LightningAttention, SegmentsDoNotMix) {
  const int64_t heads = 2, n = 70, d = 16;
  const LightningDecay decay(std::vector<double>{0.3, 0.01});
  ExecContext exec(2);
  const std::vector<float> a = RandomVector(n * heads * 3 * d, 13), b = RandomVector(n * heads * 3 * d, 14);
  std::vector<float> out(static_cast<size_t>(2 * n * heads * d)),
      memory(static_cast<size_t>(2 * heads * d * (d + 128)));
  std::vector<LightningSegment> segments;
  for (int64_t s = 0; s < 2; ++s) {
    float* state = memory.data() + s * heads * d * (d + 128);
    segments.push_back({View(s == 0 ? a : b, n, heads * 3 * d), View(out, 2 * n, heads * d).Rows({s * n, n}), 0, 0,
                        state, state + heads * d * d, state + heads * d * (d + 64)});
  }
  LightningAttention(segments, heads, d, decay, exec);
  ExpectSameBits(Slice(out, 0, n * heads * d), Slice(RunPieces(a, n, heads, d, decay, n, 1), 0, n * heads * d));
  ExpectSameBits(Slice(out, n * heads * d, n * heads * d),
                 Slice(RunPieces(b, n, heads, d, decay, n, 1), 0, n * heads * d));
}

TEST(LightningAttention, GradientMatchesComplexStep) {
  const int64_t heads = 2, d = 5;
  const std::vector<double> slopes = {0.2, 0.01};
  const std::vector<int64_t> starts = {0, 3, 3, 140};  // a short document, an empty one, one of three chunks
  const int64_t n = starts.back();
  const std::vector<float> qkv = RandomVector(n * heads * 3 * d, 15), dout = RandomVector(n * heads * d, 16);
  ExpectSameOnAllInstructionSets([&] {
    ExecContext exec(2);
    std::vector<float> dqkv(qkv.size(), NAN);
    LightningAttentionBackward(View(qkv, n, heads * 3 * d), View(dout, n, heads * d), DocumentsAt(starts), heads,
                               LightningDecay(slopes), View(dqkv, n, heads * 3 * d), exec);
    return dqkv;
  });
  ExecContext exec(1);
  std::vector<float> dqkv(qkv.size(), NAN);
  LightningAttentionBackward(View(qkv, n, heads * 3 * d), View(dout, n, heads * d), DocumentsAt(starts), heads,
                             LightningDecay(slopes), View(dqkv, n, heads * 3 * d), exec);
  for (size_t doc = 0; doc + 1 < starts.size(); ++doc) {
    const int64_t first = starts[doc], rows = starts[doc + 1] - first;
    if (rows == 0) continue;
    for (int64_t h = 0; h < heads; ++h) {
      std::vector<float> weights;
      for (int64_t t = first; t < first + rows; ++t) {
        for (int64_t x = 0; x < d; ++x) weights.push_back(dout[static_cast<size_t>((t * heads + h) * d + x)]);
      }
      std::vector<double> parts[3];
      for (int64_t w = 0; w < 3; ++w) parts[w] = Part(qkv, first, rows, heads, d, h, w);
      for (int64_t w = 0; w < 3; ++w) {
        const auto f = [&](const std::vector<Complex>& point) {
          std::vector<Complex> p[3];
          for (int64_t i = 0; i < 3; ++i)
            p[i] = i == w ? point : std::vector<Complex>(parts[i].begin(), parts[i].end());
          return WeightedBy(weights, ref::LightningAttention(p[0], p[1], p[2], static_cast<size_t>(d),
                                                             slopes[static_cast<size_t>(h)]));
        };
        const std::vector<double> got = Part(dqkv, first, rows, heads, d, h, w);
        SCOPED_TRACE(fmt::format("document {} head {} part {}", doc, h, w));
        ExpectClose({got.begin(), got.end()}, ComplexStepGradient(f, parts[w]), 1e-5);
      }
    }
  }
}

// Documents that continue another have the gradient of whole ones that begin with its rows; its own is the sum of
// theirs.
TEST(LightningAttention, GradientOfContinuedDocuments) {
  const int64_t heads = 2, d = 16, step = heads * 3 * d, out_step = heads * d;
  const LightningDecay decay(std::vector<double>{0.2, 0.01});
  ExecContext exec(2);
  for (const int64_t root : {0, 1, 40, 64, 100, 128, 150}) {
    SCOPED_TRACE(root);
    const std::vector<DocumentRows> documents = {{0, root},       {root, 90, 0},       {root + 90, 1, 0},
                                                 {root + 91, 20}, {root + 111, 30, 0}, {root + 141, 0, 0}};
    const int64_t n = root + 141;
    const std::vector<float> qkv = RandomVector(n * step, 31), dout = RandomVector(n * out_step, 32);
    const auto backward = [&](const std::vector<float>& x, const std::vector<float>& dy,
                              const std::vector<DocumentRows>& rows) {
      std::vector<float> dx(x.size(), NAN);
      const int64_t m = static_cast<int64_t>(dy.size()) / out_step;
      LightningAttentionBackward(View(x, m, step), View(dy, m, out_step), rows, heads, decay, View(dx, m, step), exec);
      return dx;
    };
    const std::vector<float> got = backward(qkv, dout, documents);
    std::vector<double> want(got.size());
    for (const DocumentRows& document : documents) {
      const int64_t before = document.prefix < 0 ? 0 : root, rows = before + document.rows;
      if (rows == 0) continue;
      std::vector<float> x = Slice(qkv, 0, before * step), dy(static_cast<size_t>(before * out_step));
      const std::vector<float> own = Slice(qkv, document.first * step, document.rows * step),
                               own_dy = Slice(dout, document.first * out_step, document.rows * out_step);
      x.insert(x.end(), own.begin(), own.end());
      dy.insert(dy.end(), own_dy.begin(), own_dy.end());
      const std::vector<float> dx = backward(x, dy, {{0, rows}});
      for (int64_t i = 0; i < rows * step; ++i) {
        const int64_t to = i < before * step ? i : document.first * step + i - before * step;
        want[static_cast<size_t>(to)] += dx[static_cast<size_t>(i)];
      }
    }
    ExpectClose(got, want, 1e-5);
  }
}

}  // namespace
}  // namespace fulgur
