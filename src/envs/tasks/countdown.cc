// Countdown: reach a target with + - * / using each of the given numbers exactly once.
//
// The worked solution is a search that needs no luck. With three numbers left, each in turn is the one used last: what
// the other two would have to make is listed, then what they do make, until one is on the list ("yes"). With more
// numbers, two are combined first, pairs and operations in a fixed order, and the search goes on with the result.
//
// Difficulty: 1: 3 numbers up to 9, target up to 20; 2: 3 numbers up to 9, target up to 60; 3 and 4: 4 numbers up to 9,
// target up to 40 and 60, the search ends at the first or second combination tried; 5: 4 numbers up to 12, target up to
// 99; 6: 4 numbers up to 25; 7: 5 numbers up to 25. From 5 on any solvable problem; the worked solution then leaves out
// all but the first failed combination.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/arithmetic_search.h"
#include "envs/task.h"

namespace fulgur::countdown {
namespace {

struct Level {
  int numbers, largest, target;
  int combinations;  // how many may be tried; 0: any number
};
constexpr std::array<Level, 8> kLevels = {
    {{}, {3, 9, 20, 0}, {3, 9, 60, 0}, {4, 9, 40, 1}, {4, 9, 60, 2}, {4, 12, 99, 0}, {4, 25, 99, 0}, {5, 25, 99, 0}}};

class Countdown : public Task {
 public:
  const char* name() const override { return "countdown"; }
  const char* description() const override { return "Reach a target from given numbers, each used exactly once"; }
  int max_difficulty() const override { return 7; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"numbers", "list of 3 to 6 whole numbers from 1 to 1000000"},
            {"target", "whole number from 1 to 1000000"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const ArithmeticSolution solution = SearchArithmetic(puzzle.numbers, puzzle.target);
    if (!solution.found) throw Error("data of countdown: the search finds no solution");
    return {solution.trace, BoxedAnswer(solution.expression)};
  }

  std::string Key(const TaskInstance& instance) const override {
    Puzzle puzzle = Read(instance);
    std::sort(puzzle.numbers.begin(), puzzle.numbers.end());
    return fmt::format("{} to {}", fmt::join(puzzle.numbers, " "), puzzle.target);
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    for (;;) {
      puzzle.numbers.clear();
      for (int i = 0; i < level.numbers; ++i) puzzle.numbers.push_back(rng.Int(1, level.largest));
      puzzle.target = rng.Int(2, level.target);
      const ArithmeticSolution solution = SearchArithmetic(puzzle.numbers, puzzle.target);
      if (solution.found && (level.combinations == 0 || solution.tried <= level.combinations)) break;
    }
    instance->data = {{"numbers", puzzle.numbers}, {"target", puzzle.target}};
    const std::string list = fmt::format("{}", fmt::join(puzzle.numbers, " "));
    const std::array<std::string, 3> prompts = {
        fmt::format("Make {} from the numbers {}.", puzzle.target, list),
        fmt::format("Use the numbers {} to reach {}.", list, puzzle.target),
        fmt::format("The numbers are {} and the target is {}.", list, puzzle.target)};
    instance->prompt = rng.Pick(prompts) + " Use each number once, with + - * /. Put the expression in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    return JudgeArithmetic(answer, puzzle.numbers, puzzle.target);
  }

 private:
  struct Puzzle {
    std::vector<int64_t> numbers;
    int64_t target = 0;
  };

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of countdown";
    const Puzzle puzzle = {ArithmeticNumbersFromData(instance.data, where),
                           JsonGet<int64_t>(instance.data, "target", where)};
    if (puzzle.target < 1 || puzzle.target > kMostArithmeticValue) {
      throw Error("{}: \"target\": {} is not in 1..{}", where, puzzle.target, kMostArithmeticValue);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::countdown

namespace fulgur {
std::unique_ptr<Task> MakeCountdown() { return std::make_unique<countdown::Countdown>(); }
}  // namespace fulgur
