// POST /v1/responses: its request.
#include <set>
#include <string>
#include <utility>

#include "serve/request.h"

namespace fulgur {
namespace {

// Items to messages. What the model wrote in one turn (a reasoning item, a message, calls) is one assistant message.
class InputReader {
 public:
  InputReader(const RequestDefaults& defaults, ApiRequest* request) : defaults_(defaults), request_(request) {}

  void Read(const Json& json, const std::string& path) {
    Fields item(json, path);
    const std::string type = item.String("type").value_or("message");
    if (type == "message") {
      Message(item);
    } else if (type == "reasoning") {
      Reasoning(item);
    } else if (type == "function_call") {
      Call(item);
    } else if (type == "function_call_output") {
      CloseTurn();
      const std::string id = item.NeedString("call_id");
      if (ids_.count(id) == 0)
        throw Invalid(item.Path("call_id"), "no earlier function_call has the call_id {}", Shown(id));
      request_->messages.push_back({{"role", "tool"},
                                    {"tool_call_id", id},
                                    {"content", ReadText(item.Need("output", "a string"), item.Path("output"))}});
    } else {
      throw Invalid(item.Path("type"),
                    "items of type {} are not supported; there are message, reasoning, "
                    "function_call and function_call_output",
                    Shown(type));
    }
    item.Known({"id", "status"});
    const auto unknown = item.Unknown();
    if (request_->ignored.size() < 16)
      request_->ignored.insert(request_->ignored.end(), unknown.begin(), unknown.end());
  }

  void CloseTurn() {
    if (!open_) return;
    open_ = false;
    Json message = {{"role", "assistant"},
                    {"content", WithThinking(defaults_.keep_thinking ? reasoning_ : "", content_)}};
    if (!calls_.empty()) message["tool_calls"] = std::exchange(calls_, Json::array());
    request_->messages.push_back(std::move(message));
    reasoning_.clear();
    content_.clear();
    has_content_ = false;
  }

 private:
  void Message(Fields& item) {
    item.Need("role", "\"system\", \"developer\", \"user\" or \"assistant\"");
    const std::string role = *item.Choice("role", {"system", "developer", "user", "assistant"});
    std::string text;
    const Json& content = item.Need("content", "a string or a list of parts");
    if (role == "assistant" && content.is_array()) {
      for (size_t i = 0; i < content.size(); ++i) {
        const std::string at = fmt::format("{}[{}]", item.Path("content"), i);
        if (content[i].is_object() && content[i].value("type", Json()) == "refusal") {
          Fields part(content[i], at);
          text += part.NeedString("refusal");
        } else {
          text += ReadText(Json::array({content[i]}), item.Path("content"));
        }
      }
    } else {
      text = ReadText(content, item.Path("content"));
    }
    if (role == "assistant") {
      if (has_content_ || !calls_.empty()) CloseTurn();
      open_ = has_content_ = true;
      content_ = text;
    } else {
      CloseTurn();
      request_->messages.push_back({{"role", role == "developer" ? "system" : role}, {"content", std::move(text)}});
    }
  }

  void Reasoning(Fields& item) {
    if (has_content_ || !calls_.empty()) CloseTurn();
    open_ = true;
    if (const Json* content = item.Array("content")) {
      for (size_t i = 0; i < content->size(); ++i) {
        Fields part((*content)[i], fmt::format("{}[{}]", item.Path("content"), i));
        part.Choice("type", {"reasoning_text", "text"});
        reasoning_ += part.NeedString("text");
      }
    }
    item.Known({"summary", "encrypted_content"});
  }

  void Call(Fields& item) {
    open_ = true;
    const std::string id = item.NeedString("call_id");
    const Json* arguments = item.Get("arguments");
    Json value = Json::object();
    if (arguments != nullptr) {
      const std::string text = StringOf(*arguments, item.Path("arguments"));
      if (!text.empty()) {
        try {
          value = ParseJson(text, "the string");
        } catch (const Error& e) {
          throw Invalid(item.Path("arguments"), "must hold a JSON object: {}", e.what());
        }
      }
      if (!value.is_object()) throw Invalid(item.Path("arguments"), "must hold a JSON object, found {}", Shown(value));
    }
    calls_.push_back({{"id", id},
                      {"type", "function"},
                      {"function", {{"name", item.NeedString("name")}, {"arguments", std::move(value)}}}});
    ids_.insert(id);
    item.Known({"namespace"});
  }

