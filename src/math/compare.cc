#include "math/compare.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "math/answer_forms.h"
#include "math/region.h"
#include "math/units.h"

namespace fulgur {
namespace {

class Comparer {
 public:
  explicit Comparer(Budget* budget) : budget_(budget) {}

  bool Same(const ExprPtr& gold, const ExprPtr& answer) {
    budget_->Spend(20);
    // Every step goes to a part or to a simpler form; a form that were none would end here, not on the stack.
    if (++depth_ > 4 * kMaxDepth) throw Error("nested too deep to compare");
    const bool same = SameSimplified(Simplify(gold), Simplify(answer));
    --depth_;
    return same;
  }

 private:
  // --- Comparison by kind

  bool SameSimplified(ExprPtr gold, ExprPtr answer) {
    if (Key(*gold) == Key(*answer)) return !HasMatrixProduct(*gold);
    const Conditioned gold_split = SplitConditions(gold), answer_split = SplitConditions(answer);
    if (!gold_split.conditions.empty() || !answer_split.conditions.empty()) {
      if (SameConditioned(gold_split, answer_split)) return true;
      if (!gold_split.conditions.empty() && !answer_split.conditions.empty()) return false;
    }
    if (IsPoint(*gold) && answer->kind == Kind::kTuple) gold = MakeExpr(Kind::kTuple, gold->children);
    if (IsPoint(*answer) && gold->kind == Kind::kTuple) answer = MakeExpr(Kind::kTuple, answer->children);
    if (IsPoint(*gold) || IsPoint(*answer)) {
      return IsPoint(*gold) && IsPoint(*answer) && gold->name == answer->name &&
             InOrder(gold->children, answer->children);
    }
    const bool gold_equation = IsEquation(*gold), answer_equation = IsEquation(*answer);
    if (answer_equation && !gold_equation && !IsInequality(*gold)) {
      if (gold->kind == Kind::kList &&
          std::any_of(gold->children.begin(), gold->children.end(), [](const ExprPtr& c) { return IsEquation(*c); })) {
        return SameCollections(*gold, *answer);
      }
      return HasValue(*answer, gold);
    }
    if (gold_equation && !answer_equation) {
      if (IsAssignment(*gold) && !IsInequality(*answer)) {
        if (IsCollection(*answer) && std::any_of(answer->children.begin(), answer->children.end(),
                                                 [](const ExprPtr& c) { return IsEquation(*c); })) {
          return SameCollections(*gold, *answer);
        }
        return SameSimplified(Simplify(gold->children.back()), answer);
      }
      // "1/3 = 2/6 ~ 0.333": any of them
      if (!Symbols(*gold).empty()) return false;
      return std::any_of(gold->children.begin(), gold->children.end(),
                         [&](const ExprPtr& term) { return Same(term, answer); });
    }
    if (gold_equation) return SameEquations(gold, answer);
    if (IsInequality(*gold) && IsInequality(*answer)) return SameInequalities(*gold, *answer);
    if (gold->kind == Kind::kMatrix || answer->kind == Kind::kMatrix) return SameMatrices(*gold, *answer);
    if (gold->kind == Kind::kNumberSet && answer->kind == Kind::kSymbol) return gold->name == answer->name;
    if (IsRegion(*gold) || IsRegion(*answer) || ListOfRegions(*gold) || ListOfRegions(*answer)) {
      return SameRegions(*gold, *answer);
    }
    if (IsCollection(*gold) || IsCollection(*answer)) return SameCollections(*gold, *answer);
    return SameScalars(gold, answer);
  }

  // The same formula, and the same side conditions where both have some; a bound unknown may have another name.
  bool SameConditioned(const Conditioned& gold, Conditioned answer) {
    if (gold.conditions.empty() || answer.conditions.empty()) return Same(gold.core, answer.core);
    const auto member = [](const Conditioned& split) -> const Expr* {
      return split.conditions.size() == 1 && split.conditions[0]->kind == Kind::kMember ? split.conditions[0].get()
                                                                                        : nullptr;
    };
    const Expr* a = member(gold);
    const Expr* b = member(answer);
    if (a != nullptr && b != nullptr) {
      const ExprPtr to = a->children[0];
      const std::string from = b->children[0]->name;
      if (Key(*a->children[1]) != Key(*b->children[1])) return false;
      if (to->name != from && Symbols(*answer.core).count(to->name) > 0) return false;
      return Same(gold.core, Substitute(answer.core, from, to));
    }
    if (gold.conditions.size() != answer.conditions.size()) return false;
    for (const ExprPtr& condition : gold.conditions) {
      if (std::none_of(answer.conditions.begin(), answer.conditions.end(),
                       [&](const ExprPtr& other) { return Key(*condition) == Key(*other); }))
        return false;
    }
    return Same(gold.core, answer.core);
  }

