// Rules that hold an answer against the right one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "envs/judge.h"
#include "envs/task.h"
#include "judge/command_judge.h"

namespace fulgur {

// Judges an answer (the text after the thinking) by a gold answer. Whatever the text: never throws.
using AnswerChecker = std::function<Score(const std::string& gold, std::string_view answer)>;
// By name; Error that lists the names for another one:
//   exact   the last \boxed{} and the gold answer are the same text once spaces, letter case, and LaTeX's spelling of
//           plain characters are put aside, or the same whole number
//   math    the two are the same value or expression (math/verify.h)
AnswerChecker GetAnswerChecker(const std::string& name);

// What judges the problems of a file: a rule, or a program of the user's.
struct Checker {
  std::string rule = "exact";   // GetAnswerChecker
  CommandJudgeOptions command;  // its command is not empty: instead of the rule
  bool is_rule() const { return command.command.empty(); }
};

// A rule scores the answer of a problem by the "answer" of its record: a text, a number, or a list of them of which any
// is right. Throws as GetAnswerChecker and CommandJudge.
std::unique_ptr<Judge> MakeAnswerJudge(const Checker& checker);

}  // namespace fulgur