  const RequestDefaults& defaults_;
  ApiRequest* request_;
  std::set<std::string> ids_;
  bool open_ = false, has_content_ = false;  // an assistant's turn; it has a message
  std::string reasoning_, content_;
  Json calls_ = Json::array();
};

void ReadTools(Fields& body, ApiRequest* request) {
  if (const Json* tools = body.Array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      Fields tool((*tools)[i], fmt::format("tools[{}]", i));
      tool.Need("type", "\"function\"");
      tool.Choice("type", {"function"});
      AddTool(ReadFunction(tool, "parameters"), tool.Path("name"), request);
    }
  }
  ToolChoice& out = request->tool_choice;
  out.parallel = body.Bool("parallel_tool_calls").value_or(true);
  const Json* choice = body.Get("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_string()) {
    const std::string kind = *body.Choice("tool_choice", {"auto", "none", "required"});
    out.kind = kind == "none"       ? ToolChoice::Kind::kNone
               : kind == "required" ? ToolChoice::Kind::kRequired
                                    : ToolChoice::Kind::kAuto;
  } else {
    Fields named(*choice, "tool_choice");
    named.Need("type", "\"function\"");
    named.Choice("type", {"function"});
    out.kind = ToolChoice::Kind::kNamed;
    out.name = named.NeedString("name");
  }
  CheckToolChoice("tool_choice", *request);
}

}  // namespace

ApiRequest ParseResponses(const Json& json, const RequestDefaults& defaults) {
  Fields body(json, "");
  ApiRequest request;
  request.endpoint = Endpoint::kResponses;
  request.model = body.String("model").value_or("");
  ReadSampling(body, defaults, &request);
  ReadStopping(body, "stop", defaults, &request);
  ReadThinking(body, defaults, &request);
  request.max_tokens = ReadMaxTokens(body, "max_output_tokens");
  request.stream = body.Bool("stream").value_or(false);
  body.Known({"stream_options"});
  request.include_usage = true;
  if (const auto top = body.Integer("top_logprobs", 0, 20)) request.sampling.top_logprobs = *top;
  if (const Json* include = body.Array("include")) {
    for (const Json& entry : *include) {
      if (entry == "message.output_text.logprobs") request.logprobs = true;
    }
  }
  if (!request.logprobs) request.sampling.top_logprobs = 0;
  ReadTools(body, &request);
  if (const Json* text = body.Object("text")) {
    Fields sub(*text, "text");
    if (const Json* format = sub.Object("format")) {
      Fields fields(*format, "text.format");
      request.format = ReadFormat(fields, /*nested=*/false);
    }
  }

  const auto instructions = body.String("instructions");
  if (instructions && !instructions->empty()) {
    request.messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json& input = body.Need("input", "a string or a list of items");
  if (input.is_string()) {
    request.messages.push_back({{"role", "user"}, {"content", input}});
  } else if (input.is_array() && !input.empty()) {
    InputReader reader(defaults, &request);
    for (size_t i = 0; i < input.size(); ++i) reader.Read(input[i], fmt::format("input[{}]", i));
    reader.CloseTurn();
  } else {
    throw Invalid("input", "must be a string or a list of items, found {}",
                  input.is_array() ? "an empty list" : Shown(input));
  }

  for (const char* stored : {"previous_response_id", "conversation"}) {
    if (body.Get(stored) != nullptr) {
      throw Invalid(stored, "is not supported; nothing is stored here: send the earlier items in input");
    }
  }
  if (body.Get("prompt") != nullptr) throw Invalid("prompt", "is not supported; there are no stored prompts");
  if (body.Bool("background").value_or(false)) throw Invalid("background", "is not supported");
  const Json* metadata = body.Object("metadata");

  Json& echoed = request.echoed;
  echoed["instructions"] = instructions ? Json(*instructions) : Json();
  echoed["max_output_tokens"] = request.max_tokens ? Json(*request.max_tokens) : Json();
  echoed["metadata"] = metadata == nullptr ? Json::object() : *metadata;
  echoed["parallel_tool_calls"] = request.tool_choice.parallel;
  echoed["reasoning"] =
      body.Object("reasoning") == nullptr ? Json{{"effort", nullptr}, {"summary", nullptr}} : *body.Object("reasoning");
  echoed["temperature"] = request.sampling.temperature;
  echoed["top_p"] = request.sampling.top_p;
  echoed["tool_choice"] = body.Get("tool_choice") == nullptr ? Json("auto") : *body.Get("tool_choice");
  echoed["tools"] = body.Array("tools") == nullptr ? Json::array() : *body.Array("tools");
  echoed["text"] = body.Object("text") == nullptr ? Json{{"format", {{"type", "text"}}}} : *body.Object("text");
  body.Known({"store", "truncation", "user", "service_tier", "safety_identifier", "prompt_cache_key",
              "prompt_cache_retention", "max_tool_calls"});
  const auto unknown = body.Unknown();
  request.ignored.insert(request.ignored.end(), unknown.begin(), unknown.end());
  return request;
}

}  // namespace fulgur
