#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "math/evaluate.h"

namespace fulgur {
namespace {

using Bindings = std::map<std::string, Rational>;

constexpr int64_t kMaxTerms = 1000;                         // of a sum or product
constexpr long kMaxExponent = 900;                          // values beyond 2^900 are not compared as floating point
constexpr mpfr_exp_t kNoExponent = -(mpfr_exp_t{1} << 60);  // that of 0

uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return Mix(hash);
}

// A multiple of 2^-40 in [lo, lo + span), from the bits of a hash.
void SetHashed(mpfr_ptr out, uint64_t hash, unsigned long lo_hundredths, unsigned long span_hundredths) {
  mpfr_set_ui(out, static_cast<unsigned long>(hash >> 24), MPFR_RNDN);
  mpfr_mul_ui(out, out, span_hundredths, MPFR_RNDN);
  mpfr_div_2ui(out, out, 40, MPFR_RNDN);
  mpfr_add_ui(out, out, lo_hundredths, MPFR_RNDN);
  mpfr_div_ui(out, out, 100, MPFR_RNDN);
}

class NumericEvaluator {
 public:
  NumericEvaluator(const Point& point, mpfr_prec_t precision, Budget* budget)
      : point_(point), precision_(precision), scale_(precision > 256 ? 8 : 1), budget_(budget) {}

  // false if undefined.
  bool Value(const Expr& expr, BigComplex* out) {
    budget_->Spend(8);
    if (!Compute(expr, out) || !out->IsFinite()) return false;
    if (point_.domain == Domain::kReal && !out->IsReal()) return false;
    return out->Exponent() <= kMaxExponent;
  }

 private:
  BigComplex New() const { return BigComplex(precision_); }
  bool Real() const { return point_.domain == Domain::kReal; }
  // At high precision what is lost to rounding makes a value unknown, instead of one beside it.
  bool Fine() const { return precision_ >= kFinePrecision; }
  void SpendTranscendental() { budget_->Spend(200 * scale_); }

  bool Compute(const Expr& expr, BigComplex* out) {
    switch (expr.kind) {
      case Kind::kNumber:
        return Set(expr.value, out);
      case Kind::kConstant:
        return Constant(expr.name, out);
      case Kind::kSymbol:
        return Symbol(expr.name, out);
      case Kind::kAdd:
      case Kind::kMul: {
        const bool add = expr.kind == Kind::kAdd;
        BigComplex total = New(), term = New();
        mpc_set_ui(total.get(), add ? 0 : 1, MPC_RNDNN);
        mpfr_exp_t largest = kNoExponent, smallest = -kNoExponent;
        for (const ExprPtr& child : expr.children) {
          if (!Value(*child, &term)) return false;
          if (add && !term.IsZero()) {
            largest = std::max(largest, term.Exponent());
            smallest = std::min(smallest, term.Exponent());
          }
          if (add) {
            mpc_add(total.get(), total.get(), term.get(), MPC_RNDNN);
          } else {
            mpc_mul(total.get(), total.get(), term.get(), MPC_RNDNN);
          }
        }
        // A term that is lost beside the others, and is smaller than any rounding error: the sum is not known.
        if (Fine() && largest > kNoExponent && smallest < largest - precision_ - 32) return false;
        *out = total;
        return true;
      }
      case Kind::kNegate:
        if (!Value(*expr.children[0], out)) return false;
        mpc_neg(out->get(), out->get(), MPC_RNDNN);
        return true;
      case Kind::kPercent:
        if (!Value(*expr.children[0], out)) return false;
        mpc_div_ui(out->get(), out->get(), 100, MPC_RNDNN);
        return true;
      case Kind::kDegree:
        if (!Value(*expr.children[0], out)) return false;
        return Degrees(out);
      case Kind::kUnit:
        return Value(*expr.children[0], out);
      case Kind::kDivide: {
        BigComplex below = New();
        if (!Value(*expr.children[0], out) || !Value(*expr.children[1], &below) || below.IsZero()) return false;
        mpc_div(out->get(), out->get(), below.get(), MPC_RNDNN);
        return true;
      }
      case Kind::kPower:
        return Power(expr, out);
      case Kind::kRoot:
        return Root(expr, out);
      case Kind::kFunction:
        return Function(expr, out);
      default:
        return false;
    }
  }

