#include "ops/softmax_attention.h"

#include <algorithm>
#include <cmath>

#include "base/aligned.h"
#include "ops/complex_step.h"
#include "ops/softmax_attention_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

struct Shape3 {
  int64_t n, heads, kv_heads, d;
};

struct Inputs {
  explicit Inputs(const Shape3& s, uint64_t seed = 1)
      : q(RandomVector(s.n * s.heads * s.d, seed)),
        k(RandomVector(s.n * s.kv_heads * s.d, seed + 1)),
        v(RandomVector(s.n * s.kv_heads * s.d, seed + 2)) {}
  std::vector<float> q, k, v;
};

// A cache of n positions, every byte `fill`.
struct Cache {
  Cache(KvFormat format, int64_t n, int64_t kv_heads, int64_t d, unsigned char fill = 0) : layout(format, kv_heads, d) {
    const int64_t blocks = (n + kKvBlock - 1) / kKvBlock;
    memory.assign(static_cast<size_t>(blocks * layout.block_bytes()), static_cast<std::byte>(fill));
    for (int64_t b = 0; b < blocks; ++b) views.push_back(memory.data() + b * layout.block_bytes());
  }
  KvLayout layout;
  AlignedVector<std::byte> memory;
  std::vector<std::byte*> views;
};

// Queries and weights rounded to bfloat16 or not.
double Tolerance(KvFormat format) { return format == KvFormat::kBf16Dot ? 1e-2 : 1e-5; }

// Output, then log-sum-exp, of n rows that arrive in pieces of `chunk`.
std::vector<float> RunPieces(const Shape3& s, const Inputs& in, int64_t chunk, int threads, Cache& cache) {
  ExecContext exec(threads);
  std::vector<float> out(in.q.size()), lse(static_cast<size_t>(s.n * s.heads));
  for (int64_t at = 0; at < s.n; at += chunk) {
    const int64_t rows = std::min(chunk, s.n - at);
    const SoftmaxSegment segment{View(in.q, s.n, s.heads * s.d).Rows({at, rows}),
                                 View(in.k, s.n, s.kv_heads * s.d).Rows({at, rows}),
                                 View(in.v, s.n, s.kv_heads * s.d).Rows({at, rows}),
                                 View(out, s.n, s.heads * s.d).Rows({at, rows}),
                                 View(lse, s.n, s.heads).Rows({at, rows}),
                                 at,
                                 cache.views,
                                 cache.layout.format()};
    SoftmaxAttention({&segment, 1}, s.heads, s.kv_heads, s.d, exec);
  }
  out.insert(out.end(), lse.begin(), lse.end());
  return out;
}
std::vector<float> RunPieces(const Shape3& s, const Inputs& in, int64_t chunk, int threads,
                             KvFormat format = KvFormat::kF32) {
  Cache cache(format, s.n, s.kv_heads, s.d);
  return RunPieces(s, in, chunk, threads, cache);
}

// The keys and values that a cache holds.
void ReadCache(const Shape3& s, const Cache& cache, Inputs& in) {
  for (int64_t t = 0; t < s.n; ++t) {
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      const int64_t at = (t * s.kv_heads + h) * s.d;
      cache.layout.Read(cache.views[static_cast<size_t>(t / kKvBlock)], h, t % kKvBlock, in.k.data() + at,
                        in.v.data() + at);
    }
  }
}

std::vector<double> Head(const std::vector<float>& x, int64_t first, int64_t n, int64_t heads, int64_t d, int64_t h) {
  std::vector<double> part;
  for (int64_t t = first; t < first + n; ++t) {
    for (int64_t i = 0; i < d; ++i) part.push_back(x[static_cast<size_t>((t * heads + h) * d + i)]);
  }
  return part;
}

