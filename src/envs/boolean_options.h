// Which of some expressions are true: with comparisons of sums and sentences about the world. The part of
// boolean_expressions that has options.
//
//   either := both {or both}, both := negation {and negation}, negation := not negation | comparison,
//   comparison := sum [(< > <= >= == != or in words) sum], sum := product {(+|-) product},
//   product := factor {(*|/) factor}, factor := True | False | whole number | - factor | a sentence | ( either )
//
// Numbers are exact fractions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/rng.h"
#include "envs/task.h"

namespace fulgur {

struct BooleanOptions {
  std::vector<std::string> options;
  std::vector<bool> values;
  std::vector<std::string> steps;  // how each is evaluated, from the inside out
};

// "options" and "facts", evaluated. Error that names `where` and the option if one is no such expression.
BooleanOptions ReadBooleanOptions(const Json& data, const std::string& where);
Solution SolveBooleanOptions(const BooleanOptions& options);
// Right are the letters of all that are true, or none.
Score JudgeBooleanOptions(const BooleanOptions& options, const std::string& answer);
// `count` options, of expressions `depth` deep.
void DrawBooleanOptions(Rng& rng, int count, int depth, TaskInstance* instance);

}  // namespace fulgur
