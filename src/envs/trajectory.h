// What a policy saw and wrote in one episode.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/finish_reason.h"
#include "text/output_parser.h"

namespace fulgur {

// What the assistant said in one turn.
struct AssistantTurn {
  std::string text;     // as the model wrote it, without the stop token; thinking and calls are in it
  ParsedOutput parsed;  // the same, parted into reasoning, content and tool calls
  FinishReason finish = FinishReason::kStop;
  int64_t thinking_tokens = 0;
};

struct TrajectoryTurn : AssistantTurn {
  int64_t begin = 0, end = 0;  // its tokens are ids[begin, end) of the trajectory
  Json reply;                  // the messages that the environment answered with; null: it ended the episode
};

// The tokens follow the prompt that the episode started with. Between two turns stand the tokens of the environment's
// messages; they, and those that the engine appends to end a thinking, are no part of the loss.
struct Trajectory {
  std::vector<int32_t> ids;  // as generated; never encoded from text again
  // In the distribution that each was drawn from, temperature and top-p included, of the model that generated; 0 where
  // a token was not sampled.
  std::vector<float> logprobs;
  std::vector<uint8_t> sampled;  // 1: drawn from the model, and part of the loss
  // Per token those that it was drawn among, in increasing order; empty: the whole vocabulary. Without top-p no list.
  std::vector<std::vector<int32_t>> kept;
  std::vector<TrajectoryTurn> turns;
  // Of the last turn; kLength also if a reply of the environment did not fit any more.
  FinishReason finish = FinishReason::kStop;

  int64_t sampled_tokens() const;
  int64_t thinking_tokens() const;
  // Whether the engine closed a thinking, because its budget was used up.
  bool thinking_cut() const;
  // The text after the thinking of the last turn: what a rule looks for an answer in. Empty without a turn.
  const std::string& answer() const;
};

}  // namespace fulgur
