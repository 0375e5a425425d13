// Answers of /v1/responses.
#include <utility>

#include "serve/conversation.h"
#include "serve/custom_input.h"
#include "serve/format.h"

namespace fulgur {
namespace {

class Responses final : public AnswerFormat {
 public:
  Responses(const ApiRequest& request, AnswerIdentity identity) : request_(request), identity_(std::move(identity)) {}

  Json Whole(const std::vector<Answer>& answers, const AnswerUsage& usage) override {
    AnswerPiece piece;  // all of it
    const Answer& answer = answers.front();
    piece.reasoning = answer.reasoning;
    piece.content = answer.content;
    piece.calls = answer.calls;
    piece.tokens = answer.tokens;
    Piece(piece);
    OutputEnd(0, answer.end);
    return Final(usage);
  }

  std::string Begin() override {
    std::string text = Event("response.created", {{"response", Response("in_progress")}});
    return text += Event("response.in_progress", {{"response", Response("in_progress")}});
  }

  std::string Piece(const AnswerPiece& piece) override {
    std::string text;
    if (!piece.reasoning.empty() && request_.include_reasoning) {
      if (open_ != Item::kReasoning) {
        Close(&text);
        OpenItem(Item::kReasoning, "rs_",
                 {{"type", "reasoning"}, {"summary", Json::array()}, {"content", Json::array()}}, &text);
        AddPart({{"type", "reasoning_text"}, {"text", ""}}, &text);
      }
      written_ += piece.reasoning;
      Delta("response.reasoning_text.delta", "delta", piece.reasoning, nullptr, &text);
    }
    // The last tokens of a text may be known to belong to it only when it is over.
    if (!piece.content.empty() || (open_ == Item::kMessage && !piece.tokens.empty())) {
      if (open_ != Item::kMessage) {
        Close(&text);
        OpenItem(Item::kMessage, "msg_", {{"type", "message"}, {"role", "assistant"}, {"content", Json::array()}},
                 &text);
        AddPart(TextPart(""), &text);
      }
      written_ += piece.content;
      Json logprobs = TokenLogprobs(piece.tokens);
      for (const Json& entry : logprobs) logprobs_.push_back(entry);
      Delta("response.output_text.delta", "delta", piece.content, &logprobs, &text);
    }
    for (const AnswerCall& call : piece.calls) {
      if (call.begin) {
        Close(&text);
        if (request_.custom_tools.count(call.name) > 0) {
          custom_input_ = {};
          OpenItem(Item::kCustomCall, "ctc_",
                   {{"type", "custom_tool_call"}, {"call_id", call.id}, {"name", call.name}, {"input", ""}}, &text);
        } else {
          OpenItem(Item::kCall, "fc_",
                   {{"type", "function_call"}, {"call_id", call.id}, {"name", call.name}, {"arguments", ""}}, &text);
        }
      }
      const bool custom = open_ == Item::kCustomCall;
      const std::string delta = custom ? custom_input_.Push(call.arguments) : call.arguments;
      if (!delta.empty()) {
        written_ += delta;
        text += Event(custom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta",
                      {{"item_id", item_["id"]}, {"output_index", output_.size()}, {"delta", delta}});
      }
      if (call.end) Close(&text, call.complete ? "completed" : "incomplete");
    }
    return text;
  }

  std::string OutputEnd(int64_t, const AnswerEnd& end) override {
    std::string text;
    end_ = end;
    Close(&text, end.cut() ? "incomplete" : "completed");
    return text;
  }

  std::string End(const AnswerUsage& usage) override {
    return Event(end_.cut() ? "response.incomplete" : "response.completed", {{"response", Final(usage)}});
  }

  std::string Failure(const ApiError& error) override {
    Json response = Response("failed");
    response["error"] = {{"code", ErrorType(Api::kOpenAi, error.status())}, {"message", error.what()}};
    return Event("response.failed", {{"response", std::move(response)}});
  }

  const Json* Finished() const override { return finished_.is_null() ? nullptr : &finished_; }

 private:
  enum class Item { kNone, kReasoning, kMessage, kCall, kCustomCall };

  static Json TextPart(const std::string& text) {
    return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
  }

  std::string Event(const char* type, Json fields) {
    Json json = {{"type", type}, {"sequence_number", sequence_++}};
    json.update(fields);
    return ServerSentEvent(json, type);
  }

