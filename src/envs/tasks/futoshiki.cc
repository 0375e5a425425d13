// Futoshiki, 4x4: a Latin square with some cells given and some neighbours compared. Rows are a to d, columns 1 to 4.
//
// The worked solution takes one empty cell at a time: the numbers in its row, those in its column, what is left, and if
// that is not one number, the comparisons with its neighbours (an unknown neighbour counts as 1 if it is the smaller,
// as 4 if it is the larger). The grid is restated after every cell.
//
// Difficulty: empty cells: 1: 3, 2: 4, 3: 5, 4: 7, 5: 9, 6: 10; comparisons: 2, 3, 3, 6, 9, 12. Up to 3 the cells can
// be filled in reading order; later the first that is determined is next. At least one comparison is needed.
#include <algorithm>
#include <array>
#include <optional>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::futoshiki {
namespace {

constexpr int kSide = 4, kCells = kSide * kSide;
using Grid = std::array<int, kCells>;  // 0: empty

struct Less {
  int small, large;  // cells; shown as "small < large" or "large > small" as `flipped` says
  bool flipped;
};

struct Level {
  int empty, comparisons;
  bool in_order;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 2, true}, {4, 3, true}, {5, 3, true}, {7, 6, false}, {9, 9, false}, {10, 12, false}}};

struct Puzzle {
  Grid grid{};
  std::vector<Less> comparisons;
};

std::string Cell(int cell) {
  return std::string(1, static_cast<char>('a' + cell / kSide)) + static_cast<char>('1' + cell % kSide);
}

std::string Text(const Less& less) {
  return less.flipped ? Cell(less.large) + ">" + Cell(less.small) : Cell(less.small) + "<" + Cell(less.large);
}

std::string Rows(const Grid& grid, const char* separator) {
  std::string text;
  for (int row = 0; row < kSide; ++row) {
    if (row > 0) text += separator;
    for (int column = 0; column < kSide; ++column) text += static_cast<char>('0' + grid[row * kSide + column]);
  }
  return text;
}

std::string Lettered(const Grid& grid) {
  std::string text;
  for (int row = 0; row < kSide; ++row) {
    text += static_cast<char>('a' + row);
    text += " ";
    for (int column = 0; column < kSide; ++column) text += static_cast<char>('0' + grid[row * kSide + column]);
    text += "\n";
  }
  return text;
}

std::string Digits(const std::vector<int>& numbers) { return fmt::format("{}", fmt::join(numbers, "")); }

// What the rules leave for an empty cell, and (if wanted: most problems that are drawn are thrown away) the words for
// it. One number left: determined.
struct Step {
  int cell;
  std::vector<int> left;
  bool compared = false;
  std::string text;
};

Step Look(const Puzzle& puzzle, int cell, bool words) {
  Step step{cell, {}, false, ""};
  std::vector<int> row, column;
  for (int i = 0; i < kSide; ++i) {
    if (const int in_row = puzzle.grid[cell / kSide * kSide + i]; in_row != 0) row.push_back(in_row);
    if (const int in_column = puzzle.grid[i * kSide + cell % kSide]; in_column != 0) column.push_back(in_column);
  }
  for (int number = 1; number <= kSide; ++number) {
    if (std::count(row.begin(), row.end(), number) + std::count(column.begin(), column.end(), number) == 0) {
      step.left.push_back(number);
    }
  }
  if (words) {
    step.text = fmt::format("{} row {} column {} left {}", Cell(cell), Digits(row), Digits(column), Digits(step.left));
  }
  for (const Less& less : puzzle.comparisons) {
    if ((less.small != cell && less.large != cell) || step.left.size() == 1) continue;
    step.compared = true;
    const bool smaller = less.small == cell;
    const int other = puzzle.grid[smaller ? less.large : less.small];
    const int bound = other != 0 ? other : smaller ? kSide : 1;
    std::erase_if(step.left, [&](int number) { return smaller ? number >= bound : number <= bound; });
    if (words) step.text += fmt::format(", {} {}{} left {}", Text(less), smaller ? "<" : ">", bound, Digits(step.left));
  }
  return step;
}

