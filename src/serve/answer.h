// What a request is answered with, before it takes the shape of an API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "serve/request.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace fulgur {

// A token of an answer's text.
struct AnswerToken {
  int32_t id = 0;
  std::string bytes;  // may be part of a character; without what is not of the text (a space before it, a stop string)
  bool sampled = true;
  bool special = false;  // no text
  bool first = false;    // of a prompt: it has no log-probability
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
  bool complete = false;  // with end: nothing of it is missing, and the arguments are JSON
};

// How fast a request's outputs came, as the scheduler saw them.
struct AnswerTimings {
  int64_t tokens = 0;         // so far, of all outputs
  int64_t timed_tokens = 0;   // of those, the ones after the first pass of their output
  double first_seconds = 0;   // from the request to the first token: the wait and the prompt
  double output_seconds = 0;  // from the first token to the last
};

// The next piece of one output.
struct AnswerPiece {
  int64_t output = 0;
  std::string reasoning, content;
  std::vector<AnswerCall> calls;
  std::vector<AnswerToken> tokens;  // of the content, if the request wants log-probabilities
  AnswerTimings timings{};          // as of this piece
  bool empty() const { return reasoning.empty() && content.empty() && calls.empty() && tokens.empty(); }
};

struct AnswerEnd {
  FinishReason reason = FinishReason::kStop;
  std::string message;  // kStopString: which; kError: what happened
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  bool thinking_cut = false;
  bool has_calls = false;
  bool broken_call = false;  // one of them is not complete
  int64_t weights_version = 1;

  // Something ended the answer that the model would have gone on with.
  bool cut() const { return !EndedByModel(reason); }
  // The model ended its answer with calls that can be run.
  bool calls() const { return reason == FinishReason::kStop && has_calls && !broken_call; }
};

struct Answer {
  std::string reasoning, content;
  std::vector<AnswerCall> calls;
  std::vector<AnswerToken> tokens;
  AnswerEnd end;
};

struct AnswerUsage {
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  AnswerTimings timings{};
  // Every prompt counts once, however many outputs it has.
  void Add(const AnswerEnd& end, bool first_of_prompt);
};

// Which tokens of an output make up its content. A token that reaches into the content counts with the bytes that do,
// so that all of them put together are the content.
class ContentTokens {
 public:
  explicit ContentTokens(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void Add(std::span<const OutputToken> tokens);
  // No more tokens come. cut: the beginning of a character at the end is no text.
  void End(bool cut);
  // The tokens, of those not yet taken, that can be told to be content. `size` bytes of content are new and end at byte
  // `end` of the output's text; no further content begins before byte `decided`. over: no more content comes.
  std::vector<AnswerToken> Take(size_t size, size_t end, size_t decided, bool over);

 private:
  // A token, or several that share characters: bytes [begin, end) of the text.
  struct Group {
    std::vector<AnswerToken> tokens;
    size_t begin = 0, end = 0;
    // Without so many bytes at their beginning and end.
    void Trim(size_t front, size_t back);
  };

  const Tokenizer& tokenizer_;
  std::deque<Group> groups_;
  Group open_;           // its last character is not complete
  std::string pending_;  // the bytes of that
  std::optional<size_t> content_begin_;
  size_t content_end_ = 0;
};

AnswerToken MakeAnswerToken(const Tokenizer& tokenizer, const OutputToken& token);

// The text of one output to pieces: thinking, content, calls.
class AnswerReader {
 public:
  using Options = StreamingOutputParser::Options;
  // options: how the output is read. None: all of it is content (text completions; thinking stays where it is).
  AnswerReader(int64_t output, const std::optional<Options>& options, const Tokenizer& tokenizer,
               std::string call_id_prefix);

  // What has come, and the tokens that it came in, if the request wants log-probabilities.
  AnswerPiece Push(std::string_view text, std::span<const OutputToken> tokens = {});
  // The last of it. cut: the model would have gone on.
  AnswerPiece Finish(std::string_view text, std::span<const OutputToken> tokens, bool cut);

  bool has_calls() const { return has_calls_; }
  bool broken_call() const { return broken_call_; }

 private:
  AnswerPiece Take(StreamingOutputParser::Delta delta, std::span<const OutputToken> tokens, bool last);

  int64_t output_;
  const Tokenizer& tokenizer_;
  std::string call_id_prefix_;
  std::optional<StreamingOutputParser> parser_;
  ContentTokens content_tokens_;
  size_t text_ = 0;  // bytes so far
  bool has_calls_ = false, broken_call_ = false;
};

// A piece onto what is there.
void Append(const AnswerPiece& piece, Answer* answer);

}  // namespace fulgur
