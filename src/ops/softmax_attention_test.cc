#include "ops/softmax_attention.h"

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

// Output, then log-sum-exp, of n rows that arrive in pieces of `chunk`.
std::vector<float> RunPieces(const Shape3& s, const Inputs& in, int64_t chunk, int threads) {
  ThreadPool pool(threads);
  const int64_t blocks = (s.n + kKvBlock - 1) / kKvBlock, size = s.kv_heads * s.d * kKvBlock;
  std::vector<float> cache(static_cast<size_t>(2 * blocks * size)), out(in.q.size());
  std::vector<float> lse(static_cast<size_t>(s.n * s.heads));
  std::vector<KvBlockView> views;
  for (int64_t b = 0; b < blocks; ++b)
    views.push_back({cache.data() + 2 * b * size, cache.data() + (2 * b + 1) * size});
  for (int64_t at = 0; at < s.n; at += chunk) {
    const int64_t rows = std::min(chunk, s.n - at);
    const SoftmaxSegment segment{in.q.data() + at * s.heads * s.d,
                                 in.k.data() + at * s.kv_heads * s.d,
                                 in.v.data() + at * s.kv_heads * s.d,
                                 out.data() + at * s.heads * s.d,
                                 lse.data() + at * s.heads,
                                 rows,
                                 at,
                                 views};
    SoftmaxAttention({&segment, 1}, s.heads, s.kv_heads, s.d, pool);
  }
  out.insert(out.end(), lse.begin(), lse.end());
  return out;
}

std::vector<double> Head(const std::vector<float>& x, int64_t first, int64_t n, int64_t heads, int64_t d, int64_t h) {
  std::vector<double> part;
  for (int64_t t = first; t < first + n; ++t) {
    for (int64_t i = 0; i < d; ++i) part.push_back(x[static_cast<size_t>((t * heads + h) * d + i)]);
  }
  return part;
}

TEST(SoftmaxAttention, MatchesTheReference) {
  for (const Shape3& s : {Shape3{1, 1, 1, 3}, {17, 6, 3, 16}, {64, 4, 1, 32}, {65, 2, 2, 33}, {200, 4, 2, 24}}) {
    const Inputs in(s);
    const std::vector<float> got = RunPieces(s, in, s.n, 2);
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t kv = h / (s.heads / s.kv_heads);
      const std::vector<double> want =
          ref::SoftmaxAttention(Head(in.q, 0, s.n, s.heads, s.d, h), Head(in.k, 0, s.n, s.kv_heads, s.d, kv),
                                Head(in.v, 0, s.n, s.kv_heads, s.d, kv), static_cast<size_t>(s.d));
      const std::vector<double> head = Head(got, 0, s.n, s.heads, s.d, h);
      SCOPED_TRACE(fmt::format("n {} head {}", s.n, h));
      ExpectClose({head.begin(), head.end()}, want, 1e-5);
    }
  }
}

TEST(SoftmaxAttention, SameBitsHoweverRowsArrive) {
  const Shape3 s{210, 6, 3, 20};
  const Inputs in(s);
  const std::vector<float> whole = RunPieces(s, in, s.n, 1);
  for (const int64_t chunk : {1, 5, 16, 63, 64, 65, 130}) {
    SCOPED_TRACE(chunk);
    ExpectSameBits(RunPieces(s, in, chunk, 2), whole);
  }
  ExpectSameOnAllInstructionSets([&] { return RunPieces(s, in, 50, 2); });
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
  ThreadPool pool(2);
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
  const auto backward = [&](ThreadPool& p) {
    std::vector<float> dq(in.q.size(), NAN), dk(in.k.size(), NAN), dv(in.v.size(), NAN);
    SoftmaxAttentionBackward(
        {in.q.data(), in.k.data(), in.v.data(), out.data(), lse.data(), dout.data(), dq.data(), dk.data(), dv.data()},
        starts, s.heads, s.kv_heads, s.d, p);
    dq.insert(dq.end(), dk.begin(), dk.end());
    dq.insert(dq.end(), dv.begin(), dv.end());
    return dq;
  };
  ExpectSameOnAllInstructionSets([&] { return backward(pool); });
  ThreadPool one(1);
  const std::vector<float> grads = backward(pool);
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

}  // namespace
}  // namespace fulgur
