#include "math/answer_forms.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"

namespace fulgur {
namespace {

// dy/dx, d^2y/dx^2, d/dx: a quotient of products that begin with d or \partial.
bool IsDerivative(const Expr& expr) {
  if (expr.kind != Kind::kDivide) return false;
  return std::all_of(expr.children.begin(), expr.children.end(), [](const ExprPtr& part) {
    const Expr* first = part->kind == Kind::kMul ? part->children[0].get() : part.get();
    if (first->kind == Kind::kPower) first = first->children[0].get();
    return first->kind == Kind::kSymbol && (first->name == "d" || first->name == "partial");
  });
}

// What says of an unknown of a formula which values it takes: k in Z, x != 0, n >= 1.
bool IsSideCondition(const Expr& expr) {
  if (expr.kind == Kind::kMember) {
    return expr.children[0]->kind == Kind::kSymbol && expr.children[1]->kind == Kind::kNumberSet;
  }
  if (expr.kind != Kind::kRelation || expr.ops.size() != 1 || expr.children[0]->kind != Kind::kSymbol) return false;
  if (!Symbols(*expr.children[1]).empty()) return false;
  static const std::set<std::string> kCounters = {"n", "k", "m", "j"};
  const std::string& op = expr.ops[0];
  return op == "!=" || ((op == ">=" || op == ">") && kCounters.count(expr.children[0]->name) > 0);
}

// All \pm at once: the reading with the upper signs, or with the lower ones.
ExprPtr ChooseSign(const ExprPtr& expr, bool upper) {
  if (!Contains(*expr, Kind::kPlusMinus)) return expr;
  std::vector<ExprPtr> children;
  for (const ExprPtr& child : expr->children) children.push_back(ChooseSign(child, upper));
  if (expr->kind != Kind::kPlusMinus) return WithChildren(*expr, std::move(children));
  const bool plus = (expr->name == "+") == upper;
  if (!plus) children.back() = MakeExpr(Kind::kNegate, {children.back()});
  return children.size() == 1 ? children[0] : MakeExpr(Kind::kAdd, std::move(children));
}

ExprPtr EntryWise(const Expr& matrix, Kind kind, const std::vector<ExprPtr>& with) {
  std::vector<ExprPtr> entries;
  for (const ExprPtr& entry : matrix.children) {
    std::vector<ExprPtr> parts = {entry};
    parts.insert(parts.end(), with.begin(), with.end());
    entries.push_back(parts.size() == 1 && kind != Kind::kNegate ? parts[0] : MakeExpr(kind, std::move(parts)));
  }
  return MakeMatrix(std::move(entries), matrix.rows, matrix.columns);
}

// The product of matrices and numbers, in order; `otherwise` if their sizes do not fit.
ExprPtr Product(const std::vector<ExprPtr>& factors, const ExprPtr& otherwise) {
  ExprPtr total;
  std::vector<ExprPtr> numbers;
  for (const ExprPtr& factor : factors) {
    if (factor->kind != Kind::kMatrix) {
      numbers.push_back(factor);
    } else if (total == nullptr) {
      total = factor;
    } else {
      if (total->columns != factor->rows) return otherwise;
      std::vector<ExprPtr> entries;
      for (int64_t i = 0; i < total->rows; ++i) {
        for (int64_t j = 0; j < factor->columns; ++j) {
          std::vector<ExprPtr> terms;
          for (int64_t k = 0; k < total->columns; ++k) {
            terms.push_back(MakeExpr(Kind::kMul, {total->children[static_cast<size_t>(i * total->columns + k)],
                                                  factor->children[static_cast<size_t>(k * factor->columns + j)]}));
          }
          entries.push_back(MakeExpr(Kind::kAdd, std::move(terms)));
        }
      }
      total = MakeMatrix(std::move(entries), total->rows, factor->columns);
    }
  }
  return numbers.empty() ? total : EntryWise(*total, Kind::kMul, numbers);
}

// Multiples, quotients, negatives, products and sums of matrices, entry by entry.
ExprPtr FoldMatrix(const ExprPtr& expr) {
  if (expr->kind == Kind::kMatrix || !Contains(*expr, Kind::kMatrix)) return expr;
  if (expr->kind == Kind::kNegate || expr->kind == Kind::kDivide || expr->kind == Kind::kMul ||
      expr->kind == Kind::kAdd) {
    std::vector<ExprPtr> children;
    for (const ExprPtr& child : expr->children) children.push_back(FoldMatrix(child));
    const auto is_matrix = [](const ExprPtr& c) { return c->kind == Kind::kMatrix; };
    const auto count = std::count_if(children.begin(), children.end(), is_matrix);
    if (expr->kind == Kind::kAdd) {
      if (count != static_cast<int64_t>(children.size())) return expr;
      ExprPtr total = children[0];
      for (size_t k = 1; k < children.size(); ++k) {
        if (children[k]->rows != total->rows || children[k]->columns != total->columns) return expr;
        std::vector<ExprPtr> entries;
        for (size_t i = 0; i < total->children.size(); ++i) {
          entries.push_back(MakeExpr(Kind::kAdd, {total->children[i], children[k]->children[i]}));
        }
        total = MakeMatrix(std::move(entries), total->rows, total->columns);
      }
      return total;
    }
    if (count > 1 && expr->kind == Kind::kMul) return Product(children, expr);
    if (count != 1) return expr;
    const auto at = std::find_if(children.begin(), children.end(), is_matrix);
    if (expr->kind == Kind::kDivide && at != children.begin()) return expr;
    const ExprPtr matrix = *at;
    children.erase(at);
    return EntryWise(*matrix, expr->kind, children);
  }
  return expr;
}

std::vector<ExprPtr> Signs(const ExprPtr& expr) {
  if (!Contains(*expr, Kind::kPlusMinus)) return {expr};
  return {ChooseSign(expr, true), ChooseSign(expr, false)};
}

// "n = 1, 2, 3": the variable belongs to all of them.
ExprPtr Distribute(const ExprPtr& list) {
  const auto& elements = list->children;
  if (elements.empty() || !IsAssignment(*elements[0]) || elements[0]->children[0]->kind == Kind::kTuple) return list;
  for (size_t i = 1; i < elements.size(); ++i) {
    if (IsEquation(*elements[i]) || IsRegion(*elements[i])) return list;
  }
  std::vector<ExprPtr> all = {elements[0]};
  for (size_t i = 1; i < elements.size(); ++i)
    all.push_back(MakeRelation({elements[0]->children[0], elements[i]}, {"="}));
  return WithChildren(*list, std::move(all));
}

// {x | x in R, x > 2}: that x is real says nothing here.
ExprPtr Condition(const ExprPtr& condition) {
  if (condition->kind != Kind::kList) return condition;
  std::vector<ExprPtr> parts;
  for (const ExprPtr& part : condition->children) {
    const bool real =
        part->kind == Kind::kMember && part->children[1]->kind == Kind::kNumberSet && part->children[1]->name == "R";
    if (!real) parts.push_back(part);
  }
  if (parts.size() == 1) return parts[0];
  return MakeExpr(Kind::kList, std::move(parts), condition->name == "or" ? "or" : "and");
}

}  // namespace

bool IsEquation(const Expr& expr) {
  return expr.kind == Kind::kRelation &&
         std::all_of(expr.ops.begin(), expr.ops.end(), [](const std::string& op) { return op == "=" || op == "~"; });
}

bool IsInequality(const Expr& expr) { return expr.kind == Kind::kRelation && !IsEquation(expr); }

bool IsCollection(const Expr& expr) {
  return expr.kind == Kind::kList || expr.kind == Kind::kTuple || expr.kind == Kind::kSet;
}

bool IsRegion(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kInterval:
    case Kind::kUnion:
    case Kind::kIntersect:
    case Kind::kSetMinus:
    case Kind::kEmptySet:
    case Kind::kNumberSet:
    case Kind::kMember:
    case Kind::kSetBuilder:
      return true;
    default:
      return IsInequality(expr);
  }
}

