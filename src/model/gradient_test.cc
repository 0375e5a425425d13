// The gradient's bits. Its values are held to the reference data by tests/golden_model_test.cc.
#include "model/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "model/checkpoint.h"

namespace fulgur {
namespace {

ModelConfig Config(bool shared_expert, bool postnorm) {
  ModelConfig c;
  c.vocab_size = 60;
  c.hidden_size = 36;
  c.intermediate_size = 20;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 3;
  c.num_key_value_heads = 1;
  c.head_dim = 10;
  c.rotary_dim = 4;
  c.num_local_experts = 5;
  c.num_experts_per_tok = 2;
  c.shared_intermediate_size = shared_expert ? 20 : 0;
  c.attn_type_list = {AttentionKind::kLightning, AttentionKind::kSoftmax, AttentionKind::kLightning};
  c.postnorm = postnorm;
  c.initializer_range = 0.3;
  c.Validate("test");
  return c;
}

// The documents' rows, in all 500, are enough for one and two threads to take whole blocks of rows through the layer's
// operations; with eight threads each operation is split instead.
TEST(Gradient, BitsDoNotDependOnThreadsRecomputationOrCompany) {
  for (const bool shared_expert : {false, true}) {
    const ModelConfig config = Config(shared_expert, !shared_expert);
    Rng rng(3);
    TokenBatch batch;
    for (const int64_t rows : {190, 1, 230, 79}) {
      std::vector<int32_t> document(static_cast<size_t>(rows));
      for (int32_t& id : document) id = static_cast<int32_t>(rng.Below(60));
      batch.AddDocument(document);
    }
    std::vector<std::byte> expected;
    std::vector<float> expected_logprobs;
    for (const int threads : {1, 2, 8}) {
      for (const bool recompute : {false, true}) {
        SCOPED_TRACE(testing::Message() << threads << " threads, recompute " << recompute);
        ExecContext exec(threads);
        Model model(config, RandomParams(config, 5), exec, /*keep_weights=*/true);
        Params grads = ZerosLike(config, model.params());
        Pass pass(model);
        const LossReport report =
            AddGradient(pass, batch, CrossEntropy(batch), {.aux_coef = 0.1, .recompute = recompute}, grads);
        std::vector<std::byte> bytes;
        ForEachParameter(config, grads, [&](const std::string&, Tensor& tensor, const Shape&) {
          bytes.insert(bytes.end(), tensor.raw(), tensor.raw() + tensor.bytes());
        });
        if (expected.empty()) {
          expected = bytes;
          expected_logprobs = report.logprobs;
        }
        EXPECT_TRUE(bytes == expected);
        EXPECT_EQ(report.logprobs, expected_logprobs);
      }
    }
    // Each document alone has the log-probabilities it has in the batch.
    ExecContext exec(2);
    Model model(config, RandomParams(config, 5), exec, /*keep_weights=*/true);
    Pass pass(model);
    for (size_t d = 0; d + 1 < batch.starts.size(); ++d) {
      TokenBatch alone;
      alone.AddDocument(std::span(batch.tokens)
                            .subspan(static_cast<size_t>(batch.starts[d]),
                                     static_cast<size_t>(batch.starts[d + 1] - batch.starts[d])));
      const LossReport report = EvaluateLoss(pass, alone, CrossEntropy(alone));
      for (size_t i = 0; i < report.logprobs.size(); ++i) {
        EXPECT_EQ(report.logprobs[i], expected_logprobs[static_cast<size_t>(batch.starts[d]) + i]);
      }
    }
  }
}

// Documents that continue one have the log-probabilities, bit for bit, and but for rounding the gradient, of documents
// that begin with its tokens.
TEST(Gradient, ContinuedDocuments) {
  const ModelConfig config = Config(/*shared_expert=*/true, /*postnorm=*/true);
  for (const size_t length : {0, 1, 50, 64, 150}) {
    SCOPED_TRACE(length);
    Rng rng(4);
    const auto random = [&](size_t n) {
      std::vector<int32_t> ids(n);
      for (int32_t& id : ids) id = static_cast<int32_t>(rng.Below(60));
      return ids;
    };
    const std::vector<int32_t> prefix = random(length);
    TokenBatch shared, whole;
    shared.AddDocument(prefix, std::vector<uint8_t>(length, 0));
    shared.prefixes.push_back(-1);
    std::vector<int64_t> first;  // row of `whole` at which each continuation begins
    for (const size_t rows : {90, 1, 70, 5}) {
      const std::vector<int32_t> rest = random(rows);
      shared.AddDocument(rest);
      shared.prefixes.push_back(0);
      std::vector<int32_t> all = prefix;
      all.insert(all.end(), rest.begin(), rest.end());
      std::vector<uint8_t> counts(all.size(), 0);
      std::fill(counts.begin() + static_cast<std::ptrdiff_t>(length) + 1, counts.end(), 1);
      first.push_back(static_cast<int64_t>(whole.tokens.size() + length));
      whole.AddDocument(all, counts);
    }
    ASSERT_EQ(shared.targets_counted(), whole.targets_counted());
    const auto run = [&](const TokenBatch& batch, int threads, bool recompute, LossReport& report) {
      ExecContext exec(threads);
      Model model(config, RandomParams(config, 5), exec, /*keep_weights=*/true);
      Params grads = ZerosLike(config, model.params());
      Pass pass(model);
      report = AddGradient(pass, batch, CrossEntropy(batch), {.recompute = recompute}, grads);
      std::vector<float> values;
      ForEachParameter(config, grads, [&](const std::string&, Tensor& tensor, const Shape&) {
        values.insert(values.end(), tensor.values<float>().begin(), tensor.values<float>().end());
      });
      return values;
    };
    LossReport of_shared, of_whole, again;
    const std::vector<float> got = run(shared, 2, false, of_shared), want = run(whole, 2, false, of_whole);
    for (size_t c = 0; c < first.size(); ++c) {
      for (int64_t t = shared.starts[c + 1]; t < shared.starts[c + 2]; ++t) {
        EXPECT_EQ(of_shared.logprobs[static_cast<size_t>(t)],
                  of_whole.logprobs[static_cast<size_t>(first[c] + t - shared.starts[c + 1])]);
      }
    }
    double largest = 0, difference = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(want[i])));
      difference = std::max(difference, std::abs(static_cast<double>(got[i]) - want[i]));
    }
    EXPECT_GT(largest, 0);
    EXPECT_LT(difference, 1e-5 * largest);
    EXPECT_EQ(run(shared, 1, true, again), got);
    EXPECT_EQ(run(shared, 8, false, again), got);
  }
}