// In double, on the keys and values as they were stored: those of the same pass and block too.
TEST(SoftmaxAttention, MatchesTheReferenceOnWhatIsStored) {
  for (const KvFormat format : kAllKvFormats) {
    for (const Shape3& s : {Shape3{1, 1, 1, 3},
                            {17, 6, 3, 16},
                            {64, 4, 1, 32},
                            {65, 2, 2, 33},
                            {200, 16, 2, 24},
                            {kKvSplit + 70, 2, 1, 8}}) {
      Inputs in(s);
      Cache cache(format, s.n, s.kv_heads, s.d);
      const std::vector<float> got = RunPieces(s, in, s.n, 2, cache);
      ReadCache(s, cache, in);
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t kv = h / (s.heads / s.kv_heads);
        const std::vector<double> want =
            ref::SoftmaxAttention(Head(in.q, 0, s.n, s.heads, s.d, h), Head(in.k, 0, s.n, s.kv_heads, s.d, kv),
                                  Head(in.v, 0, s.n, s.kv_heads, s.d, kv), static_cast<size_t>(s.d));
        const std::vector<double> head = Head(got, 0, s.n, s.heads, s.d, h);
        SCOPED_TRACE(fmt::format("{} n {} head {}", KvFormatName(format), s.n, h));
        ExpectClose({head.begin(), head.end()}, want, Tolerance(format));
      }
    }
  }
}

// With every instruction set the same bits however the rows arrive; and all have the same, but for bf16 dot products,
// which each has its own of.
void ExpectInstructionSetsAgree(const Shape3& s, const Inputs& in, KvFormat format) {
  if (format != KvFormat::kBf16Dot) {
    ExpectSameOnAllInstructionSets([&] { return RunPieces(s, in, 700, 3, format); });
    return;
  }
  const std::vector<float> expected = RunPieces(s, in, s.n, 1, format);
  for (const std::string& name : SupportedInstructionSets()) {
    SCOPED_TRACE(name);
    UseInstructionSet(name);
    const std::vector<float> got = RunPieces(s, in, 50, 2, format);
    ExpectClose(got, As(expected), Tolerance(format));
    ExpectSameBits(RunPieces(s, in, 700, 3, format), got);
  }
  UseInstructionSet("");
}

TEST(SoftmaxAttention, SameBitsHoweverRowsArrive) {
  for (const KvFormat format : kAllKvFormats) {
    SCOPED_TRACE(KvFormatName(format));
    const Shape3 s{210, 6, 3, 20};
    const Inputs in(s);
    const std::vector<float> whole = RunPieces(s, in, s.n, 1, format);
    for (const int64_t chunk : {1, 5, 16, 63, 64, 65, 130}) {
      SCOPED_TRACE(chunk);
      ExpectSameBits(RunPieces(s, in, chunk, 2, format), whole);
    }
    ExpectInstructionSetsAgree(s, in, format);
  }
}

TEST(SoftmaxAttention, SameBitsOverSplitsHoweverRowsArrive) {
  for (const KvFormat format : kAllKvFormats) {
    SCOPED_TRACE(KvFormatName(format));
    const Shape3 s{2 * kKvSplit + 40, 3, 1, 7};
    const Inputs in(s);
    const std::vector<float> whole = RunPieces(s, in, s.n, 1, format);
    for (const int64_t chunk : {int64_t{1}, kKvSplit - 1, kKvSplit, int64_t{1500}}) {
      SCOPED_TRACE(chunk);
      ExpectSameBits(RunPieces(s, in, chunk, 2, format), whole);
    }
    ExpectInstructionSetsAgree(s, in, format);
  }
}

// What a cache holds beyond the sequence (another one, or tokens that were taken back) is not read, whatever it is.
TEST(SoftmaxAttention, BytesPastTheEndDoNotCount) {
  for (const KvFormat format : kAllKvFormats) {
    const Shape3 s{75, 4, 2, 20};
    const Inputs in(s);
    Cache nan(format, s.n, s.kv_heads, s.d, 0xff);
    for (const int64_t chunk : {int64_t{1}, int64_t{10}, s.n}) {
      ExpectSameBits(RunPieces(s, in, chunk, 2, nan), RunPieces(s, in, s.n, 1, format));
    }
  }
}

