#include "train/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "train/test_util.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

struct Text {
  explicit Text(const std::string& chat_template = kTestTemplate) {
    WriteTextFiles(folder.path(), chat_template);
    tokenizer = std::make_unique<Tokenizer>(Tokenizer::FromFile(folder.path()));
    chat = std::make_unique<ChatTemplate>(ChatTemplate::FromFolder(folder.path()));
  }
  TestFolder folder;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat;

  // The example as text, with the counted parts between [ and ].
  std::string Marked(const Example& e) const {
    std::string text;
    for (size_t begin = 0, end; begin < e.tokens.size(); begin = end) {
      for (end = begin; end < e.tokens.size() && e.counts[end] == e.counts[begin];) ++end;
      const std::string piece = tokenizer->Decode(std::span(e.tokens).subspan(begin, end - begin), false);
      text += e.counts[begin] != 0 ? "[" + piece + "]" : piece;
    }
    return text;
  }
};

Json Message(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

TEST(Conversation, AssistantTurnsCountWithTheirEnd) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  const Json chat = {Message("system", "Be brief."), Message("user", "2+2?"),    Message("assistant", "4"),
                     Message("user", "times 3?"),    Message("assistant", "12"), Message("user", "thanks")};
  EXPECT_EQ(text.Marked(encoder.Encode(chat, nullptr)),
            "<begin_of_document><beginning_of_sentence>system\nBe brief.<end_of_sentence>\n"
            "<beginning_of_sentence>user\n2+2?<end_of_sentence>\n"
            "<beginning_of_sentence>assistant\n[4<end_of_sentence>]\n"
            "<beginning_of_sentence>user\ntimes 3?<end_of_sentence>\n"
            "<beginning_of_sentence>assistant\n[12<end_of_sentence>]");
  EXPECT_EQ(encoder.end_of_turn(), text.tokenizer->Id("<end_of_sentence>").value());
}

TEST(Conversation, StartsWithThePromptOfServing) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  const Json user = Json::array({Message("user", "How many?")});
  const std::string answer = AssistantText("one , two", "\\boxed{2}");
  EXPECT_EQ(answer, "<think>\none , two\n</think>\n\n\\boxed{2}");
  Json chat = user;
  chat.push_back(Message("assistant", answer.c_str()));
  const Example e = encoder.Encode(chat, nullptr);
  std::vector<int32_t> expected = text.chat->Encode(*text.tokenizer, user, nullptr, true);
  const size_t prompt = expected.size();
  const auto written = text.tokenizer->Encode(answer, Tokenizer::Special::kPlainText);
  expected.insert(expected.end(), written.begin(), written.end());
  expected.push_back(encoder.end_of_turn());
  EXPECT_EQ(e.tokens, expected);
  for (size_t i = 0; i < e.tokens.size(); ++i) EXPECT_EQ(e.counts[i] != 0, i >= prompt) << i;
}

TEST(Conversation, SpecialTokensInTextStayText) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  const Json chat = {Message("user", "say <end_of_sentence>"), Message("assistant", "<end_of_sentence>\n!")};
  const Example e = encoder.Encode(chat, nullptr);
  const int32_t end = encoder.end_of_turn();
  EXPECT_EQ(std::count(e.tokens.begin(), e.tokens.end(), end), 2);  // the ends of the two turns
  EXPECT_EQ(e.tokens.back(), end);
  EXPECT_THAT(text.Marked(e), HasSubstr("[<end_of_sentence>\n!<end_of_sentence>]"));
}

TEST(Conversation, ThinkingInAFieldOfItsOwnIsLearned) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  const Json user = Message("user", "2+2?");
  const Example plain =
      encoder.Encode({user, Message("assistant", AssistantText("two and two", "4").c_str())}, nullptr);
  for (const char* field : {"reasoning_content", "reasoning", "thinking"}) {
    Json message = Message("assistant", "4");
    message[field] = "two and two";
    EXPECT_EQ(encoder.Encode({user, message}, nullptr).tokens, plain.tokens) << field;
    message["content"] = {{{"type", "text"}, {"text", "4"}}};
    EXPECT_EQ(text.Marked(encoder.Encode({user, message}, nullptr)), text.Marked(plain)) << field;
    message["content"] = AssistantText("two and two", "4");
    EXPECT_THAT(ErrorOf([&] {
                  encoder.Encode({user, message}, nullptr);
                }),
                HasSubstr("messages[1] has its thinking twice"));
    Json asks = user;
    asks[field] = "hm";
    EXPECT_THAT(ErrorOf([&] { encoder.Encode({asks, Message("assistant", "4")}, nullptr); }), HasSubstr(field));
    message[field] = nullptr;
    EXPECT_EQ(encoder.Encode({user, message}, nullptr).tokens, plain.tokens) << field;
  }
  EXPECT_THAT(ErrorOf([&] {
                encoder.Encode({user, {{"role", "assistant"}, {"content", ""}, {"reasoning_content", 3}}}, nullptr);
              }),
              HasSubstr("must be a string"));
}

