// What coding agents send to `fulgur serve`, over several turns: the real process with the bundled model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include "base/error.h"
#include "base/json_as_given.h"
#include "tests/server_process.h"

namespace fulgur {
namespace {

using testing::HasSubstr;
using testing::Not;

Json J(const std::string& text) { return ParseJsonAsGiven(text, "test"); }

struct Reply {
  int status = 0;
  std::string body, ignored;
  Json json() const { return J(body); }
};

Reply Send(const ServerProcess& server, const std::string& method, const std::string& path, const Json& body) {
  httplib::Client client(server.url());
  client.set_read_timeout(120, 0);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.headers = {{"Content-Type", "application/json"}};
  if (!body.is_null()) request.body = DumpJson(body);
  const httplib::Result result = client.send(request);
  if (!result) throw Error("no answer: {}", httplib::to_string(result.error()));
  return {result->status, result->body, result->get_header_value("x-fulgur-ignored-fields")};
}

Reply Post(const ServerProcess& server, const std::string& path, const Json& body) {
  Reply reply = Send(server, "POST", path, body);
  EXPECT_EQ(reply.status, 200) << reply.body;
  return reply;
}

std::vector<Json> Events(const std::string& stream) {
  std::vector<Json> events;
  constexpr std::string_view kData = "data: ";
  for (size_t begin = stream.find(kData); begin != std::string::npos; begin = stream.find(kData, begin)) {
    begin += kData.size();
    events.push_back(J(stream.substr(begin, stream.find('\n', begin) - begin)));
  }
  return events;
}

// The prompt that a chat becomes.
std::string Prompt(const ServerProcess& server, const Json& chat) {
  const Json tokens = Post(server, "/tokenize", chat).json()["tokens"];
  return Post(server, "/detokenize", {{"tokens", tokens}}).json()["prompt"];
}

TEST(Agents, ClaudeCodeReadsItsPromptOnce) {
  const ServerProcess server;
  std::string instructions = "You are an agent that edits files.";
  for (int i = 0; i < 60; ++i) instructions += fmt::format(" Rule {}: read a file before you change it.", i);
  Json body = J(R"({"model": "nano", "max_tokens": 20, "temperature": 1, "stream": false,
      "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"},
      "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
      "metadata": {"user_id": "user_1"},
      "tools": [{"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object",
          "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false,
          "$schema": "http://json-schema.org/draft-07/schema#"}, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
      "messages": [{"role": "user", "content": [{"type": "text", "text": "<system-reminder>Today is Monday.</system-reminder>"},
        {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]}]})");
  const auto system = [&](const char* check) {
    return Json::array(
        {{{"type", "text"}, {"text", fmt::format("x-anthropic-billing-header: cc_version=2.1.37; cch={};", check)}},
         {{"type", "text"}, {"text", instructions}, {"cache_control", {{"type", "ephemeral"}}}}});
  };
  body["system"] = system("1a2b3");
  const Reply first = Post(server, "/v1/messages", body);
  EXPECT_THAT(first.ignored, HasSubstr("system[0] (x-anthropic-billing-header)"));
  EXPECT_THAT(first.ignored, HasSubstr("tools[1] (web_search_20250305)"));
  EXPECT_THAT(first.ignored, HasSubstr("context_management"));
  const Json usage = first.json()["usage"];
  const int64_t total = usage["input_tokens"].get<int64_t>() + usage["output_tokens"].get<int64_t>();
  EXPECT_GT(total, 500);

  body["system"] = system("f00d5");
  body["messages"].push_back({{"role", "assistant"}, {"content", first.json()["content"]}});
  body["messages"].push_back(J(R"({"role": "user", "content": [{"type": "text", "text": "go on"}]})"));
  const Reply second = Post(server, "/v1/messages", body);
  EXPECT_GE(second.json()["usage"]["cache_read_input_tokens"], total - 64) << second.json()["usage"];
}

// A call of a custom tool from the stream, and all of the turn for the next request.
TEST(Agents, CodexCallsACustomTool) {
  const ServerProcess server;
  const Json tools = J(R"([{"type": "function", "name": "shell", "strict": false, "parameters": {"type": "object",
        "properties": {"command": {"type": "array", "items": {"type": "string"}}}, "required": ["command"]}},
      {"type": "custom", "name": "apply_patch", "description": "Changes files.", "format": {"type": "grammar",
        "syntax": "lark", "definition": "start: /.+/s"}}, {"type": "web_search", "external_web_access": false}])");
  Json body = {{"model", "nano"},
               {"instructions", "You are an agent."},
               {"input", Json::array({{{"type", "message"}, {"role", "user"}, {"content", "hi"}}})},
               {"tools", tools},
               {"tool_choice", {{"type", "custom"}, {"name", "apply_patch"}}},
               {"reasoning", {{"effort", "low"}, {"summary", "auto"}}},
               {"include", {"reasoning.encrypted_content"}},
               {"store", false},
               {"max_output_tokens", 400},
               {"temperature", 0}};
  const Json whole = Post(server, "/v1/responses", body).json();
  body["stream"] = true;
  const Reply reply = Post(server, "/v1/responses", body);
  EXPECT_THAT(reply.ignored, HasSubstr("tools[1].format (grammar)"));
  EXPECT_THAT(reply.ignored, HasSubstr("tools[2] (web_search)"));

  std::string written;
  Json done, items = Json::array();
  for (const Json& event : Events(reply.body)) {
    const std::string type = event["type"];
    EXPECT_THAT(type, Not(HasSubstr("function_call"))) << event;
    if (type == "response.custom_tool_call_input.delta") written += event["delta"].get<std::string>();
    if (type == "response.custom_tool_call_input.done") done = event["input"];
    if (type == "response.output_item.done") items.push_back(event["item"]);
  }
  ASSERT_FALSE(items.empty());
  const Json& call = items.back();
  EXPECT_EQ(call["type"], "custom_tool_call");
  EXPECT_EQ(call["name"], "apply_patch");
  EXPECT_EQ(call["input"], written);
  EXPECT_EQ(done, written);
  EXPECT_EQ(whole["output"].back()["input"], written);

  // As Codex does it: thinking goes back in its sealed form only.
  for (Json& item : items) {
    if (item["type"] == "reasoning") item.erase("content");
    body["input"].push_back(item);
  }
  body["input"].push_back({{"type", "custom_tool_call_output"}, {"call_id", call["call_id"]}, {"output", "Done."}});
  body["stream"] = false;
  body["tool_choice"] = "auto";
  const Json second = Post(server, "/v1/responses", body).json();
  // The patch of a model that never saw one has tokens that its text would not be cut into, so no more than this is
  // sure.
  EXPECT_GE(second["usage"]["input_tokens_details"]["cached_tokens"],
            whole["usage"]["input_tokens"].get<int64_t>() - 64)
      << second["usage"];
}

