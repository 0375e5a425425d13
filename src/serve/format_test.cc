// Answers in the shapes of the APIs. A stream, put together as a client does, is what the whole answer says.
#include "serve/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/test_util.h"
#include "serve/conversation.h"

namespace fulgur {
namespace {

using testing::HasSubstr;
using testing::Not;

ApiRequest RequestOf(Endpoint endpoint) {
  ApiRequest request;
  request.endpoint = endpoint;
  request.include_usage = true;
  request.prompts = {std::string("p")};
  return request;
}

AnswerIdentity Identity() {
  return {.id = "abc",
          .created = 5,
          .model = "m",
          .fingerprint = "f",
          .reasoning = ReasoningField::kBoth,
          .prompt_tokens = 7};
}

const Tokenizer& SmallTokens() {
  static const Tokenizer tokenizer = testing_engine::SmallTokenizer();
  return tokenizer;
}

OutputToken TokenOf(int32_t id) {
  OutputToken token;
  token.id = id;
  return token;
}

AnswerReader ReaderOf(bool tools = true) {
  return AnswerReader(
      0, AnswerReader::Options{.thinks_first = true, .tool_calls = tools, .call_parts = true, .tags_in_content = false},
      SmallTokens(), "call_");
}

AnswerEnd EndOf(FinishReason reason, const AnswerReader& reader) {
  AnswerEnd end;
  end.reason = reason;
  end.prompt_tokens = 7;
  end.cached_tokens = 2;
  end.output_tokens = 11;
  end.thinking_tokens = 3;
  end.has_calls = reader.has_calls();
  end.broken_call = reader.broken_call();
  return end;
}

// Text as the model writes it, in pieces of n bytes, through reader and format.
struct Made {
  Answer answer;
  AnswerUsage usage;
  std::string stream;
};
Made Make(AnswerFormat& format, const std::string& text, size_t n, FinishReason reason = FinishReason::kStop,
          bool tools = true) {
  Made made;
  AnswerReader reader = ReaderOf(tools);
  made.stream = format.Begin();
  const auto add = [&](const AnswerPiece& piece) {
    Append(piece, &made.answer);
    if (!piece.empty()) made.stream += format.Piece(piece);
  };
  for (size_t i = 0; i < text.size(); i += n) add(reader.Push(text.substr(i, n)));
  AnswerEnd end;
  end.reason = reason;
  add(reader.Finish("", {}, end.cut()));
  made.answer.end = EndOf(reason, reader);
  made.usage.Add(made.answer.end, true);
  made.stream += format.OutputEnd(0, made.answer.end);
  made.stream += format.End(made.usage);
  return made;
}

// The JSON of every event; names, if there are any, must be the JSON's type.
std::vector<Json> Events(const std::string& stream) {
  std::vector<Json> events;
  for (size_t begin = 0; begin < stream.size();) {
    const size_t end = stream.find("\n\n", begin);
    EXPECT_NE(end, std::string::npos);
    std::string event = stream.substr(begin, end - begin), name;
    begin = end + 2;
    if (event.starts_with("event: ")) {
      name = event.substr(7, event.find('\n') - 7);
      event = event.substr(event.find('\n') + 1);
    }
    if (event == "data: [DONE]") {
      events.push_back("[DONE]");
      continue;
    }
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    events.push_back(ParseJson(event.substr(6), "event"));
    if (!name.empty()) {
      EXPECT_EQ(events.back()["type"], name);
    }
  }
  return events;
}

TEST(ChatFormat, TimingsStandBesideTheUsageAndInEveryPieceThatIsAskedFor) {
  for (const bool each : {false, true}) {
    ApiRequest request = RequestOf(Endpoint::kChatCompletions);
    request.timings_per_token = each;
    const auto format = MakeFormat(request, Identity());
    AnswerPiece piece;
    piece.content = "x";
    piece.timings = {.tokens = 4, .timed_tokens = 3, .first_seconds = 0.25, .output_seconds = 0.5};
    const Json expected = {
        {"prompt_ms", 250.0}, {"predicted_n", 4}, {"predicted_ms", 500.0}, {"predicted_per_second", 6.0}};
    EXPECT_EQ(Events(format->Piece(piece))[0].value("timings", Json()), each ? expected : Json());
    AnswerUsage usage;
    usage.timings = piece.timings;
    EXPECT_EQ(Events(format->End(usage))[0]["timings"], expected);
    EXPECT_EQ(format->Whole({Answer{}}, usage)["timings"], expected);
    // All that there is came at once: no speed can be told.
    usage.timings.timed_tokens = 0;
    EXPECT_TRUE(format->Whole({Answer{}}, usage)["timings"]["predicted_per_second"].is_null());
    // Who asks for no usage gets nothing more than before.
    request.include_usage = false;
    EXPECT_EQ(format->End(usage), "data: [DONE]\n\n");
  }
}

constexpr const char* kText =
    "<think>\nfirst\nsecond\n</think>\n\nHere:\n\n<tool_calls>\n{\"name\": \"f\", \"arguments\": {\"x\": [1, \"}\"]}}\n"
    "{\"arguments\": {}, \"name\": \"g\"}\n</tool_calls>";

TEST(ChatFormat, StreamAndWholeAgree) {
  for (const size_t n : {1, 7, 1000}) {
    const ApiRequest request = RequestOf(Endpoint::kChatCompletions);
    const auto format = MakeFormat(request, Identity());
    const Made made = Make(*format, kText, n);
    const Json whole = MakeFormat(request, Identity())->Whole({made.answer}, made.usage);

    const std::vector<Json> events = Events(made.stream);
    ASSERT_GT(events.size(), 3u);
    EXPECT_EQ(events.back(), "[DONE]");
    EXPECT_EQ(events[events.size() - 2]["usage"], whole["usage"]);
    EXPECT_TRUE(events[events.size() - 2]["choices"].empty());
    std::string content, reasoning, other;
    Json calls = Json::array();
    Json finish;
    for (const Json& event : events) {
      if (!event.is_object() || event["choices"].empty()) continue;
      EXPECT_EQ(event["id"], "chatcmpl-abc");
      EXPECT_EQ(event["object"], "chat.completion.chunk");
      const Json& choice = event["choices"][0];
      const Json& delta = choice["delta"];
      content += delta.value("content", "");
      reasoning += delta.value("reasoning_content", "");
      other += delta.value("reasoning", "");
      if (delta.contains("tool_calls")) {
        for (const Json& call : delta["tool_calls"]) {
          if (call.contains("id")) {
            EXPECT_EQ(call["index"], calls.size());
            calls.push_back({{"id", call["id"]}, {"type", call["type"]}, {"function", call["function"]}});
          } else {
            std::string& arguments =
                calls[call["index"].get<size_t>()]["function"]["arguments"].get_ref<std::string&>();
            arguments += call["function"]["arguments"].get<std::string>();
          }
        }
      }
      if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"];
    }
    const Json& message = whole["choices"][0]["message"];
    EXPECT_EQ(content, message["content"].get<std::string>());
    EXPECT_EQ(content, "Here:");
    EXPECT_EQ(reasoning, message["reasoning_content"].get<std::string>());
    EXPECT_EQ(reasoning, "first\nsecond");
    EXPECT_EQ(other, reasoning);
    EXPECT_EQ(calls, message["tool_calls"]);
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0]["function"]["name"], "f");
    EXPECT_EQ(ParseJson(calls[0]["function"]["arguments"].get<std::string>(), "arguments"),
              ParseJson(R"({"x": [1, "}"]})", "expected"));
    EXPECT_EQ(calls[1]["function"]["name"], "g");
    EXPECT_NE(calls[0]["id"], calls[1]["id"]);
    EXPECT_EQ(finish, "tool_calls");
    EXPECT_EQ(whole["choices"][0]["finish_reason"], finish);
    EXPECT_EQ(whole["usage"]["prompt_tokens"], 7);
    EXPECT_EQ(whole["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
    EXPECT_EQ(whole["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
  }
}

TEST(ChatFormat, ArgumentsComeWhileTheyAreWritten) {
  const ApiRequest request = RequestOf(Endpoint::kChatCompletions);
  const auto format = MakeFormat(request, Identity());
  AnswerReader reader = ReaderOf();
  reader.Push("<tool_calls>\n{\"name\": \"f\", \"arguments\": ");
  const AnswerPiece begin = reader.Push("{\"text\": \"ab");
  ASSERT_EQ(begin.calls.size(), 1u);
  EXPECT_TRUE(begin.calls[0].begin);
  EXPECT_EQ(begin.calls[0].arguments, "{\"text\": \"ab");
  const AnswerPiece more = reader.Push("cd\"}");
  ASSERT_EQ(more.calls.size(), 1u);
  EXPECT_EQ(more.calls[0].arguments, "cd\"}");
  EXPECT_FALSE(more.calls[0].end);
  const AnswerPiece end = reader.Push("}\n");
  ASSERT_EQ(end.calls.size(), 1u);
  EXPECT_TRUE(end.calls[0].end);
  EXPECT_TRUE(end.calls[0].complete);
}

// Cut off after so many bytes, an answer never passes for one with calls to run, and shows no tag.
TEST(AllFormats, ACallThatIsCutIsNotFinished) {
  const std::string text = kText;
  const size_t f = text.find("}}\n") + 2, g = text.find("\"g\"}") + 4;  // where the calls are complete
  for (size_t n = text.find("Here"); n < text.size(); ++n) {
    SCOPED_TRACE(text.substr(0, n));
    for (const FinishReason reason : {FinishReason::kLength, FinishReason::kDeadline, FinishReason::kStop}) {
      const bool length = reason != FinishReason::kStop;
      const bool runnable = !length && n >= f;
      const auto make = [&](Endpoint endpoint, Made* made) {
        const ApiRequest request = RequestOf(endpoint);
        *made = Make(*MakeFormat(request, Identity()), text.substr(0, n), 3, reason);
        EXPECT_THAT(made->stream, Not(HasSubstr("tool_calls>")));
        return MakeFormat(request, Identity())->Whole({made->answer}, made->usage);
      };
      Made made;
      const Json choice = make(Endpoint::kChatCompletions, &made)["choices"][0];
      EXPECT_EQ(choice["finish_reason"], length ? "length" : runnable ? "tool_calls" : "stop");
      EXPECT_THAT(made.stream, HasSubstr(fmt::format("\"finish_reason\":{}", choice["finish_reason"].dump())));

      const Json message = make(Endpoint::kMessages, &made);
      EXPECT_EQ(message["stop_reason"], length ? "max_tokens" : runnable ? "tool_use" : "end_turn");
      EXPECT_THAT(made.stream, HasSubstr(fmt::format("\"stop_reason\":{}", message["stop_reason"].dump())));

      const Json response = make(Endpoint::kResponses, &made);
      EXPECT_EQ(response["status"], length ? "incomplete" : "completed");
      EXPECT_EQ(Events(made.stream).back()["response"], response);
      size_t calls = 0;
      for (const Json& item : response["output"]) {
        if (item["type"] != "function_call") continue;
        EXPECT_EQ(item["status"], n >= f ? "completed" : "incomplete");
        ++calls;
      }
      EXPECT_TRUE(n < g || calls == 2) << calls;
    }
  }
}

TEST(ChatFormat, ReasoningFields) {
  const ApiRequest request = RequestOf(Endpoint::kChatCompletions);
  for (const ReasoningField field :
       {ReasoningField::kReasoning, ReasoningField::kReasoningContent, ReasoningField::kInline}) {
    AnswerIdentity identity = Identity();
    identity.reasoning = field;
    const Made made = Make(*MakeFormat(request, identity), "<think>\nr\n</think>\n\na", 3);
    const Json message = MakeFormat(request, identity)->Whole({made.answer}, made.usage)["choices"][0]["message"];
    EXPECT_EQ(message.contains("reasoning"), field == ReasoningField::kReasoning);
    EXPECT_EQ(message.contains("reasoning_content"), field == ReasoningField::kReasoningContent);
    const std::string expected = field == ReasoningField::kInline ? "<think>\nr\n</think>\n\na" : "a";
    EXPECT_EQ(message["content"], expected);
    std::string streamed;
    for (const Json& event : Events(made.stream)) {
      if (event.is_object() && !event["choices"].empty()) streamed += event["choices"][0]["delta"].value("content", "");
    }
    EXPECT_EQ(streamed, expected);
  }
  ApiRequest without = request;
  without.include_reasoning = false;
  const Made made = Make(*MakeFormat(without, Identity()), "<think>\nsecret\n</think>\n\na", 3);
  EXPECT_THAT(made.stream, Not(HasSubstr("secret")));
  EXPECT_THAT(MakeFormat(without, Identity())->Whole({made.answer}, made.usage).dump(), Not(HasSubstr("secret")));
}

TEST(ChatFormat, WhatCutsAnAnswerOffIsSaid) {
  const ApiRequest request = RequestOf(Endpoint::kChatCompletions);
  for (const auto& [reason, word] :
       std::vector<std::pair<FinishReason, const char*>>{{FinishReason::kStop, "stop"},
                                                         {FinishReason::kStopString, "stop"},
                                                         {FinishReason::kLength, "length"},
                                                         {FinishReason::kEarlyTruncation, "length"},
                                                         {FinishReason::kDeadline, "length"}}) {
    const Made made = Make(*MakeFormat(request, Identity()), "a", 1, reason);
    const Json choice = MakeFormat(request, Identity())->Whole({made.answer}, made.usage)["choices"][0];
    EXPECT_EQ(choice["finish_reason"], word);
    EXPECT_EQ(choice["finish_details"]["type"], FinishReasonName(reason));
  }
}

TEST(ChatFormat, WithoutToolsABlockIsText) {
  const ApiRequest request = RequestOf(Endpoint::kChatCompletions);
  const std::string text = "<tool_calls>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_calls>";
  const Made made = Make(*MakeFormat(request, Identity()), text, 2, FinishReason::kStop, /*tools=*/false);
  EXPECT_EQ(made.answer.content, text);
  EXPECT_TRUE(made.answer.calls.empty());
}

TEST(ChatFormat, Logprobs) {
  ApiRequest request = RequestOf(Endpoint::kChatCompletions);
  request.logprobs = true;
  Answer answer;
  answer.content = "\xc3\xa9";
  answer.tokens = {
      {.id = 1, .bytes = "\xc3", .sampled = true, .logprob = -0.5f, .top = {{"\xc3", -0.5f}, {"b", -1.5f}}},
      {.id = 2, .bytes = "\xa9", .sampled = false, .logprob = 0, .top = {}}};
  const Json choice = MakeFormat(request, Identity())->Whole({answer}, {})["choices"][0];
  const Json& content = choice["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["bytes"], Json::array({0xc3}));
  EXPECT_EQ(content[0]["top_logprobs"][1]["logprob"], -1.5);
  EXPECT_EQ(content[1]["sampled"], false);
  EXPECT_EQ(content[0]["token"], "\\xc3");  // half a character cannot be JSON
}

// Tokens as they come, each with its text; what belongs to the content, put together, is the content.
TEST(AnswerReader, TheTokensOfTheContentAreTheContent) {
  struct Case {
    std::string text, rest;  // rest: tokens of a stop string, which are not in the text
    std::string content;
  };
  const std::vector<Case> cases = {
      {"<think>\na thought\n</think>\n\nthe answer", "", "the answer"},
      {"the answer\n\n", "", "the answer"},
      {"<think>\n</think>\n  think \n so \n", "", "think \n so"},
      {"\xf0\x9f\x98\x80\xc3\xa9 x", "", "\xf0\x9f\x98\x80\xc3\xa9 x"},
      {"<think>\xc3\xa9</think>\xc3\xa9", "", "\xc3\xa9"},
      {"a th", "ink", "a th"},
      {"a >", "\nb", "a >"},
      {"Here: \n\n<tool_calls>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_calls>", "", "Here:"},
      {"<tool_calls>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_calls>", "", ""},
      {"a <tool", "", "a <tool"},
  };
  Rng rng(3);
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c.text));
    for (int round = 0; round < 20; ++round) {
      AnswerReader reader = ReaderOf();
      std::vector<OutputToken> tokens;
      for (const int32_t id : SmallTokens().Encode(c.text + c.rest, Tokenizer::Special::kPlainText)) {
        tokens.push_back(TokenOf(id));
      }
      tokens.push_back(TokenOf(testing_engine::kEndOfSentence));
      // The text comes when it is a whole character, and later where it may belong to a stop string.
      std::string all, content, bytes;
      size_t given = 0;
      const auto add = [&](const AnswerPiece& piece) {
        content += piece.content;
        for (const AnswerToken& token : piece.tokens) bytes += token.bytes;
        EXPECT_TRUE(content.starts_with(bytes)) << bytes;
      };
      for (const OutputToken& token : tokens) {
        if (token.id != testing_engine::kEndOfSentence) all += SmallTokens().Bytes(token.id);
        size_t end = std::min(all.size(), c.text.size());
        while (end > given && end < c.text.size() && (static_cast<unsigned char>(c.text[end]) & 0xc0) == 0x80) --end;
        if (rng.Chance(0.3)) end = given;
        add(reader.Push(std::string_view(c.text).substr(given, end - given), {&token, 1}));
        given = end;
      }
      add(reader.Finish(std::string_view(c.text).substr(given), {}, /*cut=*/false));
      EXPECT_EQ(content, c.content);
      EXPECT_EQ(bytes, c.content);
    }
  }
}

TEST(AnswerReader, ACharacterThatIsCutIsLeftOut) {
  for (const bool cut : {true, false}) {
    AnswerReader reader = ReaderOf();
    const std::vector<OutputToken> tokens = {TokenOf('a'), TokenOf(0xf0), TokenOf(0x9f)};
    const AnswerPiece piece = reader.Finish("a\xef\xbf\xbd", tokens, cut);
    EXPECT_EQ(piece.content, cut ? "a" : "a\xef\xbf\xbd");
    EXPECT_EQ(piece.tokens.size(), cut ? 1u : 3u);
    std::string bytes;
    for (const AnswerToken& token : piece.tokens) bytes += token.bytes;
    EXPECT_EQ(bytes, cut ? "a" : "a\xf0\x9f");
  }
}

TEST(MessagesFormat, StreamAndWholeAgree) {
  for (const size_t n : {1, 9, 1000}) {
    const ApiRequest request = RequestOf(Endpoint::kMessages);
    const Made made = Make(*MakeFormat(request, Identity()), kText, n);
    const Json whole = MakeFormat(request, Identity())->Whole({made.answer}, made.usage);
    Json message, blocks = Json::array();
    std::string partial;
    bool open = false, stopped = false;
    for (const Json& event : Events(made.stream)) {
      const std::string type = event["type"];
      if (type == "message_start") {
        message = event["message"];
        EXPECT_EQ(message["usage"]["input_tokens"], 7);
      } else if (type == "content_block_start") {
        EXPECT_FALSE(std::exchange(open, true));
        EXPECT_EQ(event["index"], blocks.size());
        blocks.push_back(event["content_block"]);
        partial.clear();
      } else if (type == "content_block_delta") {
        EXPECT_TRUE(open);
        EXPECT_EQ(event["index"], blocks.size() - 1);
        const Json& delta = event["delta"];
        const std::string kind = delta["type"];
        if (kind == "text_delta")
          blocks.back()["text"] = blocks.back()["text"].get<std::string>() + delta["text"].get<std::string>();
        if (kind == "thinking_delta") {
          blocks.back()["thinking"] =
              blocks.back()["thinking"].get<std::string>() + delta["thinking"].get<std::string>();
        }
        if (kind == "input_json_delta") partial += delta["partial_json"].get<std::string>();
      } else if (type == "content_block_stop") {
        EXPECT_TRUE(std::exchange(open, false));
        if (blocks.back()["type"] == "tool_use") blocks.back()["input"] = ParseJson(partial, "input");
      } else if (type == "message_delta") {
        for (const auto& [key, value] : event["delta"].items()) message[key] = value;
        message.erase("usage");  // and at the end, where the whole message has it
        message["usage"] = event["usage"];
      } else if (type == "message_stop") {
        stopped = true;
      } else {
        EXPECT_EQ(type, "ping");
      }
    }
    EXPECT_TRUE(stopped);
    EXPECT_FALSE(open);
    message["content"] = blocks;
    EXPECT_EQ(message, whole);
    EXPECT_EQ(whole["stop_reason"], "tool_use");
    EXPECT_EQ(whole["usage"]["input_tokens"], 5);
    EXPECT_EQ(whole["usage"]["cache_read_input_tokens"], 2);
    ASSERT_EQ(whole["content"].size(), 4u);
    EXPECT_EQ(whole["content"][0]["thinking"], "first\nsecond");
    EXPECT_EQ(whole["content"][2]["input"], ParseJson(R"({"x": [1, "}"]})", "expected"));
  }
}

