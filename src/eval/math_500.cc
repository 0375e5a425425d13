#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/hendrycks_math.h"
#include "eval/official_rules.h"
#include "math/evaluate.h"
#include "math/expression.h"
#include "math/verify.h"
#include "text/python_text.h"
#include "unicode/characters.h"
#include "unicode/regex.h"

namespace fulgur::official {

namespace {

using python::Replace;

// What \text{...} around the whole answer holds, or the answer.
std::string WithoutText(std::string_view answer) {
  static const Regex text(R"(^\\text\{(.+?)\}$)");
  const auto match = text.Search(answer);
  return std::string(match ? (*match)[1] : answer);
}

std::string NormalizeMath(std::string_view answer) {
  const std::string stripped(python::Strip(answer));
  const std::string inner(stripped == WithoutText(stripped) ? stripped : python::Strip(WithoutText(stripped)));
  return NormalizeHendrycks(inner, /*slash_raises=*/false).value_or(inner);
}

// LaTeX as plain text, as far as final answers have it: what pylatexenc's latex_to_text makes of these macros.
class PlainText {
 public:
  explicit PlainText(std::string_view latex) : latex_(latex) {}
  std::string Convert() { return Until('\0'); }

 private:
  std::string Until(char end) {
    std::string out;
    while (at_ < latex_.size() && !(end != '\0' && latex_[at_] == end)) out += Next();
    if (at_ < latex_.size()) ++at_;
    return out;
  }
  // The next macro, group or character.
  std::string Next() {
    const char c = latex_[at_];
    if (c == '{') {
      ++at_;
      return Until('}');
    }
    if (c != '\\') {
      ++at_;
      return c == '~' ? " " : std::string(1, c);
    }
    size_t end = ++at_;
    while (end < latex_.size() && IsAsciiLetter(latex_[end])) ++end;
    if (end == at_) {
      if (at_ >= latex_.size()) return "";
      const char sign = latex_[at_++];
      return sign == '\\'                                ? "\n"
             : sign == '!'                               ? ""
             : sign == ',' || sign == ';' || sign == ':' ? " "
                                                         : std::string(1, sign);
    }
    const std::string_view name = latex_.substr(at_, end - at_);
    at_ = end;
    while (at_ < latex_.size() && latex_[at_] == ' ') ++at_;
    return Macro(name);
  }
  std::string Argument() {
    while (at_ < latex_.size() && latex_[at_] == ' ') ++at_;
    return at_ < latex_.size() ? Next() : "";
  }
  std::string Macro(std::string_view name) {
    if (name == "frac") {
      const std::string top = Argument();
      return top + "/" + Argument();
    }
    if (name == "sqrt") {
      if (at_ < latex_.size() && latex_[at_] == '[') {
        ++at_;
        const std::string index = Until(']');
        return "√[" + index + "](" + Argument() + ")";
      }
      return "√(" + Argument() + ")";
    }
    static constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
        {"pi", "pi"},  {"infty", "inf"}, {"cup", "U"},   {"times", "*"}, {"left", ""},  {"right", ""},
        {"circ", "∘"}, {"cdot", "⋅"},    {"pm", "±"},    {"leq", "≤"},   {"le", "≤"},   {"geq", "≥"},
        {"ge", "≥"},   {"quad", "  "},   {"alpha", "α"}, {"beta", "β"},  {"theta", "θ"}};
    for (const auto& [macro, sign] : kSigns) {
      if (name == macro) return std::string(sign);
    }
    static constexpr std::string_view kContent[] = {"text", "mathrm", "mathbf", "textbf", "mathit", "textit", "mbox"};
    if (std::find(std::begin(kContent), std::end(kContent), name) != std::end(kContent)) return Argument();
    static constexpr std::string_view kFunctions[] = {"sin", "cos", "tan", "log", "ln", "exp", "max", "min", "cot"};
    if (std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions)) return std::string(name);
    return "";
  }
  static bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  std::string_view latex_;
  size_t at_ = 0;
};

std::string FromLatex(std::string expr) {
  expr = Replace(expr, "\\tfrac", "\\frac");
  expr = Replace(expr, "\\dfrac", "\\frac");
  expr = Replace(expr, "\\frac", " \\frac");
  expr = PlainText(expr).Convert();
  expr = Replace(expr, "√", "sqrt");
  expr = Replace(expr, "π", "pi");
  expr = Replace(expr, "·", "*");
  expr = Replace(expr, "×", "*");
  return std::string(python::Strip(expr));
}

std::string WithoutThousands(std::string expr) {
  static const Regex comma(R"((\d)(,)(\d\d\d)($|\D))");
  while (true) {
    std::string next = comma.Replace(
        expr, [](const Regex::Match& m) { return std::string(m[1]) + std::string(m[3]) + std::string(m[4]); });
    if (next == expr) return expr;
    expr = std::move(next);
  }
}

bool IsWhole(double x) { return std::isfinite(x) && std::abs(x - std::round(x)) <= 1e-7; }

