// The time some hours and minutes after or before another: minutes first, by columns, then hours.
//
// Difficulty: 1: minutes later; 2: hours and minutes later; 3: also earlier; 4: two such steps, 5: four, 6: eight.
#include <array>

#include "base/ascii.h"
#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::clock_arithmetic {
namespace {

constexpr std::array<int, 7> kSteps = {0, 1, 1, 1, 2, 4, 8};
constexpr int64_t kDay = 24 * 60, kLongest = 12 * 60;

std::string Clock(int64_t minutes) { return fmt::format("{}:{:02}", minutes / 60, minutes % 60); }

std::string Duration(int64_t minutes) {
  const auto count = [](int64_t n, const char* unit) { return fmt::format("{} {}{}", n, unit, n == 1 ? "" : "s"); };
  if (minutes < 60) return count(minutes, "minute");
  if (minutes % 60 == 0) return count(minutes / 60, "hour");
  return count(minutes / 60, "hour") + " " + count(minutes % 60, "minute");
}

// 35+50: 5+0=5 3+5+0=8 makes 85
std::string Sum(int64_t a, int64_t b) {
  const int64_t ones = a % 10 + b % 10, carry = ones / 10, tens = a / 10 + b / 10 + carry;
  return fmt::format("{:02}+{:02}: {}+{}={} {}+{}+{}={} makes {}{}", a, b, a % 10, b % 10, ones, a / 10, b / 10, carry,
                     tens, tens, ones % 10);
}

// a >= b.  95-50: 5-0=5 9-5-0=4 makes 45
std::string Difference(int64_t a, int64_t b) {
  const int64_t low = a % 10 - b % 10, borrow = low < 0 ? 1 : 0, ones = low + 10 * borrow;
  return fmt::format("{:02}-{:02}: {}-{}={}{} {}-{}-{}={} makes {:02}", a, b, a % 10, b % 10, low,
                     borrow != 0 ? fmt::format("+10={}", ones) : "", a / 10, b / 10, borrow, a / 10 - b / 10 - borrow,
                     a - b);
}

// Takes "am" or "pm" off the end of a time, with or without dots and a space before it: 'a' or 'p', ' ' if it is not
// there.
char CutHalfOfDay(std::string* text) {
  const std::string lower = ToLower(*text);
  for (const std::string_view half : {"am", "pm", "a.m.", "p.m."}) {
    if (!lower.ends_with(half)) continue;
    text->resize(text->size() - half.size());
    *text = Trim(*text);
    return half[0];
  }
  return ' ';
}

class ClockArithmetic : public Task {
 public:
  const char* name() const override { return "clock_arithmetic"; }
  const char* description() const override { return "The time some hours and minutes later or earlier"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"start", "minutes since midnight, from 0 to 1439"},
            {"steps", "list of minutes, each from -720 to 720; negative for earlier"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    int64_t time = puzzle.start;
    std::string thinking;
    for (const int64_t step : puzzle.steps) {
      const int64_t by = step < 0 ? -step : step, hour = time / 60, minute = time % 60;
      const char sign = step < 0 ? '-' : '+';
      thinking += fmt::format("{} {} {}\n", Clock(time), sign, Clock(by));
      int64_t carry = 0, hours = 0;
      if (step >= 0) {
        const int64_t sum = minute + by % 60;
        thinking += "minutes " + Sum(minute, by % 60);
        carry = sum >= 60 ? 1 : 0;
        if (carry != 0) thinking += fmt::format(" over 60: {}-60={:02}", sum, sum - 60);
        hours = hour + by / 60 + carry;
      } else {
        carry = minute < by % 60 ? 1 : 0;
        thinking += "minutes ";
        if (carry != 0) thinking += fmt::format("under {:02}: {:02}+60={} ", by % 60, minute, minute + 60);
        thinking += Difference(minute + 60 * carry, by % 60);
        hours = hour - by / 60 - carry;
      }
      thinking += fmt::format("\nhours {}{}{}{}{}={}", hour, sign, by / 60, sign, carry, hours);
      if (hours >= 24) thinking += fmt::format(" {}-24={}", hours, hours - 24);
      if (hours < 0) thinking += fmt::format(" {}+24={}", hours, hours + 24);
      time = ((time + step) % kDay + kDay) % kDay;
      thinking += fmt::format("\ntime {}\n", Clock(time));
    }
    thinking.pop_back();
    return {thinking, BoxedAnswer(Clock(time))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    Puzzle puzzle;
    puzzle.start = rng.Int(0, kDay - 1);
    for (int i = 0; i < kSteps[difficulty]; ++i) {
      const int64_t step = difficulty == 1 ? rng.Int(1, 59) : rng.Int(1, kLongest);
      puzzle.steps.push_back(difficulty >= 3 && rng.Chance(0.5) ? -step : step);
    }
    instance->data = {{"start", puzzle.start}, {"steps", puzzle.steps}};
    std::string steps;
    for (const int64_t step : puzzle.steps) {
      if (!steps.empty()) steps += ", then ";
      steps += Duration(step < 0 ? -step : step) + (step < 0 ? " earlier" : " later");
    }
    const std::array<std::string, 2> prompts = {
        fmt::format("It is {}. What time is it {}?", Clock(puzzle.start), steps),
        fmt::format("What is the time {}, from {}?", steps, Clock(puzzle.start))};
    instance->prompt = rng.Pick(prompts) + " Put the time, as on a 24-hour clock, in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& box) const override {
    const Puzzle puzzle = Read(instance);
    int64_t time = puzzle.start, hour = 0, minute = 0;
    for (const int64_t step : puzzle.steps) time = ((time + step) % kDay + kDay) % kDay;
    // h:mm or hh:mm, also with am or pm
    std::string answer = box;
    const char half = CutHalfOfDay(&answer);
    const size_t colon = answer.find(':');
    const bool shape = colon != std::string::npos && colon >= 1 && colon <= 2 && answer.size() == colon + 3;
    const auto digits = [&](size_t begin, size_t end, int64_t* value) {
      for (size_t i = begin; i < end; ++i) {
        if (answer[i] < '0' || answer[i] > '9') return false;
        *value = *value * 10 + (answer[i] - '0');
      }
      return true;
    };
    if (!shape || !digits(0, colon, &hour) || !digits(colon + 1, answer.size(), &minute) || hour > 23 || minute > 59) {
      return {0, Quoted(box) + " is not a time such as 9:05"};
    }
    if (half != ' ') {
      if (hour > 12 || (half == 'p' && hour == 0)) return {0, Quoted(box) + " is not a time such as 9:05 pm"};
      hour = hour % 12 + (half == 'p' ? 12 : 0);
    }
    if (hour * 60 + minute != time) return {0, Clock(hour * 60 + minute) + " is wrong"};
    return {1, ""};
  }

 private:
  struct Puzzle {
    int64_t start = 0;           // minutes since midnight
    std::vector<int64_t> steps;  // minutes, negative for earlier
  };

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of clock_arithmetic";
    Puzzle puzzle;
    puzzle.start = JsonGet<int64_t>(instance.data, "start", where);
    if (puzzle.start < 0 || puzzle.start >= kDay) throw Error("{}: \"start\" must be in 0..{}", where, kDay - 1);
    const auto steps = instance.data.find("steps");
    if (steps == instance.data.end() || !steps->is_array() || steps->empty()) {
      throw Error("{}: \"steps\" must be a list of minutes", where);
    }
    for (const Json& step : *steps) {
      if (!step.is_number_integer() || step.get<int64_t>() < -kLongest || step.get<int64_t>() > kLongest) {
        throw Error("{}: \"steps\": {} is not a number of minutes in {}..{}", where, step.dump(), -kLongest, kLongest);
      }
      puzzle.steps.push_back(step.get<int64_t>());
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::clock_arithmetic

namespace fulgur {
std::unique_ptr<Task> MakeClockArithmetic() { return std::make_unique<clock_arithmetic::ClockArithmetic>(); }
}  // namespace fulgur
