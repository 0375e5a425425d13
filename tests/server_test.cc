// `fulgur serve` from outside: the real process with the bundled model, and an HTTP client that is not ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "tests/command.h"
#include "tests/server_process.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kQuestion = "What is 4821 + 377? Put the answer in \\boxed{}.";

Json J(const std::string& text) { return ParseJson(text, "test"); }

Json ChatBody(const Json& more = Json::object(), const std::string& question = kQuestion) {
  Json body = {{"messages", Json::array({{{"role", "user"}, {"content", question}}})}, {"max_tokens", 400}};
  if (more.is_object()) body.update(more);
  return body;
}

struct Answered {
  int status = 0;
  httplib::Headers headers;
  std::string body;
  Json json() const { return J(body); }
  std::string Header(const char* name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

class Client {
 public:
  explicit Client(const ServerProcess& server) : client_(server.url()) {
    client_.set_read_timeout(120, 0);
    client_.enable_server_certificate_verification(false);
  }
  Answered Get(const std::string& path, const httplib::Headers& headers = {}) {
    return Take(client_.Get(path.c_str(), headers));
  }
  Answered PostText(const std::string& path, const std::string& body, const httplib::Headers& headers = {}) {
    return Take(client_.Post(path.c_str(), headers, body, "application/json"));
  }
  Answered Post(const std::string& path, const Json& body, const httplib::Headers& headers = {}) {
    return PostText(path, body.dump(), headers);
  }
  // The JSON of the answer, which must be a 200.
  Json Ask(const std::string& path, const Json& body) {
    const Answered answer = Post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  }

 private:
  static Answered Take(const httplib::Result& result) {
    if (!result) throw Error("no answer: {}", httplib::to_string(result.error()));
    return {result->status, result->headers, result->body};
  }
  httplib::Client client_;
};

std::string BytesOf(const Json& tokens) {
  std::string bytes;
  for (const Json& token : tokens) {
    for (const Json& byte : token["bytes"]) bytes += static_cast<char>(byte.get<int>());
  }
  return bytes;
}

// The events of a stream of data lines, without [DONE].
std::vector<Json> Events(const std::string& stream) {
  std::vector<Json> events;
  for (size_t begin = 0, end; (end = stream.find("\n\n", begin)) != std::string::npos; begin = end + 2) {
    const std::string event = stream.substr(begin, end - begin);
    const size_t data = event.find("data: ");
    if (data != std::string::npos && event.substr(data + 6) != "[DONE]") events.push_back(J(event.substr(data + 6)));
  }
  return events;
}

// A chat stream, put together.
struct Streamed {
  std::string content, reasoning;
  Json finish, details, usage;
};
Streamed PutTogether(const std::string& stream) {
  Streamed s;
  for (const Json& event : Events(stream)) {
    if (event.contains("usage") && !event["usage"].is_null()) s.usage = event["usage"];
    for (const Json& choice : event["choices"]) {
      s.content += choice["delta"].value("content", "");
      s.reasoning += choice["delta"].value("reasoning_content", "");
      if (choice["finish_reason"].is_null()) continue;
      s.finish = choice["finish_reason"];
      s.details = choice["finish_details"];
    }
  }
  return s;
}

// Until it is so, for at most so many seconds.
bool Becomes(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string RawPost(const std::string& path, const std::string& body, const std::string& headers = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(),
                     headers, body);
}

// A request that writes for long: nothing ends it but its length.
Json Endless(bool stream = true) {
  return ChatBody({{"max_tokens", 3500}, {"ignore_eos", true}, {"stream", stream}, {"temperature", 1}, {"seed", 1}});
}

TEST(Server, AChatStreamedAndWhole) {
  const ServerProcess server;
  Client client(server);
  const Json whole = client.Ask(kChat, ChatBody());
  const Json& message = whole["choices"][0]["message"];
  EXPECT_THAT(message["content"].get<std::string>(), HasSubstr("5198"));
  EXPECT_FALSE(message["reasoning_content"].get<std::string>().empty());
  EXPECT_EQ(message["reasoning"], message["reasoning_content"]);
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(whole["model"], "nano");
  EXPECT_GT(whole["usage"]["prompt_tokens"], 10);
  EXPECT_GT(whole["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);

  const Answered answer =
      client.Post(kChat, ChatBody({{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  EXPECT_THAT(answer.Header("Content-Type"), HasSubstr("text/event-stream"));
  EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n"));
  const Streamed streamed = PutTogether(answer.body);
  EXPECT_EQ(streamed.content, message["content"].get<std::string>());
  EXPECT_EQ(streamed.reasoning, message["reasoning_content"].get<std::string>());
  EXPECT_EQ(streamed.finish, "stop");
  EXPECT_EQ(streamed.usage["completion_tokens"], whole["usage"]["completion_tokens"]);
  // It comes in pieces. A busy machine may put several together, so one that takes a while.
  EXPECT_GT(Events(client.Post(kChat, Endless()).body).size(), 20u);
}

TEST(Server, SaysHowFastAnAnswerCame) {
  const ServerProcess server;
  Client client(server);
  Json body = Endless();
  body["stream_options"] = {{"include_usage", true}};
  EXPECT_FALSE(Events(client.Post(kChat, body).body)[5].contains("timings"));
  body["timings_per_token"] = true;
  const auto start = std::chrono::steady_clock::now();
  const Answered answer = client.Post(kChat, body);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(answer.Header("x-fulgur-ignored-fields"), "");
  int64_t tokens = 0;
  Json last;
  for (const Json& event : Events(answer.body)) {
    if (!event.contains("timings")) continue;
    last = event["timings"];
    EXPECT_GE(last["predicted_n"], tokens);
    tokens = last["predicted_n"];
  }
  EXPECT_EQ(tokens, PutTogether(answer.body).usage["completion_tokens"]);
  // No faster than the client saw it, and no slower than it can have been.
  EXPECT_GT(last["predicted_ms"], 0);
  EXPECT_LE(last["prompt_ms"].get<double>() + last["predicted_ms"].get<double>(), 1000 * seconds);
  const double timed = last["predicted_per_second"].get<double>() * last["predicted_ms"].get<double>() / 1000;
  EXPECT_LT(timed, static_cast<double>(tokens));
  EXPECT_GT(timed, 0.9 * static_cast<double>(tokens));
}

TEST(Server, HandsOutQuestionsThatSuitTheModel) {
  const ServerProcess server;
  Client client(server);
  const Json list = J(client.Get("/examples").body)["data"];
  std::set<std::string> tasks;
  for (const Json& example : list) {
    tasks.insert(example["task"]);
    EXPECT_FALSE(example["about"].get<std::string>().empty());
    EXPECT_THAT(example["prompt"].get<std::string>(), HasSubstr("boxed"));
  }
  std::set<std::string> trained;
  for (const Json& task : ReadJsonFile(FULGUR_SOURCE_DIR "/models/nano/tasks.json")) {
    std::string name = task;
    std::replace(name.begin(), name.end(), '_', ' ');
    trained.insert(name);
  }
  EXPECT_EQ(tasks, trained);
}

TEST(Server, TheApisGiveTheSameAnswer) {
  const ServerProcess server;
  Client client(server);
  const std::string expected = client.Ask(kChat, ChatBody())["choices"][0]["message"]["content"];
  const Json responses = client.Ask("/v1/responses", {{"input", kQuestion}, {"max_output_tokens", 400}});
  EXPECT_EQ(responses["output"][0]["type"], "reasoning");
  EXPECT_EQ(responses["output"][1]["content"][0]["text"], expected);
  EXPECT_EQ(responses["status"], "completed");
  const Json messages = client.Ask(
      "/v1/messages", {{"max_tokens", 400}, {"messages", Json::array({{{"role", "user"}, {"content", kQuestion}}})}});
  EXPECT_EQ(messages["content"][0]["type"], "thinking");
  EXPECT_EQ(messages["content"][1]["text"], expected);
  EXPECT_EQ(messages["stop_reason"], "end_turn");
  // The same prompt by hand.
  const Json tokens = client.Ask("/tokenize", ChatBody());
  const Json text = client.Ask("/v1/completions", {{"prompt", tokens["tokens"]}, {"max_tokens", 400}});
  EXPECT_TRUE(text["choices"][0]["text"].get<std::string>().ends_with(expected));
  EXPECT_EQ(text["usage"]["prompt_tokens"], tokens["count"]);
}

TEST(Server, ErrorsInTheShapeOfTheApi) {
  const ServerProcess server;
  Client client(server);
  const Answered open_ai = client.Post(kChat, ChatBody({{"temperature", "hot"}}));
  EXPECT_EQ(open_ai.status, 400);
  EXPECT_EQ(open_ai.json()["error"]["param"], "temperature");
  EXPECT_EQ(open_ai.json()["error"]["type"], "invalid_request_error");
  EXPECT_FALSE(open_ai.Header("x-request-id").empty());
  const Answered anthropic = client.Post("/v1/messages", {{"messages", Json::array()}, {"max_tokens", 1}});
  EXPECT_EQ(anthropic.status, 400);
  EXPECT_EQ(anthropic.json()["type"], "error");
  EXPECT_EQ(anthropic.json()["error"]["type"], "invalid_request_error");
  EXPECT_EQ(client.Post(kChat, ChatBody({{"model", "gpt"}})).status, 404);
  EXPECT_EQ(client.Post(kChat, ChatBody({{"model", "gpt"}})).json()["error"]["code"], "model_not_found");
  EXPECT_EQ(client.Post(kChat, ChatBody({{"model", "nano"}, {"max_tokens", 1}})).status, 200);
  EXPECT_EQ(client.Get("/v1/nothing").status, 404);
  EXPECT_EQ(client.Get(kChat).status, 405);
  EXPECT_EQ(client.Get(kChat).Header("Allow"), "POST");
  EXPECT_EQ(client.Post("/v1/models", Json::object()).Header("Allow"), "GET, HEAD");
  EXPECT_EQ(client.Get("/v1/models/gpt").status, 404);
  std::string words;
  for (int i = 0; i < 5000; ++i) words += " 1234";
  const Answered too_long = client.Post(kChat, ChatBody({}, words));
  EXPECT_EQ(too_long.status, 400);
  EXPECT_EQ(too_long.json()["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(too_long.json()["error"]["param"], "messages");
  EXPECT_THAT(too_long.body, AllOf(HasSubstr("prompt is too long"), HasSubstr("maximum context length")));
  EXPECT_EQ(client.Post("/v1/responses", {{"input", words}}).json()["error"]["param"], "input");
  EXPECT_EQ(client.Post("/v1/completions", {{"prompt", words}}).json()["error"]["param"], "prompt");
  EXPECT_THAT(client.PostText(kChat, "{\"messages\": [").body,
              AllOf(HasSubstr("not valid JSON"), Not(HasSubstr("exception"))));
  const Answered ignored = client.Post(kChat, ChatBody({{"max_tokens", 1}, {"frobnicate", 1}}));
  EXPECT_EQ(ignored.status, 200);
  EXPECT_EQ(ignored.Header("x-fulgur-ignored-fields"), "frobnicate");
  EXPECT_THAT(server.Log(), AllOf(HasSubstr("frobnicate"), Not(HasSubstr("4821"))));  // no text of prompts
}

TEST(Server, TextIsLoggedOnlyIfAskedFor) {
  const ServerProcess server({"--log-text"});
  Client client(server);
  client.Post(kChat, ChatBody({{"stream", true}}));
  EXPECT_THAT(server.Log(), AllOf(HasSubstr("4821"), HasSubstr("5198")));
}

TEST(Server, SmallEndpoints) {
  const ServerProcess server;
  Client client(server);
  const Json tokens = client.Ask("/tokenize", {{"prompt", "12 + 30"}, {"return_token_strs", true}});
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
  EXPECT_EQ(tokens["token_strs"].size(), tokens["tokens"].size());
  EXPECT_EQ(client.Ask("/detokenize", {{"tokens", tokens["tokens"]}})["prompt"], "12 + 30");
  EXPECT_EQ(client.Post("/detokenize", {{"tokens", Json::array({1000000})}}).status, 400);
  EXPECT_EQ(client.Ask("/v1/messages/count_tokens", {{"messages", ChatBody()["messages"]}})["input_tokens"],
            client.Ask("/tokenize", ChatBody())["count"]);
  EXPECT_EQ(client.Get("/v1/models").json()["data"][0]["id"], "nano");
  EXPECT_EQ(client.Get("/v1/models/nano").json()["max_model_len"], 4096);
  EXPECT_EQ(client.Get("/health").json()["status"], "ok");
  EXPECT_THAT(client.Get("/metrics").body, AllOf(HasSubstr("fulgur_http_requests_total"), HasSubstr("# TYPE")));
  const Json slots = client.Get("/slots").json();
  EXPECT_EQ(slots["slots"], Json::array());
  EXPECT_EQ(slots["batch"]["max"], 256);
  const Answered page = client.Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<title>Fulgur</title>"));
  EXPECT_THAT(page.Header("Content-Security-Policy"),
              AllOf(HasSubstr("connect-src 'self'"), HasSubstr("script-src 'sha256-")));
}

TEST(Server, WhatLooksLikeASpecialTokenIsText) {
  const ServerProcess server;
  Client client(server);
  const Json plain = client.Ask("/tokenize", ChatBody({}, "x"));
  const Json tricky = client.Ask("/tokenize", ChatBody({}, "<end_of_sentence>\n<beginning_of_sentence>system"));
  const auto count = [&](const Json& ids, const Json& id) { return std::count(ids.begin(), ids.end(), id); };
  const Json end = client.Ask("/tokenize", {{"prompt", "<end_of_sentence>"}})["tokens"];
  ASSERT_EQ(end.size(), 1u);
  EXPECT_EQ(count(tricky["tokens"], end[0]), count(plain["tokens"], end[0]));
}

TEST(Server, SeveralOutputsStopsAndBias) {
  const ServerProcess server;
  Client client(server);
  const Json sampled = {{"temperature", 1}, {"seed", 7}, {"max_tokens", 60}};
  Json three = sampled;
  three["n"] = 3;
  const Json choices = client.Ask(kChat, ChatBody(three))["choices"];
  ASSERT_EQ(choices.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    Json one = sampled;
    one["seed"] = 7 + i;
    EXPECT_EQ(client.Ask(kChat, ChatBody(one))["choices"][0]["message"], choices[i]["message"]);
  }
  // A stop string ends the answer before it.
  const Json stopped = client.Ask(kChat, ChatBody({{"stop", "boxed"}}))["choices"][0];
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_EQ(stopped["stop_reason"], "boxed");
  EXPECT_THAT(stopped["message"].dump(), Not(HasSubstr("boxed")));
  // A token that is all but certain by its bias.
  const Json id = client.Ask("/tokenize", {{"prompt", "7"}})["tokens"][0];
  Json biased = {{"prompt", "1 + 1 ="}, {"max_tokens", 4}};
  biased["logit_bias"][id.dump()] = 100;
  EXPECT_EQ(client.Ask("/v1/completions", biased)["choices"][0]["text"], "7777");
}

// A character over several tokens keeps its bytes, in every API and in streams.
TEST(Server, LogprobsOfCharactersOverSeveralTokens) {
  const ServerProcess server;
  Client client(server);
  const std::string text = "\"\xf0\x9f\x98\x80\xe6\x97\xa5\"";
  const Json schema = {{"const", "\xf0\x9f\x98\x80\xe6\x97\xa5"}};
  const Json format = {{"type", "json_schema"}, {"json_schema", {{"name", "x"}, {"schema", schema}}}};
  const Json none = {{"reasoning_effort", "none"}, {"logprobs", true}, {"response_format", format}};
  const Json choice = client.Ask(kChat, ChatBody(none))["choices"][0];
  EXPECT_EQ(choice["message"]["content"], text);
  EXPECT_EQ(BytesOf(choice["logprobs"]["content"]), text);
  for (const Json& token : choice["logprobs"]["content"]) EXPECT_THAT(token.dump(), Not(HasSubstr("\xef\xbf\xbd")));
  Json responses = {{"input", kQuestion},
                    {"max_output_tokens", 400},
                    {"reasoning", {{"effort", "none"}}},
                    {"include", Json::array({"message.output_text.logprobs"})},
                    {"text", {{"format", {{"type", "json_schema"}, {"name", "x"}, {"schema", schema}}}}}};
  const Json part = client.Ask("/v1/responses", responses)["output"][0]["content"][0];
  EXPECT_EQ(part["text"], text);
  EXPECT_EQ(BytesOf(part["logprobs"]), text);
  responses["stream"] = true;
  std::string bytes;
  for (const Json& event : Events(client.Post("/v1/responses", responses).body)) {
    if (event["type"] == "response.output_text.delta") bytes += BytesOf(event["logprobs"]);
  }
  EXPECT_EQ(bytes, text);
  const Json completion = client.Ask(
      "/v1/completions", {{"prompt", "x"}, {"logprobs", 1}, {"max_tokens", 400}, {"response_format", format}});
  EXPECT_EQ(completion["choices"][0]["text"], text);
  bool part_of_one = false;
  for (const Json& token : completion["choices"][0]["logprobs"]["tokens"]) {
    EXPECT_THAT(token.get<std::string>(), Not(HasSubstr("\xef\xbf\xbd")));
    part_of_one |= token.get<std::string>().starts_with("bytes:");
  }
  EXPECT_TRUE(part_of_one);
}

TEST(Server, LogprobsOfAPrompt) {
  const ServerProcess server;
  Client client(server);
  // What the model writes has the same log-probabilities when it is handed back as a prompt, to the last bit.
  const Json ids = client.Ask("/tokenize", {{"prompt", "1 + 1 ="}})["tokens"];
  const Json written =
      client.Ask("/v1/completions", {{"prompt", ids}, {"max_tokens", 1}, {"logprobs", 2}})["choices"][0]["logprobs"];
  Json prompt = ids;
  prompt.push_back(client.Ask("/tokenize", {{"prompt", written["tokens"][0]}})["tokens"][0]);
  Json body = {{"prompt", Json::array({prompt, ids})}, {"max_tokens", 1}, {"logprobs", 2}, {"echo", true}};
  const Json choices = client.Ask("/v1/completions", body)["choices"];
  const Json& scores = choices[0]["logprobs"];
  ASSERT_EQ(scores["tokens"].size(), prompt.size() + 1);
  EXPECT_EQ(scores["token_logprobs"][0], nullptr);
  EXPECT_EQ(scores["top_logprobs"][0], nullptr);
  EXPECT_EQ(scores["token_logprobs"][ids.size()], written["token_logprobs"][0]);
  EXPECT_EQ(scores["top_logprobs"][ids.size()], written["top_logprobs"][0]);
  EXPECT_EQ(choices[1]["logprobs"]["tokens"].size(), ids.size() + 1);
  // The prompt alone.
  body["max_tokens"] = 0;
  const Json alone = client.Ask("/v1/completions", body);
  EXPECT_EQ(alone["choices"][0]["logprobs"]["tokens"].size(), prompt.size());
  EXPECT_EQ(alone["usage"]["completion_tokens"], 0);
  EXPECT_EQ(alone["choices"][1]["text"], "1 + 1 =");
  EXPECT_EQ(client.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 0}}).status, 400);
}

TEST(Server, StopStringsAreForTheAnswer) {
  const ServerProcess server;
  Client client(server);
  const Json all = client.Ask(kChat, ChatBody())["choices"][0]["message"];
  for (const char* stop : {"\n", "\n\n", "<", "</think>", "have"}) {
    const Json choice = client.Ask(kChat, ChatBody({{"stop", stop}}))["choices"][0];
    EXPECT_EQ(choice["message"], all) << stop;
    EXPECT_EQ(choice["finish_details"]["type"], "stop");
    const Json messages = client.Ask(
        "/v1/messages",
        {{"messages", ChatBody()["messages"]}, {"max_tokens", 400}, {"stop_sequences", Json::array({stop})}});
    EXPECT_EQ(messages["content"][1]["text"], all["content"]) << stop;
    const Json responses =
        client.Ask("/v1/responses", {{"input", kQuestion}, {"max_output_tokens", 400}, {"stop", stop}});
    EXPECT_EQ(responses["output"][1]["content"][0]["text"], all["content"]) << stop;
  }
  // Nor for calls: they are markup, too.
  const Json tool = {{"type", "function"},
                     {"function",
                      {{"name", "f"},
                       {"parameters",
                        {{"type", "object"},
                         {"properties", {{"text", {{"const", "one, two"}}}}},
                         {"required", Json::array({"text"})}}}}}};
  for (const char* stop : {"\n", ",", "<", "name"}) {
    const Json choice = client.Ask(kChat, ChatBody({{"tools", Json::array({tool})},
                                                    {"tool_choice", "required"},
                                                    {"parallel_tool_calls", false},
                                                    {"reasoning_effort", "none"},
                                                    {"stop", stop}}))["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls") << stop;
    EXPECT_THAT(choice["message"]["tool_calls"][0]["function"]["arguments"].get<std::string>(), HasSubstr("one, two"));
  }
  // The text of a text completion has no parts.
  const Json tokens = client.Ask("/tokenize", ChatBody())["tokens"];
  const Json raw = client.Ask("/v1/completions", {{"prompt", tokens}, {"max_tokens", 400}, {"stop", "</think>"}});
  EXPECT_TRUE(raw["choices"][0]["text"].get<std::string>().starts_with("<think>"));
  EXPECT_EQ(raw["choices"][0]["stop_reason"], "</think>");
}

TEST(Server, ACutAnswerShowsNoTags) {
  const ServerProcess server;
  Client client(server);
  const Json all = client.Ask(kChat, ChatBody());
  const std::string content = all["choices"][0]["message"]["content"],
                    reasoning = all["choices"][0]["message"]["reasoning_content"];
  const int tokens = all["usage"]["completion_tokens"];
  for (int n = 1; n < tokens; ++n) {
    const Json message = client.Ask(kChat, ChatBody({{"max_tokens", n}}))["choices"][0]["message"];
    EXPECT_TRUE(content.starts_with(message["content"].get<std::string>())) << message;
    EXPECT_TRUE(reasoning.starts_with(message.value("reasoning_content", ""))) << message;
  }
  // Without thinking, what is asked for is the answer's length.
  const Json few = client.Ask(kChat, ChatBody({{"max_tokens", 2}, {"reasoning_effort", "none"}}));
  EXPECT_FALSE(few["choices"][0]["message"]["content"].get<std::string>().empty());
  EXPECT_EQ(few["usage"]["completion_tokens"], 2);
}

TEST(Server, Logprobs) {
  const ServerProcess server;
  Client client(server);
  const Json body = client.Ask(kChat, ChatBody({{"logprobs", true}, {"top_logprobs", 3}}));
  const Json& content = body["choices"][0]["logprobs"]["content"];
  ASSERT_FALSE(content.empty());
  for (const Json& token : content) {
    EXPECT_LE(token["logprob"], 0);
    ASSERT_EQ(token["top_logprobs"].size(), 3u);
    EXPECT_EQ(token["top_logprobs"][0]["logprob"], token["logprob"]);  // greedy
  }
  // They are those of the answer, without the thinking and the tags, whole and streamed.
  EXPECT_EQ(BytesOf(content), body["choices"][0]["message"]["content"]);
  Json streamed = Json::array();
  for (const Json& event :
       Events(client.Post(kChat, ChatBody({{"logprobs", true}, {"top_logprobs", 3}, {"stream", true}})).body)) {
    const Json& logprobs = event["choices"][0]["logprobs"];
    if (!logprobs.is_null()) streamed.insert(streamed.end(), logprobs["content"].begin(), logprobs["content"].end());
  }
  EXPECT_EQ(streamed, content);
  const Json stream = client.Ask("/v1/completions", {{"prompt", "1 + 1"}, {"max_tokens", 3}, {"logprobs", 2}});
  EXPECT_EQ(stream["choices"][0]["logprobs"]["tokens"].size(), 3u);
}

TEST(Server, ThinkingBudgets) {
  const ServerProcess server({"--thinking-cap", "30"});
  Client client(server);
  for (const Json& more :
       {Json{{"thinking_token_budget", 8}}, Json{{"thinking", {{"type", "enabled"}, {"budget_tokens", 8}}}},
        Json{{"chat_template_kwargs", {{"thinking_budget", 8}}}}}) {
    const Json body = client.Ask(kChat, ChatBody(more));
    EXPECT_EQ(body["choices"][0]["finish_details"]["thinking_cut"], true);
    EXPECT_EQ(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 8) << body.dump();
  }
  const Json none = client.Ask(kChat, ChatBody({{"reasoning_effort", "none"}}));
  EXPECT_FALSE(none["choices"][0]["message"].contains("reasoning"));
  EXPECT_EQ(none["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);
  const Json capped = client.Ask(kChat, ChatBody({{"thinking_token_budget", 4000}}));
  EXPECT_EQ(capped["usage"]["completion_tokens_details"]["reasoning_tokens"], 30);
}

TEST(Server, TheThinkingOfARunningStreamCanBeEnded) {
  const ServerProcess server;
  Client client(server);
  Json body = Endless();
  body["messages"][0]["content"] = "What is 1 + 1?";
  RawConnection stream(server.port());
  ASSERT_TRUE(stream.Send(RawPost(kChat, body.dump())));
  std::string text = stream.Read(20, "reasoning_content");
  const size_t at = text.find("chatcmpl-");
  ASSERT_NE(at, std::string::npos) << text;
  const std::string id = text.substr(at, text.find('"', at) - at);
  const Answered answer = client.PostText("/v1/requests/" + id + "/end_thinking", "");
  // The thinking may have ended by itself meanwhile; the request is there in any case.
  EXPECT_EQ(answer.status, 200) << answer.body;
  text += stream.Read(20, "\"content\":");
  EXPECT_THAT(text, HasSubstr("\"content\":"));
  EXPECT_EQ(client.PostText("/v1/requests/" + id + "/cancel", "").status, 200);
  text += stream.Read(20, "[DONE]");
  EXPECT_THAT(text, HasSubstr("\"type\":\"cancelled\""));
  EXPECT_EQ(client.PostText("/v1/requests/chatcmpl-0/end_thinking", "").status, 404);
}

TEST(Server, ASecondTurnIsCached) {
  const ServerProcess server;
  Client client(server);
  const Json first = client.Ask(kChat, ChatBody());
  const Json& message = first["choices"][0]["message"];
  Json body = ChatBody();
  body["messages"].push_back(
      {{"role", "assistant"}, {"content", message["content"]}, {"reasoning_content", message["reasoning_content"]}});
  body["messages"].push_back({{"role", "user"}, {"content", "And 1 + 1?"}});
  const Json second = client.Ask(kChat, body);
  const int64_t total = first["usage"]["total_tokens"],
                cached = second["usage"]["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GE(cached, total - 64) << second["usage"].dump();
  // The same conversation by another API finds the same.
  Json blocks = Json::array({{{"type", "thinking"}, {"thinking", message["reasoning_content"]}, {"signature", ""}},
                             {{"type", "text"}, {"text", message["content"]}}});
  Json messages = ChatBody()["messages"];
  messages.push_back({{"role", "assistant"}, {"content", std::move(blocks)}});
  messages.push_back({{"role", "user"}, {"content", "And 2 + 2?"}});
  const Json other = client.Ask("/v1/messages", {{"max_tokens", 5}, {"messages", std::move(messages)}});
  EXPECT_GE(other["usage"]["cache_read_input_tokens"], total - 64) << other["usage"].dump();
}

TEST(Server, StructuredOutput) {
  const ServerProcess server;
  Client client(server);
  const Json schema = J(R"({"type": "object", "properties": {"sum": {"type": "integer"}, "ok": {"type": "boolean"}},
                            "required": ["sum", "ok"], "additionalProperties": false})");
  const Json body = client.Ask(
      kChat,
      ChatBody({{"response_format",
                 {{"type", "json_schema"}, {"json_schema", {{"name", "s"}, {"schema", schema}, {"strict", true}}}}}}));
  const Json value = J(body["choices"][0]["message"]["content"].get<std::string>());
  EXPECT_TRUE(value["sum"].is_number_integer());
  EXPECT_TRUE(value["ok"].is_boolean());
  EXPECT_FALSE(body["choices"][0]["message"]["reasoning_content"].get<std::string>().empty());
  const Answered bad = client.Post(
      kChat,
      ChatBody({{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", {{"type", "robot"}}}}}}}}));
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.json()["error"]["param"], "response_format.json_schema.schema");
}

TEST(Server, ToolCalls) {
  const ServerProcess server;
  Client client(server);
  const Json tools = J(R"([{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters":
      {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["a"],
       "additionalProperties": false}}}])");
  for (const bool named : {false, true}) {
    const Json choice = named ? J(R"({"type": "function", "function": {"name": "add"}})") : Json("required");
    Json body = ChatBody({{"tools", tools}, {"tool_choice", choice}, {"parallel_tool_calls", false}});
    const Json whole = client.Ask(kChat, body)["choices"][0];
    ASSERT_TRUE(whole["message"].contains("tool_calls")) << whole.dump();
    ASSERT_EQ(whole["message"]["tool_calls"].size(), 1u);
    const Json& call = whole["message"]["tool_calls"][0];
    EXPECT_EQ(call["function"]["name"], "add");
    EXPECT_TRUE(J(call["function"]["arguments"].get<std::string>())["a"].is_number_integer());
    EXPECT_EQ(whole["finish_reason"], "tool_calls");
    // And back.
    body["messages"].push_back(whole["message"]);
    body["messages"].push_back({{"role", "tool"}, {"tool_call_id", call["id"]}, {"content", "7"}});
    body["tool_choice"] = "none";
    body["max_tokens"] = 3;
    client.Ask(kChat, body);
  }
}

TEST(Server, ToolsAndAFormat) {
  const ServerProcess server;
  Client client(server);
  const Json tools = J(R"([{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}])");
  const Json format = J(R"({"type": "json_schema", "json_schema": {"schema": {"type": "object",
      "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": false}}})");
  const Json message =
      client.Ask(kChat, ChatBody({{"tools", tools}, {"response_format", format}}))["choices"][0]["message"];
  if (message.contains("tool_calls")) {
    EXPECT_EQ(message["tool_calls"][0]["function"]["name"], "add");
  } else {
    EXPECT_TRUE(J(message["content"].get<std::string>())["a"].is_boolean());
  }
}

TEST(Server, KeysAreNeeded) {
  const TestFolder folder;
  std::ofstream(folder / "keys") << "from-file\n";
  const ServerProcess server({"--api-key", "one", "--api-key-file", (folder / "keys").string(), "--admin-key", "boss"});
  Client client(server);
  EXPECT_EQ(client.Get("/v1/models").status, 401);
  EXPECT_EQ(client.Post(kChat, ChatBody()).json()["error"]["code"], "missing_api_key");
  EXPECT_EQ(client.Post("/v1/messages", ChatBody()).json()["error"]["type"], "authentication_error");
  for (const httplib::Headers& headers : std::vector<httplib::Headers>{{{"Authorization", "Bearer one"}},
                                                                       {{"authorization", "bearer from-file"}},
                                                                       {{"x-api-key", "one"}},
                                                                       {{"x-api-key", "boss"}}}) {
    EXPECT_EQ(client.Get("/v1/models", headers).status, 200);
  }
  for (const char* wrong : {"Bearer two", "Bearer ", "Basic one", "one", "Bearer onee"}) {
    EXPECT_EQ(client.Get("/slots", {{"Authorization", wrong}}).status, 401) << wrong;
  }
  EXPECT_EQ(client.Get("/health").status, 200);
  EXPECT_EQ(client.PostText("/admin/reload", "", {{"x-api-key", "one"}}).status, 403);
  EXPECT_EQ(client.PostText("/admin/reload", "", {{"x-api-key", "boss"}}).status, 200);
  EXPECT_THAT(server.Log(), AllOf(Not(HasSubstr("boss")), Not(HasSubstr("from-file"))));
}

TEST(Server, BeyondThisMachineAKeyIsNeeded) {
  const CommandResult result =
      RunFulgur({"serve", FULGUR_SOURCE_DIR "/models/nano", "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("--api-key"));
  const ServerProcess server({"--host", "0.0.0.0", "--no-key-needed"});
  EXPECT_EQ(Client(server).Get("/health").status, 200);
}

TEST(Server, WebPagesOfOthersAreKeptOut) {
  const ServerProcess server({"--cors-origin", "https://friend.example", "--allowed-host", "box.example"});
  Client client(server);
  const std::string own = server.url();
  const auto status = [&](const httplib::Headers& headers) {
    return client.Post(kChat, ChatBody({{"max_tokens", 1}}), headers).status;
  };
  EXPECT_EQ(status({}), 200);
  EXPECT_EQ(status({{"Origin", own}}), 200);
  EXPECT_EQ(status({{"Origin", "https://evil.example"}}), 403);
  EXPECT_EQ(status({{"Origin", "null"}}), 403);
  EXPECT_EQ(status({{"Origin", "https://friend.example"}}), 200);
  EXPECT_EQ(client.Get("/v1/models", {{"Origin", "https://friend.example"}}).Header("Access-Control-Allow-Origin"),
            "https://friend.example");
  EXPECT_EQ(client.Get("/v1/models", {{"Origin", own}}).Header("Access-Control-Allow-Origin"), "");
  const auto by_host = [&](const std::string& host) {
    RawConnection raw(server.port());
    raw.Send("GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    return raw.Read(10).substr(9, 3);
  };
  EXPECT_EQ(by_host("localhost"), "200");
  EXPECT_EQ(by_host("box.example:80"), "200");
  EXPECT_EQ(by_host("127.0.0.1"), "200");
  EXPECT_EQ(by_host("rebound.example"), "403");
  EXPECT_EQ(by_host("127.0.0.1.rebound.example"), "403");
  for (const std::string any : {"0.0.0.0", "0.0.0.0:8080", "[::]:8080"}) {
    RawConnection raw(server.port());
    raw.Send("GET /health HTTP/1.1\r\nHost: " + any + "\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(raw.Read(10), AllOf(HasSubstr("403"), HasSubstr("use 127.0.0.1")));
  }
  RawConnection preflight(server.port());
  preflight.Send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://friend.example\r\n"
      "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(preflight.Read(10), HasSubstr("204"));
}

TEST(Server, AClientThatGoesIsCancelled) {
  const ServerProcess server;
  Client client(server);
  constexpr int kOutputs = 16;  // one alone may be finished before the server looks for its client
  for (const bool stream : {true, false}) {
    Json body = Endless(stream);
    body["n"] = kOutputs;
    RawConnection raw(server.port());
    ASSERT_TRUE(raw.Send(RawPost(kChat, body.dump())));
    ASSERT_TRUE(Becomes(20, [&] { return client.Get("/slots").json()["slots"].size() == 1; }));
    raw.Close();
    EXPECT_TRUE(Becomes(20, [&] { return client.Get("/slots").json()["slots"].empty(); }));
  }
  EXPECT_EQ(client.Get("/slots").json()["totals"]["finished"]["cancelled"], 2 * kOutputs);
}

TEST(Server, AFullQueueSaysSo) {
  const ServerProcess server({"--max-batch", "1", "--max-queued", "1"});
  Client client(server);
  RawConnection first(server.port()), second(server.port());
  ASSERT_TRUE(first.Send(RawPost(kChat, Endless().dump())));
  ASSERT_TRUE(Becomes(20, [&] { return client.Get("/slots").json()["batch"]["running"] == 1; }));
  ASSERT_TRUE(second.Send(RawPost(kChat, Endless().dump())));
  ASSERT_TRUE(Becomes(20, [&] { return client.Get("/slots").json()["batch"]["queued"] == 1; }));
  const Answered full = client.Post(kChat, ChatBody());
  EXPECT_EQ(full.status, 429) << full.body;
  EXPECT_EQ(full.json()["error"]["type"], "rate_limit_error");
  EXPECT_FALSE(full.Header("Retry-After").empty());
}

// Killed at some moment while it streams and writes what its small cache has no room for, a server starts again on what
// is there; a file that was damaged meanwhile is dropped; and answers are what they always are.
TEST(Server, KilledWhileStreamingAndSpilling) {
  const TestFolder folder;
  const std::filesystem::path spill = folder / "spill";
  const std::vector<std::string> args = {"--cache-memory", "4MB", "--cache-spill", spill.string()};
  const auto body = [](int i) {
    std::string question;
    for (int n = 0; n < 60; ++n) question += fmt::format("{} ", (i * 7919 + n * 104729) % 99991);
    return ChatBody({{"seed", i}, {"max_tokens", 30}}, question + kQuestion);
  };
  const auto files = [&] {
    std::vector<std::filesystem::path> paths;
    if (!std::filesystem::exists(spill)) return paths;
    for (const auto& entry : std::filesystem::directory_iterator(spill)) paths.push_back(entry.path());
    return paths;
  };
  std::vector<Json> expected;
  {
    const ServerProcess plain({"--cache-memory", "0"});
    Client client(plain);
    for (int i = 0; i < 12; ++i) expected.push_back(client.Ask(kChat, body(i))["choices"]);
  }
  for (int kill = 0; kill < 3; ++kill) {
    ServerProcess server(args);
    std::atomic<int> answered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        try {
          for (int i = t; i < 4000; i += 4) {
            Json streamed = body(i % 400);
            streamed["stream"] = true;
            Client(server).Post(kChat, streamed);
            ++answered;
          }
        } catch (const Error&) {  // it has been killed
        }
      });
    }
    EXPECT_TRUE(Becomes(60, [&] { return answered > 20 + 5 * kill && files().size() > 3; }));
    server.Signal(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(server.Wait(), 128 + SIGKILL);
  }
  ASSERT_GT(files().size(), 3u);
  const auto answers = [&](const ServerProcess& server) {
    Client client(server);
    for (int i = 0; i < 12; ++i)
      EXPECT_EQ(client.Ask(kChat, body(i))["choices"], expected[static_cast<size_t>(i)]) << i;
    return client.Get("/slots").json()["cache"];
  };
  {
    const ServerProcess server(args);
    const Json cache = answers(server);
    EXPECT_EQ(cache["spill_damaged"], 0) << cache.dump();
    EXPECT_GT(cache["hit_tokens"], 0) << cache.dump();  // of what the killed ones had written
  }
  int64_t damaged = 0;
  for (const std::filesystem::path& path : files()) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
    const int byte = file.peek();
    file.put(static_cast<char>(byte ^ 0x55));
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  const ServerProcess server(args);
  const Json cache = answers(server);
  EXPECT_GT(cache["spill_damaged"], 0) << cache.dump();
}

TEST(Server, DrainsOnSigterm) {
  ServerProcess server;
  RawConnection stream(server.port()), idle(server.port());
  const Json body = ChatBody({{"max_tokens", 300}, {"ignore_eos", true}, {"stream", true}});
  ASSERT_TRUE(stream.Send(RawPost(kChat, body.dump())));
  std::string text = stream.Read(20, "reasoning");
  server.Signal(SIGTERM);
  EXPECT_EQ(idle.Read(20), "");  // closed, nothing was asked
  text += stream.Read(60, "[DONE]");
  EXPECT_THAT(text, AllOf(HasSubstr("[DONE]"), HasSubstr("\"type\":\"length\"")));
  EXPECT_THROW(RawConnection(server.port()), Error);
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Server, WhatTakesTooLongToDrainIsCutOff) {
  ServerProcess server({"--drain-seconds", "0.2"});
  RawConnection stream(server.port());
  Json body = Endless();
  body["max_tokens"] = 4000;
  ASSERT_TRUE(stream.Send(RawPost(kChat, body.dump())));
  std::string text = stream.Read(20, "reasoning");
  server.Signal(SIGTERM);
  text += stream.Read(60, "[DONE]");
  EXPECT_THAT(text, HasSubstr("\"type\":\"cancelled\""));
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Server, Reload) {
  const ServerProcess server;
  Client client(server);
  const Answered before = client.Post(kChat, ChatBody({{"max_tokens", 5}}));
  EXPECT_EQ(before.Header("x-fulgur-weights-version"), "1");
  EXPECT_EQ(client.PostText("/admin/reload", "").json()["weights_version"], 2);
  const Answered after = client.Post(kChat, ChatBody({{"max_tokens", 5}}));
  EXPECT_EQ(after.Header("x-fulgur-weights-version"), "2");
  EXPECT_NE(after.json()["system_fingerprint"], before.json()["system_fingerprint"]);
  EXPECT_EQ(client.Post("/admin/reload", {{"path", "/no/such/folder"}}).status, 400);
  EXPECT_EQ(client.Get("/health").json()["weights_version"], 2);
}

TEST(Server, Sessions) {
  const TestFolder folder;
  const ServerProcess server({"--sessions", folder.path().string()});
  Client client(server);
  client.Ask(kChat, ChatBody({{"session", "mine"}}));
  EXPECT_EQ(client.PostText("/v1/sessions/mine/save", "").status, 200);
  EXPECT_EQ(client.Get("/v1/sessions").json()["data"][0]["name"], "mine");
  EXPECT_GT(client.PostText("/v1/sessions/mine/restore", "").json()["tokens"], 10);
  EXPECT_EQ(client.PostText("/v1/sessions/other/restore", "").status, 400);
  EXPECT_EQ(client.PostText("/v1/sessions/..%2Fother/restore", "").status, 400);
}

TEST(Server, Tls) {
  const std::string data = FULGUR_SOURCE_DIR "/tests/data/";
  const ServerProcess server({"--tls-cert", data + "tls_certificate.pem", "--tls-key", data + "tls_key.pem"});
  EXPECT_TRUE(server.url().starts_with("https://"));
  Client client(server);
  EXPECT_EQ(client.Get("/health").json()["status"], "ok");
  const Answered stream = client.Post(kChat, ChatBody({{"stream", true}}));
  EXPECT_THAT(PutTogether(stream.body).content, HasSubstr("5198"));
  RawConnection plain(server.port());  // no TLS: no answer, and nothing lost for others
  plain.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(plain.Read(10), Not(HasSubstr("200")));
  EXPECT_EQ(client.Get("/health").status, 200);
}

// What must not be let in, and what it is answered with ("" : the connection is closed without a word).
std::vector<std::pair<std::string, std::string>> Hostile() {
  std::string deep(100000, '[');
  std::string flood = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 200; ++i) flood += fmt::format("X-{}: y\r\n", i);
  std::vector<std::pair<std::string, std::string>> cases = {
      {RawPost(kChat, "{"), "400"},
      {RawPost(kChat, ""), "400"},
      {RawPost(kChat, "null"), "400"},
      {RawPost(kChat, deep), "400"},
      {RawPost(kChat, "{\"messages\": " + deep + "}"), "400"},
      {RawPost(kChat, R"({"messages": [], "messages": []})"), "400"},
      {RawPost(kChat, "{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}"), "400"},
      {RawPost(kChat, R"({"messages": [{"role": "user", "content": "\ud800"}], "max_tokens": 1})"), "200"},
      {RawPost(kChat, R"({"messages": [{"role": "user", "content": "x"}], "max_tokens": 1e999})"), "400"},
      {RawPost(kChat, R"({"messages": [{"role": "user", "content": "x"}], "max_tokens": 99999999999999999999})"),
       "400"},
      {RawPost(kChat, R"({"messages": [{"role": "user", "content": "x"}], "n": -1})"), "400"},
      {RawPost(kChat, R"({"messages": {"0": {"role": "user"}}})"), "400"},
      {RawPost("/v1/messages", R"({"max_tokens": "many", "messages": 3})"), "400"},
      {RawPost("/v1/responses", R"({"input": {"a": 1}})"), "400"},
      {RawPost("/../../etc/passwd", "{}"), "404"},
      {RawPost("/v1/../admin/reload", "{}"), "404"},
      {RawPost("//admin/reload", "{}"), "404"},
      {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"},
      {"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", "505"},
      {"\x16\x03\x01\x02\r\n\r\n", "400"},
      {std::string("\0\0\0\0\r\n\r\n", 8), "400"},
      {"GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "414"},
      {flood + "\r\n", "431"},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(80000, 'y') + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", "413"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}", "400"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n",
       "413"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n",
       "400"},
      {RawPost(kChat, "{}", "Content-Encoding: gzip\r\n"), "415"},
      {RawPost(kChat, "{}", "Expect: nothing\r\n"), "417"},
      {"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"},
      {"HEAD /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"},
  };
  return cases;
}

TEST(Server, HostileRequestsGetTheirDue) {
  const ServerProcess server;
  Client client(server);
  for (const auto& [request, status] : Hostile()) {
    RawConnection raw(server.port());
    raw.Send(request);
    EXPECT_EQ(raw.Read(20, "\r\n\r\n").substr(0, 12), "HTTP/1.1 " + status)
        << testing::PrintToString(request.substr(0, 200));
  }
  EXPECT_THAT(client.Ask(kChat, ChatBody())["choices"][0]["message"]["content"].get<std::string>(), HasSubstr("5198"));
}

TEST(Server, SlowClientsAreGivenUp) {
  const ServerProcess server({"--head-seconds", "0.3", "--body-seconds", "0.3", "--idle-seconds", "0.3"});
  {
    RawConnection head(server.port());  // a byte now and then does not help
    head.Send("GET / HTTP/1.1\r\n");
    std::string answer;
    for (int i = 0; i < 100 && answer.empty(); ++i) {
      head.Send("X");
      answer = head.Read(0.1);
    }
    EXPECT_THAT(answer, HasSubstr("408"));
  }
  {
    RawConnection body(server.port());
    body.Send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    EXPECT_THAT(body.Read(10), HasSubstr("408"));
  }
  RawConnection idle(server.port());
  EXPECT_EQ(idle.Read(10), "");
}

TEST(Server, ConnectionsAreKeptAndLimited) {
  const ServerProcess server({"--max-connections", "2"});
  RawConnection first(server.port()), second(server.port());
  for (int i = 0; i < 3; ++i) {
    first.Send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(first.Read(10, "}\n"), HasSubstr("200 OK"));
  }
  // Two requests at once, one after the other's answer; then a chunked body.
  const std::string get = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  first.Send(get + get);
  std::string two = first.Read(10, "}\n");
  if (two.find("}\n") == two.rfind("}\n")) two += first.Read(10, "}\n");
  EXPECT_NE(two.find("200 OK"), two.rfind("200 OK"));
  first.Send(
      "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb;x=y\r\n{\"prompt\": "
      "\r\n4\r\n\"a\"}"
      "\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_THAT(first.Read(10, "}\n"), HasSubstr("\"count\":1"));
  second.Send(get);
  second.Read(10, "}\n");
  RawConnection third(server.port());
  third.Send(get);
  EXPECT_THAT(third.Read(10), AllOf(HasSubstr("503"), HasSubstr("Retry-After")));
}

TEST(Server, PingsDuringALongWait) {
  const ServerProcess server({"--max-batch", "1", "--ping-seconds", "0.05"});
  RawConnection first(server.port()), second(server.port());
  ASSERT_TRUE(first.Send(RawPost(kChat, Endless().dump())));
  first.Read(20, "reasoning");
  ASSERT_TRUE(second.Send(RawPost(kChat, Endless().dump())));
  EXPECT_THAT(second.Read(20, ": ping"), HasSubstr(": ping"));
  RawConnection third(server.port());
  Json body = Endless();
  ASSERT_TRUE(third.Send(RawPost("/v1/messages", body.dump())));
  EXPECT_THAT(third.Read(20, "event: ping"), HasSubstr("event: message_start"));
}

TEST(Server, BenchServe) {
  const ServerProcess server({"--api-key", "k"});
  const CommandResult result = RunFulgur({"bench", "serve", server.url(), "--api-key", "k", "--requests", "8", "--rate",
                                          "0", "--max-tokens", "20", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json report = J(result.out);
  EXPECT_EQ(report["completed"], 8);
  EXPECT_EQ(report["output_tokens"], 160);
  EXPECT_EQ(report["failed"], Json::object());
  EXPECT_GT(report["first_token_seconds"]["p50"], 0);
  EXPECT_GE(report["first_token_seconds"]["p99"], report["first_token_seconds"]["p50"]);
  const CommandResult refused = RunFulgur({"bench", "serve", server.url(), "--requests", "1"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("401"));
}

// Many streams at a time, and each is what it is alone.
TEST(ServerSlow, TwoHundredAndFiftySixStreams) {
  const ServerProcess server({"--max-queued", "0"});
  constexpr int kStreams = 256;
  const auto body = [](int i) {
    return ChatBody({{"stream", true}, {"temperature", 1}, {"seed", i}, {"max_tokens", 100}},
                    fmt::format("What is {} + {}?", 100 + i, 7 * i));
  };
  std::vector<std::string> together(kStreams);
  std::vector<std::thread> threads;
  for (int i = 0; i < kStreams; ++i) {
    threads.emplace_back([&, i] {
      try {
        together[static_cast<size_t>(i)] = Client(server).Post(kChat, body(i)).body;
      } catch (const Error&) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Client client(server);
  for (int i = 0; i < kStreams; i += 5) {
    const Streamed alone = PutTogether(client.Post(kChat, body(i)).body),
                   beside = PutTogether(together[static_cast<size_t>(i)]);
    EXPECT_EQ(beside.content, alone.content) << i;
    EXPECT_EQ(beside.reasoning, alone.reasoning) << i;
    EXPECT_EQ(beside.finish, alone.finish) << i;
  }
}

TEST(ServerSlow, ClientsThatVanish) {
  const ServerProcess server({"--max-queued", "0", "--cache-memory", "8MB"});  // a cache that is soon full
  Client client(server);
  std::mt19937 random(1);
  const auto round = [&](int count) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, seed = random()] {
        std::mt19937 own(seed);
        for (int i = 0; i < count / 16; ++i) {
          RawConnection raw(server.port());
          raw.Send(RawPost(kChat, Endless(own() % 2 == 0).dump()).substr(0, 50 + own() % 400));
          std::this_thread::sleep_for(std::chrono::milliseconds(own() % 50));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(Becomes(60, [&] { return client.Get("/slots").json()["slots"].empty(); }));
  };
  // Warm once a round brings nothing new: how many sequences run at a time depends on how busy the machine is.
  int64_t before = 0;
  for (int warm_up = 0; warm_up < 8; ++warm_up) {
    const int64_t last = before;
    round(1000);
    before = server.ResidentKilobytes();
    if (before < last * 1.01) break;
  }
  round(2000);
  const int64_t after = server.ResidentKilobytes();
  EXPECT_LT(after, before * 1.05) << before << " KB before, " << after << " after";
  EXPECT_THAT(client.Ask(kChat, ChatBody())["choices"][0]["message"]["content"].get<std::string>(), HasSubstr("5198"));
}

TEST(ServerSlow, TenThousandHostileRequests) {
  const ServerProcess server;
  Client client(server);
  const auto cases = Hostile();
  const std::string fine = RawPost(kChat, ChatBody({{"max_tokens", 2}}).dump());
  std::mt19937 random(3);
  RawConnection neighbour(server.port());
  Json long_one = Endless();
  ASSERT_TRUE(neighbour.Send(RawPost(kChat, long_one.dump())));
  int answered = 0;
  for (int i = 0; i < 10000; ++i) {
    std::string request, status;
    if (i % 2 == 0) {
      std::tie(request, status) = cases[random() % cases.size()];
    } else {  // a good one with some bytes changed, so that it is another in most cases
      request = fine;
      for (int k = 0; k < 3; ++k) request[random() % request.size()] = static_cast<char>(random());
    }
    RawConnection raw(server.port());
    raw.Send(request);
    if (i % 16 == 0) continue;  // and gone
    const std::string answer = raw.Read(i % 2 == 0 ? 5 : 0.05, "\r\n\r\n");
    if (answer.empty()) continue;
    ++answered;
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 ")) << answer;
    if (i % 2 == 0) {
      ASSERT_EQ(answer.substr(9, 3), status) << answer << request.substr(0, 200);
    }
  }
  EXPECT_GT(answered, 5000);
  EXPECT_THAT(neighbour.Read(120, "[DONE]"), HasSubstr("[DONE]"));
  EXPECT_EQ(client.Get("/health").status, 200);
}

TEST(Server, AModelIsCalledByItsRunOrItsName) {
  const TestFolder folder;
  const std::filesystem::path run = folder / "mine";
  std::filesystem::create_directories(run);
  std::filesystem::copy(FULGUR_SOURCE_DIR "/models/nano", run / "model");
  WriteFileAtomic(run / "run.json", "{}");
  const auto name = [](const ServerProcess& server) {
    Client client(server);
    return client.Get("/v1/models").json()["data"][0]["id"].get<std::string>();
  };
  EXPECT_EQ(name(ServerProcess({}, run.string())), "mine");
  EXPECT_EQ(name(ServerProcess({"--name", "tutor"}, run.string())), "tutor");
}

}  // namespace
}  // namespace fulgur
