// Regions of the real line as pieces between two ends, whatever way they are written in.
#pragma once

#include <optional>
#include <vector>

#include "math/evaluate.h"
#include "math/expression.h"

namespace fulgur {

struct Piece {
  ExprPtr lo, hi;  // infinite ends are open
  bool lo_open = true, hi_open = true;
};
using Pieces = std::vector<Piece>;  // in order, and apart

// An interval, a union, a set of numbers, an inequality in one variable, "x < 1 or x > 2". nullopt if it is no region
// of the line, or its ends cannot be put in order. Error if it takes more than the budget.
std::optional<Pieces> ReadRegion(const Expr& expr, Budget* budget);

}  // namespace fulgur
