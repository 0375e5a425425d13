// Nonogram: shade cells so that the runs of shaded cells in every row and column have the given lengths.
//
// The worked solution takes a line that can be filled in the fewest ways, lists them, and keeps what they agree on.
// Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3 rows of 4, 2: 4x4, 3: 5x5, 4: 6x6, 5: 7x7, 6: 8x8. Level 1 needs few steps.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::nonogram {
namespace {

struct Level {
  int rows, columns;
  double shaded;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 4, 0.6, 230}, {4, 4, 0.55, 0}, {5, 5, 0.55, 0}, {6, 6, 0.6, 0}, {7, 7, 0.6, 0}, {8, 8, 0.62, 0}}};

using Runs = std::vector<int>;  // {0}: no cell is shaded

struct Puzzle {
  std::vector<Runs> rows, columns;
};

// Whether a line that begins with these values may have the runs.
bool RunsFit(const Runs& runs, size_t length, std::span<const int> values) {
  size_t run = 0;  // runs that have ended
  int open = 0;
  const size_t count = runs[0] == 0 ? 0 : runs.size();
  for (const int value : values) {
    if (value == 1) {
      if (run == count || ++open > runs[run]) return false;
    } else if (open > 0) {
      if (open != runs[run]) return false;
      ++run;
      open = 0;
    }
  }
  size_t needed = 0;  // cells from here on
  for (size_t i = run; i < count; ++i) needed += static_cast<size_t>(runs[i]) + (i > run ? 1 : 0);
  return needed <= length - values.size() + static_cast<size_t>(open);
}

Runs RunsOf(const std::vector<int>& line) {
  Runs runs;
  int open = 0;
  for (size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == 1) {
      ++open;
    } else if (open > 0) {
      runs.push_back(open);
      open = 0;
    }
  }
  return runs.empty() ? Runs{0} : runs;
}

std::string Text(const Runs& runs) { return fmt::format("{}", fmt::join(runs, " ")); }

class Nonogram : public Task {
 public:
  const char* name() const override { return "nonogram"; }
  const char* description() const override { return "Shade a grid so that the runs of its lines are as given"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {{"rows", "list of 1 to 12 lists of lengths of runs, [0] for none"},
            {"columns", "list of 1 to 12 lists of lengths of runs, [0] for none"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of nonogram");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = {};
      std::vector<std::vector<int>> rows(level.rows, std::vector<int>(level.columns));
      std::vector<std::vector<int>> columns(level.columns, std::vector<int>(level.rows));
      for (int row = 0; row < level.rows; ++row) {
        for (int column = 0; column < level.columns; ++column) {
          rows[row][column] = columns[column][row] = rng.Chance(level.shaded) ? 1 : 0;
        }
      }
      for (const auto& row : rows) puzzle.rows.push_back(RunsOf(row));
      for (const auto& column : columns) puzzle.columns.push_back(RunsOf(column));
    } while (!Logic(puzzle).ForcedWithin(Render(puzzle), level.most_text));
    instance->data = {{"rows", puzzle.rows}, {"columns", puzzle.columns}};
    std::string clues = "Rows: ";
    for (size_t i = 0; i < puzzle.rows.size(); ++i) {
      clues += fmt::format("{}{}: {}", i == 0 ? "" : ", ", static_cast<char>('a' + i), Text(puzzle.rows[i]));
    }
    clues += "\nColumns: ";
    for (size_t i = 0; i < puzzle.columns.size(); ++i) {
      clues += fmt::format("{}{}: {}", i == 0 ? "" : ", ", i + 1, Text(puzzle.columns[i]));
    }
    const std::array<std::string, 2> prompts = {
        fmt::format("Solve this nonogram of {} rows and {} columns.", level.rows, level.columns),
        fmt::format("Shade cells in {} rows and {} columns.", level.rows, level.columns)};
    instance->prompt = rng.Pick(prompts) +
                       " The numbers are the lengths of the runs of shaded cells in a row or column, in order, with at "
                       "least one empty cell between two runs; 0: no cell is shaded.\n" +
                       clues + "\nPut the rows in \\boxed{}, 1 for a shaded cell and 0 for an empty one.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int rows = static_cast<int>(puzzle.rows.size()), columns = static_cast<int>(puzzle.columns.size());
    CharGrid grid;
    std::string reason;
    if (!ParseGridAnswer(answer, rows, columns, "01", kMarkAliases, &grid, &reason)) return {0, reason};
    for (int row = 0; row < rows; ++row) {
      std::vector<int> line;
      for (int column = 0; column < columns; ++column) line.push_back(grid.at(row, column) - '0');
      if (RunsOf(line) != puzzle.rows[row]) {
        return {0, fmt::format("row {} has {} instead of {}", static_cast<char>('a' + row), Text(RunsOf(line)),
                               Text(puzzle.rows[row]))};
      }
    }
    for (int column = 0; column < columns; ++column) {
      std::vector<int> line;
      for (int row = 0; row < rows; ++row) line.push_back(grid.at(row, column) - '0');
      if (RunsOf(line) != puzzle.columns[column]) {
        return {0, fmt::format("column {} has {} instead of {}", column + 1, Text(RunsOf(line)),
                               Text(puzzle.columns[column]))};
      }
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
      const Runs runs = puzzle.rows[row];
      logic.AddRule(fmt::format("{} {}", static_cast<char>('a' + row), Text(runs)), cells, true,
                    [=](std::span<const int> values) { return RunsFit(runs, columns, values); });
    }
    for (int column = 0; column < columns; ++column) {
      const std::vector<int> cells = ColumnCells(column, rows, columns);
      const Runs runs = puzzle.columns[column];
      logic.AddRule(fmt::format("column {} {}", column + 1, Text(runs)), cells, true,
                    [=](std::span<const int> values) { return RunsFit(runs, rows, values); });
    }
    return logic;
  }

  static std::vector<Runs> ReadLines(const Json& data, const char* key) {
    const std::string where = "data of nonogram";
    const auto list = data.is_object() ? data.find(key) : data.end();
    if (!data.is_object() || list == data.end() || !list->is_array() || list->empty() ||
        list->size() > static_cast<size_t>(kMostGridSide)) {
      throw Error("{}: \"{}\" must be a list of 1 to {} lists", where, key, kMostGridSide);
    }
    std::vector<Runs> lines;
    for (const Json& runs : *list) {
      lines.push_back(NumbersFromData({{"runs", runs}}, "runs", 0, 0, kMostGridSide, where));
      const bool none = lines.back() == Runs{0};
      if (lines.back().empty() || (!none && std::count(lines.back().begin(), lines.back().end(), 0) > 0)) {
        throw Error("{}: \"{}\": {} must be lengths of runs, or [0]", where, key, runs.dump());
      }
    }
    return lines;
  }

  static Puzzle Read(const TaskInstance& instance) {
    return {ReadLines(instance.data, "rows"), ReadLines(instance.data, "columns")};
  }
};

}  // namespace
}  // namespace fulgur::nonogram

namespace fulgur {
std::unique_ptr<Task> MakeNonogram() { return std::make_unique<nonogram::Nonogram>(); }
}  // namespace fulgur
