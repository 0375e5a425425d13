// Files of problems made fit for learning by trial (MiniMax-M1, arXiv 2506.13585, section 4.1): what cannot be checked,
// can be guessed, or is there already is left out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur {

struct CurateOptions {
  // Texts that problems are kept apart from: those that share a run of `words` words with one are left out.
  std::vector<std::filesystem::path> against;
  int words = 10;
  // Two problems whose runs of three words agree to this part (Jaccard) and whose answers agree are one. 0 to 1.
  double similarity = 0.8;
};

struct LeftOutProblem {
  std::string where;  // "FILE, line N"
  std::string reason;
  std::string detail;
  Json record;
};

struct CuratedProblems {
  std::vector<Json> kept;  // "prompt" and "answer", and what else the record had
  std::vector<LeftOutProblem> left_out;
  size_t problems = 0, opened = 0;               // of all; multiple choice that was made open, of those kept
  std::map<std::string, size_t> Counts() const;  // of what is left out, by reason
};

// Reads JSON lines of problems: "prompt" (or "problem", "question", or "messages" that end with a user's) and "answer"
// (a text, a number, or a list of them), or a "solution" whose last \boxed{} is the answer. Throws Error that names the
// file and the line for one that has neither.
CuratedProblems CurateProblems(const std::filesystem::path& file, const CurateOptions& options);

// Whether a problem asks several questions: two question marks, or parts (a), (b) or 1., 2. that each ask.
bool AsksSeveralQuestions(std::string_view prompt);
bool AsksForProof(std::string_view prompt);
// Whether an answer is one of two that can be guessed: yes or no, true or false.
bool IsTrueOrFalse(std::string_view prompt, std::string_view answer);

// The parts of a multiple choice.
struct MultipleChoice {
  std::string stem;                  // the question without its choices
  std::vector<std::string> choices;  // A, B, ...
};
// choices is empty if it is none.
MultipleChoice SplitChoices(std::string_view prompt);

}  // namespace fulgur
