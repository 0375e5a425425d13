// fulgur debug score: the rules by which evaluations and judges are scored, on JSON lines.
#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/json_lines.h"
#include "apps/score_rules.h"

namespace fulgur {

const Json& ArrayField(const Json& line, const char* key) {
  if (!line.contains(key) || !line[key].is_array()) throw Error("the line has no list \"{}\"", key);
  return line[key];
}

std::string TextField(const Json& line, const char* key) { return JsonGet<std::string>(line, key, "the line"); }

std::optional<std::string> OptionalTextField(const Json& line, const char* key) {
  if (line.contains(key) && line[key].is_null()) return std::nullopt;
  return TextField(line, key);
}

std::vector<double> NumbersField(const Json& line, const char* key) {
  std::vector<double> numbers;
  for (const Json& value : ArrayField(line, key)) {
    if (!value.is_number() && !value.is_boolean()) throw Error("\"{}\" has an entry that is no number", key);
    numbers.push_back(value.is_boolean() ? static_cast<double>(value.get<bool>()) : value.get<double>());
  }
  return numbers;
}

std::vector<std::string> TextsField(const Json& line, const char* key) {
  std::vector<std::string> texts;
  for (const Json& value : ArrayField(line, key)) {
    if (!value.is_string()) throw Error("\"{}\" has an entry that is no text", key);
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

namespace {

const ScoreRules& AllRules() {
  static const ScoreRules rules = [] {
    ScoreRules all;
    AddStatisticsRules(&all);
    AddBenchmarkRules(&all);
    AddJudgeRules(&all);
    return all;
  }();
  return rules;
}

void Run(const std::string& name, const ScoreContext& context) {
  const auto rule = AllRules().find(name);
  if (rule == AllRules().end()) {
    std::string names;
    for (const auto& [known, function] : AllRules()) names += (names.empty() ? "" : ", ") + known;
    throw Error("there is no rule \"{}\"; the rules are {}", name, names);
  }
  AnswerJsonLines([&](const Json& line) {
    if (!line.is_object()) throw Error("expected a JSON object, found {}", line.type_name());
    Json result = Json::object();
    if (line.contains("id")) result["id"] = line["id"];
    try {
      result.update(rule->second(line, context));
    } catch (const Error& e) {
      result["error"] = e.what();
    }
    return result;
  });
}

}  // namespace

void AddDebugScore(CLI::App& debug) {
  CLI::App* score = debug.add_subcommand(
      "score", "Lines of a rule's input fields to lines of its output fields; docs/debug.md lists the rules");
  auto name = std::make_shared<std::string>();
  auto context = std::make_shared<ScoreContext>();
  score->add_option("--rule", *name, "The rule, for instance gpqa_letter")->required();
  score->add_option("--data", context->data, "Folder of the benchmarks' data (tau_* read tau-bench/ in it)")
      ->check(CLI::ExistingDirectory);
  SetAction(*score, [name, context] { Run(*name, *context); });
}

}  // namespace fulgur
