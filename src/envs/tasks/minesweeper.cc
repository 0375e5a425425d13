// Minesweeper: some cells show how many mines are in the eight cells around; which of the others are mines?
//
// The worked solution takes a number whose unknown neighbours can be mines in the fewest ways, lists them, and keeps
// what they agree on. Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3x3, 4 cells hidden; 2: 3 rows of 4, 5 hidden; 3: 4x4, 8; 4: 5x5, 13; 5: 6x6, 19; 6: 8x8, 34. About
// half of the hidden cells are mines. 7 and 8: 5x5 with 5 mines and 8x8 with 13, of which the numbers in two fifths of
// the free cells show only some.
#include <algorithm>
#include <array>
#include <numeric>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::minesweeper {
namespace {

struct Level {
  int rows, columns, mines, hidden;
  size_t most_text;
  bool certain = false;  // hidden cells may stay open; asked are the cells that must be mines
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {3, 3, 2, 4, 250},
                                           {3, 4, 3, 5, 250},
                                           {4, 4, 4, 8, 0},
                                           {5, 5, 7, 13, 0},
                                           {6, 6, 10, 19, 0},
                                           {8, 8, 17, 34, 0},
                                           {5, 5, 5, 17, 0, true},
                                           {8, 8, 13, 44, 0, true}}};
constexpr int kMostSteps = 200'000;  // of the search for a filling

// The number the cell would show.
int Around(const CharGrid& grid, int cell, const std::vector<bool>& mines) {
  int count = 0;
  for (const int next : AllNeighbours(cell, grid.rows, grid.columns)) count += mines[next] ? 1 : 0;
  return count;
}

// Cells in a random order, of which the first are the mines.
struct Field {
  std::vector<int> cells;
  std::vector<bool> mines;  // per cell
};
Field DrawField(Rng& rng, const Level& level) {
  Field field;
  field.cells.resize(static_cast<size_t>(level.rows) * level.columns);
  std::iota(field.cells.begin(), field.cells.end(), 0);
  rng.Shuffle<int>(field.cells);
  field.mines.resize(field.cells.size());
  for (int i = 0; i < level.mines; ++i) field.mines[field.cells[i]] = true;
  return field;
}

// Whether there are mines that fit the numbers and have a mine, or none, in some cells.
class Fillings {
 public:
  enum Value : char { kOpen, kFree, kMine };

  explicit Fillings(const CharGrid& grid) : numbers_of_(grid.size()), values_(grid.size(), kFree) {
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] == '?') {
        values_[i] = kOpen;
        continue;
      }
      Number number{grid.cells[i] - '0', {}};
      for (const int next : AllNeighbours(i, grid.rows, grid.columns)) {
        if (grid.cells[next] != '?') continue;
        number.cells.push_back(next);
        numbers_of_[next].push_back(static_cast<int>(numbers_.size()));
      }
      numbers_.push_back(number);
    }
  }

  // One that has `value` in the cell, for all cells that have a say about it; nothing if there is none.
  std::vector<Value> Find(int cell, Value value) {
    values_before_ = values_;
    steps_ = 0;
    std::vector<Value> found;
    std::vector<int> put;
    if (Put(cell, value, &put) && Extend(ComponentOf(cell))) found = values_;
    values_ = values_before_;
    return found;
  }

  // The cells that are mines in every filling. Error if there is no filling.
  std::vector<bool> Certain() {
    std::vector<bool> certain(values_.size());
    for (size_t cell = 0; cell < values_.size(); ++cell) {
      if (values_[cell] != kOpen || numbers_of_[cell].empty()) continue;
      const bool mine = !Find(static_cast<int>(cell), kMine).empty();
      const bool free = !Find(static_cast<int>(cell), kFree).empty();
      if (!mine && !free) throw Error("data of minesweeper: no mines fit the numbers");
      certain[cell] = !free;
    }
    for (const Number& number : numbers_) {
      if (number.cells.empty() && number.count != 0) throw Error("data of minesweeper: no mines fit the numbers");
    }
    return certain;
  }

 private:
  struct Number {
    int count;
    std::vector<int> cells;
  };

  // Numbers that are linked to the cell by cells they share.
  std::vector<int> ComponentOf(int cell) const {
    std::vector<bool> seen(numbers_.size());
    std::vector<int> component = numbers_of_[cell];
    for (const int number : component) seen[number] = true;
    for (size_t i = 0; i < component.size(); ++i) {
      for (const int next : numbers_[component[i]].cells) {
        for (const int number : numbers_of_[next]) {
          if (!seen[number]) component.push_back(number);
          seen[number] = true;
        }
      }
    }
    return component;
  }

  // Sets a cell and what follows from it; false if that contradicts. `put` gets the cells that were set.
  bool Put(int cell, Value value, std::vector<int>* put) {
    values_[cell] = value;
    put->push_back(cell);
    for (size_t i = put->size() - 1; i < put->size(); ++i) {
      for (const int index : numbers_of_[(*put)[i]]) {
        const Number& number = numbers_[index];
        int mines = 0, open = 0;
        for (const int next : number.cells) {
          mines += values_[next] == kMine;
          open += values_[next] == kOpen;
        }
        if (mines > number.count || mines + open < number.count) return false;
        if (open == 0 || (mines != number.count && mines + open != number.count)) continue;
        for (const int next : number.cells) {
          if (values_[next] != kOpen) continue;
          values_[next] = mines == number.count ? kFree : kMine;
          put->push_back(next);
        }
      }
    }
    return true;
  }

  bool Extend(const std::vector<int>& component) {
    if (++steps_ > kMostSteps) throw Error("data of minesweeper: it takes too long to find the mines");
    for (const int index : component) {
      for (const int cell : numbers_[index].cells) {
        if (values_[cell] != kOpen) continue;
        for (const Value value : {kMine, kFree}) {
          std::vector<int> put;
          if (Put(cell, value, &put) && Extend(component)) return true;
          for (const int back : put) values_[back] = kOpen;
        }
        return false;
      }
    }
    return true;
  }

  std::vector<Number> numbers_;
  std::vector<std::vector<int>> numbers_of_;  // per cell
  std::vector<Value> values_, values_before_;
  int steps_ = 0;
};

