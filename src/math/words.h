// English words in answers: numbers in words, what stands for an operation ("million", "squared", "half of"), and words
// that make a number beside them say something else than what it is ("at least", "except", "below").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "math/latex_lexer.h"

namespace fulgur {

// Replaces words that stand for numbers, operations and sets by the tokens of these, in place: "twenty-one" is 21,
// "4.5 million" 4.5 * 10^6, "12 halves" 12/2, "the square root of 7" \sqrt 7, "3 to 4" 3:4, "all real numbers" R.
// Words it does not know stay. Error for numbers and words that contradict each other, "seven (8)".
void ResolveWords(std::vector<Token>* tokens);

// Whether this is a word for a number ("twelve", "hundred", "third"), in lower case.
bool IsNumberWord(std::string_view word);

// The first word in `text` that changes what a number beside it means, or says that it is not the answer; empty if
// there is none. `before`: "negative", "half", "at least", "not". `after`: "squared", "or more", "below zero".
// `label`: words before "=" or ":" that name a quantity, where "distance between" and "sum over" are fine.
enum class WordPlace { kBefore, kAfter, kLabel };
std::string ChangingWord(std::string_view text, WordPlace place);

// Lower-case words of a text: runs of letters and apostrophes; a hyphen joins them ("two-digit").
std::vector<std::string> SplitWords(std::string_view text);

}  // namespace fulgur
