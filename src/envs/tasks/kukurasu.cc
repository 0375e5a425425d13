// Kukurasu: shade cells so that the weights of the shaded cells add up to the sum of every row and column. In a row a
// cell weighs the number of its column, in a column that of its row.
//
// The worked solution takes a line that can be filled in the fewest ways, lists them, and keeps what they agree on.
// Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3x3, 2: 3 rows of 4, 3: 4x4, 4: 5x5, 5: 6x6, 6: 7x7.
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::kukurasu {
namespace {

struct Level {
  int rows, columns;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {{{}, {3, 3, 250}, {3, 4, 250}, {4, 4, 0}, {5, 5, 0}, {6, 6, 0}, {7, 7, 0}}};
constexpr int kMostSum = kMostGridSide * (kMostGridSide + 1) / 2;

struct Puzzle {
  std::vector<int> rows, columns;  // sums
};

// Whether a line of this length that begins with these values may have the sum.
bool SumFits(int sum, size_t length, std::span<const int> values) {
  for (size_t i = 0; i < values.size(); ++i) sum -= values[i] * static_cast<int>(i + 1);
  int rest = 0;
  for (size_t i = values.size(); i < length; ++i) rest += static_cast<int>(i + 1);
  return sum >= 0 && sum <= rest;
}

class Kukurasu : public Task {
 public:
  const char* name() const override { return "kukurasu"; }
  const char* description() const override { return "Shade a grid so that the weights of its lines add up as given"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"rows", "list of 1 to 12 sums, one a row"}, {"columns", "list of 1 to 12 sums, one a column"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of kukurasu");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = {std::vector<int>(level.rows), std::vector<int>(level.columns)};
      for (int row = 0; row < level.rows; ++row) {
        for (int column = 0; column < level.columns; ++column) {
          if (!rng.Chance(0.5)) continue;
          puzzle.rows[row] += column + 1;
          puzzle.columns[column] += row + 1;
        }
      }
    } while (!Logic(puzzle).ForcedWithin(Render(puzzle), level.most_text));
    instance->data = {{"rows", puzzle.rows}, {"columns", puzzle.columns}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Solve this kukurasu of {} rows and {} columns: shade cells so that all sums are right.",
                    level.rows, level.columns),
        fmt::format("Shade cells of a grid of {} rows and {} columns so that all sums are right.", level.rows,
                    level.columns)};
    instance->prompt =
        rng.Pick(prompts) +
        " A shaded cell adds the number of its column (1, 2, ...) to the sum of its row, and the number "
        "of its row (a is 1, b is 2, ...) to the sum of its column.\n" +
        fmt::format("Row sums: {}\nColumn sums: {}\n", RowList(puzzle.rows), ColumnList(puzzle.columns)) +
        "Put the rows in \\boxed{}, 1 for a shaded cell and 0 for an empty one.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    CharGrid grid;
    std::string reason;
    if (!ParseGridAnswer(answer, rows, columns, "01", kMarkAliases, &grid, &reason)) return {0, reason};
    for (int row = 0; row < rows; ++row) {
      int sum = 0;
      for (int column = 0; column < columns; ++column) sum += grid.at(row, column) == '1' ? column + 1 : 0;
      if (sum != puzzle.rows[row]) {
        return {0, fmt::format("row {} adds up to {}", static_cast<char>('a' + row), sum)};
      }
    }
    for (int column = 0; column < columns; ++column) {
      int sum = 0;
      for (int row = 0; row < rows; ++row) sum += grid.at(row, column) == '1' ? row + 1 : 0;
      if (sum != puzzle.columns[column]) return {0, fmt::format("column {} adds up to {}", column + 1, sum)};
    }
    return {1, ""};
  }

 private:
  static CellLogic::Render Render(const Puzzle& puzzle) {
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    return [=](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, rows, columns)); };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    CellLogic logic(CellNames(rows, columns), 0, 1);
    for (int row = 0; row < rows; ++row) {
      const std::vector<int> cells = RowCells(row, columns);
      const int sum = puzzle.rows[row];
      logic.AddRule(fmt::format("{} {}", static_cast<char>('a' + row), sum), cells, true,
                    [=](std::span<const int> values) { return SumFits(sum, columns, values); });
    }
    for (int column = 0; column < columns; ++column) {
      const std::vector<int> cells = ColumnCells(column, rows, columns);
      const int sum = puzzle.columns[column];
      logic.AddRule(fmt::format("column {} {}", column + 1, sum), cells, true,
                    [=](std::span<const int> values) { return SumFits(sum, rows, values); });
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of kukurasu";
    Puzzle puzzle = {NumbersFromData(instance.data, "rows", 0, 0, kMostSum, where),
                     NumbersFromData(instance.data, "columns", 0, 0, kMostSum, where)};
    for (const size_t side : {puzzle.rows.size(), puzzle.columns.size()}) {
      if (side < 1 || side > static_cast<size_t>(kMostGridSide)) {
        throw Error("{}: there must be 1 to {} rows and columns", where, kMostGridSide);
      }
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::kukurasu

namespace fulgur {
std::unique_ptr<Task> MakeKukurasu() { return std::make_unique<kukurasu::Kukurasu>(); }
}  // namespace fulgur
