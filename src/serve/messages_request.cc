// POST /v1/messages (Anthropic): its request.
#include <string>
#include <utility>

#include "base/json_as_given.h"
#include "serve/conversation.h"

namespace fulgur {
namespace {

constexpr const char* kBetweenBlocks = "\n\n";

class MessageReader {
 public:
  MessageReader(const RequestDefaults& defaults, ApiRequest* request)
      : request_(request), conversation_(defaults, request) {}

  void Read(const Json& json, const std::string& path) {
    Fields message(json, path, &request_->ignored);
    message.Need("role", "\"user\" or \"assistant\"");
    const std::string role = *message.Choice("role", {"user", "assistant", "system"});
    const Json& content = message.Need("content", "a string or a list of blocks");
    const std::string at = message.Path("content");
    message.Known({"id"});
    if (role == "system") {
      conversation_.System(ReadSystem(content, at, &request_->ignored, kBetweenBlocks));
    } else if (role == "user") {
      User(content, at);
    } else {
      Assistant(content, at);
    }
  }

 private:
  void User(const Json& content, const std::string& path) {
    if (!content.is_array()) return conversation_.User(ReadContent(content, path, &request_->ignored).text);
    if (content.empty()) throw Invalid(path, "must have at least one block");
    ContentText text;
    bool has_text = false;
    const auto flush = [&] {
      if (std::exchange(has_text, false)) conversation_.User(std::exchange(text.text, {}));
    };
    for (size_t i = 0; i < content.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", path, i);
      if (TypeOf(content[i], at) == "tool_result") {
        flush();
        ToolResult(content[i], at);
      } else {
        has_text |= ReadPart(content[i], at, &request_->ignored, kBetweenBlocks, &text);
      }
    }
    flush();
  }

  void ToolResult(const Json& json, const std::string& path) {
    Fields block(json, path, &request_->ignored);
    block.Known({"type", "cache_control"});
    const std::string id = block.NeedString("tool_use_id");
    if (!conversation_.HasCall(id))
      throw Invalid(block.Path("tool_use_id"), "no earlier tool_use has the id {}", Shown(id));
    std::string result;
    if (const Json* value = block.Get("content")) {
      result = ReadContent(*value, block.Path("content"), &request_->ignored, kBetweenBlocks).text;
    }
    if (block.Bool("is_error").value_or(false)) result = "Error: " + result;
    conversation_.Result(id, "", result);
  }

  void Assistant(const Json& content, const std::string& path) {
    if (!content.is_array()) {
      conversation_.Text(ReadContent(content, path, &request_->ignored).text);
      return conversation_.EndTurn();
    }
    conversation_.Text("");  // an answer that was cut before its first word is one too
    for (size_t i = 0; i < content.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", path, i);
      const std::string type = TypeOf(content[i], at);
      if (type.ends_with("tool_use")) {
        ToolUse(content[i], at);
      } else if (type.ends_with("tool_result")) {
        ServerToolResult(content[i], at, type);
      } else if (type == "thinking") {
        Thinking(content[i], at);
      } else if (type == "compaction") {
        Compaction(content[i], at);
      } else {
        ContentText read;
        ReadPart(content[i], at, &request_->ignored, "", &read);
        conversation_.Text(read.text);
      }
    }
    conversation_.EndTurn();
  }

  static std::string TypeOf(const Json& json, const std::string& path) {
    Fields block(json, path);
    return block.NeedString("type");
  }

  // tool_use; server_tool_use and mcp_tool_use, of tools that ran at the provider, have the same fields.
  void ToolUse(const Json& json, const std::string& path) {
    Fields block(json, path, &request_->ignored);
    block.Known({"type", "cache_control", "caller", "server_name"});
    const Json* input = block.Get("input");
    conversation_.Call(block.NeedString("id"), block.NeedString("name"), input == nullptr ? Json() : *input);
  }

  // What a tool that ran at the provider came to: text, or an object of that tool's.
  void ServerToolResult(const Json& json, const std::string& path, const std::string& type) {
    Fields block(json, path, &request_->ignored);
    block.Known({"type", "cache_control", "is_error", "caller"});
    const std::string id = block.NeedString("tool_use_id");
    const bool known = conversation_.HasCall(id);
    const Json* content = block.Get("content");
    std::string text;
    if (content != nullptr) text = content->is_string() ? content->get<std::string>() : DumpJson(Readable(*content));
    conversation_.Result(known ? id : "",
                         known ? "" : type.substr(0, type.size() - std::string_view("_tool_result").size()), text);
  }

  // Without what only the provider can read.
  static Json Readable(const Json& json) {
    if (!json.is_structured()) return json;
    Json out = json.is_array() ? Json::array() : Json::object();
    for (const auto& [key, value] : json.items()) {
      if (json.is_array()) {
        out.push_back(Readable(value));
      } else if (!key.starts_with("encrypted_")) {
        out[key] = Readable(value);
      }
    }
    return out;
  }

