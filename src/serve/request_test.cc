// Requests of the four APIs: what they come to, and the field that an error names.
#include "serve/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_as_given.h"
#include "serve/conversation.h"
#include "serve/response_store.h"

namespace fulgur {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RequestDefaults Defaults() {
  RequestDefaults d;
  d.sampling.temperature = 0.5;
  d.sampling.top_p = 0.9;
  d.vocab_size = 100;
  return d;
}

Json J(const std::string& text) { return ParseJsonAsGiven(text, "test"); }  // as the server reads a body

Json Chat(const char* more = "{}") {
  Json body = J(R"({"messages": [{"role": "user", "content": "hi"}]})");
  body.update(J(more));
  return body;
}

Json Anthropic(const char* more = "{}") {
  Json body = J(R"({"max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]})");
  body.update(J(more));
  return body;
}

ApiRequest ParseAnthropic(const Json& body, const RequestDefaults& defaults) { return ParseMessages(body, defaults); }

struct BadCase {
  ApiRequest (*parse)(const Json&, const RequestDefaults&);
  const char* body;
  const char* field;
};

TEST(Request, ErrorsNameTheField) {
  const BadCase cases[] = {
      {ParseChatCompletions, R"([])", ""},
      {ParseChatCompletions, R"({})", "messages"},
      {ParseChatCompletions, R"({"messages": {}})", "messages"},
      {ParseChatCompletions, R"({"messages": []})", "messages"},
      {ParseChatCompletions, R"({"messages": ["x"]})", "messages[0]"},
      {ParseChatCompletions, R"({"messages": [{"content": "x"}]})", "messages[0].role"},
      {ParseChatCompletions, R"({"messages": [{"role": "wizard", "content": "x"}]})", "messages[0].role"},
      {ParseChatCompletions, R"({"messages": [{"role": "user"}]})", "messages[0].content"},
      {ParseChatCompletions, R"({"messages": [{"role": "user", "content": 1}]})", "messages[0].content"},
      {ParseChatCompletions, R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})",
       "messages[0].content[0].text"},
      {ParseChatCompletions, R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]})",
       "messages[0].content[0].type"},
      {ParseChatCompletions, R"({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]})",
       "messages[0].tool_call_id"},
      {ParseCompletions, R"({"prompt": "x", "temperature": "hot"})", "temperature"},
      {ParseCompletions, R"({"prompt": "x", "temperature": -1})", "temperature"},
      {ParseCompletions, R"({"prompt": "x", "temperature": 1e39})", "temperature"},
      {ParseCompletions, R"({"prompt": "x", "top_p": 2})", "top_p"},
      {ParseCompletions, R"({"prompt": "x", "max_tokens": 0})", "max_tokens"},
      {ParseCompletions, R"({"prompt": "x", "max_tokens": 1.5})", "max_tokens"},
      {ParseCompletions, R"({"prompt": "x", "max_tokens": 18446744073709551615})", "max_tokens"},
      {ParseCompletions, R"({"prompt": "x", "n": 100000})", "n"},
      {ParseCompletions, R"({"prompt": "x", "seed": "1"})", "seed"},
      {ParseCompletions, R"({"prompt": "x", "stop": [1]})", "stop[0]"},
      {ParseCompletions, R"({"prompt": "x", "stop": [""]})", "stop[0]"},
      {ParseCompletions, R"({"prompt": "x", "stop_token_ids": [100]})", "stop_token_ids[0]"},
      {ParseCompletions, R"({"prompt": "x", "logit_bias": {"x": 1}})", "logit_bias"},
      {ParseCompletions, R"({"prompt": "x", "logit_bias": {"100": 1}})", "logit_bias"},
      {ParseCompletions, R"({"prompt": "x", "logit_bias": {"1": 200}})", "logit_bias.1"},
      {ParseCompletions, R"({"prompt": "x", "stream": "yes"})", "stream"},
      {ParseCompletions, R"({"prompt": "x", "session": "../x"})", "session"},
      {ParseCompletions, R"({"prompt": "x", "suffix": "y"})", "suffix"},
      {ParseCompletions, R"({"prompt": []})", "prompt"},
      {ParseCompletions, R"({"prompt": 7})", "prompt"},
      {ParseCompletions, R"({"prompt": [1, 100]})", "prompt[1]"},
      {ParseCompletions, R"({"prompt": ["a", 1]})", "prompt[1]"},
      {ParseCompletions, R"({"prompt": "x", "thinking": {"type": "sometimes"}})", "thinking.type"},
      {ParseCompletions, R"({"prompt": "x", "thinking": {"budget_tokens": -2}})", "thinking.budget_tokens"},
      {ParseCompletions, R"({"prompt": "x", "reasoning_effort": "huge"})", "reasoning_effort"},
      {ParseCompletions, R"({"prompt": "x", "reasoning": {"effort": 3}})", "reasoning.effort"},
      {ParseCompletions, R"({"prompt": "x", "chat_template_kwargs": {"enable_thinking": 1}})",
       "chat_template_kwargs.enable_thinking"},
      {ParseResponses, R"({"input": []})", "input"},
      {ParseResponses, R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "input[0].content[0].type"},
      {ParseResponses, R"({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]})",
       "input[0].call_id"},
      {ParseResponses, R"({"input": "x", "previous_response_id": "resp_1"})", "previous_response_id"},
      {ParseResponses, R"({"input": "x", "text": {"format": {"type": "json_schema"}}})", "text.format.schema"},
      {ParseAnthropic, R"({"messages": [{"role": "user", "content": "x"}]})", "max_tokens"},
      {ParseAnthropic, R"({"max_tokens": 1})", "messages"},
      {ParseAnthropic, R"({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image"}]}]})",
       "messages[0].content[0].type"},
      {ParseAnthropic,
       R"({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]})",
       "messages[0].content[0].tool_use_id"},
      {ParseAnthropic,
       R"({"max_tokens": 1, "messages": [{"role": "user", "content": "x"}], "tool_choice": {"type": "any"}})",
       "tool_choice"},
  };
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.body);
    try {
      c.parse(J(c.body), Defaults());
      ADD_FAILURE() << "was accepted";
    } catch (const ApiError& e) {
      EXPECT_EQ(e.status(), 400);
      EXPECT_EQ(e.field(), c.field) << e.what();
      EXPECT_THAT(e.what(), HasSubstr(c.field));
    }
  }
}

