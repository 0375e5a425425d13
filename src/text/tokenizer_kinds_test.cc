// Files built as the tokenizers of other model families are, against what the Hugging Face library makes of them
// (tests/data/tokenizers/README.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const std::filesystem::path kFolder = std::filesystem::path(FULGUR_SOURCE_DIR) / "tests/data/tokenizers";
constexpr auto kRecognised = Tokenizer::Special::kRecognised;
constexpr auto kPlainText = Tokenizer::Special::kPlainText;

Tokenizer Of(const std::string& name) { return Tokenizer::FromFile(kFolder / (name + ".json")); }
Json FileOf(const std::string& name) { return ReadJsonFile(kFolder / (name + ".json")); }

class TokenizerKinds : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerKinds, AgreesWithTheReference) {
  const Tokenizer t = Of(GetParam());
  const std::string lines = ReadFile(kFolder / "golden.jsonl");
  int count = 0;
  for (size_t begin = 0; begin < lines.size(); ++count) {
    const size_t end = lines.find('\n', begin);
    const Json line = ParseJson(lines.substr(begin, end - begin), "golden.jsonl");
    begin = end + 1;
    const std::string text = line["text"];
    const auto ids = line["ids"][GetParam()].get<std::vector<int32_t>>();
    const std::string decoded = line["decoded"].value(GetParam(), text);
    EXPECT_EQ(t.Encode(text, kRecognised), ids) << line["text"];
    EXPECT_EQ(t.Decode(ids, /*skip_special=*/false), decoded) << line["text"];
    StreamDecoder stream(t, /*skip_special=*/false);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.Push(id);
    EXPECT_EQ(streamed + stream.Flush(), decoded) << line["text"];
  }
  EXPECT_GE(count, 70);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerKinds,
                         ::testing::Values("qwen3", "llama3", "gpt4o", "deepseek", "gpt2-prefix-space",
                                           "nfkc-lowercase", "split-behaviors", "llama2", "llama2-normalized-tokens",
                                           "mistral", "gemma", "metaspace"));

TEST(TokenizerKinds, TemplateProcessingGivesTheEndsOfAText) {
  const Tokenizer llama = Of("llama3");
  const int32_t begin = *llama.Id("<|begin_of_text|>");
  EXPECT_THAT(llama.begin_ids(), ElementsAre(begin));
  EXPECT_THAT(llama.end_ids(), ElementsAre());
  const std::vector<int32_t> text = llama.Encode("Hello", kRecognised);
  std::vector<int32_t> prompt = {begin};
  prompt.insert(prompt.end(), text.begin(), text.end());
  EXPECT_EQ(llama.EncodePrompt("Hello"), prompt);
  EXPECT_EQ(llama.EncodePrompt("<|begin_of_text|>Hello"), prompt) << "one beginning is enough";
  EXPECT_THAT(Of("nfkc-lowercase").begin_ids(), ElementsAre());
  EXPECT_THAT(Of("nfkc-lowercase").end_ids(), ElementsAre(*Of("nfkc-lowercase").Id("<|endoftext|>")));
  EXPECT_THAT(Of("qwen3").EncodePrompt("a"), ElementsAreArray(Of("qwen3").Encode("a", kRecognised)));
}

TEST(TokenizerKinds, IdsMayHaveGaps) {
  Json file = FileOf("gpt4o");
  const Tokenizer t = Of("gpt4o");
  const int32_t end = *t.Id("<|endoftext|>"), last = *t.Id("<|endofprompt|>");
  EXPECT_EQ(t.vocab_size(), last + 1);
  for (int32_t id = end + 1; id < last; ++id) {
    EXPECT_EQ(t.Bytes(id), "");
    EXPECT_FALSE(t.IsAdded(id));
  }
  EXPECT_EQ(t.Decode(std::vector<int32_t>{end, end + 1, last, last + 1, -1}, false), "<|endoftext|><|endofprompt|>");
  // Not in the vocabulary: the ids are the file's own all the same.
  for (const char* token : {"<|endoftext|>", "<|endofprompt|>"}) file["model"]["vocab"].erase(token);
  const Tokenizer listed = Tokenizer::FromJson(file.dump(), "t");
  EXPECT_THAT(listed.Encode("<|endoftext|><|endofprompt|>", kRecognised), ElementsAre(end, last));
  EXPECT_EQ(listed.vocab_size(), last + 1);
  // A gap in the vocabulary.
  const int64_t far = 100'000;
  file["model"]["vocab"]["\u0120zzz"] = far;
  EXPECT_EQ(Tokenizer::FromJson(file.dump(), "t").vocab_size(), far + 1);
  file["model"]["vocab"]["\u0120zzz"] = int64_t{1} << 24;
  EXPECT_THROW(Tokenizer::FromJson(file.dump(), "t"), Error);
}