  static bool Set(const Rational& value, BigComplex* out) {
    mpc_set_q(out->get(), value.get_mpq_t(), MPC_RNDNN);
    return true;
  }

  bool Degrees(BigComplex* out) {
    BigComplex pi = New();
    mpfr_const_pi(pi.re(), MPFR_RNDN);
    mpc_mul(out->get(), out->get(), pi.get(), MPC_RNDNN);
    mpc_div_ui(out->get(), out->get(), 180, MPC_RNDNN);
    return true;
  }

  bool Constant(const std::string& name, BigComplex* out) {
    mpc_set_ui(out->get(), 0, MPC_RNDNN);
    if (name == "pi") {
      mpfr_const_pi(out->re(), MPFR_RNDN);
    } else if (name == "e") {
      mpfr_set_ui(out->re(), 1, MPFR_RNDN);
      mpfr_exp(out->re(), out->re(), MPFR_RNDN);
    } else if (name == "i") {
      mpfr_set_ui(out->im(), 1, MPFR_RNDN);
    } else {
      return false;
    }
    return true;
  }

  bool Symbol(const std::string& name, BigComplex* out) {
    if (const auto bound = bindings_.find(name); bound != bindings_.end()) return Set(bound->second, out);
    mpc_set_ui(out->get(), 0, MPC_RNDNN);
    const uint64_t hash = Mix(Hash(name), static_cast<uint64_t>(point_.index));
    if (!Real()) {
      SetHashed(out->re(), hash, 20, 200);
      SetHashed(out->im(), Mix(hash, 1), 20, 150);
      if (hash & 1) mpfr_neg(out->re(), out->re(), MPFR_RNDN);
      if (hash & 2) mpfr_neg(out->im(), out->im(), MPFR_RNDN);
      return true;
    }
    // Some points between 0 and 1, where arcsines are, some around 1, some far away.
    static constexpr unsigned long kRanges[][2] = {{30, 250}, {5, 90}, {200, 1500}, {100, 300}};
    const auto& range = kRanges[point_.index % 4];
    SetHashed(out->re(), hash, range[0], range[1]);
    // No rational number: sin(2^100 pi x) is not 0 there.
    BigComplex pi = New();
    mpfr_const_pi(pi.re(), MPFR_RNDN);
    mpfr_div_2ui(pi.re(), pi.re(), 20, MPFR_RNDN);
    mpfr_add(out->re(), out->re(), pi.re(), MPFR_RNDN);
    if (point_.scale != 0) mpfr_mul_d(out->re(), out->re(), point_.scale, MPFR_RNDN);
    if (point_.index >= 4 && (hash & 1)) mpfr_neg(out->re(), out->re(), MPFR_RNDN);
    return true;
  }

  // The exponent if it is a rational number.
  std::optional<Rational> ExactExponent(const Expr& expr) {
    if (!bindings_.empty()) {
      BigComplex value = New();
      if (!Value(expr, &value) || !value.IsReal() || mpfr_integer_p(value.re()) == 0 || value.Exponent() > 40)
        return std::nullopt;
      return Rational(mpfr_get_si(value.re(), MPFR_RNDN));
    }
    return ExactValue(expr, budget_);
  }

  bool Power(const Expr& expr, BigComplex* out) {
    const std::optional<Rational> exponent = ExactExponent(*expr.children[1]);
    BigComplex base = New();
    if (!Value(*expr.children[0], &base)) return false;
    if (exponent && IsWhole(*exponent) && exponent->get_num().fits_slong_p() &&
        abs(exponent->get_num().get_si()) <= 100000) {
      const long n = exponent->get_num().get_si();
      if (base.IsZero() && n <= 0) return false;
      if (!base.IsZero() && std::abs(static_cast<double>(base.Exponent())) * static_cast<double>(std::labs(n)) > 4e6)
        return false;
      SpendTranscendental();
      mpc_set_ui(out->get(), 1, MPC_RNDNN);
      BigComplex square = base;  // by repeated squaring, so that real numbers stay real
      for (unsigned long k = static_cast<unsigned long>(std::labs(n)); k > 0; k >>= 1) {
        if (k & 1) mpc_mul(out->get(), out->get(), square.get(), MPC_RNDNN);
        mpc_sqr(square.get(), square.get(), MPC_RNDNN);
      }
      if (n < 0) mpc_ui_div(out->get(), 1, out->get(), MPC_RNDNN);
      return true;
    }
    BigComplex power = New();
    if (!Value(*expr.children[1], &power)) return false;
    return GeneralPower(base, power, out);
  }

