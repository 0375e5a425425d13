// Requests of the four APIs: what they come to, and the field that an error names.
#include "serve/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

Json J(const char* text) { return ParseJson(text, "test"); }

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
      {ParseChatCompletions, R"({"messages": [{"role": "assistant"}]})", "messages[0].content"},
      {ParseChatCompletions,
       R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]})",
       "messages[0].tool_calls[0].function.arguments"},
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
      {ParseResponses, R"({"input": [{"type": "web_search_call"}]})", "input[0].type"},
      {ParseResponses, R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "input[0].content[0].type"},
      {ParseResponses, R"({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]})",
       "input[0].call_id"},
      {ParseResponses, R"({"input": "x", "previous_response_id": "resp_1"})", "previous_response_id"},
      {ParseResponses, R"({"input": "x", "tools": [{"type": "web_search"}]})", "tools[0].type"},
      {ParseResponses, R"({"input": "x", "text": {"format": {"type": "json_schema"}}})", "text.format.schema"},
      {ParseAnthropic, R"({"messages": [{"role": "user", "content": "x"}]})", "max_tokens"},
      {ParseAnthropic, R"({"max_tokens": 1})", "messages"},
      {ParseAnthropic, R"({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image"}]}]})",
       "messages[0].content[0].type"},
      {ParseAnthropic,
       R"({"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]})",
       "messages[0].content[0].tool_use_id"},
      {ParseAnthropic,
       R"({"max_tokens": 1, "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "bash_20250124", "name": "bash"}]})",
       "tools[0].type"},
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
          {R"({"tools": [{"type": "retrieval"}]})", "tools[0].type"},
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
  EXPECT_THAT(request.ignored, testing::IsEmpty());
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
       "tool_calls": [{"id": "u1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]},
      {"role": "tool", "tool_call_id": "u1", "content": "42"}, {"role": "user", "content": "and?"}])"));
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
       "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {}}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "42"},
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
  EXPECT_THAT(r.ignored, testing::UnorderedElementsAre("frobnicate", "stream_options.x", "thinking.y"));
  EXPECT_THAT(ParseMessages(Anthropic(R"({"zap": true})"), Defaults()).ignored, ElementsAre("zap"));
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
