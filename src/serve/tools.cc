// The tools of a request.
#include <algorithm>
#include <string>
#include <utility>

#include "serve/request.h"

namespace fulgur {
namespace {

std::string ToolName(Fields& fields) {
  const std::string name = fields.NeedString("name");
  constexpr size_t kLongest = 128;
  const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
  if (name.empty() || name.size() > kLongest || !printable) {
    throw Invalid(fields.Path("name"), "must be 1 to {} characters without spaces", kLongest);
  }
  return name;
}

void AddTool(Json function, const std::string& path, ApiRequest* request) {
  constexpr size_t kMost = 1024;
  if (request->tools.is_null()) request->tools = Json::array();
  if (request->tools.size() == kMost) throw Invalid("tools", "has more than {} tools", kMost);
  for (const Json& other : request->tools) {
    if (other["function"]["name"] == function["name"]) {
      throw Invalid(path, "an earlier tool has the name {} too", Shown(function["name"]));
    }
  }
  request->tools.push_back({{"type", "function"}, {"function", std::move(function)}});
}

// A tool that takes a text. To the model it is a function with one string, which is held to that.
void AddCustom(Fields& fields, ApiRequest* request) {
  const std::string name = ToolName(fields);
  Json input = {{"type", "string"}};
  if (const Json* format = fields.Object("format")) {
    Fields sub(*format, fields.Path("format"), fields.ignored());
    if (sub.Choice("type", {"text", "grammar"}) == "grammar") {
      // Chat completions have the grammar in an object of its own. The model sees it and is not held to it.
      const Json* nested = sub.Object("grammar");
      Fields grammar(nested == nullptr ? *format : *nested, nested == nullptr ? sub.path() : sub.Path("grammar"));
      input["description"] = fmt::format("Follows this {} grammar:\n{}", grammar.String("syntax").value_or("lark"),
                                         grammar.NeedString("definition"));
      sub.KnownAll();
      fields.Ignore("format", "grammar");
    }
  }
  Json function = {{"name", name}};
  if (const auto description = fields.String("description")) function["description"] = *description;
  function["parameters"] = {{"type", "object"},
                            {"properties", {{"input", std::move(input)}}},
                            {"required", Json::array({"input"})},
                            {"additionalProperties", false}};
  function["strict"] = true;
  request->custom_tools.insert(name);
  AddTool(std::move(function), fields.Path("name"), request);
}

// One of "tools", or of the "tools" of a choice. The object with the name, as the two APIs have it: in a member, or
// the tool itself.
void WithNamed(Fields& tool, const char* member, auto&& use) {
  if (const Json* inner = tool.Object(member)) {
    Fields fields(*inner, tool.Path(member), tool.ignored());
    use(fields);
  } else if (tool.Get("name") != nullptr) {
    use(tool);
  } else {
    tool.Need(member, "an object with \"name\"");
  }
}

std::string NameIn(Fields& tool) {
  std::string name;
  const std::string type = tool.Choice("type", {"function", "custom"}).value_or("function");
  WithNamed(tool, type.c_str(), [&](Fields& fields) { name = fields.NeedString("name"); });
  return name;
}

// {"type": "allowed_tools", "mode", "tools"}: the model is shown those alone.
void AllowTools(Fields& allowed, ApiRequest* request) {
  const std::string mode = allowed.Choice("mode", {"auto", "required"}).value_or("auto");
  if (mode == "required") request->tool_choice.kind = ToolChoice::Kind::kRequired;
  allowed.Need("tools", "a list of tools");
  const Json& tools = *allowed.Array("tools");
  std::set<std::string> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    Fields tool(tools[i], fmt::format("{}[{}]", allowed.Path("tools"), i), allowed.ignored());
    const std::string type = tool.String("type").value_or("function");
    if (type == "function" || type == "custom") {
      names.insert(NameIn(tool));
    } else {  // as in "tools"
      if (allowed.ignored() != nullptr) allowed.ignored()->Add(tool.path(), type);
      tool.KnownAll();
    }
  }
  Json kept = Json::array();
  for (const Json& tool : request->tools) {
    if (names.count(tool["function"]["name"].get<std::string>()) > 0) kept.push_back(tool);
  }
  request->tools = kept.empty() ? Json() : std::move(kept);
}

void ReadToolChoice(Fields& body, ApiRequest* request) {
  ToolChoice& out = request->tool_choice;
  const Json* choice = body.Get("tool_choice");
  if (choice == nullptr) return;
  const std::string path = body.Path("tool_choice");
  const auto set = [&](const std::string& kind) {
    out.kind = kind == "none"   ? ToolChoice::Kind::kNone
               : kind == "auto" ? ToolChoice::Kind::kAuto
                                : ToolChoice::Kind::kRequired;
  };
  if (choice->is_string()) {
    set(*body.Choice("tool_choice", {"auto", "none", "required", "any"}));
  } else {
    Fields named(*choice, path, body.ignored());
    named.Need("type", "\"function\", \"custom\" or \"allowed_tools\"");
    const std::string type =
        *named.Choice("type", {"function", "custom", "allowed_tools", "auto", "none", "required", "any"});
    if (type == "function" || type == "custom") {
      out.kind = ToolChoice::Kind::kNamed;
      out.name = NameIn(named);
    } else if (type != "allowed_tools") {
      set(type);
    } else if (const Json* inner = named.Object("allowed_tools")) {
      Fields allowed(*inner, named.Path("allowed_tools"), body.ignored());
      AllowTools(allowed, request);
    } else {
      AllowTools(named, request);
    }
  }
  CheckToolChoice(path, *request);
}

}  // namespace