  bool GeneralPower(const BigComplex& base, const BigComplex& power, BigComplex* out) {
    if (base.IsZero()) {
      if (!power.IsReal() || mpfr_sgn(power.re()) <= 0) return false;
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      return true;
    }
    SpendTranscendental();
    SpendTranscendental();
    if (base.IsReal() && mpfr_sgn(base.re()) < 0 && Real()) return false;
    BigComplex log = New();
    if (!Log(base, &log)) return false;
    mpc_mul(log.get(), log.get(), power.get(), MPC_RNDNN);
    return Exp(log, out);
  }

  bool Log(const BigComplex& x, BigComplex* out) {
    if (x.IsZero()) return false;
    SpendTranscendental();
    if (x.IsReal()) {  // the zero may carry a sign, which must not decide the side of the cut
      const bool negative = mpfr_sgn(x.re()) < 0;
      if (negative && Real()) return false;
      BigComplex size = x;
      if (negative) mpfr_neg(size.re(), size.re(), MPFR_RNDN);
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      mpfr_log(out->re(), size.re(), MPFR_RNDN);
      if (negative) mpfr_const_pi(out->im(), MPFR_RNDN);
      return true;
    }
    mpc_log(out->get(), x.get(), MPC_RNDNN);
    return true;
  }

  bool Exp(const BigComplex& x, BigComplex* out) {
    if (Fine() && !x.IsZero() && x.Exponent() < -256) return false;  // beside 1
    if (x.Exponent() > 12) return false;  // beyond 2^900 or as small, and mpc_exp would have to reduce a huge angle
    SpendTranscendental();
    mpc_exp(out->get(), x.get(), MPC_RNDNN);
    if (x.IsReal()) mpfr_set_ui(out->im(), 0, MPFR_RNDN);
    return true;
  }

  bool Root(const Expr& expr, BigComplex* out) {
    BigComplex radicand = New(), index = New();
    if (!Value(*expr.children[0], &radicand) || !Value(*expr.children[1], &index) || index.IsZero()) return false;
    SpendTranscendental();
    if (radicand.IsReal() && index.IsReal() && mpfr_integer_p(index.re()) != 0 && mpfr_cmp_ui(index.re(), 2) >= 0 &&
        mpfr_cmp_ui(index.re(), 1000) <= 0) {
      const unsigned long n = mpfr_get_ui(index.re(), MPFR_RNDN);
      const bool negative = mpfr_sgn(radicand.re()) < 0;
      if (!negative || n % 2 == 1) {  // the real root, of negative numbers too
        mpc_set_ui(out->get(), 0, MPC_RNDNN);
        mpfr_rootn_ui(out->re(), radicand.re(), n, MPFR_RNDN);
        return true;
      }
      if (Real()) return false;
      if (n == 2) {
        mpc_set_ui(out->get(), 0, MPC_RNDNN);
        mpfr_neg(radicand.re(), radicand.re(), MPFR_RNDN);
        mpfr_sqrt(out->im(), radicand.re(), MPFR_RNDN);
        return true;
      }
    }
    mpc_ui_div(index.get(), 1, index.get(), MPC_RNDNN);
    return GeneralPower(radicand, index, out);
  }