  void OpenItem(Item item, const char* prefix, const Json& fields, std::string* text) {
    open_ = item;
    written_.clear();
    logprobs_ = Json::array();
    item_ = {{"id", fmt::format("{}{}_{}", prefix, identity_.id, output_.size())}};
    item_.update(fields);
    item_["status"] = "in_progress";
    *text += Event("response.output_item.added", {{"output_index", output_.size()}, {"item", item_}});
  }

  Json Place() const { return {{"item_id", item_["id"]}, {"output_index", output_.size()}, {"content_index", 0}}; }

  void AddPart(Json part, std::string* text) {
    Json fields = Place();
    fields["part"] = std::move(part);
    *text += Event("response.content_part.added", std::move(fields));
  }

  void Delta(const char* type, const char* key, const std::string& piece, const Json* logprobs, std::string* text) {
    Json fields = Place();
    fields[key] = piece;
    if (logprobs != nullptr) fields["logprobs"] = *logprobs;
    *text += Event(type, std::move(fields));
  }

  void Close(std::string* text, const char* status = "completed") {
    if (open_ == Item::kNone) return;
    if (open_ == Item::kCall) {
      item_["arguments"] = written_;
      *text += Event("response.function_call_arguments.done", {{"item_id", item_["id"]},
                                                               {"output_index", output_.size()},
                                                               {"name", item_["name"]},
                                                               {"arguments", written_}});
    } else if (open_ == Item::kCustomCall) {
      item_["input"] = written_;
      *text += Event("response.custom_tool_call_input.done",
                     {{"item_id", item_["id"]}, {"output_index", output_.size()}, {"input", written_}});
    } else {
      Json part = {{"type", "reasoning_text"}, {"text", written_}};
      if (open_ == Item::kMessage) {
        part = TextPart(written_);
        part["logprobs"] = logprobs_;
      }
      Delta(open_ == Item::kMessage ? "response.output_text.done" : "response.reasoning_text.done", "text", written_,
            open_ == Item::kMessage ? &logprobs_ : nullptr, text);
      Json fields = Place();
      fields["part"] = part;
      *text += Event("response.content_part.done", std::move(fields));
      item_["content"].push_back(std::move(part));
      if (open_ == Item::kReasoning && request_.sealed_reasoning) item_["encrypted_content"] = SealThinking(written_);
    }
    item_["status"] = status;
    *text += Event("response.output_item.done", {{"output_index", output_.size()}, {"item", item_}});
    output_.push_back(std::move(item_));
    item_ = nullptr;
    open_ = Item::kNone;
  }

  Json Response(const char* status) const {
    Json json = {{"id", "resp_" + identity_.id},
                 {"object", "response"},
                 {"created_at", identity_.created},
                 {"status", status},
                 {"error", nullptr},
                 {"incomplete_details", nullptr},
                 {"model", identity_.model},
                 {"output", output_},
                 {"truncation", "disabled"},
                 {"usage", nullptr},
                 {"background", false},
                 {"user", nullptr}};
    json.update(request_.echoed);
    return json;
  }

  Json Final(const AnswerUsage& usage) {
    Json json = Response(end_.cut() ? "incomplete" : "completed");
    if (end_.cut()) json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    json["finish_details"] = FinishDetails(end_);
    json["usage"] = {{"input_tokens", usage.prompt_tokens},
                     {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
                     {"output_tokens", usage.output_tokens},
                     {"output_tokens_details", {{"reasoning_tokens", usage.thinking_tokens}}},
                     {"total_tokens", usage.prompt_tokens + usage.output_tokens}};
    if (request_.store) finished_ = json;
    return json;
  }

  const ApiRequest& request_;
  AnswerIdentity identity_;
  int64_t sequence_ = 0;
  Json output_ = Json::array();  // finished items
  Item open_ = Item::kNone;
  Json item_;            // the open one
  std::string written_;  // of it
  CustomInput custom_input_;
  Json logprobs_ = Json::array();
  AnswerEnd end_;
  Json finished_;
};

}  // namespace

std::unique_ptr<AnswerFormat> ResponsesFormat(const ApiRequest& request, AnswerIdentity identity) {
  return std::make_unique<Responses>(request, std::move(identity));
}

}  // namespace fulgur
