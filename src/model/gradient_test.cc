// The gradient's bits. Its values are held to the reference data by tests/golden_model_test.cc.
#include "model/gradient.h"

#include <gtest/gtest.h>

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
        ThreadPool pool(threads);
        Model model(config, RandomParams(config, 5), pool, /*keep_weights=*/true);
        Params grads = ZerosLike(config, model.params());
        const LossReport report =
            AddGradient(model, batch, CrossEntropy(batch), {.aux_coef = 0.1, .recompute = recompute}, grads);
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
    ThreadPool pool(2);
    Model model(config, RandomParams(config, 5), pool, /*keep_weights=*/true);
    for (size_t d = 0; d + 1 < batch.starts.size(); ++d) {
      TokenBatch alone;
      alone.AddDocument(std::span(batch.tokens)
                            .subspan(static_cast<size_t>(batch.starts[d]),
                                     static_cast<size_t>(batch.starts[d + 1] - batch.starts[d])));
      const LossReport report = EvaluateLoss(model, alone, CrossEntropy(alone));
      for (size_t i = 0; i < report.logprobs.size(); ++i) {
        EXPECT_EQ(report.logprobs[i], expected_logprobs[static_cast<size_t>(batch.starts[d]) + i]);
      }
    }
  }
}

}  // namespace
}  // namespace fulgur
