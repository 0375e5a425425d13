// POST /v1/chat/completions and /v1/completions: their requests.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "serve/request.h"

namespace fulgur {
namespace {

// The arguments of an earlier call: a JSON object, or its text.
Json CallArguments(Fields& function) {
  const Json* arguments = function.Get("arguments");
  const std::string path = function.Path("arguments");
  if (arguments == nullptr) return Json::object();
  if (arguments->is_object()) return *arguments;
  const std::string text = StringOf(*arguments, path);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Json parsed;
  try {
    parsed = ParseJson(text, "the string");
  } catch (const Error& e) {
    throw Invalid(path, "must hold a JSON object: {}", e.what());
  }
  if (!parsed.is_object()) throw Invalid(path, "must hold a JSON object, found {}", Shown(parsed));
  return parsed;
}

Json ReadAssistant(Fields& message, const RequestDefaults& defaults, std::set<std::string>* call_ids) {
  std::string content, reasoning;
  if (const Json* value = message.Get("content")) {
    if (value->is_array()) {
      for (size_t i = 0; i < value->size(); ++i) {
        const std::string at = fmt::format("{}[{}]", message.Path("content"), i);
        if ((*value)[i].is_string()) {
          content += (*value)[i].get<std::string>();
          continue;
        }
        Fields part((*value)[i], at);
        const std::string type = part.String("type").value_or("text");
        if (type == "thinking" || type == "reasoning") {
          reasoning += part.NeedString(type == "thinking" ? "thinking" : "text");
        } else if (type == "refusal") {
          content += part.NeedString("refusal");
        } else {
          content += ReadText(Json::array({(*value)[i]}), message.Path("content"));
        }
      }
    } else {
      content = ReadText(*value, message.Path("content"));
    }
  }
  const std::optional<std::string> reasoning_content = message.String("reasoning_content"),
                                   other = message.String("reasoning");
  if (reasoning_content) {
    reasoning = *reasoning_content;
  } else if (other) {
    reasoning = *other;
  }

  Json out = {{"role", "assistant"},
              {"content", WithThinking(defaults.keep_thinking ? reasoning : std::string(), content)}};
  if (const Json* calls = message.Array("tool_calls")) {
    Json list = Json::array();
    for (size_t i = 0; i < calls->size(); ++i) {
      Fields call((*calls)[i], fmt::format("{}[{}]", message.Path("tool_calls"), i));
      call.Choice("type", {"function"});
      Fields function(call.Need("function", "an object with \"name\" and \"arguments\""), call.Path("function"));
      Json entry = {{"type", "function"}, {"function", {{"name", function.NeedString("name")}}}};
      entry["function"]["arguments"] = CallArguments(function);
      if (const auto id = call.String("id")) {
        entry["id"] = *id;
        call_ids->insert(*id);
      }
      list.push_back(std::move(entry));
    }
    if (!list.empty()) out["tool_calls"] = std::move(list);
  } else if (message.Get("content") == nullptr && reasoning.empty()) {
    throw Invalid(message.Path("content"), "an assistant message needs content or tool_calls");
  }
  message.Known({"refusal", "audio", "annotations", "name", "reasoning_details", "function_call", "prefix"});
  return out;
}

void ReadMessages(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  body.Need("messages", "a list of messages");
  const Json& messages = *body.Array("messages");
  if (messages.empty()) throw Invalid("messages", "must have at least one message");
  std::set<std::string> call_ids;
  for (size_t i = 0; i < messages.size(); ++i) {
    Fields message(messages[i], fmt::format("messages[{}]", i));
    message.Need("role", "\"system\", \"developer\", \"user\", \"assistant\" or \"tool\"");
    const std::string role = *message.Choice("role", {"system", "developer", "user", "assistant", "tool"});
    if (role == "assistant") {
      request->messages.push_back(ReadAssistant(message, defaults, &call_ids));
    } else {
      const std::string content =
          ReadText(message.Need("content", "a string or a list of parts"), message.Path("content"));
      Json out = {{"role", role == "developer" ? "system" : role}, {"content", content}};
      if (role == "tool") {
        const auto name = message.String("name"), id = message.String("tool_call_id");
        if (id && call_ids.count(*id) > 0) {
          out["tool_call_id"] = *id;
        } else if (!name) {
          throw id ? Invalid(message.Path("tool_call_id"), "no earlier tool call has the id {}", Shown(*id))
                   : Invalid(message.Path("tool_call_id"), "is missing; it must be the id of an earlier tool call");
        }
        if (name) out["name"] = *name;
      } else {
        message.Known({"name"});
      }
      request->messages.push_back(std::move(out));
    }
    const auto unknown = message.Unknown();
    if (request->ignored.size() < 16) request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
  }
}

void ReadTools(Fields& body, ApiRequest* request) {
  if (const Json* tools = body.Array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      Fields tool((*tools)[i], fmt::format("tools[{}]", i));
      tool.Choice("type", {"function"});
      Fields function(tool.Need("function", "an object with \"name\""), tool.Path("function"));
      AddTool(ReadFunction(function, "parameters"), function.Path("name"), request);
    }
  }
  request->tool_choice.parallel = body.Bool("parallel_tool_calls").value_or(true);
  if (const Json* choice = body.Get("tool_choice")) {
    ToolChoice& out = request->tool_choice;
    if (choice->is_string()) {
      const std::string kind = *body.Choice("tool_choice", {"auto", "none", "required"});
      out.kind = kind == "none"       ? ToolChoice::Kind::kNone
                 : kind == "required" ? ToolChoice::Kind::kRequired
                                      : ToolChoice::Kind::kAuto;
    } else {
      Fields named(*choice, "tool_choice");
      named.Need("type", "\"function\"");
      named.Choice("type", {"function"});
      Fields function(named.Need("function", "an object with \"name\""), "tool_choice.function");
      out.kind = ToolChoice::Kind::kNamed;
      out.name = function.NeedString("name");
    }
    CheckToolChoice("tool_choice", *request);
  }
  for (const char* old : {"functions", "function_call"}) {
    if (body.Get(old) != nullptr) throw Invalid(old, "is the form before tools; use tools and tool_choice");
  }
}

void ReadStream(Fields& body, ApiRequest* request) {
  request->stream = body.Bool("stream").value_or(false);
  if (const Json* options = body.Object("stream_options")) {
    Fields sub(*options, "stream_options");
    request->include_usage = sub.Bool("include_usage").value_or(false);
    sub.Known({"include_obfuscation", "continuous_usage_stats"});
    const auto unknown = sub.Unknown();
    request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
  }
}

void TakeUnknown(const Fields& body, ApiRequest* request) {
  const auto unknown = body.Unknown();
  request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
}

constexpr int64_t kMostOutputs = 128;

}  // namespace

