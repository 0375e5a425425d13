#include "model/cost.h"

#include <gtest/gtest.h>

#include "model/checkpoint.h"
#include "model/model.h"

namespace fulgur {
namespace {

ModelConfig Config() {
  ModelConfig c;
  c.vocab_size = 40;
  c.hidden_size = 32;
  c.intermediate_size = 24;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.rotary_dim = 4;
  c.num_local_experts = 3;
  c.num_experts_per_tok = 2;
  c.attn_type_list = {AttentionKind::kLightning, AttentionKind::kSoftmax};
  c.Validate("test");
  return c;
}

TEST(Cost, FlopsOfATokenAndOfASequenceInPieces) {
  const ModelConfig config = Config();
  const double active = 2 * static_cast<double>(CountParameters(config).active), hd = 32, d = 8;
  EXPECT_DOUBLE_EQ(ForwardFlops(config, 0, 1), active + 4 * hd + 4 * hd + 4 * hd * d);
  // Token 100: 101 keys in the softmax layer, 37 of its block in the lightning layer.
  EXPECT_DOUBLE_EQ(ForwardFlops(config, 100, 1), active + 4 * hd * 101 + 4 * hd * 37 + 4 * hd * d);
  EXPECT_DOUBLE_EQ(ForwardFlops(config, 0, 300),
                   ForwardFlops(config, 0, 63) + ForwardFlops(config, 63, 66) + ForwardFlops(config, 129, 171));
}

TEST(Cost, TrainingFlopsOfDocuments) {
  const ModelConfig config = Config();
  const double active = static_cast<double>(CountParameters(config).active);
  // One token: a softmax layer (scores and values of one pair) and a lightning layer (one pair, state).
  const DocumentRows one[] = {{0, 1}};
  EXPECT_DOUBLE_EQ(TrainingFlops(config, one), 6 * active + 3 * (4 * 32 + 4 * 32 + 4 * 32 * 8));
  // Documents add up.
  const DocumentRows first[] = {{0, 100}}, second[] = {{0, 200}}, all[] = {{0, 300}};
  const DocumentRows two[] = {{0, 100}, {100, 200}}, continued[] = {{0, 100}, {100, 200, 0}};
  EXPECT_DOUBLE_EQ(TrainingFlops(config, two), TrainingFlops(config, first) + TrainingFlops(config, second));
  // One that continues another is the rest of the whole.
  EXPECT_DOUBLE_EQ(TrainingFlops(config, continued), TrainingFlops(config, all));
}

TEST(Cost, BytesOfADecodingStep) {
  const ModelConfig config = Config();
  ExecContext exec(1);
  Model model(config, RandomParams(config, 1), exec);
  // In float32, and with outputs padded to whole panels of 32.
  const double panel = 32 * 4, expert = 3 * 32 * panel - 8 * panel;  // w1, w3 [24 -> 32, 32], w2 [32, 24]
  const double attention = (3 + 1 + 1) * 32 * panel + (1 + 1 + 1 + 1) * 32 * panel;  // k, v have 16 outputs
  const double norms = 4.0 * (2 * 2 * 32 + 32), routers = 2 * 32 * panel, head = 2 * 32 * panel;
  const auto bytes = [&](int64_t experts, int64_t batch, int64_t length) {
    return BytesOfDecoding(config, model.params(), experts, batch, length);
  };
  EXPECT_DOUBLE_EQ(bytes(0, 1, 0).weights, attention + norms + routers + head);
  EXPECT_DOUBLE_EQ(bytes(4, 1, 0).weights - bytes(0, 1, 0).weights, 4 * expert);
  // Before the first whole block there is no lightning state; the token itself is read again.
  // Of a token the KV cache has 2 heads with a key of 8 and a value of 8, padded to 32.
  EXPECT_DOUBLE_EQ(bytes(0, 1, 10).state, 4 * (2 * 32 * 11 + 2 * (8 + 32) * 11));
  EXPECT_DOUBLE_EQ(bytes(0, 3, 100).state, 3 * 4 * (32 * 8 + 2 * 32 * 37 + 2 * (8 + 32) * 101));
  const auto state = [&](KvFormat format) {
    return BytesOfDecoding(config, model.params(), 0, 3, 100, format).state - 3 * 4 * (32 * 8 + 2 * 32 * 37);
  };
  EXPECT_DOUBLE_EQ(state(KvFormat::kBf16), 3 * 2 * 2 * (8 + 32) * 101);
  EXPECT_DOUBLE_EQ(state(KvFormat::kInt8), 3 * 2 * (8 + 32 + 2 * 4) * 101);  // two scales a head
}

}  // namespace
}  // namespace fulgur
