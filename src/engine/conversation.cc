#include "engine/conversation.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/output_parser.h"

namespace fulgur {

Conversation::Conversation(const Tokenizer& tokenizer, const ChatTemplate& chat, bool keep_thinking)
    : tokenizer_(tokenizer), chat_(chat), keep_thinking_(keep_thinking) {}

void Conversation::Reset(std::string system) {
  messages_ = Json::array();
  if (!system.empty()) messages_.push_back({{"role", "system"}, {"content", std::move(system)}});
  asked_.reset();
  snapshots_.clear();
}

GenerationRequest Conversation::Ask(const std::string& text) {
  asked_ = Json{{"role", "user"}, {"content", text}};
  Json messages = messages_;
  messages.push_back(*asked_);
  GenerationRequest request;
  request.prompt = chat_.Encode(tokenizer_, messages, /*tools=*/nullptr, /*add_generation_prompt=*/true);
  request.keep_prompt_state = true;
  prompt_ = request.prompt;

  // The snapshot with the most tokens in common. At least one token is left to process: its logits are the answer's
  // first.
  const Snapshot* best = nullptr;
  int64_t best_length = 0;
  for (const Snapshot& s : snapshots_) {
    const auto differ = std::mismatch(s.ids.begin(), s.ids.end(), prompt_.begin(), prompt_.end());
    const int64_t common = std::min<int64_t>(differ.first - s.ids.begin(), static_cast<int64_t>(prompt_.size()) - 1);
    const int64_t length = std::min(common, s.state.length());
    if (length > best_length && s.state.CanTruncate(length)) {
      best = &s;
      best_length = length;
    }
  }
  if (best != nullptr) {
    request.state = best->state;
    request.state->Truncate(best_length);
  }
  return request;
}

void Conversation::Answered(const std::vector<OutputToken>& tokens, const std::string& text, const OutputEnd& end,
                            SequenceState* state) {
  FULGUR_CHECK(asked_.has_value());
  messages_.push_back(*std::exchange(asked_, std::nullopt));
  messages_.push_back({{"role", "assistant"}, {"content", keep_thinking_ ? text : ParseOutput(text).content}});
  snapshots_.clear();
  if (end.prompt_state) snapshots_.push_back({prompt_, *end.prompt_state});
  if (state != nullptr) {
    std::vector<int32_t> ids = prompt_;
    for (const OutputToken& t : tokens) ids.push_back(t.id);
    snapshots_.push_back({std::move(ids), std::move(*state)});
  }
}

}  // namespace fulgur
