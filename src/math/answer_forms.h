// What kinds of answer there are, and one form for what is written in several.
#pragma once

#include <string>
#include <vector>

#include "math/expression.h"

namespace fulgur {

inline constexpr size_t kMaxElements = 200;  // of a list that is matched with another in any order

bool IsEquation(const Expr& expr);
bool IsInequality(const Expr& expr);
// A list, tuple or set.
bool IsCollection(const Expr& expr);
// Sets that are more than a few elements, and what describes one: intervals, unions, memberships, inequalities.
bool IsRegion(const Expr& expr);
bool ListOfRegions(const Expr& expr);
// A letter, f(x), a_n, x_{n+1}, dy/dx.
bool IsVariable(const Expr& expr);
// An equation whose left side says what the value is of: a variable, letters side by side that name something (AB), a
// tuple of variables, a ratio, an integral.
bool IsAssignment(const Expr& expr);
// P(3, 4), as its coordinates.
bool IsPoint(const Expr& expr);
// Without variables and functions of which nothing is known.
bool IsConstant(const Expr& expr);
// An expression in one unknown that is not the unknown itself, nor a function of it with a name: 2x, x^2.
bool IsEquationToSolve(const Expr& left);
// A product of matrices whose sizes do not fit or that has symbols: its factors do not commute, which Key does not
// know.
bool HasMatrixProduct(const Expr& expr);

// x of x_1; the key of what is no symbol.
std::string BaseLetter(const Expr& variable);
// Left minus right of the i-th comparison of a chain.
ExprPtr Difference(const Expr& relation, size_t i = 0);
// -1, 1 for an infinite value, otherwise 0.
int Infinite(const Expr& expr);
// The rows of [[1, 2], [3, 4]] as a matrix; nullptr if it is none.
ExprPtr MatrixOfRows(const Expr& expr);

// An answer and the side conditions behind it.
struct Conditioned {
  ExprPtr core;
  std::vector<ExprPtr> conditions;
};
Conditioned SplitConditions(const ExprPtr& expr);

// \pm taken apart, "n = 1, 2" made n = 1 and n = 2, conditions of a set without the set, sums, multiples and products
// of matrices worked out. Error if there are too many elements.
ExprPtr Simplify(ExprPtr expr);

}  // namespace fulgur
