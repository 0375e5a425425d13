// What a request is answered with, before it takes the shape of an API.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "serve/request.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace fulgur {

struct AnswerToken {
  int32_t id = 0;
  std::string bytes;  // may be part of a character
  bool sampled = true;
  float logprob = 0;
  std::vector<std::pair<std::string, float>> top;  // bytes and log-probability
};

// A tool call, or the next piece of one.
struct AnswerCall {
  int64_t index = 0;      // of the output's calls
  std::string id;         // in the first piece
  std::string name;       // in the first piece
  std::string arguments;  // JSON text
  bool begin = false, end = false;
};

// The next piece of one output.
struct AnswerPiece {
  int64_t output = 0;
  std::string reasoning, content;
  std::vector<AnswerCall> calls;
  std::vector<AnswerToken> tokens;  // if the request wants log-probabilities
  bool empty() const { return reasoning.empty() && content.empty() && calls.empty() && tokens.empty(); }
};

struct AnswerEnd {
  FinishReason reason = FinishReason::kStop;
  std::string message;  // kStopString: which; kError: what happened
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  bool thinking_cut = false;
  bool has_calls = false;
  int64_t weights_version = 1;
};

struct Answer {
  std::string reasoning, content;
  std::vector<AnswerCall> calls;
  std::vector<AnswerToken> tokens;
  AnswerEnd end;
};

struct AnswerUsage {
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  // Every prompt counts once, however many outputs it has.
  void Add(const AnswerEnd& end, bool first_of_prompt);
};

// The text of one output to pieces: thinking, content, calls.
class AnswerReader {
 public:
  // start: what the prompt ends in.
  using Start = StreamingOutputParser::Options::Start;
  // raw: everything is content (text completions; thinking left where it is).
  AnswerReader(int64_t output, Start start, bool tool_calls, bool raw, std::string call_id_prefix);

  AnswerPiece Push(std::string_view text);
  AnswerPiece Finish();
  bool has_calls() const { return has_calls_; }

 private:
  AnswerPiece Take(StreamingOutputParser::Delta delta);

  int64_t output_;
  bool raw_;
  std::string call_id_prefix_;
  StreamingOutputParser parser_;
  bool has_calls_ = false;
};

// A piece onto what is there.
void Append(const AnswerPiece& piece, Answer* answer);

}  // namespace fulgur