TEST(MessagesFormat, StopReasons) {
  const ApiRequest request = RequestOf(Endpoint::kMessages);
  for (const auto& [reason, word] :
       std::vector<std::pair<FinishReason, const char*>>{{FinishReason::kStop, "end_turn"},
                                                         {FinishReason::kStopString, "stop_sequence"},
                                                         {FinishReason::kLength, "max_tokens"},
                                                         {FinishReason::kEarlyTruncation, "max_tokens"}}) {
    const Made made = Make(*MakeFormat(request, Identity()), "a", 1, reason);
    EXPECT_EQ(MakeFormat(request, Identity())->Whole({made.answer}, made.usage)["stop_reason"], word);
  }
}

TEST(ResponsesFormat, StreamAndWholeAgree) {
  for (const size_t n : {1, 9, 1000}) {
    const ApiRequest request = RequestOf(Endpoint::kResponses);
    const Made made = Make(*MakeFormat(request, Identity()), kText, n);
    const Json whole = MakeFormat(request, Identity())->Whole({made.answer}, made.usage);
    const std::vector<Json> events = Events(made.stream);
    Json items = Json::array(), added = Json::array();
    std::string text;
    for (size_t i = 0; i < events.size(); ++i) {
      const Json& event = events[i];
      EXPECT_EQ(event["sequence_number"], i);
      const std::string type = event["type"];
      if (type == "response.output_item.added") {
        EXPECT_EQ(event["output_index"], added.size());
        added.push_back(event["item"]);
        text.clear();
      } else if (type.ends_with(".delta")) {
        text += event["delta"].get<std::string>();
        EXPECT_EQ(event["item_id"], added.back()["id"]);
      } else if (type == "response.output_text.done" || type == "response.reasoning_text.done") {
        EXPECT_EQ(event["text"], text);
      } else if (type == "response.function_call_arguments.done") {
        EXPECT_EQ(event["arguments"], text);
      } else if (type == "response.output_item.done") {
        EXPECT_EQ(event["item"]["id"], added.back()["id"]);
        items.push_back(event["item"]);
      }
    }
    EXPECT_EQ(events[0]["type"], "response.created");
    EXPECT_EQ(events.back()["type"], "response.completed");
    EXPECT_EQ(events.back()["response"], whole);
    EXPECT_EQ(items, whole["output"]);
    ASSERT_EQ(items.size(), 4u);
    EXPECT_EQ(items[0]["type"], "reasoning");
    EXPECT_EQ(items[0]["content"][0]["text"], "first\nsecond");
    EXPECT_EQ(items[1]["content"][0]["text"], "Here:");
    EXPECT_EQ(items[2]["name"], "f");
    EXPECT_EQ(items[3]["name"], "g");
    EXPECT_EQ(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 3);
    EXPECT_EQ(whole["status"], "completed");
  }
}

