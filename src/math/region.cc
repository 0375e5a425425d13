#include "math/region.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "math/answer_forms.h"

namespace fulgur {
namespace {

class RegionReader {
 public:
  explicit RegionReader(Budget* budget) : budget_(budget) {}

  std::optional<Pieces> Region(const Expr& expr) {
    budget_->Spend(20);
    switch (expr.kind) {
      case Kind::kInterval: {
        Piece piece{expr.children[0], expr.children[1], expr.name[0] == '(', expr.name[1] == ')'};
        if (Infinite(*piece.lo) != 0) piece.lo_open = true;
        if (Infinite(*piece.hi) != 0) piece.hi_open = true;
        return Normal({piece});
      }
      case Kind::kTuple:
        if (expr.children.size() != 2) return std::nullopt;
        return Normal({Piece{expr.children[0], expr.children[1], true, true}});
      case Kind::kSet: {
        Pieces points;
        for (const ExprPtr& child : expr.children) points.push_back({child, child, false, false});
        return Normal(std::move(points));
      }
      case Kind::kEmptySet:
        return Pieces{};
      case Kind::kNumberSet:
        if (expr.name == "R") return Pieces{Whole()};
        if (expr.name == "R^+" || expr.name == "R_+" || expr.name == "R^-") {
          const bool plus = expr.name[2] == '+';
          const ExprPtr zero = MakeNumber(0);
          return Pieces{plus ? Piece{zero, Infinity(false)} : Piece{Infinity(true), zero}};
        }
        return std::nullopt;
      case Kind::kMember:
        return Region(*Simplify(expr.children[1]));
      case Kind::kSetBuilder:
        return std::nullopt;
      case Kind::kUnion:
      case Kind::kIntersect:
      case Kind::kSetMinus: {
        auto a = Region(*expr.children[0]), b = Region(*expr.children[1]);
        if (!a || !b) return std::nullopt;
        if (expr.kind == Kind::kUnion) {
          a->insert(a->end(), b->begin(), b->end());
          return Normal(std::move(*a));
        }
        if (expr.kind == Kind::kSetMinus) b = Complement(*b);
        if (!b) return std::nullopt;
        return Intersect(*a, *b);
      }
      case Kind::kList: {
        // "x < 1 or x > 2", "x > 1 and x < 2"; of a comma, whichever is not empty
        std::optional<Pieces> meet = Pieces{Whole()};
        Pieces join;
        std::set<std::string> symbols;
        for (const ExprPtr& child : expr.children) {
          const auto part = Region(*child);
          if (!part) return std::nullopt;
          if (child->kind == Kind::kRelation) symbols.merge(Symbols(*child));
          meet = Intersect(*meet, *part);
          if (!meet) return std::nullopt;
          join.insert(join.end(), part->begin(), part->end());
        }
        if (symbols.size() > 1) return std::nullopt;
        const bool relations = !symbols.empty();
        if (relations && (expr.name == "and" || (expr.name == "," && !meet->empty()))) return meet;
        return Normal(std::move(join));
      }
      case Kind::kRelation:
        return Chain(expr);
      default:
        return std::nullopt;
    }
  }

 private:
  static ExprPtr Infinity(bool negative) {
    ExprPtr inf = MakeExpr(Kind::kConstant, {}, "inf");
    return negative ? MakeExpr(Kind::kNegate, {inf}) : inf;
  }

  std::optional<int> Order(const Expr& a, const Expr& b) {
    const int x = Infinite(a), y = Infinite(b);
    if (x != 0 || y != 0) return x < y ? -1 : x > y ? 1 : 0;
    return CompareReal(a, b, budget_);
  }

  static Piece Whole() { return {Infinity(true), Infinity(false), true, true}; }

  // 1 < x <= 2, 2x > 4, x != 3, 0 < f(x) < 1: linear in its one symbol, or about the values of one function.
  std::optional<Pieces> Chain(const Expr& relation) {
    std::vector<ExprPtr> terms = relation.children;
    for (ExprPtr& term : terms) {
      if (term->kind == Kind::kFunction && term->name.rfind("call ", 0) == 0)
        term = MakeExpr(Kind::kSymbol, {}, Key(*term));
    }
    const ExprPtr replaced = WithChildren(relation, std::move(terms));
    const Expr& expr = *replaced;
    const auto symbols = Symbols(expr);
    if (symbols.size() != 1) return std::nullopt;
    Pieces region = {Whole()};
    for (size_t i = 0; i < expr.ops.size(); ++i) {
      const auto part = Linear(expr, i, *symbols.begin());
      if (!part) return std::nullopt;
      const auto meet = Intersect(region, *part);
      if (!meet) return std::nullopt;
      region = *meet;
    }
    return region;
  }