TEST(Request, ToolErrorsNameTheField) {
  for (
      const auto& [more, field] : std::vector<std::pair<const char*, const char*>>{
          {R"({"tools": {}})", "tools"},
          {R"({"tools": [{"type": "function"}]})", "tools[0].function"},
          {R"({"tools": [{"type": "function", "function": {"name": ""}}]})", "tools[0].function.name"},
          {R"({"tools": [{"function": {"name": "f", "parameters": []}}]})", "tools[0].function.parameters"},
          {R"({"tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}]})", "tools[1].function.name"},
          {R"({"tool_choice": "required"})", "tool_choice"},
          {R"({"tool_choice": "maybe"})", "tool_choice"},
          {R"({"tools": [{"function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "g"}}})",
           "tool_choice"},
          {R"({"functions": []})", "functions"},
          {R"({"response_format": {"type": "xml"}})", "response_format.type"},
          {R"({"response_format": {"type": "json_schema"}})", "response_format.json_schema"},
          {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}})",
           "response_format.json_schema.schema"},
          {R"({"top_logprobs": 3})", "top_logprobs"},
          {R"({"top_logprobs": 30, "logprobs": true})", "top_logprobs"},
          {R"({"modalities": ["audio"]})", "modalities"}}) {
    SCOPED_TRACE(more);
    try {
      ParseChatCompletions(Chat(more), Defaults());
      ADD_FAILURE() << "was accepted";
    } catch (const ApiError& e) {
      EXPECT_EQ(e.field(), field) << e.what();
    }
  }
}

TEST(Request, DefaultsHoldWhereNothingIsSaid) {
  const ApiRequest request = ParseChatCompletions(Chat(), Defaults());
  EXPECT_EQ(request.sampling.temperature, 0.5);
  EXPECT_EQ(request.sampling.top_p, 0.9);
  EXPECT_FALSE(request.seeded);
  EXPECT_FALSE(request.max_tokens.has_value());
  EXPECT_FALSE(request.thinking_budget.has_value());
  EXPECT_EQ(request.outputs, 1);
  EXPECT_THAT(request.ignored.names(), testing::IsEmpty());
  EXPECT_EQ(ParseCompletions(J(R"({"prompt": "x"})"), Defaults()).max_tokens, 16);  // as OpenAI has it
}

TEST(Request, SamplingAndStopping) {
  const ApiRequest r = ParseChatCompletions(
      Chat(R"({"temperature": 0, "top_p": 0.5, "top_k": -1, "min_p": 0.1, "repetition_penalty": 1.1,
               "presence_penalty": 0.2, "frequency_penalty": -0.3, "seed": -5, "logit_bias": {"7": -100, "8": 2.5},
               "stop": ["a", "b"], "stop_token_ids": [3], "ignore_eos": true, "max_tokens": 5,
               "max_completion_tokens": 1e3, "n": 2, "logprobs": true, "top_logprobs": 4, "priority": -3,
               "timeout": 2.5, "session": "mine", "stream": true, "stream_options": {"include_usage": true}})"),
      Defaults());
  EXPECT_EQ(r.sampling.temperature, 0);
  EXPECT_EQ(r.sampling.top_p, 0.5);
  EXPECT_EQ(r.sampling.top_k, 0);
  EXPECT_EQ(r.sampling.min_p, 0.1);
  EXPECT_EQ(r.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(r.sampling.presence_penalty, 0.2);
  EXPECT_EQ(r.sampling.frequency_penalty, -0.3);
  EXPECT_TRUE(r.seeded);
  EXPECT_EQ(r.sampling.seed, static_cast<uint64_t>(-5));
  EXPECT_THAT(r.sampling.logit_bias, ElementsAre(std::pair(7, -100.0f), std::pair(8, 2.5f)));
  EXPECT_THAT(r.stop, ElementsAre("a", "b"));
  EXPECT_THAT(r.stop_token_ids, ElementsAre(3));
  EXPECT_TRUE(r.ignore_eos);
  EXPECT_EQ(r.max_tokens, 1000);
  EXPECT_EQ(r.outputs, 2);
  EXPECT_TRUE(r.logprobs);
  EXPECT_EQ(r.sampling.top_logprobs, 4);
  EXPECT_EQ(r.priority, -3);
  EXPECT_EQ(r.timeout_seconds, 2.5);
  EXPECT_EQ(r.session, "mine");
  EXPECT_TRUE(r.stream);
  EXPECT_TRUE(r.include_usage);
}

std::optional<int64_t> Budget(const char* more, RequestDefaults defaults = Defaults()) {
  return ParseChatCompletions(Chat(more), defaults).thinking_budget;
}

TEST(Request, EveryShapeOfTheBudget) {
  EXPECT_EQ(Budget(R"({"thinking_token_budget": 12})"), 12);
  EXPECT_EQ(Budget(R"({"thinking_budget": 12})"), 12);
  EXPECT_EQ(Budget(R"({"thinking_budget_tokens": 12})"), 12);
  EXPECT_EQ(Budget(R"({"reasoning_budget_tokens": 12})"), 12);
  EXPECT_EQ(Budget(R"({"thinking": {"type": "enabled", "budget_tokens": 2048}})"), 2048);
  EXPECT_EQ(Budget(R"({"thinking": {"type": "disabled"}})"), 0);
  EXPECT_EQ(Budget(R"({"thinking": {"type": "enabled"}})"), std::nullopt);
  EXPECT_EQ(Budget(R"({"reasoning_effort": "none"})"), 0);
  EXPECT_EQ(Budget(R"({"reasoning_effort": "high"})"), 40960);
  EXPECT_EQ(Budget(R"({"reasoning": {"effort": "medium"}})"), 10240);
  EXPECT_EQ(Budget(R"({"reasoning": {"effort": "low"}})"), 2560);
  EXPECT_EQ(Budget(R"({"reasoning": {"max_tokens": 9}})"), 9);
  EXPECT_EQ(Budget(R"({"reasoning": {"enabled": false}})"), 0);
  EXPECT_EQ(Budget(R"({"reasoning_effort": "max"})"), std::nullopt);
  EXPECT_EQ(Budget(R"({"chat_template_kwargs": {"enable_thinking": false}})"), 0);
  EXPECT_EQ(Budget(R"({"chat_template_kwargs": {"enable_thinking": true}})"), std::nullopt);
  EXPECT_EQ(Budget(R"({"enable_thinking": false})"), 0);
  // The smallest counts.
  EXPECT_EQ(Budget(R"({"reasoning_effort": "low", "thinking_token_budget": 100})"), 100);
  EXPECT_EQ(
      ParseMessages(Anthropic(R"({"thinking": {"type": "enabled", "budget_tokens": 5}})"), Defaults()).thinking_budget,
      5);
  EXPECT_EQ(ParseResponses(J(R"({"input": "x", "reasoning": {"effort": "none"}})"), Defaults()).thinking_budget, 0);
}

