// Minesweeper: some cells show how many mines are in the eight cells around; which of the others are mines?
//
// The worked solution takes a number whose unknown neighbours can be mines in the fewest ways, lists them, and keeps
// what they agree on. Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3x3, 4 cells hidden; 2: 3 rows of 4, 5 hidden; 3: 4x4, 8; 4: 5x5, 13; 5: 6x6, 19; 6: 8x8, 34. About
// half of the hidden cells are mines.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur {
namespace {

struct Level {
  int rows, columns, mines, hidden;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {3, 3, 2, 4, 250},
                                           {3, 4, 3, 5, 250},
                                           {4, 4, 4, 8, 0},
                                           {5, 5, 7, 13, 0},
                                           {6, 6, 10, 19, 0},
                                           {8, 8, 17, 34, 0}}};

// The number the cell would show.
int Around(const CharGrid& grid, int cell, const std::vector<bool>& mines) {
  int count = 0;
  for (const int next : AllNeighbours(cell, grid.rows, grid.columns)) count += mines[next] ? 1 : 0;
  return count;
}

class Minesweeper : public Task {
 public:
  const char* name() const override { return "minesweeper"; }
  const char* description() const override { return "Find all mines from the numbers of mines around cells"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid",
             "rows separated by spaces, numbers of mines around and ? for hidden cells; at most 12 rows and columns"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const CharGrid grid = Read(instance);
    return WorkedSolution(
        Logic(grid), Render(grid),
        [&](const std::vector<int>& values) {
          CharGrid marks(grid.rows, grid.columns, '.');
          for (int i = 0; i < grid.size(); ++i) marks.cells[i] = values[i] == 1 ? '*' : '.';
          return JoinedRows(marks);
        },
        "data of minesweeper");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    CharGrid grid;
    int hidden = 0;
    do {
      std::vector<int> cells(static_cast<size_t>(level.rows) * level.columns);
      for (size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<int>(i);
      rng.Shuffle<int>(cells);
      grid = CharGrid(level.rows, level.columns, '?');
      std::vector<bool> mines(cells.size());
      for (int i = 0; i < level.mines; ++i) mines[cells[i]] = true;
      for (int i = 0; i < grid.size(); ++i) {
        if (!mines[i]) grid.cells[i] = static_cast<char>('0' + Around(grid, i, mines));
      }
      hidden = level.mines;
      // Hide what can be hidden: half of what is wanted at once, then cell by cell.
      CharGrid trial = grid;
      const int at_once = (level.hidden - level.mines) / 2;
      for (int i = 0; i < at_once; ++i) trial.cells[cells[level.mines + i]] = '?';
      if (!Logic(trial).Forced().empty()) {
        grid = trial;
        hidden += at_once;
      } else if (Logic(grid).Forced().empty()) {
        continue;
      }
      for (size_t i = level.mines + at_once; i < cells.size() && hidden < level.hidden; ++i) {
        trial = grid;
        trial.cells[cells[i]] = '?';
        if (Logic(trial).Forced().empty()) continue;
        grid = trial;
        ++hidden;
      }
    } while (hidden < level.hidden || !Logic(grid).ForcedWithin(Render(grid), level.most_text));
    instance->data = {{"grid", JoinedRows(grid)}};
    const std::array<std::string, 2> prompts = {"Find the mines.", "Which cells are mines?"};
    instance->prompt = rng.Pick(prompts) +
                       " Every ? is a mine or a free cell. A number is a free cell that tells how many of the up to "
                       "eight cells around it, diagonals too, are mines.\n" +
                       LetteredRows(grid) + "Put the rows in \\boxed{}, * for a mine and . for any other cell.";
  }

  // The numbers may be left in the grid. A grid of 0 and 1 only has 1 for mines.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const CharGrid grid = Read(instance);
    CharGrid given;
    std::string reason;
    if (!ParseGridAnswer(answer, grid.rows, grid.columns, "*.012345678", "#*x*X*M*m*-._.", &given, &reason)) {
      return {0, reason};
    }
    const bool binary = given.cells.find_first_not_of("01") == std::string::npos;
    std::vector<bool> mines(given.cells.size());
    for (int i = 0; i < grid.size(); ++i) {
      const char c = given.cells[i];
      mines[i] = c == '*' || (binary && c == '1');
      if (mines[i] && grid.cells[i] != '?') return {0, CellName(i, grid) + " is a number, not a mine"};
      const bool number = c != '*' && c != '.' && !binary;
      if (number && c != grid.cells[i] && c != '0') return {0, CellName(i, grid) + " is changed"};
    }
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] == '?') continue;
      const int count = Around(grid, i, mines);
      if (count != grid.cells[i] - '0') return {0, fmt::format("{} has {} mines around", CellName(i, grid), count)};
    }
    return {1, ""};
  }

 private:
  static CellLogic::Render Render(const CharGrid& grid) {
    return [grid](const std::vector<int>& values) {
      CharGrid state = grid;
      for (int i = 0; i < grid.size(); ++i) {
        if (grid.cells[i] == '?' && values[i] >= 0) state.cells[i] = values[i] == 1 ? '*' : '.';
      }
      return JoinedRows(state);
    };
  }

  static CellLogic Logic(const CharGrid& grid) {
    CellLogic logic(CellNames(grid.rows, grid.columns), 0, 1);
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] == '?') continue;
      logic.Set(i, 0);
      std::vector<int> cells;
      for (const int next : AllNeighbours(i, grid.rows, grid.columns)) {
        if (grid.cells[next] == '?') cells.push_back(next);
      }
      const int count = grid.cells[i] - '0', size = static_cast<int>(cells.size());
      logic.AddRule(fmt::format("{} {}", CellName(i, grid), count), cells, false, [=](std::span<const int> values) {
        const int so_far = static_cast<int>(std::count(values.begin(), values.end(), 1));
        return so_far <= count && so_far + size - static_cast<int>(values.size()) >= count;
      });
    }
    return logic;
  }

  static CharGrid Read(const TaskInstance& instance) {
    return GridFromData(instance.data, "grid", "?012345678", "data of minesweeper");
  }
};

}  // namespace

std::unique_ptr<Task> MakeMinesweeper() { return std::make_unique<Minesweeper>(); }

}  // namespace fulgur
