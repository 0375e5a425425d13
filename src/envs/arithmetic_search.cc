#include "envs/arithmetic_search.h"

#include <algorithm>

#include "base/error.h"
#include "envs/answer.h"
#include "envs/fraction.h"

namespace fulgur {
namespace {

constexpr int64_t kLargestNeed = 99;  // the search does not look for larger numbers to put into the last operation

// A number at hand, and how it was made from the given ones ("7", "(3+4)").
struct Item {
  int64_t value;
  std::string text;
};

struct Made {
  int64_t value;
  char op;
};

// What two numbers make: their sum, difference, product and, if whole, quotient; the larger first. Not zero, and
// nothing divided by one.
std::vector<Made> Combine(int64_t a, int64_t b) {
  if (a < b) std::swap(a, b);
  std::vector<Made> made = {{a + b, '+'}};
  if (a != b) made.push_back({a - b, '-'});
  made.push_back({a * b, '*'});
  if (b > 1 && a % b == 0) made.push_back({a / b, '/'});
  return made;
}

Item Join(const Item& a, const Item& b, const Made& made) {
  const bool swap = a.value < b.value && (made.op == '-' || made.op == '/');
  return {made.value, fmt::format("({}{}{})", (swap ? b : a).text, made.op, (swap ? a : b).text)};
}

// The last operation, with c in it: target = x op c, or c op x if `first`.
struct Need {
  int64_t x;
  char op;
  bool first;
  std::string Text(const std::string& x_text, const std::string& c_text) const {
    return first ? c_text + op + x_text : x_text + op + c_text;
  }
};

std::vector<Need> Needs(int64_t target, int64_t c) {
  std::vector<Need> needs;
  if (target > c) needs.push_back({target - c, '+', false});
  needs.push_back({target + c, '-', false});
  if (c > target) needs.push_back({c - target, '-', true});
  if (target % c == 0) needs.push_back({target / c, '*', false});
  if (c > 1) needs.push_back({target * c, '/', false});
  if (c > target && c % target == 0) needs.push_back({c / target, '/', true});
  std::erase_if(needs, [](const Need& need) { return need.x > kLargestNeed; });
  return needs;
}

class Search {
 public:
  explicit Search(int64_t target) : target_(target) {}

  // True if there is a solution; then expression() is one and trace() shows how it was found.
  bool Run(const std::vector<Item>& items) {
    if (items.size() == 3) return LastThree(items);
    for (size_t i = 0; i < items.size(); ++i) {
      for (size_t j = i + 1; j < items.size(); ++j) {
        for (const Made& made : Combine(items[i].value, items[j].value)) {
          const Item joined = Join(items[i], items[j], made);
          std::vector<Item> rest = {joined};
          for (size_t k = 0; k < items.size(); ++k) {
            if (k != i && k != j) rest.push_back(items[k]);
          }
          const size_t before = trace_.size();
          const bool larger_first = items[i].value >= items[j].value || made.op == '+' || made.op == '*';
          trace_ += fmt::format("{}{}{}={}\n", items[larger_first ? i : j].value, made.op,
                                items[larger_first ? j : i].value, made.value);
          if (Run(rest)) return true;
          if (tried_ > 1) trace_.resize(before);  // of many failures one is enough to show
        }
      }
    }
    return false;
  }

  const std::string& trace() const { return trace_; }
  const std::string& expression() const { return expression_; }
  int tried() const { return tried_; }  // sets of three numbers

 private:
  bool LastThree(const std::vector<Item>& items) {
    ++tried_;
    for (const Item& item : items) trace_ += std::to_string(item.value) + " ";
    trace_ += fmt::format("to {}\n", target_);
    for (size_t last = 0; last < 3; ++last) {
      const Item &c = items[last], &a = items[last == 0 ? 1 : 0], &b = items[last == 2 ? 1 : 2];
      const std::vector<Need> needs = Needs(target_, c.value);
      trace_ += fmt::format("{} last", c.value);
      for (const Need& need : needs) trace_ += " " + need.Text(std::to_string(need.x), std::to_string(c.value));
      trace_ += fmt::format(", {} {}", a.value, b.value);
      for (const Made& made : Combine(a.value, b.value)) {
        trace_ += fmt::format(" {}{}", made.op, made.value);
        for (const Need& need : needs) {
          if (need.x != made.value) continue;
          const Item plain = Join({a.value, std::to_string(a.value)}, {b.value, std::to_string(b.value)}, made);
          const std::string with_values = need.Text(plain.text, std::to_string(c.value));
          expression_ = need.Text(Join(a, b, made).text, c.text);
          trace_ += fmt::format(" yes\n{}={}", need.Text(std::to_string(need.x), std::to_string(c.value)), with_values);
          if (expression_ != with_values) trace_ += "=" + expression_;
          return true;
        }
      }
      trace_ += "\n";
    }
    return false;
  }

  int64_t target_;
  int tried_ = 0;
  std::string trace_, expression_;
};

// expression := term {(+|-) term}, term := factor {(*|/) factor},
// factor := - factor | number | ( expression ) | { expression } | \frac factor factor
// evaluated exactly as fractions; every number has to be among the given ones, once for each time it is given.
class Parser {
 public:
  Parser(std::string_view text, std::vector<int64_t> numbers) : text_(text), unused_(std::move(numbers)) {}

