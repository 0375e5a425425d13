// Campsite: a tent beside every tree, tents not touching, and as many tents in every row and column as given.
//
// The worked solution clears cells without a tree beside them and around tents, takes a line or tree whose tents can
// stand in the fewest ways, and where nothing follows supposes a tent and sees whether that ends in a contradiction.
// Only puzzles with one solution are drawn.
//
// Difficulty: 1: 3 rows of 4 and 2 or 3 trees, 2: 4x4 and 3 or 4, 3: 5x5 and 5, 4: 6x6 and 7, 5: 7x7 and 10, 6: 8x8
// and 12.
#include <algorithm>
#include <array>
#include <functional>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::campsite {
namespace {

struct Level {
  int rows, columns, least, most;  // trees
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 4, 2, 3, 250}, {4, 4, 3, 4, 270}, {5, 5, 5, 5, 0}, {6, 6, 7, 7, 0}, {7, 7, 10, 10, 0}, {8, 8, 12, 12, 0}}};

struct Puzzle {
  CharGrid grid;                   // T and .
  std::vector<int> rows, columns;  // tents
};

// Whether every tent can have a tree of its own beside it and every tree a tent.
bool OneTentATree(const CharGrid& grid) {
  std::vector<int> tent_of(grid.size(), -1);
  std::vector<bool> seen;
  const std::function<bool(int)> match = [&](int tent) {
    for (const int tree : SideNeighbours(tent, grid.rows, grid.columns)) {
      if (grid.cells[tree] != 'T' || seen[tree]) continue;
      seen[tree] = true;
      if (tent_of[tree] < 0 || match(tent_of[tree])) {
        tent_of[tree] = tent;
        return true;
      }
    }
    return false;
  };
  for (int i = 0; i < grid.size(); ++i) {
    if (grid.cells[i] != 'C') continue;
    seen.assign(grid.size(), false);
    if (!match(i)) return false;
  }
  return std::count(grid.cells.begin(), grid.cells.end(), 'C') == std::count(grid.cells.begin(), grid.cells.end(), 'T');
}

class Campsite : public Task {
 public:
  const char* name() const override { return "campsite"; }
  const char* description() const override { return "Put up a tent beside every tree, none touching another"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid", "rows separated by spaces, T for a tree, . for an empty cell; at most 12 rows and columns"},
            {"rows", "list of numbers of tents, one a row"},
            {"columns", "list of numbers of tents, one a column"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    const Solution solution = WorkedSolution(Logic(puzzle), render, render, "data of campsite");
    if (Verify(instance, solution.answer).value != 1) throw Error("data of campsite: no solution was found");
    return solution;
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = DrawTents(rng, level);
    } while (puzzle.grid.rows == 0 || !Logic(puzzle).UniqueWithin(Render(puzzle), level.most_text));
    instance->data = {{"grid", JoinedRows(puzzle.grid)}, {"rows", puzzle.rows}, {"columns", puzzle.columns}};
    const std::array<std::string, 2> prompts = {"Put up the tents of this campsite, whose trees are T.",
                                                "Every tree (T) of this campsite needs a tent."};
    instance->prompt =
        rng.Pick(prompts) +
        " Each tree has its own tent in a cell that shares a side with it, and there are no other tents. Tents do not "
        "touch each other, not even diagonally.\n" +
        LetteredRows(puzzle.grid) +
        fmt::format("Tents in rows: {}\nTents in columns: {}\n", RowList(puzzle.rows), ColumnList(puzzle.columns)) +
        "Put the rows in \\boxed{}, with C for a tent, T for a tree and . for an empty cell.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    CharGrid grid;
    std::string reason;
    if (!ParseGridAnswer(answer, puzzle.grid.rows, puzzle.grid.columns, "TC.", "tTcC-._.0.", &grid, &reason)) {
      return {0, reason};
    }
    for (int i = 0; i < grid.size(); ++i) {
      if ((grid.cells[i] == 'T') != (puzzle.grid.cells[i] == 'T')) {
        return {0, "the tree map is changed at " + CellName(i, grid)};
      }
      if (grid.cells[i] != 'C') continue;
      for (const int next : AllNeighbours(i, grid.rows, grid.columns)) {
        if (grid.cells[next] == 'C') {
          return {0, fmt::format("tents {} and {} touch", CellName(i, grid), CellName(next, grid))};
        }
      }
    }
    for (int row = 0; row < grid.rows; ++row) {
      int count = 0;
      for (int column = 0; column < grid.columns; ++column) count += grid.at(row, column) == 'C';
      if (count != puzzle.rows[row]) {
        return {0, fmt::format("row {} has {} tents", static_cast<char>('a' + row), count)};
      }
    }
    for (int column = 0; column < grid.columns; ++column) {
      int count = 0;
      for (int row = 0; row < grid.rows; ++row) count += grid.at(row, column) == 'C';
      if (count != puzzle.columns[column]) return {0, fmt::format("column {} has {} tents", column + 1, count)};
    }
    return OneTentATree(grid) ? Score{1, ""} : Score{0, "not every tree has a tent of its own"};
  }

