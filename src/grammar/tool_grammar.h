// Grammars of tool calls as MiniMax-M1 writes them (text/output_parser.h).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/json.h"
#include "grammar/grammar.h"

namespace fulgur {

struct ToolSignature {
  std::string name;
  Json parameters;  // a JSON schema of the arguments, which are an object; null: any object
};

enum class ToolUse {
  kAuto,      // text, or text and then a block of calls, or a block
  kRequired,  // a block of calls: for one tool that is named, pass that one
};

// <tool_calls>, a line {"name": .., "arguments": ..} for each call, </tool_calls>; one call, or up to max_calls.
// Throws Error for no tools, and as JsonOfSchema does, naming the tool.
std::shared_ptr<const Grammar> ToolCallsGrammar(std::span<const ToolSignature> tools, ToolUse use,
                                                uint32_t max_calls = kUnbounded);

// A block of calls, or JSON that the schema allows (null: any object), for an answer that has both tools and a format.
std::shared_ptr<const Grammar> ToolCallsOrJsonGrammar(std::span<const ToolSignature> tools, const Json& schema,
                                                      const std::string& where, uint32_t max_calls = kUnbounded);

}  // namespace fulgur
