// A chat as a training document: the ids a model would read and write, and which of them it is to learn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

struct Example {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> counts;  // per token: whether the model learns to write it
};

class ConversationEncoder {
 public:
  // Both must outlive this object. Finds out how the template ends an assistant's turn; Error if it cannot.
  ConversationEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template);

  // messages: OpenAI-style; tools: array or null. The ids are those of serving: each assistant turn starts from the
  // generation prompt, its text is encoded on its own as plain text (so the special tokens it may spell stay text), and
  // the end-of-turn token follows. Assistant texts and their end-of-turn tokens count, nothing else does. What follows
  // the last counted token is left out. Error if there is no assistant message, if the template throws, or if it
  // renders a conversation otherwise once more turns follow (dropping earlier thinking, say), so that one document
  // cannot teach all turns.
  //
  // Of an assistant's message, thinking in a field of its own (reasoning_content, reasoning or thinking) goes before
  // the text between <think> and </think>, a function_call is a tool call, and a weight of 0 keeps the message out of
  // what counts (1 is the default; others are an Error). A message of role "function" is one of role "tool".
  Example Encode(const Json& messages, const Json& tools) const;
  // A record's "messages", with its "tools", or "functions" as they were called before.
  Example EncodeRecord(const Json& record) const;

  // The token that ends an assistant's turn.
  int32_t end_of_turn() const { return end_ids_[end_counted_ - 1]; }

 private:
  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  std::string end_text_;          // what the template puts after an assistant's text
  std::vector<int32_t> end_ids_;  // its ids; the first end_counted_ of them, up to the last special one, count
  size_t end_counted_ = 0;
};

// A worked solution as the assistant writes it: "<think>\n{thinking}\n</think>\n\n{answer}".
std::string AssistantText(const std::string& thinking, const std::string& answer);

}  // namespace fulgur