TEST(Request, ServerDefaultAndCapOfTheBudget) {
  RequestDefaults d = Defaults();
  d.thinking_budget = 500;
  EXPECT_EQ(Budget("{}", d), 500);
  EXPECT_EQ(Budget(R"({"thinking_token_budget": 600})", d), 600);
  EXPECT_EQ(Budget(R"({"thinking": {"type": "enabled"}})", d), std::nullopt);
  d.thinking_cap = 550;
  EXPECT_EQ(Budget("{}", d), 500);
  EXPECT_EQ(Budget(R"({"thinking_token_budget": 600})", d), 550);
  EXPECT_EQ(Budget(R"({"thinking": {"type": "enabled"}})", d), 550);
  EXPECT_EQ(Budget(R"({"thinking_token_budget": 1})", d), 1);
}

TEST(Request, PartsBecomeText) {
  const ApiRequest r =
      ParseChatCompletions(J(R"({"messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}, "b"]},
                         {"role": "user", "content": [{"type": "input_text", "text": "c"}]}]})"),
                           Defaults());
  EXPECT_EQ(r.messages, J(R"([{"role": "system", "content": "ab"}, {"role": "user", "content": "c"}])"));
}

TEST(Request, ThinkingIsHandedBack) {
  const Json body = J(R"({"messages": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "a", "reasoning_content": "r"},
      {"role": "assistant", "content": null, "reasoning": "s",
       "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "42"}]})");
  const ApiRequest r = ParseChatCompletions(body, Defaults());
  EXPECT_EQ(r.messages[1]["content"], "<think>\nr\n</think>\n\na");
  EXPECT_EQ(r.messages[2]["content"], "<think>\ns\n</think>");
  EXPECT_EQ(r.messages[2]["tool_calls"][0]["function"]["arguments"], J(R"({"x": 1})"));
  EXPECT_EQ(r.messages[3], J(R"({"role": "tool", "content": "42", "tool_call_id": "c1"})"));
  RequestDefaults drop = Defaults();
  drop.keep_thinking = false;
  EXPECT_EQ(ParseChatCompletions(body, drop).messages[1]["content"], "a");
}

TEST(Request, MessagesOfAnthropic) {
  const ApiRequest r = ParseMessages(
      J(R"({"max_tokens": 7, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "stop_sequences": ["x"],
            "messages": [{"role": "user", "content": "q"},
             {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""},
               {"type": "text", "text": "a"}, {"type": "tool_use", "id": "u1", "name": "f", "input": {"x": 1}}]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "u1",
                "content": [{"type": "text", "text": "42"}]}, {"type": "text", "text": "and?"}]}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}})"),
      Defaults());
  EXPECT_EQ(r.messages, J(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "q"},
      {"role": "assistant", "content": "<think>\nt\n</think>\n\na",
       "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}, "id": "u1"}]},
      {"role": "tool", "content": "42", "tool_call_id": "u1"}, {"role": "user", "content": "and?"}])"));
  EXPECT_EQ(r.tools, J(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])"));
  EXPECT_EQ(r.tool_choice.kind, ToolChoice::Kind::kNamed);
  EXPECT_EQ(r.tool_choice.name, "f");
  EXPECT_FALSE(r.tool_choice.parallel);
  EXPECT_EQ(r.max_tokens, 7);
  EXPECT_THAT(r.stop, ElementsAre("x"));
}

TEST(Request, AnAnswerCanBeBegun) {
  const ApiRequest a = ParseMessages(
      J(R"({"max_tokens": 7, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "It is"}]})"),
      Defaults());
  EXPECT_EQ(a.answer_begin, "It is");
  EXPECT_EQ(a.messages.size(), 1u);
  const Json body = J(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "It is"}],
                          "continue_final_message": true})");
  EXPECT_EQ(ParseChatCompletions(body, Defaults()).answer_begin, "It is");
  Json without = body;
  without.erase("continue_final_message");
  EXPECT_FALSE(ParseChatCompletions(without, Defaults()).answer_begin.has_value());
}

TEST(Request, ItemsOfResponsesBecomeMessages) {
  const ApiRequest r =
      ParseResponses(J(R"({"instructions": "s", "max_output_tokens": 9, "input": [{"role": "user", "content": "q"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "u"}]},
        {"role": "assistant", "content": "b"}, {"role": "user", "content": "again"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}})"),
                     Defaults());
  EXPECT_EQ(r.messages, J(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "q"},
      {"role": "assistant", "content": "<think>\nt\n</think>\n\na",
       "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}, "id": "c1"}]},
      {"role": "tool", "content": "42", "tool_call_id": "c1"},
      {"role": "assistant", "content": "<think>\nu\n</think>\n\nb"}, {"role": "user", "content": "again"}])"));
  EXPECT_EQ(r.format.kind, OutputFormat::Kind::kJsonSchema);
  EXPECT_EQ(r.format.field, "text.format.schema");
  EXPECT_EQ(r.max_tokens, 9);
  EXPECT_EQ(r.echoed["instructions"], "s");
}

TEST(Request, UnknownFieldsAreReported) {
  const ApiRequest r = ParseChatCompletions(
      Chat(R"({"frobnicate": 1, "user": "me", "stream_options": {"x": 1}, "thinking": {"type": "enabled", "y": 2}})"),
      Defaults());
  EXPECT_THAT(r.ignored.names(), testing::UnorderedElementsAre("frobnicate", "stream_options.x", "thinking.y"));
  EXPECT_THAT(ParseMessages(Anthropic(R"({"zap": true})"), Defaults()).ignored.names(), ElementsAre("zap"));
}

// ---- history

Json CallsOf(const Json& message) {
  Json functions = Json::array();
  for (const Json& call : message["tool_calls"]) functions.push_back(call["function"]);
  return functions;
}

