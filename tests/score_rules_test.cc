// `fulgur debug score` from outside: rules by name, a line for a line, and the reference results of the official code.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/records.h"
#include "base/reference_data.h"
#include "tests/command.h"

namespace fulgur {
namespace {

std::vector<Json> Score(const std::string& rule, const std::string& input, const std::string& data = "") {
  std::vector<std::string> arguments = {"debug", "score", "--rule", rule};
  if (!data.empty()) arguments.insert(arguments.end(), {"--data", data});
  const CommandResult result = RunFulgur(arguments, input);
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Json> lines;
  std::istringstream out(result.out);
  for (std::string line; std::getline(out, line);) lines.push_back(ParseJson(line, "the output"));
  return lines;
}

TEST(ScoreRules, ALineForALine) {
  const std::vector<Json> lines = Score("gpqa_letter",
                                        "{\"id\": 4, \"response\": \"Answer: B\"}\n"
                                        "{\"id\": 5, \"reply\": \"Answer: B\"}\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], (Json{{"id", 4}, {"official", "B"}}));
  EXPECT_EQ(lines[1]["id"], 5);
  EXPECT_NE(lines[1]["error"].get<std::string>().find("response"), std::string::npos);
}

TEST(ScoreRules, AnUnknownRuleIsToldTheOthers) {
  const CommandResult result = RunFulgur({"debug", "score", "--rule", "gpqa"}, "");
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("gpqa_letter"), std::string::npos);
}

// Equal, or for numbers within 1e-9 of their size.
bool Same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    const double x = a.get<double>(), y = b.get<double>();
    return x == y || std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y));
  }
  if (a.is_array() && b.is_array()) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!Same(a[i], b[i])) return false;
    }
    return true;
  }
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      if (!b.contains(key) || !Same(value, b[key])) return false;
    }
    return true;
  }
  return a == b;
}

TEST(ScoreRules, GiveTheReferenceResults) {
  FULGUR_REFERENCE_OR_SKIP(golden, "eval/golden");
  FULGUR_REFERENCE_OR_SKIP(data, "eval/data");
  const Json fields = ReadJsonFile(golden / "FIELDS.json");
  for (const auto& [rule, of_rule] : fields.items()) {
    const Records cases(golden / (rule + ".jsonl"), "id");
    std::string input;
    for (size_t i = 0; i < cases.size(); ++i) {
      const Json full = cases.Get(i);
      Json line = {{"id", full["id"]}};
      for (const Json& key : of_rule["in"]) {
        if (full.contains(key.get<std::string>())) line[key.get<std::string>()] = full[key.get<std::string>()];
      }
      input += line.dump() + "\n";
    }
    const std::vector<Json> output = Score(rule, input, data.string());
    ASSERT_EQ(output.size(), cases.size()) << rule;
    for (size_t i = 0; i < cases.size(); ++i) {
      const Json full = cases.Get(i);
      for (const Json& key : of_rule["out"]) {
        const auto name = key.get<std::string>();
        if (!full.contains(name)) continue;
        EXPECT_TRUE(output[i].contains(name) && Same(output[i][name], full[name]))
            << rule << " " << full["id"] << " " << name << ": " << output[i].dump().substr(0, 500);
      }
    }
  }
}

}  // namespace
}  // namespace fulgur