  // Whether the value that an equation ends in is the gold answer: 5 of "x = 5", of "2 + 3 = 5", of "a + b = 2 + 3 = 5"
  // and of "5 = x". The parts of a chain have to agree, and approximations have to be roundings of what they stand for.
  bool HasValue(const Expr& equation, const ExprPtr& gold) {
    const auto& terms = equation.children;
    size_t first = IsAssignment(equation) ? 1 : 0, end = terms.size();
    if (first == 0 && end == 2 && IsVariable(*terms[1]) && Symbols(*terms[0]).empty()) end = 1;  // 5 = x
    if (Symbols(*gold).empty()) {
      // What precedes the numbers says what they are the value of.
      size_t symbolic = end;
      while (symbolic > first && IsConstant(*terms[symbolic - 1])) --symbolic;
      first = symbolic;
    }
    if (first >= end) return false;
    // 5 of "2x = 5" or "x^2 = 5" is the value of no unknown; of "a + b = 5" and "\\sin x = 5" it is what was asked for.
    if (first > 0 && Symbols(*gold).empty() && IsEquationToSolve(*terms[0])) return false;
    // "3 = x = 4" says two things.
    for (size_t i = 0; i < first; ++i) {
      if (IsConstant(*terms[i]) && !IsVariable(*terms[i]) && !Same(terms[i], terms[end - 1])) return false;
    }
    size_t exact = end - 1;  // the last part before the approximations
    for (size_t i = end - 1; i > first; --i) {
      if (equation.ops[i - 1] == "~") exact = i - 1;
    }
    for (size_t i = first; i < exact; ++i) {
      if (!Same(terms[i], terms[i + 1])) return false;
    }
    for (size_t i = exact + 1; i < end; ++i) {
      const auto decimal = AsDecimal(*terms[i]);
      if (!decimal || !WithinHalfUnit(*decimal, *terms[exact])) return false;
    }
    if (Same(gold, terms[exact])) return true;
    if (exact + 1 < end && AsDecimal(*terms[exact])) return false;
    for (size_t i = exact + 1; i < end; ++i) {
      if (Same(gold, terms[i])) return true;
    }
    return false;
  }

  bool SameEquations(const ExprPtr& gold, const ExprPtr& answer) {
    // Both say what a variable is: the variables and the values.
    if (IsAssignment(*gold) && IsAssignment(*answer)) {
      const ExprPtr gold_value = gold->children.back();
      if (Key(*gold->children[0]) == Key(*answer->children[0])) {
        if (HasValue(*answer, gold_value)) return true;
        const bool solved = gold->children.size() == 2 && answer->children.size() == 2 &&
                            gold->children[0]->kind == Kind::kSymbol &&
                            Symbols(*gold_value).count(gold->children[0]->name) == 0 &&
                            Symbols(*answer->children[1]).count(gold->children[0]->name) == 0;
        if (solved) return false;
      }
      if (gold->children.size() > 2 || answer->children.size() > 2) return false;
      if (Symbols(*gold).size() <= 1) {
        if (Symbols(*answer) != Symbols(*gold)) return false;
      }
    }
    if (gold->children.size() != 2 || answer->children.size() != 2) {
      return gold->children.size() == answer->children.size() && SameTerms(*gold, *answer);
    }
    for (const Expr* side : {gold.get(), answer.get()}) {
      for (const ExprPtr& term : side->children) {
        if (IsCollection(*term) || IsRegion(*term) || term->kind == Kind::kMatrix) return SameTerms(*gold, *answer);
      }
    }
    return Proportional(*Difference(*gold), *Difference(*answer), /*positive=*/false, budget_);
  }