TEST(ResponsesFormat, CutOff) {
  const ApiRequest request = RequestOf(Endpoint::kResponses);
  const Made made = Make(*MakeFormat(request, Identity()), "abc", 1, FinishReason::kLength);
  const Json response = Events(made.stream).back()["response"];
  EXPECT_EQ(Events(made.stream).back()["type"], "response.incomplete");
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "incomplete");
}

// Calls of custom tools are texts, whole and in streams.
TEST(CustomTools, CallsAreTexts) {
  const std::string input = "*** Begin Patch\n+\"\xc3\xa9\"\n",
                    arguments = Json({{"input", input}}).dump(-1, ' ', true);
  const std::string text =
      "<tool_calls>\n{\"name\": \"f\", \"arguments\": {}}\n{\"name\": \"patch\", \"arguments\": " + arguments +
      "}\n</tool_calls>";
  for (const size_t n : {1, 7, 1000}) {
    ApiRequest request = RequestOf(Endpoint::kChatCompletions);
    request.custom_tools = {"patch"};
    Made made = Make(*MakeFormat(request, Identity()), text, n);
    const Json whole = MakeFormat(request, Identity())->Whole({made.answer}, made.usage)["choices"][0];
    const Json& calls = whole["message"]["tool_calls"];
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0]["type"], "function");
    EXPECT_EQ(calls[1]["type"], "custom");
    EXPECT_EQ(calls[1]["custom"], (Json{{"name", "patch"}, {"input", input}}));
    std::string streamed;
    for (const Json& event : Events(made.stream)) {
      if (!event.is_object() || event["choices"].empty()) continue;
      for (const Json& call : event["choices"][0]["delta"].value("tool_calls", Json::array())) {
        EXPECT_EQ(call.contains("custom"), call["index"] == 1) << call;
        if (call.contains("custom")) streamed += call["custom"]["input"].get<std::string>();
      }
    }
    EXPECT_EQ(streamed, input);

    request.endpoint = Endpoint::kResponses;
    made = Make(*MakeFormat(request, Identity()), text, n);
    const Json item = MakeFormat(request, Identity())->Whole({made.answer}, made.usage)["output"][1];
    EXPECT_EQ(item["type"], "custom_tool_call");
    EXPECT_EQ(item["input"], input);
    std::string deltas, last;
    for (const Json& event : Events(made.stream)) {
      if (event["type"] == "response.custom_tool_call_input.delta") deltas += event["delta"].get<std::string>();
      if (event["type"] == "response.custom_tool_call_input.done") last = event["input"].get<std::string>();
    }
    EXPECT_EQ(deltas, input);
    EXPECT_EQ(last, input);
  }
}