 private:
  static Puzzle DrawTents(Rng& rng, const Level& level) {
    CharGrid grid(level.rows, level.columns, '.');
    std::vector<int> cells(grid.size());
    for (int i = 0; i < grid.size(); ++i) cells[i] = i;
    rng.Shuffle<int>(cells);
    int left = static_cast<int>(rng.Int(level.least, level.most));
    for (const int tent : cells) {
      if (left == 0) break;
      if (grid.cells[tent] != '.') continue;
      const std::vector<int> around = AllNeighbours(tent, grid.rows, grid.columns);
      if (std::any_of(around.begin(), around.end(), [&](int next) { return grid.cells[next] == 'C'; })) continue;
      std::vector<int> beside = SideNeighbours(tent, grid.rows, grid.columns);
      std::erase_if(beside, [&](int next) { return grid.cells[next] != '.'; });
      if (beside.empty()) continue;
      grid.cells[tent] = 'C';
      grid.cells[rng.Pick(beside)] = 'T';
      --left;
    }
    if (left > 0) return {};
    Puzzle puzzle = {grid, std::vector<int>(grid.rows), std::vector<int>(grid.columns)};
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] != 'C') continue;
      ++puzzle.rows[i / grid.columns];
      ++puzzle.columns[i % grid.columns];
      puzzle.grid.cells[i] = '.';
    }
    return puzzle;
  }

  static CellLogic::Render Render(const Puzzle& puzzle) {
    return [grid = puzzle.grid](const std::vector<int>& values) {
      CharGrid state = grid;
      for (int i = 0; i < grid.size(); ++i) {
        if (grid.cells[i] != 'T') state.cells[i] = values[i] < 0 ? '?' : values[i] == 1 ? 'C' : '.';
      }
      return JoinedRows(state);
    };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const CharGrid& grid = puzzle.grid;
    const auto count_is = [](int count, int size) {
      return [=](std::span<const int> values) {
        const int so_far = static_cast<int>(std::count(values.begin(), values.end(), 1));
        return so_far <= count && so_far + size - static_cast<int>(values.size()) >= count;
      };
    };
    CellLogic logic(CellNames(grid.rows, grid.columns), 0, 1);
    for (int i = 0; i < grid.size(); ++i) {
      for (const int next : AllNeighbours(i, grid.rows, grid.columns)) {
        if (next > i) logic.Exclude(i, next, 1);
      }
      const std::vector<int> beside = SideNeighbours(i, grid.rows, grid.columns);
      const bool tree = std::any_of(beside.begin(), beside.end(), [&](int next) { return grid.cells[next] == 'T'; });
      if (grid.cells[i] == 'T' || !tree) logic.Set(i, 0);
    }
    for (int row = 0; row < grid.rows; ++row) {
      std::vector<int> cells;
      for (int column = 0; column < grid.columns; ++column) cells.push_back(row * grid.columns + column);
      logic.AddRule(fmt::format("row {} {}", static_cast<char>('a' + row), puzzle.rows[row]), cells, false,
                    count_is(puzzle.rows[row], grid.columns));
    }
    for (int column = 0; column < grid.columns; ++column) {
      std::vector<int> cells;
      for (int row = 0; row < grid.rows; ++row) cells.push_back(row * grid.columns + column);
      logic.AddRule(fmt::format("column {} {}", column + 1, puzzle.columns[column]), cells, false,
                    count_is(puzzle.columns[column], grid.rows));
    }
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] != 'T') continue;
      const std::vector<int> cells = SideNeighbours(i, grid.rows, grid.columns);
      const size_t size = cells.size();
      logic.AddRule("tree " + CellName(i, grid), cells, false, [=](std::span<const int> values) {
        return values.size() < size || std::count(values.begin(), values.end(), 1) > 0;
      });
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of campsite";
    Puzzle puzzle = {GridFromData(instance.data, "grid", "T.", where), {}, {}};
    puzzle.rows = NumbersFromData(instance.data, "rows", puzzle.grid.rows, 0, kMostGridSide, where);
    puzzle.columns = NumbersFromData(instance.data, "columns", puzzle.grid.columns, 0, kMostGridSide, where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::campsite

namespace fulgur {
std::unique_ptr<Task> MakeCampsite() { return std::make_unique<campsite::Campsite>(); }
}  // namespace fulgur
