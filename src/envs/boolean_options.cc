#include "envs/boolean_options.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/error.h"
#include "envs/answer.h"
#include "envs/fraction.h"
#include "envs/lists.h"

namespace fulgur {
namespace {

constexpr size_t kMostOptions = 26, kMostBytes = 4096;
constexpr int kDepth = 64;

struct Spelling {
  std::string_view from, to;
};
// The longer of two that begin alike is first.
constexpr auto kComparisons = std::to_array<Spelling>({{"is greater than or equal to", ">="},
                                                       {"is less than or equal to", "<="},
                                                       {"is greater than", ">"},
                                                       {"is less than", "<"},
                                                       {"is not equal to", "!="},
                                                       {"is equal to", "=="},
                                                       {"is not", "!="},
                                                       {"equals", "=="},
                                                       {">=", ">="},
                                                       {"<=", "<="},
                                                       {"==", "=="},
                                                       {"!=", "!="},
                                                       {">", ">"},
                                                       {"<", "<"}});
constexpr auto kSums = std::to_array<Spelling>({{"plus", "+"}, {"minus", "-"}, {"+", "+"}, {"-", "-"}});
constexpr auto kProducts =
    std::to_array<Spelling>({{"multiplied by", "*"}, {"divided by", "/"}, {"times", "*"}, {"*", "*"}, {"/", "/"}});

struct Fact {
  std::string sentence;
  bool holds = false;
};

struct Value {
  bool is_number = false, holds = false;
  Fraction number;
  std::string Text() const { return is_number ? ToText(number) : holds ? "True" : "False"; }
};

class Evaluator {
 public:
  Evaluator(std::string_view text, const std::vector<Fact>& facts) : text_(text), facts_(facts) {}

  // False, and why, if the text is no expression that is true or false.
  bool Run(bool* holds) {
    Value value;
    if (!Either(0, &value)) return false;
    Space();
    if (at_ != text_.size()) return Fail(Quoted(text_.substr(at_)) + " cannot stand there");
    if (value.is_number) return Fail("it is a number");
    *holds = value.holds;
    return true;
  }
  const std::string& reason() const { return reason_; }
  const std::vector<std::string>& steps() const { return steps_; }

 private:
  bool Fail(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
  }
  void Space() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  // Takes the word or sign if it stands there, a word not as the beginning of a longer one.
  bool Take(std::string_view word) {
    Space();
    if (text_.substr(at_, word.size()) != word) return false;
    const size_t end = at_ + word.size();
    if (IsLetter(word.back()) && end < text_.size() && IsLetter(text_[end])) return false;
    at_ = end;
    return true;
  }
  template <size_t kCount>
  bool TakeOne(const std::array<Spelling, kCount>& spellings, std::string* op) {
    for (const Spelling& spelling : spellings) {
      if (!Take(spelling.from)) continue;
      *op = spelling.to;
      return true;
    }
    return false;
  }
  bool Are(const Value& a, const Value& b, bool numbers) {
    if (a.is_number == numbers && b.is_number == numbers) return true;
    return Fail(numbers ? "True or False stands where a number should be"
                        : "a number stands where True or False should be");
  }
  void Note(const std::string& what, const Value& value) { steps_.push_back(what + " " + value.Text()); }

  bool Either(int depth, Value* value) { return Joined(depth, "or", value); }

  bool Joined(int depth, std::string_view word, Value* value) {
    const bool either = word == "or";
    if (!(either ? Joined(depth, "and", value) : Negation(depth, value))) return false;
    while (Take(word)) {
      Value right;
      if (!(either ? Joined(depth, "and", &right) : Negation(depth, &right)) || !Are(*value, right, false))
        return false;
      const std::string what = fmt::format("{} {} {}", value->Text(), word, right.Text());
      value->holds = either ? value->holds || right.holds : value->holds && right.holds;
      Note(what, *value);
    }
    return true;
  }

  bool Negation(int depth, Value* value) {
    if (depth > kDepth) return Fail("it is nested too deeply");
    if (!Take("not")) return Comparison(depth, value);
    if (!Negation(depth + 1, value) || !Are(*value, *value, false)) return false;
    const std::string what = "not " + value->Text();
    value->holds = !value->holds;
    Note(what, *value);
    return true;
  }