  bool SameTerms(const Expr& gold, const Expr& answer) {
    if (gold.children.size() != answer.children.size() || gold.ops != answer.ops) return false;
    for (size_t i = 0; i < gold.children.size(); ++i) {
      if (!Same(gold.children[i], answer.children[i])) return false;
    }
    return true;
  }

  bool SameInequalities(const Expr& gold, const Expr& answer) {
    const auto gold_symbols = Symbols(gold), answer_symbols = Symbols(answer);
    if (gold_symbols != answer_symbols) return false;
    if (gold_symbols.size() == 1) {
      const auto a = ReadRegion(gold, budget_), b = ReadRegion(answer, budget_);
      if (a && b) return SamePieces(*a, *b);
    }
    if (gold.children.size() != answer.children.size()) return false;
    const size_t count = gold.ops.size();
    const auto same = [&](bool reversed) {
      for (size_t i = 0; i < count; ++i) {
        if (!SameInequality(gold, i, answer, reversed ? count - 1 - i : i)) return false;
      }
      return true;
    };
    return same(false) || (count > 1 && same(true));
  }

  bool SameInequality(const Expr& gold, size_t i, const Expr& answer, size_t j) {
    const std::string& p = gold.ops[i];
    const std::string& q = answer.ops[j];
    const auto strict = [](const std::string& op) { return op == "<" || op == ">"; };
    const auto open = [](const std::string& op) { return op == "=" || op == "!=" || op == "~"; };
    ExprPtr a = Difference(gold, i), b = Difference(answer, j);
    if (open(p) || open(q)) return p == q && Proportional(*a, *b, false, budget_);
    if (strict(p) != strict(q)) return false;
    if (p[0] != q[0]) b = MakeExpr(Kind::kNegate, {b});
    return Proportional(*a, *b, /*positive=*/true, budget_);
  }

  // --- Regions of the line

  bool SamePieces(const Pieces& gold, const Pieces& answer) {
    if (gold.size() != answer.size()) return false;
    const auto same_end = [this](const ExprPtr& a, const ExprPtr& b) {
      if (Infinite(*a) != 0 || Infinite(*b) != 0) return Infinite(*a) == Infinite(*b);
      return SameScalars(a, b);
    };
    for (size_t i = 0; i < gold.size(); ++i) {
      if (gold[i].lo_open != answer[i].lo_open || gold[i].hi_open != answer[i].hi_open) return false;
      if (!same_end(gold[i].lo, answer[i].lo) || !same_end(gold[i].hi, answer[i].hi)) return false;
    }
    return true;
  }

  bool SameRegions(const Expr& gold, const Expr& answer) {
    // x in A against y in A
    if (gold.kind == Kind::kMember && answer.kind == Kind::kMember &&
        Key(*gold.children[0]) != Key(*answer.children[0]))
      return false;
    const auto symbols = [](const Expr& expr) {
      return IsInequality(expr) || ListOfRegions(expr) ? Symbols(expr) : std::set<std::string>();
    };
    const auto gold_symbols = symbols(gold), answer_symbols = symbols(answer);
    if (!gold_symbols.empty() && !answer_symbols.empty() && gold_symbols != answer_symbols) return false;
    const auto a = ReadRegion(gold, budget_);
    if (a) {
      const auto b = ReadRegion(answer, budget_);
      if (b) return SamePieces(*a, *b);
      if (a->size() == 1 && !IsCollection(answer) && !IsRegion(answer)) {  // {5} against 5
        return (*a)[0].lo == (*a)[0].hi && SameScalars((*a)[0].lo, std::make_shared<Expr>(answer));
      }
    }
    return SameStructure(gold, answer);
  }

