// Answers of /v1/chat/completions and /v1/completions.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "serve/conversation.h"
#include "serve/custom_input.h"
#include "serve/format.h"
#include "text/output_format.h"

namespace fulgur {
namespace {

// Around the thinking, where it stands in the content (ReasoningField::kInline).
const std::string kOpening = fmt::format("{}\n", kThinkOpen), kClosing = fmt::format("\n{}\n\n", kThinkClose);

// OpenAI knows few words; what was cut off for any reason is "length" to it, and finish_details says more.
std::string FinishWord(const AnswerEnd& end) {
  if (end.cut()) return "length";
  return end.calls() ? "tool_calls" : "stop";
}

Json UsageJson(const AnswerUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.output_tokens},
          {"total_tokens", usage.prompt_tokens + usage.output_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.thinking_tokens}}}};
}

// As llama-server has it. Clients that do not know it see one field more beside the usage.
Json TimingsJson(const AnswerTimings& timings) {
  const bool timed = timings.timed_tokens > 0 && timings.output_seconds > 0;
  return {{"prompt_ms", 1000 * timings.first_seconds},
          {"predicted_n", timings.tokens},
          {"predicted_ms", 1000 * timings.output_seconds},
          {"predicted_per_second",
           timed ? Json(static_cast<double>(timings.timed_tokens) / timings.output_seconds) : Json()}};
}

class Chat final : public AnswerFormat {
 public:
  Chat(const ApiRequest& request, AnswerIdentity identity) : request_(request), identity_(std::move(identity)) {
    inline_.resize(static_cast<size_t>(request.outputs));
    custom_calls_.resize(static_cast<size_t>(request.outputs));
  }

