#include "serve/answer_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fulgur {

namespace {

constexpr std::chrono::milliseconds kLook{250};
// To wake a thread and send a packet takes about 25 us. All streams together may have 2,500 a second of that, which is
// a packet a token for a few of them; many send what came meanwhile together. Who does not stream waits for the end.
constexpr std::chrono::microseconds kPacket{400};

double Seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

AnswerEnd EndOf(const OutputEnd& end) {
  return {.reason = end.reason,
          .message = end.message,
          .prompt_tokens = end.prompt_tokens,
          .cached_tokens = end.reused_tokens,
          .output_tokens = end.output_tokens,
          .thinking_tokens = end.thinking_tokens,
          .thinking_cut = end.thinking_cut,
          .weights_version = end.weights_version};
}

}  // namespace

AnswerStream::AnswerStream(AnswerStreamParts parts, size_t outputs) : parts_(std::move(parts)), left_(outputs) {
  outputs_.reserve(outputs);
  for (size_t i = 0; i < outputs; ++i) {
    outputs_.push_back({AnswerReader(static_cast<int64_t>(i), parts_.reading, parts_.tokenizer,
                                     fmt::format("call_{}_{}_", parts_.call_id_prefix, i)),
                        {},
                        {}});
  }
}

void AnswerStream::Run(Mailbox& mailbox) {
  while (left_ > 0 && connected_ && !failed_) {
    std::vector<Mailbox::Event> events = Wait(mailbox);
    now_ = Clock::now();
    usage_.timings = mailbox.timings();
    for (Mailbox::Event& event : events) {
      Take(event);
      if (failed_) return;
    }
    if (left_ > 0) Send();
  }
  Finish();
}

std::vector<Mailbox::Event> AnswerStream::Wait(Mailbox& mailbox) {
  const bool stream = parts_.request.stream;
  const Clock::time_point until =
      std::min(looked_ + kLook, stream ? spoke_ + parts_.ping_interval : Clock::time_point::max());
  Clock::time_point gather = until;
  if (stream) gather = begun_ ? spoke_ + parts_.answering.load() * kPacket : Clock::time_point();
  return mailbox.Take(until, gather);
}

void AnswerStream::Take(Mailbox::Event& event) {
  const ApiRequest& request = parts_.request;
  Output& output = outputs_[static_cast<size_t>(event.output)];
  if (!output.first && event.token_count > 0) {
    output.first = now_;
    if (event.output == 0) parts_.metrics.first_token.Add(Seconds(Clock::now() - parts_.start));
  }
  output.tokens += event.token_count;
  AnswerEnd end;
  if (event.end) end = EndOf(*event.end);
  if (request.max_tokens == 0) {  // the engine writes one at least
    event.text.clear();
    event.tokens.clear();
    end.output_tokens = 0;
    usage_.timings.tokens = 0;
  }
  AnswerPiece piece = event.end ? output.reader.Finish(event.text, event.tokens, end.cut())
                                : output.reader.Push(event.text, event.tokens);
  if (!std::exchange(output.begun, true) && request.echo) AddEcho(event, &piece);
  piece.timings = usage_.timings;
  if (event.end && event.end->reason == FinishReason::kError) return Fail(event.end->message);
  if (request.stream) {
    Begin();
    if (!piece.empty()) out_ += parts_.format.Piece(piece);
  }
  if (!request.stream || parts_.on_text) Append(piece, &output.answer);
  if (parts_.on_text && event.end) parts_.on_text(output.answer);
  if (event.end && !output.ended) EndOutput(output, event.output, std::move(end));
}

void AnswerStream::AddEcho(const Mailbox::Event& event, AnswerPiece* piece) const {
  const std::vector<int32_t>& prompt = parts_.prompts[static_cast<size_t>(event.output / parts_.request.outputs)];
  piece->content.insert(0, parts_.tokenizer.Decode(prompt, /*skip_special=*/true));
  std::vector<AnswerToken> tokens;
  for (const OutputToken& token : event.prompt) {
    tokens.push_back(MakeAnswerToken(parts_.tokenizer, token));
    tokens.back().first = tokens.size() == 1;
  }
  piece->tokens.insert(piece->tokens.begin(), tokens.begin(), tokens.end());
}

void AnswerStream::EndOutput(Output& output, int64_t index, AnswerEnd end) {
  output.ended = true;
  --left_;
  end.has_calls = output.reader.has_calls();
  end.broken_call = output.reader.broken_call();
  output.answer.end = std::move(end);
  usage_.Add(output.answer.end, index % parts_.request.outputs == 0);
  if (parts_.request.stream) out_ += parts_.format.OutputEnd(index, output.answer.end);
  if (output.first && output.tokens > 1) {
    parts_.metrics.between_tokens.Add(Seconds(now_ - *output.first) / static_cast<double>(output.tokens - 1));
  }
}

void AnswerStream::Begin() {
  if (begun_) return;
  begun_ = true;
  connected_ = parts_.exchange.Begin(200, parts_.headers);
  out_ = parts_.format.Begin() + out_;
}

void AnswerStream::Fail(const std::string& message) {
  const ApiError error(500, "", message);
  if (!begun_) throw error;
  failed_ = true;
  status_ = 500;
  note_ = error.what();
  parts_.exchange.Write(out_ + parts_.format.Failure(error));
  parts_.exchange.End();
}

// What has come, or, after a silence, a sign of life. Looks from time to time whether the client is still there.
void AnswerStream::Send() {
  if (parts_.request.stream && out_.empty() && now_ >= spoke_ + parts_.ping_interval) {
    Begin();
    out_ += parts_.format.Ping();
  }
  if (!out_.empty() && connected_) {
    connected_ = parts_.exchange.Write(out_);
    out_.clear();
    spoke_ = now_;
  }
  if (connected_ && now_ >= looked_ + kLook) {
    connected_ = parts_.exchange.Connected();
    looked_ = now_;
  }
}

void AnswerStream::Finish() {
  parts_.metrics.duration.Add(Seconds(Clock::now() - parts_.start));
  parts_.metrics.prompt_tokens.Add(static_cast<double>(parts_.prompt_tokens));
  parts_.metrics.output_tokens.Add(static_cast<double>(usage_.output_tokens));
  if (left_ > 0) {
    status_ = 499;
    note_ = "the client has gone";
    if (!begun_) parts_.exchange.Send({.status = 499, .headers = {}, .body = {}});
    return;
  }
  const AnswerEnd& end = outputs_.front().answer.end;
  note_ = fmt::format("prompt {} cached {} output {} thinking {} {}{}", usage_.prompt_tokens, usage_.cached_tokens,
                      usage_.output_tokens, usage_.thinking_tokens, FinishReasonName(end.reason),
                      end.thinking_cut ? " thinking-cut" : "");
  if (parts_.request.stream) {
    Begin();
    out_ += parts_.format.End(usage_);
    parts_.on_finished();
    if (connected_) connected_ = parts_.exchange.Write(out_);
    parts_.exchange.End();
    return;
  }
  std::vector<Answer> answers;
  for (Output& output : outputs_) answers.push_back(std::move(output.answer));
  HttpReply reply = JsonReply(parts_.format.Whole(answers, usage_));
  parts_.on_finished();
  reply.headers.insert(reply.headers.end(), parts_.headers.begin(), parts_.headers.end());
  parts_.exchange.Send(reply);
}

}  // namespace fulgur
