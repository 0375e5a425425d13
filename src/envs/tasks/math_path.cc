// Math path: fill in the missing digits of an equation. Every filling that makes it true is right.
//
// The worked solution tries the missing digits in order, the first the slowest; the last is not tried but computed,
// from what the rest makes and how much one more of it adds.
//
// Difficulty: missing digits, numbers and their digits: 1: 1, 2, up to 2; 2: 1, 3, up to 2; 3: 2, 2, 2; 4: 2, 3, up to
// 2; 5: 3, 3, up to 3; 6: 4, 4, up to 3. Up to 2 with + and -, then * too. 7: 2, 4, 1 and 8: 4, 6, 1, with / and % and
// up to 1 and 2 pairs of brackets. These are solved from what each part of the equation can make.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/ascii.h"
#include "envs/answer.h"
#include "envs/fraction.h"
#include "envs/task.h"

namespace fulgur::math_path {
namespace {

struct Level {
  int missing, numbers, digits;
  bool times;
  size_t most_text;
  int brackets = -1;  // pairs at most; -1: none, nor / and %
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {1, 2, 2, false, 240},
                                           {1, 3, 2, false, 240},
                                           {2, 2, 2, true, 240},
                                           {2, 3, 2, true, 0},
                                           {3, 3, 3, true, 0},
                                           {4, 4, 3, true, 0},
                                           {2, 4, 1, true, 0, 1},
                                           {4, 6, 1, true, 0, 2}}};
constexpr size_t kMostBytes = 80;
constexpr int kMostTried = 5;     // missing digits that are tried one after the other
constexpr int kMostMissing = 20;  // that may be there at all
constexpr size_t kMostMade = 2000;
constexpr int kMostShown = 12;
constexpr int64_t kMostValue = 1'000'000'000'000;

// The value of numbers with + - * between them, * first; false if the text is something else or a value gets too large.
// A number of several digits must not begin with 0.
bool Evaluate(std::string_view text, int64_t* value) {
  int64_t sum = 0, product = 1;
  int sign = 1;
  for (size_t i = 0;; ++i) {
    const size_t begin = i;
    int64_t number = 0;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
      number = number * 10 + (text[i] - '0');
      if (number > kMostValue) return false;
    }
    if (i == begin || (text[begin] == '0' && i - begin > 1)) return false;
    if (__builtin_mul_overflow(product, number, &product) || product > kMostValue) return false;
    const char op = i < text.size() ? text[i] : '+';
    if (op == '*') continue;
    sum += sign * product;
    if (std::abs(sum) > kMostValue) return false;
    if (i == text.size()) break;
    if (op != '+' && op != '-') return false;
    sign = op == '+' ? 1 : -1;
    product = 1;
  }
  *value = sum;
  return true;
}

// An expression with brackets as a tree.
struct Node {
  char op = ' ';       // + - * / %, or a number
  std::string digits;  // of the number; ? for a missing one
  std::vector<Node> parts;
};

class TreeReader {
 public:
  explicit TreeReader(std::string_view text) : text_(text) {}

  // False if the text is not numbers with + - * / % between them and brackets. A number of several digits must not
  // begin with 0.
  bool Read(Node* node) { return Sum(0, node) && at_ == text_.size(); }

 private:
  static constexpr int kDepth = 20;

  bool At(std::string_view ops) const { return at_ < text_.size() && ops.find(text_[at_]) != std::string_view::npos; }

  bool Sum(int depth, Node* node) { return Row(depth, "+-", node); }

  bool Row(int depth, std::string_view ops, Node* node) {
    const bool sum = ops == "+-";
    if (!(sum ? Row(depth, "*/%", node) : Factor(depth, node))) return false;
    while (At(ops)) {
      Node whole{text_[at_++], "", {std::move(*node), {}}};
      if (!(sum ? Row(depth, "*/%", &whole.parts[1]) : Factor(depth, &whole.parts[1]))) return false;
      *node = std::move(whole);
    }
    return true;
  }