ApiRequest ParseChatCompletions(const Json& json, const RequestDefaults& defaults) {
  Fields body(json, "");
  ApiRequest request;
  request.endpoint = Endpoint::kChatCompletions;
  request.model = body.String("model").value_or("");
  ReadSampling(body, defaults, &request);
  ReadStopping(body, "stop", defaults, &request);
  ReadThinking(body, defaults, &request);
  request.max_tokens = ReadMaxTokens(body, "max_tokens");
  if (const auto tokens = ReadMaxTokens(body, "max_completion_tokens")) request.max_tokens = tokens;
  request.outputs = body.Integer("n", 1, kMostOutputs).value_or(1);
  request.logprobs = body.Bool("logprobs").value_or(false);
  if (const auto top = body.Integer("top_logprobs", 0, 20)) {
    if (!request.logprobs) throw Invalid("top_logprobs", "needs logprobs to be true");
    request.sampling.top_logprobs = *top;
  }
  request.include_reasoning = body.Bool("include_reasoning").value_or(true) && request.include_reasoning;
  ReadStream(body, &request);
  ReadTools(body, &request);
  if (const Json* format = body.Object("response_format")) {
    Fields sub(*format, "response_format");
    request.format = ReadFormat(sub, /*nested=*/true);
  }
  ReadMessages(body, defaults, &request);
  if (body.Bool("continue_final_message").value_or(false)) {
    if (request.messages.back()["role"] != "assistant" || request.messages.back().contains("tool_calls")) {
      throw Invalid("continue_final_message", "needs the last message to be an assistant's, without tool calls");
    }
    request.answer_begin = request.messages.back()["content"].get<std::string>();
    request.messages.erase(request.messages.size() - 1);
    if (request.messages.empty()) throw Invalid("messages", "must have a message before the one to continue");
  }
  if (const Json* modalities = body.Array("modalities")) {
    for (const Json& entry : *modalities) {
      if (entry != "text") throw Invalid("modalities", "must be [\"text\"]; this model writes text");
    }
  }
  body.Known({"user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
              "prompt_cache_retention", "verbosity", "add_generation_prompt"});
  TakeUnknown(body, &request);
  return request;
}

