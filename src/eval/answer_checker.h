// Rules that hold an answer against the right one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "envs/judge.h"
#include "envs/task.h"

namespace fulgur {

// Judges an answer (the text after the thinking) by a gold answer. Whatever the text: never throws.
using AnswerChecker = std::function<Score(const std::string& gold, std::string_view answer)>;
// By name; Error that lists the names for another one:
//   exact   the last \boxed{} and the gold answer are the same text once spaces, letter case, and LaTeX's spelling of
//           plain characters are put aside, or the same whole number
//   math    the two are the same value or expression (math/verify.h)
AnswerChecker GetAnswerChecker(const std::string& name);

// Scores the answer of problems by the "answer" of their record: a text, a number, or a list of them of which any is
// right. Throws as GetAnswerChecker.
std::unique_ptr<Judge> MakeAnswerJudge(const std::string& checker);

}  // namespace fulgur