class Minesweeper : public Task {
 public:
  const char* name() const override { return "minesweeper"; }
  const char* description() const override { return "Find all mines from the numbers of mines around cells"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid",
             "rows separated by spaces, numbers of mines around and ? for hidden cells; at most 12 rows and columns"},
            {"certain", "true: the numbers do not settle all cells, and only those count that must be mines", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const CharGrid grid = Read(instance);
    if (IsCertain(instance)) return WorkCertain(grid);
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
    if (level.certain) {
      DrawCertain(rng, level, instance);
      return;
    }
    CharGrid grid;
    int hidden = 0;
    do {
      const auto [cells, mines] = DrawField(rng, level);
      grid = CharGrid(level.rows, level.columns, '?');
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

  // The numbers may be left in the grid, and ? for what is not certain. A grid of 0 and 1 only has 1 for mines.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const CharGrid grid = Read(instance);
    const bool certain = IsCertain(instance);
    CharGrid given;
    std::string reason;
    const std::string_view symbols = certain ? "*.012345678?" : "*.012345678";
    if (!ParseGridAnswer(answer, grid.rows, grid.columns, symbols, "#*x*X*M*m*-._.", &given, &reason)) {
      return {0, reason};
    }
    const bool binary = given.cells.find_first_not_of("01") == std::string::npos;
    std::vector<bool> mines(given.cells.size());
    for (int i = 0; i < grid.size(); ++i) {
      const char c = given.cells[i];
      mines[i] = c == '*' || (binary && c == '1');
      if (mines[i] && grid.cells[i] != '?') return {0, CellName(i, grid) + " is a number, not a mine"};
      const bool number = c != '*' && c != '.' && c != '?' && !binary;
      if (number && c != grid.cells[i] && c != '0') return {0, CellName(i, grid) + " is changed"};
    }
    if (certain) {
      const std::vector<bool> wanted = Fillings(grid).Certain();
      for (int i = 0; i < grid.size(); ++i) {
        if (mines[i] == wanted[i]) continue;
        return {0, CellName(i, grid) + (wanted[i] ? " must be a mine" : " need not be a mine")};
      }
      return {1, ""};
    }
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] == '?') continue;
      const int count = Around(grid, i, mines);
      if (count != grid.cells[i] - '0') return {0, fmt::format("{} has {} mines around", CellName(i, grid), count)};
    }
    return {1, ""};
  }

 private:
  static bool IsCertain(const TaskInstance& instance) {
    return JsonGetOr<bool>(instance.data, "certain", false, "data of minesweeper");
  }

  // The steps of the deduction as far as they go, then a supposition for every other cell that must be a mine.
  static Solution WorkCertain(const CharGrid& grid) {
    Fillings fillings(grid);
    const std::vector<bool> certain = fillings.Certain();
    const CellLogic::Result result = Logic(grid).Solve(Render(grid), 0);
    std::string text = result.text;
    CharGrid marks(grid.rows, grid.columns, '.');
    for (int i = 0; i < grid.size(); ++i) {
      if (!certain[i]) continue;
      marks.cells[i] = '*';
      if (result.values[i] != 1) text += fmt::format("{} free fits no numbers so *\n", CellName(i, grid));
    }
    text += "mines " + JoinedRows(marks);
    return {text, BoxedAnswer(JoinedRows(marks))};
  }

  static void DrawCertain(Rng& rng, const Level& level, TaskInstance* instance) {
    CharGrid grid;
    for (;;) {
      const auto [cells, mines] = DrawField(rng, level);
      grid = CharGrid(level.rows, level.columns, '?');
      for (size_t i = level.hidden; i < cells.size(); ++i) {
        grid.cells[cells[i]] = static_cast<char>('0' + Around(grid, cells[i], mines));
      }
      // At least one, and all of them are found step by step.
      const std::vector<bool> certain = Fillings(grid).Certain();
      const std::vector<int> values = Logic(grid).Solve(nullptr, 0).values;
      bool found = std::count(certain.begin(), certain.end(), true) > 0;
      for (size_t i = 0; i < cells.size(); ++i) found = found && (!certain[i] || values[i] == 1);
      if (found) break;
    }
    instance->data = {{"grid", JoinedRows(grid)}, {"certain", true}};
    instance->prompt =
        "Every ? is a hidden cell, a mine or free. A number is a free cell that tells how many of the up to "
        "eight cells around it, diagonals too, are mines. Which hidden cells must be mines, whatever the others "
        "are?\n" +
        LetteredRows(grid) + "Put the rows in \\boxed{}, * for a cell that must be a mine and . for any other cell.";
  }

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
}  // namespace fulgur::minesweeper

namespace fulgur {
std::unique_ptr<Task> MakeMinesweeper() { return std::make_unique<minesweeper::Minesweeper>(); }
}  // namespace fulgur
