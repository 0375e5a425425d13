// Sudoku: every row, column and box has every number once.
//
// The worked solution fills cells whose row, column and box leave one number, and otherwise a number that has one place
// in a row, column or box. Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: empty cells: 1: 4x4 with 4, 2: 4x4 with 6, 3: 4x4 with 10, 4: 6x6 with 20, 5: 9x9 with 35, 6: 9x9
// with 46. Boxes are 2x2, 2 rows of 3, and 3x3.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::sudoku {
namespace {

struct Level {
  int box_rows, box_columns, empty;
};
constexpr std::array<Level, 7> kLevels = {{{}, {2, 2, 4}, {2, 2, 6}, {2, 2, 10}, {2, 3, 20}, {3, 3, 35}, {3, 3, 46}}};

struct Puzzle {
  int box_rows = 0, box_columns = 0;
  CharGrid grid;  // 0: empty
};

// Cells of every row, column and box, with names.
std::vector<std::pair<std::string, std::vector<int>>> Units(const Puzzle& puzzle) {
  const int side = puzzle.grid.rows;
  std::vector<std::pair<std::string, std::vector<int>>> units(static_cast<size_t>(side) * 3);
  for (int i = 0; i < side; ++i) {
    units[i].first = std::string("row ") + static_cast<char>('a' + i);
    units[side + i].first = "column " + std::to_string(i + 1);
    units[2 * side + i].first = "box " + std::to_string(i + 1);
  }
  const int boxes_across = side / puzzle.box_columns;
  for (int cell = 0; cell < side * side; ++cell) {
    const int row = cell / side, column = cell % side;
    units[row].second.push_back(cell);
    units[side + column].second.push_back(cell);
    units[2 * side + row / puzzle.box_rows * boxes_across + column / puzzle.box_columns].second.push_back(cell);
  }
  return units;
}

// A shift pattern with rows and columns shuffled inside and among bands, and the numbers renamed.
CharGrid DrawFull(Rng& rng, int box_rows, int box_columns) {
  const int side = box_rows * box_columns;
  const auto order = [&](int bands, int inside) {
    std::vector<int> band(bands), lines;
    for (int i = 0; i < bands; ++i) band[i] = i;
    rng.Shuffle<int>(band);
    for (const int b : band) {
      std::vector<int> in(inside);
      for (int i = 0; i < inside; ++i) in[i] = b * inside + i;
      rng.Shuffle<int>(in);
      lines.insert(lines.end(), in.begin(), in.end());
    }
    return lines;
  };
  const std::vector<int> rows = order(box_columns, box_rows), columns = order(box_rows, box_columns);
  std::vector<int> numbers(side);
  for (int i = 0; i < side; ++i) numbers[i] = i + 1;
  rng.Shuffle<int>(numbers);
  CharGrid grid(side, side, '0');
  for (int row = 0; row < side; ++row) {
    for (int column = 0; column < side; ++column) {
      const int r = rows[row];
      const int shift = r % box_rows * box_columns + r / box_rows;
      grid.at(row, column) = static_cast<char>('0' + numbers[(shift + columns[column]) % side]);
    }
  }
  return grid;
}

class Sudoku : public Task {
 public:
  const char* name() const override { return "sudoku"; }
  const char* description() const override { return "Fill a grid so that rows, columns and boxes have every number"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {
        {"box_rows", "number of rows of a box"},
        {"box_columns", "number of columns of a box"},
        {"grid",
         "square of up to 9 rows of digits, separated by spaces, box_rows * box_columns a side; 0 for an empty cell"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of sudoku");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int side = level.box_rows * level.box_columns;
    Puzzle puzzle = {level.box_rows, level.box_columns, {}};
    int empty = 0;
    do {
      puzzle.grid = DrawFull(rng, level.box_rows, level.box_columns);
      std::vector<int> cells(puzzle.grid.size());
      for (size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<int>(i);
      rng.Shuffle<int>(cells);
      // Most cells at once, then some one at a time.
      const CharGrid full = puzzle.grid;
      const int at_once = std::max(level.empty * 3 / 4, level.empty - 12);
      for (int i = 0; i < at_once; ++i) puzzle.grid.cells[cells[i]] = '0';
      if (Logic(puzzle).Forced().empty()) continue;
      empty = at_once;
      for (int i = at_once; i < side * side && empty < level.empty; ++i) {
        puzzle.grid.cells[cells[i]] = '0';
        ++empty;
        if (!Logic(puzzle).Forced().empty()) continue;
        puzzle.grid.cells[cells[i]] = full.cells[cells[i]];
        --empty;
      }
    } while (empty < level.empty);
    instance->data = {
        {"box_rows", level.box_rows}, {"box_columns", level.box_columns}, {"grid", JoinedRows(puzzle.grid)}};
    const std::array<std::string, 2> prompts = {
        fmt::format(
            "Fill in the zeros so that every row, every column and every box of {} rows and {} columns has 1 to "
            "{} once.\n",
            level.box_rows, level.box_columns, side),
        fmt::format(
            "Solve this sudoku with 0 for an empty cell: every row, column and box ({} rows, {} columns) has 1 to "
            "{} once.\n",
            level.box_rows, level.box_columns, side)};
    instance->prompt = rng.Pick(prompts) + LetteredRows(puzzle.grid) + "Put the rows in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int side = puzzle.grid.rows;
    CharGrid grid;
    std::string reason;
    const std::string_view symbols = std::string_view("123456789").substr(0, side);
    if (!ParseGridAnswer(answer, side, side, symbols, "", &grid, &reason)) return {0, reason};
    if (!KeepsGivens(puzzle.grid, grid, &reason)) return {0, reason};
    for (const auto& [name, cells] : Units(puzzle)) {
      uint32_t seen = 0;
      for (const int cell : cells) seen |= 1u << (grid.cells[cell] - '1');
      if (seen != (1u << side) - 1) return {0, name + " has a number twice"};
    }
    return {1, ""};
  }

 private:
  static CellLogic::Render Render(const Puzzle& puzzle) {
    return
        [side = puzzle.grid.rows](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, side, side)); };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int side = puzzle.grid.rows;
    CellLogic logic(CellNames(side, side), 1, side);
    for (const auto& [name, cells] : Units(puzzle)) logic.AddUnit(name, cells);
    for (int i = 0; i < puzzle.grid.size(); ++i) {
      if (puzzle.grid.cells[i] != '0') logic.Set(i, puzzle.grid.cells[i] - '0');
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of sudoku";
    Puzzle puzzle;
    const int64_t rows = JsonGet<int64_t>(instance.data, "box_rows", where);
    const int64_t columns = JsonGet<int64_t>(instance.data, "box_columns", where);
    puzzle.grid = GridFromData(instance.data, "grid", "0123456789", where);
    const int side = puzzle.grid.rows;
    if (rows < 1 || rows > 9 || columns < 1 || columns > 9 || rows * columns != side || side > 9 ||
        puzzle.grid.columns != side) {
      throw Error("{}: \"grid\" must be a square, at most 9x9, of as many cells a side as a box has cells", where);
    }
    for (const char c : puzzle.grid.cells) {
      if (c - '0' > side) throw Error("{}: \"grid\": {} is larger than {}", where, c, side);
    }
    puzzle.box_rows = static_cast<int>(rows);
    puzzle.box_columns = static_cast<int>(columns);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::sudoku

namespace fulgur {
std::unique_ptr<Task> MakeSudoku() { return std::make_unique<sudoku::Sudoku>(); }
}  // namespace fulgur