  bool Factor(int depth, Node* node) {
    if (At("(")) {
      ++at_;
      if (depth == kDepth || !Sum(depth + 1, node) || !At(")")) return false;
      ++at_;
      return true;
    }
    while (At("0123456789?")) node->digits += text_[at_++];
    return !node->digits.empty() && node->digits.size() <= 12 && (node->digits.size() == 1 || node->digits[0] != '0');
  }

  std::string_view text_;
  size_t at_ = 0;
};

// Whether the trees are the same but for missing digits of `wanted`, which are there in `given`.
bool Fills(const Node& wanted, const Node& given) {
  if (wanted.op != given.op || wanted.digits.size() != given.digits.size()) return false;
  for (size_t i = 0; i < wanted.digits.size(); ++i) {
    if (wanted.digits[i] == '?' ? !IsDigit(given.digits[i]) : wanted.digits[i] != given.digits[i]) return false;
  }
  for (size_t i = 0; i < wanted.parts.size(); ++i) {
    if (!Fills(wanted.parts[i], given.parts[i])) return false;
  }
  return true;
}

// The value of a tree without missing digits; false, and why, if there is none.
bool ValueOf(const Node& node, Fraction* value, std::string* reason) {
  if (node.op == ' ') {
    *value = {std::stoll(node.digits), 1};
    return true;
  }
  Fraction right;
  return ValueOf(node.parts[0], value, reason) && ValueOf(node.parts[1], &right, reason) &&
         Apply(node.op, right, value, reason);
}

struct Puzzle {
  std::string left;  // with ? for missing digits
  int64_t right = 0;
  std::string Text() const { return fmt::format("{}={}", left, right); }
};

// Whether the missing digit at this place is the first of several.
bool Leads(const std::string& text, size_t at) {
  const bool first = at == 0 || (!IsDigit(text[at - 1]) && text[at - 1] != '?');
  return first && at + 1 < text.size() && (IsDigit(text[at + 1]) || text[at + 1] == '?');
}

struct Run {
  bool solved = false;
  std::string text, left;
};

Run FindDigits(const Puzzle& puzzle) {
  Run run;
  std::vector<size_t> places;
  for (size_t i = 0; i < puzzle.left.size(); ++i) {
    if (puzzle.left[i] == '?') places.push_back(i);
  }
  const size_t last = places.back();
  int tries = 1;
  for (size_t i = 0; i + 1 < places.size(); ++i) tries *= 10;
  bool failed = false;  // one failure has been shown
  for (int number = 0; number < tries; ++number) {
    std::string left = puzzle.left;
    bool leading_zero = false;
    int rest = number;
    for (size_t i = places.size() - 1; i-- > 0; rest /= 10) {
      left[places[i]] = static_cast<char>('0' + rest % 10);
      leading_zero = leading_zero || (rest % 10 == 0 && Leads(puzzle.left, places[i]));
    }
    if (leading_zero) continue;
    // The smallest digit that may be there, and the next.
    const int least = Leads(puzzle.left, last) ? 1 : 0;
    std::string one = left, two = left;
    one[last] = static_cast<char>('0' + least);
    two[last] = static_cast<char>('1' + least);
    int64_t base = 0, next = 0;
    if (!Evaluate(one, &base) || !Evaluate(two, &next)) continue;
    const int64_t missing = puzzle.right - base, step = next - base;
    std::string line = fmt::format("{}={}", one, base);
    bool right = missing == 0;
    int digit = least;
    if (!right) {
      line += fmt::format(" to {} is {}", puzzle.right, missing);
      if (step != 0) {
        line += fmt::format(" by {}", step);
        right = missing % step == 0 && missing / step > 0 && missing / step + least <= 9;
        if (right) {
          digit = least + static_cast<int>(missing / step);
          line += fmt::format(" is {}", missing / step);
          if (least > 0) line += fmt::format(" and {} is {}", least, digit);
        }
      }
    }
    if (right) {
      left[last] = static_cast<char>('0' + digit);
      run.text += line + fmt::format(" yes\n{}={}", left, puzzle.right);
      run.left = left;
      run.solved = true;
      return run;
    }
    // Of more than ten failures only some are shown.
    if (tries <= 10 || !failed) run.text += line + " no\n";
    failed = failed || number % 10 == 9;
  }
  return run;
}

