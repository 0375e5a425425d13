// Answers of /v1/messages (Anthropic).
#include <utility>

#include "base/json_as_given.h"
#include "serve/conversation.h"
#include "serve/format.h"

namespace fulgur {
namespace {

Json StopReason(const AnswerEnd& end) {
  if (end.cut()) return "max_tokens";
  if (end.reason == FinishReason::kStopString) return "stop_sequence";
  return end.calls() ? "tool_use" : "end_turn";
}

Json UsageJson(const AnswerUsage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.output_tokens}};
}

class Messages final : public AnswerFormat {
 public:
  Messages(const ApiRequest& request, AnswerIdentity identity) : request_(request), identity_(std::move(identity)) {}

  Json Whole(const std::vector<Answer>& answers, const AnswerUsage& usage) override {
    const Answer& answer = answers.front();
    Json json = Head();
    Json& content = json["content"];
    if (!answer.reasoning.empty() && request_.include_reasoning) {
      content.push_back({{"type", "thinking"},
                         {"thinking", request_.empty_reasoning ? "" : answer.reasoning},
                         {"signature", Signature(answer.reasoning)}});
    }
    if (!answer.content.empty()) content.push_back({{"type", "text"}, {"text", answer.content}});
    for (const AnswerCall& call : answer.calls) {
      content.push_back({{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", Input(call)}});
    }
    AddStop(answer.end, &json);
    json["usage"] = UsageJson(usage);
    return json;
  }

  std::string Begin() override {
    Json message = Head();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    AnswerUsage usage;
    usage.prompt_tokens = identity_.prompt_tokens;
    message["usage"] = UsageJson(usage);
    return Event({{"type", "message_start"}, {"message", std::move(message)}}) + Ping();
  }

  std::string Piece(const AnswerPiece& piece) override {
    std::string text;
    if (!piece.reasoning.empty() && request_.include_reasoning) {
      Open(Block::kThinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, &text);
      if (request_.empty_reasoning) {
        unshown_ += piece.reasoning;
      } else {
        Delta({{"type", "thinking_delta"}, {"thinking", piece.reasoning}}, &text);
      }
    }
    if (!piece.content.empty()) {
      Open(Block::kText, {{"type", "text"}, {"text", ""}}, &text);
      Delta({{"type", "text_delta"}, {"text", piece.content}}, &text);
    }
    for (const AnswerCall& call : piece.calls) {
      if (call.begin) {
        Close(&text);
        Open(Block::kToolUse, {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", Json::object()}},
             &text);
      }
      if (!call.arguments.empty()) Delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}}, &text);
      if (call.end) Close(&text);
    }
    return text;
  }

  std::string OutputEnd(int64_t, const AnswerEnd& end) override {
    std::string text;
    Close(&text);
    end_ = end;
    return text;
  }

  std::string End(const AnswerUsage& usage) override {
    Json delta = Json::object();
    AddStop(end_, &delta);
    return Event({{"type", "message_delta"}, {"delta", std::move(delta)}, {"usage", UsageJson(usage)}}) +
           Event({{"type", "message_stop"}});
  }

  std::string Failure(const ApiError& error) override {
    return ServerSentEvent(ErrorJson(Api::kAnthropic, error, identity_.id), "error");
  }

  std::string Ping() override { return Event({{"type", "ping"}}); }

 private:
  // Empty for a call that was cut off in the middle: half of its arguments could pass for all of them.
  static Json Input(const AnswerCall& call) {
    try {
      Json input = ParseJsonAsGiven(call.arguments, "arguments");
      return input.is_object() ? input : Json::object();
    } catch (const Error&) {
      return Json::object();
    }
  }

  enum class Block { kNone, kThinking, kText, kToolUse };

  static std::string Event(const Json& json) {
    return ServerSentEvent(json, json["type"].get_ref<const std::string&>());
  }

  Json Head() const {
    return {{"id", "msg_" + identity_.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", identity_.model},
            {"content", Json::array()}};
  }

  // Clients hand the signature back with the thinking. There is nothing to sign here; thinking that is not shown is in
  // it.
  std::string Signature(const std::string& thinking) const {
    return request_.empty_reasoning ? SealThinking(thinking) : std::string();
  }

  static void AddStop(const AnswerEnd& end, Json* json) {
    (*json)["stop_reason"] = StopReason(end);
    (*json)["stop_sequence"] = end.reason == FinishReason::kStopString ? Json(end.message) : Json();
    (*json)["stop_details"] = FinishDetails(end);
  }

  void Open(Block block, Json content, std::string* text) {
    if (open_ == block) return;
    Close(text);
    open_ = block;
    *text += Event({{"type", "content_block_start"}, {"index", index_}, {"content_block", std::move(content)}});
  }
  void Delta(Json delta, std::string* text) const {
    *text += Event({{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
  }
  void Close(std::string* text) {
    if (open_ == Block::kNone) return;
    if (open_ == Block::kThinking) Delta({{"type", "signature_delta"}, {"signature", Signature(unshown_)}}, text);
    *text += Event({{"type", "content_block_stop"}, {"index", index_++}});
    open_ = Block::kNone;
  }

  const ApiRequest& request_;
  AnswerIdentity identity_;
  Block open_ = Block::kNone;
  int64_t index_ = 0;
  std::string unshown_;  // thinking
  AnswerEnd end_;
};

}  // namespace

std::unique_ptr<AnswerFormat> MessagesFormat(const ApiRequest& request, AnswerIdentity identity) {
  return std::make_unique<Messages>(request, std::move(identity));
}

}  // namespace fulgur
