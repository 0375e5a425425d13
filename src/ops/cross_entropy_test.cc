#include "ops/cross_entropy.h"

#include <cmath>
#include <limits>

#include "ops/complex_step.h"
#include "ops/cross_entropy_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Problem {
  int64_t m, v;
  std::vector<float> logits, grad;
  std::vector<int32_t> targets;
  Problem(int64_t rows, int64_t vocabulary)
      : m(rows), v(vocabulary), logits(RandomVector(m * v, 1, 3)), grad(RandomVector(m, 2)) {
    Rng rng(3);
    for (int64_t r = 0; r < m; ++r) {
      targets.push_back(r % 5 == 3 ? -100 : static_cast<int32_t>(rng.Below(static_cast<uint64_t>(v))));
    }
  }

  // logprobs, entropies, dlogits in one vector.
  std::vector<float> Run(int threads) const {
    ExecContext exec(threads);
    std::vector<float> logprobs(static_cast<size_t>(m)), entropies(logprobs), dlogits(logits.size());
    LogProbs(View(logits, m, v), targets, logprobs, entropies, exec);
    LogProbsBackward(View(logits, m, v), targets, grad, View(dlogits, m, v), exec);
    for (const auto* part : {&entropies, &dlogits}) logprobs.insert(logprobs.end(), part->begin(), part->end());
    return logprobs;
  }
};

TEST(CrossEntropy, ForwardAndBackwardMatchTheReference) {
  for (int64_t v : {2, 7, 16, 33, 100, 1000}) {
    SCOPED_TRACE(v);
    const Problem p(6, v);
    const std::vector<float> result = p.Run(1);
    std::vector<double> logprobs, entropies, dlogits;
    for (int64_t r = 0; r < p.m; ++r) {
      const std::vector<float> row = Slice(p.logits, r * v, v);
      const int32_t target = p.targets[static_cast<size_t>(r)];
      entropies.push_back(ref::Entropy(As(row)));
      EXPECT_NEAR(LogSumExp(row.data(), v), ref::LogSumExp(As(row)), 2e-6);
      if (target < 0) {
        logprobs.push_back(0);
        dlogits.insert(dlogits.end(), row.size(), 0.0);
        continue;
      }
      logprobs.push_back(ref::LogProb(As(row), target));
      const double g = p.grad[static_cast<size_t>(r)];
      const auto f = [&](const std::vector<Complex>& x) { return g * ref::LogProb(x, target); };
      for (double d : ComplexStepGradient(f, As(row))) dlogits.push_back(d);
    }
    ExpectClose(Slice(result, 0, p.m), logprobs, 1e-6);
    ExpectClose(Slice(result, p.m, p.m), entropies, 2e-6);
    ExpectClose(Slice(result, 2 * p.m, p.m * v), dlogits, 1e-6);
  }
}

TEST(CrossEntropy, OneTokenIsCertain) {
  const float logit = 5;
  EXPECT_EQ(LogProb(&logit, 1, 0), 0);
  EXPECT_EQ(LogSumExp(&logit, 1), 5);
}

TEST(CrossEntropy, TokensThatCannotCome) {
  ExecContext exec(1);
  std::vector<float> logits = {-kInfinity, 2, -kInfinity, 2}, dlogits(4);
  EXPECT_FLOAT_EQ(LogProb(logits.data(), 4, 1), -std::log(2.0f));
  EXPECT_EQ(LogProb(logits.data(), 4, 0), -kInfinity);
  const int32_t target = 1;
  const float grad = 1;
  float logprob, entropy;
  LogProbs(Row(logits), {&target, 1}, {&logprob, 1}, {&entropy, 1}, exec);
  EXPECT_FLOAT_EQ(entropy, std::log(2.0f));
  LogProbsBackward(Row(logits), {&target, 1}, {&grad, 1}, Row(dlogits), exec);
  EXPECT_THAT(dlogits, testing::ElementsAre(0, 0.5f, 0, -0.5f));
}

TEST(CrossEntropy, NotANumberIsNotHidden) {
  for (const std::vector<float>& logits : {std::vector<float>{1, std::nanf(""), 2}, {1, kInfinity, 2}}) {
    EXPECT_TRUE(std::isnan(LogProb(logits.data(), 3, 0)));
    EXPECT_TRUE(std::isnan(LogSumExp(logits.data(), 3)));
  }
}

TEST(CrossEntropy, SamplingAndTrainingGetTheSameBits) {
  const Problem p(40, 1000);
  const std::vector<float> batch = p.Run(2);
  for (int64_t r = 0; r < p.m; ++r) {
    const int32_t target = p.targets[static_cast<size_t>(r)];
    if (target < 0) continue;
    for (int64_t offset = 0; offset < 3; ++offset) {
      std::vector<float> row(static_cast<size_t>(offset));
      row.insert(row.end(), p.logits.begin() + r * p.v, p.logits.begin() + (r + 1) * p.v);
      ExpectSameBits({LogProb(&row[static_cast<size_t>(offset)], p.v, target)}, Slice(batch, r, 1));
    }
    // Whether the entropy is wanted as well makes no difference.
    ExecContext exec(1);
    float logprob;
    LogProbs(View(p.logits, p.m, p.v).Rows({r, 1}), {&target, 1}, {&logprob, 1}, {}, exec);
    ExpectSameBits({logprob}, Slice(batch, r, 1));
  }
}

TEST(CrossEntropy, TemperedAndFiltered) {
  std::vector<float> all = {1, 3, -2, 2.5f}, some = all;
  TemperLogits(all.data(), 4, 0.5f, {});
  EXPECT_THAT(all, testing::ElementsAre(0.5f, 1.5f, -1, 1.25f));
  const std::vector<int32_t> kept = {1, 3};
  TemperLogits(some.data(), 4, 2, kept);
  EXPECT_THAT(some, testing::ElementsAre(-kInfinity, 6, -kInfinity, 5));
  EXPECT_FLOAT_EQ(LogProb(some.data(), 4, 3), static_cast<float>(-std::log(1 + std::exp(1.0))));
}

TEST(CrossEntropy, BackwardMayOverwriteTheLogits) {
  ExecContext exec(2);
  const Problem p(40, 1000);
  std::vector<float> x = p.logits;
  LogProbsBackward(View(x, p.m, p.v), p.targets, p.grad, View(x, p.m, p.v), exec);
  ExpectSameBits(x, Slice(p.Run(1), 2 * p.m, p.m * p.v));
}

TEST(CrossEntropy, SameBitsWithAnyNumberOfThreadsAndOnAllInstructionSets) {
  for (int64_t v : {2, 7, 16, 33, 100, 1000, 9001}) {
    SCOPED_TRACE(v);
    const Problem p(40000 / v, v);
    ExpectSameBits(p.Run(2), p.Run(1));
    ExpectSameOnAllInstructionSets([&p] { return p.Run(1); });
  }
}

TEST(CrossEntropy, PrecisionHoldsAtTheFullVocabulary) {
  const int64_t v = 200064;
  const std::vector<float> logits = RandomVector(v, 1, 3);
  EXPECT_NEAR(LogProb(logits.data(), v, 77), ref::LogProb(As(logits), 77), 3e-6);
}

}  // namespace
}  // namespace fulgur