// What the parts of an expression can make, and with which digits: from the innermost out.
class Makings {
 public:
  // Whole numbers only, on the way.
  explicit Makings(bool whole) : whole_(whole) {}

  // The missing digits, in order, that make the target; empty if none were found.
  std::string Find(const Node& root, const Fraction& target) {
    if (root.op == ' ') {
      const Made made = Make(root);
      const auto at = made.find({target.numerator, target.denominator});
      return at == made.end() ? "" : at->second;
    }
    const Made left = Make(root.parts[0]), right = Make(root.parts[1]);
    for (const auto& [a, first] : left) {
      for (const auto& [b, second] : right) {
        Fraction value{a.first, a.second};
        std::string reason;
        if (Apply(root.op, {b.first, b.second}, &value, &reason) && value == target) return first + second;
      }
    }
    return "";
  }

  const std::string& text() const { return text_; }  // what the parts make, a line each

 private:
  using Made = std::map<std::pair<int64_t, int64_t>, std::string>;  // the digits of every value, a fraction

  Made Make(const Node& node) {
    Made made;
    if (node.op == ' ') {
      AddNumbers(node.digits, 0, "", &made);
      return made;
    }
    const Made left = Make(node.parts[0]), right = Make(node.parts[1]);
    for (const auto& [a, first] : left) {
      for (const auto& [b, second] : right) {
        Fraction value{a.first, a.second};
        std::string reason;
        if (!Apply(node.op, {b.first, b.second}, &value, &reason) || (whole_ && value.denominator != 1)) continue;
        if (made.size() < kMostMade) made.emplace(std::pair(value.numerator, value.denominator), first + second);
      }
    }
    text_ += Text(node) + " makes";
    int shown = 0;
    for (const auto& [value, digits] : made) {
      if (++shown > kMostShown) break;
      text_ += " " + ToText({value.first, value.second});
    }
    text_ += made.size() > kMostShown ? fmt::format(" and {} more\n", made.size() - kMostShown) : "\n";
    return made;
  }

  static void AddNumbers(const std::string& digits, size_t at, const std::string& filled, Made* made) {
    if (made->size() >= kMostMade) return;
    if (at == digits.size()) {
      std::string missing;
      for (size_t i = 0; i < digits.size(); ++i) missing += digits[i] == '?' ? filled.substr(i, 1) : "";
      made->emplace(std::pair(std::stoll(filled), int64_t{1}), missing);
      return;
    }
    if (digits[at] != '?') return AddNumbers(digits, at + 1, filled + digits[at], made);
    for (char digit = at == 0 && digits.size() > 1 ? '1' : '0'; digit <= '9'; ++digit) {
      AddNumbers(digits, at + 1, filled + digit, made);
    }
  }

  static std::string Text(const Node& node) {
    if (node.op == ' ') return node.digits;
    return fmt::format("({}{}{})", Text(node.parts[0]), node.op, Text(node.parts[1]));
  }

  bool whole_;
  std::string text_;
};