struct Run {
  bool solved = false, in_order = true, compared = false;
  std::string text;
  Grid grid{};
};

Run Fill(Puzzle puzzle, bool words = true) {
  Run run;
  int empty = static_cast<int>(std::count(puzzle.grid.begin(), puzzle.grid.end(), 0));
  for (; empty > 0; --empty) {
    std::optional<Step> next;
    for (int cell = 0; cell < kCells && !next; ++cell) {
      if (puzzle.grid[cell] != 0) continue;
      Step step = Look(puzzle, cell, words);
      if (step.left.size() == 1) {
        next = std::move(step);
      } else {
        run.in_order = false;
      }
    }
    if (!next) return run;
    puzzle.grid[next->cell] = next->left[0];
    run.compared = run.compared || next->compared;
    if (words) run.text += next->text + "\n" + Lettered(puzzle.grid);
  }
  run.solved = true;
  run.grid = puzzle.grid;
  return run;
}

// Empty if the grid is a Latin square that keeps the givens and the comparisons; else what is wrong.
std::string Broken(const Puzzle& puzzle, const Grid& grid) {
  for (int cell = 0; cell < kCells; ++cell) {
    if (puzzle.grid[cell] != 0 && puzzle.grid[cell] != grid[cell]) return Cell(cell) + " was given and is changed";
    for (int other = 0; other < cell; ++other) {
      const bool line = other / kSide == cell / kSide || other % kSide == cell % kSide;
      if (line && grid[other] == grid[cell]) return Cell(other) + " and " + Cell(cell) + " are equal";
    }
  }
  for (const Less& less : puzzle.comparisons) {
    if (grid[less.small] >= grid[less.large]) return Text(less) + " does not hold";
  }
  return "";
}

