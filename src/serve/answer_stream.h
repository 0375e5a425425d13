// What one request generates, on its way from the scheduler to the client: piece by piece, or whole at the end.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "serve/answer.h"
#include "serve/format.h"
#include "serve/http_server.h"
#include "serve/mailbox.h"
#include "serve/metrics.h"
#include "serve/request.h"
#include "text/tokenizer.h"

namespace fulgur {

// What a stream works with. All of it outlives the stream.
struct AnswerStreamParts {
  const ApiRequest& request;
  const std::optional<AnswerReader::Options>& reading;
  const std::vector<std::vector<int32_t>>& prompts;  // their ids, if the request wants them echoed
  int64_t prompt_tokens;                             // of all prompts
  const Tokenizer& tokenizer;
  AnswerFormat& format;
  HttpExchange& exchange;
  HttpHeaders headers;  // of the reply
  ServerMetrics& metrics;
  const std::atomic<int64_t>& answering;  // requests that wait for tokens
  std::chrono::milliseconds ping_interval;
  std::chrono::steady_clock::time_point start;  // when the request came
  std::string call_id_prefix;
  // Called with each output's whole text when it has ended; empty: nobody wants it.
  std::function<void(const Answer&)> on_text;
  // Called before the client has the end of the response, so that it finds what it asks for next.
  std::function<void()> on_finished;
};

class AnswerStream {
 public:
  // outputs: of all prompts together.
  AnswerStream(AnswerStreamParts parts, size_t outputs);

  // Sends what comes into the mailbox until all outputs have ended or the client has gone. Throws ApiError (500) if
  // generation fails before anything was sent.
  void Run(Mailbox& mailbox);

  // Afterwards: the status that the client got, or would have got, and a line about the answer for the log.
  int status() const { return status_; }
  const std::string& note() const { return note_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Output {
    AnswerReader reader;
    Answer answer;  // whole, if it is not streamed
    std::optional<Clock::time_point> first;
    int64_t tokens = 0;
    bool begun = false, ended = false;
  };

  std::vector<Mailbox::Event> Wait(Mailbox& mailbox);
  void Take(Mailbox::Event& event);
  void AddEcho(const Mailbox::Event& event, AnswerPiece* piece) const;
  void EndOutput(Output& output, int64_t index, AnswerEnd end);
  void Begin();
  void Fail(const std::string& message);
  void Send();
  void Finish();

  AnswerStreamParts parts_;
  std::vector<Output> outputs_;
  size_t left_;  // outputs that have not ended
  AnswerUsage usage_;
  bool begun_ = false, connected_ = true, failed_ = false;
  std::string out_;  // to be written with the next piece
  Clock::time_point now_ = Clock::now();
  Clock::time_point spoke_ = now_, looked_ = now_;  // when something was sent, when the connection was looked at
  int status_ = 200;
  std::string note_;
};

}  // namespace fulgur
