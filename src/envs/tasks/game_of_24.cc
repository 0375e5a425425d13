// The game of 24: exactly four numbers, each used once, that make 24. Countdown's search (arithmetic_search.h).
//
// Difficulty: 1: numbers up to 10, the search ends at the first combination of two that it tries; 2: up to 10, at the
// second at most; 3: up to 10; 4: up to 13; 5: up to 25.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/arithmetic_search.h"
#include "envs/task.h"

namespace fulgur::game_of_24 {
namespace {

constexpr int64_t kTarget = 24;
constexpr size_t kNumbers = 4;

struct Level {
  int largest;
  int combinations;  // how many may be tried; 0: any number
  size_t most_text;
};
constexpr std::array<Level, 6> kLevels = {
    {{}, {10, 1, 290}, {10, 2, 290}, {10, 0, 1000}, {13, 0, 1000}, {25, 0, 1000}}};

class GameOf24 : public Task {
 public:
  const char* name() const override { return "game_of_24"; }
  const char* description() const override { return "Make 24 from four numbers, each used exactly once"; }
  int max_difficulty() const override { return 5; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"numbers", "list of four whole numbers from 1 to 1000000"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const ArithmeticSolution solution = SearchArithmetic(Read(instance), kTarget);
    if (!solution.found) throw Error("data of game_of_24: the search finds no solution");
    return {solution.trace, BoxedAnswer(solution.expression)};
  }

  std::string Key(const TaskInstance& instance) const override {
    std::vector<int64_t> numbers = Read(instance);
    std::sort(numbers.begin(), numbers.end());
    return fmt::format("{}", fmt::join(numbers, " "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    std::vector<int64_t> numbers(kNumbers);
    for (;;) {
      for (int64_t& number : numbers) number = rng.Int(1, level.largest);
      const ArithmeticSolution solution = SearchArithmetic(numbers, kTarget);
      if (!solution.found || solution.trace.size() > level.most_text) continue;
      if (level.combinations == 0 || solution.tried <= level.combinations) break;
    }
    instance->data = {{"numbers", numbers}};
    const std::string list = fmt::format("{}", fmt::join(numbers, " "));
    const std::array<std::string, 3> prompts = {fmt::format("Make 24 from the four numbers {}.", list),
                                                fmt::format("Game of 24: {}.", list),
                                                fmt::format("Use the four numbers {} to make exactly 24.", list)};
    instance->prompt = rng.Pick(prompts) +
                       " Use each of the four numbers exactly once, with + - * / and brackets. Put the expression in "
                       "\\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    return JudgeArithmetic(answer, Read(instance), kTarget);
  }

 private:
  static std::vector<int64_t> Read(const TaskInstance& instance) {
    std::vector<int64_t> numbers = ArithmeticNumbersFromData(instance.data, "data of game_of_24");
    if (numbers.size() != kNumbers) throw Error("data of game_of_24: \"numbers\" must be four numbers");
    return numbers;
  }
};

}  // namespace
}  // namespace fulgur::game_of_24

namespace fulgur {
std::unique_ptr<Task> MakeGameOf24() { return std::make_unique<game_of_24::GameOf24>(); }
}  // namespace fulgur
