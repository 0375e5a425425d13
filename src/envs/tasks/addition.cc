// Addition and subtraction of whole numbers, column by column from the right.
//
// Difficulty: 1 sums of up to 2 digits; 2 and 3 also differences, up to 2 and 3 digits; 4 up to 4 digits, and the
// difference may be negative; 5 to 8 likewise with up to 5, 7, 9 and 12 digits.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::addition {
namespace {

constexpr std::array<int, 9> kDigits = {0, 2, 2, 3, 4, 5, 7, 9, 12};

int64_t DrawNumber(Rng& rng, int digits) {
  int64_t power = 1;
  for (int i = 1; i < digits; ++i) power *= 10;
  return rng.Int(digits == 1 ? 0 : power, power * 10 - 1);
}

class Addition : public Task {
 public:
  const char* name() const override { return "addition"; }
  const char* description() const override { return "Add or subtract whole numbers of several digits"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"a", "whole number from 0 up"}, {"b", "whole number from 0 up"}, {"op", "\"+\" or \"-\""}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle p = Read(instance);
    if (p.plus) return Finish(ColumnSum(p.a, p.b), p);
    const char order = p.a < p.b ? '<' : p.a > p.b ? '>' : '=';
    const std::string compare = fmt::format("{}{}{}{}\n", p.a, order, p.b, p.a < p.b ? " negative" : "");
    return Finish(compare + ColumnDifference(std::max(p.a, p.b), std::min(p.a, p.b)), p);
  }

  // a + b is b + a.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle p = Read(instance);
    return p.plus ? fmt::format("{}+{}", std::min(p.a, p.b), std::max(p.a, p.b)) : fmt::format("{}-{}", p.a, p.b);
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const int digits = kDigits[difficulty];
    int64_t a = DrawNumber(rng, digits);
    int64_t b = DrawNumber(rng, static_cast<int>(std::max(rng.Int(1, digits), rng.Int(1, digits))));
    const bool plus = difficulty == 1 || rng.Chance(0.5);
    if (rng.Chance(0.5)) std::swap(a, b);
    if (!plus && difficulty < 4 && a < b) std::swap(a, b);
    instance->data = {{"a", a}, {"b", b}, {"op", plus ? "+" : "-"}};
    const std::array<std::string, 3> prompts = {
        fmt::format("What is {} {} {}?", a, plus ? "+" : "-", b),
        fmt::format("Compute {} {} {}.", a, plus ? "+" : "-", b),
        plus ? fmt::format("Add {} and {}.", a, b) : fmt::format("Subtract {} from {}.", b, a)};
    instance->prompt = rng.Pick(prompts) + " Put the answer in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    return JudgeInteger(Read(instance).result(), answer);
  }

 private:
  struct Puzzle {
    int64_t a, b;
    bool plus;
    int64_t result() const { return plus ? a + b : a - b; }
  };

  Puzzle Read(const TaskInstance& instance) const {
    const std::string where = "data of addition";
    const std::string op = JsonGet<std::string>(instance.data, "op", where);
    if (op != "+" && op != "-") throw Error("{}: \"op\" must be + or -", where);
    const Puzzle p{JsonGet<int64_t>(instance.data, "a", where), JsonGet<int64_t>(instance.data, "b", where), op == "+"};
    constexpr int64_t kLimit = 1'000'000'000'000'000;
    if (p.a < 0 || p.b < 0 || p.a > kLimit || p.b > kLimit) throw Error("{}: a and b must be in 0..{}", where, kLimit);
    return p;
  }

  static Solution Finish(const std::string& lines, const Puzzle& p) {
    const std::string result = std::to_string(p.result());
    return {lines + "answer " + result, BoxedAnswer(result)};
  }
};

}  // namespace
}  // namespace fulgur::addition

namespace fulgur {
std::unique_ptr<Task> MakeAddition() { return std::make_unique<addition::Addition>(); }
}  // namespace fulgur