void AddFunction(Fields& fields, const char* schema_key, ApiRequest* request) {
  Json function = {{"name", ToolName(fields)}};
  if (const auto description = fields.String("description")) function["description"] = *description;
  if (const Json* schema = fields.Object(schema_key)) {
    CheckNoKeyTwice(*schema, fields.Path(schema_key));
    function["parameters"] = *schema;
  }
  if (fields.Bool("strict").value_or(false)) function["strict"] = true;
  AddTool(std::move(function), fields.Path("name"), request);
}

void CheckToolChoice(const std::string& path, const ApiRequest& request) {
  const ToolChoice& choice = request.tool_choice;
  if (choice.kind != ToolChoice::Kind::kRequired && choice.kind != ToolChoice::Kind::kNamed) return;
  if (request.tools.is_null() || request.tools.empty())
    throw Invalid(path, "asks for a tool call, but there are no tools that can be called");
  if (choice.kind != ToolChoice::Kind::kNamed) return;
  for (const Json& tool : request.tools) {
    if (tool["function"]["name"] == choice.name) return;
  }
  throw Invalid(path, "none of the tools that can be called has the name {}", Shown(choice.name));
}

void ReadOpenAiTools(Fields& body, ApiRequest* request) {
  if (const Json* tools = body.Array("tools")) {
    for (size_t i = 0; i < tools->size(); ++i) {
      Fields tool((*tools)[i], fmt::format("{}[{}]", body.Path("tools"), i), body.ignored());
      const std::string type = tool.String("type").value_or("function");
      tool.Known({"cache_control"});
      if (type == "function") {
        WithNamed(tool, "function", [&](Fields& fields) {
          // Some clients send Anthropic's tools to every API.
          const bool anthropic = fields.Get("parameters") == nullptr && fields.Get("input_schema") != nullptr;
          AddFunction(fields, anthropic ? "input_schema" : "parameters", request);
        });
      } else if (type == "custom") {
        WithNamed(tool, "custom", [&](Fields& fields) { AddCustom(fields, request); });
      } else {
        request->ignored.Add(tool.path(), type);
        tool.KnownAll();
      }
    }
  }
  request->tool_choice.parallel = body.Bool("parallel_tool_calls").value_or(true);
  ReadToolChoice(body, request);
}

}  // namespace fulgur
