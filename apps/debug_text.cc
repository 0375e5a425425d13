// fulgur debug template, jinja, parse: chat templates and the reading of model output, on JSON lines.
#include <memory>
#include <string>
#include <utility>

#include "apps/commands.h"
#include "apps/json_lines.h"
#include "jinja/jinja.h"
#include "text/chat_template.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

// The answer carries the line's name, if it has one.
template <typename F>
void AnswerNamedLines(F answer) {
  AnswerJsonLines([&](const Json& line) {
    if (!line.is_object()) throw Error("expected a JSON object, found {}", line.type_name());
    Json result = Json::object();
    if (line.contains("name")) result["name"] = line["name"];
    try {
      result.update(answer(line));
    } catch (const Error& e) {
      result["error"] = e.what();
    }
    return result;
  });
}

Json Or(const Json& line, const char* key, Json fallback) { return line.contains(key) ? line[key] : fallback; }

Json RenderChat(const ChatTemplate& chat, const Json& line, ChatTemplate::Mode mode) {
  if (!line.contains("messages")) throw Error("the key \"messages\" is missing");
  const bool prompt = JsonGetOr<bool>(line, "add_generation_prompt", false, "the line");
  return {{"rendered", chat.Render(line["messages"], Or(line, "tools", nullptr), prompt, mode)}};
}

Json RenderJinja(const Json& line) {
  const JinjaTemplate jinja(JsonGet<std::string>(line, "template", "the line"));
  JinjaTemplate::Options options;
  if (line.contains("now")) options.now = ParseDateTime(JsonGet<std::string>(line, "now", "the line"));
  return {{"expected", jinja.Render(Or(line, "context", Json::object()), nullptr, options).text}};
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ToJson(const std::string& reasoning, const std::string& content, const std::vector<ToolCall>& calls) {
  Json list = Json::array();
  for (const ToolCall& call : calls) list.push_back({{"name", call.name}, {"arguments", call.arguments}});
  return {{"reasoning", TextOrNull(reasoning)}, {"content", TextOrNull(content)}, {"tool_calls", std::move(list)}};
}

Json Parse(const Json& line) {
  const ParsedOutput parsed = ParseOutput(JsonGet<std::string>(line, "model_output", "the line"));
  return {{"expected", ToJson(parsed.reasoning, parsed.content, parsed.tool_calls)}};
}

Json ParseStream(const Json& line) {
  if (!line.contains("deltas") || !line["deltas"].is_array()) throw Error("expected a list \"deltas\"");
  StreamingOutputParser parser;
  StreamingOutputParser::Delta whole;
  Json pieces = Json::array();
  const auto add = [&](StreamingOutputParser::Delta delta) {
    pieces.push_back(ToJson(delta.reasoning, delta.content, delta.tool_calls));
    whole.reasoning += delta.reasoning;
    whole.content += delta.content;
    for (ToolCall& call : delta.tool_calls) whole.tool_calls.push_back(std::move(call));
  };
  for (const Json& piece : line["deltas"]) {
    if (!piece.is_string()) throw Error("deltas[{}] is not a string", pieces.size());
    add(parser.Push(piece.get_ref<const std::string&>()));
  }
  add(parser.Finish());
  return {{"expected", ToJson(whole.reasoning, whole.content, whole.tool_calls)}, {"deltas", std::move(pieces)}};
}

}  // namespace

void AddDebugText(CLI::App& debug) {
  CLI::App* chat = debug.add_subcommand(
      "template",
      "Lines {\"messages\", \"tools\", \"add_generation_prompt\"} to {\"rendered\"}, by a folder's chat template");
  auto dir = std::make_shared<std::string>();
  auto serving = std::make_shared<bool>(false);
  chat->add_option("--tokenizer", *dir, "The folder with tokenizer_config.json")->required();
  chat->add_flag("--serving", *serving, "Take messages as clients send them, instead of as the template wants them");
  SetAction(*chat, [dir, serving] {
    const ChatTemplate chat_template = ChatTemplate::FromFolder(*dir);
    const auto mode = *serving ? ChatTemplate::Mode::kServing : ChatTemplate::Mode::kOfficial;
    AnswerNamedLines([&](const Json& line) { return RenderChat(chat_template, line, mode); });
  });

  CLI::App* jinja =
      debug.add_subcommand("jinja", "Lines {\"template\", \"context\", \"now\"} to {\"expected\"}, the rendered text");
  SetAction(*jinja, [] { AnswerNamedLines(RenderJinja); });

  CLI::App* parse = debug.add_subcommand(
      "parse", "Lines {\"model_output\"} to {\"expected\": {\"reasoning\", \"content\", \"tool_calls\"}}");
  auto stream = std::make_shared<bool>(false);
  parse->add_flag("--stream", *stream, "Lines {\"deltas\"}; the answer also has \"deltas\", what each piece gave");
  SetAction(*parse, [stream] { AnswerNamedLines(*stream ? ParseStream : Parse); });
}

}  // namespace fulgur