  bool Comparison(int depth, Value* value) {
    if (!Sum(depth, value)) return false;
    std::string op;
    if (!TakeOne(kComparisons, &op)) return true;
    Value right;
    if (!Sum(depth, &right) || !Are(*value, right, true)) return false;
    const Value left = *value;
    const bool equal = left.number == right.number, less = Less(left.number, right.number);
    *value = {};
    value->holds = op == "=="   ? equal
                   : op == "!=" ? !equal
                   : op == "<"  ? less
                   : op == "<=" ? less || equal
                   : op == ">"  ? !less && !equal
                                : !less;
    Note(left.Text() + op + right.Text(), *value);
    return true;
  }

  bool Calculate(const std::string& op, const Value& right, Value* value) {
    if (!Are(*value, right, true)) return false;
    const std::string what = value->Text() + op + (right.Text()[0] == '-' ? "(" + right.Text() + ")" : right.Text());
    std::string reason;
    if (!Apply(op[0], right.number, &value->number, &reason)) return Fail(reason);
    steps_.push_back(what + "=" + value->Text());
    return true;
  }

  bool Sum(int depth, Value* value) {
    if (!Product(depth, value)) return false;
    for (std::string op; TakeOne(kSums, &op);) {
      Value right;
      if (!Product(depth, &right) || !Calculate(op, right, value)) return false;
    }
    return true;
  }

  bool Product(int depth, Value* value) {
    if (!Factor(depth, value)) return false;
    for (std::string op; TakeOne(kProducts, &op);) {
      Value right;
      if (!Factor(depth, &right) || !Calculate(op, right, value)) return false;
    }
    return true;
  }

  bool Factor(int depth, Value* value) {
    if (depth > kDepth) return Fail("it is nested too deeply");
    if (Take("-")) {
      if (!Factor(depth + 1, value) || !Are(*value, *value, true)) return false;
      value->number.numerator = -value->number.numerator;
      return true;
    }
    if (Take("(")) {
      if (!Either(depth + 1, value)) return false;
      return Take(")") || Fail("a bracket is not closed");
    }
    const Fact* longest = nullptr;
    for (const Fact& fact : facts_) {
      const bool there = text_.substr(at_, fact.sentence.size()) == fact.sentence;
      if (there && (longest == nullptr || fact.sentence.size() > longest->sentence.size())) longest = &fact;
    }
    if (longest != nullptr) {
      at_ += longest->sentence.size();
      value->holds = longest->holds;
      Note(longest->sentence, *value);
      return true;
    }
    if (Take("True")) return value->holds = true;
    if (Take("False")) return true;
    int64_t number = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && IsDigit(text_[at_]); ++at_) {
      number = number * 10 + (text_[at_] - '0');
      if (number > 1'000'000) return Fail("a number is too large");
    }
    if (at_ == begin) {
      return Fail(at_ == text_.size() ? "it is not complete" : Quoted(text_.substr(at_)) + " cannot stand there");
    }
    value->is_number = true;
    value->number = {number, 1};
    return true;
  }

  std::string_view text_;
  const std::vector<Fact>& facts_;
  size_t at_ = 0;
  std::string reason_;
  std::vector<std::string> steps_;
};

// What nobody doubts.
const std::vector<Fact>& KnownFacts() {
  static const auto& facts = *new std::vector<Fact>{{"Paris is in France", true},
                                                    {"A week has seven days", true},
                                                    {"Ice is frozen water", true},
                                                    {"The Sun is a star", true},
                                                    {"A triangle has three sides", true},
                                                    {"Dogs are animals", true},
                                                    {"Fish can swim", true},
                                                    {"Gold is a metal", true},
                                                    {"Rome is in Brazil", false},
                                                    {"A year has ten months", false},
                                                    {"Whales are insects", false},
                                                    {"The Moon is larger than the Sun", false},
                                                    {"A square has five sides", false},
                                                    {"Stones are alive", false},
                                                    {"Horses can fly", false},
                                                    {"Fire is cold", false}};
  return facts;
}

std::string WriteSum(Rng& rng) {
  const auto number = [&] { return std::to_string(rng.Int(-9, 9)); };
  const char op = rng.Pick(std::string_view("+-*"));
  if (rng.Chance(0.5)) return fmt::format("{} {} {}", number(), op, number());
  return fmt::format("{} * {} {} {}", number(), number(), rng.Pick(std::string_view("+-")), number());
}

std::string Write(Rng& rng, int depth, std::set<std::string>* sentences) {
  if (depth == 0) {
    const double draw = rng.Uniform();
    if (draw < 0.25) return rng.Chance(0.5) ? "True" : "False";
    if (draw < 0.5) {
      const Fact& fact = rng.Pick(KnownFacts());
      sentences->insert(fact.sentence);
      return fact.sentence;
    }
    const std::string left = WriteSum(rng);
    return fmt::format("({}) {} ({})", left, rng.Pick(kComparisons).from, WriteSum(rng));
  }
  const double draw = rng.Uniform();
  const std::string first = Write(rng, depth - 1, sentences);
  if (draw < 0.35) return fmt::format("not ({})", first);
  return fmt::format("({}) {} ({})", first, draw < 0.7 ? "and" : "or",
                     Write(rng, static_cast<int>(rng.Int(0, depth - 1)), sentences));
}

std::string Letters(const std::vector<bool>& values) {
  std::vector<std::string> letters;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i]) letters.emplace_back(1, static_cast<char>('A' + i));
  }
  return letters.empty() ? "none" : Join(letters, ", ");
}

}  // namespace