// One row each of sequences of very different lengths, one of so many splits that their results do not fit a window.
TEST(SoftmaxAttention, LongSequencesSharedByThreads) {
  const int64_t heads = 128, d = 120;
  for (const KvFormat format : {KvFormat::kInt8, KvFormat::kBf16, KvFormat::kBf16Dot}) {
    std::vector<int64_t> positions = {61 * kKvSplit + 5, 100, 5 * kKvSplit - 1, 5 * kKvSplit};
    std::vector<Cache> caches;
    const Shape3 s{1, heads, 1, d};
    const Inputs in(s, 3);
    for (const int64_t position : positions) {
      Cache& cache = caches.emplace_back(format, position + 1, 1, d);
      const std::vector<float> row = RandomVector(2 * d * kKvBlock, static_cast<uint64_t>(position));
      for (size_t b = 0; b < cache.views.size(); ++b) {  // every block a little different
        std::vector<float> rows = row;
        for (float& x : rows) x *= 0.5f + 0.01f * static_cast<float>(b % 97);
        const ConstMatrixView both = View(rows, 2 * kKvBlock, d);
        cache.layout.Write(cache.views[b], 0, 0, both.Rows({0, kKvBlock}), both.Rows({kKvBlock, kKvBlock}));
      }
    }
    const auto run = [&](int threads, const std::vector<size_t>& which) {
      ExecContext exec(threads);
      std::vector<float> out(which.size() * static_cast<size_t>(heads * d));
      std::vector<SoftmaxSegment> segments;
      for (size_t i = 0; i < which.size(); ++i) {
        const MatrixView all = View(out, static_cast<int64_t>(which.size()), heads * d);
        segments.push_back({Row(in.q),
                            Row(in.k),
                            Row(in.v),
                            all.Rows({static_cast<int64_t>(i), 1}),
                            {},
                            positions[which[i]],
                            caches[which[i]].views,
                            format});
      }
      SoftmaxAttention(segments, heads, 1, d, exec);
      return out;
    };
    const std::vector<float> one = run(1, {0, 1, 2, 3});
    ExpectSameBits(run(2, {0, 1, 2, 3}), one);
    ExpectSameBits(run(3, {0, 1, 2, 3}), one);
    for (size_t i = 0; i < positions.size(); ++i) {
      ExpectSameBits(run(2, {i}), Slice(one, static_cast<int64_t>(i) * heads * d, heads * d));
    }
    // Head 7 of the longest, in double.
    const int64_t n = positions[0] + 1;
    std::vector<double> score(static_cast<size_t>(n)), want(static_cast<size_t>(d));
    std::vector<float> k(static_cast<size_t>(d)), v(k);
    double sum = 0;
    for (int64_t t = 0; t < n; ++t) {
      caches[0].layout.Read(caches[0].views[static_cast<size_t>(t / kKvBlock)], 0, t % kKvBlock, k.data(), v.data());
      double dot = 0;
      for (int64_t x = 0; x < d; ++x)
        dot += static_cast<double>(in.q[static_cast<size_t>(7 * d + x)]) * k[static_cast<size_t>(x)];
      const double weight = std::exp(dot / std::sqrt(static_cast<double>(d)));
      sum += weight;
      for (int64_t x = 0; x < d; ++x) want[static_cast<size_t>(x)] += weight * v[static_cast<size_t>(x)];
    }
    for (double& x : want) x /= sum;
    ExpectClose(Slice(one, 7 * d, d), want, Tolerance(format));
  }
}

TEST(SoftmaxAttention, LargeScoresDoNotOverflow) {
  const Shape3 s{70, 1, 1, 4};
  Inputs in(s);
  for (float& x : in.q) x *= 300;
  for (float& x : in.k) x *= 300;
  for (const float x : RunPieces(s, in, s.n, 1)) EXPECT_TRUE(std::isfinite(x));
}

