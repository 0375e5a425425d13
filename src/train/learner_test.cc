#include "train/learner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/checkpoint.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LearnerTest : public testing::Test {
 protected:
  ExecContext exec{2};
  ModelConfig config = TinyConfig(40);
  Learner learner{std::make_unique<Model>(config, RandomParams(config, 5), exec, true), AdamWOptions{}, true};

  Tensor& Named(Params& params, const std::string& name) {
    for (auto& [n, tensor] : ListTensors(config, params)) {
      if (n == name) return *tensor;
    }
    throw Error("no tensor {}", name);
  }
  void Fill(Params& params, float value) {
    for (auto& [name, tensor] : ListTensors(config, params)) {
      for (float& v : tensor->values<float>()) v = value;
    }
  }
};

TEST_F(LearnerTest, FindsTheFirstThatIsNotFinite) {
  EXPECT_FALSE(FirstNotFinite(config, learner.params(), exec));
  Fill(learner.grads(), std::numeric_limits<float>::max());
  EXPECT_FALSE(FirstNotFinite(config, learner.grads(), exec));
  Named(learner.grads(), "model.norm.weight").f32()[2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(FirstNotFinite(config, learner.grads(), exec)->ToString(), "model.norm.weight[2] is inf");
  Tensor& embedding = Named(learner.grads(), "model.embed_tokens.weight");
  for (const int64_t at : {embedding.size() - 1, int64_t{300}}) {
    embedding.f32()[at] = NAN;
    EXPECT_EQ(FirstNotFinite(config, learner.grads(), exec)->ToString(),
              fmt::format("model.embed_tokens.weight[{}] is NaN", at));
  }
}

TEST_F(LearnerTest, ABadGradientChangesNoWeight) {
  Fill(learner.grads(), 0.5f);
  Named(learner.grads(), "lm_head.weight").f32()[7] = -NAN;
  const std::vector<float> before(learner.params().embedding.f32(), learner.params().embedding.f32() + 100);
  EXPECT_THAT(ErrorOf([&] { learner.Update("step 3", 1.5, 1, 0.1, 1); }),
              AllOf(HasSubstr("step 3: the loss is 1.5"), HasSubstr("the weights are finite"),
                    HasSubstr("in the gradient, lm_head.weight[7] is NaN")));
  EXPECT_EQ(learner.updates(), 0);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), learner.params().embedding.f32()));
  learner.ZeroGradient();
  EXPECT_THAT(ErrorOf([&] { learner.Update("step 3", NAN, 1, 0.1, 1); }),
              HasSubstr("the loss is NaN and the gradient's norm 0: all weights and the gradient are finite"));
}

TEST_F(LearnerTest, AWeightThatOverflowsIsNamed) {
  std::string error = "no error";
  for (int64_t n = 1; n <= 5 && error == "no error"; ++n) {
    Fill(learner.grads(), 1.0f);
    error = ErrorOf([&] { learner.Update(fmt::format("step {}", n), 1, n, 2e38, 0); });
  }
  EXPECT_THAT(error, AllOf(HasSubstr("among the weights after it, model.embed_tokens.weight["), HasSubstr("rate")));
  EXPECT_GT(learner.updates(), 0);
}

TEST_F(LearnerTest, ClipsToTheNorm) {
  Fill(learner.grads(), 0.25f);
  double count = 0;
  for (auto& [name, tensor] : ListTensors(config, learner.grads())) count += static_cast<double>(tensor->size());
  EXPECT_NEAR(learner.Update("step 1", 1, 1, 0.001, 0.5), std::sqrt(count / 16), 1e-9);
  EXPECT_EQ(learner.updates(), 1);
}

}  // namespace
}  // namespace fulgur
