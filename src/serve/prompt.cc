#include "serve/prompt.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/thinking.h"
#include "grammar/json_schema.h"
#include "grammar/tool_grammar.h"

namespace fulgur {
namespace {

bool IsStrict(const Json& tool) { return tool["function"].value("strict", false); }

// Tools as the template prints them: "strict" is for the server.
Json ToolsForTemplate(const Json& tools) {
  if (tools.is_null()) return tools;
  Json out = tools;
  for (Json& tool : out) tool["function"].erase("strict");
  return out;
}

// "none": any text.
std::string ConstraintKind(const ApiRequest& request) {
  if (request.ReadsToolCalls()) {
    switch (request.tool_choice.kind) {
      case ToolChoice::Kind::kRequired:
        return "required";
      case ToolChoice::Kind::kNamed:
        return "named";
      default:
        break;
    }
    if (request.format.kind == OutputFormat::Kind::kText) {
      const bool strict = std::any_of(request.tools.begin(), request.tools.end(), IsStrict);
      return strict || !request.tool_choice.parallel ? "auto" : "none";
    }
    return "auto or json";
  }
  switch (request.format.kind) {
    case OutputFormat::Kind::kText:
      return "none";
    case OutputFormat::Kind::kJsonObject:
      return "json_object";
    case OutputFormat::Kind::kJsonSchema:
      return "json_schema";
  }
  return "none";
}

// What the API calls that which the prompt is made of.
const char* PromptField(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kCompletions:
      return "prompt";
    case Endpoint::kResponses:
      return "input";
    default:
      return "messages";
  }
}

}  // namespace

Constraints::Constraints(const Tokenizer& tokenizer) : vocabulary_(std::make_shared<ConstraintVocabulary>(tokenizer)) {}

std::shared_ptr<const TokenConstraint> Constraints::Make(const ApiRequest& request, const std::string& kind) const {
  if (kind == "json_object") return std::make_shared<TokenConstraint>(JsonObjectGrammar(), vocabulary_);
  if (kind == "json_schema") {
    return std::make_shared<TokenConstraint>(JsonSchemaGrammar(request.format.schema, request.format.field),
                                             vocabulary_);
  }
  std::vector<ToolSignature> tools;
  for (const Json& tool : request.tools) {
    const Json& function = tool["function"];
    const std::string& name = function["name"].get_ref<const std::string&>();
    if (kind == "named" && name != request.tool_choice.name) continue;
    // Where the client insists on a call, it is to be one that it can run.
    const bool exact = kind == "required" || kind == "named" || IsStrict(tool);
    tools.push_back({name, exact ? function.value("parameters", Json()) : Json()});
  }
  if (kind == "auto or json") {
    return std::make_shared<TokenConstraint>(ToolCallsOrJsonGrammar(tools, request.format.schema, request.format.field,
                                                                    request.tool_choice.parallel ? kUnbounded : 1),
                                             vocabulary_);
  }
  const ToolUse use = kind == "auto" ? ToolUse::kAuto : ToolUse::kRequired;
  const uint32_t most = request.tool_choice.parallel && kind != "named" ? kUnbounded : 1;
  return std::make_shared<TokenConstraint>(ToolCallsGrammar(tools, use, most), vocabulary_);
}

std::shared_ptr<const TokenConstraint> Constraints::For(const ApiRequest& request) {
  const std::string kind = ConstraintKind(request);
  if (kind == "none") return nullptr;
  const bool of_tools = kind != "json_object" && kind != "json_schema";
  std::string key = kind;
  if (of_tools)
    key += fmt::format(" {} {} {}", request.tool_choice.parallel, request.tool_choice.name, request.tools.dump());
  if (!request.format.schema.is_null()) key += " " + request.format.schema.dump();
  constexpr size_t kMost = 64;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = kept_.begin(); it != kept_.end(); ++it) {
      if (it->first != key) continue;
      kept_.splice(kept_.begin(), kept_, it);
      return it->second;
    }
  }
  std::shared_ptr<const TokenConstraint> made;
  try {
    made = Make(request, kind);
  } catch (const ApiError&) {
    throw;
  } catch (const Error& e) {
    throw ApiError(400, of_tools ? "tools" : request.format.field, e.what());
  }
  const std::lock_guard lock(mutex_);
  kept_.emplace_front(std::move(key), made);
  if (kept_.size() > kMost) kept_.pop_back();
  return made;
}

