#include "grammar/tool_grammar.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "grammar/json_schema.h"
#include "text/output_format.h"

namespace fulgur {

namespace {

constexpr size_t kMaxTools = 512;

// The arguments of one tool. Calls are a line each, so there are no line breaks in them.
GrammarPiece Arguments(GrammarBuilder& builder, const ToolSignature& tool, const std::string& where) {
  if (tool.parameters.is_null()) return AnyJsonObject(builder, JsonLayout::kOneLine);
  return JsonOfSchema(builder, tool.parameters, JsonLayout::kOneLine, where, /*object_only=*/true);
}

// A block of calls behind its opening tag.
GrammarPiece BlockOf(GrammarBuilder& b, std::span<const ToolSignature> tools, uint32_t max_calls) {
  if (tools.empty()) throw Error("there are no tools to call");
  if (tools.size() > kMaxTools) throw Error("{} tools; there can be at most {}", tools.size(), kMaxTools);
  if (max_calls == 0) throw Error("at most 0 tool calls; there is at least one");
  const GrammarPiece space = b.Optional(b.Literal(" "));
  std::vector<GrammarPiece> calls;
  for (const ToolSignature& tool : tools) {
    const std::string where = fmt::format("the parameters of the tool {}", tool.name);
    if (!tool.parameters.is_null()) {
      // A tool that cannot be called would silently never be.
      GrammarBuilder alone;
      const GrammarPiece arguments = Arguments(alone, tool, where);
      try {
        alone.Build(arguments);
      } catch (const Error& e) {
        throw Error("{}: {}", where, e.what());
      }
    }
    calls.push_back(b.Sequence({b.Literal(Json(tool.name).dump()), b.Literal(","), space, b.Literal("\"arguments\":"),
                                space, Arguments(b, tool, where), b.Literal("}")}));
  }
  const GrammarPiece line = b.Sequence({b.Literal("{\"name\":"), space, b.Choice(std::move(calls)), b.Literal("\n")});
  return b.Sequence({b.Literal("\n"), b.Repeat(line, 1, max_calls), b.Literal(kToolCallsClose)});
}

}  // namespace

std::shared_ptr<const Grammar> ToolCallsGrammar(std::span<const ToolSignature> tools, ToolUse use, uint32_t max_calls) {
  GrammarBuilder b;
  const GrammarPiece rest = BlockOf(b, tools, max_calls);
  if (use == ToolUse::kRequired) return b.Build(b.Sequence({b.Literal(kToolCallsOpen), rest}));
  return b.Build(b.Choice({b.TextWithout(kToolCallsOpen, /*then_tag=*/false),
                           b.Sequence({b.TextWithout(kToolCallsOpen, /*then_tag=*/true), rest})}));
}

std::shared_ptr<const Grammar> ToolCallsOrJsonGrammar(std::span<const ToolSignature> tools, const Json& schema,
                                                      const std::string& where, uint32_t max_calls) {
  GrammarBuilder b;
  const GrammarPiece json =
      schema.is_null() ? AnyJsonObject(b, JsonLayout::kLines) : JsonOfSchema(b, schema, JsonLayout::kLines, where);
  return b.Build(b.Choice({json, b.Sequence({b.Literal(kToolCallsOpen), BlockOf(b, tools, max_calls)})}));
}

}  // namespace fulgur
