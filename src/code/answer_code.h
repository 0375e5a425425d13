// The program in what a model said.
#pragma once

#include <string>
#include <string_view>

#include "code/code_problem.h"

namespace fulgur {

struct AnswerCode {
  ProgramText program;
  std::string problem;  // why there is none; then the answer's score is 0
};

// Of a program that does not say: Lua where the problem is for Lua, C++ if it includes something, else Python.
Language GuessLanguage(const CodeProblem& problem, std::string_view code);

// The last fenced block (``` or ~~~) that says a language that can be judged, or none: then it is guessed.
// A block that is not closed, as in an answer that was cut off, does not count. For problems of HumanEval's kind a
// response without any fence is the code, as their own files have it.
AnswerCode CodeOf(const CodeProblem& problem, std::string_view response);

}  // namespace fulgur
