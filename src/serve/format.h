// An answer in the shape of the API that asked for it: one JSON object, or a stream of server-sent events.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/answer.h"
#include "serve/api_error.h"
#include "serve/http_message.h"
#include "serve/request.h"

namespace fulgur {

// What chat completions call the thinking.
enum class ReasoningField { kBoth, kReasoningContent, kReasoning, kInline };  // kInline: <think> in the content

struct AnswerIdentity {
  std::string id;           // of the request; the APIs put a prefix before it
  int64_t created = 0;      // seconds since 1970
  std::string model;        // its name
  std::string fingerprint;  // of server and weights
  ReasoningField reasoning = ReasoningField::kBoth;
  int64_t prompt_tokens = 0;  // of all prompts, as known before anything ran
};

// Calls for a stream, in order: Begin; Piece and OutputEnd, those of several outputs mixed; End. Failure may take the
// place of anything after Begin and ends it. All return what to send, possibly nothing.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  virtual Json Whole(const std::vector<Answer>& answers, const AnswerUsage& usage) = 0;

  virtual std::string Begin() { return {}; }
  virtual std::string Piece(const AnswerPiece& piece) = 0;
  virtual std::string OutputEnd(int64_t output, const AnswerEnd& end) = 0;
  virtual std::string End(const AnswerUsage& usage) = 0;
  virtual std::string Failure(const ApiError& error) = 0;
  virtual std::string Ping() { return ": ping\n\n"; }
  // The whole response, after Whole or End, if the request wants it kept.
  virtual const Json* Finished() const { return nullptr; }
};

// The request must outlive the format.
std::unique_ptr<AnswerFormat> MakeFormat(const ApiRequest& request, AnswerIdentity identity);
std::unique_ptr<AnswerFormat> ChatFormat(const ApiRequest& request, AnswerIdentity identity);
std::unique_ptr<AnswerFormat> CompletionsFormat(const ApiRequest& request, AnswerIdentity identity);
std::unique_ptr<AnswerFormat> ResponsesFormat(const ApiRequest& request, AnswerIdentity identity);
std::unique_ptr<AnswerFormat> MessagesFormat(const ApiRequest& request, AnswerIdentity identity);

// JSON text; invalid UTF-8 (part of a character in a token) becomes U+FFFD.
std::string JsonText(const Json& json);
HttpReply JsonReply(const Json& json, int status = 200);
// "data: ...", with "event: ..." before it if there is a name.
std::string ServerSentEvent(const Json& json, std::string_view name = {});

// ---- shared by the formats

// Why an output ended, beyond the few words that the APIs have for it: {"type": FinishReasonName, "stop_string"?,
// "thinking_tokens", "thinking_cut"}.
Json FinishDetails(const AnswerEnd& end);
// A token's bytes as text. Those that are no whole character are written \xf0, as OpenAI does, since JSON cannot have
// them.
std::string TokenText(const std::string& bytes);
// [{"token", "logprob", "bytes", "top_logprobs", "sampled"?}]
Json TokenLogprobs(const std::vector<AnswerToken>& tokens);

}  // namespace fulgur
