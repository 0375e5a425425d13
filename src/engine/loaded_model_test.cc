#include "engine/loaded_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "engine/test_util.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using testing_engine::SmallConfig;
using testing_engine::SmallTokenizer;

class DefaultsTest : public ::testing::Test {
 protected:
  GenerationDefaults Read() { return GenerationDefaults::FromFolder(dir_, config_, tokenizer_); }
  void Write(const char* file, const char* text) { WriteFileAtomic(dir_ / file, text); }

  TestFolder folder_;
  const std::filesystem::path& dir_ = folder_.path();
  ModelConfig config_ = SmallConfig();
  Tokenizer tokenizer_ = SmallTokenizer();
};

TEST_F(DefaultsTest, WithoutFiles) {
  const GenerationDefaults d = Read();
  EXPECT_THAT(d.stop_tokens, ElementsAre(testing_engine::kEndOfSentence));
  EXPECT_EQ(d.sampling.temperature, 1);
  EXPECT_EQ(d.sampling.top_p, 0.95);
}

TEST_F(DefaultsTest, StopTokensComeFromTheFirstPlaceThatHasThem) {
  Write("tokenizer_config.json", R"({"eos_token": {"content": "<begin_of_document>"}})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(262));
  Write("tokenizer_config.json", R"({"eos_token": "<beginning_of_sentence>"})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(263));
  config_.eos_token_ids = {263};
  EXPECT_THAT(Read().stop_tokens, ElementsAre(263));
  Write("generation_config.json", R"({"eos_token_id": [9, 263, 3]})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(3, 9, 263));
  Write("generation_config.json", R"({"eos_token_id": 11})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(11, 263));
}

TEST_F(DefaultsTest, RefusesTheEndOfAnotherTokenizer) {
  Write("tokenizer_config.json", R"({"eos_token": "<beginning_of_sentence>"})");
  config_.eos_token_ids = {7, 8};
  try {
    Read();
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(
        e.what(),
        ::testing::HasSubstr("eos_token_id is 7, 8, but in the tokenizer the end is \"<beginning_of_sentence>\", which "
                             "has id 263"));
  }
  Write("generation_config.json", R"({"eos_token_id": 263})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(7, 8, 263));
  Write("generation_config.json", "{}");
  Write("tokenizer_config.json", R"({"eos_token": "not a token"})");
  EXPECT_THAT(Read().stop_tokens, ElementsAre(7, 8));
}

TEST_F(DefaultsTest, Sampling) {
  Write("generation_config.json", R"({"temperature": 0.6, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.1})");
  SamplingParams s = Read().sampling;
  EXPECT_EQ(s.temperature, 0.6);
  EXPECT_EQ(s.top_k, 20);
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.repetition_penalty, 1.1);
  Write("generation_config.json", R"({"do_sample": false, "temperature": 0.6})");
  EXPECT_EQ(Read().sampling.temperature, 0);
}

TEST_F(DefaultsTest, ErrorsNameTheFile) {
  for (const char* bad : {R"({"eos_token_id": "x"})", R"({"eos_token_id": [1, -2]})", R"({"eos_token_id": 1.5})",
                          R"({"top_p": 3})", R"({"temperature": "hot"})", R"([])", "{"}) {
    Write("generation_config.json", bad);
    try {
      Read();
      ADD_FAILURE() << "accepted " << bad;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr("generation_config.json"));
    }
  }
}

TEST_F(DefaultsTest, AFolderThatIsNoModel) {
  ExecContext exec(1);
  EXPECT_THROW(LoadedModel::Load(dir_ / "missing", exec), Error);
  EXPECT_THROW(LoadedModel::Load(dir_, exec), Error);
}

}  // namespace
}  // namespace fulgur
