#include "math/latex_parser.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "math/latex_lexer.h"
#include "math/phrases.h"
#include "math/units.h"
#include "math/words.h"

namespace fulgur {
namespace {

const std::set<std::string_view> kRelations = {"=", "!=", "<", "<=", ">", ">=", "~"};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  ExprPtr Answer() {
    while (IsOp("=") || IsOp("~") || IsOp("=>") || IsOp("==")) ++at_;  // "= 5"
    ExprPtr answer = List();
    if (Peek().type != Token::kEnd) throw Error("\"{}\" where nothing was expected", Shown(Peek()));
    return answer;
  }

 private:
  class Nesting {
   public:
    explicit Nesting(Parser* parser) : parser_(parser) {
      if (++parser_->depth_ > kMaxDepth) throw Error("nested more than {} deep", kMaxDepth);
    }
    ~Nesting() { --parser_->depth_; }

   private:
    Parser* parser_;
  };

  static std::string Shown(const Token& token) {
    if (token.type == Token::kEnd) return "the end";
    return token.text.substr(0, 30);
  }

  const Token& Peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool IsOp(std::string_view op, size_t ahead = 0) const {
    return Peek(ahead).type == Token::kOp && Peek(ahead).text == op;
  }
  bool IsCommand(std::string_view name) const { return Peek().type == Token::kCommand && Peek().text == name; }
  bool TakeOp(std::string_view op) {
    if (!IsOp(op)) return false;
    ++at_;
    return true;
  }
  void Expect(std::string_view op) {
    if (!TakeOp(op)) throw Error("expected \"{}\", found \"{}\"", op, Shown(Peek()));
  }
  bool IsSeparator() const { return IsOp(",") || IsOp(";") || IsOp("and") || IsOp("or"); }

  // Elements between commas, "and", "or"; a single one is itself. What an unknown is from may follow.
  ExprPtr List() {
    const Nesting nesting(this);
    std::vector<ExprPtr> elements = {Element()};
    std::vector<size_t> groups;  // where what a semicolon begins begins
    std::string name;
    while (true) {
      if (StartsCondition()) {
        if (name.empty()) name = ",";
        Conditions(&elements);
        continue;
      }
      if (!IsSeparator()) break;
      while (IsSeparator()) {
        if (Peek().text == "and" || Peek().text == "or") {
          if (!name.empty() && name != "," && name != Peek().text) throw Error("\"and\" beside \"or\"");
          name = Peek().text;
        } else if (name.empty()) {
          name = ",";
        }
        if (IsOp(";")) groups.push_back(elements.size());
        ++at_;
      }
      if (StartsCondition()) continue;
      if (AtClose()) throw Error("nothing after the separator");
      elements.push_back(Element());
    }
    if (elements.size() == 1) return elements[0];  // also if a condition said nothing
    if (!groups.empty() && groups.size() + 1 < elements.size()) elements = Grouped(std::move(elements), groups);
    return MakeExpr(Kind::kList, std::move(elements), name);
  }

  // "p = 5, q = 2; p = 7, q = 2" is (5, 2) and (7, 2), where every group is about the same unknowns.
  static std::vector<ExprPtr> Grouped(std::vector<ExprPtr> elements, std::vector<size_t> groups) {
    groups.insert(groups.begin(), 0);
    groups.push_back(elements.size());
    const size_t width = groups[1];
    std::vector<ExprPtr> tuples;
    for (size_t g = 0; g + 1 < groups.size(); ++g) {
      if (groups[g + 1] - groups[g] != width || width < 2) return elements;
      std::vector<ExprPtr> values;
      for (size_t i = 0; i < width; ++i) {
        const Expr& element = *elements[groups[g] + i];
        if (element.kind != Kind::kRelation || element.children.size() != 2 || element.ops[0] != "=" ||
            element.children[0]->kind != Kind::kSymbol || element.children[0]->name != elements[i]->children[0]->name) {
          return elements;
        }
        values.push_back(element.children[1]);
      }
      tuples.push_back(MakeExpr(Kind::kTuple, std::move(values)));
    }
    return tuples;
  }

  // "k \in Z" in brackets or after a space, "where k is an integer", "for all n >= 1".
  bool StartsCondition() const {
    if (Peek().type == Token::kText) return ConditionText(Peek().text, /*lead=*/true).has_value();
    if (IsOp("(") && Peek(1).type == Token::kName && (IsOp("in", 2) || Peek(2).type == Token::kText)) {
      return IsOp("in", 2) || ConditionText(Peek(2).text, /*lead=*/false).has_value();
    }
    if (IsOp("(") && Peek(1).type == Token::kText) return ConditionText(Peek(1).text, /*lead=*/true).has_value();
    return Peek().type == Token::kName && Peek().space_before && IsOp("in", 1);
  }
  void Conditions(std::vector<ExprPtr>* elements) {
    const bool bracket = TakeOp("(");
    std::string set;
    bool all = false;
    if (Peek().type == Token::kText) {
      for (const std::string& word : SplitWords(Peek().text))
        all = all || word == "all" || word == "every" || word == "any";
      set = *ConditionText(tokens_[at_++].text, /*lead=*/true);
    }
    if (!set.empty()) {  // "for all integers k"
      do {
        if (Peek().type != Token::kName) throw Error("\"{}\" where an unknown was expected", Shown(Peek()));
        elements->push_back(
            MakeExpr(Kind::kMember, {MakeExpr(Kind::kSymbol, {}, tokens_[at_++].text), NumberSetNamed(set)}));
      } while (TakeOp(",") || TakeOp("and"));
    } else {
      ExprPtr condition = Element();
      if (!all || condition->kind != Kind::kSymbol) elements->push_back(std::move(condition));  // "for all x"
    }
    if (bracket) Expect(")");
  }
  static ExprPtr NumberSetNamed(std::string name) { return MakeExpr(Kind::kNumberSet, {}, std::move(name)); }