TEST(MessagesFormat, ThinkingThatIsOmitted) {
  ApiRequest request = RequestOf(Endpoint::kMessages);
  request.empty_reasoning = true;
  for (const size_t n : {1, 1000}) {
    const Made made = Make(*MakeFormat(request, Identity()), kText, n);
    const Json block = MakeFormat(request, Identity())->Whole({made.answer}, made.usage)["content"][0];
    EXPECT_EQ(block["type"], "thinking");
    EXPECT_EQ(block["thinking"], "");
    EXPECT_EQ(OpenThinking(block["signature"].get<std::string>()), "first\nsecond");
    int signatures = 0;
    for (const Json& event : Events(made.stream)) {
      if (event["type"] != "content_block_delta") continue;
      EXPECT_NE(event["delta"]["type"], "thinking_delta");
      if (event["delta"]["type"] != "signature_delta") continue;
      EXPECT_EQ(event["delta"]["signature"], block["signature"]);
      ++signatures;
    }
    EXPECT_EQ(signatures, 1);
  }
}

TEST(ResponsesFormat, SealedReasoning) {
  ApiRequest request = RequestOf(Endpoint::kResponses);
  request.sealed_reasoning = true;
  request.store = true;
  const auto format = MakeFormat(request, Identity());
  const Made made = Make(*format, kText, 7);
  const Json last = Events(made.stream).back()["response"];
  EXPECT_EQ(OpenThinking(last["output"][0]["encrypted_content"].get<std::string>()), "first\nsecond");
  ASSERT_NE(format->Finished(), nullptr);
  EXPECT_EQ(*format->Finished(), last);
  request.store = false;
  const auto forgotten = MakeFormat(request, Identity());
  Make(*forgotten, kText, 7);
  EXPECT_EQ(forgotten->Finished(), nullptr);
}

