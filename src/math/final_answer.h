// Where in a response the final answer stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

// Texts that may be the final answer, best first; the first that can be read is the answer, and no other is tried.
//   - the last \boxed{} or \fbox{}, braces matched; boxes joined by nothing but commas, "and", "or" are one answer
//   - without a box: what stands in the last <answer>...</answer>, else what follows the last "answer is", "answer:",
//     "option is" or "####"
//   - without these: the whole text if it is short, the last formula ($...$, \(...\), \[...\]), the only number of the
//     last sentence that has one
// Up to "</think>" nothing counts. Empty, with a reason, if there is no answer. Time linear in the length.
std::vector<std::string> FinalAnswers(std::string_view response, std::string* reason);

// The same for a reference answer: a box, else the whole text, else as above.
std::vector<std::string> GoldAnswers(std::string_view gold);

// The boxes of the last sentence that has one, if there are several, as a list; empty if not, or if words between them
// make it something else ("or", "not").
std::string BoxesOfSentence(std::string_view text);

// Whether a sentence has words that make it say something else than what a value is: "not", "or", "if", "maybe", a
// question mark.
bool IsDoubtful(std::string_view sentence);

}  // namespace fulgur
