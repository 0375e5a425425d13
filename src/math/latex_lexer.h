// LaTeX, and mathematics as typed in plain text, cut into tokens. What only changes the look (\left, \displaystyle,
// thin spaces, dollar signs) is dropped; Unicode signs become what they stand for; thousands are put together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "math/big_number.h"

namespace fulgur {

struct Token {
  enum Type {
    kEnd,
    kNumber,   // value, decimals, digits; text is the digits as written
    kName,     // a variable: "x", "alpha", "vec v"
    kCommand,  // a function, constant or structure: "sin", "frac", "pi", "begin" (argument: the environment)
    kText,     // words
    kOp,       // punctuation and operators under one name each: "*" "<=" "cup" "\\{" "and"
  };
  Type type = kEnd;
  std::string text;
  std::string argument;
  bool space_before = false;
  Rational value;
  int decimals = -1, digits = 0;
};

struct LexResult {
  std::vector<Token> tokens;      // ends with kEnd
  bool dollars = false;           // there is a dollar sign as currency, \$
  bool ambiguous_commas = false;  // there is a comma that may group thousands or separate
};

inline constexpr size_t kMaxTokens = 4000;

// `commas_group`: whether "1,234" is one number; with "1, 234" it never is. Error if there is what no answer contains.
LexResult LexMath(std::string_view text, bool commas_group);

// Whether this is a function that is written with its name: sin, ln, gcd, ...
bool IsFunctionName(std::string_view name);

}  // namespace fulgur