  bool Function(const Expr& expr, BigComplex* out) {
    const std::string& name = expr.name;
    if (name == "sum" || name == "prod") {
      const Series series = SeriesValue(expr, out);
      if (series != Series::kOpen) return series == Series::kDone;
    }
    if (expr.children.size() == 1 && OneArgument(name, *expr.children[0], out)) return !failed_;
    if (failed_) return false;
    if (name == "log_base") {
      BigComplex base = New();
      if (!Value(*expr.children[0], out) || !Value(*expr.children[1], &base) || !Log(*out, out) || !Log(base, &base))
        return false;
      if (base.IsZero()) return false;
      mpc_div(out->get(), out->get(), base.get(), MPC_RNDNN);
      return true;
    }
    if (name == "binom") {
      // n (n - 1) ... (n - k + 1) / k! for whole k, otherwise by the gamma function.
      BigComplex n = New(), k = New();
      if (!Value(*expr.children[0], &n) || !Value(*expr.children[1], &k)) return false;
      if (k.IsReal() && mpfr_integer_p(k.re()) != 0 && mpfr_sgn(k.re()) >= 0 && mpfr_cmp_ui(k.re(), 500) <= 0) {
        const unsigned long count = mpfr_get_ui(k.re(), MPFR_RNDN);
        mpc_set_ui(out->get(), 1, MPC_RNDNN);
        for (unsigned long j = 0; j < count; ++j) {
          budget_->Spend(10);
          mpc_mul(out->get(), out->get(), n.get(), MPC_RNDNN);
          mpc_div_ui(out->get(), out->get(), j + 1, MPC_RNDNN);
          mpfr_sub_ui(n.re(), n.re(), 1, MPFR_RNDN);
        }
        return true;
      }
      BigComplex difference = New();
      mpc_sub(difference.get(), n.get(), k.get(), MPC_RNDNN);
      if (!Factorial(&n) || !Factorial(&k) || !Factorial(&difference) || k.IsZero() || difference.IsZero())
        return false;
      mpc_div(out->get(), n.get(), k.get(), MPC_RNDNN);
      mpc_div(out->get(), out->get(), difference.get(), MPC_RNDNN);
      return true;
    }
    if (name == "max" || name == "min") {
      BigComplex value = New();
      for (size_t i = 0; i < expr.children.size(); ++i) {
        if (!Value(*expr.children[i], &value) || !value.IsReal()) return false;
        const int order = i == 0 ? 0 : mpfr_cmp(value.re(), out->re());
        if (i == 0 || (name == "max" ? order > 0 : order < 0)) *out = value;
      }
      return true;
    }
    if (name == "ratio" && expr.children.size() == 2) {
      BigComplex below = New();
      if (!Value(*expr.children[0], out) || !Value(*expr.children[1], &below) || below.IsZero()) return false;
      mpc_div(out->get(), out->get(), below.get(), MPC_RNDNN);
      return true;
    }
    return Unknown(expr, out);
  }

