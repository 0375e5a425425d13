// Survo: put the numbers from 1 on, each once, into a grid with given sums of rows and columns.
//
// The worked solution takes a row or column that can be filled with unused numbers in the fewest ways, lists them, and
// keeps what they agree on; where nothing follows it supposes a number and sees whether that ends in a contradiction.
// Only puzzles with one solution are drawn.
//
// Difficulty: empty cells: 1: 2 rows of 3 with 4, 2: 3x3 with 5, 3: 3x3 with 6, 4: 3 rows of 4 with 8, 5: 3 rows of 4
// with 9, 6: 4x4 with 9. 7 and 8: 3x3 with 4 and 4x4 with 7, any numbers from 1 to 9, and the missing ones are given.
// There may be several solutions then; the worked one fills in line by line and goes back where nothing fits.
#include <algorithm>
#include <array>
#include <numeric>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::survo {
namespace {

struct Level {
  int rows, columns, empty;
  size_t most_text;
  int largest = 0;  // number, if any may be there, and more than once
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {2, 3, 4, 240},
                                           {3, 3, 5, 260},
                                           {3, 3, 6, 0},
                                           {3, 4, 8, 0},
                                           {3, 4, 9, 0},
                                           {4, 4, 9, 0},
                                           {3, 3, 4, 0, 9},
                                           {4, 4, 7, 0, 9}}};
constexpr int kMostCells = 25, kMostGivenCells = 100;
constexpr int kMostSum = 10'000;
constexpr int kMostTries = 100'000, kMostShownTries = 60;

struct Puzzle {
  std::vector<int> grid;           // row by row; 0: empty
  std::vector<int> rows, columns;  // sums
  bool given = false;              // the numbers to fill in are given
  std::vector<int> numbers;        // those, sorted
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
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid", "list of rows * columns numbers, row by row; 0 for an empty cell"},
            {"rows", "list of sums, one a row"},
            {"columns", "list of sums, one a column"},
            {"numbers",
             "list of the numbers to fill in, each used once; if it is not there, the numbers from 1 to rows * columns "
             "that are missing",
             true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    if (puzzle.given) return Fill(puzzle);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of survo");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int size = level.rows * level.columns;
    Puzzle puzzle;
    puzzle.given = level.largest > 0;
    do {
      puzzle = {
          std::vector<int>(size), std::vector<int>(level.rows), std::vector<int>(level.columns), puzzle.given, {}};
      for (int i = 0; i < size; ++i) {
        puzzle.grid[i] = puzzle.given ? static_cast<int>(rng.Int(1, level.largest)) : i + 1;
      }
      if (!puzzle.given) rng.Shuffle<int>(puzzle.grid);
      for (int i = 0; i < size; ++i) {
        puzzle.rows[i / level.columns] += puzzle.grid[i];
        puzzle.columns[i % level.columns] += puzzle.grid[i];
      }
      for (int empty = 0; empty < level.empty;) {
        int& cell = puzzle.grid[rng.Below(size)];
        empty += cell != 0;
        if (cell != 0 && puzzle.given) puzzle.numbers.push_back(cell);
        cell = 0;
      }
      std::sort(puzzle.numbers.begin(), puzzle.numbers.end());
    } while (puzzle.given ? !FindFilling(puzzle, kMostShownTries).solved
                          : !Logic(puzzle).UniqueWithin(Render(puzzle), level.most_text));
    instance->data = {{"grid", puzzle.grid}, {"rows", puzzle.rows}, {"columns", puzzle.columns}};
    if (puzzle.given) instance->data["numbers"] = puzzle.numbers;
    instance->prompt =
        Opening(rng, puzzle) + "\n" + Lines(puzzle) +
        fmt::format("Row sums: {}\nColumn sums: {}\n", RowList(puzzle.rows), ColumnList(puzzle.columns)) +
        "Put the rows in \\boxed{}, with spaces between numbers and semicolons between rows.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    std::vector<int> numbers;
    std::string reason;
    if (!ParseNumberGridAnswer(answer, rows, columns, puzzle.given ? kMostSum : rows * columns, &numbers, &reason) &&
        !(puzzle.given && ParseWithSums(puzzle, answer, &numbers))) {
      return {0, reason};
    }
    std::vector<int> row_sums(rows), column_sums(columns), filled;
    for (int i = 0; i < rows * columns; ++i) {
      if (!puzzle.given || puzzle.grid[i] == 0) filled.push_back(numbers[i]);
    }
    std::sort(filled.begin(), filled.end());
    if (puzzle.given && filled != puzzle.numbers) return {0, "not the given numbers are filled in, each once"};
    for (int i = 0; i < rows * columns; ++i) {
      if (!puzzle.given && filled[i] != i + 1) {
        return {0, fmt::format("not every number from 1 to {} is there once", rows * columns)};
      }
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
  static std::string Opening(Rng& rng, const Puzzle& puzzle) {
    if (puzzle.given) {
      return fmt::format("Replace the zeros by the numbers {}, each of them used once, so that all sums are right.",
                         fmt::join(puzzle.numbers, " "));
    }
    const size_t size = puzzle.grid.size();
    const std::array<std::string, 2> prompts = {
        fmt::format("Replace the zeros so that the grid has each of the numbers 1 to {} exactly once and all sums are "
                    "right.",
                    size),
        fmt::format(
            "Solve this survo puzzle: fill in the zeros with the missing numbers of 1 to {}, each once, so that "
            "all sums are right.",
            size)};
    return rng.Pick(prompts);
  }

  static std::string Lines(const Puzzle& puzzle) {
    const int columns = static_cast<int>(puzzle.columns.size());
    std::string lines;
    for (size_t row = 0; row < puzzle.rows.size(); ++row) {
      const auto begin = puzzle.grid.begin() + static_cast<std::ptrdiff_t>(row) * columns;
      lines += fmt::format("{} {}\n", static_cast<char>('a' + row),
                           Text(std::vector<int>(begin, begin + columns), columns, ""));
    }
    return lines;
  }

  // An answer that has the sums at the ends of its rows and columns as well, and maybe their total in the corner.
  static bool ParseWithSums(const Puzzle& puzzle, const std::string& answer, std::vector<int>* numbers) {
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    std::vector<int> all;
    std::string reason;
    if (!ParseNumberGridAnswer(answer, rows + 1, columns + 1, kMostGivenCells * kMostSum, &all, &reason)) return false;
    numbers->clear();
    const auto at = [&](int row, int column) { return all[static_cast<size_t>(row) * (columns + 1) + column]; };
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) numbers->push_back(at(row, column));
      if (at(row, columns) != puzzle.rows[row]) return false;
    }
    for (int column = 0; column < columns; ++column) {
      if (at(rows, column) != puzzle.columns[column]) return false;
    }
    return at(rows, columns) == std::accumulate(puzzle.rows.begin(), puzzle.rows.end(), 0);
  }

