#include "engine/stop_filter.h"

#include <utility>

#include "base/error.h"

namespace fulgur {

StopFilter::StopFilter(const std::vector<std::string>& strings, std::optional<StreamingOutputParser::Options> answer)
    : any_(!strings.empty()), strings_(strings) {
  if (!any_ || !answer) return;
  FULGUR_CHECK(answer->thinks_first);
  answer->call_parts = false;
  answer->trim_end = answer->tool_calls;
  parser_.emplace(*answer);
}

std::string StopFilter::Push(std::string_view text) {
  if (!any_) return std::string(text);
  if (!parser_) return strings_.Push(text);
  if (stopped()) return {};
  held_ += text;
  length_ += text.size();
  size_t end = length_;  // of what is released
  if (!parser_->content_over()) {
    const StreamingOutputParser::Delta delta = parser_->Push(text);
    // The content is one stretch of the text, so what of it is left at its end says where a stop string begins.
    const size_t open = strings_.held() + delta.content.size();
    const size_t released = strings_.Push(delta.content).size();
    if (stopped()) {
      end = delta.content_end - (open - released);
    } else if (!parser_->content_over()) {
      end -= parser_->undecided() + strings_.held();
    }
  }
  std::string released = held_.substr(0, held_.size() - (length_ - end));
  held_.erase(0, stopped() ? held_.size() : released.size());
  return released;
}

std::string StopFilter::Flush() {
  if (stopped()) return {};
  return parser_ ? std::exchange(held_, {}) : strings_.Flush();
}

}  // namespace fulgur