TEST(Request, ArgumentsOfEarlierCallsStayAsTheyWere) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"city": "Oslo"})", R"({"name": "f", "arguments": {"city": "Oslo"}})"},
      {"", R"({"name": "f", "arguments": {}})"},
      {"  \n", R"({"name": "f", "arguments": {}})"},
      {R"({"city": "Os)", R"({"name": "f", "written": "{\"city\": \"Os"})"},
      {"null", R"({"name": "f", "written": "null"})"},
      {"[1]", R"({"name": "f", "written": "[1]"})"},
      {"run it", R"({"name": "f", "written": "run it"})"},
      {R"({"a": 1, "a": 2})", R"({"name": "f", "written": "{\"a\": 1, \"a\": 2}"})"},
      {R"({"a": 1e999})", R"({"name": "f", "written": "{\"a\": 1e999}"})"},
      {R"({"a": 100000000000000000000})", R"({"name": "f", "arguments": {"a": 100000000000000000000}})"},
  };
  for (const auto& [arguments, function] : cases) {
    SCOPED_TRACE(arguments);
    const Json call = {{"name", "f"}, {"arguments", arguments}};
    const Json chat = {{"messages",
                        {{{"role", "assistant"},
                          {"content", nullptr},
                          {"tool_calls", {{{"id", "c"}, {"type", "function"}, {"function", call}}}}},
                         {{"role", "tool"}, {"tool_call_id", "c"}, {"content", "x"}}}}};
    EXPECT_EQ(CallsOf(ParseChatCompletions(chat, Defaults()).messages[0]), Json::array({J(function)}));
    Json item = {{"type", "function_call"}, {"call_id", "c"}};
    item.update(call);
    const Json responses = {{"input", {item, {{"type", "function_call_output"}, {"call_id", "c"}, {"output", "x"}}}}};
    EXPECT_EQ(CallsOf(ParseResponses(responses, Defaults()).messages[0]), Json::array({J(function)}));
  }
  // Anthropic's are JSON, which a client may have taken over from the stream as it came.
  const auto input = [](const std::string& text) {
    const Json body =
        J(R"({"max_tokens": 1, "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t",
        "name": "f", "input": )" +
          text + R"(}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]})");
    return CallsOf(ParseMessages(body, Defaults()).messages[0])[0];
  };
  EXPECT_EQ(input(R"({"a": 18446744073709551616})"), J(R"({"name": "f", "arguments": {"a": 18446744073709551616}})"));
  EXPECT_EQ(input(R"({"a": 1, "a": 2})"), J(R"({"name": "f", "written": "{\"a\":1,\"a\":2}"})"));
  EXPECT_EQ(input("null"), J(R"({"name": "f", "arguments": {}})"));
}

TEST(Request, KeysThatAppearTwiceAreErrorsWhereTheyWouldBeObeyed) {
  for (const auto& [body, field] : std::vector<std::pair<const char*, const char*>>{
           {R"({"messages": [{"role": "user", "content": "x"}], "n": 1, "n": 2})", ""},
           {R"({"messages": [{"role": "user", "content": "x", "role": "assistant"}]})", "messages[0]"},
           {R"({"messages": [{"role": "user", "content": "x"}],
                "tools": [{"function": {"name": "f", "parameters": {"properties": {"a": {}, "a": {}}}}}]})",
            "tools[0].function.parameters"},
           {R"({"messages": [{"role": "user", "content": "x"}],
                "response_format": {"type": "json_object", "schema": {"type": "object", "type": "array"}}})",
            "response_format.schema"}}) {
    SCOPED_TRACE(body);
    try {
      ParseChatCompletions(J(body), Defaults());
      ADD_FAILURE() << "was accepted";
    } catch (const ApiError& e) {
      EXPECT_EQ(e.field(), field);
      EXPECT_THAT(e.what(), HasSubstr("appears twice"));
    }
  }
}

TEST(Request, AnswersThatWereCutAreHistoryToo) {
  const ApiRequest chat =
      ParseChatCompletions(J(R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": []},
            {"role": "user", "content": "go on"}]})"),
                           Defaults());
  EXPECT_EQ(chat.messages[1], J(R"({"role": "assistant", "content": ""})"));
  EXPECT_EQ(chat.messages[2], J(R"({"role": "assistant", "content": "<think>\nhm\n</think>"})"));
  const ApiRequest messages = ParseMessages(
      J(R"({"max_tokens": 1, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": []},
            {"role": "user", "content": "go on"}]})"),
      Defaults());
  EXPECT_EQ(messages.messages[1], J(R"({"role": "assistant", "content": ""})"));
  const ApiRequest responses = ParseResponses(
      J(R"({"input": [{"role": "user", "content": "x"}, {"type": "reasoning", "summary": [], "status": "incomplete",
            "content": [{"type": "reasoning_text", "text": "hm"}]}, {"role": "user", "content": "go on"}]})"),
      Defaults());
  EXPECT_EQ(responses.messages[1], J(R"({"role": "assistant", "content": "<think>\nhm\n</think>"})"));
}

TEST(Request, WhatOthersPutIntoHistory) {
  const ApiRequest chat = ParseChatCompletions(
      J(R"({"messages": [{"role": "assistant", "content": null, "reasoning": {"tokens": 5}, "tool_calls": [{"index": 0, "id": "c",
              "type": "builtin_function", "function": {"name": "$web_search", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "name": "$web_search", "content": null}]})"),
      Defaults());
  EXPECT_EQ(CallsOf(chat.messages[0]), J(R"([{"name": "$web_search", "arguments": {}}])"));
  EXPECT_EQ(chat.messages[1]["content"], "");
  EXPECT_THAT(chat.ignored.names(), ElementsAre("messages[0].reasoning"));
  const ApiRequest messages = ParseMessages(
      J(R"({"max_tokens": 1, "messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": null},
              {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "a"}]}, {"role": "user", "content": "b"}]})"),
      Defaults());
  EXPECT_EQ(messages.messages[0]["content"], "a");
  EXPECT_THAT(messages.ignored.names(), ElementsAre("messages[0].content[1] (redacted_thinking)"));
}

TEST(Request, FunctionsFromBeforeThereWereTools) {
  const ApiRequest r = ParseChatCompletions(J(R"({"messages": [{"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"x\": 1}"}},
            {"role": "function", "name": "f", "content": "42"}]})"),
                                            Defaults());
  EXPECT_EQ(CallsOf(r.messages[1]), J(R"([{"name": "f", "arguments": {"x": 1}}])"));
  EXPECT_EQ(r.messages[2], J(R"({"role": "tool", "content": "42", "name": "f"})"));
}