TEST(TokenizerKinds, OnlyMarkedTextBecomesAddedTokens) {
  for (const char* name : {"llama2", "llama2-normalized-tokens", "mistral"}) {
    const Tokenizer t = Of(name);
    const std::string text = "<s>Hi</s><s>";
    const auto count = [&](const std::vector<int32_t>& ids) {
      return std::count_if(ids.begin(), ids.end(), [&](int32_t id) { return t.IsSpecial(id); });
    };
    EXPECT_EQ(count(t.Encode(text, kPlainText)), 0) << name;
    EXPECT_EQ(count(t.Encode(text, Tokenizer::Ranges())), 0) << name;
    const std::vector<std::pair<size_t, size_t>> all = {{0, text.size()}}, first = {{0, 3}}, part = {{0, 2}, {3, 8}};
    EXPECT_EQ(t.Encode(text, all), t.Encode(text, kRecognised)) << name;
    EXPECT_EQ(count(t.Encode(text, first)), 1) << name;
    EXPECT_EQ(count(t.Encode(text, part)), 0) << name;
  }
  // With a token in the middle, the text around it is what it would be without marks.
  const Tokenizer t = Of("qwen3");
  const std::string text = "e\u0301a<|im_end|>\ne\u0301 <|im_end|>";
  const std::vector<std::pair<size_t, size_t>> marked = {{4, 14}};
  const std::vector<int32_t> ids = t.Encode(text, marked);
  EXPECT_EQ(ids[3], *t.Id("<|im_end|>"));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), ids[3]), 1);
  EXPECT_EQ(t.Decode(ids, false), "\u00e9a<|im_end|>\n\u00e9 <|im_end|>");
}

TEST(TokenizerKinds, TokensOfCharactersStandForText) {
  const Tokenizer t = Of("llama2");
  EXPECT_EQ(t.Bytes(3 + 0x0A), "\n");
  EXPECT_EQ(t.Bytes(3 + 0xE4), "\xE4");
  EXPECT_EQ(t.Bytes(*t.Id("\u2581the")), " the");
  const std::vector<int32_t> ids = t.Encode("the the", kPlainText);
  EXPECT_EQ(t.Decode(ids, false), "the the");
  StreamDecoder continued(t, /*skip_special=*/true, /*begins=*/false);
  std::string text;
  for (const int32_t id : ids) text += continued.Push(id);
  EXPECT_EQ(text, " the the") << "what goes on with a text keeps its space";
  // Bytes that are no characters.
  EXPECT_EQ(t.Decode(t.Encode("a\xFF\xE4z", kPlainText), false), "a\uFFFD\uFFFDz");
}

std::string ErrorWith(const std::string& name, const char* pointer, const Json& value) {
  Json file = FileOf(name);
  file[Json::json_pointer(pointer)] = value;
  try {
    Tokenizer::FromJson(file.dump(), "t.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(TokenizerKinds, NamesWhatItCannotUse) {
  EXPECT_THAT(ErrorWith("qwen3", "/normalizer", {{"type", "Precompiled"}}),
              HasSubstr("t.json: normalizer: the normalizer \"Precompiled\" is not supported; known are NFC"));
  EXPECT_THAT(
      ErrorWith("qwen3", "/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "\\w"}}}, {"content", ""}}),
      HasSubstr("normalizer: Replace"));
  EXPECT_THAT(ErrorWith("llama2", "/decoder", nullptr), HasSubstr("decoder: there is none"));
  EXPECT_THAT(ErrorWith("llama2", "/decoder/decoders/3/stop", 1), HasSubstr("decoder: Strip"));
  EXPECT_THAT(ErrorWith("llama2", "/decoder/decoders/0/type", "CTC"), HasSubstr("the decoder \"CTC\""));
  EXPECT_THAT(ErrorWith("llama2", "/decoder", {{"type", "ByteLevel"}}), HasSubstr("no \"ByteLevel\" among"));
  EXPECT_THAT(ErrorWith("llama2", "/model/unk_token", "<none>"), HasSubstr("unk_token is \"<none>\""));
  EXPECT_THAT(ErrorWith("llama2", "/post_processor/single", Json::array()), HasSubstr("one Sequence"));
  EXPECT_THAT(ErrorWith("llama2", "/post_processor/special_tokens/<s>/ids/0", 99999), HasSubstr("no token has"));
  EXPECT_THAT(
      ErrorWith("llama2", "/post_processor/type", "BertProcessing"),
      HasSubstr("the post-processor \"BertProcessing\" is not supported; known are ByteLevel, TemplateProcessing"));
  EXPECT_THAT(ErrorWith("mistral", "/pre_tokenizer/prepend_scheme", "sometimes"), HasSubstr("\"sometimes\""));
  EXPECT_THAT(ErrorWith("mistral", "/pre_tokenizer", {{"type", "Whitespace"}}),
              HasSubstr("the pre-tokenizer \"Whitespace\" is not supported; known are Split"));
  EXPECT_THAT(ErrorWith("mistral", "/pre_tokenizer/replacement", ""), HasSubstr("\"replacement\" is empty"));
}

}  // namespace
}  // namespace fulgur