  // Part by part, where the ends cannot be put in order.
  bool SameStructure(const Expr& gold, const Expr& answer) {
    budget_->Spend(50);
    if (gold.kind == Kind::kMember && answer.kind != Kind::kMember)
      return Same(gold.children[1], std::make_shared<Expr>(answer));
    if (answer.kind == Kind::kMember && gold.kind != Kind::kMember)
      return Same(std::make_shared<Expr>(gold), answer.children[1]);
    if (gold.kind == Kind::kInterval && answer.kind == Kind::kTuple && answer.children.size() == 2) {
      return gold.name == "()" && Same(gold.children[0], answer.children[0]) &&
             Same(gold.children[1], answer.children[1]);
    }
    if (gold.kind == Kind::kTuple && answer.kind == Kind::kInterval && gold.children.size() == 2) {
      return answer.name == "()" && Same(gold.children[0], answer.children[0]) &&
             Same(gold.children[1], answer.children[1]);
    }
    if (gold.kind == Kind::kUnion || gold.kind == Kind::kIntersect ||
        (gold.kind == Kind::kList && answer.kind == Kind::kList)) {
      if (gold.kind != answer.kind) return false;
      return Matches(Flat(gold), Flat(answer));
    }
    if (gold.kind != answer.kind || gold.name != answer.name || gold.ops != answer.ops ||
        gold.children.size() != answer.children.size()) {
      return false;
    }
    for (size_t i = 0; i < gold.children.size(); ++i) {
      if (!Same(gold.children[i], answer.children[i])) return false;
    }
    return true;
  }

  static std::vector<ExprPtr> Flat(const Expr& expr) {
    std::vector<ExprPtr> flat;
    for (const ExprPtr& child : expr.children) {
      if (child->kind == expr.kind) {
        for (const ExprPtr& part : Flat(*child)) flat.push_back(part);
      } else {
        flat.push_back(child);
      }
    }
    return flat;
  }

  // --- Lists, tuples, sets, matrices

  bool SameMatrices(const Expr& gold, const Expr& answer) {
    if (gold.kind == Kind::kMatrix && answer.kind == Kind::kMatrix) {
      if (gold.rows != answer.rows || gold.columns != answer.columns) return false;
    } else {
      // A row or column against the same numbers as a tuple.
      if (const ExprPtr rows = MatrixOfRows(gold.kind == Kind::kMatrix ? answer : gold)) {
        return gold.kind == Kind::kMatrix ? SameMatrices(gold, *rows) : SameMatrices(*rows, answer);
      }
      const Expr& matrix = gold.kind == Kind::kMatrix ? gold : answer;
      const Expr& other = gold.kind == Kind::kMatrix ? answer : gold;
      if (matrix.rows == 1 && matrix.columns == 1)
        return Same(gold.kind == Kind::kMatrix ? gold.children[0] : std::make_shared<Expr>(gold),
                    gold.kind == Kind::kMatrix ? std::make_shared<Expr>(answer) : answer.children[0]);
      const bool brackets =
          other.kind == Kind::kInterval && other.name == "[]";  // [1, 2] beside a matrix is no interval
      if ((other.kind != Kind::kTuple && !brackets) || (matrix.rows != 1 && matrix.columns != 1)) return false;
    }
    return InOrder(gold.children, answer.children);
  }

  bool InOrder(const std::vector<ExprPtr>& gold, const std::vector<ExprPtr>& answer) {
    if (gold.size() != answer.size()) return false;
    for (size_t i = 0; i < gold.size(); ++i) {
      if (!Same(gold[i], answer[i])) return false;
    }
    return true;
  }

  // Each element once, whatever the order.
  bool Matches(std::vector<ExprPtr> gold, std::vector<ExprPtr> answer) {
    gold = Distinct(std::move(gold));
    answer = Distinct(std::move(answer));
    if (gold.size() != answer.size()) return false;
    std::vector<bool> used(answer.size(), false);
    for (const ExprPtr& element : gold) {
      bool found = false;
      for (size_t j = 0; j < answer.size() && !found; ++j) {
        if (used[j] || !Same(element, answer[j])) continue;
        used[j] = true;
        found = true;
      }
      if (!found) return false;
    }
    return true;
  }

  std::vector<ExprPtr> Distinct(std::vector<ExprPtr> elements) {
    std::vector<ExprPtr> kept;
    for (ExprPtr& element : elements) {
      const bool seen = std::any_of(kept.begin(), kept.end(), [&](const ExprPtr& other) {
        budget_->Spend(5);
        if (element->kind == Kind::kNumber && other->kind == Kind::kNumber) return element->value == other->value;
        if (IsEquation(*element) != IsEquation(*other)) return false;
        return SameExactly(element, other);
      });
      if (!seen) kept.push_back(std::move(element));
    }
    return kept;
  }

  bool SameExactly(const ExprPtr& a, const ExprPtr& b) {
    if (Key(*a) == Key(*b)) return true;
    if (a->kind == Kind::kRelation || b->kind == Kind::kRelation || IsCollection(*a) || IsCollection(*b) ||
        IsRegion(*a) || IsRegion(*b))
      return false;
    return SameValue(*a, *b, budget_) == Equality::kEqual;
  }