  bool AtClose() const {
    if (Peek().type == Token::kEnd) return true;
    if (Peek().type == Token::kCommand) return Peek().text == "end";
    if (Peek().type != Token::kOp) return false;
    static const std::set<std::string_view> kClosing = {")", "]",    "}",      "\\}",   ">>", "|",
                                                        "&", "\\\\", "rfloor", "rceil", "||"};
    return kClosing.count(Peek().text) > 0;
  }

  ExprPtr Element() {
    const Nesting nesting(this);
    // "k is an integer"
    if (Peek().type == Token::kName && Peek(1).type == Token::kText) {
      const auto set = ConditionText(Peek(1).text, /*lead=*/false);
      if (set && !set->empty()) {
        at_ += 2;
        return MakeExpr(Kind::kMember, {MakeExpr(Kind::kSymbol, {}, tokens_[at_ - 2].text), NumberSetNamed(*set)});
      }
    }
    std::vector<ExprPtr> terms = {RatioOrSet()};
    std::vector<std::string> ops;
    while (Peek().type == Token::kOp) {
      if (TakeOp("in")) {
        if (!ops.empty()) throw Error("membership inside a chain");
        return MakeExpr(Kind::kMember, {terms[0], SetExpression()});
      }
      if (TakeOp("==")) {
        ExprPtr right = RatioOrSet();
        if (!ops.empty()) throw Error("a congruence inside a chain");
        if (right->kind == Kind::kFunction && right->name == "residue")
          return MakeExpr(Kind::kFunction, {terms[0], right->children[0], right->children[1]}, "congruent");
        if (TakeOp("mod")) return MakeExpr(Kind::kFunction, {terms[0], right, Sum()}, "congruent");
        terms.push_back(right);
        ops.push_back("=");
        continue;
      }
      if (IsOp("(") && IsOp("~", 1)) {  // the exact value, and a rounded one in brackets
        at_ += 2;
        ops.push_back("~");
        terms.push_back(Scalar(Sum(), "in brackets"));
        Expect(")");
        break;
      }
      if (kRelations.count(Peek().text) == 0) break;
      ops.push_back(Peek().text);
      ++at_;
      if (IsOp("~")) ++at_;  // "= ~5" as some write approximately
      terms.push_back(RatioOrSet());
    }
    if (ops.empty()) return terms[0];
    if (ops.size() == 1 && ops[0] == "=" && terms[1]->kind == Kind::kFunction && terms[1]->name == "residue")
      return MakeExpr(Kind::kFunction, {terms[0], terms[1]->children[0], terms[1]->children[1]}, "congruent");
    return MakeRelation(std::move(terms), std::move(ops));
  }

  // A set or formula, with "(mod 7)" behind it or as a part of a ratio.
  ExprPtr RatioOrSet() {
    ExprPtr first = SetExpression();
    if (IsOp(":") && braces_ == 0) {
      std::vector<ExprPtr> parts = {Scalar(first, "in a ratio")};
      while (TakeOp(":")) parts.push_back(Scalar(Sum(), "in a ratio"));
      return MakeExpr(Kind::kFunction, std::move(parts), "ratio");
    }
    ExprPtr modulus;
    if (IsCommand("pmod")) {
      ++at_;
      modulus = Argument();
    } else if (IsOp("(") && IsOp("mod", 1)) {
      at_ += 2;
      modulus = Sum();
      Expect(")");
    }
    if (modulus == nullptr) return first;
    return MakeExpr(Kind::kFunction, {Scalar(first, "before a modulus"), Scalar(modulus, "as a modulus")}, "residue");
  }

  ExprPtr SetExpression() {
    ExprPtr left = Sum();
    while (true) {
      Kind kind = Kind::kUnion;
      if (IsOp("cup")) {
        kind = Kind::kUnion;
      } else if (IsOp("cap")) {
        kind = Kind::kIntersect;
      } else if (IsOp("setminus")) {
        kind = Kind::kSetMinus;
      } else if (IsOp("-") || IsOp("+")) {
        kind = Kind::kSetMinus;  // only after a set, see Sum
        if (IsOp("+") || !IsSetLike(*left)) return left;
      } else {
        return left;
      }
      ++at_;
      left = MakeExpr(kind, {left, Sum()});
    }
  }

