#include "model/weight_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/generation_cost.h"
#include "model/memory_plan.h"

namespace fulgur {
namespace {

TEST(WeightPlan, MiniMaxM1InFourBits) {
  const ModelConfig m1 = MiniMaxM1Dimensions();
  const WeightPlan plan = PlanWeights(m1, {WeightFormat::kQ4, {}, {}});
  // By hand: 80 layers of 32 experts with three matrices of 6144 x 9216, 0.5625 bytes a weight.
  EXPECT_EQ(plan.experts, static_cast<int64_t>(80LL * 32 * 3 * 6144 * 9216 * 0.5625));
  // 70 lightning layers: 5 HD C with HD = 64 * 128; 10 softmax layers: 2 HD C and 2 of 8 * 128 * C.
  const int64_t hd = 8192, c = 6144, kd = 1024;
  EXPECT_EQ(plan.attention, static_cast<int64_t>(0.5625 * (70.0 * 5 * hd * c + 10.0 * (2 * hd * c + 2 * kd * c))));
  EXPECT_EQ(plan.lm_head, 200064 * c * 2);
  EXPECT_EQ(plan.embedding, 200064 * c * 2);
  EXPECT_NEAR(static_cast<double>(plan.total()), 260.1e9, 0.1e9);  // 456B parameters, of which 2.5B stay in 16 bits
  EXPECT_EQ(plan.per_token, plan.experts / 16 + plan.attention + plan.lm_head + plan.other);
  // The attention in eight bits costs as much as half a byte a weight more.
  const WeightPlan mixed = PlanWeights(m1, {WeightFormat::kQ4, {}, WeightFormat::kQ8});
  EXPECT_EQ(mixed.experts, plan.experts);
  EXPECT_NEAR(static_cast<double>(mixed.attention) / static_cast<double>(plan.attention), 1.0625 / 0.5625, 1e-9);
}

TEST(WeightPlan, WhatFitsAndHowFast) {
  const ModelConfig m1 = MiniMaxM1Dimensions();
  PlanQuestion q;
  q.recipe = {"q4", {WeightFormat::kQ4, {}, {}}};
  q.contexts = {4096, 1000000};
  q.memory = 512e9;
  q.bandwidth = 400e9;
  const Json plan = AnswerPlan(m1, q);
  const Json& row = plan["contexts"][0];
  const MemoryPlan memory = PlanMemory(m1, 4096, KvFormat::kBf16Dot);
  EXPECT_EQ(row["total"], plan["weights"]["total"].get<int64_t>() + memory.total());
  EXPECT_DOUBLE_EQ(row["tokens_per_second"].get<double>(), 400e9 / row["bytes_per_token"].get<double>());
  EXPECT_TRUE(row["fits"].get<bool>());
  EXPECT_GT(plan["contexts"][1]["bytes_per_token"], row["bytes_per_token"]);
  EXPECT_THAT(PlanText(plan), testing::HasSubstr("tokens/s at most"));
  // The longest context is the last that fits.
  q.memory = 300e9;
  const auto longest = AnswerPlan(m1, q)["memory"]["longest_context"].get<int64_t>();
  const auto needs = [&](int64_t context) {
    return static_cast<double>(PlanWeights(m1, q.recipe->recipe).total() +
                               PlanMemory(m1, context, KvFormat::kBf16Dot).total());
  };
  const double usable = 0.96 * 300e9;  // the rest is for the system
  EXPECT_LE(needs(longest), usable);
  if (longest < m1.max_position_embeddings) {
    EXPECT_GT(needs(longest + 64), usable);
  }
  q.memory = 200e9;
  const Json small = AnswerPlan(m1, q);
  EXPECT_EQ(small["memory"]["longest_context"], 0);
  EXPECT_LT(small["memory"]["left"].get<double>(), 0);
  EXPECT_THAT(PlanText(small), testing::HasSubstr("fits not"));
}

// What people's machines have: 128K tokens and room for the system beside the weights.
TEST(WeightPlan, MiniMaxM1In256And192GB) {
  const ModelConfig m1 = MiniMaxM1Dimensions();
  PlanQuestion q;
  q.contexts = {131072};
  int64_t before = INT64_MAX;
  for (const auto& [memory, recipe] : {std::pair{256e9, "m1-256gb"}, std::pair{192e9, "m1-192gb"}}) {
    SCOPED_TRACE(recipe);
    q.memory = memory;
    const Json plan = AnswerPlan(m1, q);
    EXPECT_EQ(plan["recipe"], recipe);
    EXPECT_TRUE(plan["chosen"].get<bool>());
    EXPECT_TRUE(plan["contexts"][0]["fits"].get<bool>());
    EXPECT_GE(plan["memory"]["longest_context"], 131072);
    EXPECT_GE(plan["memory"]["system"].get<double>(), 0.04 * memory);
    EXPECT_GT(plan["error"]["type"], plan["error"]["down"]);
    const int64_t total = plan["weights"]["total"];
    EXPECT_LT(total, before);
    before = total;
    EXPECT_THAT(PlanText(plan), testing::HasSubstr(std::string(recipe) + ", chosen for this memory"));
    EXPECT_THAT(PlanText(plan), testing::HasSubstr("costs "));
  }
  // A terabyte takes the weights as they are; 64 GB take nothing, which is said of the smallest.
  q.memory = 1024e9;
  EXPECT_EQ(AnswerPlan(m1, q)["recipe"], "bf16");
  q.memory = 64e9;
  EXPECT_EQ(AnswerPlan(m1, q)["recipe"], "q2");
  EXPECT_EQ(AnswerPlan(m1, q)["memory"]["longest_context"], 0);
}

TEST(WeightPlan, RecipesSayTheFormatOfEachMatrix) {
  const WeightRecipe recipe = *RecipeFromName("m1-256gb");
  const std::string layer = "model.layers.3.";
  EXPECT_EQ(recipe.Of(layer + "self_attn.qkv_proj.weight"), WeightFormat::kQ8);
  EXPECT_EQ(recipe.Of(layer + "block_sparse_moe.experts.7.w1.weight"), WeightFormat::kQ3);
  EXPECT_EQ(recipe.Of(layer + "block_sparse_moe.experts.7.w2.weight"), WeightFormat::kQ4k);
  EXPECT_EQ(recipe.Of(layer + "shared_mlp.down_proj.weight"), WeightFormat::kQ4k);
  EXPECT_EQ(RecipeFromName("q2")->Of(layer + "self_attn.o_proj.weight"), WeightFormat::kQ2);
  EXPECT_FALSE(RecipeFromName("m1-8gb").has_value());
}

}  // namespace
}  // namespace fulgur
