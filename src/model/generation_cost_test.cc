#include "model/generation_cost.h"

#include <gtest/gtest.h>

#include "model/cost.h"

namespace fulgur {
namespace {

// The published sizes: MiniMax-M1 456B and 45.9B, DeepSeek-R1 671B and 37B, Qwen3-235B-A22B 235B and 22B. The last two
// count embedding and LM head, or the LM head, among the active.
TEST(GenerationCost, ParametersAreThePublishedOnes) {
  const GenerationCost m1 = CostOfModel("M1", MiniMaxM1Dimensions());
  EXPECT_NEAR(m1.parameters, 456e9, 0.5e9);
  EXPECT_NEAR(m1.active, 45.9e9, 0.05e9);
  EXPECT_NEAR(DeepSeekR1Cost(false).parameters, 671e9, 0.5e9);
  EXPECT_NEAR(DeepSeekR1Cost(false).active + 129280.0 * 7168, 37e9, 0.6e9);
  EXPECT_NEAR(Qwen3Cost().parameters, 235e9, 0.5e9);
  EXPECT_NEAR(Qwen3Cost().active + 151936.0 * 4096, 22e9, 0.5e9);
}

// The sum over tokens is what a forward pass over them costs, plus the LM head; over whole blocks it is exact.
TEST(GenerationCost, AgreesWithTheForwardPass) {
  const ModelConfig config = MiniMaxM1Dimensions();
  const double head = 2.0 * 200064 * 6144;
  for (const ModelConfig& c : {config, AllSoftmaxTwin(config)}) {
    const GenerationCost cost = CostOfModel("", c);
    for (const int64_t n : {64, 64 * 1000}) {
      const double expected = ForwardFlops(c, 640, n) + head * static_cast<double>(n);
      EXPECT_NEAR(cost.Flops(640, n), expected, 1e-12 * expected);
    }
    EXPECT_NEAR(cost.Flops(10, 5) - cost.Flops(10, 4), cost.LastTokenFlops(10, 5), 1e-3 * cost.per_pair);
  }
}

TEST(GenerationCost, OnlySoftmaxLayersCostMoreWithLength) {
  const ModelConfig config = MiniMaxM1Dimensions();
  EXPECT_DOUBLE_EQ(CostOfModel("", config).per_pair, 10 * 4 * 8192.0);
  EXPECT_DOUBLE_EQ(CostOfModel("", AllSoftmaxTwin(config)).per_pair, 80 * 4 * 8192.0);
  EXPECT_DOUBLE_EQ(DeepSeekR1Cost(false).per_pair, 61 * 128 * 2 * (192 + 128.0));
  EXPECT_DOUBLE_EQ(DeepSeekR1Cost(true).per_pair, 61 * 128 * 2 * (576 + 512.0));
}

// The report (section 1, figure 1): under half of DeepSeek-R1's arithmetic for 64K generated tokens, about a quarter
// for 100K. Counted here the first holds, over the whole generation; the quarter is reached by the last token of 100K.
TEST(GenerationCost, TheReportsComparison) {
  const GenerationCost m1 = CostOfModel("M1", MiniMaxM1Dimensions()), r1 = DeepSeekR1Cost(false);
  EXPECT_LT(m1.Flops(0, 64000) / r1.Flops(0, 64000), 0.5);
  EXPECT_NEAR(m1.Flops(0, 100000) / r1.Flops(0, 100000), 0.33, 0.02);
  EXPECT_NEAR(m1.LastTokenFlops(0, 100000) / r1.LastTokenFlops(0, 100000), 0.22, 0.02);
}

}  // namespace
}  // namespace fulgur
