// Where an output's stop strings end it: anywhere in its text, or in the visible answer alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_match.h"
#include "text/output_parser.h"

namespace fulgur {

// Releases an output's text up to a stop string. With `answer`, which says how the output is read, stop strings count
// in its content only: not in the thinking, the tags, tool calls, nor white space before the content. (And not in white
// space before tool calls, which is why white space waits there for what follows it.)
class StopFilter {
 public:
  // Throws Error for an empty string. `answer` must have thinks_first: text before a <think> is not looked at.
  StopFilter(const std::vector<std::string>& strings, std::optional<StreamingOutputParser::Options> answer);

  // Text that is certain not to belong to a stop string; nothing once stopped().
  std::string Push(std::string_view text);
  // The end of the text: what was held back.
  std::string Flush();
  bool stopped() const { return strings_.stopped(); }
  const std::string& stop_string() const { return strings_.stop_string(); }

 private:
  bool any_;  // stop strings
  StopStrings strings_;
  std::optional<StreamingOutputParser> parser_;
  std::string held_;   // with parser_: the last bytes of the text so far
  size_t length_ = 0;  // of the text so far
};

}  // namespace fulgur
