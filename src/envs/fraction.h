// Exact fractions of 64-bit whole numbers, for tasks about expressions.
#pragma once

#include <cstdint>
#include <string>

namespace fulgur {

struct Fraction {
  int64_t numerator = 0, denominator = 1;  // the denominator > 0, without a common divisor
  bool operator==(const Fraction&) const = default;
};

// *a becomes a op b; op is one of + - * / %. The remainder a % b is a - b * q with the largest whole q that is not
// above a / b, so it has b's sign. False, and why in *reason, if b is 0 for / or %, or a number gets too large; then *a
// is as before.
bool Apply(char op, const Fraction& b, Fraction* a, std::string* reason);

// Whether a < b.
bool Less(const Fraction& a, const Fraction& b);

// "3", "-2/5"
std::string ToText(const Fraction& value);

}  // namespace fulgur
