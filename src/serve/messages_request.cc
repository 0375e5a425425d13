// POST /v1/messages (Anthropic): its request.
#include <map>
#include <string>
#include <utility>

#include "serve/request.h"

namespace fulgur {
namespace {

// Text blocks as one text; system prompts and tool results may also be a string.
std::string BlocksText(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) throw Invalid(path, "must be a string or a list of blocks, found {}", Shown(content));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    Fields block(content[i], fmt::format("{}[{}]", path, i));
    const std::string type = block.NeedString("type");
    if (type != "text") {
      throw Invalid(block.Path("type"), "blocks of type {} are not supported here; this model reads text", Shown(type));
    }
    if (!text.empty()) text += "\n\n";
    text += block.NeedString("text");
  }
  return text;
}

class MessageReader {
 public:
  MessageReader(const RequestDefaults& defaults, ApiRequest* request) : defaults_(defaults), request_(request) {}

  void Read(const Json& json, const std::string& path) {
    Fields message(json, path);
    message.Need("role", "\"user\" or \"assistant\"");
    const std::string role = *message.Choice("role", {"user", "assistant", "system"});
    const Json& content = message.Need("content", "a string or a list of blocks");
    if (role == "system") {
      request_->messages.push_back({{"role", "system"}, {"content", BlocksText(content, message.Path("content"))}});
    } else if (role == "user") {
      User(content, message.Path("content"));
    } else {
      Assistant(content, message.Path("content"));
    }
  }

 private:
  void User(const Json& content, const std::string& path) {
    std::string text;
    bool has_text = false;
    const auto flush = [&] {
      if (!has_text) return;
      request_->messages.push_back({{"role", "user"}, {"content", std::exchange(text, {})}});
      has_text = false;
    };
    if (content.is_string()) {
      text = content.get<std::string>();
      has_text = true;
    } else {
      if (!content.is_array()) throw Invalid(path, "must be a string or a list of blocks, found {}", Shown(content));
      for (size_t i = 0; i < content.size(); ++i) {
        Fields block(content[i], fmt::format("{}[{}]", path, i));
        const std::string type = block.NeedString("type");
        if (type == "text") {
          if (has_text) text += "\n\n";
          text += block.NeedString("text");
          has_text = true;
        } else if (type == "tool_result") {
          flush();
          const std::string id = block.NeedString("tool_use_id");
          if (names_.count(id) == 0) {
            throw Invalid(block.Path("tool_use_id"), "no earlier tool_use has the id {}", Shown(id));
          }
          std::string result;
          if (const Json* value = block.Get("content")) result = BlocksText(*value, block.Path("content"));
          if (block.Bool("is_error").value_or(false)) result = "Error: " + result;
          request_->messages.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(result)}});
        } else {
          throw Invalid(block.Path("type"), "blocks of type {} are not supported; this model reads text", Shown(type));
        }
      }
      if (content.empty()) throw Invalid(path, "must have at least one block");
    }
    flush();
  }

  void Assistant(const Json& content, const std::string& path) {
    std::string text, thinking;
    Json calls = Json::array();
    if (content.is_string()) {
      text = content.get<std::string>();
    } else {
      if (!content.is_array()) throw Invalid(path, "must be a string or a list of blocks, found {}", Shown(content));
      for (size_t i = 0; i < content.size(); ++i) {
        Fields block(content[i], fmt::format("{}[{}]", path, i));
        const std::string type = block.NeedString("type");
        if (type == "text") {
          text += block.NeedString("text");
        } else if (type == "thinking") {
          thinking += block.NeedString("thinking");
        } else if (type == "tool_use") {
          const std::string id = block.NeedString("id"), name = block.NeedString("name");
          const Json* input = block.Object("input");
          calls.push_back({{"id", id},
                           {"type", "function"},
                           {"function", {{"name", name}, {"arguments", input == nullptr ? Json::object() : *input}}}});
          names_[id] = name;
        } else if (type != "redacted_thinking") {
          throw Invalid(block.Path("type"), "blocks of type {} are not supported in an assistant's message",
                        Shown(type));
        }
      }
    }
    Json message = {{"role", "assistant"}, {"content", WithThinking(defaults_.keep_thinking ? thinking : "", text)}};
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    request_->messages.push_back(std::move(message));
  }

  const RequestDefaults& defaults_;
  ApiRequest* request_;
  std::map<std::string, std::string> names_;  // of tools, by the id of their use
};

void ReadTools(Fields& body, ApiRequest* request) {
  if (const Json* tools = body.Array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      Fields tool((*tools)[i], fmt::format("tools[{}]", i));
      if (const auto type = tool.String("type"); type && *type != "custom") {
        throw Invalid(tool.Path("type"),
                      "tools of type {} run at Anthropic and are not there here; define the tool with "
                      "name and input_schema",
                      Shown(*type));
      }
      tool.Known({"cache_control"});
      AddTool(ReadFunction(tool, "input_schema"), tool.Path("name"), request);
    }
  }
  const Json* choice = body.Get("tool_choice");
  if (choice == nullptr) return;
  Fields fields(*choice, "tool_choice");
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

}  // namespace

ApiRequest ParseMessages(const Json& json, const RequestDefaults& defaults, bool for_count) {
  Fields body(json, "");
  ApiRequest request;
  request.endpoint = Endpoint::kMessages;
  request.model = body.String("model").value_or("");
  ReadSampling(body, defaults, &request);
  ReadStopping(body, "stop_sequences", defaults, &request);
  ReadThinking(body, defaults, &request);
  request.max_tokens = ReadMaxTokens(body, "max_tokens");
  if (!for_count && body.Get("max_tokens") == nullptr) {
    throw Invalid("max_tokens", "is missing; it must be the most tokens to write");
  }
  request.stream = body.Bool("stream").value_or(false);
  request.include_usage = true;
  ReadTools(body, &request);
  if (const Json* config = body.Object("output_config")) {
    Fields sub(*config, "output_config");
    if (const Json* format = sub.Object("format")) {
      Fields fields(*format, "output_config.format");
      request.format = ReadFormat(fields, /*nested=*/false);
    }
    sub.Known({"effort"});
  }
  if (const Json* system = body.Get("system")) {
    const std::string text = BlocksText(*system, "system");
    if (!text.empty()) request.messages.push_back({{"role", "system"}, {"content", text}});
  }
  body.Need("messages", "a list of messages");
  const Json& messages = *body.Array("messages");
  if (messages.empty()) throw Invalid("messages", "must have at least one message");
  MessageReader reader(defaults, &request);
  for (size_t i = 0; i < messages.size(); ++i) reader.Read(messages[i], fmt::format("messages[{}]", i));

  // A last message of the assistant is the beginning of the answer.
  const Json& last = request.messages.back();
  if (last["role"] == "assistant") {
    if (last.contains("tool_calls")) {
      throw Invalid(fmt::format("messages[{}]", messages.size() - 1), "ends in a tool_use; its tool_result is missing");
    }
    request.answer_begin = last["content"].get<std::string>();
    request.messages.erase(request.messages.size() - 1);
    if (request.messages.empty()) throw Invalid("messages", "must have a user's message");
  }
  body.Known({"metadata", "service_tier", "container", "context_management", "mcp_servers", "betas"});
  const auto unknown = body.Unknown();
  request.ignored.insert(request.ignored.end(), unknown.begin(), unknown.end());
  return request;
}

}  // namespace fulgur