  std::optional<Pieces> Linear(const Expr& expr, size_t i, const std::string& symbol) {
    const ExprPtr zero = MakeNumber(0);
    std::string op = expr.ops[i];
    // x < oo says nothing.
    const int left = Infinite(*expr.children[i]), right = Infinite(*expr.children[i + 1]);
    if (left != 0 || right != 0) {
      const bool up = op[0] == '<' ? (left < 0 || right > 0) : (left > 0 || right < 0);
      return up && (op[0] == '<' || op[0] == '>') ? std::optional<Pieces>(Pieces{Whole()}) : std::nullopt;
    }
    // |x - 1| < 2 is two inequalities.
    for (const size_t k : {i, i + 1}) {
      const Expr& bars = *expr.children[k];
      const ExprPtr& bound = expr.children[k == i ? i + 1 : i];
      if (bars.kind != Kind::kFunction || bars.name != "abs" || !Symbols(*bound).empty()) continue;
      const bool below = (op[0] == '<') == (k == i);
      if (op[0] != '<' && op[0] != '>') return std::nullopt;
      const std::string less = op.size() == 1 ? "<" : "<=", more = op.size() == 1 ? ">" : ">=";
      const ExprPtr low = MakeExpr(Kind::kNegate, {bound}), inner = bars.children[0];
      const auto order = CompareReal(*bound, *zero, budget_);
      if (!order || *order <= 0) return std::nullopt;
      const auto first = Linear(*MakeRelation({inner, bound}, {below ? less : more}), 0, symbol);
      const auto second = Linear(*MakeRelation({inner, low}, {below ? more : less}), 0, symbol);
      if (!first || !second) return std::nullopt;
      if (below) return Intersect(*first, *second);
      Pieces both = *first;
      both.insert(both.end(), second->begin(), second->end());
      return Normal(std::move(both));
    }
    const ExprPtr f = Difference(expr, i);
    if (f->kind != Kind::kAdd || Contains(*f, Kind::kTuple) || Contains(*f, Kind::kList)) return std::nullopt;
    const ExprPtr f0 = Substitute(f, symbol, zero);
    const ExprPtr slope = MakeExpr(Kind::kAdd, {Substitute(f, symbol, MakeNumber(1)), MakeExpr(Kind::kNegate, {f0})});
    const ExprPtr line = MakeExpr(Kind::kAdd, {f0, MakeExpr(Kind::kMul, {slope, MakeExpr(Kind::kSymbol, {}, symbol)})});
    if (SameValue(*f, *line, budget_) != Equality::kEqual) return std::nullopt;
    const auto sign = CompareReal(*slope, *zero, budget_);
    if (!sign || *sign == 0) return std::nullopt;
    // As short as possible: the end may be compared with a decimal.
    ExprPtr end = MakeExpr(Kind::kDivide, {MakeExpr(Kind::kNegate, {f0}), slope});
    for (const size_t k : {i, i + 1}) {
      const Expr& other = *expr.children[k == i ? i + 1 : i];
      if (other.kind == Kind::kSymbol && Symbols(*expr.children[k]).empty()) end = expr.children[k];
    }
    if (op[0] == '<' || op[0] == '>') {
      const bool below = (op[0] == '<') == (*sign > 0);
      const bool open = op.size() == 1;
      return Pieces{below ? Piece{Infinity(true), end, true, open} : Piece{end, Infinity(false), open, true}};
    }
    if (op == "!=") return Pieces{{Infinity(true), end, true, true}, {end, Infinity(false), true, true}};
    if (op == "=") return Pieces{{end, end, false, false}};
    return std::nullopt;
  }

  std::optional<Pieces> Normal(Pieces pieces) {
    if (pieces.size() > kMaxElements) throw Error("more than {} pieces", kMaxElements);
    Pieces kept;
    for (Piece& piece : pieces) {
      const auto order = Order(*piece.lo, *piece.hi);
      if (!order) return std::nullopt;
      if (*order < 0 || (*order == 0 && !piece.lo_open && !piece.hi_open)) kept.push_back(std::move(piece));
    }
    // By insertion: Order may fail, which no std::sort takes.
    Pieces sorted;
    for (Piece& piece : kept) {
      size_t at = sorted.size();
      while (at > 0) {
        const auto order = Order(*piece.lo, *sorted[at - 1].lo);
        if (!order) return std::nullopt;
        if (*order > 0 || (*order == 0 && (piece.lo_open || !sorted[at - 1].lo_open))) break;
        --at;
      }
      sorted.insert(sorted.begin() + static_cast<int64_t>(at), std::move(piece));
    }
    Pieces merged;
    for (Piece& piece : sorted) {
      if (!merged.empty()) {
        Piece& last = merged.back();
        const auto order = Order(*last.hi, *piece.lo);
        if (!order) return std::nullopt;
        if (*order > 0 || (*order == 0 && !(last.hi_open && piece.lo_open))) {
          const auto ends = Order(*last.hi, *piece.hi);
          if (!ends) return std::nullopt;
          if (*ends < 0) last.hi = piece.hi, last.hi_open = piece.hi_open;
          if (*ends == 0) last.hi_open = last.hi_open && piece.hi_open;
          continue;
        }
      }
      merged.push_back(std::move(piece));
    }
    return merged;
  }

  std::optional<Pieces> Intersect(const Pieces& a, const Pieces& b) {
    Pieces result;
    for (const Piece& p : a) {
      for (const Piece& q : b) {
        budget_->Spend(50);
        const auto lows = Order(*p.lo, *q.lo), highs = Order(*p.hi, *q.hi);
        if (!lows || !highs) return std::nullopt;
        Piece both = p;
        if (*lows < 0) both.lo = q.lo, both.lo_open = q.lo_open;
        if (*lows == 0) both.lo_open = p.lo_open || q.lo_open;
        if (*highs > 0) both.hi = q.hi, both.hi_open = q.hi_open;
        if (*highs == 0) both.hi_open = p.hi_open || q.hi_open;
        result.push_back(std::move(both));
      }
    }
    return Normal(std::move(result));
  }

  std::optional<Pieces> Complement(const Pieces& pieces) {
    Pieces result = {Whole()};
    for (const Piece& piece : pieces) {
      Pieces outside;
      if (Infinite(*piece.lo) == 0) outside.push_back({Infinity(true), piece.lo, true, !piece.lo_open});
      if (Infinite(*piece.hi) == 0) outside.push_back({piece.hi, Infinity(false), !piece.hi_open, true});
      const auto meet = Intersect(result, outside);
      if (!meet) return std::nullopt;
      result = *meet;
    }
    return result;
  }

  Budget* budget_;
};

}  // namespace

std::optional<Pieces> ReadRegion(const Expr& expr, Budget* budget) { return RegionReader(budget).Region(expr); }

}  // namespace fulgur
