// Math path: fill in the missing digits of an equation. Every filling that makes it true is right.
//
// The worked solution tries the missing digits in order, the first the slowest; the last is not tried but computed,
// from what the rest makes and how much one more of it adds.
//
// Difficulty: missing digits, numbers and their digits: 1: 1, 2, up to 2; 2: 1, 3, up to 2; 3: 2, 2, 2; 4: 2, 3, up to
// 2; 5: 3, 3, up to 3; 6: 4, 4, up to 3. Up to 2 with + and -, then * too.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/ascii.h"
#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur {
namespace {

struct Level {
  int missing, numbers, digits;
  bool times;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {1, 2, 2, false, 240},
                                           {1, 3, 2, false, 240},
                                           {2, 2, 2, true, 240},
                                           {2, 3, 2, true, 0},
                                           {3, 3, 3, true, 0},
                                           {4, 4, 3, true, 0}}};
constexpr size_t kMostBytes = 80;
constexpr int kMostMissing = 5;
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

class MathPath : public Task {
 public:
  const char* name() const override { return "math_path"; }
  const char* description() const override { return "Fill in the missing digits of an equation"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"left", "numbers with + - * between them, 1 to 5 digits replaced by ?"}, {"right", "whole number"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const Run run = FindDigits(puzzle);
    if (!run.solved) throw Error("data of math_path: no digits make {} true", puzzle.Text());
    return {run.text, BoxedAnswer(fmt::format("{}={}", run.left, puzzle.right))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
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
  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of math_path";
    Puzzle puzzle = {JsonGet<std::string>(instance.data, "left", where),
                     JsonGet<int64_t>(instance.data, "right", where)};
    const auto missing = std::count(puzzle.left.begin(), puzzle.left.end(), '?');
    std::string ones = puzzle.left;
    std::replace(ones.begin(), ones.end(), '?', '1');
    int64_t value = 0;
    if (puzzle.left.size() > kMostBytes || missing < 1 || missing > kMostMissing || !Evaluate(ones, &value)) {
      throw Error("{}: \"left\": {} must be numbers with + - * between them and 1 to {} digits replaced by ?", where,
                  Quoted(puzzle.left), kMostMissing);
    }
    return puzzle;
  }
};

}  // namespace

std::unique_ptr<Task> MakeMathPath() { return std::make_unique<MathPath>(); }

}  // namespace fulgur