ApiRequest ParseCompletions(const Json& json, const RequestDefaults& defaults) {
  Fields body(json, "");
  ApiRequest request;
  request.endpoint = Endpoint::kCompletions;
  request.model = body.String("model").value_or("");
  ReadSampling(body, defaults, &request);
  ReadStopping(body, "stop", defaults, &request);
  ReadThinking(body, defaults, &request);
  request.echo = body.Bool("echo").value_or(false);
  const Json* limit = body.Get("max_tokens");
  if (limit == nullptr) {
    request.max_tokens = 16;
  } else if (request.echo && *limit == 0) {
    request.max_tokens = 0;  // the prompt alone
  } else {
    request.max_tokens = ReadMaxTokens(body, "max_tokens");
  }
  request.outputs = body.Integer("n", 1, kMostOutputs).value_or(1);
  if (const auto best_of = body.Integer("best_of", 1, kMostOutputs); best_of && *best_of != request.outputs) {
    throw Invalid("best_of", "must be the same as n; answers are not ranked here");
  }
  if (const auto logprobs = body.Integer("logprobs", 0, 20)) {
    request.logprobs = true;
    request.sampling.top_logprobs = *logprobs;
  }
  if (const auto suffix = body.String("suffix"); suffix && !suffix->empty()) {
    throw Invalid("suffix", "is not supported; this model writes forwards only");
  }
  ReadStream(body, &request);

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
    request.prompts.emplace_back(prompt.get<std::string>());
  } else if (!prompt.is_array() || prompt.empty()) {
    throw Invalid("prompt", kWhat, prompt.is_array() ? "an empty list" : Shown(prompt));
  } else if (prompt[0].is_number()) {
    request.prompts.emplace_back(ids(prompt, "prompt"));
  } else {
    for (size_t i = 0; i < prompt.size(); ++i) {
      const std::string at = fmt::format("prompt[{}]", i);
      if (prompt[i].is_array()) {
        request.prompts.emplace_back(ids(prompt[i], at));
      } else {
        request.prompts.emplace_back(StringOf(prompt[i], at));
      }
      if (static_cast<int64_t>(request.prompts.size()) * request.outputs > kMostOutputs) {
        throw Invalid("prompt", "{} prompts with n = {}: at most {} answers a request", prompt.size(), request.outputs,
                      kMostOutputs);
      }
    }
  }
  if (const Json* format = body.Object("response_format")) {
    Fields sub(*format, "response_format");
    request.format = ReadFormat(sub, /*nested=*/true);
  }
  body.Known({"user", "include_reasoning"});
  TakeUnknown(body, &request);
  return request;
}

}  // namespace fulgur