  Json Whole(const std::vector<Answer>& answers, const AnswerUsage& usage) override {
    Json json = Head("chat.completion");
    for (size_t i = 0; i < answers.size(); ++i) {
      const Answer& answer = answers[i];
      Json message = {{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
      std::string content = answer.content;
      if (!answer.reasoning.empty() && request_.include_reasoning) {
        if (identity_.reasoning == ReasoningField::kInline) content = WithThinking(answer.reasoning, content);
        AddReasoning(answer.reasoning, &message);
      }
      if (!content.empty() || answer.calls.empty()) message["content"] = content;
      if (!answer.calls.empty()) {
        message["tool_calls"] = Json::array();
        for (const AnswerCall& call : answer.calls) {
          if (request_.custom_tools.count(call.name) > 0) {
            message["tool_calls"].push_back(
                {{"id", call.id},
                 {"type", "custom"},
                 {"custom", {{"name", call.name}, {"input", CustomInput().Push(call.arguments)}}}});
          } else {
            message["tool_calls"].push_back({{"id", call.id},
                                             {"type", "function"},
                                             {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
          }
        }
      }
      Json choice = {{"index", i}, {"message", std::move(message)}, {"logprobs", nullptr}};
      if (request_.logprobs) choice["logprobs"] = {{"content", TokenLogprobs(answer.tokens)}, {"refusal", nullptr}};
      AddFinish(answer.end, &choice);
      json["choices"].push_back(std::move(choice));
    }
    json["usage"] = UsageJson(usage);
    json["timings"] = TimingsJson(usage.timings);
    return json;
  }

  std::string Begin() override {
    std::string text;
    for (int64_t i = 0; i < request_.outputs; ++i) {
      text += Chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr);
    }
    return text;
  }

  std::string Piece(const AnswerPiece& piece) override {
    Json delta = Json::object();
    std::string content = piece.content;
    if (!piece.reasoning.empty() && request_.include_reasoning) AddReasoning(piece.reasoning, &delta);
    if (identity_.reasoning == ReasoningField::kInline && request_.include_reasoning) {
      // <think> before the first of it, </think> before what follows.
      Inline& state = inline_[static_cast<size_t>(piece.output)];
      std::string text;
      if (!piece.reasoning.empty()) text = (std::exchange(state.open, true) ? "" : kOpening) + piece.reasoning;
      if (state.open && (!content.empty() || !piece.calls.empty())) {
        text += kClosing;
        state.open = false;
      }
      content = text + content;
    }
    if (!content.empty()) delta["content"] = content;
    if (!piece.calls.empty()) {
      delta["tool_calls"] = Json::array();
      for (const AnswerCall& call : piece.calls) {
        Json entry = {{"index", call.index}};
        auto& custom = custom_calls_[static_cast<size_t>(piece.output)];
        if (call.begin && request_.custom_tools.count(call.name) > 0) custom[call.index] = {};
        const auto input = custom.find(call.index);
        const char* type = input == custom.end() ? "function" : "custom";
        if (call.begin) {
          entry["id"] = call.id;
          entry["type"] = type;
          entry[type]["name"] = call.name;
        }
        if (input == custom.end()) {
          entry[type]["arguments"] = call.arguments;
        } else {
          entry[type]["input"] = input->second.Push(call.arguments);
        }
        delta["tool_calls"].push_back(std::move(entry));
      }
    }
    if (delta.empty() && piece.tokens.empty()) return {};
    Json logprobs;
    if (!piece.tokens.empty()) logprobs = {{"content", TokenLogprobs(piece.tokens)}, {"refusal", nullptr}};
    return Chunk(piece.output, std::move(delta), std::move(logprobs), &piece.timings);
  }

  std::string OutputEnd(int64_t output, const AnswerEnd& end) override {
    Json delta = Json::object();
    if (inline_[static_cast<size_t>(output)].open) delta["content"] = kClosing;
    Json json = Head("chat.completion.chunk");
    Json choice = {{"index", output}, {"delta", std::move(delta)}, {"logprobs", nullptr}};
    AddFinish(end, &choice);
    json["choices"].push_back(std::move(choice));
    if (request_.include_usage) json["usage"] = nullptr;
    return ServerSentEvent(json);
  }

  std::string End(const AnswerUsage& usage) override {
    std::string text;
    if (request_.include_usage) {
      Json json = Head("chat.completion.chunk");
      json["usage"] = UsageJson(usage);
      json["timings"] = TimingsJson(usage.timings);
      text = ServerSentEvent(json);
    }
    return text + "data: [DONE]\n\n";
  }

  std::string Failure(const ApiError& error) override {
    return ServerSentEvent(ErrorJson(Api::kOpenAi, error, identity_.id)) + "data: [DONE]\n\n";
  }

 private:
  struct Inline {
    bool open = false;
  };

  Json Head(const char* object) const {
    return {{"id", "chatcmpl-" + identity_.id}, {"object", object},
            {"created", identity_.created},     {"model", identity_.model},
            {"choices", Json::array()},         {"system_fingerprint", identity_.fingerprint}};
  }

  void AddReasoning(const std::string& text, Json* message) const {
    const ReasoningField field = identity_.reasoning;
    if (field == ReasoningField::kBoth || field == ReasoningField::kReasoningContent)
      (*message)["reasoning_content"] = text;
    if (field == ReasoningField::kBoth || field == ReasoningField::kReasoning) (*message)["reasoning"] = text;
  }

  static void AddFinish(const AnswerEnd& end, Json* choice) {
    (*choice)["finish_reason"] = FinishWord(end);
    (*choice)["stop_reason"] = end.reason == FinishReason::kStopString ? Json(end.message) : Json();
    (*choice)["finish_details"] = FinishDetails(end);
  }

  std::string Chunk(int64_t output, Json delta, Json logprobs, const AnswerTimings* timings = nullptr) const {
    Json json = Head("chat.completion.chunk");
    json["choices"].push_back({{"index", output},
                               {"delta", std::move(delta)},
                               {"logprobs", std::move(logprobs)},
                               {"finish_reason", nullptr}});
    if (request_.include_usage) json["usage"] = nullptr;
    if (request_.timings_per_token && timings != nullptr) json["timings"] = TimingsJson(*timings);
    return ServerSentEvent(json);
  }

  const ApiRequest& request_;
  AnswerIdentity identity_;
  std::vector<Inline> inline_;                                // by output
  std::vector<std::map<int64_t, CustomInput>> custom_calls_;  // by output and the call's index
};

class Completions final : public AnswerFormat {
 public:
  Completions(const ApiRequest& request, AnswerIdentity identity) : request_(request), identity_(std::move(identity)) {
    offsets_.resize(request.prompts.size() * static_cast<size_t>(request.outputs));
  }

  Json Whole(const std::vector<Answer>& answers, const AnswerUsage& usage) override {
    Json json = Head();
    for (size_t i = 0; i < answers.size(); ++i) {
      Json choice = {{"index", i}, {"text", answers[i].content}, {"logprobs", nullptr}};
      if (request_.logprobs) choice["logprobs"] = Logprobs(answers[i].tokens, i);
      AddFinish(answers[i].end, &choice);
      json["choices"].push_back(std::move(choice));
    }
    json["usage"] = UsageJson(usage);
    json["timings"] = TimingsJson(usage.timings);
    return json;
  }

  std::string Piece(const AnswerPiece& piece) override {
    if (piece.content.empty() && piece.tokens.empty()) return {};
    Json json = Head();
    Json choice = {{"index", piece.output}, {"text", piece.content}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!piece.tokens.empty()) choice["logprobs"] = Logprobs(piece.tokens, static_cast<size_t>(piece.output));
    json["choices"].push_back(std::move(choice));
    if (request_.include_usage) json["usage"] = nullptr;
    return ServerSentEvent(json);
  }

  std::string OutputEnd(int64_t output, const AnswerEnd& end) override {
    Json json = Head();
    Json choice = {{"index", output}, {"text", ""}, {"logprobs", nullptr}};
    AddFinish(end, &choice);
    json["choices"].push_back(std::move(choice));
    if (request_.include_usage) json["usage"] = nullptr;
    return ServerSentEvent(json);
  }

  std::string End(const AnswerUsage& usage) override {
    std::string text;
    if (request_.include_usage) {
      Json json = Head();
      json["usage"] = UsageJson(usage);
      json["timings"] = TimingsJson(usage.timings);
      text = ServerSentEvent(json);
    }
    return text + "data: [DONE]\n\n";
  }

  std::string Failure(const ApiError& error) override {
    return ServerSentEvent(ErrorJson(Api::kOpenAi, error, identity_.id)) + "data: [DONE]\n\n";
  }

 private:
  Json Head() const {
    return {{"id", "cmpl-" + identity_.id}, {"object", "text_completion"},
            {"created", identity_.created}, {"model", identity_.model},
            {"choices", Json::array()},     {"system_fingerprint", identity_.fingerprint}};
  }

  static void AddFinish(const AnswerEnd& end, Json* choice) {
    AnswerEnd plain = end;
    plain.has_calls = false;
    (*choice)["finish_reason"] = FinishWord(plain);
    (*choice)["stop_reason"] = end.reason == FinishReason::kStopString ? Json(end.message) : Json();
    (*choice)["finish_details"] = FinishDetails(end);
  }

  // As this API of OpenAI's names tokens that are part of a character: "bytes:\\xf0\\x9f".
  static std::string Name(const std::string& bytes) {
    std::string text = TokenText(bytes);
    return text == bytes ? text : "bytes:" + text;
  }

  // text_offset counts characters of the output. The token itself is among the likely ones, even if it is none of them.
  Json Logprobs(const std::vector<AnswerToken>& tokens, size_t output) {
    Json json = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()},
                 {"text_offset", Json::array()}};
    for (const AnswerToken& token : tokens) {
      json["tokens"].push_back(Name(token.bytes));
      Json top = Json::object();
      for (const auto& [bytes, logprob] : token.top) top[Name(bytes)] = logprob;
      top[Name(token.bytes)] = token.logprob;
      json["token_logprobs"].push_back(token.first ? Json() : Json(token.logprob));
      json["top_logprobs"].push_back(token.first ? Json() : std::move(top));
      json["text_offset"].push_back(offsets_[output]);
      for (const unsigned char c : token.bytes) offsets_[output] += !token.special && (c & 0xc0) != 0x80;
    }
    return json;
  }

  const ApiRequest& request_;
  AnswerIdentity identity_;
  std::vector<int64_t> offsets_;  // by output: characters so far
};

}  // namespace

std::unique_ptr<AnswerFormat> ChatFormat(const ApiRequest& request, AnswerIdentity identity) {
  return std::make_unique<Chat>(request, std::move(identity));
}

std::unique_ptr<AnswerFormat> CompletionsFormat(const ApiRequest& request, AnswerIdentity identity) {
  return std::make_unique<Completions>(request, std::move(identity));
}

}  // namespace fulgur
