// Arrow maze: fill every empty cell with an arrow, so that straight chains of arrows lead away from the numbers and the
// chains of a number have as many arrows together as it says.
//
// The worked solution works with the lengths of the chains, a2E for the one from a2 to the east. It takes a number, or
// an empty cell, whose chains can have the fewest lengths, lists them, and keeps what they agree on. Only puzzles that
// this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3 rows of 4, 2: 4x4, with the four directions along the sides; 3: 4x4, 4: 4 rows of 5, with all eight.
// Level 1 needs few steps.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::arrow_maze {
namespace {

struct Level {
  int rows, columns, directions;
  size_t most_text;
};
constexpr std::array<Level, 5> kLevels = {{{}, {3, 4, 4, 300}, {4, 4, 4, 0}, {4, 4, 8, 0}, {4, 5, 8, 0}}};

struct Direction {
  std::string_view name, arrow, latex, ascii;
  int rows, columns;
};
constexpr std::array<Direction, 8> kDirections = {{{"N", "\xe2\x86\x91", "\\uparrow", "^", -1, 0},
                                                   {"E", "\xe2\x86\x92", "\\rightarrow", ">", 0, 1},
                                                   {"S", "\xe2\x86\x93", "\\downarrow", "v", 1, 0},
                                                   {"W", "\xe2\x86\x90", "\\leftarrow", "<", 0, -1},
                                                   {"NE", "\xe2\x86\x97", "\\nearrow", "", -1, 1},
                                                   {"SE", "\xe2\x86\x98", "\\searrow", "", 1, 1},
                                                   {"SW", "\xe2\x86\x99", "\\swarrow", "", 1, -1},
                                                   {"NW", "\xe2\x86\x96", "\\nwarrow", "", -1, -1}}};
constexpr int kMostNumber = 99;

struct Puzzle {
  int rows = 0, columns = 0, directions = 4;
  std::vector<int> grid;  // numbers; 0: empty
};

// The cell `steps` away, or -1 outside the grid.
int Away(const Puzzle& puzzle, int cell, int direction, int steps) {
  const int row = cell / puzzle.columns + kDirections[direction].rows * steps;
  const int column = cell % puzzle.columns + kDirections[direction].columns * steps;
  if (row < 0 || row >= puzzle.rows || column < 0 || column >= puzzle.columns) return -1;
  return row * puzzle.columns + column;
}

struct Ray {
  int number, direction, longest;  // cell of the number
};

std::vector<Ray> Rays(const Puzzle& puzzle) {
  std::vector<Ray> rays;
  for (int cell = 0; cell < puzzle.rows * puzzle.columns; ++cell) {
    if (puzzle.grid[cell] == 0) continue;
    for (int direction = 0; direction < puzzle.directions; ++direction) {
      int longest = 0;
      for (int next = Away(puzzle, cell, direction, 1); next >= 0 && puzzle.grid[next] == 0;) {
        ++longest;
        next = Away(puzzle, cell, direction, longest + 1);
      }
      if (longest > 0) rays.push_back({cell, direction, std::min(longest, puzzle.grid[cell])});
    }
  }
  return rays;
}

// "2 E E; N 1 ?": `arrow` has a direction or -1 for every cell.
std::string Text(const Puzzle& puzzle, const std::vector<int>& arrow) {
  std::string text;
  for (int cell = 0; cell < puzzle.rows * puzzle.columns; ++cell) {
    if (cell > 0) text += cell % puzzle.columns == 0 ? "; " : " ";
    text += puzzle.grid[cell] != 0 ? std::to_string(puzzle.grid[cell])
            : arrow[cell] < 0      ? "?"
                                   : std::string(kDirections[arrow[cell]].name);
  }
  return text;
}

int FindDirection(const std::string& word) {
  const std::string lower = ToLower(word);
  for (size_t i = 0; i < kDirections.size(); ++i) {
    if (lower == ToLower(kDirections[i].name)) return static_cast<int>(i);
  }
  return -1;
}

class ArrowMaze : public Task {
 public:
  const char* name() const override { return "arrow_maze"; }
  const char* description() const override { return "Fill a grid with chains of arrows that start at numbers"; }
  int max_difficulty() const override { return 4; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {{"rows", "number from 1 to 8"},
            {"columns", "number from 1 to 8"},
            {"directions", "4 or 8"},
            {"grid",
             "list of rows * columns numbers, row by row: 0 for an empty cell, else how many arrows the number has, up "
             "to 99"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of arrow_maze");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = DrawChains(rng, level);
    } while (puzzle.grid.empty() || !Logic(puzzle).ForcedWithin(Render(puzzle), level.most_text));
    instance->data = {
        {"rows", puzzle.rows}, {"columns", puzzle.columns}, {"directions", puzzle.directions}, {"grid", puzzle.grid}};
    std::string lines;
    for (int row = 0; row < puzzle.rows; ++row) {
      lines += static_cast<char>('a' + row);
      for (int column = 0; column < puzzle.columns; ++column) {
        const int number = puzzle.grid[row * puzzle.columns + column];
        lines += number == 0 ? " ?" : " " + std::to_string(number);
      }
      lines += "\n";
    }
    const std::array<std::string, 2> prompts = {"Solve this arrow maze: replace every ? by an arrow.",
                                                "Replace every ? of this maze by an arrow."};
    instance->prompt =
        rng.Pick(prompts) +
        (puzzle.directions == 4 ? " Arrows point to N (up), E (right), S (down) or W (left)."
                                : " Arrows point to N (up), NE, E (right), SE, S (down), SW, W (left) or NW.") +
        " Straight chains of arrows start in cells next to a number and all point away from it; every arrow is part of "
        "such a chain, and each number is the count of the arrows in its chains.\n" +
        lines +
        "Put the rows with numbers and arrows in \\boxed{}, with spaces between cells and semicolons between rows.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> words;
    std::string reason;
    if (!ParseWordGridAnswer(Spelled(answer), puzzle.rows, puzzle.columns, &words, &reason)) return {0, reason};
    const int size = puzzle.rows * puzzle.columns;
    std::vector<int> arrow(size, -1);
    for (int cell = 0; cell < size; ++cell) {
      const std::string name = CellName(cell / puzzle.columns, cell % puzzle.columns);
      if (puzzle.grid[cell] != 0) {
        if (words[cell] != std::to_string(puzzle.grid[cell])) return {0, "the number at " + name + " is changed"};
        continue;
      }
      arrow[cell] = FindDirection(words[cell]);
      if (arrow[cell] < 0 || arrow[cell] >= puzzle.directions) {
        return {0, fmt::format("{} at {} is not an arrow", Quoted(words[cell]), name)};
      }
    }
    for (int cell = 0; cell < size; ++cell) {
      const std::string name = CellName(cell / puzzle.columns, cell % puzzle.columns);
      if (puzzle.grid[cell] == 0) {
        const int before = Away(puzzle, cell, arrow[cell], -1);
        if (before < 0 || (puzzle.grid[before] == 0 && arrow[before] != arrow[cell])) {
          return {0, "the arrow at " + name + " comes from no number"};
        }
        continue;
      }
      int count = 0;
      for (int direction = 0; direction < puzzle.directions; ++direction) {
        for (int steps = 1;; ++steps) {
          const int next = Away(puzzle, cell, direction, steps);
          if (next < 0 || arrow[next] != direction) break;
          ++count;
        }
      }
      if (count != puzzle.grid[cell]) return {0, fmt::format("{} has {} arrows", name, count)};
    }
    return {1, ""};
  }

 private:
  // Arrows in other spellings as words of their own.
  static std::string Spelled(const std::string& answer) {
    std::string text;
    for (size_t i = 0; i < answer.size();) {
      bool found = false;
      for (const Direction& direction : kDirections) {
        for (const std::string_view spelling : {direction.arrow, direction.latex, direction.ascii}) {
          if (found || spelling.empty() || answer.compare(i, spelling.size(), spelling) != 0) continue;
          text += ' ' + std::string(direction.name) + ' ';
          i += spelling.size();
          found = true;
        }
      }
      if (!found) text += answer[i++];
    }
    return text;
  }

  static Puzzle DrawChains(Rng& rng, const Level& level) {
    const int size = level.rows * level.columns;
    Puzzle puzzle = {level.rows, level.columns, level.directions, std::vector<int>(size)};
    std::vector<int> cells(size);
    for (int i = 0; i < size; ++i) cells[i] = i;
    rng.Shuffle<int>(cells);
    std::vector<bool> taken(size);
    for (const int cell : cells) {
      if (taken[cell]) continue;
      taken[cell] = true;
      std::vector<int> directions(level.directions);
      for (int i = 0; i < level.directions; ++i) directions[i] = i;
      rng.Shuffle<int>(directions);
      int count = 0;
      for (const int direction : directions) {
        if (!rng.Chance(0.75)) continue;
        for (int steps = 1; rng.Chance(0.9); ++steps) {
          const int next = Away(puzzle, cell, direction, steps);
          if (next < 0 || taken[next]) break;
          taken[next] = true;
          ++count;
        }
      }
      if (count == 0) return {};
      puzzle.grid[cell] = count;
    }
    return puzzle;
  }

  static std::vector<int> Arrows(const Puzzle& puzzle, const std::vector<Ray>& rays, const std::vector<int>& lengths) {
    std::vector<int> arrow(puzzle.grid.size(), -1);
    for (size_t i = 0; i < rays.size(); ++i) {
      for (int steps = 1; steps <= lengths[i]; ++steps) {
        arrow[Away(puzzle, rays[i].number, rays[i].direction, steps)] = rays[i].direction;
      }
    }
    return arrow;
  }

  static CellLogic::Render Render(const Puzzle& puzzle) {
    return [puzzle, rays = Rays(puzzle)](const std::vector<int>& values) {
      return Text(puzzle, Arrows(puzzle, rays, values));
    };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const std::vector<Ray> rays = Rays(puzzle);
    std::vector<std::string> names;
    int longest = 1;
    for (const Ray& ray : rays) {
      names.push_back(CellName(ray.number / puzzle.columns, ray.number % puzzle.columns) +
                      std::string(kDirections[ray.direction].name));
      longest = std::max(longest, ray.longest);
    }
    CellLogic logic(names, 0, longest);
    std::vector<std::vector<int>> of_number(puzzle.grid.size());
    std::vector<std::vector<std::pair<int, int>>> over(
        puzzle.grid.size());  // rays that may cover a cell, from how long
    for (size_t i = 0; i < rays.size(); ++i) {
      logic.Allow(static_cast<int>(i), (2u << rays[i].longest) - 1);
      of_number[rays[i].number].push_back(static_cast<int>(i));
      for (int steps = 1; steps <= rays[i].longest; ++steps) {
        over[Away(puzzle, rays[i].number, rays[i].direction, steps)].emplace_back(static_cast<int>(i), steps);
      }
    }
    for (size_t cell = 0; cell < puzzle.grid.size(); ++cell) {
      const std::string name =
          CellName(static_cast<int>(cell) / puzzle.columns, static_cast<int>(cell) % puzzle.columns);
      if (puzzle.grid[cell] != 0) {
        logic.AddRule(fmt::format("{} {}", name, puzzle.grid[cell]), of_number[cell], false,
                      [count = puzzle.grid[cell], size = of_number[cell].size()](std::span<const int> values) {
                        int sum = 0;
                        for (const int value : values) sum += value;
                        return values.size() == size ? sum == count : sum <= count;
                      });
        continue;
      }
      std::vector<int> cells;
      for (const auto& [ray, steps] : over[cell]) cells.push_back(ray);
      logic.AddRule(name, cells, false, [from = over[cell]](std::span<const int> values) {
        int covered = 0;
        for (size_t i = 0; i < values.size(); ++i) covered += values[i] >= from[i].second;
        return values.size() == from.size() ? covered == 1 : covered <= 1;
      });
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of arrow_maze";
    Puzzle puzzle;
    const int64_t rows = JsonGet<int64_t>(instance.data, "rows", where);
    const int64_t columns = JsonGet<int64_t>(instance.data, "columns", where);
    const int64_t directions = JsonGet<int64_t>(instance.data, "directions", where);
    if (rows < 1 || rows > 8 || columns < 1 || columns > 8)
      throw Error("{}: there must be 1 to 8 rows and columns", where);
    if (directions != 4 && directions != 8) throw Error("{}: \"directions\" must be 4 or 8", where);
    puzzle.rows = static_cast<int>(rows);
    puzzle.columns = static_cast<int>(columns);
    puzzle.directions = static_cast<int>(directions);
    puzzle.grid = NumbersFromData(instance.data, "grid", static_cast<size_t>(rows * columns), 0, kMostNumber, where);
    if (Rays(puzzle).size() > static_cast<size_t>(CellLogic::kMostCells)) throw Error("{}: too many numbers", where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::arrow_maze

namespace fulgur {
std::unique_ptr<Task> MakeArrowMaze() { return std::make_unique<arrow_maze::ArrowMaze>(); }
}  // namespace fulgur