// At temperature 2 the log-probabilities and gradients are those of a model whose head is half as large, where dividing
// by 2 is exact.
TEST(Gradient, TemperatureIsASmallerHead) {
  const ModelConfig config = Config(false, false);
  Rng rng(4);
  TokenBatch batch;
  std::vector<int32_t> document(70);
  for (int32_t& id : document) id = static_cast<int32_t>(rng.Below(60));
  batch.AddDocument(document);
  const auto gradient = [&](float temperature, float head, Params* grads) {
    ExecContext exec(2);
    Params params = RandomParams(config, 5);
    for (float& w : params.lm_head.weight.values<float>()) w *= head;
    Model model(config, std::move(params), exec, /*keep_weights=*/true);
    *grads = ZerosLike(config, model.params());
    Pass pass(model);
    batch.temperature = temperature;
    return AddGradient(pass, batch, CrossEntropy(batch), {.entropies = true}, *grads);
  };
  Params warm, small;
  const LossReport a = gradient(2, 1, &warm), b = gradient(1, 0.5f, &small);
  EXPECT_EQ(a.logprobs, b.logprobs);
  EXPECT_EQ(a.entropies, b.entropies);
  ForEachParameter(config, small, [&](const std::string& name, Tensor& tensor, const Shape&) {
    if (name == "lm_head.weight") {
      for (float& g : tensor.values<float>()) g /= 2;
    }
  });
  std::vector<Tensor> of_small;
  ForEachParameter(config, small,
                   [&](const std::string&, Tensor& tensor, const Shape&) { of_small.push_back(tensor); });
  size_t n = 0;
  ForEachParameter(config, warm, [&](const std::string& name, Tensor& tensor, const Shape&) {
    EXPECT_EQ(std::memcmp(tensor.raw(), of_small[n++].raw(), tensor.bytes()), 0) << name;
  });
}

// Tokens that were filtered away have no probability, and no gradient comes to their rows of the head from there.
TEST(Gradient, FilteredTokensHaveNoPart) {
  const ModelConfig config = Config(false, false);
  TokenBatch batch;
  const std::vector<int32_t> document = {3, 9, 9, 4};
  batch.AddDocument(document);
  batch.kept = {{9, 20}, {9}, {}, {}};  // the third predicts 4 among all
  ExecContext exec(1);
  Model model(config, RandomParams(config, 5), exec, /*keep_weights=*/true);
  std::vector<SequenceState> states;
  states.push_back(model.NewState());
  Pass pass(model);
  const std::vector<Segment> segments = {{&states[0], document}};
  const std::span<const float> logits = pass.Forward(segments, LogitRows::kAll);
  const double z9 = logits[9], z20 = logits[20];
  Params grads = ZerosLike(config, model.params());
  const RowLoss first_two = [](std::span<const float>, std::span<float> grad) {
    grad[0] = grad[1] = 1;
    return 0.0;
  };
  const LossReport report = AddGradient(pass, batch, first_two, {}, grads);
  EXPECT_NEAR(report.logprobs[0], -std::log1p(std::exp(z20 - z9)), 1e-5);
  EXPECT_EQ(report.logprobs[1], 0);  // the only one
  EXPECT_LT(report.logprobs[2], 0);
  const std::span<const float> head = grads.lm_head.weight.values<float>();
  for (size_t token = 0; token < 60; ++token) {
    double sum = 0;
    for (size_t i = 0; i < 36; ++i) sum += std::abs(head[token * 36 + i]);
    EXPECT_EQ(sum > 0, token == 9 || token == 20) << token;
  }
}

}  // namespace
}  // namespace fulgur
