// Scores a response to a mathematics problem by its final answer. What is accepted: docs/math-answers.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

struct MathScore {
  double value = 0;              // 1 or 0
  std::string reason;            // why not 1; one line, printable ASCII
  bool gold_unreadable = false;  // the value is 0 because no gold answer can be read, whatever the response
};

// `gold`: the reference answer, as LaTeX or plain text, with or without $...$, \boxed{} or a sentence around it.
// `response`: all a model wrote (what precedes "</think>" does not count), or only its answer.
// Never throws, is the same in every run and on every machine, and takes bounded time and memory whatever the texts:
// linear in their length, plus a fixed budget of arithmetic. Safe to call from several threads.
MathScore VerifyMath(std::string_view gold, std::string_view response);
// With several gold answers: right if one of them agrees.
MathScore VerifyMath(const std::vector<std::string>& golds, std::string_view response);

// What a gold answer is worth: whether a response can agree with it by more than being the same text.
enum class GoldKind {
  kReadable,    // mathematics, a choice, or a few words
  kEmpty,       // nothing
  kProse,       // a sentence
  kUnreadable,  // what is no mathematics known here
};
// `reason` says why if it is not kReadable. Never throws.
GoldKind ClassifyGold(std::string_view gold, std::string* reason);

}  // namespace fulgur