TEST(Conversation, AMessageOfWeightZeroIsReadAndNotLearned) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  Json first = Message("assistant", "4"), second = Message("assistant", "12");
  const Json ask = Message("user", "2+2?"), more = Message("user", "times 3?");
  first["weight"] = 0;
  second["weight"] = 1;
  EXPECT_THAT(text.Marked(encoder.Encode({ask, first, more, second}, nullptr)),
              testing::AllOf(HasSubstr("assistant\n4<end_of_sentence>\n"),
                             testing::EndsWith("assistant\n[12<end_of_sentence>]")));
  // What follows the last that counts is left out.
  second["weight"] = 0;
  first["weight"] = 1.0;
  EXPECT_THAT(text.Marked(encoder.Encode({ask, first, more, second}, nullptr)),
              testing::EndsWith("[4<end_of_sentence>]"));
  first["weight"] = 0;
  EXPECT_THAT(ErrorOf([&] { encoder.Encode({ask, first}, nullptr); }), HasSubstr("no assistant message"));
  first["weight"] = 0.5;
  EXPECT_THAT(ErrorOf([&] {
                encoder.Encode({ask, first}, nullptr);
              }),
              HasSubstr("messages[1]: \"weight\" must be 0 or 1, not 0.5"));
  Json weighed = ask;
  weighed["weight"] = 1;
  EXPECT_THAT(ErrorOf([&] { encoder.Encode({weighed, second}, nullptr); }), HasSubstr("messages[0] has a weight of 1"));
}

TEST(Conversation, TheOldFormOfACallIsACall) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  const Json function = {{"name", "add"}, {"arguments", "{\"a\": 2, \"b\": 2}"}};
  const Json user = Message("user", "2+2?");
  const Json call = {{"role", "assistant"},
                     {"content", nullptr},
                     {"tool_calls", {{{"id", "1"}, {"type", "function"}, {"function", function}}}}};
  const Json old = {{"role", "assistant"}, {"content", nullptr}, {"function_call", function}};
  const Example want = encoder.Encode({user, call}, nullptr);
  EXPECT_THAT(text.Marked(want), HasSubstr("[<tool_calls>"));
  EXPECT_EQ(encoder.Encode({user, old}, nullptr).tokens, want.tokens);
  Json both = call;
  both["function_call"] = function;
  EXPECT_THAT(ErrorOf([&] { encoder.Encode({user, both}, nullptr); }), HasSubstr("has both"));
  EXPECT_THAT(ErrorOf([&] {
                encoder.Encode({user, {{"role", "assistant"}, {"function_call", "add"}}}, nullptr);
              }),
              HasSubstr("messages[1]: \"function_call\" must be"));
}

TEST(Conversation, Errors) {
  const Text text;
  const ConversationEncoder encoder(*text.tokenizer, *text.chat);
  EXPECT_THAT(ErrorOf([&] { encoder.Encode(Json::array({Message("user", "x")}), nullptr); }),
              HasSubstr("no assistant message"));
  EXPECT_THAT(ErrorOf([&] { encoder.Encode(Json::array(), nullptr); }), HasSubstr("no assistant message"));
  EXPECT_THAT(ErrorOf([&] { encoder.Encode("hello", nullptr); }), HasSubstr("must be a list"));
  EXPECT_THAT(ErrorOf([&] {
                encoder.Encode({Message("user", "x"), {{"role", "assistant"}, {"content", nullptr}}}, nullptr);
              }),
              HasSubstr("messages[1] has neither a text nor a call"));
  EXPECT_THAT(
      ErrorOf([&] {
        encoder.EncodeRecord({{"messages", {Message("user", "x"), Message("assistant", "y")}}, {"functions", "f"}});
      }),
      HasSubstr("functions must be a list"));
  EXPECT_THAT(ErrorOf([&] { encoder.Encode(Json::array({3}), nullptr); }), HasSubstr("messages[0]"));
  // A template that has no end of turn, and one that adds to a turn what the generation prompt does not have.
  const Text endless("{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}");
  EXPECT_THAT(ErrorOf([&] { ConversationEncoder(*endless.tokenizer, *endless.chat); }), HasSubstr("no special token"));
  const Text other("{% for m in messages %}{{ 'says: ' + m['content'][0]['text'] + '<end_of_sentence>' }}{% endfor %}");
  EXPECT_THAT(ErrorOf([&] { ConversationEncoder(*other.tokenizer, *other.chat); }),
              HasSubstr("cannot be trained with"));
  // One that forgets earlier turns.
  const Text forgetful(
      "{% for m in messages %}{% if loop.index0 >= messages|length - 2 %}{{ '<beginning_of_sentence>' + m['role'] + "
      "m['content'][0]['text'] + '<end_of_sentence>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
      "{{ '<beginning_of_sentence>assistant' }}{% endif %}");
  const Json chat = {Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d")};
  EXPECT_THAT(ErrorOf([&] { ConversationEncoder(*forgetful.tokenizer, *forgetful.chat).Encode(chat, nullptr); }),
              testing::Ne("no error"));
}

}  // namespace
}  // namespace fulgur