bool IsIntegerText(const std::string& expr) {
  const std::optional<double> value = python::ParseFloat(WithoutThousands(expr));
  return value && IsWhole(*value);
}

std::string NormalizeAnswer(std::string_view answer) {
  std::string expr = WithoutText(answer);
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{{"\\%", "%"},
                                                                                           {"\\$", "$"},
                                                                                           {"$", ""},
                                                                                           {"%", ""},
                                                                                           {" or ", " , "},
                                                                                           {" and ", " , "},
                                                                                           {"million", "*10^6"},
                                                                                           {"billion", "*10^9"},
                                                                                           {"trillion", "*10^12"}}) {
    expr = Replace(expr, from, to);
  }
  static const std::vector<Regex>* units = [] {
    auto* list = new std::vector<Regex>;
    for (const char* unit : {"degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week",
                             "month", "year", "foot", "feet", "inch", "yard"}) {
      list->emplace_back(std::string(unit) + R"((es)?(s)? *(\^[0-9]+)?)");
    }
    return list;
  }();
  for (const Regex& unit : *units) expr = unit.Replace(expr, "");
  static const Regex circle(R"(\^ *\\circ)"), thin_space(R"(,\\! *)"), minus("- *"), mixed("([0-9]) +([0-9])");
  expr = circle.Replace(expr, "");
  if (!expr.empty() && expr.front() == '{' && expr.back() == '}')
    expr = expr.substr(1, std::max<size_t>(expr.size(), 2) - 2);
  expr = thin_space.Replace(expr, "");
  if (const std::optional<double> value = python::ParseFloat(expr); value && IsWhole(*value)) {
    expr = fmt::format("{:.0f}", std::nearbyint(*value));
  }
  if (expr.find('\\') != std::string::npos) expr = FromLatex(expr);
  expr = minus.Replace(expr, "-");
  expr = mixed.Replace(expr, [](const Regex::Match& m) { return std::string(m[1]) + "+" + std::string(m[2]); });
  expr = python::Lower(Replace(Replace(Replace(expr, " ", ""), "{", ""), "}", ""));
  if (IsIntegerText(expr)) {
    expr = fmt::format("{:.0f}", std::trunc(python::ParseFloat(Replace(expr, ",", "")).value_or(0)));
  }
  return expr;
}

// A formula in the plain notation that sympy's parser is given, with implicit multiplication: letters are symbols.
class PlainFormula {
 public:
  // nullptr for what is none.
  static ExprPtr Parse(std::string_view text) {
    try {
      PlainFormula parser(text);
      ExprPtr expr = parser.Sum();
      return parser.at_ == text.size() ? expr : nullptr;
    } catch (const Error&) {
      return nullptr;
    }
  }

 private:
  explicit PlainFormula(std::string_view text) : text_(text) {}
  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  ExprPtr Sum() {
    std::vector<ExprPtr> terms = {Product()};
    while (true) {
      if (Take("+")) {
        terms.push_back(Product());
      } else if (Take("-")) {
        terms.push_back(MakeExpr(Kind::kNegate, {Product()}));
      } else {
        return terms.size() == 1 ? terms[0] : MakeExpr(Kind::kAdd, terms);
      }
    }
  }
  ExprPtr Product() {
    if (Take("-")) return MakeExpr(Kind::kNegate, {Product()});
    if (Take("+")) return Product();
    ExprPtr product = Power();
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "**") break;
      if (Take("*")) {
        product = MakeExpr(Kind::kMul, {product, Signed()});
      } else if (Take("/")) {
        product = MakeExpr(Kind::kDivide, {product, Signed()});
      } else if (text_[at_] == '(' || IsLetter(text_[at_]) || IsDigit(text_[at_])) {
        product = MakeExpr(Kind::kMul, {product, Power()});
      } else {
        break;
      }
    }
    return product;
  }
  ExprPtr Signed() { return Take("-") ? MakeExpr(Kind::kNegate, {Signed()}) : Power(); }
  ExprPtr Power() {
    ExprPtr base = Atom();
    while (Take("!")) base = MakeExpr(Kind::kFunction, {base}, "!");
    if (Take("^") || Take("**")) return MakeExpr(Kind::kPower, {base, Signed()});
    return base;
  }
  ExprPtr Atom() {
    if (Take("(")) {
      ExprPtr inner = Sum();
      if (!Take(")")) throw Error("a bracket is not closed");
      return inner;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && (IsDigit(text_[at_]) || text_[at_] == '.')) ++at_;
    if (at_ > begin) return Number(text_.substr(begin, at_ - begin));
    for (const std::string_view name : {"sqrt", "sin", "cos", "tan", "log", "ln", "exp"}) {
      if (!Take(name)) continue;
      ExprPtr argument = at_ < text_.size() && text_[at_] == '(' ? Atom() : Power();
      if (name == "sqrt") return MakeExpr(Kind::kRoot, {argument, MakeNumber(Rational(2))});
      return MakeExpr(Kind::kFunction, {argument}, std::string(name == "log" ? "ln" : name));
    }
    if (Take("pi")) return MakeExpr(Kind::kConstant, {}, "pi");
    if (at_ < text_.size() && IsLetter(text_[at_])) return MakeExpr(Kind::kSymbol, {}, std::string(1, text_[at_++]));
    throw Error("no formula");
  }
  static ExprPtr Number(std::string_view digits) {
    std::string whole;
    size_t decimals = 0;
    bool point = false;
    for (const char c : digits) {
      if (c == '.') {
        if (point) throw Error("two points in a number");
        point = true;
      } else {
        whole += c;
        decimals += point;
      }
    }
    if (whole.empty() || whole.size() > 200) throw Error("no number");
    Rational value(whole, 10);
    for (size_t i = 0; i < decimals; ++i) value /= 10;
    return MakeNumber(value);
  }
  static bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  std::string_view text_;
  size_t at_ = 0;
};