  static std::vector<ExprPtr> Elements(const Expr& expr) {
    if (IsCollection(expr)) return expr.children;
    return {std::make_shared<Expr>(expr)};
  }

  bool SameCollections(const Expr& gold, const Expr& answer) {
    std::vector<ExprPtr> a = Elements(gold), b = Elements(answer);
    // (2, 5) has an order, or is an interval; {2, 5} is neither. {{5}} is not {5}.
    const bool labels = std::all_of(b.begin(), b.end(), [](const ExprPtr& e) { return IsAssignment(*e); });
    if (gold.kind == Kind::kTuple && answer.kind == Kind::kSet && b.size() != 1 && !labels) return false;
    if ((gold.kind == Kind::kSet && a.size() == 1 && a[0]->kind == Kind::kSet) !=
        (answer.kind == Kind::kSet && b.size() == 1 && b[0]->kind == Kind::kSet))
      return false;
    // A set of one element against the element, which may itself be a tuple.
    if (a.size() == 1 && IsCollection(gold) && gold.kind != Kind::kTuple && answer.kind == Kind::kTuple)
      return Same(a[0], std::make_shared<Expr>(answer));
    if (b.size() == 1 && answer.kind != Kind::kTuple && gold.kind == Kind::kTuple) {
      return IsCollection(answer) && Same(std::make_shared<Expr>(gold), b[0]);
    }
    if (a.size() > kMaxElements || b.size() > kMaxElements) throw Error("more than {} elements", kMaxElements);
    const auto assignments = [](const std::vector<ExprPtr>& elements) {
      return !elements.empty() &&
             std::all_of(elements.begin(), elements.end(), [](const ExprPtr& e) { return IsAssignment(*e); });
    };
    bool ordered = gold.kind == Kind::kTuple || answer.kind == Kind::kTuple;
    if (gold.kind == Kind::kTuple && answer.kind != Kind::kTuple && !IsCollection(answer)) return false;
    const bool gold_assigns = assignments(a), answer_assigns = assignments(b);
    if (gold_assigns && answer_assigns) {
      if (Matches(a, b)) return true;
      // x_1, x_2 may be counted either way.
      if (!OneVariable(a) || !OneVariable(b)) return false;
      if (BaseLetter(*a[0]->children[0]) != BaseLetter(*b[0]->children[0])) return false;
      return Matches(Values(a), Values(b));
    }
    if (gold_assigns) {
      ordered = ordered || !OneVariable(a);
      a = Values(a);
    } else if (answer_assigns) {
      if (gold.kind == Kind::kSet && !OneVariable(b)) return false;
      ordered = ordered || !OneVariable(b);
      b = Values(ByLetter(b));
    }
    return ordered ? InOrder(a, b) : Matches(std::move(a), std::move(b));
  }

  // The equations are about one unknown: x = 1 or x = 2, x_1 = 1 and x_2 = 2.
  static bool OneVariable(const std::vector<ExprPtr>& equations) {
    return std::all_of(equations.begin(), equations.end(), [&](const ExprPtr& e) {
      return BaseLetter(*e->children[0]) == BaseLetter(*equations[0]->children[0]);
    });
  }
  // y = 4, x = 3 gives (3, 4): by the alphabet, if the unknowns are neighbours in it.
  static std::vector<ExprPtr> ByLetter(std::vector<ExprPtr> equations) {
    std::set<std::string> names;
    for (const ExprPtr& equation : equations) {
      const Expr& left = *equation->children[0];
      if (left.kind != Kind::kSymbol || left.name.size() != 1 || !names.insert(left.name).second) return equations;
    }
    if ((*names.rbegin())[0] - (*names.begin())[0] + 1 != static_cast<int>(names.size())) return equations;
    std::sort(equations.begin(), equations.end(),
              [](const ExprPtr& a, const ExprPtr& b) { return a->children[0]->name < b->children[0]->name; });
    return equations;
  }
  static std::vector<ExprPtr> Values(const std::vector<ExprPtr>& equations) {
    std::vector<ExprPtr> values;
    for (const ExprPtr& equation : equations) values.push_back(equation->children.back());
    return values;
  }