bool ListOfRegions(const Expr& expr) {
  return expr.kind == Kind::kList &&
         std::any_of(expr.children.begin(), expr.children.end(), [](const ExprPtr& c) { return IsRegion(*c); });
}

bool IsVariable(const Expr& expr) {
  if (expr.kind == Kind::kSymbol || IsDerivative(expr)) return true;
  if (expr.kind == Kind::kFunction) return expr.name.rfind("call ", 0) == 0 || expr.name.rfind("index ", 0) == 0;
  if (expr.kind == Kind::kConstant) return expr.name == "e" || expr.name == "i";
  return false;
}

bool IsAssignment(const Expr& expr) {
  if (!IsEquation(expr)) return false;
  const Expr& left = *expr.children[0];
  if (IsVariable(left)) return true;
  if (left.kind == Kind::kFunction && left.name == "unknown int") return true;
  if (left.kind == Kind::kMul) {
    if (IsDerivative(*left.children[0])) return true;  // d/dx x^3
    return std::all_of(left.children.begin(), left.children.end(), [](const ExprPtr& c) { return IsVariable(*c); });
  }
  if (left.kind == Kind::kTuple) {
    return std::all_of(left.children.begin(), left.children.end(), [](const ExprPtr& c) { return IsVariable(*c); });
  }
  if (left.kind == Kind::kFunction && left.name == "ratio") return !Symbols(left).empty();
  return left.kind == Kind::kFunction && left.name == "abs" && !Symbols(left).empty();
}

bool IsPoint(const Expr& expr) { return expr.kind == Kind::kFunction && expr.name.rfind("point ", 0) == 0; }

bool IsConstant(const Expr& expr) {
  if (expr.kind == Kind::kSymbol) return false;
  if (expr.kind == Kind::kFunction && (expr.name.rfind("call ", 0) == 0 || expr.name.rfind("index ", 0) == 0))
    return false;
  return std::all_of(expr.children.begin(), expr.children.end(),
                     [](const ExprPtr& child) { return IsConstant(*child); });
}

