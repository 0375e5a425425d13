// POST /v1/responses: its request.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/json_as_given.h"
#include "serve/conversation.h"
#include "serve/response_store.h"

namespace fulgur {
namespace {

// Items to messages. What the model wrote in one turn (a reasoning item, a message, calls) is one assistant message.
class InputReader {
 public:
  InputReader(const RequestDefaults& defaults, ApiRequest* request)
      : defaults_(defaults), request_(request), conversation_(defaults, request) {}

  void Read(const Json& json, const std::string& path) {
    Fields item(json, path, &request_->ignored);
    const bool has_role = item.Get("role") != nullptr;
    const std::string type =
        item.String("type").value_or(!has_role && item.Get("id") != nullptr ? "item_reference" : "message");
    item.Known({"id", "status"});
    if (type == "message") {
      Message(item);
    } else if (type == "reasoning") {
      Reasoning(item);
    } else if (type == "function_call") {
      const Json* arguments = item.Get("arguments");
      item.Known({"namespace"});
      conversation_.Call(item.NeedString("call_id"), item.NeedString("name"),
                         arguments == nullptr ? Json() : *arguments);
    } else if (type == "custom_tool_call") {
      conversation_.Call(item.NeedString("call_id"), item.NeedString("name"),
                         {{"input", item.String("input").value_or("")}});
    } else if (type == "item_reference") {
      if (const std::optional<Json> referred = Referred(item)) return Read(*referred, path);
      request_->ignored.Add(path, type);
    } else if (type.ends_with("_call_output")) {
      Output(item);
    } else if (type.ends_with("_call") && type != "image_generation_call") {
      HostedCall(item, type);
    } else if (has_role && item.Get("content") != nullptr) {
      Message(item);
    } else {
      request_->ignored.Add(path, type);
      item.KnownAll();
    }
    if (request_->store) request_->input_items.push_back(json);
  }

  void End() { conversation_.EndTurn(); }

 private:
  void Message(Fields& item) {
    item.Need("role", "\"system\", \"developer\", \"user\" or \"assistant\"");
    const std::string role = *item.Choice("role", {"system", "developer", "user", "assistant"});
    item.Known({"phase"});
    const std::string path = item.Path("content");
    if (role == "assistant") {
      if (conversation_.has_text() || conversation_.has_calls()) conversation_.EndTurn();
      const Json* content = item.Get("content");
      const ContentText read = content == nullptr ? ContentText() : ReadContent(*content, path, &request_->ignored);
      conversation_.Thinking(read.thinking);
      conversation_.Text(read.text);
      return;
    }
    const Json& content = item.Need("content", "a string or a list of parts");
    if (role == "user") {
      conversation_.User(ReadContent(content, path, &request_->ignored).text);
    } else {
      conversation_.System(ReadSystem(content, path, &request_->ignored));
    }
  }

  void Reasoning(Fields& item) {
    if (conversation_.has_text() || conversation_.has_calls()) conversation_.EndTurn();
    // Clients hand back what they keep of it: all, or what was made for that.
    std::string text;
    for (const char* key : {"content", "summary"}) {
      const Json* parts = item.Array(key);
      if (parts == nullptr || !text.empty()) continue;
      const ContentText read = ReadContent(*parts, item.Path(key), &request_->ignored);
      text = read.thinking + read.text;
    }
    if (const auto sealed = item.String("encrypted_content"); sealed && text.empty()) {
      if (const std::optional<std::string> opened = OpenThinking(*sealed)) {
        text = *opened;
      } else {
        item.Ignore("encrypted_content");
      }
    }
    conversation_.Thinking(text);
  }

  void Output(Fields& item) {
    const std::string id = item.NeedString("call_id");
    if (!conversation_.HasCall(id)) {
      throw Invalid(item.Path("call_id"), "no earlier call has the call_id {}", Shown(id));
    }
    item.Known({"name", "max_output_length"});
    const Json* output = item.Get("output");
    conversation_.Result(id, "", output == nullptr ? "" : OutputText(*output, item.Path("output")));
  }

  std::string OutputText(const Json& output, const std::string& path) {
    if (output.is_string()) return output.get<std::string>();
    const auto is_part = [](const Json& json) {
      return json.is_string() || (json.is_object() && json.contains("type"));
    };
    if (output.is_array() && std::all_of(output.begin(), output.end(), is_part)) {
      return ReadContent(output, path, &request_->ignored).text;
    }
    if (output.is_object() && is_part(output)) {
      ContentText text;
      ReadPart(output, path, &request_->ignored, "", &text);
      return text.text;
    }
    return DumpJson(output);
  }

  // A call of a tool that ran at the provider, or that the client ran by a protocol of its own, as of a function of
  // that name: what was asked for is in one of its fields, and what came of it in another or in an item that follows.
  void HostedCall(Fields& item, const std::string& type) {
    std::string id;
    for (const char* key : {"id", "call_id"}) id = item.String(key).value_or(id);
    const std::string name =
        item.String("name").value_or(type.substr(0, type.size() - std::string_view("_call").size()));
    Json arguments;
    for (const char* key : {"action", "operation", "arguments"}) {
      if (const Json* value = item.Get(key)) arguments = *value;
    }
    for (const char* key : {"query", "queries", "code", "input"}) {
      const Json* value = item.Get(key);
      if (value != nullptr && (arguments.is_null() || arguments.is_object())) arguments[key] = *value;
    }
    conversation_.Call(id, name, arguments);
    item.Known({"server_label", "container_id", "pending_safety_checks", "environment", "max_output_length",
                "approval_request_id"});
    for (const char* key : {"output", "outputs", "results", "error"}) {
      if (const Json* value = item.Get(key)) {
        conversation_.Result(id, id.empty() ? name : "",
                             value->is_string() ? value->get<std::string>() : DumpJson(*value));
      }
    }
  }

