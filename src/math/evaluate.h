// Values of formulas: exactly as rationals where that is possible, otherwise to hundreds of digits.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "math/big_number.h"
#include "math/expression.h"

namespace fulgur {

// What may still be spent on one comparison of answers, in units of about a tenth of a microsecond. Every operation
// takes its share; Error when nothing is left, so that the time is bounded whatever the formula.
class Budget {
 public:
  explicit Budget(int64_t units) : left_(units) {}
  void Spend(int64_t units);

 private:
  int64_t left_;
};

// Integers of more bits are not computed with.
inline constexpr int64_t kMaxBits = 1 << 17;

// The value if it is a rational number that can be computed exactly, with the operations + - * / ! % mod, whole powers,
// binomials, gcd, lcm, floors, absolute values, and sums and products of up to 1000 terms.
std::optional<Rational> ExactValue(const Expr& expr, Budget* budget);

// Where symbols get their values from: a number for each name and point, the same in every run. Points 0 to 3 have
// positive values only, further ones of both signs; in the complex domain all have both parts.
enum class Domain {
  kReal,     // anything whose computation leaves the real numbers is undefined
  kComplex,  // principal values
};
struct Point {
  Domain domain = Domain::kReal;
  int index = 0;
  double scale = 0;  // other than 0: values of about this size
};

// From this precision on, what is lost to rounding makes a value unknown, instead of the one beside it: 5 + e^-1000.
inline constexpr mpfr_prec_t kFinePrecision = 1024;
// nullopt where the value is undefined, infinite, or beyond 2^900 in size (at which differences of 1 would be lost).
// Functions of which nothing is known are replaced by fixed smooth functions, the same for the same name, so that an
// equality of values is one whatever the function is.
std::optional<BigComplex> NumericValue(const Expr& expr, const Point& point, mpfr_prec_t precision, Budget* budget);

enum class Equality { kEqual, kDifferent, kUnknown };
// Whether two formulas have the same value, for all values of their symbols. Rationals are compared exactly, other
// values to 900 bits, formulas with symbols at fixed points. Domains may differ: sqrt(x) sqrt(y) is sqrt(xy), but
// sqrt(x^2) is not x. kUnknown if one has no value that can be computed (and they are not the same formula).
Equality SameValue(const Expr& a, const Expr& b, Budget* budget);
// Whether b is a times a constant other than 0 (`positive`: above 0), as functions of the symbols.
bool Proportional(const Expr& a, const Expr& b, bool positive, Budget* budget);
// The sign of a - b, for real numbers; nullopt if that cannot be computed.
std::optional<int> CompareReal(const Expr& a, const Expr& b, Budget* budget);

}  // namespace fulgur
