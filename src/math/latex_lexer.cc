#include "math/latex_lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "math/phrases.h"
#include "math/unicode.h"
#include "math/units.h"
#include "math/words.h"

namespace fulgur {
namespace {

using Names = std::set<std::string_view>;
using Map = std::unordered_map<std::string_view, std::string_view>;

const Names kFunctions = {"sin",    "cos",    "tan",    "cot",    "sec",  "csc",  "sinh", "cosh", "tanh", "coth",
                          "arcsin", "arccos", "arctan", "arccot", "asin", "acos", "atan", "ln",   "log",  "lg",
                          "exp",    "abs",    "floor",  "ceil",   "gcd",  "lcm",  "max",  "min",  "det",  "cis"};

// Commands that change how things look, or nothing.
const Names kIgnored = {
    "left",     "right",  "displaystyle", "textstyle",  "scriptstyle", "limits", "nolimits",    "big",     "Big",
    "bigg",     "Bigg",   "bigl",         "bigr",       "Bigl",        "Bigr",   "biggl",       "biggr",   "Biggl",
    "Biggr",    "middle", "quad",         "qquad",      "hline",       "rm",     "bf",          "it",      "boxed",
    "fbox",     "mleft",  "mright",       "ensuremath", "nonumber",    "mathop", "thinspace",   "enspace", "hfill",
    "noindent", "cal",    "smash",        "checkmark",  "tiny",        "small",  "normalsize",  "large",   "Large",
    "LARGE",    "huge",   "Huge",         "sf",         "tt",          "square", "blacksquare", "qed",     "Box",
    "framebox", "pounds", "euro",         "yen"};
// The argument stays, in place.
const Names kTransparent = {"mathbf", "boldsymbol", "mathcal", "mathit",  "bm",
                            "pmb",    "underline",  "mathscr", "mathfrak"};
const Names kDecorations = {"vec",       "hat", "bar",  "overline",       "tilde",    "widehat",
                            "widetilde", "dot", "ddot", "overrightarrow", "underbar", "overleftrightarrow"};
const Names kTextCommands = {"text",   "textbf", "textit", "textrm", "textsf", "texttt", "textnormal",
                             "textup", "mbox",   "hbox",   "mathrm", "mathsf", "mathtt", "mathnormal"};
const Names kDropArgument = {"color",  "phantom", "hphantom", "vphantom", "hspace",
                             "vspace", "label",   "tag",      "mathstrut"};
const Names kGreek = {"alpha",    "beta",    "gamma",    "delta",   "epsilon", "varepsilon", "zeta",  "eta",   "theta",
                      "vartheta", "iota",    "kappa",    "lambda",  "mu",      "nu",         "xi",    "rho",   "sigma",
                      "tau",      "upsilon", "phi",      "varphi",  "chi",     "psi",        "omega", "Gamma", "Delta",
                      "Theta",    "Lambda",  "Xi",       "Pi",      "Sigma",   "Phi",        "Psi",   "Omega", "ell",
                      "hbar",     "angle",   "triangle", "partial", "nabla",   "aleph",      "star"};
const Map kOps = {{"times", "*"},
                  {"cdot", "*"},
                  {"ast", "*"},
                  {"cdotp", "*"},
                  {"div", "/"},
                  {"pm", "+-"},
                  {"mp", "-+"},
                  {"le", "<="},
                  {"leq", "<="},
                  {"leqslant", "<="},
                  {"leqq", "<="},
                  {"ge", ">="},
                  {"geq", ">="},
                  {"geqslant", ">="},
                  {"geqq", ">="},
                  {"lt", "<"},
                  {"gt", ">"},
                  {"ne", "!="},
                  {"neq", "!="},
                  {"approx", "~"},
                  {"simeq", "~"},
                  {"thickapprox", "~"},
                  {"in", "in"},
                  {"cup", "cup"},
                  {"bigcup", "cup"},
                  {"cap", "cap"},
                  {"bigcap", "cap"},
                  {"setminus", "setminus"},
                  {"backslash", "setminus"},
                  {"smallsetminus", "setminus"},
                  {"lbrace", "\\{"},
                  {"rbrace", "\\}"},
                  {"langle", "<<"},
                  {"rangle", ">>"},
                  {"lvert", "|"},
                  {"rvert", "|"},
                  {"vert", "|"},
                  {"mid", "|"},
                  {"Vert", "||"},
                  {"lVert", "||"},
                  {"rVert", "||"},
                  {"lfloor", "lfloor"},
                  {"rfloor", "rfloor"},
                  {"lceil", "lceil"},
                  {"rceil", "rceil"},
                  {"land", "and"},
                  {"wedge", "and"},
                  {"lor", "or"},
                  {"vee", "or"},
                  {"colon", ":"},
                  {"prime", "'"},
                  {"equiv", "=="},
                  {"choose", "choose"},
                  {"over", "over"},
                  {"ldots", "..."},
                  {"dots", "..."},
                  {"cdots", "..."},
                  {"dotsc", "..."},
                  {"dotsb", "..."},
                  {"degree", "deg"},
                  {"textdegree", "deg"},
                  {"lbrack", "["},
                  {"rbrack", "]"},
                  {"lparen", "("},
                  {"rparen", ")"},
                  {"bmod", "mod"},
                  {"mod", "mod"},
                  {"sim", "sim"},
                  {"circ", "circ"},
                  {"to", "=>"},
                  {"rightarrow", "=>"},
                  {"Rightarrow", "=>"},
                  {"implies", "=>"},
                  {"iff", "=>"},
                  {"notin", "notin"},
                  {"longrightarrow", "=>"},
                  {"Leftrightarrow", "=>"},
                  {"bullet", "*"},
                  {"vdots", "..."},
                  {"ddots", "..."}};
const Map kCommands = {{"frac", "frac"},
                       {"dfrac", "frac"},
                       {"tfrac", "frac"},
                       {"cfrac", "frac"},
                       {"nicefrac", "frac"},
                       {"sfrac", "frac"},
                       {"xfrac", "frac"},
                       {"flatfrac", "frac"},
                       {"surd", "sqrt"},
                       {"sqrt", "sqrt"},
                       {"binom", "binom"},
                       {"dbinom", "binom"},
                       {"tbinom", "binom"},
                       {"pi", "pi"},
                       {"infty", "inf"},
                       {"infin", "inf"},
                       {"emptyset", "emptyset"},
                       {"varnothing", "emptyset"},
                       {"sum", "sum"},
                       {"prod", "prod"},
                       {"int", "int"},
                       {"iint", "int"},
                       {"oint", "int"},
                       {"lim", "lim"},
                       {"pmod", "pmod"},
                       {"pod", "pmod"},
                       {"imath", "i"},
                       {"Re", "re"},
                       {"Im", "im"},
                       {"arg", "arg"},
                       {"R", "set R"},
                       {"Z", "set Z"},
                       {"N", "set N"},
                       {"Q", "set Q"},
                       {"C", "set C"}};

class Lexer {
 public:
  Lexer(std::string text, bool commas_group) : text_(std::move(text)), commas_group_(commas_group) {}

