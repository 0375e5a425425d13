// Units of measurement that answers are given in.
#pragma once

#include <string>
#include <string_view>

#include "math/big_number.h"

namespace fulgur {

struct Unit {
  const char* dimension;        // "length", "time", ...
  long numerator, denominator;  // of the dimension's base unit
};

// nullptr for a word that is no unit known here ("apples"). Singular and plural, long and short names.
const Unit* FindUnit(std::string_view name);

struct Quantity {
  bool known = false;     // every word was a unit
  std::string dimension;  // "length^2 time^-1", sorted
  Rational factor;        // to base units
};

// Reads "cm^2", "km/h", "square meters", "m/s^2", "miles per hour".
Quantity ReadUnits(std::string_view text);

}  // namespace fulgur