TEST(Request, ThinkingIsHandedBackUnderManyNames) {
  const auto content = [](const char* fields) {
    Json message = J(R"({"role": "assistant", "content": "a"})");
    message.update(J(fields));
    const ApiRequest r = ParseChatCompletions({{"messages", Json::array({message})}}, Defaults());
    EXPECT_THAT(r.ignored.names(), testing::IsEmpty());
    return r.messages[0]["content"].get<std::string>();
  };
  const std::string both = "<think>\nr\n</think>\n\na";
  EXPECT_EQ(content(R"({"reasoning_content": "r", "reasoning": "r"})"), both);
  EXPECT_EQ(content(R"({"reasoning_content": "", "reasoning": "r"})"), both);
  EXPECT_EQ(
      content(R"({"reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": null, "index": 0}]})"),
      both);
  EXPECT_EQ(content(R"({"reasoning_details": [{"type": "reasoning.summary", "summary": "r"}]})"), both);
  EXPECT_EQ(content(R"({"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r"}]})"), both);
  EXPECT_EQ(content(R"({"content": [{"type": "thinking", "thinking": "r"}, {"type": "text", "text": "a"}]})"), both);
  const ApiRequest r = ParseChatCompletions(
      J(R"({"messages": [{"role": "assistant", "content": "a", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}]})"),
      Defaults());
  EXPECT_THAT(r.ignored.names(), ElementsAre("messages[0].reasoning_details[0] (reasoning.encrypted)"));
}

TEST(Request, ThinkingThatClientsDoNotReadComesBack) {
  for (const std::string& text : {std::string(), std::string("hm"), std::string("a\nlonger é thought")}) {
    EXPECT_EQ(OpenThinking(SealThinking(text)), text);
  }
  for (const char* foreign : {"", "EqQBCgIYAh", "fulgur1.?", "fulgur1.AA", "fulgur1.gICA"}) {
    EXPECT_EQ(OpenThinking(foreign), std::nullopt) << foreign;
  }
  const Json responses = {
      {"input",
       {{{"type", "reasoning"}, {"summary", Json::array()}, {"encrypted_content", SealThinking("hm")}},
        {{"role", "assistant"}, {"content", "a"}}}}};
  EXPECT_EQ(ParseResponses(responses, Defaults()).messages[0]["content"], "<think>\nhm\n</think>\n\na");
  Json foreign = responses;
  foreign["input"][0]["encrypted_content"] = "gAAAAAB";
  EXPECT_THAT(ParseResponses(foreign, Defaults()).ignored.names(), ElementsAre("input[0].encrypted_content"));
  const Json messages = {{"max_tokens", 1},
                         {"messages",
                          {{{"role", "assistant"},
                            {"content",
                             {{{"type", "thinking"}, {"thinking", ""}, {"signature", SealThinking("hm")}},
                              {{"type", "text"}, {"text", "a"}}}}},
                           {{"role", "user"}, {"content", "go on"}}}}};
  EXPECT_EQ(ParseMessages(messages, Defaults()).messages[0]["content"], "<think>\nhm\n</think>\n\na");
}

// ---- tools

TEST(Request, ToolsThatRunElsewhereAreSkippedAndNamed) {
  const ApiRequest responses =
      ParseResponses(J(R"({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}},
            {"type": "web_search", "external_web_access": false}, {"type": "namespace", "name": "mcp", "tools": []},
            {"type": "mcp", "server_label": "s", "server_url": "u"}, {"type": "image_generation"}], "tool_choice": "auto"})"),
                     Defaults());
  EXPECT_EQ(responses.tools.size(), 1u);
  EXPECT_THAT(responses.ignored.names(), ElementsAre("tools[1] (web_search)", "tools[2] (namespace)", "tools[3] (mcp)",
                                                     "tools[4] (image_generation)"));
  const ApiRequest messages =
      ParseMessages(Anthropic(R"({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
                              {"type": "bash_20250124", "name": "bash"}, {"name": "f", "input_schema": {"type": "object"},
                               "defer_loading": true, "cache_control": {"type": "ephemeral"}}]})"),
                    Defaults());
  EXPECT_EQ(messages.tools.size(), 1u);
  EXPECT_THAT(messages.ignored.names(),
              ElementsAre("tools[0] (web_search_20250305)", "tools[1] (bash_20250124)", "tools[2].defer_loading"));
  const ApiRequest chat = ParseChatCompletions(
      Chat(R"({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]})"), Defaults());
  EXPECT_TRUE(chat.tools.is_null());
  EXPECT_THAT(chat.ignored.names(), ElementsAre("tools[0] (builtin_function)"));
  // A choice that only they could meet is an error.
  EXPECT_THROW(
      ParseResponses(J(R"({"input": "x", "tools": [{"type": "web_search"}], "tool_choice": "required"})"), Defaults()),
      ApiError);
  EXPECT_THROW(
      ParseResponses(J(R"({"input": "x", "tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}})"),
                     Defaults()),
      ApiError);
}

TEST(Request, CustomToolsTakeOneText) {
  const char* kTools = R"([{"type": "custom", "name": "apply_patch", "description": "d",
      "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}, {"type": "custom", "name": "say"}])";
  const ApiRequest r = ParseResponses(
      {{"input", "x"}, {"tools", J(kTools)}, {"tool_choice", {{"type", "custom"}, {"name", "say"}}}}, Defaults());
  EXPECT_EQ(r.tools[0]["function"],
            J(R"({"name": "apply_patch", "description": "d", "parameters": {"type": "object", "properties": {"input": {
                  "type": "string", "description": "Follows this lark grammar:\nstart: /x/"}}, "required": ["input"],
                  "additionalProperties": false}, "strict": true})"));
  EXPECT_EQ(r.custom_tools, (std::set<std::string>{"apply_patch", "say"}));
  EXPECT_THAT(r.ignored.names(), ElementsAre("tools[0].format (grammar)"));
  EXPECT_EQ(r.tool_choice.name, "say");
  const ApiRequest chat =
      ParseChatCompletions(Chat(R"({"tools": [{"type": "custom", "custom": {"name": "say", "format": {"type": "grammar",
                "grammar": {"syntax": "regex", "definition": "a+"}}}}],
               "tool_choice": {"type": "custom", "custom": {"name": "say"}}})"),
                           Defaults());
  EXPECT_EQ(chat.tools[0]["function"]["parameters"]["properties"]["input"]["description"],
            "Follows this regex grammar:\na+");
  EXPECT_EQ(chat.tool_choice.name, "say");
}

TEST(Request, EachApiTakesTheToolsOfTheOther) {
  const Json flat = J(R"({"type": "function", "name": "f", "parameters": {"type": "object"}})");
  const Json nested = J(R"({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}})");
  const Json anthropic = J(R"({"name": "f", "input_schema": {"type": "object"}})");
  for (const Json& tool : {flat, nested, anthropic}) {
    Json chat = Chat();
    chat["tools"] = {tool};
    EXPECT_EQ(ParseChatCompletions(chat, Defaults()).tools, Json::array({nested}));
    EXPECT_EQ(ParseResponses({{"input", "x"}, {"tools", {tool}}}, Defaults()).tools, Json::array({nested}));
  }
}

