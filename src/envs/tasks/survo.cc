// Survo: put the numbers from 1 on, each once, into a grid with given sums of rows and columns.
//
// The worked solution takes a row or column that can be filled with unused numbers in the fewest ways, lists them, and
// keeps what they agree on; where nothing follows it supposes a number and sees whether that ends in a contradiction.
// Only puzzles with one solution are drawn.
//
// Difficulty: empty cells: 1: 2 rows of 3 with 4, 2: 3x3 with 5, 3: 3x3 with 6, 4: 3 rows of 4 with 8, 5: 3 rows of 4
// with 9, 6: 4x4 with 9.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur {
namespace {

struct Level {
  int rows, columns, empty;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {2, 3, 4, 240}, {3, 3, 5, 260}, {3, 3, 6, 0}, {3, 4, 8, 0}, {3, 4, 9, 0}, {4, 4, 9, 0}}};
constexpr int kMostCells = 25;
constexpr int kMostSum = 1000;

struct Puzzle {
  std::vector<int> grid;           // row by row; 0: empty
  std::vector<int> rows, columns;  // sums
};

// "1 ? 3; 4 5 6"
std::string Text(const std::vector<int>& numbers, int columns, const char* separator) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) text += static_cast<int>(i) % columns == 0 ? separator : " ";
    text += numbers[i] < 0 ? "?" : std::to_string(numbers[i]);
  }
  return text;
}

class Survo : public Task {
 public:
  const char* name() const override { return "survo"; }
  const char* description() const override {
    return "Place the numbers 1, 2, ... once each so that all sums are right";
  }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid", "list of rows * columns numbers, row by row; 0 for an empty cell"},
            {"rows", "list of sums, one a row"},
            {"columns", "list of sums, one a column"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of survo");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int size = level.rows * level.columns;
    Puzzle puzzle;
    do {
      puzzle = {std::vector<int>(size), std::vector<int>(level.rows), std::vector<int>(level.columns)};
      for (int i = 0; i < size; ++i) puzzle.grid[i] = i + 1;
      rng.Shuffle<int>(puzzle.grid);
      for (int i = 0; i < size; ++i) {
        puzzle.rows[i / level.columns] += puzzle.grid[i];
        puzzle.columns[i % level.columns] += puzzle.grid[i];
      }
      for (int empty = 0; empty < level.empty;) {
        int& cell = puzzle.grid[rng.Below(size)];
        empty += cell != 0;
        cell = 0;
      }
    } while (!Logic(puzzle).UniqueWithin(Render(puzzle), level.most_text));
    instance->data = {{"grid", puzzle.grid}, {"rows", puzzle.rows}, {"columns", puzzle.columns}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Replace the zeros so that the grid has each of the numbers 1 to {} exactly once and all sums are "
                    "right.",
                    size),
        fmt::format(
            "Solve this survo puzzle: fill in the zeros with the missing numbers of 1 to {}, each once, so that "
            "all sums are right.",
            size)};
    std::string lines;
    for (int row = 0; row < level.rows; ++row) {
      const auto begin = puzzle.grid.begin() + static_cast<std::ptrdiff_t>(row) * level.columns;
      lines += fmt::format("{} {}\n", static_cast<char>('a' + row),
                           Text(std::vector<int>(begin, begin + level.columns), level.columns, ""));
    }
    instance->prompt =
        rng.Pick(prompts) + "\n" + lines +
        fmt::format("Row sums: {}\nColumn sums: {}\n", RowList(puzzle.rows), ColumnList(puzzle.columns)) +
        "Put the rows in \\boxed{}, with spaces between numbers and semicolons between rows.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    std::vector<int> numbers;
    std::string reason;
    if (!ParseNumberGridAnswer(answer, rows, columns, rows * columns, &numbers, &reason)) return {0, reason};
    std::vector<int> row_sums(rows), column_sums(columns), sorted = numbers;
    std::sort(sorted.begin(), sorted.end());
    for (int i = 0; i < rows * columns; ++i) {
      if (sorted[i] != i + 1) return {0, fmt::format("not every number from 1 to {} is there once", rows * columns)};
      if (puzzle.grid[i] != 0 && puzzle.grid[i] != numbers[i]) {
        return {0, CellName(i / columns, i % columns) + " was given and is changed"};
      }
      row_sums[i / columns] += numbers[i];
      column_sums[i % columns] += numbers[i];
    }
    for (int row = 0; row < rows; ++row) {
      if (row_sums[row] != puzzle.rows[row]) {
        return {0, fmt::format("row {} adds up to {}", static_cast<char>('a' + row), row_sums[row])};
      }
    }
    for (int column = 0; column < columns; ++column) {
      if (column_sums[column] != puzzle.columns[column]) {
        return {0, fmt::format("column {} adds up to {}", column + 1, column_sums[column])};
      }
    }
    return {1, ""};
  }

 private:
  static CellLogic::Render Render(const Puzzle& puzzle) {
    return [columns = static_cast<int>(puzzle.columns.size())](const std::vector<int>& values) {
      return Text(values, columns, "; ");
    };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    CellLogic logic(CellNames(rows, columns), 1, rows * columns);
    std::vector<int> all(rows * columns);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
    logic.AddUnit("grid", all);
    for (size_t i = 0; i < all.size(); ++i) {
      if (puzzle.grid[i] != 0) logic.Set(static_cast<int>(i), puzzle.grid[i]);
    }
    const auto add = [&](const std::string& name, const std::vector<int>& cells, int sum) {
      logic.AddRule(fmt::format("{} {}", name, sum), cells, false,
                    [=, size = cells.size()](std::span<const int> values) {
                      int rest = sum;
                      for (const int value : values) rest -= value;
                      return values.size() == size ? rest == 0 : rest > 0;
                    });
    };
    for (int row = 0; row < rows; ++row) {
      add(std::string("row ") + static_cast<char>('a' + row),
          std::vector<int>(all.begin() + static_cast<std::ptrdiff_t>(row) * columns,
                           all.begin() + static_cast<std::ptrdiff_t>(row + 1) * columns),
          puzzle.rows[row]);
    }
    for (int column = 0; column < columns; ++column) {
      const std::vector<int> cells = ColumnCells(column, rows, columns);
      add("column " + std::to_string(column + 1), cells, puzzle.columns[column]);
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of survo";
    Puzzle puzzle;
    puzzle.rows = NumbersFromData(instance.data, "rows", 0, 0, kMostSum, where);
    puzzle.columns = NumbersFromData(instance.data, "columns", 0, 0, kMostSum, where);
    const size_t size = puzzle.rows.size() * puzzle.columns.size();
    if (size < 1 || size > kMostCells) throw Error("{}: there must be 1 to {} cells", where, kMostCells);
    puzzle.grid = NumbersFromData(instance.data, "grid", size, 0, static_cast<int>(size), where);
    return puzzle;
  }
};

}  // namespace

std::unique_ptr<Task> MakeSurvo() { return std::make_unique<Survo>(); }

}  // namespace fulgur