TEST(SoftmaxAttention, GradientMatchesComplexStep) {
  const Shape3 s{75, 4, 2, 6};
  const std::vector<int64_t> starts = {0, 4, 4, 75};
  const Inputs in(s, 5);
  const std::vector<float> dout = RandomVector(s.n * s.heads * s.d, 9);
  ExecContext exec(2);
  std::vector<float> out(in.q.size()), lse(static_cast<size_t>(s.n * s.heads));
  for (size_t doc = 0; doc + 1 < starts.size(); ++doc) {
    const int64_t first = starts[doc], rows = starts[doc + 1] - first;
    if (rows == 0) continue;
    Inputs part(Shape3{0, s.heads, s.kv_heads, s.d});
    part.q = Slice(in.q, first * s.heads * s.d, rows * s.heads * s.d);
    part.k = Slice(in.k, first * s.kv_heads * s.d, rows * s.kv_heads * s.d);
    part.v = Slice(in.v, first * s.kv_heads * s.d, rows * s.kv_heads * s.d);
    const std::vector<float> got = RunPieces({rows, s.heads, s.kv_heads, s.d}, part, rows, 1);
    std::copy_n(got.begin(), rows * s.heads * s.d, out.begin() + first * s.heads * s.d);
    std::copy_n(got.begin() + rows * s.heads * s.d, rows * s.heads, lse.begin() + first * s.heads);
  }
  const auto backward = [&](ExecContext& p) {
    std::vector<float> dq(in.q.size(), NAN), dk(in.k.size(), NAN), dv(in.v.size(), NAN);
    const auto of_q = [&](auto& values) { return View(values, s.n, s.heads * s.d); };
    const auto of_k = [&](auto& values) { return View(values, s.n, s.kv_heads * s.d); };
    SoftmaxAttentionBackward({of_q(in.q), of_k(in.k), of_k(in.v), of_q(out), View(lse, s.n, s.heads), of_q(dout),
                              of_q(dq), of_k(dk), of_k(dv)},
                             DocumentsAt(starts), s.heads, s.kv_heads, p);
    dq.insert(dq.end(), dk.begin(), dk.end());
    dq.insert(dq.end(), dv.begin(), dv.end());
    return dq;
  };
  ExpectSameOnAllInstructionSets([&] { return backward(exec); });
  ExecContext one(1);
  const std::vector<float> grads = backward(exec);
  ExpectSameBits(backward(one), grads);
  const int64_t q_size = static_cast<int64_t>(in.q.size()), k_size = static_cast<int64_t>(in.k.size());
  const std::vector<float> dq = Slice(grads, 0, q_size), dk = Slice(grads, q_size, k_size),
                           dv = Slice(grads, q_size + k_size, k_size);
  // The gradient of a kv head gathers its group of query heads.
  for (size_t doc = 0; doc + 1 < starts.size(); ++doc) {
    const int64_t first = starts[doc], rows = starts[doc + 1] - first, group = s.heads / s.kv_heads;
    if (rows == 0) continue;
    for (int64_t kv = 0; kv < s.kv_heads; ++kv) {
      const std::vector<double> k = Head(in.k, first, rows, s.kv_heads, s.d, kv);
      const std::vector<double> v = Head(in.v, first, rows, s.kv_heads, s.d, kv);
      const auto complex = [](const std::vector<double>& x) { return std::vector<Complex>(x.begin(), x.end()); };
      std::vector<double> want_k(k.size()), want_v(v.size());
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
        const std::vector<double> q = Head(in.q, first, rows, s.heads, s.d, h),
                                  w = Head(dout, first, rows, s.heads, s.d, h);
        const std::vector<float> weights(w.begin(), w.end());
        const size_t d = static_cast<size_t>(s.d);
        const auto add = [](std::vector<double>& to, const std::vector<double>& x) {
          for (size_t i = 0; i < to.size(); ++i) to[i] += x[i];
        };
        add(want_k, ComplexStepGradient(
                        [&](const std::vector<Complex>& p) {
                          return WeightedBy(weights, ref::SoftmaxAttention(complex(q), p, complex(v), d));
                        },
                        k));
        add(want_v, ComplexStepGradient(
                        [&](const std::vector<Complex>& p) {
                          return WeightedBy(weights, ref::SoftmaxAttention(complex(q), complex(k), p, d));
                        },
                        v));
        const std::vector<double> got = Head(dq, first, rows, s.heads, s.d, h);
        ExpectClose({got.begin(), got.end()},
                    ComplexStepGradient(
                        [&](const std::vector<Complex>& p) {
                          return WeightedBy(weights, ref::SoftmaxAttention(p, complex(k), complex(v), d));
                        },
                        q),
                    1e-5);
      }
      const std::vector<double> got_k = Head(dk, first, rows, s.kv_heads, s.d, kv);
      const std::vector<double> got_v = Head(dv, first, rows, s.kv_heads, s.d, kv);
      ExpectClose({got_k.begin(), got_k.end()}, want_k, 1e-5);
      ExpectClose({got_v.begin(), got_v.end()}, want_v, 1e-5);
    }
  }
}

