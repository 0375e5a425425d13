// fulgur debug verify-math: final answers of mathematics problems scored, on JSON lines.
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/json_lines.h"
#include "math/verify.h"

namespace fulgur {
namespace {

// "gold" is a text, or a list of texts any of which is right.
std::vector<std::string> Golds(const Json& line) {
  if (!line.contains("gold") || !line["gold"].is_array()) return {JsonGet<std::string>(line, "gold", "the line")};
  std::vector<std::string> golds;
  for (const Json& gold : line["gold"]) {
    if (!gold.is_string()) throw Error("\"gold\" has an entry of type {}, expected strings", gold.type_name());
    golds.push_back(gold.get<std::string>());
  }
  return golds;
}

// The line with its answer replaced by the score: what else stands in it (an id, a source) is kept.
Json VerifyLine(const Json& line) {
  if (!line.is_object()) throw Error("expected a JSON object, found {}", line.type_name());
  Json result = Json::object();
  for (const auto& [key, value] : line.items()) {
    if (key != "gold" && key != "answer" && key != "score" && key != "reason" && key != "gold_unreadable")
      result[key] = value;
  }
  try {
    const MathScore score = VerifyMath(Golds(line), JsonGet<std::string>(line, "answer", "the line"));
    result["score"] = static_cast<int>(score.value);
    result["reason"] = score.reason;
    if (score.gold_unreadable) result["gold_unreadable"] = true;
  } catch (const Error& e) {
    result["error"] = e.what();
  }
  return result;
}

}  // namespace

void AddDebugMath(CLI::App& debug) {
  CLI::App* verify = debug.add_subcommand(
      "verify-math",
      "Lines {\"gold\", \"answer\"} to {\"score\", \"reason\"}; docs/math-answers.md says what is accepted");
  SetAction(*verify, [] { AnswerJsonLines(VerifyLine); });
}

}  // namespace fulgur
