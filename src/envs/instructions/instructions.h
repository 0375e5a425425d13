// Instructions that a program can check: the 25 kinds of IFEval (Zhou et al. 2023) and the 58 of IFBench (Pyatkin et
// al. 2025).
//
// What is checked is what the sets' official code checks, its oddities included. Where that code asks a library with
// learned tables (sentences of NLTK's Punkt, languages of langdetect, parts of speech, syllables), ours has rules of
// its own; docs/evaluation.md says on how many real answers the two differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur {

struct Instruction {
  std::string id;  // "punctuation:no_comma"
  Json kwargs;     // of its kind; null values are as if they were not there
};

// The ids that are known, in order.
std::vector<std::string> InstructionIds();

// Whether the text does what the instruction says. An empty text does nothing. Error for an id that is not known or a
// kwarg that is missing or of the wrong type.
bool FollowsStrict(const Instruction& instruction, std::string_view response);
// Whether the text does, or one of its forms without its first line, its last line, both, and each also without "*".
bool FollowsLoose(const Instruction& instruction, std::string_view response);

}  // namespace fulgur