TEST(Agents, EarlierCallsStandInThePromptAsTheyWere) {
  const ServerProcess server;
  const auto prompt = [&](const char* arguments) {
    return Prompt(server, {{"messages",
                            {{{"role", "user"}, {"content", "x"}},
                             {{"role", "assistant"},
                              {"content", nullptr},
                              {"tool_calls", {{{"id", "c"}, {"function", {{"name", "f"}, {"arguments", arguments}}}}}}},
                             {{"role", "tool"}, {"tool_call_id", "c"}, {"content", "e"}}}}});
  };
  for (const char* arguments : {R"({"city": "Os)", "null", R"({"a": 1, "a": 2})", R"({"n": 100000000000000000000})"}) {
    EXPECT_THAT(prompt(arguments), HasSubstr(fmt::format(R"({{"name": "f", "arguments": {}}})", arguments)));
  }
  const std::string tools =
      Prompt(server, J(R"({"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function",
      "function": {"name": "f", "parameters": {"properties": {"n": {"maximum": 100000000000000000000}}}}}]})"));
  EXPECT_THAT(tools, HasSubstr("\"maximum\": 100000000000000000000"));
}

TEST(Agents, ResponsesAreKeptIfTheServerIsToldTo) {
  const ServerProcess server({"--response-store", "1MB"});
  const Json first =
      Post(server, "/v1/responses", {{"input", "What is 4821 + 377?"}, {"temperature", 0}, {"max_output_tokens", 300}})
          .json();
  EXPECT_EQ(first["store"], true);
  const std::string id = first["id"];
  EXPECT_EQ(Send(server, "GET", "/v1/responses/" + id, nullptr).json(), first);

  // The whole conversation is in the prompt, and in the prefix cache.
  const Json second =
      Post(server, "/v1/responses", {{"input", "And 1 + 1?"}, {"previous_response_id", id}, {"max_output_tokens", 5}})
          .json();
  EXPECT_EQ(second["previous_response_id"], id);
  EXPECT_GE(second["usage"]["input_tokens_details"]["cached_tokens"],
            first["usage"]["total_tokens"].get<int64_t>() - 64);
  // From a stream's too.
  const Reply stream = Post(
      server, "/v1/responses",
      {{"input", "And 2 + 2?"}, {"previous_response_id", second["id"]}, {"max_output_tokens", 5}, {"stream", true}});
  const Json third = Events(stream.body).back()["response"];
  EXPECT_GT(third["usage"]["input_tokens"], second["usage"]["input_tokens"]);
  Post(server, "/v1/responses",
       {{"input", "And 3 + 3?"}, {"previous_response_id", third["id"]}, {"max_output_tokens", 5}});

  Json items = Json::array({{{"role", "user"}, {"content", "What is 4821 + 377?"}}});
  for (const Json& item : first["output"]) items.push_back({{"type", "item_reference"}, {"id", item["id"]}});
  items.push_back({{"role", "user"}, {"content", "And 1 + 1?"}});
  const Reply referring = Post(server, "/v1/responses", {{"input", items}, {"max_output_tokens", 5}});
  EXPECT_EQ(referring.ignored, "");
  EXPECT_EQ(referring.json()["usage"]["input_tokens"], second["usage"]["input_tokens"]);

  EXPECT_EQ(Send(server, "DELETE", "/v1/responses/" + id, nullptr).json()["deleted"], true);
  EXPECT_EQ(Send(server, "GET", "/v1/responses/" + id, nullptr).status, 404);
  const Reply gone = Send(server, "POST", "/v1/responses", {{"input", "x"}, {"previous_response_id", id}});
  EXPECT_EQ(gone.status, 400);
  EXPECT_EQ(gone.json()["error"]["code"], "previous_response_not_found");

  const ServerProcess forgetful;
  const Reply refused = Send(forgetful, "POST", "/v1/responses", {{"input", "x"}, {"previous_response_id", id}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["error"]["param"], "previous_response_id");
  EXPECT_THAT(refused.json()["error"]["message"].get<std::string>(), HasSubstr("--response-store"));
  EXPECT_EQ(Post(forgetful, "/v1/responses", {{"input", items}, {"max_output_tokens", 5}}).ignored,
            "input[1] (item_reference)");
}

}  // namespace
}  // namespace fulgur
