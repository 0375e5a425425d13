#include "ops/moe.h"

#include "ops/test_util.h"

namespace fulgur {
namespace {

constexpr int64_t kTokens = 6, kK = 2, kExperts = 4, kN = 5;
// Expert 1 gets nothing.
const std::vector<int32_t> kChosen = {2, 0, 0, 3, 3, 2, 2, 3, 0, 2, 3, 0};

TEST(Moe, DispatchSortsByExpertAndKeepsTheOrderOfTokens) {
  ExpertDispatch dispatch;
  dispatch.Build(View(kChosen, kTokens, kK), kExperts);
  EXPECT_THAT(dispatch.first, testing::ElementsAre(0, 4, 4, 8, 12));
  EXPECT_THAT(dispatch.token, testing::ElementsAre(0, 1, 4, 5, 0, 2, 3, 4, 1, 2, 3, 5));
  for (int64_t i = 0; i < kTokens * kK; ++i) {
    const int64_t row = dispatch.slot[static_cast<size_t>(i)];
    EXPECT_EQ(dispatch.token[static_cast<size_t>(row)], i / kK);
    const int32_t e = kChosen[static_cast<size_t>(i)];
    EXPECT_GE(row, dispatch.first[static_cast<size_t>(e)]);
    EXPECT_LT(row, dispatch.first[static_cast<size_t>(e) + 1]);
  }
}

// Each function over all tokens, and over two ranges, against sums written out.
TEST(Moe, GatherAndCombineMatchTheReference) {
  ExecContext exec(2);
  ExpertDispatch dispatch;
  dispatch.Build(View(kChosen, kTokens, kK), kExperts);
  const std::vector<float> x = RandomVector(kTokens * kN, 1), expert_out = RandomVector(kTokens * kK * kN, 2);
  const std::vector<float> weights = RandomVector(kTokens * kK, 3), dy = RandomVector(kTokens * kN, 4);
  const auto row = [&](int64_t t, int64_t r) { return dispatch.slot[static_cast<size_t>(t * kK + r)]; };

  for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{0, kTokens}, {0, 1, 4, kTokens}}) {
    std::vector<float> rows(expert_out.size(), -1), y(x.size(), -1), drows(expert_out.size(), -1);
    std::vector<float> dweights(weights.size(), -1), dx(x.size(), 0.5f);
    for (size_t c = 0; c + 1 < cuts.size(); ++c) {
      const RowRange tokens{cuts[c], cuts[c + 1] - cuts[c]}, their_rows{tokens.first * kK, tokens.count * kK};
      const auto of_rows = [&](auto& values) { return View(values, kTokens * kK, kN); };
      const auto of_tokens = [&](auto& values) { return View(values, kTokens, kN); };
      GatherRows(dispatch, of_tokens(x), their_rows, of_rows(rows), exec);
      CombineRows(dispatch, of_rows(expert_out), View(weights, kTokens, kK), tokens, of_tokens(y), exec);
      CombineRowsBackward(dispatch, of_tokens(dy), of_rows(expert_out), View(weights, kTokens, kK), tokens,
                          of_rows(drows), View(dweights, kTokens, kK), exec);
      GatherRowsBackward(dispatch, of_rows(expert_out), tokens, kK, of_tokens(dx), exec);
    }
    for (int64_t i = 0; i < kTokens * kK; ++i) {
      ExpectSameBits(Slice(rows, i * kN, kN), Slice(x, dispatch.token[static_cast<size_t>(i)] * kN, kN));
    }
    for (int64_t t = 0; t < kTokens; ++t) {
      std::vector<double> sum(kN, 0.0), dsum(kN, 0.5);
      for (int64_t r = 0; r < kK; ++r) {
        const double w = weights[static_cast<size_t>(t * kK + r)];
        std::vector<double> expected;
        double dot = 0;
        for (int64_t i = 0; i < kN; ++i) {
          const double out = expert_out[static_cast<size_t>(row(t, r) * kN + i)];
          const double d = dy[static_cast<size_t>(t * kN + i)];
          sum[static_cast<size_t>(i)] += w * out;
          dsum[static_cast<size_t>(i)] += out;
          expected.push_back(w * d);
          dot += d * out;
        }
        ExpectClose(Slice(drows, row(t, r) * kN, kN), expected, 1e-6);
        EXPECT_NEAR(dweights[static_cast<size_t>(t * kK + r)], dot, 1e-5);
      }
      ExpectClose(Slice(y, t * kN, kN), sum, 1e-6);
      ExpectClose(Slice(dx, t * kN, kN), dsum, 1e-6);
    }
  }
}

}  // namespace
}  // namespace fulgur
