// A request for text, whichever API it came by.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "engine/sampler.h"
#include "serve/fields.h"

namespace fulgur {

class ResponseStore;

enum class Endpoint { kChatCompletions, kCompletions, kResponses, kMessages };
inline Api ApiOf(Endpoint endpoint) { return endpoint == Endpoint::kMessages ? Api::kAnthropic : Api::kOpenAi; }

struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kAuto;
  std::string name;      // kNamed
  bool parallel = true;  // more than one call an answer
};

struct OutputFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  Json schema;        // kJsonSchema
  std::string field;  // where the schema stands in the request, for errors about it
  std::string name;   // the client's name for it
};

// What the server adds to a request that does not say it.
struct RequestDefaults {
  SamplingParams sampling;
  std::optional<int64_t> thinking_budget;  // if the request has none
  std::optional<int64_t> thinking_cap;     // no request gets more
  int64_t effort_tokens = 40960;           // the budget that the effort "high" stands for
  int64_t vocab_size = 0;
  bool keep_thinking = true;           // thinking that a client hands back goes into the prompt
  ResponseStore* responses = nullptr;  // if earlier ones are kept
};

struct ApiRequest {
  Endpoint endpoint = Endpoint::kChatCompletions;
  std::string model;  // as asked for; empty: not said

  // ---- a chat
  Json messages = Json::array();  // for ChatTemplate::Encode; contents are strings
  Json tools;                     // null, or a list of {"type": "function", "function": {"name", ...}}
  // Names of those that take one text, "input", instead of arguments by a schema ("custom" tools of OpenAI's).
  std::set<std::string> custom_tools;
  ToolChoice tool_choice;
  OutputFormat format;
  std::optional<std::string> answer_begin;  // the answer goes on from this text; the thinking, if any, is part of it

  // ---- or texts to continue
  using Prompt = std::variant<std::string, std::vector<int32_t>>;
  std::vector<Prompt> prompts;
  bool echo = false;

  // ---- both
  SamplingParams sampling;
  bool seeded = false;                // else the server picks a seed
  std::optional<int64_t> max_tokens;  // 0: only the prompt is wanted, with `echo`
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  bool ignore_eos = false;
  std::optional<int64_t> thinking_budget;  // in force, the server's default and cap included; 0: no thinking
  int64_t outputs = 1;                     // of each prompt
  int64_t priority = 0;                    // lower is served first
  std::optional<double> timeout_seconds;   // the request is ended after this
  std::string session;                     // name of a kept conversation, or empty

  // ---- the shape of the answer
  bool stream = false;
  bool include_usage = false;      // a last event with the usage
  bool timings_per_token = false;  // chat completions: every event says how fast the answer comes
  bool logprobs = false;
  bool include_reasoning = true;
  bool empty_reasoning = false;   // Anthropic's thinking blocks are there, without their text
  bool sealed_reasoning = false;  // responses' reasoning items also have it in the form that is for handing back
  Json echoed = Json::object();   // fields that the API repeats in its answer
  IgnoredFields ignored;

  // ---- responses
  bool store = false;                // keep the response for later requests
  Json input_items = Json::array();  // what to keep of this request, if so
  std::string previous_response_id;  // or empty

  // Whether a <tool_calls> block of the answer is one.
  bool ReadsToolCalls() const { return !tools.is_null() && tool_choice.kind != ToolChoice::Kind::kNone; }
};

// The four parsers. `body`: the request's JSON. Throw ApiError with status 400 and the field.
ApiRequest ParseChatCompletions(const Json& body, const RequestDefaults& defaults);
ApiRequest ParseCompletions(const Json& body, const RequestDefaults& defaults);
ApiRequest ParseResponses(const Json& body, const RequestDefaults& defaults);
// for_count: /v1/messages/count_tokens, which has no max_tokens.
ApiRequest ParseMessages(const Json& body, const RequestDefaults& defaults, bool for_count = false);

// ---- what the parsers share

// The request as `read` finds it in the body; model, sampling, stopping and thinking are read before.
ApiRequest ParseRequest(Endpoint endpoint, const Json& body, const RequestDefaults& defaults,
                        void (*read)(Fields& body, const RequestDefaults& defaults, ApiRequest* request));

// temperature, top_p, top_k, min_p, the penalties, seed, logit_bias.
void ReadSampling(Fields& fields, const RequestDefaults& defaults, ApiRequest* request);
// stop, stop_token_ids, ignore_eos, and what only this server and vLLM have: priority, timeout, session.
void ReadStopping(Fields& fields, const char* stop, const RequestDefaults& defaults, ApiRequest* request);
// Every way of saying how much to think; the smallest that is said counts, then the server's cap.
void ReadThinking(Fields& fields, const RequestDefaults& defaults, ApiRequest* request);
// A positive number of tokens, or -1 for no limit of its own.
std::optional<int64_t> ReadMaxTokens(Fields& fields, const char* key);

// {"name", "description"?, "parameters"?, "strict"?} to ApiRequest::tools. schema_key: what the API calls the
// parameters.
void AddFunction(Fields& fields, const char* schema_key, ApiRequest* request);
// "tools", "tool_choice" and "parallel_tool_calls" as OpenAI has them: chat completions with a function in the tool,
// responses with the tool as the function; each is taken with both APIs. Tools of other types than function and custom
// would run at the provider: they are skipped and named.
void ReadOpenAiTools(Fields& body, ApiRequest* request);
// Checks the choice against the tools.
void CheckToolChoice(const std::string& path, const ApiRequest& request);
// {"type": "text" | "json_object" | "json_schema", ...}; nested: the schema is in a member "json_schema" (chat), or
// beside the type (responses). A json_object with a schema is a json_schema.
OutputFormat ReadFormat(Fields& fields, bool nested);
// response_format, and what vLLM and llama-server have beside it: guided_json, structured_outputs, json_schema.
void ReadFormats(Fields& body, ApiRequest* request);

}  // namespace fulgur
