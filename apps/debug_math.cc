// fulgur debug verify-math: final answers of mathematics problems scored, on JSON lines.
#include <string>

#include "apps/commands.h"
#include "apps/json_lines.h"
#include "math/verify.h"

namespace fulgur {
namespace {

// The line with its answer replaced by the score: what else stands in it (an id, a source) is kept.
Json VerifyLine(const Json& line) {
  if (!line.is_object()) throw Error("expected a JSON object, found {}", line.type_name());
  Json result = Json::object();
  for (const auto& [key, value] : line.items()) {
    if (key != "gold" && key != "answer" && key != "score" && key != "reason") result[key] = value;
  }
  try {
    const MathScore score =
        VerifyMath(JsonGet<std::string>(line, "gold", "the line"), JsonGet<std::string>(line, "answer", "the line"));
    result["score"] = static_cast<int>(score.value);
    result["reason"] = score.reason;
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
  verify->callback([] { AnswerJsonLines(VerifyLine); });
}

}  // namespace fulgur
