// Whether two answers are the same.
#pragma once

#include "math/evaluate.h"
#include "math/expression.h"

namespace fulgur {

// Whether `answer` is what `gold` is. Not symmetric: the gold answer decides which form counts. What is accepted is
// told with examples in docs/math-answers.md. `reason` is set if not. Error if it takes more than the budget.
bool SameAnswer(const ExprPtr& gold, const ExprPtr& answer, Budget* budget, std::string* reason);

}  // namespace fulgur
