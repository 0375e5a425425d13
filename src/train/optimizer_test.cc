#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "train/test_util.h"

namespace fulgur {
namespace {

TEST(Schedule, WarmupConstantDecay) {
  Schedule s{.lr = 2.0, .steps = 100, .warmup_steps = 10, .decay_steps = 20, .final_ratio = 0.1};
  EXPECT_DOUBLE_EQ(s.At(1), 0.2);
  EXPECT_DOUBLE_EQ(s.At(5), 1.0);
  EXPECT_DOUBLE_EQ(s.At(10), 2.0);
  EXPECT_DOUBLE_EQ(s.At(11), 2.0);
  EXPECT_DOUBLE_EQ(s.At(80), 2.0);
  EXPECT_DOUBLE_EQ(s.At(90), 2.0 * (0.1 + 0.9 * 0.5));  // half way down the cosine
  EXPECT_NEAR(s.At(100), 0.2, 1e-15);
  s.decay = Schedule::Decay::kLinear;
  EXPECT_DOUBLE_EQ(s.At(85), 2.0 * (0.1 + 0.9 * 0.75));
  EXPECT_NEAR(s.At(100), 0.2, 1e-15);
  s.decay = Schedule::Decay::kSqrt;
  EXPECT_DOUBLE_EQ(s.At(85), 2.0 * (0.1 + 0.9 * 0.5));  // 1 - sqrt(1/4)
  EXPECT_NEAR(s.At(100), 0.2, 1e-15);
}

TEST(Schedule, ConstantWithoutWarmupAndDecay) {
  const Schedule s{.lr = 3.0, .steps = 10};
  for (int64_t step = 1; step <= 10; ++step) EXPECT_DOUBLE_EQ(s.At(step), 3.0);
}

TEST(Schedule, NeverRisesAfterTheWarmup) {
  for (const auto decay : {Schedule::Decay::kCosine, Schedule::Decay::kLinear, Schedule::Decay::kSqrt}) {
    const Schedule s{.lr = 1.0, .steps = 57, .warmup_steps = 3, .decay_steps = 54, .final_ratio = 0, .decay = decay};
    for (int64_t step = 4; step <= 57; ++step) EXPECT_LE(s.At(step), s.At(step - 1)) << step;
    EXPECT_NEAR(s.At(57), 0, 1e-15);
  }
}

// Fills every tensor from (seed, place).
void Fill(const ModelConfig& config, Params& params, uint64_t seed, double scale) {
  Rng rng(seed);
  for (const auto& [name, tensor] : ListTensors(config, params)) {
    for (float& x : tensor->values<float>()) x = static_cast<float>(scale * rng.Normal());
  }
}

struct Trained {
  Params params, grads;
  std::unique_ptr<Optimizer> optimizer;
};

Trained ThreeSteps(const ModelConfig& config, int threads, bool decay_norms, double grad_scale) {
  ExecContext exec(threads);
  Trained run;
  Params shapes;
  ForEachParameter(config, shapes, [](const std::string&, Tensor&, const Shape&) {});
  run.params = ZerosLike(config, shapes);
  run.grads = ZerosLike(config, shapes);
  Fill(config, run.params, 1, 0.1);
  run.optimizer = std::make_unique<Optimizer>(config, run.params, AdamWOptions{}, decay_norms);
  for (int64_t step = 1; step <= 3; ++step) {
    Fill(config, run.grads, 10 + static_cast<uint64_t>(step), 1e-3);
    run.optimizer->Step(run.params, run.grads, step, 1e-2 / static_cast<double>(step), grad_scale, exec);
  }
  return run;
}

TEST(Optimizer, EveryTensorFollowsTheFormula) {
  const ModelConfig config = TinyConfig(64);
  for (const bool decay_norms : {true, false}) {
    Trained run = ThreeSteps(config, 1, decay_norms, 0.5);
    // The same in double, tensor by tensor.
    Params shapes = ZerosLike(config, run.params), start = ZerosLike(config, run.params);
    Fill(config, start, 1, 0.1);
    std::vector<Params> grads;
    for (uint64_t step = 1; step <= 3; ++step) {
      grads.push_back(ZerosLike(config, run.params));
      Fill(config, grads.back(), 10 + step, 1e-3);
    }
    const auto got = ListTensors(config, run.params);
    const auto from = ListTensors(config, start);
    for (size_t i = 0; i < got.size(); ++i) {
      const Shape& shape = got[i].second->shape();
      const double wd = (shape.size() == 1 || shape[0] == 1) && !decay_norms ? 0 : 0.1;
      for (int64_t j = 0; j < got[i].second->size(); ++j) {
        double p = from[i].second->f32()[j], m = 0, v = 0;
        for (int step = 1; step <= 3; ++step) {
          const double lr = 1e-2 / step;
          const double g = 0.5 * ListTensors(config, grads[static_cast<size_t>(step - 1)])[i].second->f32()[j];
          m = 0.9 * m + 0.1 * g;
          v = 0.95 * v + 0.05 * g * g;
          p -= lr * wd * p;
          p -= lr * (m / (1 - std::pow(0.9, step))) / (std::sqrt(v / (1 - std::pow(0.95, step))) + 1e-15);
        }
        ASSERT_NEAR(got[i].second->f32()[j], p, 1e-6) << got[i].first << " " << j;
        if (j > 40) break;  // each tensor in part: the lists above are made anew for each element
      }
    }
  }
}

TEST(Optimizer, BitsDoNotDependOnThreads) {
  const ModelConfig config = TinyConfig(64);
  Trained one = ThreeSteps(config, 1, true, 0.7), three = ThreeSteps(config, 3, true, 0.7);
  ExecContext exec1(1), exec3(3);
  EXPECT_EQ(GlobalNorm(config, one.grads, exec1), GlobalNorm(config, three.grads, exec3));
  for (auto get :
       {+[](Trained& r) -> Params& { return r.params; }, +[](Trained& r) -> Params& { return r.optimizer->m(); },
        +[](Trained& r) -> Params& { return r.optimizer->v(); }}) {
    const auto a = ListTensors(config, get(one)), b = ListTensors(config, get(three));
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(std::memcmp(a[i].second->raw(), b[i].second->raw(), a[i].second->bytes()), 0) << a[i].first;
    }
  }
}

TEST(Optimizer, NormAndZero) {
  const ModelConfig config = TinyConfig(64);
  ExecContext exec(2);
  Trained run = ThreeSteps(config, 2, true, 1);
  double sum = 0;
  for (const auto& [name, tensor] : ListTensors(config, run.grads)) {
    for (const float x : tensor->values<float>()) sum += static_cast<double>(x) * x;
  }
  EXPECT_NEAR(GlobalNorm(config, run.grads, exec), std::sqrt(sum), 1e-9 * std::sqrt(sum));
  SetZero(config, run.grads, exec);
  EXPECT_EQ(GlobalNorm(config, run.grads, exec), 0);
}

}  // namespace
}  // namespace fulgur