class Futoshiki : public Task {
 public:
  const char* name() const override { return "futoshiki"; }
  const char* description() const override { return "Complete a 4x4 Latin square with comparisons between neighbours"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid", "four rows of four digits, separated by spaces; 0 for an empty cell"},
            {"comparisons", "list of texts such as \"a1<a2\""}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Run run = Fill(Read(instance));
    if (!run.solved) throw Error("data of futoshiki: no empty cell is determined by its row, column and neighbours");
    std::string thinking = run.text;
    thinking.pop_back();
    return {thinking, BoxedAnswer(Rows(run.grid, " "))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    for (;;) {
      const Grid full = LatinSquare(rng);
      puzzle.grid = full;
      // A cell from whose row and column the same second number is missing too: only a comparison can decide it.
      const int corner = static_cast<int>(rng.Below(kCells));
      const int second = static_cast<int>(1 + (full[corner] + rng.Below(kSide - 1)) % kSide);
      for (int cell = 0; cell < kCells; ++cell) {
        const bool line = cell / kSide == corner / kSide || cell % kSide == corner % kSide;
        if (cell == corner || (line && full[cell] == second)) puzzle.grid[cell] = 0;
      }
      for (int empty = 3; empty < level.empty;) {
        int& cell = puzzle.grid[rng.Below(kCells)];
        if (cell == 0) continue;
        cell = 0;
        ++empty;
      }
      puzzle.comparisons.clear();
      while (static_cast<int>(puzzle.comparisons.size()) < level.comparisons) {
        const int a = static_cast<int>(rng.Below(kCells));
        const bool right = rng.Chance(0.5);
        if (right ? a % kSide == kSide - 1 : a / kSide == kSide - 1) continue;
        const int b = a + (right ? 1 : kSide);
        // Written in reading order of the cells.
        const Less less = full[a] < full[b] ? Less{a, b, false} : Less{b, a, true};
        const bool there = std::any_of(puzzle.comparisons.begin(), puzzle.comparisons.end(),
                                       [&](const Less& l) { return l.small == less.small && l.large == less.large; });
        // A comparison of two given numbers tells nothing.
        if (!there && (puzzle.grid[a] == 0 || puzzle.grid[b] == 0)) puzzle.comparisons.push_back(less);
      }
      const Run run = Fill(puzzle, false);
      if (run.solved && run.compared && (run.in_order || !level.in_order)) break;
    }
    std::sort(puzzle.comparisons.begin(), puzzle.comparisons.end(),
              [](const Less& a, const Less& b) { return Text(a) < Text(b); });
    std::vector<std::string> comparisons;
    for (const Less& less : puzzle.comparisons) comparisons.push_back(Text(less));
    instance->data = {{"grid", Rows(puzzle.grid, " ")}, {"comparisons", comparisons}};
    const std::string list = fmt::format("{}", fmt::join(comparisons, ", "));
    const std::array<std::string, 2> prompts = {
        fmt::format("Fill in the zeros so that every row and column has 1 2 3 4, and {}.\n", list),
        fmt::format("Solve this futoshiki with 0 for an empty cell and {}.\n", list)};
    instance->prompt = rng.Pick(prompts) + Lettered(puzzle.grid) + "Put the four rows in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    Grid grid{};
    int filled = 0;
    for (const char c : answer) {
      if (c >= '1' && c <= '0' + kSide) {
        if (filled == kCells) return {0, "more than 16 numbers"};
        grid[filled++] = c - '0';
      } else if (std::string_view(" \n,;/|&\\[]()").find(c) == std::string_view::npos) {
        return {0, fmt::format("{} cannot stand in a grid", Quoted(std::string(1, c)))};
      }
    }
    if (filled < kCells) return {0, fmt::format("{} numbers instead of 16", filled)};
    const std::string broken = Broken(puzzle, grid);
    return broken.empty() ? Score{1, ""} : Score{0, broken};
  }

 private:
  // A uniform one of the 576: up to the order of rows, columns and numbers there are two, the addition tables of the
  // cyclic group (432 of them) and of the Klein group (144).
  static Grid LatinSquare(Rng& rng) {
    std::array<std::array<int, kSide>, 3> order;  // of rows, columns, numbers
    for (auto& permutation : order) {
      permutation = {0, 1, 2, 3};
      rng.Shuffle<int>(permutation);
    }
    const bool klein = rng.Below(4) == 0;
    Grid grid{};
    for (int row = 0; row < kSide; ++row) {
      for (int column = 0; column < kSide; ++column) {
        const int a = order[0][row], b = order[1][column];
        grid[row * kSide + column] = 1 + order[2][klein ? a ^ b : (a + b) % kSide];
      }
    }
    return grid;
  }

  static int ReadCell(std::string_view text) {
    const int row = text[0] - 'a', column = text[1] - '1';
    return row < 0 || row >= kSide || column < 0 || column >= kSide ? -1 : row * kSide + column;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of futoshiki";
    Puzzle puzzle;
    size_t at = 0;
    for (const char c : JsonGet<std::string>(instance.data, "grid", where)) {
      if (c == ' ') continue;
      if (c < '0' || c > '0' + kSide || at == kCells) throw Error("{}: \"grid\" must be 16 numbers from 0 to 4", where);
      puzzle.grid[at++] = c - '0';
    }
    const auto comparisons = instance.data.find("comparisons");
    if (at != kCells || comparisons == instance.data.end() || !comparisons->is_array()) {
      throw Error("{}: \"grid\" must be 16 numbers and \"comparisons\" a list", where);
    }
    for (const Json& comparison : *comparisons) {
      const std::string text = comparison.is_string() ? comparison.get<std::string>() : "";
      const bool shape = text.size() == 5 && (text[2] == '<' || text[2] == '>');
      const int left = shape ? ReadCell(text.substr(0, 2)) : -1, right = shape ? ReadCell(text.substr(3)) : -1;
      if (left < 0 || right < 0) throw Error("{}: {} is not a comparison such as a1<a2", where, comparison.dump());
      puzzle.comparisons.push_back(text[2] == '<' ? Less{left, right, false} : Less{right, left, true});
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::futoshiki

namespace fulgur {
std::unique_ptr<Task> MakeFutoshiki() { return std::make_unique<futoshiki::Futoshiki>(); }
}  // namespace fulgur
