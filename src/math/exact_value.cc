#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "math/evaluate.h"

namespace fulgur {
namespace {

using Bindings = std::map<std::string, Rational>;

constexpr int64_t kMaxTerms = 1000;  // of a sum or product

int64_t Bits(const Rational& value) {
  return static_cast<int64_t>(mpz_sizeinbase(value.get_num_mpz_t(), 2) + mpz_sizeinbase(value.get_den_mpz_t(), 2));
}

class ExactEvaluator {
 public:
  explicit ExactEvaluator(Budget* budget) : budget_(budget) {}

  std::optional<Rational> Value(const Expr& expr) {
    budget_->Spend(2);
    std::optional<Rational> value = Compute(expr);
    if (value) {
      const int64_t bits = Bits(*value);
      if (bits > kMaxBits) return std::nullopt;
      budget_->Spend(bits / 64);
    }
    return value;
  }

 private:
  std::optional<Rational> Compute(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kNumber:
        return expr.value;
      case Kind::kSymbol: {
        const auto bound = bindings_.find(expr.name);
        if (bound == bindings_.end()) return std::nullopt;
        return bound->second;
      }
      case Kind::kAdd:
      case Kind::kMul: {
        const bool add = expr.kind == Kind::kAdd;
        Rational total = add ? 0 : 1;
        for (const ExprPtr& child : expr.children) {
          const auto value = Value(*child);
          if (!value || Bits(*value) + Bits(total) > kMaxBits) return std::nullopt;
          if (add) {
            total += *value;
          } else {
            total *= *value;
          }
          budget_->Spend(Bits(total) / 64);
        }
        return total;
      }
      case Kind::kNegate: {
        auto value = Value(*expr.children[0]);
        if (value) *value = -*value;
        return value;
      }
      case Kind::kPercent: {
        auto value = Value(*expr.children[0]);
        if (value) *value /= 100;
        return value;
      }
      case Kind::kUnit:
        return Value(*expr.children[0]);
      case Kind::kDivide: {
        const auto a = Value(*expr.children[0]), b = Value(*expr.children[1]);
        if (!a || !b || sgn(*b) == 0) return std::nullopt;
        return Rational(*a / *b);
      }
      case Kind::kPower:
        return Power(expr);
      case Kind::kRoot:
        return Root(expr);
      case Kind::kFunction:
        return Function(expr);
      default:
        return std::nullopt;
    }
  }

  std::optional<Rational> Power(const Expr& expr) {
    const auto base = Value(*expr.children[0]);
    if (!base) return std::nullopt;
    const auto exponent = Value(*expr.children[1]);
    if (!exponent || !IsWhole(*exponent)) return std::nullopt;
    if (sgn(*exponent) == 0) return sgn(*base) == 0 ? std::nullopt : std::optional<Rational>(1);
    if (sgn(*base) == 0) return sgn(*exponent) < 0 ? std::nullopt : std::optional<Rational>(0);
    if (*base == 1) return 1;
    if (*base == -1) return mpz_even_p(exponent->get_num_mpz_t()) ? 1 : -1;
    if (!exponent->get_num().fits_slong_p()) return std::nullopt;
    const long n = exponent->get_num().get_si();
    const unsigned long times = n < 0 ? 0ul - static_cast<unsigned long>(n) : static_cast<unsigned long>(n);
    if (times > static_cast<unsigned long>(kMaxBits) || static_cast<int64_t>(times) * (Bits(*base) - 1) > kMaxBits)
      return std::nullopt;
    Rational result;
    mpz_pow_ui(result.get_num_mpz_t(), base->get_num_mpz_t(), times);
    mpz_pow_ui(result.get_den_mpz_t(), base->get_den_mpz_t(), times);
    if (n < 0) result = 1 / result;
    result.canonicalize();
    return result;
  }

  std::optional<Rational> Root(const Expr& expr) {
    const auto value = Value(*expr.children[0]), index = Value(*expr.children[1]);
    if (!value || !index || !IsWhole(*index) || *index < 2 || *index > 64) return std::nullopt;
    const unsigned long n = index->get_num().get_ui();
    if (sgn(*value) < 0 && n % 2 == 0) return std::nullopt;
    Rational root;
    if (mpz_root(root.get_num_mpz_t(), value->get_num_mpz_t(), n) == 0) return std::nullopt;
    if (mpz_root(root.get_den_mpz_t(), value->get_den_mpz_t(), n) == 0) return std::nullopt;
    return root;
  }

