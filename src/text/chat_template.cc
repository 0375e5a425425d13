#include "text/chat_template.h"

#include <map>
#include <utility>

#include "base/file.h"
#include "base/json_as_given.h"
#include "jinja/jinja.h"
#include "text/output_format.h"

namespace fulgur {
namespace {

// ---- messages as a client sends them, to messages as the official template takes them

bool IsSet(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && !it->is_null();
}

Json TextPart(std::string text) { return Json{{"type", "text"}, {"text", std::move(text)}}; }

// The text of a message's content: a string, or text parts, which are joined as they are.
std::string ContentText(const Json& message, const std::string& where) {
  if (!IsSet(message, "content")) return "";
  const Json& content = message["content"];
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    throw Error("{}: content must be a string or a list of parts, found {}", where, content.type_name());
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string at = fmt::format("{}: content[{}]", where, i);
    if (part.is_string()) {
      text += part.get_ref<const std::string&>();
      continue;
    }
    if (!part.is_object()) throw Error("{} must be an object like {{\"type\": \"text\", \"text\": ...}}", at);
    const std::string type = JsonGetOr<std::string>(part, "type", "text", at);
    if (type != "text") throw Error("{} has the type \"{}\"; this model reads text only", at, type);
    text += JsonGet<std::string>(part, "text", at);
  }
  return text;
}

const Json& FunctionOf(const Json& call, const std::string& where) {
  const Json& function = call.is_object() && IsSet(call, "function") ? call["function"] : call;
  if (!function.is_object()) throw Error("{} must be an object with \"function\": {{\"name\", \"arguments\"}}", where);
  return function;
}

// One line of a <tool_calls> block. Clients send the arguments as a string of JSON; the model writes the value itself.
// What stands in "written" instead goes into the line as it is.
std::string CallLine(const Json& call, const std::string& where) {
  const Json& function = FunctionOf(call, where);
  const std::string name = JsonGet<std::string>(function, "name", where);
  if (IsSet(function, "written")) {
    static const JinjaTemplate line("{\"name\": {{ name | tojson }}, \"arguments\": {{ written }}}");
    return line.Render({{"name", name}, {"written", JsonGet<std::string>(function, "written", where)}});
  }
  Json arguments = function.contains("arguments") ? function["arguments"] : Json::object();
  if (arguments.is_string()) {
    const std::string text = arguments.get<std::string>();
    arguments = text.empty() ? Json::object() : ParseJsonAsGiven(text, where + ": arguments");
    if (const auto key = RepeatedKey(arguments)) throw Error("{}: arguments have the key \"{}\" twice", where, *key);
  }
  static const JinjaTemplate line("{\"name\": {{ name | tojson }}, \"arguments\": {{ arguments | tojson }}}");
  return line.Render({{"name", name}, {"arguments", std::move(arguments)}});
}

Json Assistant(const Json& message, const std::string& where, std::map<std::string, std::string>* names) {
  std::string text = ContentText(message, where);
  if (IsSet(message, "tool_calls")) {
    const Json& calls = message["tool_calls"];
    if (!calls.is_array()) throw Error("{}: tool_calls must be a list, found {}", where, calls.type_name());
    if (!calls.empty()) text.append(text.empty() ? "" : "\n\n").append(kToolCallsOpen);
    for (size_t i = 0; i < calls.size(); ++i) {
      const std::string at = fmt::format("{}: tool_calls[{}]", where, i);
      text += "\n" + CallLine(calls[i], at);
      if (IsSet(calls[i], "id")) {
        (*names)[JsonGet<std::string>(calls[i], "id", at)] = JsonGet<std::string>(FunctionOf(calls[i], at), "name", at);
      }
    }
    if (!calls.empty()) text.append("\n").append(kToolCallsClose);
  }
  return Json{{"role", "assistant"}, {"content", Json::array({TextPart(std::move(text))})}};
}

Json ToolResult(const Json& message, const std::string& where, const std::map<std::string, std::string>& names) {
  std::string name;
  if (IsSet(message, "name")) {
    name = JsonGet<std::string>(message, "name", where);
  } else if (IsSet(message, "tool_call_id")) {
    const std::string id = JsonGet<std::string>(message, "tool_call_id", where);
    const auto it = names.find(id);
    if (it == names.end()) throw Error("{}: no earlier tool call has the id \"{}\"", where, id);
    name = it->second;
  }
  Json parts = Json::array();
  const auto add = [&](const std::string& part_name, std::string text) {
    if (part_name.empty()) {
      throw Error("{}: which tool is this the result of? Give \"tool_call_id\" or \"name\"", where);
    }
    parts.push_back({{"name", part_name}, {"type", "text"}, {"text", std::move(text)}});
  };
  // Parts that name their tool are results of their own; otherwise all parts together are one.
  const bool named_parts = IsSet(message, "content") && message["content"].is_array() && !message["content"].empty() &&
                           message["content"][0].is_object() && IsSet(message["content"][0], "name");
  if (named_parts) {
    for (const Json& part : message["content"]) {
      add(JsonGetOr<std::string>(part, "name", name, where),
          ContentText(Json{{"content", Json::array({part})}}, where));
    }
  } else {
    add(name, ContentText(message, where));
  }
  return Json{{"role", "tool"}, {"content", std::move(parts)}};
}

Json ServingMessages(const Json& messages) {
  if (!messages.is_array()) throw Error("messages must be a list, found {}", messages.type_name());
  Json out = Json::array();
  std::map<std::string, std::string> names;  // of the tools called so far, by call id
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    const std::string where = fmt::format("messages[{}]", i);
    const std::string role = JsonGet<std::string>(message, "role", where);
    if (role == "system" || role == "developer" || role == "user") {
      if (!IsSet(message, "content")) throw Error("{}: a {} message needs content", where, role);
      out.push_back({{"role", role == "user" ? "user" : "system"},
                     {"content", Json::array({TextPart(ContentText(message, where))})}});
    } else if (role == "assistant") {
      out.push_back(Assistant(message, where, &names));
    } else if (role == "tool") {
      out.push_back(ToolResult(message, where, names));
    } else {
      throw Error("{}: unknown role \"{}\"; roles are system, developer, user, assistant and tool", where, role);
    }
  }
  return out;
}

