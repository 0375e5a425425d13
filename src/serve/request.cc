#include "serve/request.h"

#include <algorithm>
#include <limits>

#include "engine/thinking.h"

namespace fulgur {
namespace {

void CheckTokenId(int64_t id, const std::string& path, const RequestDefaults& defaults) {
  if (id < 0 || id >= defaults.vocab_size) {
    throw Invalid(path, "token {} does not exist; the model's tokens are 0 to {}", id, defaults.vocab_size - 1);
  }
}

// The share of effort_tokens that a word stands for.
int64_t EffortBudget(const std::string& effort, const RequestDefaults& defaults) {
  if (effort == "none") return 0;
  const int64_t divisor = effort == "minimal" ? 64 : effort == "low" ? 16 : effort == "medium" ? 4 : 1;
  return std::max<int64_t>(1, defaults.effort_tokens / divisor);
}

class ThinkingReader {
 public:
  explicit ThinkingReader(const RequestDefaults& defaults) : defaults_(defaults) {}

  void Limit(std::optional<int64_t> tokens) {
    if (!tokens) return;
    said_ = true;
    if (*tokens >= 0) budget_ = budget_ ? std::min(*budget_, *tokens) : *tokens;
  }
  void Enable(std::optional<bool> on) {
    if (!on) return;
    said_ = true;
    if (!*on) budget_ = 0;
  }
  // "xhigh" and "max": no limit but the server's.
  void Effort(Fields& fields, const char* key) {
    const std::optional<std::string> effort =
        fields.Choice(key, {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
    if (!effort) return;
    said_ = true;
    if (*effort != "xhigh" && *effort != "max") Limit(EffortBudget(*effort, defaults_));
  }
  std::optional<int64_t> Budget() const {
    std::optional<int64_t> budget = said_ ? budget_ : defaults_.thinking_budget;
    if (defaults_.thinking_cap) budget = std::min(budget.value_or(*defaults_.thinking_cap), *defaults_.thinking_cap);
    return budget;
  }

 private:
  const RequestDefaults& defaults_;
  bool said_ = false;
  std::optional<int64_t> budget_;
};

}  // namespace

void ReadSampling(Fields& fields, const RequestDefaults& defaults, ApiRequest* request) {
  SamplingParams& s = request->sampling = defaults.sampling;
  s.temperature = fields.Number("temperature", 0, 1000).value_or(s.temperature);
  s.top_p = fields.Number("top_p", 0, 1).value_or(s.top_p);
  if (const auto k = fields.Integer("top_k", -1)) s.top_k = std::max<int64_t>(*k, 0);
  s.min_p = fields.Number("min_p", 0, 1).value_or(s.min_p);
  s.repetition_penalty = fields.Number("repetition_penalty", 0.01, 100).value_or(s.repetition_penalty);
  s.repetition_penalty = fields.Number("repeat_penalty", 0.01, 100).value_or(s.repetition_penalty);
  s.presence_penalty = fields.Number("presence_penalty", -100, 100).value_or(s.presence_penalty);
  s.frequency_penalty = fields.Number("frequency_penalty", -100, 100).value_or(s.frequency_penalty);
  const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  if (seed && *seed != -1) {
    s.seed = static_cast<uint64_t>(*seed);
    request->seeded = true;
  }

  const Json* bias = fields.Object("logit_bias");
  if (bias == nullptr) return;
  constexpr size_t kMost = 4096;
  const std::string path = fields.Path("logit_bias");
  if (bias->size() > kMost) throw Invalid(path, "has {} entries; at most {} are taken", bias->size(), kMost);
  for (const auto& [key, value] : bias->items()) {
    int64_t id = 0;
    const bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) throw Invalid(path, "keys must be token ids, found {}", Shown(key));
    for (const char c : key) id = 10 * id + (c - '0');
    CheckTokenId(id, path, defaults);
    s.logit_bias.emplace_back(static_cast<int32_t>(id),
                              static_cast<float>(NumberOf(value, fmt::format("{}.{}", path, key), -100, 100)));
  }
}

std::optional<int64_t> ReadMaxTokens(Fields& fields, const char* key) {
  const Json* value = fields.Get(key);
  if (value == nullptr) return std::nullopt;
  const int64_t tokens = IntegerOf(*value, fields.Path(key), -1, Fields::kNoLimit);
  if (tokens == 0) throw Invalid(fields.Path(key), "must be at least 1, found 0");
  if (tokens < 0) return std::nullopt;
  return tokens;
}

void ReadStopping(Fields& fields, const char* stop, const RequestDefaults& defaults, ApiRequest* request) {
  constexpr size_t kMostStrings = 64, kLongest = 4096;
  const std::string path = fields.Path(stop);
  const auto add = [&](const Json& value, const std::string& at) {
    std::string text = StringOf(value, at);
    if (text.empty()) throw Invalid(at, "must have at least one character");
    if (text.size() > kLongest) throw Invalid(at, "has {} bytes; at most {} are taken", text.size(), kLongest);
    request->stop.push_back(std::move(text));
  };
  if (const Json* value = fields.Get(stop)) {
    if (value->is_string()) {
      if (!value->get_ref<const std::string&>().empty()) add(*value, path);
    } else if (value->is_array()) {
      if (value->size() > kMostStrings)
        throw Invalid(path, "has {} strings; at most {} are taken", value->size(), kMostStrings);
      for (size_t i = 0; i < value->size(); ++i) add((*value)[i], fmt::format("{}[{}]", path, i));
    } else {
      throw Invalid(path, "must be a string or a list of strings, found {}", Shown(*value));
    }
  }
  if (const Json* ids = fields.Array("stop_token_ids")) {
    const std::string at = fields.Path("stop_token_ids");
    if (ids->size() > kMostStrings) throw Invalid(at, "has {} tokens; at most {} are taken", ids->size(), kMostStrings);
    for (size_t i = 0; i < ids->size(); ++i) {
      const std::string entry = fmt::format("{}[{}]", at, i);
      const int64_t id = IntegerOf((*ids)[i], entry, 0, Fields::kNoLimit);
      CheckTokenId(id, entry, defaults);
      request->stop_token_ids.push_back(static_cast<int32_t>(id));
    }
  }
  request->ignore_eos = fields.Bool("ignore_eos").value_or(false);
  request->priority = fields.Integer("priority", -1000000, 1000000).value_or(0);
  request->timeout_seconds = fields.Number("timeout", 0.001, 1e6);
  if (const auto session = fields.String("session")) {
    constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (session->empty() || session->size() > 64 || session->find_first_not_of(kAllowed) != std::string::npos) {
      throw Invalid(fields.Path("session"), "must be 1 to 64 letters, digits, - or _");
    }
    request->session = *session;
  }
}

void ReadThinking(Fields& fields, const RequestDefaults& defaults, ApiRequest* request) {
  ThinkingReader reader(defaults);
  for (const char* name :
       {"thinking_token_budget", "thinking_budget", "thinking_budget_tokens", "reasoning_budget_tokens"}) {
    reader.Limit(fields.Integer(name, -1));
  }
  reader.Enable(fields.Bool("enable_thinking"));
  reader.Effort(fields, "reasoning_effort");
  if (const Json* thinking = fields.Get("thinking")) {
    if (thinking->is_boolean()) {
      reader.Enable(thinking->get<bool>());
    } else {
      Fields sub(*thinking, fields.Path("thinking"));
      const auto type = sub.Choice("type", {"enabled", "disabled", "adaptive", "auto"});
      if (type) reader.Enable(*type != "disabled");
      reader.Limit(sub.Integer("budget_tokens", -1));
      sub.Known({"display"});
      const auto unknown = sub.Unknown();
      request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
    }
  }
  if (const Json* reasoning = fields.Object("reasoning")) {
    Fields sub(*reasoning, fields.Path("reasoning"));
    reader.Effort(sub, "effort");
    reader.Limit(sub.Integer("max_tokens", -1));
    reader.Enable(sub.Bool("enabled"));
    if (sub.Bool("exclude").value_or(false)) request->include_reasoning = false;
    sub.Known({"summary", "generate_summary"});
    const auto unknown = sub.Unknown();
    request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
  }
  if (const Json* kwargs = fields.Object("chat_template_kwargs")) {
    Fields sub(*kwargs, fields.Path("chat_template_kwargs"));
    reader.Enable(sub.Bool("enable_thinking"));
    reader.Enable(sub.Bool("thinking"));
    reader.Limit(sub.Integer("thinking_budget", -1));
    const auto unknown = sub.Unknown();
    request->ignored.insert(request->ignored.end(), unknown.begin(), unknown.end());
  }
  request->thinking_budget = reader.Budget();
}

std::string ReadText(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) throw Invalid(path, "must be a string or a list of parts, found {}", Shown(content));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    if (content[i].is_string()) {
      text += content[i].get_ref<const std::string&>();
      continue;
    }
    Fields part(content[i], at);
    const std::string type = part.String("type").value_or("text");
    if (type != "text" && type != "input_text" && type != "output_text") {
      throw Invalid(at + ".type", "parts of type \"{}\" are not supported; this model reads text", type.substr(0, 40));
    }
    text += part.NeedString("text");
  }
  return text;
}