// As of whole documents that begin with the continued one's rows.
TEST(SoftmaxAttention, GradientOfContinuedDocuments) {
  const int64_t heads = 4, kv_heads = 2, d = 8, q_step = heads * d, kv_step = kv_heads * d;
  ExecContext exec(2);
  struct Gradient {
    std::vector<float> q, k, v;
  };
  for (const int64_t root : {0, 1, 40, 64, 100, 150}) {
    SCOPED_TRACE(root);
    const std::vector<DocumentRows> documents = {{0, root},       {root, 90, 0},       {root + 90, 1, 0},
                                                 {root + 91, 20}, {root + 111, 30, 0}, {root + 141, 0, 0}};
    const Shape3 shape{root + 141, heads, kv_heads, d};
    const Inputs in(shape, 41);
    const std::vector<float> dout = RandomVector(shape.n * q_step, 44);
    // Outputs and log-sum-exps of all rows, and the gradient of whole documents summed to the rows they are made of.
    std::vector<float> out(in.q.size()), lse(static_cast<size_t>(shape.n * heads));
    std::vector<double> want_q(in.q.size()), want_k(in.k.size()), want_v(in.v.size());
    const auto backward = [&](const Inputs& x, const std::vector<float>& y, const std::vector<float>& l,
                              const std::vector<float>& dy, const std::vector<DocumentRows>& rows) {
      Gradient g{std::vector<float>(x.q.size(), NAN), std::vector<float>(x.k.size(), NAN),
                 std::vector<float>(x.v.size(), NAN)};
      const int64_t m = static_cast<int64_t>(l.size()) / heads;
      const auto of_q = [&](auto& values) { return View(values, m, q_step); };
      const auto of_k = [&](auto& values) { return View(values, m, kv_step); };
      SoftmaxAttentionBackward(
          {of_q(x.q), of_k(x.k), of_k(x.v), of_q(y), View(l, m, heads), of_q(dy), of_q(g.q), of_k(g.k), of_k(g.v)},
          rows, heads, kv_heads, exec);
      return g;
    };
    for (const DocumentRows& document : documents) {
      const int64_t before = document.prefix < 0 ? 0 : root, rows = before + document.rows;
      if (rows == 0) continue;
      const auto whole = [&](const std::vector<float>& values, int64_t step) {
        std::vector<float> x = Slice(values, 0, before * step);
        const std::vector<float> own = Slice(values, document.first * step, document.rows * step);
        x.insert(x.end(), own.begin(), own.end());
        return x;
      };
      Inputs x(Shape3{0, heads, kv_heads, d});
      x.q = whole(in.q, q_step);
      x.k = whole(in.k, kv_step);
      x.v = whole(in.v, kv_step);
      const std::vector<float> both = RunPieces({rows, heads, kv_heads, d}, x, rows, 1);
      const std::vector<float> y = Slice(both, 0, rows * q_step), l = Slice(both, rows * q_step, rows * heads);
      std::copy_n(y.begin() + before * q_step, document.rows * q_step, out.begin() + document.first * q_step);
      std::copy_n(l.begin() + before * heads, document.rows * heads, lse.begin() + document.first * heads);
      std::vector<float> dy = whole(dout, q_step);
      std::fill_n(dy.begin(), before * q_step, 0.0f);
      const Gradient g = backward(x, y, l, dy, {{0, rows}});
      const auto add = [&](const std::vector<float>& from, int64_t step, std::vector<double>& to) {
        for (int64_t i = 0; i < rows * step; ++i) {
          const int64_t at = i < before * step ? i : document.first * step + i - before * step;
          to[static_cast<size_t>(at)] += from[static_cast<size_t>(i)];
        }
      };
      add(g.q, q_step, want_q);
      add(g.k, kv_step, want_k);
      add(g.v, kv_step, want_v);
    }
    const Gradient got = backward(in, out, lse, dout, documents);
    ExpectClose(got.q, want_q, 1e-5);
    ExpectClose(got.k, want_k, 1e-5);
    ExpectClose(got.v, want_v, 1e-5);
  }
}

}  // namespace
}  // namespace fulgur
