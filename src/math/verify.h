// Scores a response to a mathematics problem by its final answer. What is accepted: docs/math-answers.md.
#pragma once

#include <string>
#include <string_view>

namespace fulgur {

struct MathScore {
  double value = 0;    // 1 or 0
  std::string reason;  // why not 1; one line, printable ASCII
};

// `gold`: the reference answer, as LaTeX or plain text, with or without $...$, \boxed{} or a sentence around it.
// `response`: all a model wrote (what precedes "</think>" does not count), or only its answer.
// Never throws, is the same in every run and on every machine, and takes bounded time and memory whatever the texts:
// linear in their length, plus a fixed budget of arithmetic. Safe to call from several threads.
MathScore VerifyMath(std::string_view gold, std::string_view response);

}  // namespace fulgur