TEST(Request, OfSomeToolsTheOthersAreNotShown) {
  const char* kTools = R"([{"type": "function", "name": "f"}, {"type": "function", "name": "g"}])";
  const ApiRequest r = ParseResponses(
      {{"input", "x"},
       {"tools", J(kTools)},
       {"tool_choice",
        J(R"({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]})")}},
      Defaults());
  EXPECT_EQ(r.tools, J(R"([{"type": "function", "function": {"name": "g"}}])"));
  EXPECT_EQ(r.tool_choice.kind, ToolChoice::Kind::kRequired);
  const ApiRequest none = ParseResponses({{"input", "x"},
                                          {"tools", J(kTools)},
                                          {"tool_choice", J(R"({"type": "allowed_tools", "tools": [{"name": "h"}]})")}},
                                         Defaults());
  EXPECT_TRUE(none.tools.is_null());
}

// ---- items and blocks

TEST(Request, ItemsOfOtherTools) {
  const ApiRequest r = ParseResponses(J(R"({"input": [{"role": "user", "content": "q"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "apply_patch", "input": "*** Begin\n"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "cats"}},
        {"type": "message", "role": "assistant", "phase": "final_answer", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "local_shell_call", "id": "l", "call_id": "c2", "status": "completed",
         "action": {"type": "exec", "command": ["ls"]}},
        {"type": "local_shell_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "a.txt"}]},
        {"type": "code_interpreter_call", "id": "ci", "code": "1+1", "container_id": "x", "status": "completed",
         "outputs": [{"type": "logs", "logs": "2"}]},
        {"type": "mcp_list_tools", "id": "m", "server_label": "s", "tools": []},
        {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "aGk="},
        {"type": "ghost_snapshot", "ghost_commit": {}},
        {"id": "msg_gone_0", "type": "item_reference"},
        {"role": "user", "content": "and?"}]})"),
                                      Defaults());
  EXPECT_EQ(r.messages, J(R"([{"role": "user", "content": "q"},
      {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "apply_patch",
          "arguments": {"input": "*** Begin\n"}}, "id": "c1"}]},
      {"role": "tool", "content": "ok", "tool_call_id": "c1"},
      {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "web_search",
          "arguments": {"type": "search", "query": "cats"}}, "id": "ws_1"}]},
      {"role": "assistant", "content": "a", "tool_calls": [{"type": "function", "function": {"name": "local_shell",
          "arguments": {"type": "exec", "command": ["ls"]}}, "id": "c2"}]},
      {"role": "tool", "content": "a.txt", "tool_call_id": "c2"},
      {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "code_interpreter",
          "arguments": {"code": "1+1"}}, "id": "ci"}]},
      {"role": "tool", "content": "[{\"type\":\"logs\",\"logs\":\"2\"}]", "tool_call_id": "ci"},
      {"role": "user", "content": "and?"}])"));
  EXPECT_THAT(r.ignored.names(), ElementsAre("input[8] (mcp_list_tools)", "input[9] (image_generation_call)",
                                             "input[10] (ghost_snapshot)", "input[11] (item_reference)"));
}

TEST(Request, BlocksOfOtherTools) {
  const ApiRequest r =
      ParseMessages(J(R"({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "q"},
          {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
          {"type": "search_result", "title": "S", "source": "u", "content": [{"type": "text", "text": "R"}]}]},
        {"role": "assistant", "content": [{"type": "text", "text": "let me see"},
          {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}},
          {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u",
            "encrypted_content": "xyz"}]},
          {"type": "text", "text": "so", "citations": []},
          {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1",
          "content": [{"type": "tool_reference", "tool_name": "mcp__a"}]}]},
        {"role": "system", "content": [{"type": "text", "text": "x"},
          {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "mcp__a"}}]}]})"),
                    Defaults());
  EXPECT_EQ(r.messages, J(R"([{"role": "user", "content": "q\n\nT\nD\n\nS\nu\nR"},
      {"role": "assistant", "content": "let me see", "tool_calls": [{"type": "function", "function": {"name": "web_search",
          "arguments": {"query": "cats"}}, "id": "s1"}]},
      {"role": "tool", "content": "[{\"type\":\"web_search_result\",\"url\":\"u\"}]", "tool_call_id": "s1"},
      {"role": "assistant", "content": "so", "tool_calls": [{"type": "function", "function": {"name": "ToolSearch",
          "arguments": {}}, "id": "t1"}]},
      {"role": "tool", "content": "mcp__a", "tool_call_id": "t1"},
      {"role": "system", "content": "x"}])"));
  EXPECT_THAT(r.ignored.names(), ElementsAre("messages[2].content[0].content[0] (tool_reference)",
                                             "messages[3].content[1] (tool_addition)"));
}

TEST(Request, WhatTheModelWouldHaveToSeeIsRefused) {
  for (const char* part : {R"({"type": "image_url", "image_url": {"url": "data:"}})", R"({"type": "input_audio"})",
                           R"({"type": "file", "file": {}})", R"({"type": "video_url"})", R"({"type": "image_embeds"})",
                           R"({"type": "document", "source": {"type": "base64", "data": "aGk="}})"}) {
    Json chat = J(R"({"messages": [{"role": "user"}]})");
    chat["messages"][0]["content"] = {J(part)};
    EXPECT_THROW(ParseChatCompletions(chat, Defaults()), ApiError) << part;
    Json messages = chat;
    messages["max_tokens"] = 1;
    EXPECT_THROW(ParseMessages(messages, Defaults()), ApiError) << part;
    EXPECT_THROW(ParseResponses({{"input", chat["messages"]}}, Defaults()), ApiError) << part;
  }
}

