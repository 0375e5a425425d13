// POST /v1/chat/completions and /v1/completions: their requests.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "serve/conversation.h"

namespace fulgur {
namespace {

// OpenRouter's list of what was thought.
std::string ReasoningDetails(const Json& details, const std::string& path, IgnoredFields* ignored) {
  std::string text;
  for (size_t i = 0; i < details.size(); ++i) {
    Fields detail(details[i], fmt::format("{}[{}]", path, i), ignored);
    detail.Known({"id", "index", "format", "signature"});
    const std::string type = detail.String("type").value_or("");
    if (const auto said = detail.String(type == "reasoning.summary" ? "summary" : "text")) {
      text += *said;
    } else if (ignored != nullptr) {
      ignored->Add(detail.path(), type);
      detail.KnownAll();
    }
  }
  return text;
}

class MessageReader {
 public:
  MessageReader(const RequestDefaults& defaults, ApiRequest* request)
      : request_(request), conversation_(defaults, request) {}

  void Read(const Json& json, const std::string& path, bool last) {
    Fields message(json, path, &request_->ignored);
    message.Need("role", "\"system\", \"developer\", \"user\", \"assistant\" or \"tool\"");
    const std::string role = *message.Choice("role", {"system", "developer", "user", "assistant", "tool", "function"});
    if (role == "assistant") return Assistant(message, last);
    if (role == "tool" || role == "function") return Result(message, role == "function");
    message.Known({"id", "cache_control"});
    const Json& content = message.Need("content", "a string or a list of parts");
    if (role == "user") {
      conversation_.User(ReadContent(content, message.Path("content"), &request_->ignored).text);
    } else {
      conversation_.System(ReadSystem(content, message.Path("content"), &request_->ignored));
    }
  }

  // The field that says that the last message is the beginning of the answer; or empty.
  const std::string& begun() const { return begun_; }

 private:
  void Assistant(Fields& message, bool last) {
    ContentText content;
    if (const Json* value = message.Get("content")) {
      content = ReadContent(*value, message.Path("content"), &request_->ignored);
    }
    const auto refusal = message.String("refusal");
    if (refusal && content.text.empty()) content.text = *refusal;
    // Each client has the thinking in a field of its own, and some in several at once.
    const Json* details = message.Array("reasoning_details");
    const std::string listed =
        details == nullptr ? "" : ReasoningDetails(*details, message.Path("reasoning_details"), &request_->ignored);
    if (!listed.empty()) content.thinking = listed;
    for (const char* key : {"reasoning", "reasoning_content"}) {
      const Json* reasoning = message.Get(key);
      if (reasoning == nullptr) continue;
      if (!reasoning->is_string()) {
        message.Ignore(key);
      } else if (!reasoning->get_ref<const std::string&>().empty()) {
        content.thinking = reasoning->get<std::string>();
      }
    }
    conversation_.Thinking(content.thinking);
    conversation_.Text(content.text);
    if (const Json* calls = message.Array("tool_calls")) {
      for (size_t i = 0; i < calls->size(); ++i) {
        Call((*calls)[i], fmt::format("{}[{}]", message.Path("tool_calls"), i));
      }
    }
    if (const Json* call = message.Object("function_call")) {  // before there were tools
      Fields function(*call, message.Path("function_call"), &request_->ignored);
      const Json* arguments = function.Get("arguments");
      conversation_.Call("", function.NeedString("name"), arguments == nullptr ? Json() : *arguments);
    }
    for (const char* key : {"prefix", "partial"}) {
      if (!message.Bool(key).value_or(false)) continue;
      if (last) {
        begun_ = message.Path(key);
      } else {
        message.Ignore(key);
      }
    }
    message.Known({"annotations", "id", "cache_control"});
    conversation_.EndTurn();
  }

