// Answers in the shapes of the APIs. A stream, put together as a client does, is what the whole answer says.
#include "serve/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

AnswerEnd EndOf(FinishReason reason, bool calls) {
  AnswerEnd end;
  end.reason = reason;
  end.prompt_tokens = 7;
  end.cached_tokens = 2;
  end.output_tokens = 11;
  end.thinking_tokens = 3;
  end.has_calls = calls;
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
  AnswerReader reader(0, AnswerReader::Start::kUnknown, tools, false, "call_");
  made.stream = format.Begin();
  const auto add = [&](const AnswerPiece& piece) {
    Append(piece, &made.answer);
    if (!piece.empty()) made.stream += format.Piece(piece);
  };
  for (size_t i = 0; i < text.size(); i += n) add(reader.Push(text.substr(i, n)));
  add(reader.Finish());
  made.answer.end = EndOf(reason, reader.has_calls());
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
  AnswerReader reader(0, AnswerReader::Start::kUnknown, true, false, "c");
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
  EXPECT_THAT(JsonText(choice), HasSubstr("\xef\xbf\xbd"));  // half a character cannot be JSON
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
