#include "grammar/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

const std::vector<ToolSignature>& Tools() {
  static const std::vector<ToolSignature> tools = {
      {"add",
       ParseJson(
           R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]})",
           "test")},
      {"say \"hi\"", Json()},
      {"stop",
       ParseJson(R"({"$ref": "#/$defs/none", "$defs": {"none": {"type": ["object", "null"], "properties": {}}}})",
                 "test")}};
  return tools;
}

TEST(ToolGrammarTest, CallsAreWhatTheOutputParserReads) {
  const auto grammar = ToolCallsGrammar(Tools(), ToolUse::kRequired);
  const std::string text =
      "<tool_calls>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n"
      "{\"name\":\"say \\\"hi\\\"\",\"arguments\":{\"x\":[1, {}]}}\n{\"name\": \"stop\", \"arguments\": "
      "{}}\n</tool_calls>";
  EXPECT_TRUE(grammar->Matches(text));
  const ParsedOutput parsed = ParseOutput(text);
  ASSERT_EQ(parsed.tool_calls.size(), 3u);
  EXPECT_EQ(parsed.tool_calls[1].name, "say \"hi\"");
  for (const char* misfit : {"", "Hello", "<tool_calls>\n</tool_calls>",
                             "<tool_calls>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_calls>",
                             "<tool_calls>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_calls>",
                             "<tool_calls>\n{\"name\": \"add\", \"arguments\": {\"a\": 1,\n\"b\": 2}}\n</tool_calls>",
                             "<tool_calls>\n{\"name\": \"stop\", \"arguments\": null}\n</tool_calls>",
                             "<tool_calls>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_calls>\nx"}) {
    EXPECT_FALSE(grammar->Matches(misfit)) << misfit;
  }
}

TEST(ToolGrammarTest, TextMayPrecedeCallsIfTheyAreNotRequired) {
  const auto grammar = ToolCallsGrammar(Tools(), ToolUse::kAuto);
  for (const char* fit :
       {"", "Hello <tool", "Let me see.\n<tool_calls>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_calls>"}) {
    EXPECT_TRUE(grammar->Matches(fit)) << fit;
  }
  EXPECT_FALSE(grammar->Matches("Hello <tool_calls>"));
  EXPECT_FALSE(grammar->Matches("Hello <tool_calls> is a tag"));
}

TEST(ToolGrammarTest, CallsAreCounted) {
  const std::string call = "{\"name\": \"stop\", \"arguments\": {}}\n";
  const auto matches = [&](uint32_t max, int calls) {
    std::string text = "<tool_calls>\n";
    for (int i = 0; i < calls; ++i) text += call;
    return ToolCallsGrammar(Tools(), ToolUse::kRequired, max)->Matches(text + "</tool_calls>");
  };
  EXPECT_TRUE(matches(1, 1));
  EXPECT_FALSE(matches(1, 2));
  EXPECT_TRUE(matches(3, 3));
  EXPECT_FALSE(matches(3, 4));
  EXPECT_TRUE(matches(kUnbounded, 50));
}

TEST(ToolGrammarTest, CallsOrJson) {
  const Json schema =
      ParseJson(R"({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]})", "test");
  const std::string call = "<tool_calls>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_calls>";
  const auto held = ToolCallsOrJsonGrammar(Tools(), schema, "test"),
             any = ToolCallsOrJsonGrammar(Tools(), Json(), "test");
  for (const auto& grammar : {held, any}) {
    EXPECT_TRUE(grammar->Matches("{\"a\": true}"));
    EXPECT_TRUE(grammar->Matches(call));
    for (const std::string& misfit : {std::string(), std::string("Hello"), "{\"a\": true}" + call, "x " + call}) {
      EXPECT_FALSE(grammar->Matches(misfit)) << misfit;
    }
  }
  EXPECT_FALSE(held->Matches("{\"a\": 1}"));
  EXPECT_TRUE(any->Matches("{\"a\": 1}"));
}

TEST(ToolGrammarTest, ErrorsNameTheTool) {
  using ::testing::HasSubstr;
  const auto error = [](const char* parameters) -> std::string {
    try {
      const ToolSignature tools[] = {{"f", Json()}, {"g", ParseJson(parameters, "test")}};
      ToolCallsGrammar(tools, ToolUse::kAuto);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error(R"({"properties": {"a": {"not": {"type": "null"}}}})"),
              HasSubstr("the parameters of the tool g: #/properties/a/not"));
  EXPECT_THAT(error(R"({"type": "string"})"), HasSubstr("the parameters of the tool g: nothing is allowed"));
  EXPECT_THROW(ToolCallsGrammar({}, ToolUse::kAuto), Error);
  EXPECT_THROW(ToolCallsGrammar(Tools(), ToolUse::kAuto, 0), Error);
}

}  // namespace
}  // namespace fulgur