TEST(ResponsesFormat, LogprobsOfAStreamAreThoseOfTheText) {
  ApiRequest request = RequestOf(Endpoint::kResponses);
  request.logprobs = true;
  const std::string text = "<think>\nno\n</think>\n\n\xf0\x9f\x98\x80 yes \n";
  const auto format = MakeFormat(request, Identity());
  AnswerReader reader = ReaderOf();
  std::string stream = format->Begin();
  size_t given = 0, end = 0;
  for (const int32_t id : SmallTokens().Encode(text, Tokenizer::Special::kPlainText)) {
    end += SmallTokens().Bytes(id).size();
    const bool whole = end == text.size() || (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    const OutputToken token = TokenOf(id);
    const AnswerPiece piece = reader.Push(text.substr(given, whole ? end - given : 0), {&token, 1});
    if (whole) given = end;
    if (!piece.empty()) stream += format->Piece(piece);
  }
  const AnswerPiece last = reader.Finish("", {}, false);
  if (!last.empty()) stream += format->Piece(last);
  stream += format->OutputEnd(0, EndOf(FinishReason::kStop, reader)) + format->End({});
  const auto bytes_of = [](const Json& logprobs) {
    std::string bytes;
    for (const Json& token : logprobs) {
      for (const Json& byte : token["bytes"]) bytes += static_cast<char>(byte.get<int>());
    }
    return bytes;
  };
  std::string of_deltas;
  for (const Json& event : Events(stream)) {
    if (event["type"] == "response.output_text.delta") of_deltas += bytes_of(event["logprobs"]);
    if (event["type"] != "response.output_text.done") continue;
    EXPECT_EQ(event["text"], "\xf0\x9f\x98\x80 yes");
    EXPECT_EQ(bytes_of(event["logprobs"]), event["text"]);
  }
  EXPECT_EQ(of_deltas, "\xf0\x9f\x98\x80 yes");
}

TEST(CompletionsFormat, Logprobs) {
  ApiRequest request = RequestOf(Endpoint::kCompletions);
  request.logprobs = true;
  Answer answer;
  answer.tokens = {{.id = 1, .bytes = "a", .logprob = -3, .top = {{"b", -1.0f}}},
                   {.id = 2, .bytes = "\xf0\x9f", .logprob = -0.5f, .top = {{"\xf0\x9f", -0.5f}, {"\xf0", -1.5f}}}};
  const Json logprobs = MakeFormat(request, Identity())->Whole({answer}, {})["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json::array({"a", "bytes:\\xf0\\x9f"}));
  // The token is there even where others are likelier.
  EXPECT_EQ(logprobs["top_logprobs"][0], Json({{"b", -1.0}, {"a", -3.0}}));
  EXPECT_EQ(logprobs["top_logprobs"][1], Json({{"bytes:\\xf0\\x9f", -0.5}, {"bytes:\\xf0", -1.5}}));
}

TEST(CompletionsFormat, StreamAndWholeAgree) {
  const ApiRequest request = RequestOf(Endpoint::kCompletions);
  const auto format = MakeFormat(request, Identity());
  std::string text;
  for (const char* piece : {"<think>", "a ", "\n b"}) {
    AnswerPiece p;
    p.content = piece;
    for (const Json& event : Events(format->Piece(p))) text += event["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "<think>a \n b");
  Answer answer;
  answer.content = text;
  const Json whole = format->Whole({answer}, {});
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_EQ(whole["choices"][0]["text"], text);
}

TEST(ErrorShapes, AreTheApisOwn) {
  const ApiError error(400, "messages[0].role", "messages[0].role: is missing");
  const Json open_ai = ErrorJson(Api::kOpenAi, error, "r");
  EXPECT_EQ(open_ai["error"]["param"], "messages[0].role");
  EXPECT_EQ(open_ai["error"]["type"], "invalid_request_error");
  const Json anthropic = ErrorJson(Api::kAnthropic, error, "r");
  EXPECT_EQ(anthropic["type"], "error");
  EXPECT_EQ(anthropic["error"]["type"], "invalid_request_error");
  EXPECT_EQ(anthropic["request_id"], "r");
  EXPECT_EQ(ErrorType(Api::kAnthropic, 503), "overloaded_error");
  EXPECT_EQ(ErrorType(Api::kOpenAi, 429), "rate_limit_error");
}

}  // namespace
}  // namespace fulgur
