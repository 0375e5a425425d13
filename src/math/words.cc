#include "math/words.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"

namespace fulgur {
namespace {

using Words = std::set<std::string_view>;
using Numbers = std::unordered_map<std::string_view, long>;

const Numbers kSmall = {{"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
                        {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
                        {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
                        {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}};
const Numbers kTens = {{"twenty", 20}, {"thirty", 30},  {"forty", 40},  {"fifty", 50},
                       {"sixty", 60},  {"seventy", 70}, {"eighty", 80}, {"ninety", 90}};
// Powers of ten.
const Numbers kScales = {{"hundred", 2},  {"thousand", 3},  {"million", 6},    {"millions", 6},     {"billion", 9},
                         {"billions", 9}, {"trillion", 12}, {"trillions", 12}, {"quadrillion", 15}, {"quintillion", 18},
                         {"hundreds", 2}, {"thousands", 3}, {"lakh", 5},       {"crore", 7}};
// Denominators. "second" and "seconds" are time.
const Numbers kFractions = {
    {"half", 2},          {"halves", 2},         {"third", 3},           {"thirds", 3},
    {"quarter", 4},       {"quarters", 4},       {"fourth", 4},          {"fourths", 4},
    {"fifth", 5},         {"fifths", 5},         {"sixth", 6},           {"sixths", 6},
    {"seventh", 7},       {"sevenths", 7},       {"eighth", 8},          {"eighths", 8},
    {"ninth", 9},         {"ninths", 9},         {"tenth", 10},          {"tenths", 10},
    {"eleventh", 11},     {"elevenths", 11},     {"twelfth", 12},        {"twelfths", 12},
    {"sixteenths", 16},   {"twentieths", 20},    {"hundredth", 100},     {"hundredths", 100},
    {"thousandth", 1000}, {"thousandths", 1000}, {"millionth", 1000000}, {"millionths", 1000000}};
const Numbers kOrdinals = {
    {"first", 1},      {"second", 2},       {"third", 3},       {"fourth", 4},       {"fifth", 5},
    {"sixth", 6},      {"seventh", 7},      {"eighth", 8},      {"ninth", 9},        {"tenth", 10},
    {"eleventh", 11},  {"twelfth", 12},     {"thirteenth", 13}, {"fourteenth", 14},  {"fifteenth", 15},
    {"sixteenth", 16}, {"seventeenth", 17}, {"eighteenth", 18}, {"nineteenth", 19},  {"twentieth", 20},
    {"thirtieth", 30}, {"fortieth", 40},    {"fiftieth", 50},   {"sixtieth", 60},    {"seventieth", 70},
    {"eightieth", 80}, {"ninetieth", 90},   {"hundredth", 100}, {"thousandth", 1000}};

// Sets in words, as the whole answer.
struct Phrase {
  std::string_view words, set;
};
constexpr Phrase kSets[] = {{"all real numbers", "set R"},
                            {"all reals", "set R"},
                            {"the real numbers", "set R"},
                            {"real numbers", "set R"},
                            {"all the real numbers", "set R"},
                            {"the set of all real numbers", "set R"},
                            {"the set of real numbers", "set R"},
                            {"all of the real numbers", "set R"},
                            {"the reals", "set R"},
                            {"reals", "set R"},
                            {"any real number", "set R"},
                            {"every real number", "set R"},
                            {"all real values", "set R"},
                            {"the real line", "set R"},
                            {"all integers", "set Z"},
                            {"the integers", "set Z"},
                            {"integers", "set Z"},
                            {"any integer", "set Z"},
                            {"the set of all integers", "set Z"},
                            {"the set of integers", "set Z"},
                            {"every integer", "set Z"},
                            {"all positive integers", "set Z +"},
                            {"positive integers", "set Z +"},
                            {"the positive integers", "set Z +"},
                            {"any positive integer", "set Z +"},
                            {"all natural numbers", "set N"},
                            {"natural numbers", "set N"},
                            {"the natural numbers", "set N"},
                            {"all rational numbers", "set Q"},
                            {"the rational numbers", "set Q"},
                            {"all rationals", "set Q"},
                            {"all complex numbers", "set C"},
                            {"the complex numbers", "set C"},
                            {"all positive real numbers", "set R +"},
                            {"all positive reals", "set R +"},
                            {"positive real numbers", "set R +"},
                            {"the positive real numbers", "set R +"}};

// Wherever they stand: a doubt, a negation, a bound, another sign, an operation.
const Words kAlways = {
    "not",         "no",          "never",      "neither",   "nor",           "except",     "excluding", "excepting",
    "but",         "wrong",       "false",      "incorrect", "invalid",       "mistaken",   "untrue",    "isn't",
    "aren't",      "wasn't",      "can't",      "cannot",    "doesn't",       "don't",      "won't",     "maybe",
    "perhaps",     "possibly",    "probably",   "likely",    "presumably",    "supposedly", "might",     "could",
    "unless",      "either",      "if",         "guess",     "guessing",      "unsure",     "unlike",    "besides",
    "than",        "least",       "most",       "fewer",     "approximately", "approx",     "roughly",   "circa",
    "about",       "around",      "almost",     "nearly",    "close",         "near",       "ish",       "exceeds",
    "exceeding",   "bigger",      "smaller",    "greater",   "negative",      "minus",      "opposite",  "inverse",
    "reciprocal",  "negation",    "negated",    "twice",     "thrice",        "double",     "doubled",   "triple",
    "tripled",     "quadruple",   "half",       "halved",    "squared",       "cubed",      "factorial", "opposed",
    "instead",     "rather",      "otherwise",  "else",      "differs",       "different",  "unequal",   "adding",
    "subtracting", "multiplying", "dividing",   "squaring",  "doubling",      "halving",    "avoid",     "excluded",
    "anything",    "anyone",      "everything", "any",       "why",           "how",        "what",      "less",
    "complement",  "divisible",   "multiple",   "multiples", "divisor",       "multiplied", "divided",   "reversed",
    "inverted",    "hardly",      "barely",     "rejected",  "impossible",    "disproves",  "disproved", "conjugate",
    "modulo",      "older",       "younger"};
// Behind a number, or between it and the words that lead to it.
const Words kBeside = {"over",        "under",     "above",      "below",     "beneath",    "beyond",
                       "between",     "within",    "plus",       "times",     "by",         "power",
                       "powers",      "exponent",  "fold",       "more",      "larger",     "mod",
                       "base",        "binary",    "octal",      "decimal",   "hex",        "hexadecimal",
                       "recurring",   "repeating", "loss",       "deficit",   "debt",       "owed",
                       "owing",       "short",     "decrease",   "decreased", "reduction",  "reduced",
                       "lost",        "off",       "away",       "choose",    "sign",       "dozen",
                       "dozens",      "score",     "gross",      "log",       "logarithm",  "ternary",
                       "up",          "upward",    "upwards",    "downward",  "downwards",  "permille",
                       "mille",       "ppm",       "bn",         "mn",        "tn",         "k",
                       "mil",         "thou",      "percentile", "fraction",  "point",      "quadrupled",
                       "reciprocals", "onward",    "onwards",    "vs",        "versus",     "root",
                       "when",        "sqrt",      "cosine",     "sine",      "raised",     "exponentiated",
                       "lower",       "higher",    "bound",      "bounds",    "down",       "until",
                       "tens",        "scores",    "overdrawn",  "bc",        "add",        "subtract",
                       "multiply",    "divide",    "approaches", "cube root", "square root"};
// Behind a number in a box, where nothing but a unit may stand.
const Words kSentence = {"is", "are", "was", "be", "or", "and", "equals", "because", "while", "where", "whereas", "so"};

bool Has(const Numbers& numbers, std::string_view word) { return numbers.find(word) != numbers.end(); }

Token Number(const Rational& value, int decimals = -1, int digits = 0) {
  Token token;
  token.type = Token::kNumber;
  token.value = value;
  token.text = value.get_den() == 1 ? value.get_num().get_str() : value.get_str() + ".";
  token.decimals = decimals;
  token.digits = digits;
  return token;
}
Token Op(std::string_view text) {
  Token token;
  token.type = Token::kOp;
  token.text = text;
  return token;
}
Token Command(std::string_view text) {
  Token token;
  token.type = Token::kCommand;
  token.text = text;
  return token;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

bool IsGrammarWord(std::string_view word) {
  static const Words kOthers = {"squared",       "cubed",  "factorial", "negative",   "minus",   "plus",
                                "times",         "over",   "divided",   "twice",      "double",  "thrice",
                                "triple",        "dozen",  "root",      "point",      "exactly", "just",
                                "only",          "equals", "equal",     "reciprocal", "to",      "multiplied",
                                "approximately", "about",  "roughly",   "approx",     "around",  "dozens"};
  return IsNumberWord(word) || kOthers.count(word) > 0;
}

class Resolver {
 public:
  explicit Resolver(std::vector<Token> tokens) { Explode(std::move(tokens)); }

  std::vector<Token> Run() {
    if (!WholeSet()) {
      if (!WholeOrdinal()) Sequence();
    }
    out_.push_back(tokens_.back());
    return std::move(out_);
  }

 private:
  // Texts of several words become words, if one of them has a meaning here.
  void Explode(std::vector<Token> tokens) {
    for (Token& token : tokens) {
      if (token.type != Token::kText) {
        tokens_.push_back(std::move(token));
        continue;
      }
      bool plain = true, known = false;
      for (const char c : token.text) plain = plain && (IsLetter(c) || c == ' ' || c == '-' || c == '\'');
      std::vector<std::string> words;
      if (plain) words = Split(token.text);
      for (const std::string& word : words) known = known || IsGrammarWord(Lower(word));
      if (!known || words.size() < 2) {
        tokens_.push_back(std::move(token));
        continue;
      }
      for (const std::string& word : words) {
        Token part = token;
        part.text = word;
        if (word == "-") part = Op("-");
        tokens_.push_back(std::move(part));
        tokens_.back().space_before =
            tokens_.back().type == Token::kText && word != words[0] ? true : token.space_before;
      }
    }
  }

  // Words; a hyphen between number words is a word of its own, others stay ("two-digit").
  static std::vector<std::string> Split(const std::string& text) {
    std::vector<std::string> words;
    for (size_t i = 0; i < text.size();) {
      if (text[i] == ' ') {
        ++i;
        continue;
      }
      const size_t end = std::min(text.find(' ', i), text.size());
      const std::string word = text.substr(i, end - i);
      const size_t hyphen = word.find('-');
      if (hyphen != std::string::npos && IsNumberWord(Lower(word.substr(0, hyphen))) &&
          IsNumberWord(Lower(word.substr(hyphen + 1)))) {
        words.push_back(word.substr(0, hyphen));
        words.push_back("-");
        words.push_back(word.substr(hyphen + 1));
      } else {
        words.push_back(word);
      }
      i = end;
    }
    return words;
  }

  // The word at a position, in lower case; empty if there is none.
  std::string Word(size_t i) const {
    if (i >= tokens_.size()) return "";
    const Token& token = tokens_[i];
    if (token.type == Token::kText) return Lower(token.text);
    if (token.type == Token::kName && token.text == "a") return "a";
    if (token.type == Token::kOp && token.text == "and") return "and";
    return "";
  }
  bool IsOp(size_t i, std::string_view op) const {
    return i < tokens_.size() && tokens_[i].type == Token::kOp && tokens_[i].text == op;
  }
  bool IsEnd(size_t i) const { return i >= tokens_.size() || tokens_[i].type == Token::kEnd; }

  // All tokens from `begin` as words with single spaces; empty if one is none.
  std::string AllWords(size_t begin, size_t end) const {
    std::string all;
    for (size_t i = begin; i < end; ++i) {
      const Token& token = tokens_[i];
      if (token.type != Token::kText && token.type != Token::kName) return "";
      all += (all.empty() ? "" : " ") + Lower(token.text);
    }
    return all;
  }

  void EmitSet(std::string_view set) {
    out_.push_back(Command(set.substr(0, 5)));
    if (set.size() > 5) out_.push_back(Op("^")), out_.push_back(Op("+"));
  }

  // "all real numbers", "all real numbers except 2".
  bool WholeSet() {
    size_t end = 0;
    while (tokens_[end].type == Token::kText || tokens_[end].type == Token::kName) ++end;
    if (end == 0) return false;
    std::string words = AllWords(0, end);
    if (IsEnd(end)) {
      const auto* phrase = Find(words);
      if (phrase == nullptr) return false;
      EmitSet(phrase->set);
      return true;
    }
    size_t rest = end;
    if (IsOp(end, "=") && end > 0 && tokens_[end - 1].type == Token::kName) {  // "except x = 2"
      words = AllWords(0, end - 1);
      rest = end + 1;
    }
    for (const std::string_view except : {" except for", " except", " but", " other than", " excluding", " besides"}) {
      if (words.size() <= except.size() || words.substr(words.size() - except.size()) != except) continue;
      const auto* phrase = Find(words.substr(0, words.size() - except.size()));
      if (phrase == nullptr) return false;
      EmitSet(phrase->set);
      out_.push_back(Op("setminus"));
      out_.push_back(Op("\\{"));
      for (size_t i = rest; !IsEnd(i); ++i) out_.push_back(tokens_[i]);
      out_.push_back(Op("\\}"));
      return true;
    }
    return false;
  }
  static const Phrase* Find(std::string_view words) {
    const Phrase* found =
        std::find_if(std::begin(kSets), std::end(kSets), [&](const Phrase& p) { return p.words == words; });
    return found == std::end(kSets) ? nullptr : found;
  }

  // "third", "the twenty-first".
  bool WholeOrdinal() {
    size_t at = Word(0) == "the" ? 1 : 0;
    long tens = 0;
    if (Has(kTens, Word(at))) {
      tens = kTens.at(Word(at++));
      if (IsOp(at, "-")) ++at;
    }
    if (!Has(kOrdinals, Word(at)) || !IsEnd(at + 1)) return false;
    const long value = kOrdinals.at(Word(at));
    if (tens > 0 && value >= 10) return false;
    out_.push_back(Number(tens + value));
    return true;
  }

  void Sequence() {
    // "the", "exactly", "equal to" before what they say nothing about
    while (true) {
      const std::string word = Word(at_), next = Word(at_ + 1);
      if (word == "exactly" || word == "just" || word == "only" || word == "simply" || word == "equals") {
        at_ += 1;
      } else if (word == "equal" && next == "to") {
        at_ += 2;
      } else if (word == "the" && StartsPhrase(at_ + 1)) {
        at_ += 1;
      } else {
        break;
      }
    }
    while (!IsEnd(at_)) {
      if (!Prefix() && !Cardinal() && !Suffix()) out_.push_back(tokens_[at_++]);
    }
  }

  bool StartsPhrase(size_t i) const {
    const std::string word = Word(i), next = Word(i + 1);
    return ((word == "square" || word == "cube") && next == "root") || word == "reciprocal" || word == "negative" ||
           IsNumberWord(word);
  }

  // Whether a value ends right before the cursor, or begins at i.
  bool AfterValue() const {
    if (out_.empty()) return false;
    const Token& last = out_.back();
    return last.type == Token::kNumber || last.type == Token::kName ||
           (last.type == Token::kCommand && (last.text == "pi" || last.text == "inf")) ||
           (last.type == Token::kOp && (last.text == "}" || last.text == ")" || last.text == "!"));
  }
  bool StartsValue(size_t i) const {
    if (IsEnd(i)) return false;
    const Token& token = tokens_[i];
    if (token.type == Token::kNumber || token.type == Token::kCommand) return true;
    if (token.type == Token::kName) return token.text != "a" || !Has(kScales, Word(i + 1));
    if (IsOp(i, "(") || IsOp(i, "{") || IsOp(i, "-")) return true;
    const std::string word = Word(i);
    return Has(kSmall, word) || Has(kTens, word) || word == "negative" || word == "minus" || word == "half" ||
           (word == "the" && StartsPhrase(i + 1)) || ((word == "square" || word == "cube") && Word(i + 1) == "root");
  }

  // "negative 5", "twice 5", "the square root of 7", "half of 2", "the reciprocal of 3".
  bool Prefix() {
    if (AfterValue()) return false;
    size_t at = at_;
    if (Word(at) == "the" && StartsPhrase(at + 1)) ++at;
    const std::string word = Word(at), next = Word(at + 1);
    const auto take = [&](size_t count, std::vector<Token> tokens) {
      for (Token& token : tokens) out_.push_back(std::move(token));
      at_ = at + count;
      return true;
    };
    if ((word == "negative" || word == "minus") && StartsValue(at + 1)) return take(1, {Op("-")});
    if ((word == "twice" || word == "double") && StartsValue(at + 1)) return take(1, {Number(2), Op("*")});
    if ((word == "thrice" || word == "triple") && StartsValue(at + 1)) return take(1, {Number(3), Op("*")});
    if (word == "half" && next == "of" && StartsValue(at + 2))
      return take(2, {Op("("), Number(1), Op("/"), Number(2), Op(")"), Op("*")});
    if (word == "square" && next == "root" && Word(at + 2) == "of" && StartsValue(at + 3))
      return take(3, {Command("sqrt")});
    if (word == "cube" && next == "root" && Word(at + 2) == "of" && StartsValue(at + 3))
      return take(3, {Command("sqrt"), Op("["), Number(3), Op("]")});
    if (word == "reciprocal" && next == "of" && StartsValue(at + 2)) return take(2, {Number(1), Op("/")});
    return false;
  }

  // A number in words, with a fraction behind it: "one hundred and five", "a million", "three quarters", "half",
  // "two and a half", "five point two".
  bool Cardinal() {
    size_t at = at_;
    std::optional<Rational> value;
    const std::string word = Word(at);
    if (word == "half" && !AfterValue()) {
      out_.push_back(Op("(")), out_.push_back(Number(1)), out_.push_back(Op("/")), out_.push_back(Number(2));
      out_.push_back(Op(")"));
      at_ = at + 1;
      return true;
    }
    if ((word == "a" || word == "an") && !AfterValue()) {
      if (Has(kScales, Word(at + 1)) || Word(at + 1) == "dozen") {
        value = ReadCardinal(&at);
      } else if (Has(kFractions, Word(at + 1)) && (IsEnd(at + 2) || Word(at + 2) == "of")) {
        value = 1;
        ++at;
      }
    } else if (Has(kSmall, word) || Has(kTens, word) || (Has(kScales, word) && !AfterValue())) {
      value = ReadCardinal(&at);
    }
    if (!value) return false;
    if (!out_.empty() && out_.back().type == Token::kNumber) throw Error("\"{}\" after a number", word);
    out_.push_back(Number(*value));
    at_ = at;
    // "seven (7)"
    if (IsOp(at_, "(") && at_ + 2 < tokens_.size() && tokens_[at_ + 1].type == Token::kNumber && IsOp(at_ + 2, ")")) {
      if (tokens_[at_ + 1].value != *value) throw Error("\"{}\" beside another number", word);
      at_ += 3;
    }
    return true;
  }

  // From `at` on; leaves it behind the last word.
  std::optional<Rational> ReadCardinal(size_t* at) const {
    Integer total = 0, current = 0;
    long last_scale = 1000, unit_below = 1000;  // what may still come: units below 10 after "twenty"
    bool any = false;
    size_t i = *at;
    if (Word(i) == "a" || Word(i) == "an") ++i, current = 1, any = true, unit_below = 0;
    while (true) {
      std::string word = Word(i);
      size_t next = i + 1;
      if (any && word == "and" && (Has(kSmall, Word(i + 1)) || Has(kTens, Word(i + 1))) && unit_below == 100 &&
          !Has(kFractions, Word(i + 2))) {
        word = Word(i + 1);
        next = i + 2;
      } else if (any && IsOp(i, "-") && unit_below == 10 && Has(kSmall, Word(i + 1))) {
        word = Word(i + 1);
        next = i + 2;
      }
      if (const auto small = kSmall.find(word); small != kSmall.end()) {
        if (small->second >= unit_below || (small->second == 0 && any)) break;
        current += small->second;
        unit_below = 0;
      } else if (const auto tens = kTens.find(word); tens != kTens.end()) {
        if (tens->second >= unit_below) break;
        current += tens->second;
        unit_below = 10;
      } else if (word == "hundred" && any && current > 0 && current < 100) {
        current *= 100;
        unit_below = 100;
      } else if (const auto scale = kScales.find(word); scale != kScales.end() && scale->second > 2) {
        if (scale->second >= last_scale || (any && current == 0)) break;
        Integer power;
        mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(scale->second));
        total += (any ? current : Integer(1)) * power;
        current = 0;
        last_scale = scale->second;
        unit_below = 100;
      } else if (word == "hundred" && !any) {
        current = 100;
        unit_below = 100;
      } else if (word == "dozen" && any && total == 0) {
        current *= 12;
        i = next;
        break;
      } else {
        break;
      }
      any = true;
      i = next;
    }
    if (!any) return std::nullopt;
    *at = i;
    return Rational(total + current);
  }

  // What follows a value: "million", "halves", "squared", "th", "and a half", "times", "to".
  bool Suffix() {
    static const Words kRounded = {"about", "approximately", "approx", "roughly", "around"};
    const bool bracket = out_.size() > 1 && out_.back().type == Token::kOp && out_.back().text == "(";
    if (bracket && kRounded.count(Word(at_)) > 0 && StartsValue(at_ + 1)) {  // 5/6 (about 0.833)
      out_.push_back(Op("~"));
      ++at_;
      return true;
    }
    if (!AfterValue()) return false;
    const bool number = out_.back().type == Token::kNumber;
    if (number && OrdinalEnding()) return true;
    const std::string word = Word(at_), next = Word(at_ + 1);
    if (word.empty() && !IsOp(at_, "-")) return false;
    const auto take = [&](size_t count, std::vector<Token> tokens) {
      for (Token& token : tokens) out_.push_back(std::move(token));
      at_ += count;
      return true;
    };
    if ((Has(kScales, word) || word == "dozen" || word == "dozens") && !OneTerm())
      throw Error("\"{}\" behind a sum", word);
    if ((word == "squared" || word == "cubed" || word == "factorial") && !OneAtom())
      throw Error("\"{}\" behind more than a number", word);
    if (Has(kScales, word)) return take(1, {Op("*"), Number(10), Op("^"), Number(kScales.at(word))});
    if (word == "dozen" || word == "dozens") return take(1, {Op("*"), Number(12)});
    if (number && (word == "(" + Lower(out_.back().text) + ")")) return take(1, {});
    if (number && Bracketed(word)) return true;
    if (number && MixedFraction(word)) return true;
    if (number && word == "point" && Has(kSmall, next)) return Decimals();
    const size_t hyphen = IsOp(at_, "-") ? 1 : 0;
    const std::string part = Word(at_ + hyphen);
    if (number && Has(kFractions, part) && (part != "half" || out_.back().value == 1)) {
      // One number: "three quarters", "12 halves", "one-half".
      const bool of = Word(at_ + hyphen + 1) == "of" && StartsValue(at_ + hyphen + 2);
      const Token above = out_.back();
      out_.pop_back();
      if (part.back() != 's' && above.value != 1) throw Error("\"{}\" after the number", part);
      std::vector<Token> quotient = {Op("("), above, Op("/"), Number(kFractions.at(part)), Op(")")};
      if (of) quotient.push_back(Op("*"));
      return take(hyphen + (of ? 2 : 1), std::move(quotient));
    }
    if (hyphen > 0) return false;
    if (word == "squared") return take(1, {Op("^"), Number(2)});
    if (word == "cubed") return take(1, {Op("^"), Number(3)});
    if (word == "factorial") return take(1, {Op("!")});
    if (word == "times" && StartsValue(at_ + 1)) return take(1, {Op("*")});
    if (word == "multiplied" && next == "by" && StartsValue(at_ + 2)) return take(2, {Op("*")});
    if (word == "plus" && StartsValue(at_ + 1)) return take(1, {Op("+")});
    if (word == "minus" && StartsValue(at_ + 1)) return take(1, {Op("-")});
    if (word == "over" && StartsValue(at_ + 1)) return take(1, {Op("/")});
    if (word == "divided" && next == "by" && StartsValue(at_ + 2)) return take(2, {Op("/")});
    if (word == "to" && next == "the" && Word(at_ + 2) == "power" && Word(at_ + 3) == "of" && StartsValue(at_ + 4))
      return take(4, {Op("^")});
    if (word == "to" && StartsValue(at_ + 1)) return take(1, {Op(":")});
    if (word == "or" && kRounded.count(next) > 0 && StartsValue(at_ + 2)) return take(2, {Op("~")});
    if (kRounded.count(word) > 0 && StartsValue(at_ + 1)) return take(1, {Op("~")});
    return false;
  }

  // Where the value that ends at the cursor begins: behind the last separator, relation or bracket that is open.
  size_t ValueBegin() const {
    static const Words kBounds = {",", ";", "=", "<", ">", "<=", ">=", "!=", "~", "and", "or", ":", "in"};
    int depth = 0;
    for (size_t i = out_.size(); i > 0; --i) {
      if (out_[i - 1].type != Token::kOp) continue;
      const std::string& op = out_[i - 1].text;
      if (op == ")" || op == "]" || op == "}" || op == "\\}") ++depth;
      if (op == "(" || op == "[" || op == "{" || op == "\\{") --depth;
      if (depth < 0 || (depth == 0 && kBounds.count(op) > 0)) return i;
    }
    return 0;
  }
  // Whether that value is no sum: "2 + 3 million" may mean two things.
  bool OneTerm() const {
    int depth = 0;
    const size_t begin = ValueBegin();
    for (size_t i = begin; i < out_.size(); ++i) {
      if (out_[i].type != Token::kOp) continue;
      const std::string& op = out_[i].text;
      if (op == "(" || op == "[" || op == "{") ++depth;
      if (op == ")" || op == "]" || op == "}") --depth;
      if (depth == 0 && i > begin && (op == "+" || op == "-" || op == "+-" || op == "-+")) return false;
    }
    return true;
  }
  // Whether it is one number or letter, or a bracket.
  bool OneAtom() const {
    const size_t begin = ValueBegin();
    if (begin + 1 == out_.size()) return true;
    if (out_[begin].type != Token::kOp || out_[begin].text != "(") return false;
    int depth = 0;
    for (size_t i = begin; i + 1 < out_.size(); ++i) {
      if (out_[i].type != Token::kOp) continue;
      depth += out_[i].text == "(" ? 1 : out_[i].text == ")" ? -1 : 0;
      if (depth == 0) return false;
    }
    return true;
  }

  // "12th", "12^{\text{th}}", "12^{th}".
  bool OrdinalEnding() {
    const auto ending = [&](size_t i, size_t* count) {
      std::string letters;
      *count = 0;
      while (*count < 2 && i + *count < tokens_.size() &&
             (tokens_[i + *count].type == Token::kText || tokens_[i + *count].type == Token::kName)) {
        letters += Lower(tokens_[i + *count].text);
        ++*count;
        if (letters.size() >= 2) break;
      }
      return letters == "th" || letters == "st" || letters == "nd" || letters == "rd";
    };
    size_t count = 0;
    if (IsOp(at_, "^")) {
      const bool brace = IsOp(at_ + 1, "{");
      if (!ending(at_ + (brace ? 2 : 1), &count)) return false;
      const size_t end = at_ + (brace ? 2 : 1) + count;
      if (brace && !IsOp(end, "}")) return false;
      at_ = end + (brace ? 1 : 0);
      return true;
    }
    if (at_ < tokens_.size() && tokens_[at_].space_before) return false;
    if (!ending(at_, &count)) return false;
    at_ += count;
    return true;
  }

  // "7 (seven)": the number once more.
  bool Bracketed(const std::string& word) {
    if (word.size() < 3 || word.front() != '(' || word.back() != ')') return false;
    Token inner;
    inner.type = Token::kText;
    inner.text = word.substr(1, word.size() - 2);
    bool number_words = true;
    for (const std::string& part : SplitWords(inner.text)) {
      number_words = number_words && (part == "and" || part == "a" || IsNumberWord(part.substr(0, part.find('-'))));
    }
    if (!number_words) return false;
    Token end;
    const std::vector<Token> resolved = Resolver({inner, end}).Run();
    if (resolved.size() != 2 || resolved[0].type != Token::kNumber || resolved[0].value != out_.back().value)
      throw Error("{} beside another number", word);
    ++at_;
    return true;
  }

  // "2 and a half", "two and three quarters".
  bool MixedFraction(const std::string& word) {
    if (word != "and") return false;
    size_t at = at_ + 1;
    Rational above = 1;
    if (Word(at) == "a" || Word(at) == "one") {
      ++at;
    } else if (Has(kSmall, Word(at))) {
      above = kSmall.at(Word(at++));
    } else {
      return false;
    }
    if (IsOp(at, "-")) ++at;
    if (!Has(kFractions, Word(at))) return false;
    const Token whole = out_.back();
    out_.pop_back();
    for (Token& token : std::vector<Token>{Op("("), whole, Op("+"), Number(above), Op("/"),
                                           Number(kFractions.at(Word(at))), Op(")")}) {
      out_.push_back(std::move(token));
    }
    at_ = at + 1;
    return true;
  }

  // "five point two five".
  bool Decimals() {
    Rational value = out_.back().value;
    if (value.get_den() != 1 || out_.back().decimals >= 0) return false;
    size_t at = at_ + 1;
    Integer scale = 1;
    int decimals = 0;
    while (Has(kSmall, Word(at)) && kSmall.at(Word(at)) < 10) {
      scale *= 10;
      Rational digit(Integer(kSmall.at(Word(at))), scale);
      digit.canonicalize();
      value += digit;
      ++decimals;
      ++at;
    }
    if (decimals == 0) return false;
    const int digits = decimals + (sgn(out_.back().value) == 0 ? 0 : static_cast<int>(out_.back().text.size()));
    out_.back() = Number(value, decimals, digits);
    at_ = at;
    return true;
  }

  std::vector<Token> tokens_, out_;
  size_t at_ = 0;
};

}  // namespace

bool IsNumberWord(std::string_view word) {
  return Has(kSmall, word) || Has(kTens, word) || Has(kScales, word) || Has(kFractions, word) || Has(kOrdinals, word);
}

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    const bool inner = (c == '\'' || c == '-') && !word.empty() && i + 1 < text.size() && IsLetter(text[i + 1]);
    if (IsLetter(c) || inner) {
      word += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

std::string ChangingWord(std::string_view text, WordPlace place) {
  const std::vector<std::string> words = SplitWords(text);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& whole = words[i];
    // "two-digit" names a kind of thing, "one-half" a number.
    const size_t hyphen = whole.find('-');
    const std::string word = hyphen == std::string::npos ? whole : whole.substr(0, hyphen);
    if (hyphen != std::string::npos && place == WordPlace::kAfter && IsNumberWord(word) &&
        !IsNumberWord(whole.substr(hyphen + 1)))
      continue;
    const bool last = i + 1 == words.size();
    if (place == WordPlace::kAfter) {
      // "5 negative integers" counts, "5 (negative)" changes the sign; "5 cm squared" is a unit.
      if (word == "negative" && !last && whole == word) continue;
      if ((word == "squared" || word == "cubed") && i > 0) continue;
      if ((word == "different" || word == "more" || word == "fewer" || word == "less") && !last) continue;
      if (kSentence.count(word) > 0 || kBeside.count(word) > 0) return word;
      if (IsNumberWord(word) && word != "second" && word != "first") return word;
    } else if (place == WordPlace::kBefore) {
      if (kBeside.count(word) > 0) return word;
    }
    if (place == WordPlace::kLabel && (word == "any" || word == "how" || word == "what" || word == "different" ||
                                       word == "smaller" || word == "greater" || word == "least" || word == "most")) {
      // "least common multiple", "how many"; "at least" is a bound
      if ((word == "least" || word == "most") && i > 0 && words[i - 1] == "at") return word;
      continue;
    }
    // "The square of: 5": not what 5 is the value of
    static const Words kOpen = {"of", "from", "than", "to", "by", "with"};
    if (place == WordPlace::kLabel && last && kOpen.count(word) > 0) return word;
    if (place == WordPlace::kLabel && (word == "multiple" || word == "divisor" || word == "complement")) continue;
    if (kAlways.count(word) > 0) return word;
  }
  return "";
}

void ResolveWords(std::vector<Token>* tokens) {
  const bool words = std::any_of(tokens->begin(), tokens->end(), [](const Token& t) { return t.type == Token::kText; });
  const bool ordinal = std::any_of(tokens->begin(), tokens->end(), [](const Token& t) {
    return t.type == Token::kName && (t.text == "t" || t.text == "s" || t.text == "n" || t.text == "r");
  });
  if (words || ordinal) *tokens = Resolver(std::move(*tokens)).Run();
}

}  // namespace fulgur