TEST(Request, ABillingLineIsNotPartOfThePrompt) {
  const std::string line = "x-anthropic-billing-header: cc_version=2.1.37.3a3; cc_entrypoint=cli; cch=4ab1;";
  const auto system = [](const Json& content) {
    Json body = Anthropic();
    body["system"] = content;
    const ApiRequest r = ParseMessages(body, Defaults());
    return r.messages[0]["role"] == "system" ? r.messages[0]["content"].get<std::string>() : "";
  };
  const Json rest = {{"type", "text"}, {"text", "You are C."}};
  EXPECT_EQ(system({{{"type", "text"}, {"text", line}}, rest}), "You are C.");
  EXPECT_EQ(system({{{"type", "text"}, {"text", line + "\nMore."}}, rest}), "More.\n\nYou are C.");
  EXPECT_EQ(system(line + "\n\nYou are C."), "You are C.");
  EXPECT_EQ(system({{{"type", "text"}, {"text", line}}}), "");
  EXPECT_EQ(system("The header x-anthropic-billing-header: is one."), "The header x-anthropic-billing-header: is one.");
  // By way of a proxy that speaks the other APIs.
  const Json message = {{"role", "system"}, {"content", {{{"type", "text"}, {"text", line}}, rest}}};
  const ApiRequest chat =
      ParseChatCompletions({{"messages", {message, {{"role", "user"}, {"content", "x"}}}}}, Defaults());
  EXPECT_EQ(chat.messages[0]["content"], "You are C.");
  EXPECT_THAT(chat.ignored.names(), ElementsAre("messages[0].content[0] (x-anthropic-billing-header)"));
  EXPECT_EQ(
      ParseResponses({{"input", "x"}, {"instructions", line + "\nYou are C."}}, Defaults()).messages[0]["content"],
      "You are C.");
  // A user may speak of it.
  EXPECT_EQ(
      ParseChatCompletions({{"messages", {{{"role", "user"}, {"content", line}}}}}, Defaults()).messages[0]["content"],
      line);
}

// ---- fields that are honoured, or named

TEST(Request, FormatsByTheirOtherNames) {
  const Json schema = J(R"({"type": "object", "properties": {"a": {"type": "integer"}}})");
  const auto format = [&](Json more) {
    Json body = Chat();
    body.update(more);
    return ParseChatCompletions(body, Defaults()).format;
  };
  for (const auto& [more, field] : std::vector<std::pair<Json, const char*>>{
           {{{"response_format", {{"type", "json_object"}, {"schema", schema}}}}, "response_format.schema"},
           {{{"response_format", {{"type", "json_schema"}, {"json_schema", {{"name", "n"}, {"schema", schema}}}}}},
            "response_format.json_schema.schema"},
           {{{"guided_json", schema}}, "guided_json"},
           {{{"guided_json", schema.dump()}}, "guided_json"},
           {{{"structured_outputs", {{"json", schema}}}}, "structured_outputs.json"},
           {{{"json_schema", schema}, {"response_format", {{"type", "text"}}}}, "json_schema"}}) {
    const OutputFormat read = format(more);
    EXPECT_EQ(read.kind, OutputFormat::Kind::kJsonSchema) << more;
    EXPECT_EQ(read.schema, schema) << more;
    EXPECT_EQ(read.field, field);
  }
  EXPECT_EQ(format({{"response_format", {{"type", "json_object"}}}}).kind, OutputFormat::Kind::kJsonObject);
  EXPECT_EQ(format({{"structured_outputs", {{"json_object", true}}}}).kind, OutputFormat::Kind::kJsonObject);
  EXPECT_THROW(format({{"guided_json", schema}, {"json_schema", schema}}), ApiError);
  EXPECT_THROW(format({{"guided_json", "{"}}), ApiError);
  EXPECT_THROW(format({{"response_format", {{"type", "json_schema"}, {"schema", schema}}}}), ApiError);

  Json messages = Anthropic();
  messages["output_format"] = {{"type", "json_schema"}, {"schema", schema}};
  EXPECT_EQ(ParseMessages(messages, Defaults()).format.field, "output_format.schema");
  messages["output_config"]["format"] = messages["output_format"];
  EXPECT_THROW(ParseMessages(messages, Defaults()), ApiError);
}

TEST(Request, EffortAndDisplayOfAnthropic) {
  const auto budget = [](const char* more) { return ParseMessages(Anthropic(more), Defaults()).thinking_budget; };
  EXPECT_EQ(budget(R"({"output_config": {"effort": "low"}})"), 2560);
  EXPECT_EQ(budget(R"({"output_config": {"effort": "max"}})"), std::nullopt);
  EXPECT_EQ(budget(R"({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}})"), 0);
  EXPECT_THROW(budget(R"({"output_config": {"effort": "bogus"}})"), ApiError);
  EXPECT_THROW(budget(R"({"thinking": {"type": "adaptive", "display": "bogus"}})"), ApiError);
  EXPECT_TRUE(ParseMessages(Anthropic(R"({"thinking": {"type": "adaptive", "display": "omitted"}})"), Defaults())
                  .empty_reasoning);
}

TEST(Request, TheLastMessageBeginsTheAnswerByThreeNames) {
  for (const char* name : {"prefix", "partial"}) {
    Json body = J(R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "It is"}]})");
    body["messages"][1][name] = true;
    EXPECT_EQ(ParseChatCompletions(body, Defaults()).answer_begin, "It is");
    body["messages"][1][name] = false;
    EXPECT_FALSE(ParseChatCompletions(body, Defaults()).answer_begin.has_value());
    body["messages"][1][name] = true;
    body["messages"].push_back(body["messages"][0]);
    const ApiRequest middle = ParseChatCompletions(body, Defaults());
    EXPECT_FALSE(middle.answer_begin.has_value());
    EXPECT_THAT(middle.ignored.names(), ElementsAre(fmt::format("messages[1].{}", name)));
  }
}

TEST(Request, NestedFieldsThatAreNotHonouredAreNamed) {
  const ApiRequest chat = ParseChatCompletions(
      J(R"({"messages": [{"role": "user", "name": "n", "content": [{"type": "text", "text": "x", "zap": 1}]},
                         {"role": "user", "name": "n", "content": "y"},
                         {"role": "assistant", "content": "a", "audio": {"id": "1"}}],
            "tools": [{"type": "function", "extra": 1, "function": {"name": "f", "returns": {}}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}}},
            "stream_options": {"include_obfuscation": false, "continuous_usage_stats": true},
            "reasoning": {"summary": "detailed", "effort": "low"}, "store": true, "verbosity": "low",
            "add_generation_prompt": false, "null_is_not_there": null})"),
      Defaults());
  EXPECT_THAT(
      chat.ignored.names(),
      testing::UnorderedElementsAre("messages[0].content[0].zap", "messages[0].name", "messages[2].audio",
                                    "tools[0].extra", "tools[0].function.returns",
                                    "response_format.json_schema.description", "stream_options.continuous_usage_stats",
                                    "reasoning.summary", "store", "verbosity", "add_generation_prompt"));
  const ApiRequest responses =
      ParseResponses(J(R"({"input": "x", "text": {"verbosity": "low"}, "truncation": "auto", "store": true,
            "include": ["file_search_call.results", "reasoning.encrypted_content"], "reasoning": {"summary": "auto"},
            "client_metadata": {}})"),
                     Defaults());
  EXPECT_THAT(responses.ignored.names(),
              testing::UnorderedElementsAre("text.verbosity", "truncation", "store (see --response-store)",
                                            "include[0] (\"file_search_call.results\")", "client_metadata"));
  EXPECT_TRUE(responses.sealed_reasoning);
  const ApiRequest messages = ParseMessages(
      Anthropic(R"({"mcp_servers": [], "context_management": {"edits": []}, "output_config": {"task_budget": {}},
                    "metadata": {"user_id": "u"}})"),
      Defaults());
  EXPECT_THAT(messages.ignored.names(),
              testing::UnorderedElementsAre("mcp_servers", "context_management", "output_config.task_budget"));
}