  // Sets failed_ if the function is undefined there; returns false if it is none of these.
  bool OneArgument(const std::string& name, const Expr& argument, BigComplex* out) {
    failed_ = false;
    using Mpc = int (*)(mpc_ptr, mpc_srcptr, mpc_rnd_t);
    using Mpfr = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
    struct Entry {
      const char* name;
      Mpc complex;
      Mpfr real;
      bool inverse;  // 1 over it
    };
    static const Entry kTable[] = {
        {"sin", mpc_sin, mpfr_sin, false},         {"cos", mpc_cos, mpfr_cos, false},
        {"tan", mpc_tan, mpfr_tan, false},         {"csc", mpc_sin, mpfr_sin, true},
        {"sec", mpc_cos, mpfr_cos, true},          {"cot", mpc_tan, mpfr_tan, true},
        {"sinh", mpc_sinh, mpfr_sinh, false},      {"cosh", mpc_cosh, mpfr_cosh, false},
        {"tanh", mpc_tanh, mpfr_tanh, false},      {"coth", mpc_tanh, mpfr_tanh, true},
        {"arcsin", mpc_asin, mpfr_asin, false},    {"arccos", mpc_acos, mpfr_acos, false},
        {"arctan", mpc_atan, mpfr_atan, false},    {"arcsinh", mpc_asinh, mpfr_asinh, false},
        {"arccosh", mpc_acosh, mpfr_acosh, false}, {"arctanh", mpc_atanh, mpfr_atanh, false}};
    const Entry* entry =
        std::find_if(std::begin(kTable), std::end(kTable), [&](const Entry& e) { return name == e.name; });
    const bool table = entry != std::end(kTable);
    static const std::set<std::string_view> kOthers = {"abs", "norm", "floor",    "ceil",   "factorial",
                                                       "ln",  "log",  "exp",      "re",     "im",
                                                       "arg", "cis",  "overline", "arccot", "det"};
    if (!table && kOthers.count(name) == 0) return false;
    BigComplex x = New();
    failed_ = !Value(argument, &x);
    if (failed_) return true;
    SpendTranscendental();
    if (Fine() && IsLost(name, x)) {
      failed_ = true;
      return true;
    }
    if (table) {
      if (x.Exponent() > 60) {
        failed_ = true;
      } else if (x.IsReal()) {
        mpc_set_ui(out->get(), 0, MPC_RNDNN);
        entry->real(out->re(), x.re(), MPFR_RNDN);
        if (mpfr_nan_p(out->re()) != 0 && !Real()) entry->complex(out->get(), x.get(), MPC_RNDNN);
      } else if (x.Exponent() > 12) {
        failed_ = true;
      } else {
        budget_->Spend(400 * scale_);
        entry->complex(out->get(), x.get(), MPC_RNDNN);
      }
      if (!failed_ && entry->inverse) {
        failed_ = out->IsZero() || Tiny(*out);
        if (!failed_) mpc_ui_div(out->get(), 1, out->get(), MPC_RNDNN);
      }
      // tan 90 degrees: a pole, not a large number
      if (!failed_ && (name == "tan") && out->IsFinite() && out->Exponent() > static_cast<mpfr_exp_t>(precision_) / 2)
        failed_ = true;
    } else if (name == "abs" || name == "norm") {
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      mpc_abs(out->re(), x.get(), MPFR_RNDN);
    } else if (name == "floor" || name == "ceil") {
      failed_ = !x.IsReal() || x.Exponent() > 200;
      if (!failed_) {
        // A value within the error of a whole number is that number.
        *out = x;
        BigComplex nearest = New(), difference = New();
        mpfr_round(nearest.re(), x.re());
        mpfr_sub(difference.re(), x.re(), nearest.re(), MPFR_RNDN);
        if (Tiny(difference)) {
          *out = nearest;
        } else if (name == "floor") {
          mpfr_floor(out->re(), x.re());
        } else {
          mpfr_ceil(out->re(), x.re());
        }
      }
    } else if (name == "factorial") {
      *out = x;
      failed_ = !Factorial(out);
    } else if (name == "ln" || name == "log") {
      failed_ = !Log(x, out);
      if (!failed_ && name == "log") {
        BigComplex ten = New();
        mpc_set_ui(ten.get(), 10, MPC_RNDNN);
        Log(ten, &ten);
        mpc_div(out->get(), out->get(), ten.get(), MPC_RNDNN);
      }
    } else if (name == "exp") {
      failed_ = !Exp(x, out);
    } else if (name == "re" || name == "im") {
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      mpfr_set(out->re(), name == "re" ? x.re() : x.im(), MPFR_RNDN);
    } else if (name == "arg") {
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      failed_ = x.IsZero();
      if (!failed_) mpc_arg(out->re(), x.get(), MPFR_RNDN);
    } else if (name == "cis") {
      failed_ = !x.IsReal() || x.Exponent() > 60;
      if (!failed_) mpfr_sin_cos(out->im(), out->re(), x.re(), MPFR_RNDN);
    } else if (name == "arccot") {
      failed_ = x.IsZero();
      if (!failed_) {
        mpc_ui_div(x.get(), 1, x.get(), MPC_RNDNN);
        mpc_atan(out->get(), x.get(), MPC_RNDNN);
        if (x.IsReal()) mpfr_set_ui(out->im(), 0, MPFR_RNDN);
      }
    } else {
      failed_ = true;
    }
    return true;
  }

  bool Tiny(const BigComplex& x) const { return x.IsZero() || x.Exponent() < -static_cast<mpfr_exp_t>(precision_) / 2; }

  // Where the function is so flat that the value does not show where the argument is: cos near 0, tanh far out.
  static bool IsLost(const std::string& name, const BigComplex& x) {
    if (x.IsZero()) return false;
    const mpfr_exp_t size = x.Exponent();
    if (name == "cos" || name == "sec" || name == "cosh" || name == "cis") return size < -256;
    static const std::set<std::string_view> kOdd = {"sin",    "tan",    "sinh",    "tanh",
                                                    "arcsin", "arctan", "arcsinh", "arctanh"};
    if (kOdd.count(name) > 0 && size < -400) return true;  // the argument itself
    if (name == "tanh" || name == "coth") return size > 8;
    if (name == "arctan" || name == "arccot") return size > 256 || (name == "arccot" && size < -256);
    return (name == "floor" || name == "ceil" || name == "factorial") && size < -256;
  }