  // --- Numbers and formulas

  bool SameScalars(ExprPtr gold, ExprPtr answer) {
    budget_->Spend(20);
    if (IsCollection(*gold) || IsCollection(*answer) || gold->kind == Kind::kRelation ||
        answer->kind == Kind::kRelation || IsRegion(*gold) || IsRegion(*answer) || Contains(*gold, Kind::kMatrix) ||
        Contains(*answer, Kind::kMatrix)) {
      return SameStructure(*gold, *answer);
    }
    // Units: of the same kind if both are known, otherwise they say nothing.
    Quantity gold_unit, answer_unit;
    bool gold_has = StripUnit(&gold, &gold_unit), answer_has = StripUnit(&answer, &answer_unit);
    // "5 m" may be a product; beside metres it is not.
    if (gold_has && !answer_has) answer_has = StripLetter(&answer, gold_unit, &answer_unit);
    if (answer_has && !gold_has) gold_has = StripLetter(&gold, answer_unit, &gold_unit);
    if (gold_has && answer_has && gold_unit.known && answer_unit.known) {
      if (gold_unit.dimension != answer_unit.dimension) return false;
      if (gold_unit.factor != answer_unit.factor) {
        const Rational factor = answer_unit.factor / gold_unit.factor;
        answer = MakeExpr(Kind::kMul, {MakeNumber(factor), answer});
      }
    }
    const int a = Infinite(*gold), b = Infinite(*answer);
    if (a != 0 || b != 0) return a == b;
    if (gold->kind == Kind::kBased || answer->kind == Kind::kBased) return SameBased(*gold, *answer);
    if (gold->kind == Kind::kFunction && gold->name == "ratio" && gold->children.size() > 2)
      return SameRatios(*gold, *answer);
    const auto residue = [](const Expr& e) { return e.kind == Kind::kFunction && e.name == "residue"; };
    const auto congruent = [](const Expr& e) { return e.kind == Kind::kFunction && e.name == "congruent"; };
    if (residue(*gold) || residue(*answer) || congruent(*gold) || congruent(*answer)) {
      return SameResidues(*gold, *answer);
    }
    // Percent: 10% is 10 or 0.1; degrees: 90 degrees is 90 or pi/2.
    const bool gold_percent = StripSuffix(&gold, Kind::kPercent), answer_percent = StripSuffix(&answer, Kind::kPercent);
    const bool gold_degree = StripSuffix(&gold, Kind::kDegree), answer_degree = StripSuffix(&answer, Kind::kDegree);
    // 0.5% is not 0.5: only a number from 1 on is likely to stand for that number of percent.
    const bool one_percent = gold_percent != answer_percent;
    if ((!one_percent || AtLeastOne(*gold)) && SameNumbers(*gold, *answer)) return true;
    const auto as = [](Kind kind, const ExprPtr& expr) { return MakeExpr(kind, {expr}); };
    if (gold_percent && !answer_percent) return SamePercent(*gold, *answer);
    if (answer_percent && !gold_percent) return SameNumbers(*gold, *as(Kind::kPercent, answer));
    if (gold_degree && !answer_degree && !answer_has) return SameNumbers(*as(Kind::kDegree, gold), *answer);
    if (answer_degree && !gold_degree && !gold_has) return SameNumbers(*gold, *as(Kind::kDegree, answer));
    return false;
  }

  bool AtLeastOne(const Expr& expr) {
    const auto order =
        CompareReal(*MakeExpr(Kind::kFunction, {std::make_shared<Expr>(expr)}, "abs"), *MakeNumber(1), budget_);
    return order && *order >= 0;
  }

  // 12.5% against 0.125 and 1/8.
  bool SamePercent(const Expr& gold, const Expr& answer) {
    return SameNumbers(gold, *MakeExpr(Kind::kMul, {MakeNumber(100), std::make_shared<Expr>(answer)}));
  }

  static bool StripUnit(ExprPtr* expr, Quantity* quantity) {
    bool negative = false;
    ExprPtr inner = *expr;
    if (inner->kind == Kind::kNegate) negative = true, inner = inner->children[0];
    if (inner->kind != Kind::kUnit) return false;
    *quantity = ReadUnits(inner->name);
    inner = inner->children[0];
    *expr = negative ? MakeExpr(Kind::kNegate, {inner}) : inner;
    return true;
  }