std::string WithThinking(const std::string& reasoning, const std::string& content) {
  if (reasoning.empty()) return content;
  std::string text = fmt::format("{}\n{}\n{}", kThinkOpen, reasoning, kThinkClose);
  if (!content.empty()) text += "\n\n" + content;
  return text;
}

Json ReadFunction(Fields& fields, const char* schema_key) {
  const std::string name = fields.NeedString("name");
  constexpr size_t kLongest = 128;
  const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
  if (name.empty() || name.size() > kLongest || !printable) {
    throw Invalid(fields.Path("name"), "must be 1 to {} characters without spaces", kLongest);
  }
  Json function = {{"name", name}};
  if (const auto description = fields.String("description")) function["description"] = *description;
  if (const Json* schema = fields.Object(schema_key)) function["parameters"] = *schema;
  if (fields.Bool("strict").value_or(false)) function["strict"] = true;
  return function;
}

void AddTool(Json function, const std::string& path, ApiRequest* request) {
  constexpr size_t kMost = 1024;
  if (request->tools.is_null()) request->tools = Json::array();
  if (request->tools.size() == kMost) throw Invalid("tools", "has more than {} tools", kMost);
  for (const Json& other : request->tools) {
    if (other["function"]["name"] == function["name"]) {
      throw Invalid(path, "an earlier tool has the name {} too", Shown(function["name"]));
    }
  }
  request->tools.push_back({{"type", "function"}, {"function", std::move(function)}});
}

