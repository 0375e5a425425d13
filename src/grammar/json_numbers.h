// Grammars of JSON numbers between bounds.
//
// Numbers are generated with up to 18 digits before the point and 17 behind it, so that they can be counted in units of
// 1e-17: 36 digits fit 128 bits.
#pragma once

#include <string>

#include "base/json.h"
#include "grammar/grammar.h"

namespace fulgur {

using Wide = __int128;
inline constexpr int kIntegerDigits = 18, kFractionDigits = 17;

constexpr Wide PowerOfTen(int n) { return n == 0 ? 1 : 10 * PowerOfTen(n - 1); }
inline constexpr Wide kOne = PowerOfTen(kFractionDigits);
inline constexpr Wide kLargest = PowerOfTen(kIntegerDigits + kFractionDigits) - 1;

// A number in these units, rounded down. What lies beyond the numbers that are generated counts as the next beyond
// them.
struct NumberUnits {
  Wide floor;
  bool exact;
};
bool IsJsonNumber(const Json& value);  // integers of any length among them
NumberUnits UnitsOfNumber(const Json& number);

// The step of numbers that are multiples of something: `multiple` times 10^-digits. {1, 17} is any number.
struct NumberStep {
  int64_t multiple = 1;
  int digits = kFractionDigits;

  static NumberStep Of(Wide units);  // above 0
  Wide units() const { return multiple * PowerOfTen(kFractionDigits - digits); }
  bool operator==(const NumberStep&) const = default;
};
// The grammar's size grows with multiple * (kIntegerDigits + digits), which may be at most this.
inline constexpr int64_t kMaxStepSize = 8'000;

// The multiples of `step` from low to high, without an exponent.
GrammarPiece NumbersBetween(GrammarBuilder& builder, Wide low, Wide high, NumberStep step);

}  // namespace fulgur
