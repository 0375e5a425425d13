// What a final answer in mathematics can be, as a tree: numbers and formulas, and the sets, tuples, intervals,
// matrices, equations and inequalities made of them.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "math/big_number.h"

namespace fulgur {

enum class Kind {
  kNumber,      // value; decimals >= 0 if it was written with a decimal point
  kSymbol,      // name: "x", "alpha", "x_1"
  kConstant,    // name: "pi", "e", "i", "inf"
  kAdd,         // two or more
  kMul,         // two or more
  kNegate,      // one
  kDivide,      // numerator, denominator
  kPower,       // base, exponent
  kRoot,        // radicand, index
  kFunction,    // name; the arguments. What is not in numeric_value.cc is a function of which nothing is known
  kPlusMinus,   // a, b for a +- b, or b for +-b; name "+" or "-" (the latter for \mp)
  kPercent,     // one
  kDegree,      // one
  kUnit,        // one; name: the unit as written
  kBased,       // name: the digits; one child: the base
  kList,        // elements; name: "," "and" "or"
  kTuple,       // (a, b), <a, b, c>, [a, b, c]
  kSet,         // {a, b}
  kInterval,    // lo, hi; name: "()" "(]" "[)" "[]"
  kUnion,       // two
  kIntersect,   // two
  kSetMinus,    // two
  kEmptySet,    //
  kNumberSet,   // name: "R", "Z", ...
  kMatrix,      // rows x columns, row by row
  kRelation,    // terms; ops between them, each one of = != < <= > >= ~ (approximately)
  kMember,      // element, set
  kSetBuilder,  // variable or element, condition
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  Kind kind;
  std::string name;
  std::vector<ExprPtr> children;
  std::vector<std::string> ops;  // kRelation
  Rational value;                // kNumber
  int decimals = -1;             // kNumber: digits after the point as written; -1 without a point
  int digits = 0;                // kNumber: significant digits as written, if there is a point
  int64_t rows = 0, columns = 0;
  int depth = 1;
  int64_t nodes = 1;
};

inline constexpr int kMaxDepth = 100;       // of a tree
inline constexpr int64_t kMaxNodes = 4000;  // in a tree

// Error if the tree would be too deep or too large.
ExprPtr MakeExpr(Kind kind, std::vector<ExprPtr> children = {}, std::string name = "");
ExprPtr MakeNumber(const Rational& value);
ExprPtr MakeDecimal(const Rational& value, int decimals, int digits);
ExprPtr MakeRelation(std::vector<ExprPtr> terms, std::vector<std::string> ops);
ExprPtr MakeMatrix(std::vector<ExprPtr> entries, int64_t rows, int64_t columns);
// The same node with other children.
ExprPtr WithChildren(const Expr& expr, std::vector<ExprPtr> children);

// Equal for trees that differ only in the order of sums and products.
std::string Key(const Expr& expr);

bool Contains(const Expr& expr, Kind kind);
// Names of the symbols in it.
std::set<std::string> Symbols(const Expr& expr);
// `symbol` replaced by `by`.
ExprPtr Substitute(const ExprPtr& expr, const std::string& symbol, const ExprPtr& by);

}  // namespace fulgur