  struct Filling {
    bool solved = false;
    int tries = 0;
    std::string text;
    std::vector<int> grid;
  };

  // Fills the row or column with the fewest empty cells first; of ways to fill it, that with the smallest numbers
  // first.
  struct Search {
    const Puzzle& puzzle;
    int most_tries;
    Filling result = {false, 0, "", puzzle.grid};
    std::vector<int> left = puzzle.numbers;

    bool Run() {
      const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
      std::vector<int> best;
      int best_sum = 0, best_line = -1;
      for (int line = 0; line < rows + columns; ++line) {
        std::vector<int> empty;
        int sum = line < rows ? puzzle.rows[line] : puzzle.columns[line - rows];
        for (const int cell : line < rows ? RowCells(line, columns) : ColumnCells(line - rows, rows, columns)) {
          sum -= result.grid[cell];
          if (result.grid[cell] == 0) empty.push_back(cell);
        }
        if (empty.empty() && sum != 0) return false;
        if (empty.empty() || (best_line >= 0 && empty.size() >= best.size())) continue;
        best = empty;
        best_sum = sum;
        best_line = line;
      }
      if (best_line < 0) return true;
      const std::string name = best_line < rows ? std::string("row ") + static_cast<char>('a' + best_line)
                                                : fmt::format("column {}", best_line - rows + 1);
      return Place(fmt::format("{} needs {}", name, best_sum), best, 0, best_sum);
    }

    // Cells from `at` on, which are to make `sum`.
    bool Place(const std::string& need, const std::vector<int>& cells, size_t at, int sum) {
      if (at == cells.size()) {
        if (sum != 0) return false;
        if (++result.tries > most_tries) return false;
        std::vector<int> put;
        for (const int cell : cells) put.push_back(result.grid[cell]);
        const size_t before = result.text.size();
        result.text += fmt::format("{}: {} left {}\n", need, fmt::join(put, " "), fmt::join(left, " "));
        if (Run()) return true;
        // Of many ways back a few are enough to show.
        if (result.tries > 3) {
          result.text.resize(before);
        } else {
          result.text += "back\n";
        }
        return false;
      }
      for (size_t i = 0; i < left.size(); ++i) {
        const int number = left[i];
        if (number > sum) break;
        if (i > 0 && left[i - 1] == number) continue;
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
        result.grid[cells[at]] = number;
        if (Place(need, cells, at + 1, sum - number)) return true;
        result.grid[cells[at]] = 0;
        left.insert(left.begin() + static_cast<std::ptrdiff_t>(i), number);
        if (result.tries > most_tries) return false;
      }
      return false;
    }
  };

  static Filling FindFilling(const Puzzle& puzzle, int most_tries) {
    Search search{puzzle, most_tries};
    search.result.solved = search.Run() && search.left.empty();
    return search.result;
  }

  static Solution Fill(const Puzzle& puzzle) {
    const Filling filling = FindFilling(puzzle, kMostTries);
    if (!filling.solved) throw Error("data of survo: no filling was found");
    const std::string answer = Text(filling.grid, static_cast<int>(puzzle.columns.size()), "; ");
    return {fmt::format("left {}\n{}{}", fmt::join(puzzle.numbers, " "), filling.text, answer), BoxedAnswer(answer)};
  }

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
    puzzle.given = instance.data.contains("numbers");
    const size_t most = puzzle.given ? kMostGivenCells : kMostCells;
    if (size < 1 || size > most) throw Error("{}: there must be 1 to {} cells", where, most);
    puzzle.grid =
        NumbersFromData(instance.data, "grid", size, 0, puzzle.given ? kMostSum : static_cast<int>(size), where);
    if (puzzle.given) {
      const auto empty = static_cast<size_t>(std::count(puzzle.grid.begin(), puzzle.grid.end(), 0));
      if (empty == 0) throw Error("{}: \"grid\" has no empty cell, a 0", where);
      puzzle.numbers = NumbersFromData(instance.data, "numbers", empty, 1, kMostSum, where);
      std::sort(puzzle.numbers.begin(), puzzle.numbers.end());
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::survo

namespace fulgur {
std::unique_ptr<Task> MakeSurvo() { return std::make_unique<survo::Survo>(); }
}  // namespace fulgur
