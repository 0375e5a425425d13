// A chat, turn by turn. The state of what the model has already read is kept, so that a turn processes only what is
// new.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/generation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

class Conversation {
 public:
  // Both must outlive the conversation. keep_thinking: earlier answers stay in the prompt with their thinking;
  // otherwise only the text after it does, and the answer (not its thinking) is read again at the next turn.
  Conversation(const Tokenizer& tokenizer, const ChatTemplate& chat, bool keep_thinking = false);

  // Empty: none. Starts the chat anew.
  void Reset(std::string system);

  // The request for an answer to `text`: prompt, and the state of the longest beginning of it that is at hand. The
  // caller adds sampling and stopping rules. The turn counts once Answered is called; without that the next Ask
  // replaces it.
  GenerationRequest Ask(const std::string& text);
  // The answer to the last Ask: its tokens, text and end, and the state of its last event (may be null), which is moved
  // from.
  void Answered(const std::vector<OutputToken>& tokens, const std::string& text, const OutputEnd& end,
                SequenceState* state);

  const Json& messages() const { return messages_; }

 private:
  struct Snapshot {
    std::vector<int32_t> ids;  // of the sequence; the state has taken in the first state.length() of them
    SequenceState state;
  };

  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  bool keep_thinking_;
  Json messages_ = Json::array();
  std::optional<Json> asked_;  // the message of the last Ask
  std::vector<int32_t> prompt_;
  std::vector<Snapshot> snapshots_;  // of the last turn: after its prompt, after its answer
};

}  // namespace fulgur