  std::optional<Json> Referred(Fields& item) {
    const std::string id = item.NeedString("id");
    return defaults_.responses == nullptr ? std::nullopt : defaults_.responses->Item(id);
  }

  const RequestDefaults& defaults_;
  ApiRequest* request_;
  MessageBuilder conversation_;
};

void ReadInput(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  InputReader reader(defaults, request);
  if (const auto previous = body.String("previous_response_id"); previous && !previous->empty()) {
    if (defaults.responses == nullptr) {
      throw Invalid("previous_response_id",
                    "this server keeps no responses: start it with --response-store 64MB, or send the earlier items in "
                    "input");
    }
    const std::optional<Json> items = defaults.responses->Items(*previous);
    if (!items) {
      throw ApiError(400, "previous_response_id",
                     fmt::format("previous_response_id: {} is not, or no longer, among the responses that this server "
                                 "keeps (--response-store); send the earlier items in input",
                                 Shown(*previous)),
                     "previous_response_not_found");
    }
    const bool store = std::exchange(request->store, false);  // they are there already
    for (size_t i = 0; i < items->size(); ++i) reader.Read((*items)[i], fmt::format("previous_response_id[{}]", i));
    request->store = store;
    request->previous_response_id = *previous;
  }
  const Json& input = body.Need("input", "a string or a list of items");
  if (input.is_string()) {
    reader.Read({{"type", "message"}, {"role", "user"}, {"content", input}}, "input");
  } else if (input.is_array() && (!input.empty() || !request->previous_response_id.empty())) {
    for (size_t i = 0; i < input.size(); ++i) reader.Read(input[i], fmt::format("input[{}]", i));
  } else {
    throw Invalid("input", "must be a string or a list of items, found {}",
                  input.is_array() ? "an empty list" : Shown(input));
  }
  reader.End();
  if (request->messages.empty()) throw Invalid("input", "has no item that the model could be shown");
}

void ReadResponses(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  request->max_tokens = ReadMaxTokens(body, "max_output_tokens");
  request->stream = body.Bool("stream").value_or(false);
  if (const Json* options = body.Object("stream_options")) {
    Fields sub(*options, "stream_options", &request->ignored);
    sub.Known({"include_obfuscation"});
  }
  request->include_usage = true;
  if (const auto top = body.Integer("top_logprobs", 0, 20)) request->sampling.top_logprobs = *top;
  if (const Json* include = body.Array("include")) {
    for (size_t i = 0; i < include->size(); ++i) {
      const Json& entry = (*include)[i];
      if (entry == "message.output_text.logprobs") {
        request->logprobs = true;
      } else if (entry == "reasoning.encrypted_content") {
        request->sealed_reasoning = true;
      } else {
        request->ignored.Add(fmt::format("include[{}]", i), Shown(entry));
      }
    }
  }
  if (!request->logprobs) request->sampling.top_logprobs = 0;
  ReadOpenAiTools(body, request);
  if (const Json* text = body.Object("text")) {
    Fields sub(*text, "text", &request->ignored);
    if (const Json* format = sub.Object("format")) {
      Fields fields(*format, "text.format", &request->ignored);
      request->format = ReadFormat(fields, /*nested=*/false);
    }
  }

  if (body.Get("conversation") != nullptr) {
    throw Invalid("conversation", "is not supported; use previous_response_id, or send the earlier items in input");
  }
  if (body.Get("prompt") != nullptr) throw Invalid("prompt", "is not supported; there are no stored prompts");
  if (body.Bool("background").value_or(false)) throw Invalid("background", "is not supported");
  const auto store = body.Bool("store");
  request->store = defaults.responses != nullptr && store.value_or(true);
  if (defaults.responses == nullptr && store.value_or(false)) body.Ignore("store", "see --response-store");
  if (body.String("truncation").value_or("disabled") != "disabled") body.Ignore("truncation");

  const auto instructions = body.String("instructions");
  if (instructions) {
    const std::string text = ReadSystem(*instructions, "instructions", &request->ignored);
    if (!text.empty()) request->messages.push_back({{"role", "system"}, {"content", text}});
  }
  ReadInput(body, defaults, request);

  const Json* metadata = body.Object("metadata");
  const auto given = [&](const char* key, Json otherwise) {
    const Json* value = body.Get(key);
    return value == nullptr ? std::move(otherwise) : *value;
  };
  Json& echoed = request->echoed;
  echoed["instructions"] = instructions ? Json(*instructions) : Json();
  echoed["max_output_tokens"] = request->max_tokens ? Json(*request->max_tokens) : Json();
  echoed["metadata"] = metadata == nullptr ? Json::object() : *metadata;
  echoed["parallel_tool_calls"] = request->tool_choice.parallel;
  echoed["previous_response_id"] = request->previous_response_id.empty() ? Json() : Json(request->previous_response_id);
  echoed["reasoning"] = given("reasoning", {{"effort", nullptr}, {"summary", nullptr}});
  echoed["store"] = request->store;
  echoed["temperature"] = request->sampling.temperature;
  echoed["top_p"] = request->sampling.top_p;
  echoed["tool_choice"] = given("tool_choice", "auto");
  echoed["tools"] = given("tools", Json::array());
  echoed["text"] = given("text", {{"format", {{"type", "text"}}}});
  body.Known(
      {"user", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "max_tool_calls"});
}

}  // namespace

ApiRequest ParseResponses(const Json& json, const RequestDefaults& defaults) {
  return ParseRequest(Endpoint::kResponses, json, defaults, ReadResponses);
}

}  // namespace fulgur
