// Where the thinking of an output begins and ends, counted in tokens, and how it is cut short.
//
// <think> and </think> are plain text for M1, several tokens each, whose last one may carry text that follows. So all
// is defined by position in the bytes of the output (text/output_parser.h has the rule for the tags: the first <think>
// that no <tool_calls> precedes opens, the first </think> after it closes):
//   - A token is a thinking token if it begins after the end of <think> and before the beginning of </think>.
//   - The budget is compared with the number of sampled tokens that begin after the end of <think>. When that many are
//     there and </think> is not complete, the thinking is closed: the engine appends the tokens of closing(). So an
//     output never has more sampled thinking tokens than the budget, and it has exactly that many if the thinking was
//     closed between two thoughts.
//   - Tokens that the engine appends are not sampled: they count as output, never as thinking tokens.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "engine/text_match.h"
#include "text/output_format.h"

namespace fulgur {

// What the engine writes when the budget is used up, before </think>. Any short sentence will do.
inline constexpr std::string_view kClosingSentence = "I have thought long enough, so I will answer now.";

class ThinkingTracker {
 public:
  // starts_open: the prompt has already opened the thinking.
  explicit ThinkingTracker(bool starts_open);

  // The next token's bytes. sampled: false for tokens that the engine appended.
  void Push(std::string_view bytes, bool sampled);

  // The output is known to have no thinking: a <think> that comes later is part of it.
  void RuleOut() {
    if (phase_ == Phase::kBefore) phase_ = Phase::kAfter;
  }

  bool open() const { return phase_ == Phase::kOpen; }
  bool closed() const { return phase_ == Phase::kAfter; }
  int64_t tokens() const { return tokens_; }          // thinking tokens; while open: as if </think> never came
  int64_t after_open() const { return after_open_; }  // what the budget is compared with

  // Text that closes the open thinking: the rest of a </think> that has been begun; else a line with the sentence, then
  // the tag. An empty line follows.
  std::string Closing(std::string_view sentence) const;

  // The whole output's beginning if there is to be no thinking at all (budget 0): an empty one, which a model that was
  // trained to think first takes as thinking done.
  static std::string NoThinking(bool starts_open);

 private:
  enum class Phase { kBefore, kOpen, kAfter };
  Phase phase_;
  LiteralMatcher open_tag_, close_tag_, tool_calls_tag_;
  int64_t tokens_ = 0, after_open_ = 0;
  int64_t position_ = 0;      // bytes so far
  std::deque<int64_t> last_;  // where the sampled tokens begin that may yet turn out to be part of </think>
  char last_byte_ = '\n';
};

}  // namespace fulgur