bool IsEquationToSolve(const Expr& left) {
  if (IsVariable(left) || Symbols(left).size() != 1) return false;
  switch (left.kind) {
    case Kind::kAdd:
    case Kind::kMul:
    case Kind::kNegate:
    case Kind::kDivide:
    case Kind::kPower:
    case Kind::kRoot:
      return std::all_of(left.children.begin(), left.children.end(), [](const ExprPtr& child) {
        return child->kind == Kind::kSymbol || Symbols(*child).empty() || IsEquationToSolve(*child);
      });
    default:
      return false;
  }
}

bool HasMatrixProduct(const Expr& expr) {
  if (expr.kind == Kind::kMul && std::count_if(expr.children.begin(), expr.children.end(),
                                               [](const ExprPtr& c) { return Contains(*c, Kind::kMatrix); }) > 1)
    return true;
  return std::any_of(expr.children.begin(), expr.children.end(),
                     [](const ExprPtr& child) { return HasMatrixProduct(*child); });
}

std::string BaseLetter(const Expr& variable) {
  if (variable.kind != Kind::kSymbol) return Key(variable);
  return variable.name.substr(0, variable.name.find('_'));
}

ExprPtr Difference(const Expr& relation, size_t i) {
  return MakeExpr(Kind::kAdd, {relation.children[i], MakeExpr(Kind::kNegate, {relation.children[i + 1]})});
}

int Infinite(const Expr& expr) {
  if (expr.kind == Kind::kConstant && expr.name == "inf") return 1;
  if (expr.kind == Kind::kNegate) return -Infinite(*expr.children[0]);
  return 0;
}

ExprPtr MatrixOfRows(const Expr& expr) {
  if (expr.kind != Kind::kTuple && expr.kind != Kind::kInterval) return nullptr;
  std::vector<ExprPtr> entries;
  for (const ExprPtr& row : expr.children) {
    const bool brackets = row->kind == Kind::kTuple || (row->kind == Kind::kInterval && row->name == "[]");
    if (!brackets || row->children.size() != expr.children[0]->children.size()) return nullptr;
    for (const ExprPtr& entry : row->children) {
      if (IsCollection(*entry) || IsRegion(*entry)) return nullptr;
      entries.push_back(entry);
    }
  }
  if (entries.empty()) return nullptr;
  return MakeMatrix(std::move(entries), static_cast<int64_t>(expr.children.size()),
                    static_cast<int64_t>(expr.children[0]->children.size()));
}

Conditioned SplitConditions(const ExprPtr& expr) {
  Conditioned split{expr, {}};
  if (expr->kind != Kind::kList || expr->name == "or") return split;
  std::vector<ExprPtr> core = expr->children;
  while (core.size() > 1 && IsSideCondition(*core.back())) {
    split.conditions.insert(split.conditions.begin(), core.back());
    core.pop_back();
  }
  std::set<std::string> symbols;
  for (const ExprPtr& part : core) {
    if (IsRegion(*part)) return {expr, {}};
    symbols.merge(Symbols(*part));
  }
  for (const ExprPtr& condition : split.conditions) {
    if (symbols.count(condition->children[0]->name) == 0) return {expr, {}};
  }
  if (!split.conditions.empty()) {
    split.core = core.size() == 1 ? core[0] : MakeExpr(Kind::kList, std::move(core), expr->name);
  }
  return split;
}

ExprPtr Simplify(ExprPtr expr) {
  if (expr->kind == Kind::kList || expr->kind == Kind::kSet) {
    std::vector<ExprPtr> elements;
    for (const ExprPtr& child : expr->children) {
      for (const ExprPtr& sign : Signs(child)) elements.push_back(sign);
    }
    if (elements.size() > kMaxElements) throw Error("more than {} elements", kMaxElements);
    expr = WithChildren(*expr, std::move(elements));
    if (expr->kind == Kind::kList) expr = Distribute(expr);
  } else if (Contains(*expr, Kind::kPlusMinus)) {
    expr = MakeExpr(Kind::kList, Signs(expr), "or");
  }
  if (expr->kind == Kind::kRelation && expr->children.size() == 2 && expr->ops[0] == "=" &&
      expr->children[0]->kind == Kind::kTuple && expr->children[1]->kind == Kind::kTuple &&
      expr->children[0]->children.size() == expr->children[1]->children.size() && IsAssignment(*expr)) {
    std::vector<ExprPtr> equations;  // (x, y) = (1, 2)
    for (size_t i = 0; i < expr->children[0]->children.size(); ++i) {
      equations.push_back(MakeRelation({expr->children[0]->children[i], expr->children[1]->children[i]}, {"="}));
    }
    expr = MakeExpr(Kind::kList, std::move(equations), "and");
  }
  if (expr->kind == Kind::kSetBuilder) {
    const Expr& what = *expr->children[0];
    if (what.kind == Kind::kSymbol || what.kind == Kind::kMember) {
      expr = Condition(expr->children[1]);
    } else if (IsSideCondition(*expr->children[1]) && !IsCollection(what)) {  // {k pi : k in Z}
      expr = MakeExpr(Kind::kList, {expr->children[0], expr->children[1]}, ",");
    }
  }
  return FoldMatrix(expr);
}

}  // namespace fulgur
