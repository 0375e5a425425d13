// Skyscrapers: a Latin square of building heights; numbers at the border tell how many buildings are visible from
// there.
//
// The worked solution fills cells whose row and column leave one height, heights that have one place in a row or
// column, and otherwise takes a line with clues that can be filled in the fewest ways. Only puzzles that this solves
// are drawn, so there is one solution.
//
// Difficulty: empty cells and clues: 1: 4x4 with 6 and 4, 2: 4x4 with 9 and 8, 3: 4x4 with 12 and 12, 4: 4x4 with 16
// and 16, 5: 5x5 with 18 and 14, 6: 5x5 with 23 and 20.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::skyscraper_puzzle {
namespace {

struct Level {
  int side, empty, clues;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {4, 6, 4, 250}, {4, 9, 8, 0}, {4, 12, 12, 0}, {4, 16, 16, 0}, {5, 18, 14, 0}, {5, 23, 20, 0}}};
constexpr std::array<const char*, 4> kSides = {"top", "bottom", "left", "right"};
constexpr int kMostSide = 9;

struct Puzzle {
  CharGrid grid;                          // 0: empty
  std::array<std::vector<int>, 4> clues;  // as kSides; 0: none
};

// Buildings visible from the first.
template <typename Values>
int Visible(const Values& heights) {
  int count = 0, highest = 0;
  for (const int height : heights) {
    if (height <= highest) continue;
    ++count;
    highest = height;
  }
  return count;
}

// The cells of a line as seen from a side.
std::vector<int> Line(int side, size_t from, int line) {
  std::vector<int> cells;
  for (int i = 0; i < side; ++i) {
    const int along = from % 2 == 0 ? i : side - 1 - i;
    cells.push_back(from < 2 ? along * side + line : line * side + along);
  }
  return cells;
}

bool LineFits(int side, int first, int last, std::span<const int> values) {
  const int visible = Visible(values);
  if (first != 0 && visible > first) return false;
  if (static_cast<int>(values.size()) < side) return true;
  if (first != 0 && visible != first) return false;
  return last == 0 || Visible(std::vector<int>(values.rbegin(), values.rend())) == last;
}

