#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "math/evaluate.h"

namespace fulgur {
namespace {

constexpr mpfr_prec_t kLow = 256, kHigh = kFinePrecision, kHighest = 2048;
constexpr mpfr_exp_t kNoExponent = -(mpfr_exp_t{1} << 60);  // that of 0
constexpr int kPoints = 12;
constexpr int kEnoughPoints = 3;

struct Pair {
  BigComplex a, b;
};

std::optional<Pair> Both(const Expr& a, const Expr& b, const Point& point, mpfr_prec_t precision, Budget* budget) {
  std::optional<BigComplex> x = NumericValue(a, point, precision, budget);
  if (!x) return std::nullopt;
  std::optional<BigComplex> y = NumericValue(b, point, precision, budget);
  if (!y) return std::nullopt;
  return Pair{std::move(*x), std::move(*y)};
}

mpfr_exp_t DifferenceExponent(const Pair& pair) {
  BigComplex difference(pair.a.precision());
  mpc_sub(difference.get(), pair.a.get(), pair.b.get(), MPC_RNDNN);
  return difference.Exponent();
}

// Two values agree if their difference is rounding error: within 2^-(precision - 100) of their size, or, where terms
// cancel, a difference that shrinks with the precision.
Equality AtPoint(const Expr& a, const Expr& b, const Point& point, Budget* budget) {
  const auto low = Both(a, b, point, kLow, budget);
  if (!low) return Equality::kUnknown;
  const mpfr_exp_t low_size = std::max(low->a.Exponent(), low->b.Exponent());
  const mpfr_exp_t low_difference = DifferenceExponent(*low);
  if (low_difference > low_size - 60 && low_difference > -60) return Equality::kDifferent;
  const auto high = Both(a, b, point, kHigh, budget);
  if (!high) return Equality::kUnknown;
  const mpfr_exp_t size = std::max(high->a.Exponent(), high->b.Exponent());
  const mpfr_exp_t difference = DifferenceExponent(*high);
  if (difference <= kNoExponent) return Equality::kEqual;
  if (difference <= size - (kHigh - 110)) {
    // A difference that is none of rounding does not get smaller with more digits.
    const auto highest = Both(a, b, point, kHighest, budget);
    if (!highest) return Equality::kUnknown;
    return DifferenceExponent(*highest) < difference - 500 ? Equality::kEqual : Equality::kDifferent;
  }
  // Rounding error at both precisions: then the difference falls by about the bits gained. 2^-60 at the low one
  // leaves room for a cancellation of 190 bits.
  if (difference < low_difference - 400 && difference < -400) return Equality::kEqual;
  return Equality::kDifferent;
}

// Functions with steps or corners. Two formulas may agree on one side of a corner only.
bool HasCorner(const Expr& expr) {
  static const std::set<std::string_view> kCorners = {"max", "min", "floor", "ceil", "mod", "gcd", "lcm"};
  if (expr.kind == Kind::kFunction && kCorners.count(expr.name) > 0 && !Symbols(expr).empty()) return true;
  return std::any_of(expr.children.begin(), expr.children.end(), [](const ExprPtr& c) { return HasCorner(*c); });
}
bool HasBars(const Expr& expr) {
  if (expr.kind == Kind::kFunction && (expr.name == "abs" || expr.name == "norm")) return true;
  return std::any_of(expr.children.begin(), expr.children.end(), [](const ExprPtr& c) { return HasBars(*c); });
}
bool CornersDiffer(const Expr& a, const Expr& b) {
  const bool x = HasCorner(a), y = HasCorner(b);
  return x != y && !HasBars(x ? b : a);
}

// The sizes of the constants in a formula, where they are beyond the fixed points: where its terms change places.
void AddScales(const Expr& expr, std::set<double>* scales, Budget* budget) {
  if (expr.kind == Kind::kNumber || Symbols(expr).empty()) {
    if (expr.kind == Kind::kNumber && abs(expr.value) < 8) return;
    const auto value = NumericValue(expr, {Domain::kReal, 0}, kLow, budget);
    if (!value) return;
    const double size = std::abs(mpfr_get_d(value->re(), MPFR_RNDN));
    if (size >= 8 && size < 1e250) scales->insert(size);
    return;
  }
  for (const ExprPtr& child : expr.children) AddScales(*child, scales, budget);
}

// Points as far out as the constants of the formulas are large: two formulas may differ beyond them only.
std::vector<Point> FarPoints(const Expr& a, const Expr& b, Budget* budget) {
  std::set<double> scales;
  AddScales(a, &scales, budget);
  AddScales(b, &scales, budget);
  if (scales.empty()) return {};
  double all = 1;
  for (const double scale : scales) all = std::min(all * scale, 1e250);
  scales.insert(all);
  while (scales.size() > 4) scales.erase(scales.begin());
  std::vector<Point> points;
  for (const double scale : scales) {
    for (const int index : {0, 3, 4, 5, 6}) points.push_back({Domain::kReal, index, scale});
  }
  return points;
}

bool SameFarOut(const Expr& a, const Expr& b, Budget* budget) {
  const std::vector<Point> points = FarPoints(a, b, budget);
  return std::none_of(points.begin(), points.end(),
                      [&](const Point& point) { return AtPoint(a, b, point, budget) == Equality::kDifferent; });
}

}  // namespace

Equality SameValue(const Expr& a, const Expr& b, Budget* budget) {
  if (Key(a) == Key(b)) return Equality::kEqual;
  const auto exact_a = ExactValue(a, budget), exact_b = ExactValue(b, budget);
  if (exact_a && exact_b) return *exact_a == *exact_b ? Equality::kEqual : Equality::kDifferent;
  const bool constant = Symbols(a).empty() && Symbols(b).empty();
  if (CornersDiffer(a, b)) return Equality::kUnknown;
  for (const Domain domain : {Domain::kReal, Domain::kComplex}) {
    if (constant) {
      const Equality equality = AtPoint(a, b, {domain, 0}, budget);
      if (equality != Equality::kUnknown) return equality;
      continue;
    }
    int agreed = 0;
    for (int i = 0; i < kPoints && (agreed < kEnoughPoints || i <= 8); ++i) {
      const Equality equality = AtPoint(a, b, {domain, i}, budget);
      if (equality == Equality::kDifferent) return equality;
      agreed += equality == Equality::kEqual ? 1 : 0;
    }
    if (agreed >= kEnoughPoints) return SameFarOut(a, b, budget) ? Equality::kEqual : Equality::kDifferent;
  }
  return Equality::kUnknown;
}

bool Proportional(const Expr& a, const Expr& b, bool positive, Budget* budget) {
  const bool constant = Symbols(a).empty() && Symbols(b).empty();
  if (constant || CornersDiffer(a, b)) return false;
  for (const Domain domain : {Domain::kReal, Domain::kComplex}) {
    // First with few digits, which tells most apart.
    for (const mpfr_prec_t precision : {kLow, kHighest}) {
      std::optional<BigComplex> ratio;
      std::vector<Point> points;
      for (int i = 0; i < kPoints; ++i) points.push_back({domain, i});
      if (precision > kLow && domain == Domain::kReal) {
        for (const Point& point : FarPoints(a, b, budget)) points.push_back(point);
      }
      int agreed = 0;
      for (const Point& point : points) {
        const auto pair = Both(a, b, point, precision, budget);
        if (!pair || pair->a.IsZero() || pair->b.IsZero()) continue;
        BigComplex quotient(precision);
        mpc_div(quotient.get(), pair->b.get(), pair->a.get(), MPC_RNDNN);
        if (ratio) {
          const Pair quotients{*ratio, quotient};
          if (DifferenceExponent(quotients) > ratio->Exponent() - (precision - precision / 8 - 74)) return false;
        } else {
          if (positive && (!quotient.IsReal() || mpfr_sgn(quotient.re()) < 0)) return false;
          if (quotient.Exponent() < -100 || quotient.Exponent() > 100) return false;  // one is 0 but for rounding
          ratio = quotient;
        }
        ++agreed;
      }
      if (agreed < kEnoughPoints) break;
      if (precision > kLow) return true;
    }
    if (positive) return false;  // in the complex domain nothing is above 0
  }
  return false;
}

std::optional<int> CompareReal(const Expr& a, const Expr& b, Budget* budget) {
  const auto exact_a = ExactValue(a, budget), exact_b = ExactValue(b, budget);
  if (exact_a && exact_b) return cmp(*exact_a, *exact_b) < 0 ? -1 : cmp(*exact_a, *exact_b) > 0 ? 1 : 0;
  if (!Symbols(a).empty() || !Symbols(b).empty()) return std::nullopt;
  const Equality equality = AtPoint(a, b, {Domain::kReal, 0}, budget);
  if (equality == Equality::kUnknown) return std::nullopt;
  if (equality == Equality::kEqual) return 0;
  const auto pair = Both(a, b, {Domain::kReal, 0}, kHigh, budget);
  if (!pair) return std::nullopt;
  return mpfr_cmp(pair->a.re(), pair->b.re()) < 0 ? -1 : 1;
}

}  // namespace fulgur
