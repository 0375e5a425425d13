// Numbrix: fill a grid with 1, 2, 3, ... so that every two consecutive numbers share a side. Some numbers are given.
//
// The worked solution takes two given numbers, or a given one and an end, between which there is one way only, and
// fills it in. Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: numbers not given: 1: 3x3 with 4, 2: 3x3 with 6, 3: 4x4 with 9, 4: 5x5 with 15, 5: 6x6 with 22, 6: 7x7
// with 30.
#include <algorithm>
#include <array>
#include <cmath>

#include "envs/answer.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::numbrix {
namespace {

struct Level {
  int side, missing;
};
constexpr std::array<Level, 7> kLevels = {{{}, {3, 4}, {3, 6}, {4, 9}, {5, 15}, {6, 22}, {7, 30}}};
constexpr int kMostSide = 9;
constexpr int kMostSteps = 3000;  // of the search for one way

struct Puzzle {
  int rows = 0, columns = 0;
  std::vector<int> grid;  // 0: empty
};

std::string Text(const std::vector<int>& numbers, int columns) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) text += static_cast<int>(i) % columns == 0 ? "; " : " ";
    text += numbers[i] == 0 ? "?" : std::to_string(numbers[i]);
  }
  return text;
}

// A run of missing numbers, from one that has its place in the direction of `step`, to another one or (to < 0) to an
// end.
struct Gap {
  int first, step, length;  // number that has its place; +1 or -1
  int to;                   // cell, or -1
};

class Filler {
 public:
  explicit Filler(const Puzzle& puzzle) : problem_(puzzle), grid_(puzzle.grid), place_(grid_.size() + 1, -1) {
    for (size_t cell = 0; cell < grid_.size(); ++cell) {
      if (grid_[cell] != 0) place_[grid_[cell]] = static_cast<int>(cell);
    }
  }

  // True if gaps with one way only lead to the full grid. With words, text() tells how.
  bool Fill(bool words) {
    for (;;) {
      const std::vector<Gap> gaps = Gaps();
      if (gaps.empty()) return true;
      bool filled = false;
      for (const Gap& gap : gaps) {
        ways_ = steps_ = 0;
        path_.clear();
        Walk(gap, place_[gap.first], 0);
        if (ways_ == 0 && steps_ <= kMostSteps) return false;
        if (ways_ != 1 || steps_ > kMostSteps) continue;
        if (words) {
          const int size = static_cast<int>(grid_.size());
          const int end = gap.to < 0 ? (gap.step > 0 ? size : 1) : grid_[gap.to];
          text_ += fmt::format("{} {} to {}{}:", gap.first, Name(place_[gap.first]), end,
                               gap.to < 0 ? "" : " " + Name(gap.to));
        }
        for (int i = 0; i < gap.length; ++i) {
          const int number = gap.first + gap.step * (i + 1);
          grid_[way_[i]] = number;
          place_[number] = way_[i];
          if (words) text_ += fmt::format(" {} {}", number, Name(way_[i]));
        }
        if (words) text_ += "\n" + Text(grid_, problem_.columns) + "\n";
        filled = true;
        break;
      }
      if (!filled) return false;
    }
  }

  const std::vector<int>& grid() const { return grid_; }
  const std::string& text() const { return text_; }

 private:
  std::string Name(int cell) const { return CellName(cell / problem_.columns, cell % problem_.columns); }

  // The shortest first.
  std::vector<Gap> Gaps() const {
    std::vector<Gap> gaps;
    const int size = static_cast<int>(grid_.size());
    int before = 0;  // number
    for (int number = 1; number <= size; ++number) {
      if (place_[number] < 0) continue;
      if (before == 0 && number > 1) gaps.push_back({number, -1, number - 1, -1});
      if (before != 0 && number > before + 1) gaps.push_back({before, 1, number - before - 1, place_[number]});
      before = number;
    }
    if (before < size && before > 0) gaps.push_back({before, 1, size - before, -1});
    std::stable_sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) { return a.length < b.length; });
    return gaps;
  }

  void Walk(const Gap& gap, int at, int done) {
    if (++steps_ > kMostSteps || ways_ > 1) return;
    if (done == gap.length) {
      if (gap.to >= 0 && Distance(at, gap.to) != 1) return;
      if (++ways_ == 1) way_ = path_;
      return;
    }
    for (const int next : SideNeighbours(at, problem_.rows, problem_.columns)) {
      if (grid_[next] != 0 || std::find(path_.begin(), path_.end(), next) != path_.end()) continue;
      if (gap.to >= 0 && Distance(next, gap.to) > gap.length - done) continue;
      path_.push_back(next);
      Walk(gap, next, done + 1);
      path_.pop_back();
    }
  }

  int Distance(int a, int b) const {
    return std::abs(a / problem_.columns - b / problem_.columns) +
           std::abs(a % problem_.columns - b % problem_.columns);
  }

  const Puzzle& problem_;
  std::vector<int> grid_, place_;
  std::vector<int> path_, way_;
  int ways_ = 0, steps_ = 0;
  std::string text_;
};