  LexResult Run() {
    while (at_ < text_.size()) Next();
    Add(Token::kEnd, "");
    return std::move(result_);
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool Take(std::string_view what) {
    if (std::string_view(text_).substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }

  Token& Add(Token::Type type, std::string_view text) {
    if (result_.tokens.size() >= kMaxTokens) throw Error("more than {} symbols", kMaxTokens);
    Token token;
    token.type = type;
    token.text = text;
    token.space_before = space_;
    space_ = false;
    result_.tokens.push_back(std::move(token));
    return result_.tokens.back();
  }

  bool AfterNumber() const { return !result_.tokens.empty() && result_.tokens.back().type == Token::kNumber; }
  bool AfterValue() const {
    if (result_.tokens.empty()) return false;
    const Token& last = result_.tokens.back();
    return last.type == Token::kNumber || last.type == Token::kName || last.type == Token::kText ||
           (last.type == Token::kOp && (last.text == "}" || last.text == ")" || last.text == "deg"));
  }

  void Next() {
    const char c = Peek();
    if (IsSpace(c) || c == '$' || c == '~') {
      space_ = true;
      ++at_;
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      Number();
    } else if (IsLetter(c)) {
      Letters();
    } else if (c == '\\') {
      Command();
    } else if (c == '^') {
      Superscript();
    } else {
      Operator();
    }
  }

  void Superscript() {
    for (const std::string_view degree :
         {"^\\circ", "^{\\circ}", "^\\degree", "^{\\degree}", "^ \\circ", "^{ \\circ }"}) {
      const size_t end = at_ + degree.size();
      if (std::string_view(text_).substr(at_, degree.size()) == degree &&
          (degree.back() == '}' || end >= text_.size() || !IsLetter(text_[end]))) {
        at_ = end;
        Add(Token::kOp, "deg");
        return;
      }
    }
    if (Peek(1) == '\\' && std::string_view(text_).substr(at_ + 1, 7) == "\\degree") {
      ++at_;  // x^\degree where the sign came from Unicode
      return;
    }
    ++at_;
    Add(Token::kOp, "^");
  }

  void Operator() {
    static constexpr std::pair<std::string_view, std::string_view> kTable[] = {
        {"...", "..."}, {"!=", "!="}, {"<=", "<="},  {">=", ">="}, {"=<", "<="}, {"=>", "=>"}, {"**", "^"},
        {"==", "="},    {"->", "=>"}, {"+/-", "+-"}, {"+-", "+-"}, {"||", "||"}, {"+", "+"},   {"-", "-"},
        {"*", "*"},     {"/", "/"},   {"_", "_"},    {"(", "("},   {")", ")"},   {"[", "["},   {"]", "]"},
        {"{", "{"},     {"}", "}"},   {"|", "|"},    {",", ","},   {";", ";"},   {"=", "="},   {"<", "<"},
        {">", ">"},     {"!", "!"},   {"%", "%"},    {"&", "&"},   {"'", "'"},   {":", ":"}};
    for (const auto& [from, to] : kTable) {
      if (!Take(from)) continue;
      if (from == "+-" && (IsDigit(Peek()) || IsLetter(Peek())) && AfterValue() && !space_) {
        Add(Token::kOp, "+"), Add(Token::kOp, "-");  // "3+-2i"
      } else {
        Add(Token::kOp, to);
      }
      return;
    }
    if (Peek() == '.') {  // the end of a sentence
      ++at_;
      for (size_t i = at_; i < text_.size(); ++i) {
        if (!IsSpace(text_[i]) && text_[i] != '$' && text_[i] != '}' && text_[i] != ')')
          throw Error("a full stop in the middle");
      }
      return;
    }
    if (Peek() == '"' || Peek() == '`') {
      ++at_;
      return;
    }
    throw Error("\"{}\" is nothing that an answer contains", Peek() < 0x20 ? '?' : Peek());
  }

  // The separator of thousands at the cursor, if three digits and no fourth follow it.
  std::optional<std::string_view> Grouping() {
    static constexpr std::string_view kSeparators[] = {"\\text{,}", "{,}\\! ", "{,}\\!", "{,}", ",\\! ", ",\\!", "\\,",
                                                       "\\!",       "\\ ",     "\\;",    ",",   "~",     " "};
    for (const std::string_view separator : kSeparators) {
      if (std::string_view(text_).substr(at_, separator.size()) != separator) continue;
      const size_t first = at_ + separator.size();
      const auto digit = [&](size_t i) { return i < text_.size() && IsDigit(text_[i]); };
      if (!digit(first) || !digit(first + 1) || !digit(first + 2) || digit(first + 3)) return std::nullopt;
      if (separator == ",") {
        result_.ambiguous_commas = true;
        if (!commas_group_) return std::nullopt;
      }
      return separator;
    }
    return std::nullopt;
  }

  void Number() {
    std::string whole, fraction, repeating;
    while (IsDigit(Peek())) whole += text_[at_++];
    const bool script = !result_.tokens.empty() && result_.tokens.back().type == Token::kOp &&
                        (result_.tokens.back().text == "_" || result_.tokens.back().text == "^");  // \log_10 100
    if (!whole.empty() && whole.size() <= 3 && whole[0] != '0' && !script) {
      while (const auto separator = Grouping()) {
        at_ += separator->size();
        whole += text_.substr(at_, 3);
        at_ += 3;
      }
    }
    bool point = false;
    if ((Peek() == '.' && (IsDigit(Peek(1)) || Peek(1) == '\\')) || DecimalComma()) {
      const size_t start = at_;
      at_ += Peek() == '.' ? 1 : 3;
      point = true;
      while (IsDigit(Peek())) fraction += text_[at_++];
      for (const std::string_view open : {"\\overline{", "\\bar{", "\\dot{", "\\overline ", "\\bar ", "\\dot "}) {
        if (!Take(open)) continue;
        const bool brace = open.back() == '{';
        while (IsDigit(Peek()) && (brace || repeating.empty())) repeating += text_[at_++];
        if (repeating.empty() || (brace && !Take("}"))) throw Error("a repeating decimal that does not end");
        if (open == "\\dot{" && (IsDigit(Peek()) || Peek() == '\\')) {  // 0.\dot{1}42\dot{7}: from dot to dot
          while (IsDigit(Peek())) repeating += text_[at_++];
          if (Take("\\dot{")) {
            while (IsDigit(Peek())) repeating += text_[at_++];
            if (!Take("}")) throw Error("a repeating decimal that does not end");
          }
        }
        break;
      }
      if (repeating.empty() && fraction.empty()) at_ = start, point = false;
      if (repeating.empty()) Ellipsis(&fraction, &repeating);
      if (!point) {  // "5.\ "
        ++at_;
      }
    }
    const std::string digits = whole + fraction;
    Rational value(Integer(digits.empty() ? "0" : digits, 10));
    Integer scale;
    mpz_ui_pow_ui(scale.get_mpz_t(), 10, fraction.size());
    value /= scale;
    if (!repeating.empty()) {
      Integer nines;
      mpz_ui_pow_ui(nines.get_mpz_t(), 10, repeating.size());
      Rational tail(Integer(repeating, 10), (nines - 1) * scale);
      tail.canonicalize();
      value += tail;
    }
    if (!repeating.empty()) point = false;  // exact, and no rounding of anything
    // 1.5e-3
    size_t ahead = 1;
    if (Peek(ahead) == '-' || Peek(ahead) == '+') ++ahead;
    if ((Peek() == 'e' || Peek() == 'E') && IsDigit(Peek(ahead)) && repeating.empty()) {
      const bool negative = Peek(1) == '-';
      std::string exponent;
      at_ += ahead;
      while (IsDigit(Peek())) exponent += text_[at_++];
      if (exponent.size() > 4) throw Error("an exponent of {} digits", exponent.size());
      Integer power;
      mpz_ui_pow_ui(power.get_mpz_t(), 10, std::stoul(exponent));
      if (negative) {
        value /= power;
      } else {
        value *= power;
      }
      point = false;
    }
    Token& token = Add(Token::kNumber, digits);
    token.value = value;
    if (point) {
      token.decimals = static_cast<int>(fraction.size());
      const size_t first = digits.find_first_not_of('0');
      token.digits = first == std::string::npos ? 1 : static_cast<int>(digits.size() - first);
    }
    if (!repeating.empty() || point) token.text += ".";  // so that it is not taken apart as digits
  }

  // "3{,}14": a decimal comma, since what follows are not three digits.
  bool DecimalComma() {
    if (std::string_view(text_).substr(at_, 3) != "{,}" || !IsDigit(Peek(3))) return false;
    size_t digits = 0;
    while (IsDigit(Peek(3 + digits))) ++digits;
    return digits != 3;
  }

  // "0.333..." and "0.1212\ldots" repeat their last digits; what else ends in dots is no number.
  void Ellipsis(std::string* fraction, std::string* repeating) {
    const size_t start = at_;
    bool dots = false;
    for (const std::string_view sign : {"\\ldots", "\\dots", "\\cdots", "..."}) dots = dots || Take(sign);
    if (!dots) return;
    for (size_t length = 1; length <= fraction->size() / 2; ++length) {
      const size_t times = length == 1 ? 3 : 2;
      if (fraction->size() < length * times) continue;
      const std::string block = fraction->substr(fraction->size() - length);
      bool same = true;
      for (size_t i = 1; i <= length * times; ++i) {
        same = same && (*fraction)[fraction->size() - i] == block[length - 1 - (i - 1) % length];
      }
      if (same) {
        *repeating = block;
        return;
      }
    }
    at_ = start;
    throw Error("a decimal that is cut off");
  }

  void Letters() {
    size_t end = at_;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    const std::string word = text_.substr(at_, end - at_);
    std::string lower = word;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const bool after_number = AfterNumber();
    const bool spaced = space_;
    at_ = end;
    if (word.size() == 1) {
      Add(Token::kName, word);
    } else if (lower == "and" || lower == "or") {
      Add(Token::kOp, lower);
    } else if (lower == "percent" || lower == "percentage" || lower == "pct") {
      Add(Token::kOp, "%");
    } else if (lower == "degrees" || lower == "degree" || lower == "deg") {
      Add(Token::kOp, "deg");
    } else if (word == "pi" || word == "Pi" || word == "PI") {
      Add(Token::kCommand, "pi");
    } else if (lower == "inf" || lower == "infinity" || word == "oo") {
      Add(Token::kCommand, "inf");
    } else if (word == "sqrt") {
      Add(Token::kCommand, "sqrt");
    } else if (word == "mod") {
      Add(Token::kOp, "mod");
    } else if (kFunctions.count(lower) > 0 && (lower == word || word.size() > 3)) {
      Add(Token::kCommand, lower);
    } else if (word == "cup" || word == "cap") {
      Add(Token::kOp, word);
    } else if (kGreek.count(word) > 0 && word.size() > 3) {
      Add(Token::kName, word);
    } else if (AfterValue() && FindUnit(word) != nullptr && (after_number || spaced)) {
      Add(Token::kText, word);
    } else if (IsNumberWord(lower) || (word.size() > 3 && !ChangingWord(lower, WordPlace::kAfter).empty())) {
      Add(Token::kText, word);
    } else if (word.size() > 3 && kFunctions.count(lower.substr(0, 3)) > 0 && word.size() == 4) {
      Add(Token::kCommand, lower.substr(0, 3));  // sinx
      Add(Token::kName, word.substr(3));
    } else if (word.size() == 3 && lower.substr(0, 2) == "ln") {
      Add(Token::kCommand, "ln");
      Add(Token::kName, word.substr(2));
    } else if (LooksLikeWord(lower, after_number && spaced)) {
      Add(Token::kText, word);
    } else {
      for (const char c : word) Add(Token::kName, std::string(1, c));
    }
  }

  // "apples", against "abcd" and "xy".
  static bool LooksLikeWord(const std::string& lower, bool after_number) {
    static const Names kShort = {"the", "was", "are", "has", "not", "but", "for", "all", "any",
                                 "day", "its", "you", "yes", "one", "two", "is",  "it",  "of",
                                 "to",  "if",  "we",  "so",  "be",  "no",  "my",  "at",  "as"};
    if (lower.size() > 8 || kShort.count(lower) > 0) return true;
    if (lower.size() < (after_number ? 3u : 4u)) return false;
    return lower.find_first_of("aeiou") != std::string::npos && !std::is_sorted(lower.begin(), lower.end());
  }

  // The braced argument at the cursor, or one letter.
  std::string Argument() {
    while (IsSpace(Peek())) ++at_;
    if (Peek() != '{') {
      if (at_ >= text_.size()) throw Error("a command without its argument");
      return std::string(1, text_[at_++]);
    }
    const size_t start = ++at_;
    for (int open = 1; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
      } else if (text_[at_] == '{') {
        ++open;
      } else if (text_[at_] == '}' && --open == 0) {
        return text_.substr(start, at_++ - start);
      }
    }
    throw Error("a brace is not closed");
  }

  void Command() {
    ++at_;
    if (at_ >= text_.size()) return;  // a line end that lost its second half
    const char c = Peek();
    if (!IsLetter(c)) {
      ++at_;
      switch (c) {
        case '{':
          Add(Token::kOp, "\\{");
          return;
        case '}':
          Add(Token::kOp, "\\}");
          return;
        case '|':
          Add(Token::kOp, "||");
          return;
        case '%':
          Add(Token::kOp, "%");
          return;
        case '&':
          Add(Token::kOp, "and");
          return;
        case '_':
          Add(Token::kOp, "_");
          return;
        case '\\':
          Add(Token::kOp, "\\\\");
          if (Peek() == '[') {  // \\[2pt]
            const size_t close = text_.find(']', at_);
            if (close != std::string::npos && close - at_ < 8 && IsDigit(Peek(1))) at_ = close + 1;
          }
          return;
        case '$':
          result_.dollars = true;
          return;
        case ',':
        case ';':
        case ':':
        case '!':
        case ' ':
        case '\n':
        case '>':
        case '/':
          space_ = true;
          return;
        case '(':
        case ')':
        case '[':
        case ']':
          space_ = true;
          return;  // around a formula
        default:
          throw Error("\"\\{}\" is no command here", c < 0x20 ? '?' : c);
      }
    }
    size_t end = at_;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    const std::string name = text_.substr(at_, end - at_);
    at_ = end;
    if (kIgnored.count(name) > 0) {
      space_ = true;
      if ((name == "left" || name == "right") && Peek() == '.') ++at_;
    } else if (kTextCommands.count(name) > 0) {
      Text(Argument(), name);
    } else if (kDropArgument.count(name) > 0) {
      Argument();
    } else if (name == "textcolor") {
      Argument();
      Inline(Argument());
    } else if (kTransparent.count(name) > 0) {
      const std::string argument = Argument();
      if (name == "mathbf" && (argument == "R" || argument == "Z" || argument == "Q")) {
        Add(Token::kCommand, "set " + argument);
      } else {
        Inline(argument);
      }
    } else if (name == "ang") {
      const std::string degrees = Argument();
      Inline("{" + degrees + "}^\\circ ");
    } else if (name == "forall") {
      Add(Token::kText, "for all");
    } else if (kDecorations.count(name) > 0) {
      Decorated(name, Argument());
    } else if (name == "mathbb" || name == "Bbb" || name == "mathds" || name == "mathbbm") {
      const std::string set = Argument();
      if (set.size() != 1) throw Error("\\mathbb of more than a letter");
      Add(Token::kCommand, "set " + set);
    } else if (name == "operatorname") {
      if (Peek() == '*') ++at_;
      Named(Argument());
    } else if (name == "begin" || name == "end") {
      const std::string environment = Argument();
      Add(Token::kCommand, name).argument = environment;
    } else if (name == "not") {
      while (IsSpace(Peek())) ++at_;
      if (!Take("=")) throw Error("\\not of something else than =");
      Add(Token::kOp, "!=");
    } else if (const auto op = kOps.find(name); op != kOps.end()) {
      Add(Token::kOp, op->second);
    } else if (const auto command = kCommands.find(name); command != kCommands.end()) {
      Add(Token::kCommand, command->second);
    } else if (kFunctions.count(name) > 0) {
      Add(Token::kCommand, name);
    } else if (name == "Omega" && AfterNumber() && space_) {
      Add(Token::kText, "ohm");
    } else if (kGreek.count(name) > 0) {
      Add(Token::kName, name);
    } else if (name.size() > 4 && (name.rfind("quad", 0) == 0 || name.rfind("qquad", 0) == 0)) {
      at_ = end - name.size() + (name[1] == 'q' ? 5 : 4);  // "\\quadx": a space that is missing
      space_ = true;
    } else {
      throw Error("\\{} is no command known here", name.substr(0, 30));
    }
  }

  void Named(const std::string& name) {
    if (kFunctions.count(name) > 0) {
      Add(Token::kCommand, name);
    } else if (name == "Re" || name == "Im" || name == "arg") {
      Add(Token::kCommand, name == "Re" ? "re" : name == "Im" ? "im" : "arg");
    } else if (!name.empty() && std::all_of(name.begin(), name.end(), IsLetter)) {
      Add(Token::kName, name);
    } else {
      throw Error("\\operatorname of something else than letters");
    }
  }

  void Decorated(const std::string& how, const std::string& what) {
    std::string letters;
    for (const char c : what) {
      if (IsLetter(c) || IsDigit(c)) letters += c;
      if (!IsLetter(c) && !IsSpace(c) && !IsDigit(c) && c != '_' && c != '\\') {
        throw Error("\\{} over more than letters", how);
      }
    }
    if (letters.empty()) throw Error("\\{} over nothing", how);
    Add(Token::kName, how + " " + letters);
  }

  // Puts `text` at the cursor, to be read next.
  void Inline(const std::string& text) {
    inlined_ += text.size();
    if (inlined_ > 64 * 1024) throw Error("too long");
    // Braces keep "x^\mathbf{ab}" together.
    text_ = "{" + text + "}" + text_.substr(at_);
    at_ = 0;
  }

  void Text(const std::string& raw, const std::string& how) {
    std::string content;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\\' && i + 1 < raw.size() && !IsLetter(raw[i + 1])) {
        content += raw[++i] == '%' ? '%' : ' ';
      } else if (raw[i] != '{' && raw[i] != '}' && raw[i] != '$') {
        content += IsSpace(raw[i]) || raw[i] == '~' ? ' ' : raw[i];
      }
    }
    while (!content.empty() && content.front() == ' ') content.erase(0, 1);
    while (!content.empty() && content.back() == ' ') content.pop_back();
    if (content.empty()) {
      space_ = true;
      return;
    }
    std::string lower = content;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (lower == "and" || lower == ", and" || lower == "or" || lower == ", or") {
      Add(Token::kOp, lower.back() == 'd' ? "and" : "or");
    } else if (lower == "," || lower == ";") {
      Add(Token::kOp, lower);
    } else if (lower == "inf" || lower == "infinity") {
      Add(Token::kCommand, "inf");
    } else if (lower == "%" || lower == "percent" || lower == "percentage" || lower == "pct") {
      Add(Token::kOp, "%");
    } else if (lower == "degrees" || lower == "degree" || lower == "deg") {
      Add(Token::kOp, "deg");
    } else if (content == "i" || content == "e" || (content == "d" && how == "mathrm")) {
      Add(Token::kName, content);
    } else if (kFunctions.count(content) > 0) {
      Add(Token::kCommand, content);
    } else if (const auto modulus = ModulusPhrase(lower)) {
      text_ = "\\pmod{" + *modulus + "}" + text_.substr(at_);
      at_ = 0;
    } else if (const auto rounded = RoundedPhrase(lower)) {
      Add(Token::kOp, "~");
      Inline(*rounded);
    } else if (IsDigit(content[0]) ||
               ((content[0] == '-' || content[0] == '.') && content.size() > 1 && IsDigit(content[1]))) {
      Inline(raw);
    } else {
      Add(Token::kText, content);
    }
  }

