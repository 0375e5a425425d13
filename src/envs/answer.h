// Small, bounded parsers for what stands in a \boxed{}. None throws; none does more than a pass or two over the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envs/task.h"

namespace fulgur {

// The usual LaTeX and Unicode spellings in plain ASCII: \times \cdot × become *, \div ÷ become /, a true minus sign
// becomes -, \text{x} becomes x, \left( becomes (, \gt becomes >, dollar signs and LaTeX spaces become spaces. \frac is
// kept. Trimmed. Anything else stays as it is.
std::string PlainAnswer(std::string_view text);

// A whole number and nothing else: an optional sign, digits without leading zeros, "1,234" if grouped properly.
bool ParseInteger(std::string_view text, int64_t* value);

// The pieces between spaces, commas, semicolons and line ends.
std::vector<std::string> SplitList(std::string_view text);

std::string ToLower(std::string_view text);  // ASCII letters only

// Score 1 if the answer is this whole number.
Score JudgeInteger(int64_t expected, std::string_view answer);

// Text from an answer, fit for a message: short, and without control characters.
std::string Quoted(std::string_view text);

// "The answer is \boxed{...}."
std::string BoxedAnswer(std::string_view answer);

// Column addition and subtraction as worked solutions show them, one line a column from the right; both numbers are
// restated without the digit that is done, and so is the result so far:
//   387+48+0: 7+8+0=15 have 5
//   38+4+1: 8+4+1=13 have 35
// a, b >= 0, and for the difference a >= b. Every line ends with \n.
std::string ColumnSum(int64_t a, int64_t b);
std::string ColumnDifference(int64_t a, int64_t b);

}  // namespace fulgur