class SkyscraperPuzzle : public Task {
 public:
  const char* name() const override { return "skyscraper_puzzle"; }
  const char* description() const override { return "Fill a Latin square of heights so that as many are visible"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid", "square of up to 9 rows of digits, separated by spaces; 0 for an empty cell"},
            {"top", "list of numbers of buildings to be seen from there, one a column; 0 for no clue"},
            {"bottom", "list of numbers of buildings to be seen from there, one a column; 0 for no clue"},
            {"left", "list of numbers of buildings to be seen from there, one a row; 0 for no clue"},
            {"right", "list of numbers of buildings to be seen from there, one a row; 0 for no clue"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of skyscraper_puzzle");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int side = level.side;
    Puzzle puzzle;
    do {
      const CharGrid full = RandomLatinSquare(rng, side);
      puzzle.grid = full;
      std::vector<int> cells(full.size()), clues(static_cast<size_t>(side) * 4);
      for (size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<int>(i);
      for (size_t i = 0; i < clues.size(); ++i) clues[i] = static_cast<int>(i);
      rng.Shuffle<int>(cells);
      rng.Shuffle<int>(clues);
      for (int i = 0; i < level.empty; ++i) puzzle.grid.cells[cells[i]] = '0';
      for (auto& row : puzzle.clues) row.assign(side, 0);
      for (int i = 0; i < level.clues; ++i) {
        const size_t from = clues[i] / side;
        const int line = clues[i] % side;
        std::vector<int> heights;
        for (const int cell : Line(side, from, line)) heights.push_back(full.cells[cell] - '0');
        puzzle.clues[from][line] = Visible(heights);
      }
    } while (!NeedsClues(puzzle) || !Logic(puzzle).ForcedWithin(Render(puzzle), level.most_text));
    instance->data = {{"grid", JoinedRows(puzzle.grid)}};
    for (size_t from = 0; from < 4; ++from) instance->data[kSides[from]] = puzzle.clues[from];
    const std::array<std::string, 2> prompts = {
        fmt::format("Fill in the zeros so that every row and column has the heights 1 to {} once.", side),
        fmt::format("Solve this skyscraper puzzle: every row and column has the heights 1 to {} once, 0 is empty.",
                    side)};
    instance->prompt =
        rng.Pick(prompts) +
        " A clue tells how many buildings are visible in a row or column from its side, where higher ones hide lower "
        "ones behind them; 0: no clue.\n" +
        LetteredRows(puzzle.grid) +
        fmt::format("Columns from the top: {}\nColumns from the bottom: {}\n", ColumnList(puzzle.clues[0]),
                    ColumnList(puzzle.clues[1])) +
        fmt::format("Rows from the left: {}\nRows from the right: {}\n", RowList(puzzle.clues[2]),
                    RowList(puzzle.clues[3])) +
        "Put the rows in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int side = puzzle.grid.rows;
    CharGrid grid;
    std::string reason;
    const std::string_view symbols = std::string_view("123456789").substr(0, side);
    if (!ParseGridAnswer(answer, side, side, symbols, "", &grid, &reason)) return {0, reason};
    if (!KeepsGivens(puzzle.grid, grid, &reason)) return {0, reason};
    for (int i = 0; i < grid.size(); ++i) {
      for (int j = 0; j < i; ++j) {
        if ((i / side == j / side || i % side == j % side) && grid.cells[i] == grid.cells[j]) {
          return {0, fmt::format("{} and {} are equal", CellName(j, grid), CellName(i, grid))};
        }
      }
    }
    for (size_t from = 0; from < 4; ++from) {
      for (int line = 0; line < side; ++line) {
        std::vector<int> heights;
        for (const int cell : Line(side, from, line)) heights.push_back(grid.cells[cell] - '0');
        const int clue = puzzle.clues[from][line], visible = Visible(heights);
        if (clue != 0 && clue != visible) {
          return {0, fmt::format("{} buildings are visible in {} {} from {}", visible, from < 2 ? "column" : "row",
                                 from < 2 ? std::to_string(line + 1) : std::string(1, static_cast<char>('a' + line)),
                                 kSides[from])};
        }
      }
    }
    return {1, ""};
  }

 private:
  static bool NeedsClues(const Puzzle& puzzle) {
    Puzzle bare = puzzle;
    for (auto& row : bare.clues) std::fill(row.begin(), row.end(), 0);
    return Logic(bare).Forced().empty();
  }

  static CellLogic::Render Render(const Puzzle& puzzle) {
    return
        [side = puzzle.grid.rows](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, side, side)); };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int side = puzzle.grid.rows;
    CellLogic logic(CellNames(side, side), 1, side);
    for (int i = 0; i < side; ++i) {
      logic.AddUnit(std::string("row ") + static_cast<char>('a' + i), Line(side, 2, i));
      logic.AddUnit("column " + std::to_string(i + 1), Line(side, 0, i));
    }
    for (int i = 0; i < puzzle.grid.size(); ++i) {
      if (puzzle.grid.cells[i] != '0') logic.Set(i, puzzle.grid.cells[i] - '0');
    }
    for (const size_t from : {2, 0}) {
      for (int i = 0; i < side; ++i) {
        const int first = puzzle.clues[from][i], last = puzzle.clues[from + 1][i];
        if (first == 0 && last == 0) continue;
        const std::string line =
            from == 2 ? std::string("row ") + static_cast<char>('a' + i) : "column " + std::to_string(i + 1);
        logic.AddRule(fmt::format("{} {} {}", line, first, last), Line(side, from, i), true,
                      [=](std::span<const int> values) { return LineFits(side, first, last, values); });
      }
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of skyscraper_puzzle";
    Puzzle puzzle;
    puzzle.grid = GridFromData(instance.data, "grid", "0123456789", where);
    const int side = puzzle.grid.rows;
    if (side != puzzle.grid.columns || side > kMostSide) {
      throw Error("{}: \"grid\" must be a square of at most {} rows", where, kMostSide);
    }
    for (const char c : puzzle.grid.cells) {
      if (c - '0' > side) throw Error("{}: \"grid\": {} is higher than {}", where, c, side);
    }
    for (size_t from = 0; from < 4; ++from) {
      puzzle.clues[from] = NumbersFromData(instance.data, kSides[from], side, 0, side, where);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::skyscraper_puzzle

namespace fulgur {
std::unique_ptr<Task> MakeSkyscraperPuzzle() { return std::make_unique<skyscraper_puzzle::SkyscraperPuzzle>(); }
}  // namespace fulgur