std::vector<int32_t> ChatPrompt(const ApiRequest& request, const LoadedModel& loaded,
                                AnswerReader::Options::Start* start) {
  using Start = AnswerReader::Options::Start;
  *start = Start::kUnknown;
  std::vector<int32_t> ids;
  try {
    ids = loaded.chat_template().Encode(loaded.tokenizer, request.messages,
                                        request.ReadsToolCalls() ? ToolsForTemplate(request.tools) : Json(),
                                        /*add_generation_prompt=*/true);
  } catch (const Error& e) {
    const char* field = PromptField(request.endpoint);
    throw ApiError(400, field, fmt::format("{}: {}", field, e.what()));
  }
  std::string text;
  if (request.answer_begin) {
    text = *request.answer_begin;
    if (!text.starts_with(kThinkOpen)) text = ThinkingTracker::NoThinking(false) + text;
    *start = text.find(kThinkClose) == std::string::npos ? Start::kThinking : Start::kMidAnswer;
  } else if (request.thinking_budget == 0) {
    text = ThinkingTracker::NoThinking(false);
  } else {
    return ids;
  }
  const std::vector<int32_t> more = loaded.tokenizer.Encode(text, Tokenizer::Special::kPlainText);
  ids.insert(ids.end(), more.begin(), more.end());
  return ids;
}

PreparedRequest Prepare(const ApiRequest& request, const LoadedModel& loaded, Constraints& constraints,
                        int64_t max_context, uint64_t seed) {
  PreparedRequest prepared;
  const bool chat = request.endpoint != Endpoint::kCompletions;
  GenerationRequest generation;
  generation.sampling = request.sampling;
  if (!request.seeded) generation.sampling.seed = seed;
  generation.outputs = request.outputs;
  StoppingRules& rules = generation.stopping;
  if (request.max_tokens) rules.max_tokens = std::max<int64_t>(*request.max_tokens, 1);
  if (!request.ignore_eos) rules.stop_tokens = loaded.defaults.stop_tokens;
  rules.stop_tokens.insert(rules.stop_tokens.end(), request.stop_token_ids.begin(), request.stop_token_ids.end());
  rules.stop_strings = request.stop;
  rules.thinking_budget = request.thinking_budget;
  generation.constraint = constraints.For(request);
  generation.may_think = chat;

  std::vector<std::vector<int32_t>> prompts;
  if (chat) {
    using Start = AnswerReader::Options::Start;
    Start start = Start::kUnknown;
    prompts.push_back(ChatPrompt(request, loaded, &start));
    if (request.answer_begin && generation.constraint) {
      throw ApiError(400, request.endpoint == Endpoint::kMessages ? "messages" : "continue_final_message",
                     "an answer that is begun by the request cannot also be held to a format or a tool");
    }
    rules.starts_in_thinking = start == Start::kThinking;
    // The budget is for thinking to come. A begun answer has none, nor one whose prompt ends in an empty thinking.
    generation.after_no_thinking = !request.answer_begin && rules.thinking_budget == 0;
    if (start == Start::kMidAnswer || generation.after_no_thinking) rules.thinking_budget.reset();
    prepared.reading = AnswerReader::Options{.start = start,
                                             .thinks_first = true,
                                             .tool_calls = request.ReadsToolCalls(),
                                             .call_parts = true,
                                             .tags_in_content = false};
    rules.answer = prepared.reading;
  } else {
    if (rules.thinking_budget == 0) rules.thinking_budget.reset();  // there is no turn that could begin without it
    for (const ApiRequest::Prompt& prompt : request.prompts) {
      prompts.push_back(std::holds_alternative<std::string>(prompt)
                            ? loaded.tokenizer.EncodePrompt(std::get<std::string>(prompt))
                            : std::get<std::vector<int32_t>>(prompt));
    }
  }

  const std::string field = PromptField(request.endpoint);
  for (std::vector<int32_t>& ids : prompts) {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    if (tokens == 0) throw Invalid(field, "is empty; a model continues at least one token");
    if (tokens >= max_context) {
      throw ApiError(400, field,
                     // In the words that agents look for: the one half in Anthropic's errors, the other in OpenAI's.
                     fmt::format("{}: prompt is too long: {} tokens > {} maximum; this model's maximum context length "
                                 "is {} tokens, which must also hold the answer",
                                 field, tokens, max_context - 1, max_context),
                     "context_length_exceeded");
    }
    prepared.prompt_tokens += tokens;
    ScheduledRequest scheduled;
    scheduled.generation = generation;
    // What is read from the cache has no log-probabilities.
    scheduled.generation.prompt_logprobs = request.echo && request.logprobs;
    scheduled.use_cache = !scheduled.generation.prompt_logprobs;
    scheduled.priority = static_cast<int>(-request.priority);
    scheduled.session = request.session;
    if (request.timeout_seconds) {
      scheduled.deadline =
          std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                 std::chrono::duration<double>(*request.timeout_seconds));
    }
    // Every message begins with a special token of the template; what stands before it may be shared.
    const std::vector<int32_t>& ends = loaded.defaults.stop_tokens;
    for (int64_t i = 1; chat && i < tokens; ++i) {
      const int32_t id = ids[static_cast<size_t>(i)];
      if (loaded.tokenizer.IsSpecial(id) && std::find(ends.begin(), ends.end(), id) == ends.end()) {
        scheduled.checkpoints.push_back(i);
      }
    }
    scheduled.generation.prompt = std::move(ids);
    prepared.prompts.push_back(std::move(scheduled));
  }
  return prepared;
}

}  // namespace fulgur