bool MayBeEvaluated(const std::string& expr) {
  std::set<char32_t> letters;
  for (const char32_t c : python::CodePoints(Replace(Replace(expr, "sqrt", ""), "frac", ""))) {
    if (unicode::IsAlpha(c)) letters.insert(c);
  }
  static const Regex towers(R"(\^\{|\^\(|\^[0-9]+\^|\^[0-9][0-9]+)");
  return letters.size() <= 2 && !towers.Contains(expr);
}

bool SameFormula(const std::string& gold, const std::string& given) {
  if (!MayBeEvaluated("(" + gold + ")-(" + given + ")")) return false;
  const ExprPtr a = PlainFormula::Parse(gold), b = PlainFormula::Parse(given);
  if (!a || !b) return false;
  try {
    Budget budget(2'000'000);
    return SameValue(*a, *b, &budget) == Equality::kEqual;
  } catch (const Error&) {
    return false;  // it would take too long; sympy is given up on there too
  }
}

std::vector<std::string> TupleElements(const std::string& text) {
  const std::string expr = WithoutThousands(text);
  constexpr std::string_view kBrackets = "()[]";
  if (expr.empty()) return {};
  if (expr.size() > 2 && kBrackets.find(expr.front()) != std::string_view::npos &&
      kBrackets.find(expr.back()) != std::string_view::npos &&
      expr.substr(1, expr.size() - 2).find_first_of(kBrackets) == std::string::npos) {
    std::vector<std::string> elements;
    for (const std::string_view part : python::Split(std::string_view(expr).substr(1, expr.size() - 2), ",")) {
      elements.emplace_back(python::Strip(part));
    }
    return elements;
  }
  return {expr};
}

}  // namespace

bool Prm800kEqual(std::string_view answer, std::string_view gold) {
  if (NormalizeMath(gold) == NormalizeMath(answer)) return true;
  const std::string expected = NormalizeAnswer(gold), given = NormalizeAnswer(answer);
  if (expected == given) return true;
  if (given.empty()) return false;
  const std::vector<std::string> gold_parts = TupleElements(expected), parts = TupleElements(given);
  if (gold_parts.size() > 1 && (expected.front() != given.front() || expected.back() != given.back())) return false;
  if (gold_parts.size() != parts.size()) return false;
  static const Regex fraction(R"(^-?[0-9]+.?/0*[1-9][0-9]*.?$)");
  for (size_t i = 0; i < parts.size(); ++i) {
    // Fractions have to be reduced, and whole numbers to be written as such.
    const bool both_fractions = fraction.Contains(gold_parts[i]) && fraction.Contains(parts[i]);
    if (both_fractions) {
      if (gold_parts[i] != parts[i]) return false;
    } else if (IsIntegerText(gold_parts[i]) != IsIntegerText(parts[i]) || !SameFormula(gold_parts[i], parts[i])) {
      return false;
    }
  }
  return !parts.empty();
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

class Math500 : public Benchmark {
 public:
  std::string name() const override { return "math-500"; }
  std::string prompt_name() const override { return "math-500"; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1}; }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      items.push_back({file.TextOr(i, {"unique_id"}, std::to_string(i + 1)),
                       file.TextOr(i, {"subject"}, ""),
                       {{"problem", file.Text(i, {"problem", "prompt"})},
                        {"answer", file.Text(i, {"answer"})},
                        {"level", file.TextOr(i, {"level"}, "")}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    return prompt->Messages({{"problem", item.record["problem"].get<std::string>()}});
  }
  // Official: the last box by prm800k's grader. Strict: the final answer by our own comparison, which is exact.
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string gold = item.record["answer"].get<std::string>();
    score.official_answer = LastBox(answer.content);
    score.official = score.official_answer && official::Prm800kEqual(*score.official_answer, gold);
    const MathScore ours = VerifyMath(gold, answer.content);
    score.strict = ours.value;
    score.why = ours.reason;
    score.answer = score.official_answer;
    // Answers that are right vote together, however they are written.
    if (score.strict == 1) score.answer = gold;
    score.details["level"] = item.record["level"];
    return score;
  }
};

}  // namespace

std::unique_ptr<Benchmark> MakeMath500() { return std::make_unique<Math500>(); }

}  // namespace fulgur