  // A last factor that is one letter and names a unit of the dimension of `other`.
  static bool StripLetter(ExprPtr* expr, const Quantity& other, Quantity* quantity) {
    if ((*expr)->kind != Kind::kMul || !other.known) return false;
    const Expr& last = *(*expr)->children.back();
    if (last.kind != Kind::kSymbol || last.name.size() != 1) return false;
    const Quantity unit = ReadUnits(last.name);
    if (!unit.known || unit.dimension != other.dimension) return false;
    std::vector<ExprPtr> rest((*expr)->children.begin(), (*expr)->children.end() - 1);
    *expr = rest.size() == 1 ? rest[0] : MakeExpr(Kind::kMul, std::move(rest));
    *quantity = unit;
    return true;
  }

  static bool StripSuffix(ExprPtr* expr, Kind kind) {
    const bool negative = (*expr)->kind == Kind::kNegate;
    const ExprPtr inner = negative ? (*expr)->children[0] : *expr;
    if (inner->kind == kind) {
      *expr = negative ? MakeExpr(Kind::kNegate, {inner->children[0]}) : inner->children[0];
      return true;
    }
    if (inner->kind == Kind::kMul && inner->children.back()->kind == kind) {  // \frac{100}{3}\%
      std::vector<ExprPtr> children = inner->children;
      children.back() = children.back()->children[0];
      *expr = MakeExpr(Kind::kMul, std::move(children));
      if (negative) *expr = MakeExpr(Kind::kNegate, {*expr});
      return true;
    }
    return false;
  }

  // 101_2 against 101_2 and 101, not against 5.
  bool SameBased(const Expr& gold, const Expr& answer) {
    const auto digits = [](const Expr& expr) -> std::string {
      if (expr.kind == Kind::kBased) return expr.name;
      if (expr.kind == Kind::kNumber && expr.decimals < 0 && expr.value.get_den() == 1) return expr.value.get_str();
      return "";
    };
    if (digits(gold).empty() || digits(gold) != digits(answer)) return false;
    if (gold.kind == Kind::kBased && answer.kind == Kind::kBased)
      return SameNumbers(*gold.children[0], *answer.children[0]);
    // A base that the gold answer lacks has to be ten.
    return gold.kind == Kind::kBased || SameNumbers(*MakeNumber(10), *answer.children[0]);
  }

  bool SameRatios(const Expr& gold, const Expr& answer) {
    if (answer.kind != Kind::kFunction || answer.name != "ratio" || answer.children.size() != gold.children.size())
      return false;
    for (size_t i = 1; i < gold.children.size(); ++i) {
      const ExprPtr left = MakeExpr(Kind::kMul, {gold.children[0], answer.children[i]});
      const ExprPtr right = MakeExpr(Kind::kMul, {gold.children[i], answer.children[0]});
      if (!SameNumbers(*left, *right)) return false;
    }
    return true;
  }

  // 12 (mod 13) and x = 12 (mod 13), which are the same as -1 (mod 13), and may be given as the number 12. A class of
  // numbers that an unknown is in is more than a number.
  bool SameResidues(const Expr& gold, const Expr& answer) {
    struct Class {
      ExprPtr unknown, value, modulus;
    };
    const auto read = [](const Expr& expr) {
      const bool congruence = expr.kind == Kind::kFunction && expr.name == "congruent";
      if (congruence) return Class{expr.children[0], expr.children[1], expr.children[2]};
      if (expr.kind == Kind::kFunction && expr.name == "residue")
        return Class{nullptr, expr.children[0], expr.children[1]};
      return Class{nullptr, std::make_shared<Expr>(expr), nullptr};
    };
    const Class a = read(gold), b = read(answer);
    if (a.unknown != nullptr && b.unknown != nullptr && !SameNumbers(*a.unknown, *b.unknown)) return false;
    if (a.modulus == nullptr || b.modulus == nullptr) return a.unknown == nullptr && SameNumbers(*a.value, *b.value);
    if (!SameNumbers(*a.modulus, *b.modulus)) return false;
    const auto rest = [&](const Class& of) {
      return ExactValue(*MakeExpr(Kind::kFunction, {of.value, of.modulus}, "mod"), budget_);
    };
    const auto x = rest(a), y = rest(b);
    return x && y ? *x == *y : SameNumbers(*a.value, *b.value);
  }