  // In place; by the gamma function, real arguments only.
  bool Factorial(BigComplex* x) {
    if (!x->IsReal() || x->Exponent() > 8) return false;
    budget_->Spend(4000 * scale_);
    mpfr_add_ui(x->re(), x->re(), 1, MPFR_RNDN);
    mpfr_gamma(x->re(), x->re(), MPFR_RNDN);
    return mpfr_number_p(x->re()) != 0;
  }

  enum class Series { kDone, kUndefined, kOpen };
  // kOpen: the limits are no numbers.
  Series SeriesValue(const Expr& expr, BigComplex* out) {
    if (!Symbols(*expr.children[1]).empty() || !Symbols(*expr.children[2]).empty()) {
      for (const std::string& symbol : Symbols(*expr.children[2])) {
        if (bindings_.count(symbol) == 0) return Series::kOpen;
      }
      for (const std::string& symbol : Symbols(*expr.children[1])) {
        if (bindings_.count(symbol) == 0) return Series::kOpen;
      }
    }
    const auto lower = ExactExponent(*expr.children[1]), upper = ExactExponent(*expr.children[2]);
    if (!lower || !upper || !IsWhole(*lower) || !IsWhole(*upper)) return Series::kOpen;
    if (*upper < *lower || *upper - *lower >= kMaxTerms) return Series::kOpen;
    const bool add = expr.name == "sum";
    const std::string& name = expr.children[0]->name;
    const Bindings outer = bindings_;
    BigComplex total = New(), term = New();
    mpc_set_ui(total.get(), add ? 0 : 1, MPC_RNDNN);
    bool defined = true;
    for (Rational k = *lower; k <= *upper && defined; k += 1) {
      bindings_[name] = k;
      defined = Value(*expr.children[3], &term);
      if (!defined) break;
      if (add) {
        mpc_add(total.get(), total.get(), term.get(), MPC_RNDNN);
      } else {
        mpc_mul(total.get(), total.get(), term.get(), MPC_RNDNN);
      }
    }
    bindings_ = outer;
    if (defined) *out = total;
    return defined ? Series::kDone : Series::kUndefined;
  }

  // cos(h0 + h1 x1 + h2 x2 + ...) + h x1 for the hash of the name.
  bool Unknown(const Expr& expr, BigComplex* out) {
    const uint64_t hash = Hash(expr.name);
    BigComplex sum = New(), x = New(), weight = New();
    SetHashed(sum.re(), hash, 10, 100);
    BigComplex linear = New();
    for (size_t i = 0; i < expr.children.size(); ++i) {
      if (expr.children[i]->kind == Kind::kConstant && expr.children[i]->name == "inf") {
        mpc_set_ui(x.get(), 0, MPC_RNDNN);
        mpfr_set_ui(x.re(), 7654321, MPFR_RNDN);
      } else if (!Value(*expr.children[i], &x)) {
        return false;
      }
      if (x.Exponent() > 60) return false;
      SetHashed(weight.re(), Mix(hash, i + 1), 20, 100);
      mpc_mul(x.get(), x.get(), weight.get(), MPC_RNDNN);
      mpc_add(sum.get(), sum.get(), x.get(), MPC_RNDNN);
      SetHashed(weight.re(), Mix(hash, i + 1001), 20, 100);
      mpc_mul(x.get(), x.get(), weight.get(), MPC_RNDNN);
      mpc_add(linear.get(), linear.get(), x.get(), MPC_RNDNN);
    }
    SpendTranscendental();
    if (sum.IsReal()) {
      mpc_set_ui(out->get(), 0, MPC_RNDNN);
      mpfr_cos(out->re(), sum.re(), MPFR_RNDN);
    } else {
      if (sum.Exponent() > 12) return false;
      mpc_cos(out->get(), sum.get(), MPC_RNDNN);
    }
    mpc_add(out->get(), out->get(), linear.get(), MPC_RNDNN);
    return true;
  }

  Point point_;
  mpfr_prec_t precision_;
  int64_t scale_;
  Budget* budget_;
  Bindings bindings_;
  bool failed_ = false;
};

}  // namespace

std::optional<BigComplex> NumericValue(const Expr& expr, const Point& point, mpfr_prec_t precision, Budget* budget) {
  BigComplex value(precision);
  if (!NumericEvaluator(point, precision, budget).Value(expr, &value)) return std::nullopt;
  return value;
}

}  // namespace fulgur
