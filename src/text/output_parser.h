// Model output to reasoning, content and tool calls: the rules of golden-text/README.md section 3.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur {

struct ToolCall {
  std::string name;
  Json arguments;
};

struct ParsedOutput {
  std::string reasoning, content;
  std::vector<ToolCall> tool_calls;
};

ParsedOutput ParseOutput(std::string_view text);

// The same, piece by piece. Concatenating all deltas gives ParseOutput's reasoning and content after trimming; a partial tag is never
// emitted. Reasoning that opens without <think> (only a </think> comes later) cannot be known in advance: `starts_in_thinking` says that the prompt
// already opened it; otherwise such text is held until it is decided.
class StreamingOutputParser {
 public:
  struct Delta {
    std::string reasoning, content;
    std::vector<ToolCall> tool_calls;  // each once, when its line is complete
  };
  explicit StreamingOutputParser(bool starts_in_thinking = false);
  Delta Push(std::string_view text);
  Delta Finish();

 private:
  // the implementer's
};

}  // namespace fulgur