  void Call(const Json& json, const std::string& path) {
    Fields call(json, path, &request_->ignored);
    call.Known({"index"});
    const std::string id = call.String("id").value_or("");
    const bool custom = call.String("type") == "custom";  // all others have a function
    const char* member = custom ? "custom" : "function";
    Fields function(call.Need(member, custom ? "an object with \"name\" and \"input\""
                                             : "an object with \"name\" and \"arguments\""),
                    call.Path(member), &request_->ignored);
    const std::string name = function.NeedString("name");
    if (custom) {
      conversation_.Call(id, name, {{"input", function.String("input").value_or("")}});
    } else {
      const Json* arguments = function.Get("arguments");
      conversation_.Call(id, name, arguments == nullptr ? Json() : *arguments);
    }
  }

  void Result(Fields& message, bool by_name) {
    const auto name = message.String("name"), id = message.String("tool_call_id");
    message.Known({"id", "cache_control", "is_error", "status"});
    const bool known = id && conversation_.HasCall(*id);
    if (!known && !name) {
      if (by_name) message.Need("name", "the name of a function");
      throw id ? Invalid(message.Path("tool_call_id"), "no earlier tool call has the id {}", Shown(*id))
               : Invalid(message.Path("tool_call_id"), "is missing; it must be the id of an earlier tool call");
    }
    const Json* content = message.Get("content");
    conversation_.Result(
        known ? *id : "", name.value_or(""),
        content == nullptr ? "" : ReadContent(*content, message.Path("content"), &request_->ignored).text);
  }