  Score Value(int64_t target) {
    Fraction value{};
    if (!Expression(0, &value)) return {0, reason_};
    Space();
    if (At('=')) {  // "= target" may follow
      ++at_;
      int64_t stated = 0;
      if (!ParseInteger(text_.substr(at_), &stated)) return {0, "more than one expression"};
      if (stated != target) return {0, fmt::format("says that it makes {}", stated)};
      at_ = text_.size();
    }
    if (at_ != text_.size()) return {0, fmt::format("{} cannot stand there", Quoted(text_.substr(at_)))};
    if (!unused_.empty()) return {0, fmt::format("does not use {}", unused_[0])};
    if (value.denominator != 1 || value.numerator != target) {
      return {0, value.denominator == 1 ? fmt::format("makes {} instead of {}", value.numerator, target)
                                        : fmt::format("makes {}", ToText(value))};
    }
    return {1, ""};
  }

 private:
  static constexpr int kDepth = 32;

  bool Fail(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  void Space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool At(char c) const { return at_ < text_.size() && text_[at_] == c; }

  bool Apply(char op, const Fraction& b, Fraction* a) { return fulgur::Apply(op, b, a, &reason_); }

  bool Expression(int depth, Fraction* value) {
    if (depth > kDepth) return Fail("too many brackets");
    if (!Term(depth, value)) return false;
    for (Space(); At('+') || At('-'); Space()) {
      const char op = text_[at_++];
      Fraction right{};
      if (!Term(depth, &right) || !Apply(op, right, value)) return false;
    }
    return true;
  }

  bool Term(int depth, Fraction* value) {
    if (!Factor(depth, value)) return false;
    for (Space(); At('*') || At('/'); Space()) {
      const char op = text_[at_++];
      Fraction right{};
      if (!Factor(depth, &right) || !Apply(op, right, value)) return false;
    }
    return true;
  }

  bool Factor(int depth, Fraction* value) {
    if (depth > kDepth) return Fail("too many brackets");
    Space();
    if (At('-')) {
      ++at_;
      if (!Factor(depth + 1, value)) return false;
      value->numerator = -value->numerator;
      return true;
    }
    for (const std::string_view command : {"\\frac", "\\dfrac", "\\tfrac"}) {
      if (text_.substr(at_, command.size()) == command) {
        at_ += command.size();
        Fraction right{};
        if (!At('{') || !Factor(depth + 1, value)) return reason_.empty() ? Fail("\\frac without {}") : false;
        if (!At('{') || !Factor(depth + 1, &right)) return reason_.empty() ? Fail("\\frac without {}") : false;
        return Apply('/', right, value);
      }
    }
    if (At('(') || At('{') || At('[')) {
      const char close = At('(') ? ')' : At('{') ? '}' : ']';
      ++at_;
      if (!Expression(depth + 1, value)) return false;
      Space();
      if (!At(close)) return Fail(fmt::format("'{}' is missing", close));
      ++at_;
      return true;
    }
    int64_t number = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (number > kMostArithmeticValue) return Fail("uses a number that is not given");
      number = number * 10 + (text_[at_] - '0');
    }
    if (at_ == begin) {
      return Fail(at_ < text_.size() ? fmt::format("{} where a number should be", Quoted(text_.substr(at_)))
                                     : "ends where a number should be");
    }
    const auto found = std::find(unused_.begin(), unused_.end(), number);
    if (found == unused_.end() || (text_[begin] == '0' && at_ - begin > 1)) {
      return Fail(fmt::format("uses {}, which is not given (that often)", number));
    }
    unused_.erase(found);
    *value = {number, 1};
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<int64_t> unused_;
  std::string reason_;
};

}  // namespace

ArithmeticSolution SearchArithmetic(const std::vector<int64_t>& numbers, int64_t target) {
  std::vector<Item> items;
  for (const int64_t number : numbers) items.push_back({number, std::to_string(number)});
  Search search(target);
  const bool found = search.Run(items);
  return {found, search.expression(), search.trace(), search.tried()};
}

Score JudgeArithmetic(std::string_view answer, const std::vector<int64_t>& numbers, int64_t target) {
  return Parser(answer, numbers).Value(target);
}

std::vector<int64_t> ArithmeticNumbersFromData(const Json& data, const std::string& where) {
  const auto list = data.is_object() ? data.find("numbers") : data.end();
  if (!data.is_object() || list == data.end() || !list->is_array() || list->size() < 3 ||
      list->size() > kMostArithmeticNumbers) {
    throw Error("{}: \"numbers\" must be a list of 3 to {} numbers", where, kMostArithmeticNumbers);
  }
  std::vector<int64_t> numbers;
  for (const Json& number : *list) {
    if (!number.is_number_integer()) throw Error("{}: {} is not a whole number", where, number.dump());
    numbers.push_back(number.get<int64_t>());
    if (numbers.back() < 1 || numbers.back() > kMostArithmeticValue) {
      throw Error("{}: {} is not in 1..{}", where, numbers.back(), kMostArithmeticValue);
    }
  }
  return numbers;
}

}  // namespace fulgur