void CheckToolChoice(const std::string& path, const ApiRequest& request) {
  const ToolChoice& choice = request.tool_choice;
  if (choice.kind != ToolChoice::Kind::kRequired && choice.kind != ToolChoice::Kind::kNamed) return;
  if (request.tools.is_null() || request.tools.empty())
    throw Invalid(path, "asks for a tool call, but there are no tools");
  if (choice.kind != ToolChoice::Kind::kNamed) return;
  for (const Json& tool : request.tools) {
    if (tool["function"]["name"] == choice.name) return;
  }
  throw Invalid(path, "none of the tools has the name {}", Shown(choice.name));
}

OutputFormat ReadFormat(Fields& fields, bool nested) {
  OutputFormat format;
  fields.Need("type", "\"text\", \"json_object\" or \"json_schema\"");
  const std::string type = *fields.Choice("type", {"text", "json_object", "json_schema"});
  if (type == "json_object") format.kind = OutputFormat::Kind::kJsonObject;
  if (type != "json_schema") return format;
  format.kind = OutputFormat::Kind::kJsonSchema;
  const auto read = [&](Fields& from) {
    const Json& schema = from.Need("schema", "a JSON schema");
    if (!schema.is_object() && !schema.is_boolean()) {
      throw Invalid(from.Path("schema"), "must be a JSON schema (an object), found {}", Shown(schema));
    }
    format.schema = schema;
    format.field = from.Path("schema");
    format.name = from.String("name").value_or("");
    from.Known({"strict", "description"});
  };
  if (nested) {
    Fields sub(fields.Need("json_schema", "an object with \"schema\""), fields.Path("json_schema"));
    read(sub);
  } else {
    read(fields);
  }
  return format;
}

}  // namespace fulgur
