#include "envs/fraction.h"

#include <fmt/format.h>

#include <cstdint>

namespace fulgur {
namespace {

// Wide enough for the product of two 64-bit numbers, and for the sum of two such products.
using Wide = __int128;

bool Set(Wide numerator, Wide denominator, Fraction* value) {
  if (denominator < 0) numerator = -numerator, denominator = -denominator;
  for (Wide a = numerator < 0 ? -numerator : numerator, b = denominator;;) {  // Euclid
    if (a == 0) {
      numerator /= b;
      denominator /= b;
      break;
    }
    const Wide rest = b % a;
    b = a;
    a = rest;
  }
  constexpr int64_t kMost = INT64_MAX;
  if (numerator > kMost || numerator < -kMost || denominator > kMost) return false;
  *value = {static_cast<int64_t>(numerator), static_cast<int64_t>(denominator)};
  return true;
}

}  // namespace

bool Apply(char op, const Fraction& b, Fraction* a, std::string* reason) {
  const Wide an = a->numerator, ad = a->denominator, bn = b.numerator, bd = b.denominator;
  bool fits = false;
  if (op == '+' || op == '-') {
    fits = Set(op == '+' ? an * bd + bn * ad : an * bd - bn * ad, ad * bd, a);
  } else if (op == '*') {
    fits = Set(an * bn, ad * bd, a);
  } else if (bn == 0) {
    *reason = "divides by zero";
    return false;
  } else if (op == '/') {
    fits = Set(an * bd, ad * bn, a);
  } else {
    // Over the common denominator ad * bd: the remainder of whole numbers.
    const Wide x = an * bd, y = bn * ad;
    Wide rest = x % y;
    if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
    fits = Set(rest, ad * bd, a);
  }
  if (!fits) *reason = "the numbers become too large";
  return fits;
}

bool Less(const Fraction& a, const Fraction& b) {
  return static_cast<Wide>(a.numerator) * b.denominator < static_cast<Wide>(b.numerator) * a.denominator;
}

std::string ToText(const Fraction& value) {
  return value.denominator == 1 ? fmt::format("{}", value.numerator)
                                : fmt::format("{}/{}", value.numerator, value.denominator);
}

}  // namespace fulgur