  void Thinking(const Json& json, const std::string& path) {
    Fields block(json, path, &request_->ignored);
    block.Known({"type", "cache_control"});
    const std::string text = block.String("thinking").value_or(""), signature = block.String("signature").value_or("");
    conversation_.Thinking(text.empty() ? OpenThinking(signature).value_or("") : text);
  }

  // A summary of what stood before.
  void Compaction(const Json& json, const std::string& path) {
    Fields block(json, path, &request_->ignored);
    block.Known({"type", "cache_control"});
    if (const Json* content = block.Get("content")) {
      conversation_.Text(ReadContent(*content, block.Path("content"), &request_->ignored).text);
    }
  }

  ApiRequest* request_;
  MessageBuilder conversation_;
};

void ReadTools(Fields& body, ApiRequest* request) {
  if (const Json* tools = body.Array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      Fields tool((*tools)[i], fmt::format("tools[{}]", i), &request->ignored);
      // Others run at Anthropic, or the model knows by heart how they are called.
      if (const std::string type = tool.String("type").value_or("custom"); type != "custom") {
        request->ignored.Add(tool.path(), type);
        tool.KnownAll();
        continue;
      }
      tool.Known({"cache_control", "eager_input_streaming"});
      AddFunction(tool, "input_schema", request);
    }
  }
  const Json* choice = body.Get("tool_choice");
  if (choice == nullptr) return;
  Fields fields(*choice, "tool_choice", &request->ignored);
  fields.Need("type", "\"auto\", \"any\", \"tool\" or \"none\"");
  const std::string type = *fields.Choice("type", {"auto", "any", "tool", "none"});
  ToolChoice& out = request->tool_choice;
  if (type == "none") out.kind = ToolChoice::Kind::kNone;
  if (type == "any") out.kind = ToolChoice::Kind::kRequired;
  if (type == "tool") {
    out.kind = ToolChoice::Kind::kNamed;
    out.name = fields.NeedString("name");
  }
  out.parallel = !fields.Bool("disable_parallel_tool_use").value_or(false);
  CheckToolChoice("tool_choice", *request);
}

void ReadOutputFormat(Fields& body, ApiRequest* request) {
  const auto read = [&](const Json& format, const std::string& path) {
    if (!request->format.field.empty()) throw Invalid(path, "output_config.format says it already");
    Fields fields(format, path, &request->ignored);
    request->format = ReadFormat(fields, /*nested=*/false);
  };
  if (const Json* config = body.Object("output_config")) {
    Fields sub(*config, "output_config", &request->ignored);
    if (const Json* format = sub.Object("format")) read(*format, "output_config.format");
    sub.Known({"effort"});  // ReadThinking has it
  }
  if (const Json* format = body.Object("output_format")) read(*format, "output_format");  // as it was called at first
}

void ReadMessages(Fields& body, const RequestDefaults& defaults, ApiRequest* request) {
  request->max_tokens = ReadMaxTokens(body, "max_tokens");
  request->stream = body.Bool("stream").value_or(false);
  request->include_usage = true;
  ReadTools(body, request);
  ReadOutputFormat(body, request);
  if (const Json* system = body.Get("system")) {
    const std::string text = ReadSystem(*system, "system", &request->ignored, kBetweenBlocks);
    if (!text.empty()) request->messages.push_back({{"role", "system"}, {"content", text}});
  }
  body.Need("messages", "a list of messages");
  const Json& messages = *body.Array("messages");
  if (messages.empty()) throw Invalid("messages", "must have at least one message");
  MessageReader reader(defaults, request);
  for (size_t i = 0; i < messages.size(); ++i) reader.Read(messages[i], fmt::format("messages[{}]", i));

  if (request->messages.empty()) throw Invalid("messages", "have nothing that the model could be shown");

  // A last message of the assistant is the beginning of the answer.
  const Json& last = request->messages.back();
  if (last["role"] == "assistant") {
    if (last.contains("tool_calls")) {
      throw Invalid(fmt::format("messages[{}]", messages.size() - 1), "ends in a tool_use; its tool_result is missing");
    }
    request->answer_begin = last["content"].get<std::string>();
    request->messages.erase(request->messages.size() - 1);
    if (request->messages.empty()) throw Invalid("messages", "must have a user's message");
  }
  body.Known({"metadata", "service_tier", "cache_control"});
}

}  // namespace

ApiRequest ParseMessages(const Json& json, const RequestDefaults& defaults, bool for_count) {
  ApiRequest request = ParseRequest(Endpoint::kMessages, json, defaults, ReadMessages);
  if (!for_count && (!json.contains("max_tokens") || json["max_tokens"].is_null())) {
    throw Invalid("max_tokens", "is missing; it must be the most tokens to write");
  }
  return request;
}

}  // namespace fulgur
