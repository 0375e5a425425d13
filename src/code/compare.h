// What a program wrote, held against what a test expects.
#pragma once

#include <string>
#include <string_view>

#include "code/code_problem.h"

namespace fulgur {

// Empty if they agree; else where they differ first, without quoting what was expected.
// A word of the expected text that is a number with a point or an exponent is met by any number within 1e-6 of it,
// absolute or relative; nan and inf never. Everything else must be the same word; yes and no are met in any case.
std::string CompareOutput(CodeProblem::Compare how, std::string_view expected, std::string_view actual);

// The same for JSON values. Numbers: whole ones exactly, of any length (5.0 is 5); others within 1e-6. true is 1, as in
// Python. A list that the program gave as a set is held against the expected list whatever the order.
// alternatives: an expected list of one value may also stand for that value.
std::string CompareJson(std::string_view expected, std::string_view actual, bool alternatives);

}  // namespace fulgur