// A path through all cells: row by row to and fro, then turned about many times. An end is joined to a neighbour of it
// elsewhere on the path, and the part beyond that neighbour is reversed.
std::vector<int> DrawPath(Rng& rng, int rows, int columns) {
  std::vector<int> path;
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < columns; ++i) path.push_back(row * columns + (row % 2 == 0 ? i : columns - 1 - i));
  }
  for (int turn = 0; turn < rows * columns * 4; ++turn) {
    if (rng.Chance(0.5)) std::reverse(path.begin(), path.end());
    const int next = rng.Pick(SideNeighbours(path.back(), rows, columns));
    std::reverse(std::find(path.begin(), path.end(), next) + 1, path.end());
  }
  return path;
}

class Numbrix : public Task {
 public:
  const char* name() const override { return "numbrix"; }
  const char* description() const override { return "Fill a grid so that consecutive numbers are neighbours"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"rows", "number from 1 to 9"},
            {"columns", "number from 1 to 9"},
            {"grid", "list of rows * columns numbers, row by row; 0 for a missing one"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    Filler filler(puzzle);
    if (!filler.Fill(true)) throw Error("data of numbrix: no gap has one way only");
    const std::string& text = filler.text();
    return {text.empty() ? "nothing is left to fill in" : text.substr(0, text.size() - 1),
            BoxedAnswer(Text(filler.grid(), puzzle.columns))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int size = level.side * level.side;
    Puzzle puzzle = {level.side, level.side, {}};
    int missing = 0;
    do {
      const std::vector<int> path = DrawPath(rng, level.side, level.side);
      puzzle.grid.assign(size, 0);
      for (int i = 0; i < size; ++i) puzzle.grid[path[i]] = i + 1;
      std::vector<int> cells = path;
      rng.Shuffle<int>(cells);
      missing = 0;
      for (int i = 0; i < size && missing < level.missing; ++i) {
        const int number = puzzle.grid[cells[i]];
        puzzle.grid[cells[i]] = 0;
        ++missing;
        // The first half hardly ever leaves two ways; each is looked at all the same where gaps begin to be long.
        if (missing * 3 < level.missing || Filler(puzzle).Fill(false)) continue;
        puzzle.grid[cells[i]] = number;
        --missing;
      }
    } while (missing < level.missing || !Filler(puzzle).Fill(false));
    instance->data = {{"rows", puzzle.rows}, {"columns", puzzle.columns}, {"grid", puzzle.grid}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Replace every ? so that the grid has each number from 1 to {} once", size),
        fmt::format("Solve this numbrix: fill in the ? so that each number from 1 to {} is there once", size)};
    std::string lines;
    for (int row = 0; row < puzzle.rows; ++row) {
      const auto begin = puzzle.grid.begin() + static_cast<std::ptrdiff_t>(row) * puzzle.columns;
      lines += fmt::format("{} {}\n", static_cast<char>('a' + row),
                           Text(std::vector<int>(begin, begin + puzzle.columns), puzzle.columns));
    }
    instance->prompt = rng.Pick(prompts) + " and consecutive numbers are in cells that share a side.\n" + lines +
                       "Put the rows in \\boxed{}, with spaces between numbers and semicolons between rows.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int size = puzzle.rows * puzzle.columns;
    std::vector<int> numbers, place(size + 1, -1);
    std::string reason;
    if (!ParseNumberGridAnswer(answer, puzzle.rows, puzzle.columns, size, &numbers, &reason)) return {0, reason};
    for (int cell = 0; cell < size; ++cell) {
      if (puzzle.grid[cell] != 0 && puzzle.grid[cell] != numbers[cell]) {
        return {0, CellName(cell / puzzle.columns, cell % puzzle.columns) + " was given and is changed"};
      }
      if (place[numbers[cell]] >= 0) return {0, fmt::format("{} is there twice", numbers[cell])};
      place[numbers[cell]] = cell;
    }
    for (int number = 2; number <= size; ++number) {
      const std::vector<int> beside = SideNeighbours(place[number], puzzle.rows, puzzle.columns);
      if (std::find(beside.begin(), beside.end(), place[number - 1]) == beside.end()) {
        return {0, fmt::format("{} and {} are not neighbours", number - 1, number)};
      }
    }
    return {1, ""};
  }

 private:
  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of numbrix";
    Puzzle puzzle;
    const int64_t rows = JsonGet<int64_t>(instance.data, "rows", where);
    const int64_t columns = JsonGet<int64_t>(instance.data, "columns", where);
    if (rows < 1 || rows > kMostSide || columns < 1 || columns > kMostSide) {
      throw Error("{}: there must be 1 to {} rows and columns", where, kMostSide);
    }
    puzzle.rows = static_cast<int>(rows);
    puzzle.columns = static_cast<int>(columns);
    const int size = puzzle.rows * puzzle.columns;
    puzzle.grid = NumbersFromData(instance.data, "grid", size, 0, size, where);
    std::vector<bool> seen(size + 1);
    for (const int number : puzzle.grid) {
      if (number != 0 && seen[number]) throw Error("{}: \"grid\" has {} twice", where, number);
      seen[number] = true;
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::numbrix

namespace fulgur {
std::unique_ptr<Task> MakeNumbrix() { return std::make_unique<numbrix::Numbrix>(); }
}  // namespace fulgur
