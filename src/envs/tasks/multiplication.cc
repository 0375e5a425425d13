// Multiplication of whole numbers: one partial product for each digit of the second number, then their sum.
//
// Difficulty: digits of the two numbers: 1: 2 x 1, 2: 3 x 1, 3: 2 x 2, 4: 3 x 2, 5: 3 x 3, 6: 4 x 4, 7: 6 x 6.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::multiplication {
namespace {

constexpr std::array<std::array<int, 2>, 8> kDigits = {{{}, {2, 1}, {3, 1}, {2, 2}, {3, 2}, {3, 3}, {4, 4}, {6, 6}}};

int64_t DrawNumber(Rng& rng, int digits) {
  int64_t power = 1;
  for (int i = 1; i < digits; ++i) power *= 10;
  return rng.Int(digits == 1 ? 2 : power, power * 10 - 1);
}

// 47*6+0: 7*6=42 42+0=42 have 2
// 4*6+4: 4*6=24 24+4=28 have 82
// 0*6+2: have 282
std::string DigitProduct(int64_t a, int64_t digit) {
  std::string lines, have;
  int64_t carry = 0;
  do {
    const int64_t product = a % 10 * digit, sum = product + carry;
    have.insert(0, std::to_string(sum % 10));
    lines += fmt::format("{}*{}+{}: {}*{}={} {}+{}={} have {}\n", a, digit, carry, a % 10, digit, product, product,
                         carry, sum, have);
    a /= 10, carry = sum / 10;
  } while (a != 0);
  if (carry != 0) lines += fmt::format("0*{}+{}: have {}{}\n", digit, carry, carry, have);
  return lines;
}

class Multiplication : public Task {
 public:
  const char* name() const override { return "multiplication"; }
  const char* description() const override { return "Multiply whole numbers of several digits"; }
  int max_difficulty() const override { return 7; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"a", "whole number from 0 up"}, {"b", "whole number from 0 up"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const auto [a, b] = Read(instance);
    std::string thinking;
    int64_t sum = 0, power = 1;
    for (int64_t rest = b; rest != 0; rest /= 10, power *= 10) {
      const int64_t partial = a * (rest % 10) * power;
      thinking += DigitProduct(a, rest % 10);
      if (power > 1) thinking += ColumnSum(partial, sum);
      sum += partial;
    }
    const std::string result = std::to_string(a * b);
    return {thinking + "answer " + result, BoxedAnswer(result)};
  }

  std::string Key(const TaskInstance& instance) const override {
    const auto [a, b] = Read(instance);
    return fmt::format("{}*{}", std::min(a, b), std::max(a, b));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const int64_t a = DrawNumber(rng, kDigits[difficulty][0]), b = DrawNumber(rng, kDigits[difficulty][1]);
    instance->data = {{"a", a}, {"b", b}};
    const std::array<std::string, 3> prompts = {fmt::format("What is {} * {}?", a, b),
                                                fmt::format("Compute {} * {}.", a, b),
                                                fmt::format("Multiply {} by {}.", a, b)};
    instance->prompt = rng.Pick(prompts) + " Put the answer in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const auto [a, b] = Read(instance);
    return JudgeInteger(a * b, answer);
  }

 private:
  static std::array<int64_t, 2> Read(const TaskInstance& instance) {
    const std::string where = "data of multiplication";
    const int64_t a = JsonGet<int64_t>(instance.data, "a", where), b = JsonGet<int64_t>(instance.data, "b", where);
    constexpr int64_t kLimit = 99'999'999;
    if (a < 1 || b < 1 || a > kLimit || b > kLimit) throw Error("{}: a and b must be in 1..{}", where, kLimit);
    return {a, b};
  }
};

}  // namespace
}  // namespace fulgur::multiplication

namespace fulgur {
std::unique_ptr<Task> MakeMultiplication() { return std::make_unique<multiplication::Multiplication>(); }
}  // namespace fulgur
