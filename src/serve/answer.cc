#include "serve/answer.h"

namespace fulgur {

void AnswerUsage::Add(const AnswerEnd& end, bool first_of_prompt) {
  if (first_of_prompt) {
    prompt_tokens += end.prompt_tokens;
    cached_tokens += end.cached_tokens;
  }
  output_tokens += end.output_tokens;
  thinking_tokens += end.thinking_tokens;
}

AnswerReader::AnswerReader(int64_t output, Start start, bool tool_calls, bool raw, std::string call_id_prefix)
    : output_(output),
      raw_(raw),
      call_id_prefix_(std::move(call_id_prefix)),
      parser_(StreamingOutputParser::Options{
          .start = start, .thinks_first = true, .tool_calls = tool_calls, .call_parts = true}) {}

AnswerPiece AnswerReader::Take(StreamingOutputParser::Delta delta) {
  AnswerPiece piece;
  piece.output = output_;
  piece.reasoning = std::move(delta.reasoning);
  piece.content = std::move(delta.content);
  for (StreamingOutputParser::CallPart& part : delta.call_parts) {
    const int64_t index = static_cast<int64_t>(part.index);
    AnswerCall* call = piece.calls.empty() || piece.calls.back().index != index ? nullptr : &piece.calls.back();
    if (call == nullptr) {
      piece.calls.push_back({.index = index, .id = {}, .name = {}, .arguments = {}});
      call = &piece.calls.back();
    }
    if (part.begin) {
      has_calls_ = call->begin = true;
      call->name = std::move(part.name);
      call->id = fmt::format("{}{}", call_id_prefix_, index);
    }
    call->arguments += part.arguments;
    call->end |= part.end;
  }
  return piece;
}

AnswerPiece AnswerReader::Push(std::string_view text) {
  if (!raw_) return Take(parser_.Push(text));
  AnswerPiece piece;
  piece.output = output_;
  piece.content = text;
  return piece;
}

AnswerPiece AnswerReader::Finish() { return Take(raw_ ? StreamingOutputParser::Delta{} : parser_.Finish()); }

void Append(const AnswerPiece& piece, Answer* answer) {
  answer->reasoning += piece.reasoning;
  answer->content += piece.content;
  for (const AnswerCall& call : piece.calls) {
    if (call.begin || answer->calls.empty()) {
      answer->calls.push_back(call);
    } else {
      answer->calls.back().arguments += call.arguments;
      answer->calls.back().end |= call.end;
    }
  }
  answer->tokens.insert(answer->tokens.end(), piece.tokens.begin(), piece.tokens.end());
}

}  // namespace fulgur