BooleanOptions ReadBooleanOptions(const Json& data, const std::string& where) {
  std::vector<Fact> facts;
  if (data.contains("facts")) {
    if (!data["facts"].is_object()) throw Error("{}: \"facts\" must be an object", where);
    for (const auto& [sentence, holds] : data["facts"].items()) {
      if (sentence.empty() || !holds.is_boolean()) {
        throw Error("{}: \"facts\": {} must be true or false", where, Quoted(sentence));
      }
      facts.push_back({sentence, holds.get<bool>()});
    }
  }
  BooleanOptions options;
  for (const Json& option : JsonList(data, "options", where, 2, kMostOptions)) {
    if (!option.is_string() || option.get_ref<const std::string&>().size() > kMostBytes) {
      throw Error("{}: \"options\": {} is not a text of at most {} bytes", where, Quoted(option.dump()), kMostBytes);
    }
    const std::string text = option.get<std::string>();
    Evaluator evaluator(text, facts);
    bool holds = false;
    if (!evaluator.Run(&holds)) {
      throw Error("{}: option {}, {}: {}", where, static_cast<char>('A' + options.options.size()), Quoted(text),
                  evaluator.reason());
    }
    options.options.push_back(text);
    options.values.push_back(holds);
    options.steps.push_back(Join(evaluator.steps(), ", "));
  }
  return options;
}

Solution SolveBooleanOptions(const BooleanOptions& options) {
  std::string thinking;
  for (size_t i = 0; i < options.options.size(); ++i) {
    const std::string& steps = options.steps[i];
    thinking += fmt::format("{} {}{}\n", static_cast<char>('A' + i), steps.empty() ? "" : steps + ", so ",
                            options.values[i] ? "True" : "False");
  }
  const std::string letters = Letters(options.values);
  return {thinking + "answer " + letters, BoxedAnswer(letters)};
}

Score JudgeBooleanOptions(const BooleanOptions& options, const std::string& answer) {
  std::vector<bool> given(options.values.size());
  std::vector<std::string> words = AnswerWords(answer);
  if (words.size() == 1 && words[0] == "none") {
    words.clear();
  } else if (words.empty()) {
    return {0, "no letter and not none"};
  }
  // "ACD" is A, C and D.
  if (words.size() == 1 && std::all_of(answer.begin(), answer.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
    words.clear();
    for (const char c : answer) words.emplace_back(1, static_cast<char>(c - 'A' + 'a'));
  }
  for (std::string word : words) {
    if (word.size() == 2 && word[1] == '.') word.pop_back();
    const int option = word.size() == 1 ? word[0] - 'a' : -1;
    if (option < 0 || option >= static_cast<int>(given.size())) return {0, Quoted(word) + " is no option"};
    if (given[option]) return {0, Quoted(word) + " is there twice"};
    given[option] = true;
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] == options.values[i]) continue;
    return {0, fmt::format("{} is {}", static_cast<char>('A' + i), options.values[i] ? "true" : "false")};
  }
  return {1, ""};
}

void DrawBooleanOptions(Rng& rng, int count, int depth, TaskInstance* instance) {
  std::set<std::string> sentences;
  std::vector<std::string> options;
  std::string lines;
  for (int i = 0; i < count; ++i) {
    options.push_back(Write(rng, static_cast<int>(rng.Int((depth + 1) / 2, depth)), &sentences));
    lines += fmt::format("{}. {}\n", static_cast<char>('A' + i), options.back());
  }
  instance->data = {{"options", options}};
  for (const Fact& fact : KnownFacts()) {
    if (sentences.count(fact.sentence) != 0) instance->data["facts"][fact.sentence] = fact.holds;
  }
  instance->prompt = fmt::format(
      "Which of these are true?\n{}A sentence is True if it says what is so. Comparisons come before not, not before "
      "and, and before or. Put the letters of all that are true, or none, in \\boxed{{}}.",
      lines);
}

}  // namespace fulgur