  std::string text_;
  size_t at_ = 0;
  bool commas_group_;
  bool space_ = false;
  size_t inlined_ = 0;
  LexResult result_;
};

}  // namespace

bool IsFunctionName(std::string_view name) { return kFunctions.count(name) > 0; }

LexResult LexMath(std::string_view text, bool commas_group) {
  std::string plain = FromUnicode(text);
  if (plain.find("\\begin") == std::string::npos) {
    // Backslashes that were escaped once too often.
    for (size_t i = 0; (i = plain.find("\\\\", i)) != std::string::npos; ++i) {
      if (i + 2 < plain.size() && IsLetter(plain[i + 2])) plain.erase(i, 1);
    }
  }
  while (!plain.empty() && (IsSpace(plain.back()) || plain.back() == '\\')) plain.pop_back();
  LexResult result = Lexer(std::move(plain), commas_group).Run();
  ResolveWords(&result.tokens);
  // \$5 is five dollars, whatever stands between the sign and the end of the number.
  if (result.dollars && result.tokens.size() > 1 && result.tokens[result.tokens.size() - 2].type == Token::kNumber) {
    Token unit;
    unit.type = Token::kText;
    unit.text = "dollars";
    result.tokens.insert(result.tokens.end() - 1, unit);
  }
  return result;
}

}  // namespace fulgur
