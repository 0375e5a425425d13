#include "serve/answer.h"

#include <algorithm>

#include "unicode/unicode.h"

namespace fulgur {

void AnswerUsage::Add(const AnswerEnd& end, bool first_of_prompt) {
  if (first_of_prompt) {
    prompt_tokens += end.prompt_tokens;
    cached_tokens += end.cached_tokens;
  }
  output_tokens += end.output_tokens;
  thinking_tokens += end.thinking_tokens;
}

AnswerToken MakeAnswerToken(const Tokenizer& tokenizer, const OutputToken& token) {
  const auto bytes = [&](int32_t id) { return id < tokenizer.vocab_size() ? tokenizer.Bytes(id) : std::string(); };
  AnswerToken out{.id = token.id,
                  .bytes = bytes(token.id),
                  .sampled = token.sampled,
                  .special = token.id >= tokenizer.vocab_size() || tokenizer.IsSpecial(token.id),
                  .logprob = token.logprob,
                  .top = {}};
  for (const TokenLogprob& other : token.top) out.top.emplace_back(bytes(other.id), other.logprob);
  return out;
}

void ContentTokens::Group::Trim(size_t front, size_t back) {
  for (AnswerToken& token : tokens) {
    const size_t cut = std::min(front, token.bytes.size());
    token.bytes.erase(0, cut);
    front -= cut;
  }
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    const size_t cut = std::min(back, token->bytes.size());
    token->bytes.resize(token->bytes.size() - cut);
    back -= cut;
  }
}

void ContentTokens::Add(std::span<const OutputToken> tokens) {
  for (const OutputToken& token : tokens) {
    AnswerToken made = MakeAnswerToken(tokenizer_, token);
    if (made.special) continue;
    open_.tokens.push_back(std::move(made));
    pending_ += open_.tokens.back().bytes;
    std::string text;
    DrainUtf8(&pending_, /*final=*/false, &text);
    open_.end += text.size();
    if (!pending_.empty()) continue;
    const size_t end = open_.end;
    groups_.push_back(std::exchange(open_, {.tokens = {}, .begin = end, .end = end}));
  }
}

void ContentTokens::End(bool cut) {
  if (pending_.empty()) return;
  std::string text;
  if (cut) {
    open_.Trim(0, pending_.size());
  } else {
    DrainUtf8(&pending_, /*final=*/true, &text);
  }
  open_.end += text.size();
  groups_.push_back(std::exchange(open_, {}));
}

std::vector<AnswerToken> ContentTokens::Take(size_t size, size_t end, size_t decided, bool over) {
  if (size > 0) {
    if (!content_begin_) content_begin_ = end - size;
    content_end_ = end;
  }
  std::vector<AnswerToken> taken;
  while (!groups_.empty()) {
    Group& group = groups_.front();
    const size_t begin = content_begin_.value_or(decided);
    const bool before = group.end <= begin, behind = !content_begin_ || group.begin >= content_end_;
    if (!over && !before && (behind || group.end > content_end_)) break;
    if (!before && !behind) {
      size_t bytes = 0;
      for (const AnswerToken& token : group.tokens) bytes += token.bytes.size();
      // Bytes of the text outside of the content. (Where the text has a character for bytes that are none, all count.)
      const bool same = bytes == group.end - group.begin;
      const size_t front = same && group.begin < begin ? begin - group.begin : 0;
      const size_t back = same && group.end > content_end_ ? group.end - content_end_ : 0;
      group.Trim(front, back);
      for (AnswerToken& token : group.tokens) {
        if (!token.bytes.empty()) taken.push_back(std::move(token));
      }
    }
    groups_.pop_front();
  }
  return taken;
}

AnswerReader::AnswerReader(int64_t output, const std::optional<Options>& options, const Tokenizer& tokenizer,
                           std::string call_id_prefix)
    : output_(output), tokenizer_(tokenizer), call_id_prefix_(std::move(call_id_prefix)), content_tokens_(tokenizer) {
  if (options) parser_.emplace(*options);
}

AnswerPiece AnswerReader::Take(StreamingOutputParser::Delta delta, std::span<const OutputToken> tokens, bool last) {
  AnswerPiece piece;
  piece.output = output_;
  content_tokens_.Add(tokens);
  piece.tokens = content_tokens_.Take(delta.content.size(), delta.content_end, text_ - parser_->undecided(),
                                      last || parser_->content_over());
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
    call->complete |= part.complete;
    broken_call_ |= part.end && !part.complete;
  }
  return piece;
}

AnswerPiece AnswerReader::Push(std::string_view text, std::span<const OutputToken> tokens) {
  text_ += text.size();
  if (parser_) return Take(parser_->Push(text), tokens, /*last=*/false);
  AnswerPiece piece;
  piece.output = output_;
  piece.content = text;
  for (const OutputToken& token : tokens) piece.tokens.push_back(MakeAnswerToken(tokenizer_, token));
  return piece;
}

AnswerPiece AnswerReader::Finish(std::string_view text, std::span<const OutputToken> tokens, bool cut) {
  // The beginning of a character at which the output was cut.
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  if (cut && text.ends_with(kReplacement)) text.remove_suffix(kReplacement.size());
  AnswerPiece piece = Push(text, tokens);
  if (!parser_) return piece;
  content_tokens_.End(cut);
  AnswerPiece rest = Take(parser_->Finish(cut), {}, /*last=*/true);
  piece.reasoning += rest.reasoning;
  piece.content += rest.content;
  for (AnswerCall& call : rest.calls) piece.calls.push_back(std::move(call));
  for (AnswerToken& token : rest.tokens) piece.tokens.push_back(std::move(token));
  return piece;
}

void Append(const AnswerPiece& piece, Answer* answer) {
  answer->reasoning += piece.reasoning;
  answer->content += piece.content;
  for (const AnswerCall& call : piece.calls) {
    if (call.begin || answer->calls.empty()) {
      answer->calls.push_back(call);
    } else {
      answer->calls.back().arguments += call.arguments;
      answer->calls.back().end |= call.end;
      answer->calls.back().complete |= call.complete;
    }
  }
  answer->tokens.insert(answer->tokens.end(), piece.tokens.begin(), piece.tokens.end());
}

}  // namespace fulgur