  static bool IsSetLike(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kSet:
      case Kind::kInterval:
      case Kind::kNumberSet:
      case Kind::kUnion:
      case Kind::kIntersect:
      case Kind::kSetMinus:
      case Kind::kEmptySet:
        return true;
      default:
        return false;
    }
  }
  static bool IsScalar(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kList:
      case Kind::kTuple:
      case Kind::kRelation:
      case Kind::kMember:
      case Kind::kSetBuilder:
        return false;
      default:
        return !IsSetLike(expr);
    }
  }
  static ExprPtr Scalar(ExprPtr expr, const char* where) {
    if (!IsScalar(*expr)) throw Error("something else than a number or formula {}", where);
    return expr;
  }

  ExprPtr Sum() {
    const Nesting nesting(this);
    std::vector<ExprPtr> parts;
    bool first = true;
    while (true) {
      bool negative = false;
      std::string plus_minus;
      bool sign = false;
      while (IsOp("-") || IsOp("+") || IsOp("+-") || IsOp("-+")) {
        if (IsOp("+-") || IsOp("-+")) {
          if (!plus_minus.empty()) throw Error("two signs \\pm in a row");
          plus_minus = IsOp("+-") ? "+" : "-";
        } else if (IsOp("-")) {
          negative = !negative;
        }
        sign = true;
        ++at_;
        if (++signs_ > 64) throw Error("too many signs");
      }
      if (!first && !sign) break;
      ExprPtr term = Term();
      if (sign || !parts.empty()) Scalar(term, "beside a sign");
      if (negative) term = MakeExpr(Kind::kNegate, {term});
      if (!plus_minus.empty()) {
        ExprPtr left = Total(std::move(parts));
        parts.clear();
        term = left == nullptr ? MakeExpr(Kind::kPlusMinus, {term}, plus_minus)
                               : MakeExpr(Kind::kPlusMinus, {left, term}, plus_minus);
      }
      signs_ = 0;
      first = false;
      const bool set = !IsScalar(*term);
      parts.push_back(std::move(term));
      if (set) break;
    }
    return Total(std::move(parts));
  }

  static ExprPtr Total(std::vector<ExprPtr> parts) {
    if (parts.empty()) return nullptr;
    if (parts.size() == 1) return parts[0];
    return MakeExpr(Kind::kAdd, std::move(parts));
  }

  bool StartsFactor() const {
    switch (Peek().type) {
      case Token::kName:
        return true;
      case Token::kCommand:
        return Peek().text != "end" && Peek().text != "pmod";
      case Token::kOp:
        return Peek().text == "(" || Peek().text == "{" || (Peek().text == "[" && StartsAfterBracket()) ||
               Peek().text == "lfloor" || Peek().text == "lceil" || (Peek().text == "|" && bars_ == 0 && braces_ == 0);
      default:
        return false;
    }
  }

  static bool IsInteger(const Expr& expr) {
    return expr.kind == Kind::kNumber && expr.decimals < 0 && expr.value.get_den() == 1;
  }

  ExprPtr Term() {
    const Nesting nesting(this);
    const bool number_first = Peek().type == Token::kNumber;
    ExprPtr first = Factor();
    // 2\frac{1}{2} and 2 1/2
    if (number_first && IsInteger(*first)) {
      if (IsCommand("frac") && !IsUnitFraction()) {
        const size_t start = at_;
        ExprPtr fraction = Atom();
        if (IsProper(*fraction)) {
          first = Postfix(MakeExpr(Kind::kAdd, {first, fraction}), Token());
        } else {
          at_ = start;
        }
      } else if (Peek().type == Token::kNumber && IsOp("/", 1) && Peek(2).type == Token::kNumber && !IsOp("^", 3) &&
                 !IsOp("!", 3)) {
        ExprPtr fraction = MakeExpr(Kind::kDivide, {MakeNumber(Peek().value), MakeNumber(Peek(2).value)});
        if (!IsProper(*fraction)) throw Error("two numbers side by side");
        at_ += 3;
        first = Postfix(MakeExpr(Kind::kAdd, {first, fraction}), Token());
      }
    }
    std::vector<ExprPtr> factors = {first};
    const auto product = [&] { return factors.size() == 1 ? factors[0] : MakeExpr(Kind::kMul, std::move(factors)); };
    while (true) {
      if (TakeOp("*")) {
        Scalar(factors.back(), "in a product");
        factors.push_back(Scalar(SignedFactor(), "in a product"));
      } else if (TakeOp("/")) {
        if (Peek().type == Token::kText) {  // 5 km / h
          factors = {Units(product(), "/")};
          continue;
        }
        ExprPtr numerator = Scalar(product(), "in a quotient");
        factors = {MakeExpr(Kind::kDivide, {numerator, Scalar(SignedFactor(), "in a quotient")})};
      } else if (TakeOp("mod")) {
        ExprPtr left = product();
        factors = {MakeExpr(Kind::kFunction, {left, SignedFactor()}, "mod")};
      } else if (StartsCondition()) {
        break;
      } else if (IsUnitFraction()) {  // 12 \frac{\text{m}}{\text{s}}
        const std::string unit = Peek(2).text + "/" + Peek(5).text;
        factors = {MakeExpr(Kind::kUnit, {Scalar(product(), "before a unit")}, unit)};
        at_ += 7;
      } else if (Peek().type == Token::kText) {
        factors = {Units(product(), "")};
        if (StartsFactor() || Peek().type == Token::kNumber) throw Error("a value after a unit");
      } else if (Peek().type == Token::kNumber) {
        if (!MayPrecedeNumber(factors)) throw Error("two numbers side by side");
        factors.push_back(Factor());
      } else if (StartsUnit(*factors.back())) {
        factors = {MakeExpr(Kind::kUnit, {product()}, tokens_[at_++].text)};
      } else if (StartsFactor() && IsScalar(*factors.back())) {
        if (IsOp("(") && (IsOp("mod", 1) || IsOp("~", 1))) break;
        factors.push_back(Scalar(Factor(), "in a product"));
      } else {
        break;
      }
    }
    return product();
  }

  bool IsUnitFraction() const {
    return IsCommand("frac") && IsOp("{", 1) && Peek(2).type == Token::kText && IsOp("}", 3) && IsOp("{", 4) &&
           Peek(5).type == Token::kText && IsOp("}", 6) && FindUnit(Peek(2).text) != nullptr &&
           FindUnit(Peek(5).text) != nullptr;
  }

  // n2^{n-1}, \pi 2, (x+1)3, 2^3 5^2: not 1 2, nor 1/2 3, whose author may have meant anything.
  bool MayPrecedeNumber(const std::vector<ExprPtr>& factors) const {
    if (Peek(0).decimals >= 0 && factors.size() == 1 && factors[0]->kind == Kind::kSymbol) return false;
    const Expr& last = *factors.back();
    switch (last.kind) {
      case Kind::kSymbol:
      case Kind::kConstant:
      case Kind::kFunction:
      case Kind::kPower:
      case Kind::kRoot:
        return true;
      case Kind::kAdd:  // in brackets, or 2 1/2
        return at_ > 0 && tokens_[at_ - 1].type == Token::kOp && tokens_[at_ - 1].text == ")";
      case Kind::kDivide:
        return at_ > 0 && tokens_[at_ - 1].type == Token::kOp && tokens_[at_ - 1].text == "}";
      default:
        return at_ > 0 && tokens_[at_ - 1].type == Token::kOp && tokens_[at_ - 1].text == ")";
    }
  }

  // "10 m": a single letter, apart from the number, with nothing behind it.
  bool StartsUnit(const Expr& before) const {
    static const std::set<std::string_view> kUnits = {"m", "g", "s", "h", "L", "N", "J", "W"};
    return before.kind == Kind::kNumber && Peek().type == Token::kName && Peek().space_before &&
           kUnits.count(Peek().text) > 0 && (Peek(1).type == Token::kEnd || IsOp(",", 1));
  }

  static bool IsProper(const Expr& expr) {
    return expr.kind == Kind::kDivide && IsInteger(*expr.children[0]) && IsInteger(*expr.children[1]) &&
           sgn(expr.children[0]->value) > 0 && expr.children[0]->value < expr.children[1]->value;
  }

  ExprPtr Units(ExprPtr value, std::string text) {
    Scalar(value, "before a unit");
    int words = 0;
    while (true) {
      const Token& token = Peek();
      if (token.type == Token::kText) {
        ++words;
        if (words > 1 && StartsCondition()) break;
        text += (text.empty() ? "" : " ") + token.text;
        CheckUnit(text);
      } else if (token.type == Token::kOp && (token.text == "^" || token.text == "/") && words > 0) {
        text += token.text;
      } else if (token.type == Token::kOp && (token.text == "{" || token.text == "}") && !text.empty()) {
        // \text{cm}^{2}, and the end of a group around it all
        if (token.text == "{" && text.back() != '^') break;
        if (token.text == "}" && !(IsOp("{", 0) || PowerGroup())) break;
      } else if (token.type == Token::kNumber && !text.empty() && (text.back() == '^')) {
        text += token.text;
      } else {
        break;
      }
      ++at_;
      if (words > 8) throw Error("a sentence where a unit may stand");
    }
    // "By walking along the river": letters that are words of a sentence
    if (words > 3 && !Contains(*value, Kind::kNumber)) throw Error("a sentence");
    return MakeExpr(Kind::kUnit, {value}, text);
  }
  // Whether the "}" at the cursor closes the exponent of a unit: "^", "{", a number, "}".
  bool PowerGroup() const {
    return at_ >= 3 && tokens_[at_ - 1].type == Token::kNumber && tokens_[at_ - 2].text == "{" &&
           tokens_[at_ - 3].text == "^";
  }

  static void CheckUnit(const std::string& text) {
    if (text.size() > 60) throw Error("a sentence where a unit may stand");
    if (const std::string word = ChangingWord(text, WordPlace::kAfter); !word.empty())
      throw Error("\"{}\" after the number", word);
    if (text.substr(0, 2) == "M " || text == "M") throw Error("\"M\" after the number, which may be a million");
    char previous = ' ';
    for (const char c : text) {
      if (c == '?' || c == '!' || c == '=' || c == '<' || c == '>') throw Error("\"{}\" after the number", c);
      // cm^2 and m2 have a digit, "5 (alternatively 6)" has another value.
      if (c >= '0' && c <= '9' && (c > '3' || previous == ' ' || previous == '(')) throw Error("a number after a unit");
      previous = c;
    }
  }

  ExprPtr SignedFactor() {
    const Nesting nesting(this);
    if (TakeOp("-")) return MakeExpr(Kind::kNegate, {SignedFactor()});
    if (TakeOp("+")) return SignedFactor();
    return Factor();
  }

  // An atom with what follows it: powers, factorials, percent signs.
  ExprPtr Factor() {
    const Nesting nesting(this);
    const Token first = Peek();
    ExprPtr base = Atom();
    return Postfix(std::move(base), first);
  }

  ExprPtr Postfix(ExprPtr base, const Token& first) {
    while (true) {
      if (TakeOp("^")) {
        if (TakeOp("'")) continue;
        Scalar(base, "raised to a power");
        base = MakeExpr(Kind::kPower, {base, Exponent()});
      } else if (IsOp("!")) {
        ++at_;
        const bool twice = TakeOp("!");
        base = MakeExpr(Kind::kFunction, {Scalar(base, "before a factorial")}, twice ? "factorial2" : "factorial");
      } else if (TakeOp("%")) {
        base = MakeExpr(Kind::kPercent, {Scalar(base, "before a percent sign")});
      } else if (TakeOp("deg")) {
        base = MakeExpr(Kind::kDegree, {Scalar(base, "before a degree sign")});
        const bool word = Peek().type == Token::kName || Peek().type == Token::kText;
        if (word &&
            (Peek().text == "C" || Peek().text == "F" || Peek().text == "Celsius" || Peek().text == "Fahrenheit")) {
          base = MakeExpr(Kind::kUnit, {base->children[0]}, Peek().text[0] == 'C' ? "Celsius" : "Fahrenheit");
          ++at_;
        }
      } else if (IsOp("'") && base->kind == Kind::kSymbol) {
        ++at_;
        base = MakeExpr(Kind::kSymbol, {}, base->name + "'");
      } else if (IsOp("_") && first.type == Token::kNumber && base->kind == Kind::kNumber) {
        ++at_;
        base = MakeExpr(Kind::kBased, {Scalar(Subscript(), "as a base")}, first.text);
      } else if (IsOp("_") && (base->kind == Kind::kSymbol)) {
        ++at_;
        base = Indexed(base->name);
      } else if (IsOp("(") && base->kind == Kind::kSymbol && IsCall(base->name)) {
        ++at_;
        std::vector<ExprPtr> arguments = Elements();
        Expect(")");
        base = MakeExpr(Kind::kFunction, std::move(arguments), "call " + base->name);
      } else if (IsOp("(") && base->kind == Kind::kSymbol && IsPoint(base->name)) {
        ++at_;
        std::vector<ExprPtr> coordinates = Elements();
        Expect(")");
        base = MakeExpr(Kind::kFunction, std::move(coordinates), "point " + base->name);
      } else {
        return base;
      }
    }
  }

  // f(x), but not x(x + 1) nor P(1 + r).
  bool IsCall(const std::string& name) const {
    const std::string letter = name.substr(0, name.find_first_of("_'"));
    if (letter == "f" || letter == "g" || letter == "h") return true;
    if (letter != "F" && letter != "G" && letter != "H" && letter != "P" && letter != "Q") return false;
    return (Peek(1).type == Token::kName || Peek(1).type == Token::kNumber) && IsOp(")", 2);
  }

  // P(3, 4): a capital letter before a bracket with commas.
  bool IsPoint(const std::string& name) const {
    if (name[0] < 'A' || name[0] > 'Z' || name.find("call") != std::string::npos) return false;
    int depth = 0;
    bool comma = false;
    for (size_t i = at_; i < tokens_.size() && tokens_[i].type != Token::kEnd; ++i) {
      if (tokens_[i].type != Token::kOp) continue;
      const std::string& op = tokens_[i].text;
      if (op == "(" || op == "[" || op == "{" || op == "\\{") ++depth;
      if (op == ")" || op == "]" || op == "}" || op == "\\}") --depth;
      comma = comma || (depth == 1 && (op == "," || op == ";"));
      if (depth == 0) return comma && op == ")";
    }
    return false;
  }

  std::vector<ExprPtr> Elements() {
    ExprPtr list = Inside(&Parser::List);
    if (list->kind == Kind::kList) return list->children;
    return {list};
  }

  // Inside brackets, bars close nothing and open again.
  ExprPtr Inside(ExprPtr (Parser::*rule)()) {
    const int bars = std::exchange(bars_, 0);
    const int braces = std::exchange(braces_, 0);
    ExprPtr inner = (this->*rule)();
    bars_ = bars;
    braces_ = braces;
    return inner;
  }

  ExprPtr Exponent() {
    const Nesting nesting(this);
    if (TakeOp("-")) return MakeExpr(Kind::kNegate, {Exponent()});
    if (TakeOp("+")) return Exponent();
    const Token first = Peek();
    ExprPtr exponent;
    if (IsOp("{")) {
      exponent = Argument();
    } else {
      exponent = Atom();
      if (first.type == Token::kName && IsOp("_")) exponent = Postfix(exponent, first);
    }
    Scalar(exponent, "as an exponent");
    if (TakeOp("^")) exponent = MakeExpr(Kind::kPower, {exponent, Exponent()});
    return exponent;
  }

  ExprPtr Subscript() {
    if (IsOp("{")) return Argument();
    return Atom();
  }

  // x_1, x_{12}, x_{\text{max}} are names; x_{n-1} is a function of its index.
  ExprPtr Indexed(const std::string& name) {
    if (!IsOp("{")) {
      if (Peek().type != Token::kName && Peek().type != Token::kNumber && Peek().type != Token::kText) {
        throw Error("an index that is no name or number");
      }
      return MakeExpr(Kind::kSymbol, {}, name + "_" + tokens_[at_++].text);
    }
    size_t end = at_ + 1;
    std::string index;
    while (end < tokens_.size() && (tokens_[end].type == Token::kName || tokens_[end].type == Token::kNumber ||
                                    tokens_[end].type == Token::kText)) {
      index += tokens_[end++].text;
    }
    if (end < tokens_.size() && tokens_[end].type == Token::kOp && tokens_[end].text == "}" && !index.empty()) {
      at_ = end + 1;
      return MakeExpr(Kind::kSymbol, {}, name + "_" + index);
    }
    return MakeExpr(Kind::kFunction, {Argument()}, "index " + name);
  }

  // {...}, or a single symbol: the argument of a command.
  ExprPtr Argument() {
    const Nesting nesting(this);
    if (TakeOp("{")) {
      ExprPtr inner = Inside(&Parser::List);
      if (IsOp("choose") || IsOp("over")) {
        const bool choose = Peek().text == "choose";
        ++at_;
        ExprPtr below = Inside(&Parser::Sum);
        inner = choose ? MakeExpr(Kind::kFunction, {inner, below}, "binom") : MakeExpr(Kind::kDivide, {inner, below});
      }
      Expect("}");
      return inner;
    }
    return Atom();
  }

  // The two arguments of \frac and \binom, which may be digits run together: \frac12.
  std::pair<ExprPtr, ExprPtr> TwoArguments() {
    if (Peek().type == Token::kNumber && Peek().text.size() > 1 && Peek().decimals < 0 && Peek().text.back() != '.') {
      const std::string digits = tokens_[at_++].text;
      return {MakeNumber(Rational(digits.substr(0, 1))), MakeNumber(Rational(digits.substr(1), 10))};
    }
    ExprPtr above = Argument();
    // The end of the second argument's digits is taken as it stands: \frac1{10}, \frac{1}10.
    return {above, Argument()};
  }

  ExprPtr Number() {
    const Token& token = tokens_[at_++];
    return MakeDecimal(token.value, token.decimals, token.digits);
  }

  ExprPtr Atom() {
    const Nesting nesting(this);
    const Token token = Peek();
    switch (token.type) {
      case Token::kNumber:
        return Number();
      case Token::kName:
        ++at_;
        if (token.text == "e" || token.text == "i") return MakeExpr(Kind::kConstant, {}, token.text);
        return MakeExpr(Kind::kSymbol, {}, token.text);
      case Token::kCommand:
        ++at_;
        return Command(token);
      case Token::kText:
        if (token.text.size() == 1 && IsLetter(token.text[0])) {  // + \text{C}
          ++at_;
          return MakeExpr(Kind::kSymbol, {}, token.text);
        }
        throw Error("words (\"{}\") where a value was expected", Shown(token));
      case Token::kEnd:
        throw Error("ends too early");
      case Token::kOp:
        break;
    }
    ++at_;
    if (token.text == "(") return Parenthesis();
    if (token.text == "[") return Bracket();
    if (token.text == "]") {  // ]a, b[
      std::vector<ExprPtr> ends = Elements();
      const bool closed = TakeOp("]");
      if (!closed) Expect("[");
      return Interval(std::move(ends), true, !closed);
    }
    if (token.text == "{") {
      --at_;
      ExprPtr inner = Argument();
      return inner->kind == Kind::kList ? MakeExpr(Kind::kSet, inner->children) : inner;
    }
    if (token.text == "\\{") return Set();
    if (token.text == "<<") {
      std::vector<ExprPtr> elements = Elements();
      Expect(">>");
      return MakeExpr(Kind::kTuple, std::move(elements));
    }
    if (token.text == "|" || token.text == "||") {
      const int braces = std::exchange(braces_, 0);
      ++bars_;
      ExprPtr inner = Sum();
      --bars_;
      braces_ = braces;
      Expect(token.text);
      if (inner->kind == Kind::kMatrix && token.text == "|") return Determinant(*inner);
      return MakeExpr(Kind::kFunction, {Scalar(inner, "between bars")}, token.text == "|" ? "abs" : "norm");
    }
    if (token.text == "lfloor" || token.text == "lceil") {
      ExprPtr inner = Inside(&Parser::Sum);
      Expect(token.text == "lfloor" ? "rfloor" : "rceil");
      return MakeExpr(Kind::kFunction, {Scalar(inner, "in a floor")}, token.text.substr(1));
    }
    if (token.text == "...") return MakeExpr(Kind::kSymbol, {}, "...");
    throw Error("\"{}\" where a value was expected", Shown(token));
  }

  static ExprPtr Interval(std::vector<ExprPtr> ends, bool left_open, bool right_open) {
    if (ends.size() != 2) throw Error("an interval of {} ends", ends.size());
    for (const ExprPtr& end : ends) Scalar(end, "as the end of an interval");
    return MakeExpr(Kind::kInterval, std::move(ends), std::string(left_open ? "(" : "[") + (right_open ? ")" : "]"));
  }

  ExprPtr Parenthesis() {
    if (TakeOp(")")) return MakeExpr(Kind::kTuple);
    std::vector<ExprPtr> elements = Elements();
    if (IsOp("choose")) {
      ++at_;
      ExprPtr below = Inside(&Parser::Sum);
      Expect(")");
      return MakeExpr(Kind::kFunction, {Scalar(elements[0], "in a binomial"), below}, "binom");
    }
    if (TakeOp("]")) return Interval(std::move(elements), true, false);
    if (IsOp("[") && elements.size() == 2 && !StartsAfterBracket()) {  // (a, b[
      ++at_;
      return Interval(std::move(elements), true, true);
    }
    Expect(")");
    if (elements.size() == 1) return elements[0];
    return MakeExpr(Kind::kTuple, std::move(elements));
  }
  // Whether a value begins after the bracket at the cursor: otherwise it ends an interval, [0, 1[.
  bool StartsAfterBracket() const {
    return Peek(1).type == Token::kNumber || Peek(1).type == Token::kName || Peek(1).type == Token::kCommand ||
           IsOp("-", 1) || IsOp("(", 1);
  }

  ExprPtr Bracket() {
    if (TakeOp("]")) return MakeExpr(Kind::kTuple);
    std::vector<ExprPtr> elements = Elements();
    if (TakeOp(")")) return Interval(std::move(elements), false, true);
    if (IsOp("[") && elements.size() == 2) {  // [a, b[
      ++at_;
      return Interval(std::move(elements), false, true);
    }
    Expect("]");
    if (elements.size() == 1) return elements[0];
    if (elements.size() == 2) {
      if (IsScalar(*elements[0]) && IsScalar(*elements[1])) return Interval(std::move(elements), false, false);
    }
    return MakeExpr(Kind::kTuple, std::move(elements));
  }

  ExprPtr Set() {
    if (TakeOp("\\}")) return MakeExpr(Kind::kEmptySet);
    if (IsCommand("begin")) {  // the brace of a system has no partner
      ++at_;
      ExprPtr system = Environment(tokens_[at_ - 1].argument);
      return TakeOp("\\}") ? MakeExpr(Kind::kSet, {system}) : system;
    }
    const int bars = std::exchange(bars_, 0);
    ++braces_;
    ExprPtr list = List();
    if (IsOp("|") || IsOp(":")) {
      ++at_;
      ExprPtr condition = List();
      --braces_;
      bars_ = bars;
      Expect("\\}");
      return MakeExpr(Kind::kSetBuilder, {list, condition});
    }
    --braces_;
    bars_ = bars;
    Expect("\\}");
    return MakeExpr(Kind::kSet, list->kind == Kind::kList ? list->children : std::vector<ExprPtr>{list});
  }

  ExprPtr Command(const Token& token) {
    const std::string& name = token.text;
    if (name == "pi" || name == "inf" || name == "i") return MakeExpr(Kind::kConstant, {}, name);
    if (name == "emptyset") return MakeExpr(Kind::kEmptySet);
    if (name.rfind("set ", 0) == 0) return NumberSet(name.substr(4));
    if (name == "frac" || name == "binom") {
      auto [above, below] = TwoArguments();
      Scalar(above, "in a fraction"), Scalar(below, "in a fraction");
      return name == "frac" ? MakeExpr(Kind::kDivide, {above, below})
                            : MakeExpr(Kind::kFunction, {above, below}, "binom");
    }
    if (name == "sqrt") {
      ExprPtr index = MakeNumber(2);
      if (TakeOp("[")) {
        index = Inside(&Parser::Sum);
        Expect("]");
      }
      return MakeExpr(Kind::kRoot, {Scalar(Argument(), "under a root"), index});
    }
    if (name == "begin") return Environment(token.argument);
    if (name == "sum" || name == "prod") return Series(name);
    if (name == "int" || name == "lim") return Unknown(name);
    if (name == "end" || name == "pmod") throw Error("\\{} where a value was expected", name);
    return Function(name);
  }

  ExprPtr NumberSet(std::string name) {
    while (IsOp("^") || IsOp("_")) {  // \mathbb{Z}^+
      name += Peek().text;
      ++at_;
      const bool brace = TakeOp("{");
      if (Peek().type == Token::kEnd) throw Error("ends too early");
      name += tokens_[at_++].text;
      if (brace) Expect("}");
    }
    return MakeExpr(Kind::kNumberSet, {}, name);
  }

  ExprPtr Function(std::string name) {
    static const std::set<std::string_view> kTrigonometric = {"sin", "cos",  "tan",  "cot", "sec",
                                                              "csc", "sinh", "cosh", "tanh"};
    if (name == "asin" || name == "acos" || name == "atan") name = "arc" + name.substr(1);
    ExprPtr base, power;
    while (true) {
      if (IsOp("_") && base == nullptr) {
        ++at_;
        const Token token = Peek();
        base = Subscript();
        // \log_28 is the logarithm of 8 to base 2, where nothing else follows.
        if (token.type == Token::kNumber && token.text.size() > 1 && token.decimals < 0 && !IsOp("(") && !IsOp("^") &&
            !StartsFactor() && Peek().type != Token::kNumber) {
          const ExprPtr argument = MakeNumber(Rational(token.text.substr(1), 10));
          return MakeExpr(Kind::kFunction, {argument, MakeNumber(Rational(token.text.substr(0, 1)))}, "log_base");
        }
      } else if (IsOp("^") && power == nullptr) {
        ++at_;
        power = Exponent();
      } else {
        break;
      }
    }
    if (name == "lg") name = "log";
    if (name == "log" && base != nullptr && base->kind == Kind::kConstant && base->name == "e") {
      name = "ln";
      base = nullptr;
    }
    if (power != nullptr && power->kind == Kind::kNegate && power->children[0]->kind == Kind::kNumber &&
        power->children[0]->value == 1 && kTrigonometric.count(name) > 0) {
      name = "arc" + name;
      power = nullptr;
    }
    std::vector<ExprPtr> arguments;
    if (TakeOp("(")) {
      arguments = Elements();
      Expect(")");
    } else {
      arguments = {BareArgument()};
    }
    for (const ExprPtr& argument : arguments) Scalar(argument, "as the argument of a function");
    if (base != nullptr) {
      if (name != "log") throw Error("a function with an index");
      name = "log_base";
      arguments.push_back(Scalar(base, "as a base"));
    }
    ExprPtr call = MakeExpr(Kind::kFunction, std::move(arguments), name);
    return power == nullptr ? call : MakeExpr(Kind::kPower, {call, power});
  }

  // \sin 2x, \ln\frac{1}{2}, \cos 30^\circ: factors up to a sign, another function or a bracket.
  ExprPtr BareArgument() {
    const Nesting nesting(this);
    if (TakeOp("-")) return MakeExpr(Kind::kNegate, {BareArgument()});
    std::vector<ExprPtr> factors = {Factor()};
    while ((Peek().type == Token::kName || (StartsFactor() && Peek().type == Token::kCommand)) &&
           !(Peek().type == Token::kCommand && IsFunctionName(Peek().text))) {
      factors.push_back(Scalar(Factor(), "as the argument of a function"));
    }
    ExprPtr argument = factors.size() == 1 ? factors[0] : MakeExpr(Kind::kMul, std::move(factors));
    // \sin \pi/6
    if (IsOp("/") && Peek(1).type == Token::kNumber && Symbols(*argument).empty() &&
        Contains(*argument, Kind::kConstant)) {
      ++at_;
      argument = MakeExpr(Kind::kDivide, {argument, Number()});
    }
    return argument;
  }

  // \sum_{k=1}^{n} body: variable, lower, upper, body.
  ExprPtr Series(const std::string& name) {
    Expect("_");
    Expect("{");
    ExprPtr start = Inside(&Parser::Element);
    Expect("}");
    Expect("^");
    ExprPtr upper = IsOp("{") ? Argument() : Atom();
    // In a sum over i, i is no imaginary unit.
    if (start->kind == Kind::kRelation && start->children.size() == 2 && start->ops[0] == "=" &&
        start->children[0]->kind == Kind::kConstant) {
      const std::string letter = start->children[0]->name;
      const ExprPtr variable = MakeExpr(Kind::kSymbol, {}, letter + " bound");
      return MakeExpr(Kind::kFunction, {variable, start->children[1], upper, Bind(Term(), letter, variable)}, name);
    }
    if (start->kind != Kind::kRelation || start->children.size() != 2 || start->ops[0] != "=" ||
        start->children[0]->kind != Kind::kSymbol) {
      return MakeExpr(Kind::kFunction, {start, upper, Term()}, "unknown " + name);
    }
    return MakeExpr(Kind::kFunction, {start->children[0], start->children[1], upper, Term()}, name);
  }

  static ExprPtr Bind(const ExprPtr& expr, const std::string& letter, const ExprPtr& variable) {
    if (expr->kind == Kind::kConstant) return expr->name == letter ? variable : expr;
    std::vector<ExprPtr> children;
    for (const ExprPtr& child : expr->children) children.push_back(Bind(child, letter, variable));
    return expr->children.empty() ? expr : WithChildren(*expr, std::move(children));
  }

  // Integrals and limits: compared part by part.
  ExprPtr Unknown(const std::string& name) {
    std::vector<ExprPtr> parts;
    while (IsOp("_") || IsOp("^")) {
      ++at_;
      if (name == "lim") {
        Expect("{");
        parts.push_back(Inside(&Parser::Sum));
        Expect("=>");
        parts.push_back(Inside(&Parser::Sum));
        Expect("}");
      } else {
        parts.push_back(IsOp("{") ? Argument() : Atom());
      }
    }
    parts.push_back(Term());
    return MakeExpr(Kind::kFunction, std::move(parts), "unknown " + name);
  }

  ExprPtr Environment(const std::string& name) {
    const std::string plain = name.substr(0, name.find('*'));
    const bool array = plain == "array" || plain == "tabular";
    const bool system =
        plain == "cases" || plain == "aligned" || plain == "align" || plain == "gathered" || plain == "split";
    static const std::set<std::string_view> kMatrices = {"matrix",      "pmatrix", "bmatrix", "Bmatrix",
                                                         "smallmatrix", "vmatrix", "Vmatrix"};
    if (!array && !system && kMatrices.count(plain) == 0)
      throw Error("\\begin{{{}}} is not known here", name.substr(0, 30));
    if (array) {  // the columns' alignment
      Expect("{");
      while (!TakeOp("}")) {
        if (Peek().type == Token::kEnd) throw Error("ends too early");
        ++at_;
      }
    }
    const int bars = std::exchange(bars_, 0);
    const int braces = std::exchange(braces_, 0);
    std::vector<std::vector<ExprPtr>> rows(1);
    while (!IsCommand("end")) {
      if (Peek().type == Token::kEnd) throw Error("\\begin{{{}}} does not end", plain);
      if (TakeOp("\\\\")) {
        if (!rows.back().empty()) rows.emplace_back();
      } else if (TakeOp("&") || (system && (TakeOp(",") || TakeOp(";")))) {
        if (rows.back().empty() && !system) throw Error("an empty cell");
      } else if (system && IsOp("=") && !rows.back().empty()) {  // "x &= 1"
        ++at_;
        rows.back().back() = MakeRelation({rows.back().back(), SetExpression()}, {"="});
      } else {
        rows.back().push_back(Element());
        if (!IsOp("&") && !IsOp("\\\\") && !IsCommand("end") && !system)
          throw Error("expected \"&\", found \"{}\"", Shown(Peek()));
      }
    }
    if (Peek().argument != name) throw Error("\\begin{{{}}} ends as another", plain);
    ++at_;
    bars_ = bars;
    braces_ = braces;
    if (rows.back().empty()) rows.pop_back();
    if (rows.empty()) throw Error("an empty matrix");
    std::vector<ExprPtr> entries;
    for (const auto& row : rows) {
      if (system) {
        entries.push_back(row.size() == 1 ? row[0] : MakeExpr(Kind::kTuple, row));
      } else {
        if (row.size() != rows[0].size()) throw Error("rows of different lengths");
        for (const ExprPtr& cell : row) entries.push_back(cell);
      }
    }
    const bool equations = rows[0].size() == 1 && std::any_of(entries.begin(), entries.end(), [](const ExprPtr& e) {
                             return e->kind == Kind::kRelation;
                           });
    if (!system && !equations) {
      for (const ExprPtr& entry : entries) Scalar(entry, "in a matrix");
    }
    if (system || equations) return entries.size() == 1 ? entries[0] : MakeExpr(Kind::kList, std::move(entries), "and");
    const int64_t count = static_cast<int64_t>(rows.size()), width = static_cast<int64_t>(rows[0].size());
    ExprPtr matrix = MakeMatrix(std::move(entries), count, width);
    return plain == "vmatrix" ? Determinant(*matrix) : matrix;
  }

  static ExprPtr Determinant(const Expr& matrix) {
    if (matrix.rows != matrix.columns || matrix.rows > 4)
      throw Error("a determinant of {} x {}", matrix.rows, matrix.columns);
    std::vector<int64_t> columns;
    for (int64_t i = 0; i < matrix.columns; ++i) columns.push_back(i);
    return Minor(matrix, 0, columns);
  }
  static ExprPtr Minor(const Expr& matrix, int64_t row, const std::vector<int64_t>& columns) {
    if (columns.empty()) return MakeNumber(1);
    std::vector<ExprPtr> terms;
    for (size_t k = 0; k < columns.size(); ++k) {
      std::vector<int64_t> rest = columns;
      rest.erase(rest.begin() + static_cast<int64_t>(k));
      ExprPtr term =
          MakeExpr(Kind::kMul, {matrix.children[row * matrix.columns + columns[k]], Minor(matrix, row + 1, rest)});
      terms.push_back(k % 2 == 0 ? term : MakeExpr(Kind::kNegate, {term}));
    }
    return terms.size() == 1 ? terms[0] : MakeExpr(Kind::kAdd, std::move(terms));
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int signs_ = 0;
  int bars_ = 0;    // open |
  int braces_ = 0;  // open \{, in which | separates
};

}  // namespace

std::vector<ExprPtr> ReadMath(std::string_view text, std::string* reason) {
  std::vector<ExprPtr> readings;
  if (text.size() > kMaxAnswerText) {
    *reason = fmt::format("longer than {} bytes", kMaxAnswerText);
    return readings;
  }
  for (const bool group : {true, false}) {
    try {
      LexResult lexed = LexMath(text, group);
      const bool ambiguous = lexed.ambiguous_commas;
      readings.push_back(Parser(std::move(lexed.tokens)).Answer());
      if (!ambiguous) break;
    } catch (const Error& e) {
      *reason = e.what();
    }
  }
  return readings;
}

}  // namespace fulgur
