#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <string_view>

#include "envs/tau/tools.h"
#include "jinja/value.h"

namespace fulgur::tau {

namespace {

// Python's eval of an expression of numbers, + - * / // ** and brackets. Whole numbers are exact up to 2^53.
class Calculator {
 public:
  struct Number {
    double value;
    bool whole;
  };

  explicit Calculator(std::string_view text) : text_(text) {}
  double Evaluate() {
    const Number number = Sum();
    SkipSpaces();
    if (at_ < text_.size()) Invalid();
    return number.value;
  }

 private:
  [[noreturn]] static void Invalid() { throw PythonError{"invalid syntax (<string>, line 1)"}; }
  void SkipSpaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(std::string_view sign) {
    SkipSpaces();
    if (!text_.substr(at_).starts_with(sign)) return false;
    if (sign == "*" && text_.substr(at_).starts_with("**")) return false;
    if (sign == "/" && text_.substr(at_).starts_with("//")) return false;
    at_ += sign.size();
    return true;
  }
  Number Sum() {
    Number a = Product();
    while (true) {
      if (Take("+")) {
        const Number b = Product();
        a = {a.value + b.value, a.whole && b.whole};
      } else if (Take("-")) {
        const Number b = Product();
        a = {a.value - b.value, a.whole && b.whole};
      } else {
        return a;
      }
    }
  }
  Number Product() {
    Number a = Signed();
    while (true) {
      if (Take("*")) {
        const Number b = Signed();
        a = {a.value * b.value, a.whole && b.whole};
      } else if (Take("//")) {
        const Number b = Signed();
        const bool whole = a.whole && b.whole;
        if (b.value == 0) {
          throw PythonError{whole ? "integer division or modulo by zero" : "float floor division by zero"};
        }
        a = {std::floor(a.value / b.value), whole};
      } else if (Take("/")) {
        const Number b = Signed();
        if (b.value == 0) throw PythonError{a.whole && b.whole ? "division by zero" : "float division by zero"};
        a = {a.value / b.value, false};
      } else {
        return a;
      }
    }
  }
  Number Signed() {
    if (++depth_ > 90) throw PythonError{"too many nested parentheses (<string>, line 1)"};
    Number result{};
    if (Take("-")) {
      const Number b = Signed();
      result = {-b.value, b.whole};
    } else if (Take("+")) {
      result = Signed();
    } else {
      result = Power();
    }
    --depth_;
    return result;
  }
  Number Power() {
    const Number base = Atom();
    if (!Take("**")) return base;
    const Number exponent = Signed();
    if (base.value == 0 && exponent.value < 0) throw PythonError{"0.0 cannot be raised to a negative power"};
    const double value = std::pow(base.value, exponent.value);
    if (!std::isfinite(value)) throw PythonError{"int too large to convert to float"};
    return {value, base.whole && exponent.whole && exponent.value >= 0};
  }
  Number Atom() {
    SkipSpaces();
    Number number{};
    if (Take("(")) {
      number = Sum();
      SkipSpaces();
      if (at_ >= text_.size()) throw PythonError{"'(' was never closed (<string>, line 1)"};
      if (!Take(")")) Invalid();
    } else {
      const size_t begin = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      const size_t whole_end = at_;
      if (at_ < text_.size() && text_[at_] == '.') {
        ++at_;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      }
      const std::string digits(text_.substr(begin, at_ - begin));
      if (digits.empty() || digits == ".") Invalid();
      const bool whole = whole_end == at_;
      number = {std::strtod(digits.c_str(), nullptr), whole};
      if (whole && digits.size() > 1 && digits[0] == '0' && number.value != 0) {
        throw PythonError{
            "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers "
            "(<string>, "
            "line 1)"};
      }
    }
    SkipSpaces();
    if (at_ < text_.size() && text_[at_] == '(') {
      throw PythonError{fmt::format("'{}' object is not callable", number.whole ? "int" : "float")};
    }
    return number;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

std::string Calculate(Json&, const Json& kwargs) {
  const Json& expression = kwargs["expression"];
  if (!expression.is_string()) throw PythonError{"expected a text"};
  const auto& text = expression.get_ref<const std::string&>();
  if (text.find_first_not_of("0123456789+-*/(). ") != std::string::npos)
    return "Error: invalid characters in expression";
  return jinja::FloatRepr(Round2(Calculator(text).Evaluate()).get<double>());
}

std::string Think(Json&, const Json&) { return ""; }
std::string Transfer(Json&, const Json&) { return "Transfer successful"; }

}  // namespace

void AddCommonTools(Tools* tools) {
  (*tools)["calculate"] = {{"expression"}, Calculate};
  (*tools)["think"] = {{"thought"}, Think};
  (*tools)["transfer_to_human_agents"] = {{"summary"}, Transfer};
}

}  // namespace fulgur::tau