// ---- responses that are kept

TEST(Request, AResponseGoesOnFromAnEarlierOne) {
  ResponseStore store(1 << 20);
  RequestDefaults defaults = Defaults();
  defaults.responses = &store;
  const ApiRequest first = ParseResponses(J(R"({"input": "q", "instructions": "i"})"), defaults);
  EXPECT_TRUE(first.store);
  const Json output =
      J(R"([{"id": "rs_1_0", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
      {"id": "fc_1_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"n\": 100000000000000000000}",
       "status": "completed"}])");
  store.Put("", first.input_items, {{"id", "resp_1"}, {"output", output}});

  const ApiRequest second = ParseResponses(
      J(R"({"input": [{"type": "function_call_output", "call_id": "c1", "output": "42"}], "previous_response_id": "resp_1"})"),
      defaults);
  EXPECT_EQ(second.messages, J(R"([{"role": "user", "content": "q"},
      {"role": "assistant", "content": "<think>\nt\n</think>", "tool_calls": [{"type": "function", "function": {"name": "f",
       "arguments": {"n": 100000000000000000000}}, "id": "c1"}]},
      {"role": "tool", "content": "42", "tool_call_id": "c1"}])"));
  EXPECT_EQ(second.input_items.size(), 1u);
  EXPECT_EQ(second.previous_response_id, "resp_1");
  EXPECT_EQ(second.echoed["previous_response_id"], "resp_1");
  store.Put("resp_1", second.input_items,
            {{"id", "resp_2"},
             {"output", {{{"id", "msg_2_0"}, {"type", "message"}, {"role", "assistant"}, {"content", "a"}}}}});
  EXPECT_EQ(ParseResponses(J(R"({"input": "more", "previous_response_id": "resp_2"})"), defaults).messages.size(), 5u);

  // By reference to items, as clients do that count on the store.
  const ApiRequest referring = ParseResponses(
      J(R"({"input": [{"role": "user", "content": "q"}, {"type": "item_reference", "id": "rs_1_0"}, {"id": "fc_1_1"},
            {"type": "function_call_output", "call_id": "c1", "output": "42"},
            {"type": "item_reference", "id": "msg_2_0"}, {"type": "item_reference", "id": "msg_9_0"}]})"),
      defaults);
  EXPECT_EQ(referring.messages.size(), 4u);
  EXPECT_EQ(referring.messages[3]["content"], "a");
  EXPECT_THAT(referring.ignored.names(), ElementsAre("input[5] (item_reference)"));
  EXPECT_EQ(referring.input_items[1], output[0]);  // what it refers to is kept

  EXPECT_FALSE(ParseResponses(J(R"({"input": "q", "store": false})"), defaults).store);
  try {
    ParseResponses(J(R"({"input": "q", "previous_response_id": "resp_3"})"), defaults);
    ADD_FAILURE() << "was accepted";
  } catch (const ApiError& e) {
    EXPECT_EQ(e.field(), "previous_response_id");
    EXPECT_EQ(e.code(), "previous_response_not_found");
  }
  try {
    ParseResponses(J(R"({"input": "q", "previous_response_id": "resp_1"})"), Defaults());
    ADD_FAILURE() << "was accepted";
  } catch (const ApiError& e) {
    EXPECT_THAT(e.what(), HasSubstr("--response-store"));
  }
}

TEST(ResponseStore, IsBoundedAndKeepsConversationsWhole) {
  const auto response = [](const std::string& id) {
    return Json{{"id", "resp_" + id}, {"output", {{{"id", "msg_" + id + "_0"}, {"text", std::string(200, 'x')}}}}};
  };
  ResponseStore store(1000);  // room for three
  store.Put("", Json::array(), response("a"));
  store.Put("resp_a", Json::array(), response("b"));
  store.Put("", Json::array(), response("c"));
  EXPECT_EQ(store.Items("resp_b")->size(), 2u);  // a and b are used
  store.Put("", Json::array(), response("d"));
  EXPECT_FALSE(store.Response("resp_c").has_value());
  EXPECT_EQ(store.Items("resp_b")->size(), 2u);
  EXPECT_TRUE(store.Item("msg_d_0").has_value());
  for (const char* id : {"msg_c_0", "msg_d_1", "msg", "_", "msg_"}) EXPECT_FALSE(store.Item(id).has_value()) << id;
  EXPECT_TRUE(store.Remove("resp_a"));
  EXPECT_FALSE(store.Remove("resp_a"));
  EXPECT_FALSE(store.Items("resp_b").has_value());  // not without what was before it
  ResponseStore small(10);
  small.Put("", Json::array(), response("a"));
  EXPECT_FALSE(small.Response("resp_a").has_value());
}

TEST(Request, PromptsOfCompletions) {
  using Prompt = ApiRequest::Prompt;
  const auto prompts = [](const char* prompt) {
    return ParseCompletions(Json{{"prompt", J(prompt)}}, Defaults()).prompts;
  };
  EXPECT_THAT(prompts(R"("a")"), ElementsAre(Prompt("a")));
  EXPECT_THAT(prompts(R"(["a", "b"])"), ElementsAre(Prompt("a"), Prompt("b")));
  EXPECT_THAT(prompts("[1, 2]"), ElementsAre(Prompt(std::vector<int32_t>{1, 2})));
  EXPECT_THAT(prompts("[[1], [2, 3]]"),
              ElementsAre(Prompt(std::vector<int32_t>{1}), Prompt(std::vector<int32_t>{2, 3})));
}

}  // namespace
}  // namespace fulgur
