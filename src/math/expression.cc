#include "math/expression.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace fulgur {
namespace {

void Measure(Expr* expr) {
  expr->depth = 1;
  expr->nodes = 1;
  for (const ExprPtr& child : expr->children) {
    expr->depth = std::max(expr->depth, child->depth + 1);
    expr->nodes += child->nodes;
  }
  if (expr->depth > kMaxDepth) throw Error("nested more than {} deep", kMaxDepth);
  if (expr->nodes > kMaxNodes) throw Error("more than {} parts", kMaxNodes);
}

void AddSymbols(const Expr& expr, std::set<std::string>* names) {
  if (expr.kind == Kind::kSymbol) names->insert(expr.name);
  for (const ExprPtr& child : expr.children) AddSymbols(*child, names);
}

}  // namespace

ExprPtr MakeExpr(Kind kind, std::vector<ExprPtr> children, std::string name) {
  auto expr = std::make_shared<Expr>();
  expr->kind = kind;
  expr->children = std::move(children);
  expr->name = std::move(name);
  Measure(expr.get());
  return expr;
}

ExprPtr MakeNumber(const Rational& value) { return MakeDecimal(value, -1, 0); }

ExprPtr MakeDecimal(const Rational& value, int decimals, int digits) {
  auto expr = std::make_shared<Expr>();
  expr->kind = Kind::kNumber;
  expr->value = value;
  expr->decimals = decimals;
  expr->digits = digits;
  return expr;
}

ExprPtr MakeRelation(std::vector<ExprPtr> terms, std::vector<std::string> ops) {
  FULGUR_CHECK(terms.size() == ops.size() + 1);
  auto expr = std::make_shared<Expr>();
  expr->kind = Kind::kRelation;
  expr->children = std::move(terms);
  expr->ops = std::move(ops);
  Measure(expr.get());
  return expr;
}

ExprPtr MakeMatrix(std::vector<ExprPtr> entries, int64_t rows, int64_t columns) {
  FULGUR_CHECK(static_cast<int64_t>(entries.size()) == rows * columns);
  auto expr = std::make_shared<Expr>();
  expr->kind = Kind::kMatrix;
  expr->children = std::move(entries);
  expr->rows = rows;
  expr->columns = columns;
  Measure(expr.get());
  return expr;
}

ExprPtr WithChildren(const Expr& expr, std::vector<ExprPtr> children) {
  auto copy = std::make_shared<Expr>(expr);
  copy->children = std::move(children);
  Measure(copy.get());
  return copy;
}

std::string Key(const Expr& expr) {
  if (expr.kind == Kind::kNumber) return expr.value.get_str();
  std::vector<std::string> parts;
  for (const ExprPtr& child : expr.children) parts.push_back(Key(*child));
  if (expr.kind == Kind::kAdd || expr.kind == Kind::kMul) std::sort(parts.begin(), parts.end());
  std::string key = fmt::format("({}:{}", static_cast<int>(expr.kind), expr.name);
  if (expr.kind == Kind::kMatrix) key += fmt::format(" {}x{}", expr.rows, expr.columns);
  for (size_t i = 0; i < parts.size(); ++i) {
    key += i > 0 && i <= expr.ops.size() ? " " + expr.ops[i - 1] + " " : " ";
    key += parts[i];
  }
  return key + ")";
}

bool Contains(const Expr& expr, Kind kind) {
  if (expr.kind == kind) return true;
  return std::any_of(expr.children.begin(), expr.children.end(),
                     [kind](const ExprPtr& child) { return Contains(*child, kind); });
}

std::set<std::string> Symbols(const Expr& expr) {
  std::set<std::string> names;
  AddSymbols(expr, &names);
  return names;
}

ExprPtr Substitute(const ExprPtr& expr, const std::string& symbol, const ExprPtr& by) {
  if (expr->kind == Kind::kSymbol && expr->name == symbol) return by;
  if (expr->children.empty()) return expr;
  std::vector<ExprPtr> children;
  bool changed = false;
  for (const ExprPtr& child : expr->children) {
    children.push_back(Substitute(child, symbol, by));
    changed = changed || children.back() != child;
  }
  return changed ? WithChildren(*expr, std::move(children)) : expr;
}

}  // namespace fulgur