class MathPath : public Task {
 public:
  const char* name() const override { return "math_path"; }
  const char* description() const override { return "Fill in the missing digits of an equation"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"left", "numbers with + - * / % and brackets, some digits replaced by ?"}, {"right", "whole number"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const Run run = IsPlain(puzzle) ? FindDigits(puzzle) : FindByParts(puzzle);
    if (!run.solved) throw Error("data of math_path: no digits make {} true", puzzle.Text());
    return {run.text, BoxedAnswer(fmt::format("{}={}", run.left, puzzle.right))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    if (level.brackets >= 0) {
      DrawBrackets(rng, level, instance);
      return;
    }
    Puzzle puzzle;
    for (;;) {
      puzzle.left.clear();
      for (int i = 0; i < level.numbers; ++i) {
        if (i > 0) puzzle.left += rng.Pick(std::string_view(level.times ? "+-**" : "+-"));
        const int digits = static_cast<int>(rng.Int(level.missing == 1 || level.missing == 2 ? 1 : 2, level.digits));
        int64_t low = 1;
        for (int d = 1; d < digits; ++d) low *= 10;
        puzzle.left += std::to_string(rng.Int(low, low * 10 - 1));
      }
      if (!Evaluate(puzzle.left, &puzzle.right) || puzzle.right < 0 || puzzle.right > 9'999'999) continue;
      std::vector<int> digits;
      for (size_t i = 0; i < puzzle.left.size(); ++i) {
        if (IsDigit(puzzle.left[i])) digits.push_back(static_cast<int>(i));
      }
      if (static_cast<int>(digits.size()) < level.missing + 1) continue;
      rng.Shuffle<int>(digits);
      for (int i = 0; i < level.missing; ++i) puzzle.left[digits[i]] = '?';
      if (level.most_text == 0 || FindDigits(puzzle).text.size() <= level.most_text) break;
    }
    instance->data = {{"left", puzzle.left}, {"right", puzzle.right}};
    const std::array<std::string, 3> prompts = {fmt::format("Fill in the missing digits: {}", puzzle.Text()),
                                                fmt::format("Which digits are missing? {}", puzzle.Text()),
                                                fmt::format("Complete the equation {}", puzzle.Text())};
    instance->prompt = rng.Pick(prompts) +
                       "\nEach ? is one digit from 0 to 9; numbers of several digits do not begin with 0, and * comes "
                       "before + and -. Put the whole equation in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::string given;
    bool space = false;  // since the last character; not between two digits
    for (const char c : answer) {
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        space = true;
        continue;
      }
      if (space && !given.empty() && IsDigit(given.back()) && IsDigit(c)) return {0, "a space inside a number"};
      given += c;
      space = false;
    }
    if (!IsPlain(puzzle)) return JudgeTree(puzzle, given);
    const std::string wanted = puzzle.Text();
    if (given.size() != wanted.size()) return {0, "that is not the equation with its digits filled in"};
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] == '?' ? !IsDigit(given[i]) : given[i] != wanted[i]) {
        return {0,
                fmt::format("{} instead of {} at {}", Quoted(given.substr(i, 1)), Quoted(wanted.substr(i, 1)), i + 1)};
      }
    }
    int64_t value = 0;
    const std::string left = given.substr(0, puzzle.left.size());
    if (!Evaluate(left, &value)) return {0, "a number begins with 0"};
    if (value != puzzle.right) return {0, fmt::format("{} is {}", left, value)};
    return {1, ""};
  }

 private:
  // Numbers with + - * between them, so few digits missing that they can be tried.
  static bool IsPlain(const Puzzle& puzzle) {
    return puzzle.left.find_first_of("()/%") == std::string::npos &&
           std::count(puzzle.left.begin(), puzzle.left.end(), '?') <= kMostTried;
  }

  static Run FindByParts(const Puzzle& puzzle) {
    Node root;
    TreeReader(puzzle.left).Read(&root);
    Run run;
    for (const bool whole : {true, false}) {
      Makings makings(whole);
      const std::string digits = makings.Find(root, {puzzle.right, 1});
      if (digits.empty()) continue;
      run.solved = true;
      run.left = puzzle.left;
      size_t next = 0;
      for (char& c : run.left) c = c == '?' ? digits[next++] : c;
      run.text = makings.text() + fmt::format("{}={} yes", run.left, puzzle.right);
      return run;
    }
    return run;
  }

  // Brackets that do not change what belongs together may be added or left out.
  static Score JudgeTree(const Puzzle& puzzle, const std::string& given) {
    const size_t equals = given.find('=');
    int64_t right = 0;
    Node wanted, filled;
    if (equals == std::string::npos || !ParseInteger(given.substr(equals + 1), &right) || right != puzzle.right) {
      return {0, fmt::format("that is not an equation with {} on the right", puzzle.right)};
    }
    TreeReader(puzzle.left).Read(&wanted);
    if (!TreeReader(std::string_view(given).substr(0, equals)).Read(&filled) || !Fills(wanted, filled)) {
      return {0, "that is not the equation with its digits filled in"};
    }
    Fraction value;
    std::string reason;
    if (!ValueOf(filled, &value, &reason)) return {0, reason};
    if (value != Fraction{puzzle.right, 1}) return {0, fmt::format("{} is {}", given.substr(0, equals), ToText(value))};
    return {1, ""};
  }

  static void DrawBrackets(Rng& rng, const Level& level, TaskInstance* instance) {
    Puzzle puzzle;
    for (;;) {
      std::vector<std::string> numbers;
      std::string ops;
      for (int i = 0; i < level.numbers; ++i) {
        numbers.push_back(std::to_string(rng.Int(0, 9)));
        ops += rng.Pick(std::string_view("+-*/%"));
      }
      for (int64_t pairs = rng.Int(0, level.brackets); pairs > 0; --pairs) {
        const size_t at = rng.Below(numbers.size() - 1);
        if (numbers[at].size() > 1 || numbers[at + 1].size() > 1) continue;
        numbers[at].insert(0, "(");
        numbers[at + 1] += ")";
      }
      puzzle.left.clear();
      for (size_t i = 0; i < numbers.size(); ++i) puzzle.left += (i == 0 ? "" : ops.substr(i, 1)) + numbers[i];
      Node root;
      Fraction value;
      TreeReader(puzzle.left).Read(&root);
      if (!HasWholeParts(root, &value)) continue;
      puzzle.right = value.numerator;
      std::vector<int> digits;
      for (size_t i = 0; i < puzzle.left.size(); ++i) {
        if (IsDigit(puzzle.left[i])) digits.push_back(static_cast<int>(i));
      }
      rng.Shuffle<int>(digits);
      for (int i = 0; i < level.missing; ++i) puzzle.left[digits[i]] = '?';
      if (puzzle.left.find_first_of("()/%") != std::string::npos) break;
    }
    instance->data = {{"left", puzzle.left}, {"right", puzzle.right}};
    instance->prompt = fmt::format(
        "Fill in the missing digits: {}\nEach ? is one digit from 0 to 9. *, / and % come before + and -, and go "
        "from left to right. a % b is the remainder of a divided by b, with the sign of b. Put the whole equation in "
        "\\boxed{{}}.",
        puzzle.Text());
  }

  // Whether the values of all parts are whole and small.
  static bool HasWholeParts(const Node& node, Fraction* value) {
    Fraction right;
    std::string reason;
    if (node.op == ' ') return ValueOf(node, value, &reason);
    return HasWholeParts(node.parts[0], value) && HasWholeParts(node.parts[1], &right) &&
           Apply(node.op, right, value, &reason) && value->denominator == 1 && std::abs(value->numerator) <= 999;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of math_path";
    Puzzle puzzle = {JsonGet<std::string>(instance.data, "left", where),
                     JsonGet<int64_t>(instance.data, "right", where)};
    const auto missing = std::count(puzzle.left.begin(), puzzle.left.end(), '?');
    Node root;
    if (puzzle.left.size() > kMostBytes || missing < 1 || missing > kMostMissing ||
        !TreeReader(puzzle.left).Read(&root)) {
      throw Error(
          "{}: \"left\": {} must be numbers with + - * / % between them, and brackets, and 1 to {} digits replaced by "
          "?",
          where, Quoted(puzzle.left), kMostMissing);
    }
    if (puzzle.right > kMostValue || puzzle.right < -kMostValue)
      throw Error("{}: \"right\" must be in -{}..{}", where, kMostValue, kMostValue);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::math_path

namespace fulgur {
std::unique_ptr<Task> MakeMathPath() { return std::make_unique<math_path::MathPath>(); }
}  // namespace fulgur