  std::optional<Rational> Function(const Expr& expr) {
    const std::string& name = expr.name;
    if (name == "sum" || name == "prod") return Series(expr);
    static const std::set<std::string_view> kExact = {"abs", "floor", "ceil", "factorial", "factorial2", "binom",
                                                      "gcd", "lcm",   "max",  "min",       "mod",        "ratio"};
    if (kExact.count(name) == 0) return std::nullopt;
    std::vector<Rational> values;
    for (const ExprPtr& child : expr.children) {
      auto value = Value(*child);
      if (!value) return std::nullopt;
      values.push_back(std::move(*value));
    }
    if (values.empty()) return std::nullopt;
    const Rational& x = values[0];
    if (name == "abs" && values.size() == 1) return Rational(::abs(x));
    if ((name == "floor" || name == "ceil") && values.size() == 1)
      return name == "floor" ? Floor(x) : Rational(-Floor(-x));
    if (name == "max") return *std::max_element(values.begin(), values.end());
    if (name == "min") return *std::min_element(values.begin(), values.end());
    if (name == "ratio") {
      if (values.size() != 2 || sgn(values[1]) == 0) return std::nullopt;
      return Rational(x / values[1]);
    }
    if (!std::all_of(values.begin(), values.end(), IsWhole)) return std::nullopt;
    if (name == "factorial" || name == "factorial2") {
      if (values.size() != 1 || sgn(x) < 0 || x > 20000) return std::nullopt;
      const unsigned long n = x.get_num().get_ui();
      budget_->Spend(static_cast<int64_t>(n));
      Integer result;
      if (name == "factorial") {
        mpz_fac_ui(result.get_mpz_t(), n);
      } else {
        mpz_2fac_ui(result.get_mpz_t(), n);
      }
      return Rational(result);
    }
    if (name == "binom") {
      if (values.size() != 2 || sgn(values[1]) < 0 || values[1] > 2000 || Bits(x) > 64) return std::nullopt;
      budget_->Spend(2000);
      Integer result;
      mpz_bin_ui(result.get_mpz_t(), x.get_num_mpz_t(), values[1].get_num().get_ui());
      return Rational(result);
    }
    if (name == "mod") {
      if (values.size() != 2 || sgn(values[1]) <= 0) return std::nullopt;
      Integer result;
      mpz_mod(result.get_mpz_t(), x.get_num_mpz_t(), values[1].get_num_mpz_t());
      return Rational(result);
    }
    Integer total = x.get_num();  // gcd, lcm
    for (const Rational& value : values) {
      if (name == "gcd") {
        mpz_gcd(total.get_mpz_t(), total.get_mpz_t(), value.get_num_mpz_t());
      } else {
        if (Bits(value) + static_cast<int64_t>(mpz_sizeinbase(total.get_mpz_t(), 2)) > kMaxBits) return std::nullopt;
        mpz_lcm(total.get_mpz_t(), total.get_mpz_t(), value.get_num_mpz_t());
      }
    }
    return Rational(total);
  }

  static Rational Floor(const Rational& x) {
    Integer result;
    mpz_fdiv_q(result.get_mpz_t(), x.get_num_mpz_t(), x.get_den_mpz_t());
    return result;
  }

  std::optional<Rational> Series(const Expr& expr) {
    const auto lower = Value(*expr.children[1]), upper = Value(*expr.children[2]);
    if (!lower || !upper || !IsWhole(*lower) || !IsWhole(*upper)) return std::nullopt;
    if (*upper - *lower >= kMaxTerms || *upper < *lower) return std::nullopt;
    const bool add = expr.name == "sum";
    const std::string& name = expr.children[0]->name;
    const auto outer =
        bindings_.find(name) == bindings_.end() ? std::nullopt : std::optional<Rational>(bindings_[name]);
    std::optional<Rational> total = add ? 0 : 1;
    for (Rational k = *lower; k <= *upper; k += 1) {
      bindings_[name] = k;
      const auto term = Value(*expr.children[3]);
      if (!term || Bits(*term) + Bits(*total) > kMaxBits) {
        total = std::nullopt;
        break;
      }
      if (add) {
        *total += *term;
      } else {
        *total *= *term;
      }
      budget_->Spend(Bits(*total) / 64);
    }
    bindings_.erase(name);
    if (outer) bindings_[name] = *outer;
    return total;
  }

  Budget* budget_;
  Bindings bindings_;
};

}  // namespace

void Budget::Spend(int64_t units) {
  left_ -= units;
  if (left_ < 0) throw Error("takes too long to compute");
}

std::optional<Rational> ExactValue(const Expr& expr, Budget* budget) { return ExactEvaluator(budget).Value(expr); }

}  // namespace fulgur