  ApiRequest* request_;
  MessageBuilder conversation_;
  std::string begun_;
};

void ReadMessages(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  body.Need("messages", "a list of messages");
  const Json& messages = *body.Array("messages");
  if (messages.empty()) throw Invalid("messages", "must have at least one message");
  MessageReader reader(defaults, request);
  for (size_t i = 0; i < messages.size(); ++i) {
    reader.Read(messages[i], fmt::format("messages[{}]", i), /*last=*/i + 1 == messages.size());
  }

  const bool go_on = body.Bool("continue_final_message").value_or(false);
  const std::string begun = go_on ? "continue_final_message" : reader.begun();
  if (!body.Bool("add_generation_prompt").value_or(true) && begun.empty()) body.Ignore("add_generation_prompt");
  if (begun.empty()) return;
  if (request->messages.back()["role"] != "assistant" || request->messages.back().contains("tool_calls")) {
    throw Invalid(begun, "needs the last message to be an assistant's, without tool calls");
  }
  request->answer_begin = request->messages.back()["content"].get<std::string>();
  request->messages.erase(request->messages.size() - 1);
  if (request->messages.empty()) throw Invalid("messages", "must have a message before the one to continue");
}

void ReadStream(Fields& body, ApiRequest* request) {
  request->stream = body.Bool("stream").value_or(false);
  if (const Json* options = body.Object("stream_options")) {
    Fields sub(*options, "stream_options", &request->ignored);
    request->include_usage = sub.Bool("include_usage").value_or(false);
    sub.Known({"include_obfuscation"});
    if (sub.Bool("continuous_usage_stats").value_or(false)) sub.Ignore("continuous_usage_stats");
  }
  if (const Json* usage = body.Object("usage")) {  // OpenRouter's
    Fields sub(*usage, "usage", &request->ignored);
    request->include_usage = sub.Bool("include").value_or(false) || request->include_usage;
  }
}

// max_tokens, and what else it is called.
std::optional<int64_t> ReadAnyMaxTokens(Fields& body) {
  std::optional<int64_t> tokens;
  for (const char* key : {"n_predict", "max_tokens", "max_completion_tokens"}) {
    if (const auto said = ReadMaxTokens(body, key)) tokens = said;
  }
  return tokens;
}

constexpr int64_t kMostOutputs = 128;

void ReadChatCompletions(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  request->max_tokens = ReadAnyMaxTokens(body);
  request->outputs = body.Integer("n", 1, kMostOutputs).value_or(1);
  request->logprobs = body.Bool("logprobs").value_or(false);
  if (const auto top = body.Integer("top_logprobs", 0, 20)) {
    if (!request->logprobs) throw Invalid("top_logprobs", "needs logprobs to be true");
    request->sampling.top_logprobs = *top;
  }
  request->include_reasoning = body.Bool("include_reasoning").value_or(true) && request->include_reasoning;
  ReadStream(body, request);
  request->timings_per_token = body.Bool("timings_per_token").value_or(false);
  for (const char* old : {"functions", "function_call"}) {
    if (body.Get(old) != nullptr) throw Invalid(old, "is the form before tools; use tools and tool_choice");
  }
  ReadOpenAiTools(body, request);
  ReadFormats(body, request);
  ReadMessages(body, defaults, request);
  if (const Json* modalities = body.Array("modalities")) {
    for (const Json& entry : *modalities) {
      if (entry != "text") throw Invalid("modalities", "must be [\"text\"]; this model writes text");
    }
  }
  if (body.Bool("store").value_or(false)) body.Ignore("store");
  body.Known({"user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"});
}

void ReadCompletions(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  request->echo = body.Bool("echo").value_or(false);
  const Json* limit = body.Get("max_tokens");
  if (request->echo && limit != nullptr && *limit == 0) {
    request->max_tokens = 0;  // the prompt alone
  } else {
    request->max_tokens = ReadAnyMaxTokens(body);
    if (limit == nullptr && body.Get("n_predict") == nullptr) request->max_tokens = 16;
  }
  request->outputs = body.Integer("n", 1, kMostOutputs).value_or(1);
  if (const auto best_of = body.Integer("best_of", 1, kMostOutputs); best_of && *best_of != request->outputs) {
    throw Invalid("best_of", "must be the same as n; answers are not ranked here");
  }
  if (const auto logprobs = body.Integer("logprobs", 0, 20)) {
    request->logprobs = true;
    request->sampling.top_logprobs = *logprobs;
  }
  if (const auto suffix = body.String("suffix"); suffix && !suffix->empty()) {
    throw Invalid("suffix", "is not supported; this model writes forwards only");
  }
  ReadStream(body, request);

  const auto ids = [&](const Json& list, const std::string& path) {
    std::vector<int32_t> out;
    out.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      out.push_back(static_cast<int32_t>(
          IntegerOf(list[i], fmt::format("{}[{}]", path, i), 0, std::max<int64_t>(defaults.vocab_size - 1, 0))));
    }
    return out;
  };
  const Json& prompt = body.Need("prompt", "a string, a list of strings, or token ids");
  constexpr const char* kWhat = "must be a string, a list of strings, or token ids; found {}";
  if (prompt.is_string()) {
    request->prompts.emplace_back(prompt.get<std::string>());
  } else if (!prompt.is_array() || prompt.empty()) {
    throw Invalid("prompt", kWhat, prompt.is_array() ? "an empty list" : Shown(prompt));
  } else if (prompt[0].is_number()) {
    request->prompts.emplace_back(ids(prompt, "prompt"));
  } else {
    for (size_t i = 0; i < prompt.size(); ++i) {
      const std::string at = fmt::format("prompt[{}]", i);
      if (prompt[i].is_array()) {
        request->prompts.emplace_back(ids(prompt[i], at));
      } else {
        request->prompts.emplace_back(StringOf(prompt[i], at));
      }
      if (static_cast<int64_t>(request->prompts.size()) * request->outputs > kMostOutputs) {
        throw Invalid("prompt", "{} prompts with n = {}: at most {} answers a request", prompt.size(), request->outputs,
                      kMostOutputs);
      }
    }
  }
  ReadFormats(body, request);
  body.Known({"user"});
}

}  // namespace

ApiRequest ParseChatCompletions(const Json& json, const RequestDefaults& defaults) {
  return ParseRequest(Endpoint::kChatCompletions, json, defaults, ReadChatCompletions);
}

ApiRequest ParseCompletions(const Json& json, const RequestDefaults& defaults) {
  return ParseRequest(Endpoint::kCompletions, json, defaults, ReadCompletions);
}

}  // namespace fulgur
