// Star placement: as many stars in every row, column and region, and no two of them in touching cells.
//
// The worked solution rules out cells beside stars, takes a line or region that can have its stars in the fewest ways,
// and where nothing follows supposes a star and sees whether that ends in a contradiction. Only puzzles with one
// solution are drawn.
//
// Difficulty: 1: 4x4, 2: 5x5, 3: 6x6, 4: 7x7, 5: 8x8, one star each. Level 1 needs few steps.
#include <algorithm>
#include <array>
#include <cmath>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::star_placement {
namespace {

struct Level {
  int side;
  size_t most_text;
};
constexpr std::array<Level, 6> kLevels = {{{}, {4, 280}, {5, 0}, {6, 0}, {7, 0}, {8, 0}}};
constexpr std::string_view kLetters = "ABCDEFGHIJKL";

struct Puzzle {
  CharGrid regions;
  int stars = 1;
};

// One star a row and column, not touching: the column of each row's star.
std::vector<int> DrawStars(Rng& rng, int side) {
  std::vector<int> columns(side);
  for (int i = 0; i < side; ++i) columns[i] = i;
  for (;;) {
    rng.Shuffle<int>(columns);
    bool apart = true;
    for (int i = 1; i < side; ++i) apart = apart && std::abs(columns[i] - columns[i - 1]) > 1;
    if (apart) return columns;
  }
}

// Placements of one star a row, column and region, row by row; at most two.
void FindStars(const std::vector<int>& region, int side, int row, uint32_t columns, uint32_t regions, int before,
               std::vector<int>& stars, std::vector<std::vector<int>>* found) {
  if (row == side) {
    found->push_back(stars);
    return;
  }
  for (int column = 0; column < side && found->size() < 2; ++column) {
    const int cell = row * side + column;
    if (std::abs(column - before) <= 1 || (columns >> column & 1) || (regions >> region[cell] & 1)) continue;
    stars[cell] = 1;
    FindStars(region, side, row + 1, columns | 1u << column, regions | 1u << region[cell], column, stars, found);
    stars[cell] = 0;
  }
}

// Cells of every row, column and region, with names.
std::vector<std::pair<std::string, std::vector<int>>> Groups(const CharGrid& regions) {
  const int side = regions.rows;
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (int i = 0; i < side; ++i) {
    std::vector<int> row, column;
    for (int j = 0; j < side; ++j) {
      row.push_back(i * side + j);
      column.push_back(j * side + i);
    }
    groups.emplace_back(std::string("row ") + static_cast<char>('a' + i), row);
    groups.emplace_back("column " + std::to_string(i + 1), column);
  }
  for (const char letter : kLetters.substr(0, side)) {
    std::vector<int> region;
    for (int i = 0; i < regions.size(); ++i) {
      if (regions.cells[i] == letter) region.push_back(i);
    }
    groups.emplace_back(std::string(1, letter), region);
  }
  return groups;
}

class StarPlacement : public Task {
 public:
  const char* name() const override { return "star_placement"; }
  const char* description() const override { return "Place stars: one a row, column and region, none touching"; }
  int max_difficulty() const override { return 5; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {{"regions",
             "square of up to 12 rows separated by spaces, a letter from A on for the region of every cell; as many "
             "regions as rows"},
            {"stars", "how many stars a row, column and region"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of star_placement");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const int side = level.side;
    Puzzle puzzle;
    do {
      puzzle.regions = DrawRegions(rng, side);
    } while (puzzle.regions.rows == 0 ||
             (level.most_text != 0 && !Logic(puzzle).UniqueWithin(Render(puzzle), level.most_text)));
    instance->data = {{"regions", JoinedRows(puzzle.regions)}, {"stars", puzzle.stars}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Place {} stars in this grid, whose letters are its regions.", side),
        fmt::format("The letters of this grid show its regions. Put {} stars into it.", side)};
    instance->prompt = rng.Pick(prompts) +
                       " Every row, every column and every region has exactly one star. Stars do not touch, not even "
                       "diagonally.\n" +
                       LetteredRows(puzzle.regions) +
                       "Put the rows in \\boxed{}, 1 for a star and 0 for an empty cell.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int side = puzzle.regions.rows;
    CharGrid grid;
    std::string reason;
    if (!ParseGridAnswer(answer, side, side, "01", kMarkAliases, &grid, &reason)) return {0, reason};
    for (const auto& [name, cells] : Groups(puzzle.regions)) {
      const auto count = std::count_if(cells.begin(), cells.end(), [&](int cell) { return grid.cells[cell] == '1'; });
      if (count != puzzle.stars) return {0, fmt::format("{} has {} stars", name, count)};
    }
    for (int i = 0; i < grid.size(); ++i) {
      if (grid.cells[i] != '1') continue;
      for (const int next : AllNeighbours(i, side, side)) {
        if (grid.cells[next] == '1') {
          return {0, fmt::format("{} and {} touch", CellName(i, grid), CellName(next, grid))};
        }
      }
    }
    return {1, ""};
  }

 private:
  // Random regions, changed as long as there is a second solution: one of its stars goes to a neighbouring region. A
  // grid of no rows if that does not end.
  static CharGrid DrawRegions(Rng& rng, int side) {
    const std::vector<int> columns = DrawStars(rng, side);
    std::vector<int> seeds;
    for (int row = 0; row < side; ++row) seeds.push_back(row * side + columns[row]);
    rng.Shuffle<int>(seeds);
    std::vector<int> region = GrowRegions(rng, side, side, seeds);
    Puzzle puzzle;
    for (int attempt = 0; attempt < 40; ++attempt) {
      puzzle.regions = CharGrid(side, side, ' ');
      for (int i = 0; i < side * side; ++i) puzzle.regions.cells[i] = kLetters[region[i]];
      std::vector<std::vector<int>> solutions;
      std::vector<int> stars(region.size());
      FindStars(region, side, 0, 0, 0, -2, stars, &solutions);
      if (solutions.size() == 1) return puzzle.regions;
      std::vector<std::pair<int, int>> changes;  // cell, its new region
      for (const std::vector<int>& solution : solutions) {
        for (int cell = 0; cell < side * side; ++cell) {
          if (solution[cell] != 1 || std::count(seeds.begin(), seeds.end(), cell) > 0) continue;
          std::vector<bool> rest(region.size());
          for (size_t i = 0; i < region.size(); ++i) rest[i] = region[i] == region[cell] && static_cast<int>(i) != cell;
          if (!Connected(rest, side, side)) continue;
          for (const int next : SideNeighbours(cell, side, side)) {
            if (region[next] != region[cell]) changes.emplace_back(cell, region[next]);
          }
        }
      }
      if (changes.empty()) return {};
      const auto [cell, number] = rng.Pick(changes);
      region[cell] = number;
    }
    return {};
  }

  static CellLogic::Render Render(const Puzzle& puzzle) {
    const int side = puzzle.regions.rows;
    return [=](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, side, side)); };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int side = puzzle.regions.rows, stars = puzzle.stars;
    CellLogic logic(CellNames(side, side), 0, 1);
    const auto groups = Groups(puzzle.regions);
    for (int i = 0; i < side * side; ++i) {
      for (const int next : AllNeighbours(i, side, side)) {
        if (next > i) logic.Exclude(i, next, 1);
      }
    }
    for (const auto& [name, cells] : groups) {
      for (size_t i = 0; stars == 1 && i < cells.size(); ++i) {
        for (size_t j = 0; j < i; ++j) logic.Exclude(cells[i], cells[j], 1);
      }
    }
    for (const auto& [name, cells] : groups) {
      const int size = static_cast<int>(cells.size());
      logic.AddRule(name, cells, false, [=](std::span<const int> values) {
        const int so_far = static_cast<int>(std::count(values.begin(), values.end(), 1));
        return so_far <= stars && so_far + size - static_cast<int>(values.size()) >= stars;
      });
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of star_placement";
    Puzzle puzzle = {GridFromData(instance.data, "regions", kLetters, where), 0};
    const int64_t stars = JsonGet<int64_t>(instance.data, "stars", where);
    const CharGrid& regions = puzzle.regions;
    if (regions.rows != regions.columns || stars < 1 || stars > regions.rows) {
      throw Error("{}: \"regions\" must be a square and \"stars\" from 1 to its side", where);
    }
    puzzle.stars = static_cast<int>(stars);
    for (const auto& [name, cells] : Groups(regions)) {
      if (cells.empty()) throw Error("{}: \"regions\" must have as many regions as rows, from A on", where);
    }
    const std::string_view letters = kLetters.substr(0, regions.rows);
    if (regions.cells.find_first_not_of(letters) != std::string::npos) {
      throw Error("{}: \"regions\" must have as many regions as rows, from A on", where);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::star_placement

namespace fulgur {
std::unique_ptr<Task> MakeStarPlacement() { return std::make_unique<star_placement::StarPlacement>(); }
}  // namespace fulgur