  bool SameNumbers(const Expr& gold, const Expr& answer) {
    const Equality equality = SameValue(gold, answer, budget_);
    if (equality == Equality::kEqual) return true;
    return Rounds(gold, answer);
  }

  struct Decimal {
    Rational value, half_unit;
    int decimals, digits;
  };
  // A number written with a decimal point, with its sign and power of ten.
  static std::optional<Decimal> AsDecimal(const Expr& expr) {
    if (expr.kind == Kind::kNumber && expr.decimals > 0) {
      Integer scale;
      mpz_ui_pow_ui(scale.get_mpz_t(), 10, static_cast<unsigned long>(expr.decimals));
      Rational half(Integer(1), scale * 2);
      half.canonicalize();
      return Decimal{expr.value, half, expr.decimals, expr.digits};
    }
    if (expr.kind == Kind::kNegate || expr.kind == Kind::kUnit) {
      auto inner = AsDecimal(*expr.children[0]);
      if (inner && expr.kind == Kind::kNegate) inner->value = -inner->value;
      return inner;
    }
    if (expr.kind == Kind::kMul && expr.children.size() == 2) {
      const Expr& power = *expr.children[1];
      if (power.kind != Kind::kPower || power.children[0]->kind != Kind::kNumber || power.children[0]->value != 10)
        return std::nullopt;
      const Expr* exponent = power.children[1].get();
      const bool negative = exponent->kind == Kind::kNegate;
      if (negative) exponent = exponent->children[0].get();
      if (exponent->kind != Kind::kNumber || exponent->value.get_den() != 1 || exponent->value > 1000)
        return std::nullopt;
      auto inner = AsDecimal(*expr.children[0]);
      if (!inner) return std::nullopt;
      Integer scale;
      mpz_ui_pow_ui(scale.get_mpz_t(), 10, exponent->value.get_num().get_ui());
      const Rational factor = negative ? Rational(1 / Rational(scale)) : Rational(scale);
      inner->value *= factor;
      inner->half_unit *= factor;
      return inner;
    }
    return std::nullopt;
  }

  // Whether `answer` rounds to the decimal `gold`. An answer that is as coarse as the gold answer has to be it, and a
  // short decimal may be exact (0.5 is not 0.52), so: with two decimals and three digits anything that rounds to it;
  // with two digits and two decimals what is no decimal itself (1/3 for 0.33); with two digits irrational numbers
  // (sqrt(2) for 1.4).
  bool Rounds(const Expr& gold, const Expr& answer) {
    const auto decimal = AsDecimal(gold);
    if (!decimal || !Symbols(answer).empty()) return false;
    const auto exact = ExactValue(answer, budget_);
    const auto other = AsDecimal(answer);
    if (other && other->half_unit >= decimal->half_unit) return false;
    const bool two = decimal->decimals >= 2 && decimal->digits >= 2;
    const bool three = decimal->decimals >= 2 && decimal->digits >= 3;
    if (!three && (other || (exact && !two) || decimal->digits < 2)) return false;
    return WithinHalfUnit(*decimal, answer);
  }

  bool WithinHalfUnit(const Decimal& decimal, const Expr& expr) {
    if (!Symbols(expr).empty()) return false;
    if (const auto exact = ExactValue(expr, budget_)) return abs(*exact - decimal.value) <= decimal.half_unit;
    const auto value = NumericValue(expr, {Domain::kReal, 0}, 256, budget_);
    if (!value) return false;
    BigComplex difference(256), half(256);
    mpfr_sub_q(difference.re(), value->re(), decimal.value.get_mpq_t(), MPFR_RNDN);
    mpfr_set_q(half.re(), decimal.half_unit.get_mpq_t(), MPFR_RNDN);
    return mpfr_cmpabs(difference.re(), half.re()) <= 0;
  }

  Budget* budget_;
  int depth_ = 0;
};

}  // namespace

bool SameAnswer(const ExprPtr& gold, const ExprPtr& answer, Budget* budget, std::string* reason) {
  if (Comparer(budget).Same(gold, answer)) return true;
  *reason = "not the same as the gold answer";
  return false;
}

}  // namespace fulgur
