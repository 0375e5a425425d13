// The rules of `fulgur debug score`: each reads a line's input fields and gives its output fields.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

// What rules may need beside their line.
struct ScoreContext {
  std::filesystem::path data;  // folder of a benchmark's data; empty if none was given
};

using ScoreRule = std::function<Json(const Json& line, const ScoreContext& context)>;
using ScoreRules = std::map<std::string, ScoreRule>;

void AddStatisticsRules(ScoreRules* rules);  // score_statistics.cc
void AddBenchmarkRules(ScoreRules* rules);   // score_benchmarks.cc
void AddJudgeRules(ScoreRules* rules);       // score_judges.cc

// Fields of a line; Error that names the field.
std::string TextField(const Json& line, const char* key);
std::optional<std::string> OptionalTextField(const Json& line, const char* key);  // null for none
std::vector<double> NumbersField(const Json& line, const char* key);
std::vector<std::string> TextsField(const Json& line, const char* key);
const Json& ArrayField(const Json& line, const char* key);

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace fulgur