// {"type": "function", "function": {...}} is how clients wrap a tool; the model was taught the function itself.
Json ServingTools(const Json& tools) {
  if (tools.is_null()) return tools;
  if (!tools.is_array()) throw Error("tools must be a list, found {}", tools.type_name());
  Json out = Json::array();
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const std::string type = JsonGetOr<std::string>(tools[i], "type", "function", where);
    if (type != "function") throw Error("{}: the type must be \"function\", found \"{}\"", where, type);
    const Json& function = FunctionOf(tools[i], where);
    JsonGet<std::string>(function, "name", where);
    out.push_back(function);
  }
  return out;
}

// The same with strings for lists of parts, as the templates of most other models take them.
Json WithTextContents(Json messages) {
  for (Json& message : messages) {
    std::string text, name;
    for (const Json& part : message["content"]) {
      text += part["text"].get_ref<const std::string&>();
      if (part.contains("name")) name = part["name"].get<std::string>();
    }
    message["content"] = std::move(text);
    if (!name.empty()) message["name"] = std::move(name);
  }
  return messages;
}

// "<s>", or {"content": "<s>", ...}.
void AddSpecialToken(const Json& config, const char* key, Json* tokens) {
  if (!config.is_object() || !config.contains(key)) return;
  const Json& value = config[key];
  if (value.is_string()) {
    (*tokens)[key] = value;
  } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    (*tokens)[key] = value["content"];
  }
}

}  // namespace

struct ChatTemplate::Impl {
  JinjaTemplate jinja;
  Json special_tokens;
  bool takes_parts;  // contents of messages are lists of parts, not strings

  Impl(JinjaTemplate j, Json tokens) : jinja(std::move(j)), special_tokens(std::move(tokens)) {
    // The form in which a text comes out as it went in; parts if it does so in both or in neither.
    const Json parts = Json::array({{{"role", "user"}, {"content", Json::array({TextPart("probe")})}}});
    takes_parts = Shows(parts) || !Shows(WithTextContents(parts));
  }

  // The text "probe" is in what the template makes of the messages, and no Python spelling of a list around it.
  bool Shows(const Json& messages) const {
    try {
      const Json context{
          {"messages", messages}, {"tools", nullptr}, {"documents", nullptr}, {"add_generation_prompt", true}};
      const std::string text = jinja.Render(context, special_tokens, {}).text;
      return text.find("probe") != std::string::npos && text.find("'probe'") == std::string::npos &&
             text.find("\"probe\"") == std::string::npos;
    } catch (const Error&) {
      return false;
    }
  }

  JinjaTemplate::Result Render(const Json& messages, const Json& tools, bool add_generation_prompt, Mode mode) const {
    const bool serving = mode == Mode::kServing;
    Json given = serving ? ServingMessages(messages) : messages;
    if (serving && !takes_parts) given = WithTextContents(std::move(given));
    const Json context{{"messages", std::move(given)},
                       {"tools", serving ? ServingTools(tools) : tools},
                       {"documents", nullptr},
                       {"add_generation_prompt", add_generation_prompt}};
    return jinja.Render(context, special_tokens, {});
  }
};

ChatTemplate ChatTemplate::FromSource(std::string source, const Json& special_tokens, const std::string& where) {
  ChatTemplate result;
  result.impl_ = std::make_shared<const Impl>(JinjaTemplate(source, where), special_tokens);
  return result;
}

ChatTemplate ChatTemplate::FromFolder(const std::filesystem::path& dir) {
  const std::filesystem::path config_path = dir / "tokenizer_config.json", jinja_path = dir / "chat_template.jinja";
  const Json config = std::filesystem::exists(config_path) ? ReadJsonFile(config_path) : Json::object();
  Json tokens = Json::object();
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    AddSpecialToken(config, key, &tokens);
  }
  const std::string where = config_path.string() + ": chat_template";
  const auto it = config.find("chat_template");
  if (it != config.end() && it->is_string()) return FromSource(it->get<std::string>(), tokens, where);
  if (it != config.end() && it->is_array()) {  // several, by name
    for (const Json& entry : *it) {
      if (JsonGet<std::string>(entry, "name", where) == "default") {
        return FromSource(JsonGet<std::string>(entry, "template", where), tokens, where);
      }
    }
    throw Error("{}: none of the templates is named \"default\"", where);
  }
  if (std::filesystem::exists(jinja_path)) return FromSource(ReadFile(jinja_path), tokens, jinja_path.string());
  throw Error("{}: no chat template: expected the key chat_template in tokenizer_config.json, or chat_template.jinja",
              dir.string());
}

std::string ChatTemplate::Render(const Json& messages, const Json& tools, bool add_generation_prompt, Mode mode) const {
  return impl_->Render(messages, tools, add_generation_prompt, mode).text;
}

std::vector<int32_t> ChatTemplate::Encode(const Tokenizer& tokenizer, const Json& messages, const Json& tools,
                                          bool add_generation_prompt) const {
  const JinjaTemplate::Result rendered = impl_->Render(messages, tools, add_generation_prompt, Mode::kServing);
  return tokenizer.Encode(rendered.text, rendered.trusted);
}

}  // namespace fulgur
