#include "serve/request.h"

#include <algorithm>
#include <limits>

#include "base/json_as_given.h"

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
    Effort(fields.Choice(key, {"none", "minimal", "low", "medium", "high", "xhigh", "max"}));
  }
  void Effort(const std::optional<std::string>& effort) {
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

ApiRequest ParseRequest(Endpoint endpoint, const Json& json, const RequestDefaults& defaults,
                        void (*read)(Fields& body, const RequestDefaults& defaults, ApiRequest* request)) {
  ApiRequest request;
  request.endpoint = endpoint;
  {
    Fields body(json, "", &request.ignored);
    request.model = body.String("model").value_or("");
    ReadSampling(body, defaults, &request);
    ReadStopping(body, endpoint == Endpoint::kMessages ? "stop_sequences" : "stop", defaults, &request);
    ReadThinking(body, defaults, &request);
    read(body, defaults, &request);
  }
  return request;
}

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
      Fields sub(*thinking, fields.Path("thinking"), fields.ignored());
      const auto type = sub.Choice("type", {"enabled", "disabled", "adaptive", "auto"});
      if (type) reader.Enable(*type != "disabled");
      reader.Limit(sub.Integer("budget_tokens", -1));
      // What is not summarized is shown whole.
      if (sub.Choice("display", {"summarized", "omitted"}) == "omitted") {
        if (request->endpoint == Endpoint::kMessages) {
          request->empty_reasoning = true;
        } else {
          request->include_reasoning = false;
        }
      }
    }
  }
  if (const Json* reasoning = fields.Object("reasoning")) {
    Fields sub(*reasoning, fields.Path("reasoning"), fields.ignored());
    reader.Effort(sub, "effort");
    reader.Limit(sub.Integer("max_tokens", -1));
    reader.Enable(sub.Bool("enabled"));
    if (sub.Bool("exclude").value_or(false)) request->include_reasoning = false;
    for (const char* key : {"summary", "generate_summary"}) {  // there are none; "auto" leaves that to the server
      const std::string summary = sub.String(key).value_or("auto");
      if (summary != "auto" && summary != "none") sub.Ignore(key);
    }
  }
  if (const Json* kwargs = fields.Object("chat_template_kwargs")) {
    Fields sub(*kwargs, fields.Path("chat_template_kwargs"), fields.ignored());
    reader.Enable(sub.Bool("enable_thinking"));
    reader.Enable(sub.Bool("thinking"));
    reader.Limit(sub.Integer("thinking_budget", -1));
    reader.Effort(sub, "reasoning_effort");
  }
  if (request->endpoint == Endpoint::kMessages) {
    if (const Json* config = fields.Object("output_config")) {
      Fields sub(*config, fields.Path("output_config"));  // the rest of it is the format
      reader.Effort(sub.Choice("effort", {"low", "medium", "high", "xhigh", "max"}));
    }
  }
  request->thinking_budget = reader.Budget();
}

namespace {

OutputFormat SchemaFormat(const Json& schema, const std::string& path) {
  if (!schema.is_object() && !schema.is_boolean()) {
    throw Invalid(path, "must be a JSON schema (an object), found {}", Shown(schema));
  }
  CheckNoKeyTwice(schema, path);
  return {.kind = OutputFormat::Kind::kJsonSchema, .schema = schema, .field = path, .name = {}};
}

}  // namespace

OutputFormat ReadFormat(Fields& fields, bool nested) {
  fields.Need("type", "\"text\", \"json_object\" or \"json_schema\"");
  const std::string type = *fields.Choice("type", {"text", "json_object", "json_schema"});
  if (type == "text") return {};
  if (type == "json_object") {
    const Json* schema = fields.Get("schema");
    if (schema == nullptr) return {.kind = OutputFormat::Kind::kJsonObject, .schema = {}, .field = {}, .name = {}};
    return SchemaFormat(*schema, fields.Path("schema"));
  }
  const auto read = [](Fields& from) {
    OutputFormat format = SchemaFormat(from.Need("schema", "a JSON schema"), from.Path("schema"));
    format.name = from.String("name").value_or("");
    from.Bool("strict");  // the answer is held to the schema in any case
    return format;
  };
  if (!nested) return read(fields);
  Fields sub(fields.Need("json_schema", "an object with \"schema\""), fields.Path("json_schema"), fields.ignored());
  return read(sub);
}

void ReadFormats(Fields& body, ApiRequest* request) {
  std::string said;  // where
  const auto set = [&](const char* key, OutputFormat format) {
    if (!said.empty()) throw Invalid(body.Path(key), "{} says what the answer has to be already", said);
    said = key;
    request->format = std::move(format);
  };
  if (const Json* format = body.Object("response_format")) {
    Fields sub(*format, body.Path("response_format"), body.ignored());
    OutputFormat read = ReadFormat(sub, /*nested=*/true);
    if (read.kind != OutputFormat::Kind::kText) set("response_format", std::move(read));
  }
  // A schema may be given as its text.
  const auto schema = [&](const Json& value, const std::string& path) {
    if (!value.is_string()) return SchemaFormat(value, path);
    try {
      return SchemaFormat(ParseJsonAsGiven(value.get<std::string>(), "the string"), path);
    } catch (const ApiError&) {
      throw;
    } catch (const Error& e) {
      throw Invalid(path, "must be a JSON schema: {}", e.what());
    }
  };
  for (const char* key : {"guided_json", "json_schema"}) {
    if (const Json* value = body.Get(key)) set(key, schema(*value, body.Path(key)));
  }
  if (const Json* outputs = body.Object("structured_outputs")) {
    Fields sub(*outputs, body.Path("structured_outputs"), body.ignored());
    if (const Json* value = sub.Get("json")) set("structured_outputs", schema(*value, sub.Path("json")));
    if (sub.Bool("json_object").value_or(false)) {
      set("structured_outputs", {.kind = OutputFormat::Kind::kJsonObject, .schema = {}, .field = {}, .name = {}});
    }
  }
}

}  // namespace fulgur
