#include "engine/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/test_util.h"
#include "model/cost.h"

namespace fulgur {
namespace {

TEST(Benchmark, MeasuresEveryCombination) {
  ExecContext exec(2);
  const ModelConfig config = testing_engine::SmallConfig();
  Model model(config, RandomParams(config, 1), exec);
  SpeedOptions options;
  options.depths = {0, 70};
  options.batches = {1, 3};
  options.prompt = 20;
  options.generate = 4;
  options.repeat = 2;
  options.chunk = 33;
  int64_t calls = 0;
  const std::vector<BenchmarkPoint> points = RunBenchmark(model, options, [&](const BenchmarkPoint&) { ++calls; });
  ASSERT_EQ(points.size(), 6u);
  EXPECT_EQ(calls, 6);
  const int64_t k = config.num_experts_per_tok * config.num_hidden_layers;
  for (size_t i = 0; i < points.size(); ++i) {
    const BenchmarkPoint& p = points[i];
    SCOPED_TRACE(p.ToJson().dump());
    EXPECT_EQ(p.depth, i < 3 ? 0 : 70);
    EXPECT_EQ(p.decode, i % 3 != 0);
    EXPECT_EQ(p.batch, i % 3 == 2 ? 3 : 1);
    EXPECT_EQ(p.tokens, p.decode ? 4 * p.batch : 20);
    EXPECT_GT(p.seconds, 0);
    EXPECT_GT(p.limit, 0);
    EXPECT_GT(p.share, 0);
    if (p.decode && i >= 3) {
      EXPECT_DOUBLE_EQ(p.expected_seconds, points[i - 3].seconds * p.bytes / points[i - 3].bytes);
    } else {
      EXPECT_EQ(p.expected_seconds, 0);
    }
    if (!p.decode) {
      EXPECT_EQ(p.flops, ForwardFlops(config, p.depth, 20));
    } else if (p.batch == 1) {  // one sequence: k experts of each layer
      double bytes = 0;
      for (int64_t s = 0; s < 4; ++s) bytes += BytesOfDecoding(config, model.params(), k, 1, p.depth + s).total();
      EXPECT_DOUBLE_EQ(p.bytes, bytes);
    } else {  // at least those of one sequence, at most all
      EXPECT_GT(p.bytes, points[i - 1].bytes);
      EXPECT_LE(p.bytes, 4 * BytesOfDecoding(config, model.params(),
                                             config.num_local_experts * config.num_hidden_layers, 3, p.depth + 4)
                                 .total());
    }
  }
}

TEST(Benchmark, DraftsOfATextThatRepeatsItselfAreRight) {
  ExecContext exec(2);
  const ModelConfig config = testing_engine::SmallConfig();
  Model model(config, RandomParams(config, 1), exec);
  SpeedOptions options;
  options.depths = {0, 70};
  options.generate = 500;
  options.repeat = 1;
  options.draft = 8;
  options.batches = {};
  options.prompt = 0;
  std::vector<DraftingPoint> points;
  const auto run = [&] {
    points.clear();
    RunBenchmark(
        model, options, [](const BenchmarkPoint&) {}, nullptr,
        [&](const DraftingPoint& point) { points.push_back(point); });
  };
  run();
  ASSERT_EQ(points.size(), 4u);
  for (size_t i = 0; i < points.size(); ++i) {
    const DraftingPoint& p = points[i];
    SCOPED_TRACE(p.ToJson().dump());
    EXPECT_EQ(p.depth, i < 2 ? 0 : 70);
    EXPECT_EQ(p.repeats, i % 2 == 0);
    EXPECT_EQ(p.passes + p.accepted, 500);
    EXPECT_LE(p.drafted, 8 * p.passes);
    if (p.repeats) {
      EXPECT_EQ(p.accepted, p.drafted);
    } else {
      EXPECT_LT(p.accepted, 20);
    }
  }
  options.draft = 0;
  run();
  EXPECT_TRUE(points.empty());
}

TEST(Benchmark, BadOptions) {
  ExecContext exec(1);
  ModelConfig config = testing_engine::SmallConfig();
  config.max_position_embeddings = 1000;
  Model model(config, RandomParams(config, 1), exec);
  const auto error = [&](const SpeedOptions& options) -> std::string {
    try {
      RunBenchmark(model, options, [](const BenchmarkPoint&) {});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error({.depths = {600}}), testing::HasSubstr("1112 tokens; the model's context is 1000"));
  EXPECT_THAT(error({.batches = {0}}), testing::HasSubstr("batch must be at least 1, found 0"));
  EXPECT_THAT(error({.repeat = 0}), testing::HasSubstr("repeat"));
}

}  // namespace
}  // namespace fulgur
