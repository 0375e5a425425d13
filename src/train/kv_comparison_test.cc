#include "train/kv_comparison.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/loaded_model.h"
#include "envs/task.h"

namespace fulgur {
namespace {

// On the bundled model: narrow formats are close to float32, and none is equal to it.
TEST(KvComparison, NarrowFormatsAreCloseOnTheBundledModel) {
  ThreadPool pool;
  LoadedModel nano = LoadedModel::Load(std::filesystem::path(FULGUR_SOURCE_DIR) / "models/nano", pool);
  const ConversationEncoder encoder(nano.tokenizer, nano.chat_template());
  const std::vector<Example> examples = SolutionExamples(encoder, 1, 3);
  ASSERT_EQ(examples.size(), AllTasks().size());
  const KvFormat before = nano.model->kv_format();
  const std::vector<KvQuality> all = CompareKvFormats(*nano.model, examples);
  EXPECT_EQ(nano.model->kv_format(), before);
  ASSERT_EQ(all.size(), 4u);
  const KvQuality &f32 = all[0], &bf16 = all[1], &dot = all[2], &int8 = all[3];
  EXPECT_EQ(f32.divergence, 0);
  EXPECT_EQ(f32.agreement, 1);
  EXPECT_GT(f32.tokens, 500);
  EXPECT_GT(f32.loss, 0.001);  // a trained model on what it was trained for
  EXPECT_LT(f32.loss, 0.5);
  for (const KvQuality& q : {bf16, dot, int8}) {
    EXPECT_EQ(q.tokens, f32.tokens);
    EXPECT_NE(q.loss, f32.loss);
    EXPECT_NEAR(q.loss, f32.loss, 0.01);
    EXPECT_GT(q.divergence, 0);
    EXPECT_LT(q.divergence, 0.01);
    EXPECT_GT(q.agreement, 0.98);
  }
  EXPECT_EQ(f32.token_bytes, 2 * bf16.token_bytes);
  EXPECT_LT(int8.token_bytes, bf16.token_bytes);
}

}  // namespace
}  // namespace fulgur
