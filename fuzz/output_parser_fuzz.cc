// Model output, cut by what its first byte says: the pieces must give what the whole gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/output_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  if (size == 0) return 0;
  uint32_t state = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ParsedOutput whole = ParseOutput(text);

  StreamingOutputParser parser;
  ParsedOutput streamed;
  const auto add = [&](const StreamingOutputParser::Delta& delta) {
    streamed.reasoning += delta.reasoning;
    streamed.content += delta.content;
    streamed.tool_calls.insert(streamed.tool_calls.end(), delta.tool_calls.begin(), delta.tool_calls.end());
  };
  for (size_t begin = 0; begin < text.size();) {
    state = state * 1664525u + 1013904223u;
    const size_t length = (state >> 24) % 9;
    add(parser.Push(text.substr(begin, length)));
    begin += length;
  }
  add(parser.Finish());

  FULGUR_CHECK(streamed.reasoning == whole.reasoning);
  FULGUR_CHECK(streamed.content == whole.content);
  FULGUR_CHECK(streamed.tool_calls.size() == whole.tool_calls.size());
  for (size_t i = 0; i < whole.tool_calls.size(); ++i) {
    FULGUR_CHECK(streamed.tool_calls[i].name == whole.tool_calls[i].name);
    FULGUR_CHECK(streamed.tool_calls[i].arguments == whole.tool_calls[i].arguments);
    whole.tool_calls[i].arguments.dump(-1, ' ', true, Json::error_handler_t::replace);
  }
  return 0;
}
