// How M1 marks the parts of what it writes: <think>, its reasoning, </think>, then an answer and/or <tool_calls>, one
// JSON object a line with name and arguments, </tool_calls> (the chat template of MiniMax-M1). output_parser.h reads
// it.
#pragma once

#include <string_view>

namespace fulgur {

inline constexpr std::string_view kThinkOpen = "<think>", kThinkClose = "</think>", kToolCallsOpen = "<tool_calls>",
                                  kToolCallsClose = "</tool_calls>";

// What follows the thinking: the text after the last </think>, or all of it if there is none.
constexpr std::string_view AfterThinking(std::string_view text) {
  const size_t close = text.rfind(kThinkClose);
  return close == std::string_view::npos ? text : text.substr(close + kThinkClose.size());
}

}  // namespace fulgur
