// Needle tasks of any length, in the fields of OpenAI-MRCR: for models that are to be measured without the set's data.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace fulgur {

// A conversation of at least `characters` characters in which one request comes `needles` times among others, each time
// with another answer; the last message asks for one of these answers again, behind a random word. The same arguments
// give the same. characters >= 1, needles 1 to 8.
Json MakeNeedleTask(int64_t characters, int needles, uint64_t seed);

// A text of at least `characters` characters with `facts` sentences such as "Q is 482."
// among others, and questions for some of them: for small models, which do not copy long answers. An answer is the
// sentence that it is found in. The same arguments give the same. characters >= 1, 1 <= questions <= facts <=
// kMostFacts.
inline constexpr int kMostFacts = 26;
struct FactText {
  std::string text;
  std::vector<std::pair<std::string, std::string>> questions;  // and answers
};
FactText MakeFactText(int64_t characters, int facts, int questions, uint64_t seed);

}  // namespace fulgur
