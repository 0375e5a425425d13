#include "engine/thinking.h"

namespace fulgur {

ThinkingTracker::ThinkingTracker(bool starts_open)
    : phase_(starts_open ? Phase::kOpen : Phase::kBefore),
      open_tag_(std::string(kThinkOpen)),
      close_tag_(std::string(kThinkClose)),
      tool_calls_tag_(std::string(kToolCallsOpen)) {}

void ThinkingTracker::Push(std::string_view bytes, bool sampled) {
  if (phase_ == Phase::kOpen && sampled) {
    ++tokens_;
    ++after_open_;
    if (!bytes.empty()) last_.push_back(position_);
  }
  for (char byte : bytes) {
    ++position_;
    if (phase_ == Phase::kBefore) {
      const bool opens = open_tag_.Push(byte), calls = tool_calls_tag_.Push(byte);
      if (opens) phase_ = Phase::kOpen;
      if (calls) phase_ = Phase::kAfter;
    } else if (phase_ == Phase::kOpen && close_tag_.Push(byte)) {
      phase_ = Phase::kAfter;
      const int64_t tag = position_ - static_cast<int64_t>(kThinkClose.size());
      for (int64_t begin : last_) tokens_ -= begin >= tag;
      last_.clear();
    }
  }
  if (!bytes.empty()) last_byte_ = bytes.back();
  // A tag that ends later begins after this point at the earliest.
  while (!last_.empty() && last_.front() < position_ - static_cast<int64_t>(close_tag_.partial())) last_.pop_front();
}

std::string ThinkingTracker::Closing(std::string_view sentence) const {
  std::string text;
  const size_t begun = close_tag_.partial();
  if (begun == 0) {
    if (last_byte_ != '\n') text += '\n';
    if (!sentence.empty()) text.append(sentence).append("\n");
  }
  return text.append(kThinkClose.substr(begun)).append("\n\n");
}

std::string ThinkingTracker::NoThinking(bool starts_open) {
  return (starts_open ? std::string() : std::string(kThinkOpen)).append("\n\n").append(kThinkClose).append("\n\n");
}

}  // namespace fulgur
