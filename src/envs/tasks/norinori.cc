// Norinori: shade two cells of every region so that all shaded cells form dominoes that do not touch by their sides.
//
// The worked solution takes a region, or a cell with its neighbours, that can be shaded in the fewest ways, and where
// nothing follows supposes a cell's shade and sees whether that ends in a contradiction. Only puzzles with one solution
// are drawn.
//
// Difficulty: 1: 4x4 and 4 regions, 2: 4 rows of 5 and 5, 3: 5x5 and 5 or 6. Level 1 needs few steps.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <set>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::norinori {
namespace {

struct Level {
  int rows, columns, least, most;  // regions
  size_t most_text;
};
constexpr std::array<Level, 4> kLevels = {{{}, {4, 4, 4, 4, 350}, {4, 5, 5, 5, 2000}, {5, 5, 5, 6, 4000}}};

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Dominoes that do not touch, as pairs of cells, as many as asked for; or none if they do not fit. Each next one closes
// as few open cells as possible.
std::vector<int> DrawDominoes(Rng& rng, int rows, int columns, int count) {
  std::vector<std::pair<int, int>> places;
  for (int i = 0; i < rows * columns; ++i) {
    for (const int next : SideNeighbours(i, rows, columns)) {
      if (next > i) places.emplace_back(i, next);
    }
  }
  rng.Shuffle<std::pair<int, int>>(places);
  std::vector<bool> closed(static_cast<size_t>(rows) * columns);
  std::vector<int> cells;
  while (static_cast<int>(cells.size()) < 2 * count) {
    int fewest = rows * columns;
    std::pair<int, int> best = {-1, -1};
    for (const auto& [a, b] : places) {
      if (closed[a] || closed[b]) continue;
      int closes = 0;
      for (const int cell : {a, b}) {
        for (const int next : SideNeighbours(cell, rows, columns)) closes += !closed[next];
      }
      if (closes >= fewest) continue;
      fewest = closes;
      best = {a, b};
    }
    if (best.first < 0) return {};
    for (const int cell : {best.first, best.second}) {
      cells.push_back(cell);
      closed[cell] = true;
      for (const int next : SideNeighbours(cell, rows, columns)) closed[next] = true;
    }
  }
  return cells;
}

// Shadings that keep the rules, at most two; domino by domino in reading order.
class Shadings {
 public:
  Shadings(const std::vector<int>& region, int rows, int columns) : rows_(rows), columns_(columns), region_(region) {
    masks_.resize(1 + *std::max_element(region.begin(), region.end()));
    for (size_t i = 0; i < region.size(); ++i) masks_[region[i]] |= uint64_t{1} << i;
    count_.resize(masks_.size());
  }

  // Nothing as well if the search would take too long.
  const std::vector<uint64_t>& Find() {
    Search(0, 0, 0);
    if (budget_ <= 0) found_.clear();
    return found_;
  }

 private:
  void Search(int cell, uint64_t shaded, uint64_t closed) {
    if (--budget_ <= 0 || found_.size() == 2) return;
    const uint64_t passed = (uint64_t{1} << cell) - 1;
    bool full = true;
    for (size_t i = 0; i < masks_.size(); ++i) {
      const int missing = 2 - count_[i];
      full = full && missing == 0;
      if (std::popcount(masks_[i] & ~closed & ~passed) < missing) return;
    }
    if (full) {
      found_.push_back(shaded);
      return;
    }
    for (; (closed >> cell & 1) || count_[region_[cell]] == 2;) {
      if (++cell == rows_ * columns_) return;
    }
    for (const int step : {1, columns_}) {
      const int other = cell + step;
      if (step == 1 ? cell % columns_ == columns_ - 1 : other >= rows_ * columns_) continue;
      if (closed >> other & 1) continue;
      ++count_[region_[cell]];
      ++count_[region_[other]];
      if (count_[region_[other]] <= 2) {
        uint64_t around = closed;
        for (const int end : {cell, other}) {
          around |= uint64_t{1} << end;
          for (const int next : SideNeighbours(end, rows_, columns_)) around |= uint64_t{1} << next;
        }
        Search(cell, shaded | uint64_t{1} << cell | uint64_t{1} << other, around);
      }
      --count_[region_[cell]];
      --count_[region_[other]];
    }
    if (cell + 1 < rows_ * columns_) Search(cell + 1, shaded, closed | uint64_t{1} << cell);
  }

  int rows_, columns_, budget_ = 20000;
  const std::vector<int>& region_;
  std::vector<uint64_t> masks_;
  std::vector<int> count_;
  std::vector<uint64_t> found_;
};

// Regions with two of the shaded cells each, and no other shading that keeps the rules. One region grows around each
// cell, neighbouring ones are joined in pairs; then, as long as there is another shading, one of its cells goes to a
// neighbouring region. An empty grid if that fails.
CharGrid DrawRegions(Rng& rng, int rows, int columns, const std::vector<int>& shaded) {
  const std::vector<int> half = GrowRegions(rng, rows, columns, shaded);
  std::set<std::pair<int, int>> sides;
  for (int i = 0; i < rows * columns; ++i) {
    for (const int next : SideNeighbours(i, rows, columns)) {
      if (half[i] < half[next]) sides.emplace(half[i], half[next]);
    }
  }
  std::vector<std::pair<int, int>> pairs(sides.begin(), sides.end());
  rng.Shuffle<std::pair<int, int>>(pairs);
  std::vector<int> joined(shaded.size(), -1);
  int regions = 0;
  for (const auto& [a, b] : pairs) {
    if (joined[a] >= 0 || joined[b] >= 0) continue;
    joined[a] = joined[b] = regions++;
  }
  if (std::count(joined.begin(), joined.end(), -1) > 0) return {};
  std::vector<int> region;
  for (const int number : half) region.push_back(joined[number]);

  for (int attempt = 0;; ++attempt) {
    const std::vector<uint64_t> found = Shadings(region, rows, columns).Find();
    if (found.size() == 1) break;
    if (found.empty() || attempt == 40) return {};
    std::vector<std::pair<int, int>> changes;  // cell, its new region
    for (const uint64_t shading : found) {
      for (int cell = 0; cell < rows * columns; ++cell) {
        if ((shading >> cell & 1) == 0 || std::count(shaded.begin(), shaded.end(), cell) > 0) continue;
        std::vector<bool> rest(region.size());
        for (size_t i = 0; i < region.size(); ++i) rest[i] = region[i] == region[cell] && static_cast<int>(i) != cell;
        if (!Connected(rest, rows, columns)) continue;
        for (const int next : SideNeighbours(cell, rows, columns)) {
          if (region[next] != region[cell]) changes.emplace_back(cell, region[next]);
        }
      }
    }
    if (changes.empty()) return {};
    const auto [cell, number] = rng.Pick(changes);
    region[cell] = number;
  }
  // Letters in reading order.
  CharGrid grid(rows, columns, ' ');
  std::vector<char> letter(regions, 0);
  char next = 'A';
  for (int i = 0; i < grid.size(); ++i) {
    char& c = letter[region[i]];
    if (c == 0) c = next++;
    grid.cells[i] = c;
  }
  return grid;
}

class Norinori : public Task {
 public:
  const char* name() const override { return "norinori"; }
  const char* description() const override { return "Shade two cells of every region so that all form dominoes"; }
  int max_difficulty() const override { return 3; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {
        {"regions",
         "rows separated by spaces, a letter from A to Z for the region of every cell; at most 12 rows and columns"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const CharGrid regions = Read(instance);
    const auto render = Render(regions);
    return WorkedSolution(Logic(regions), render, render, "data of norinori");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    CharGrid regions;
    do {
      const int count = static_cast<int>(rng.Int(level.least, level.most));
      const std::vector<int> shaded = DrawDominoes(rng, level.rows, level.columns, count);
      regions = shaded.empty() ? CharGrid() : DrawRegions(rng, level.rows, level.columns, shaded);
    } while (regions.rows == 0 || !Logic(regions).UniqueWithin(Render(regions), level.most_text));
    instance->data = {{"regions", JoinedRows(regions)}};
    const std::array<std::string, 2> prompts = {"Solve this norinori, whose letters are its regions.",
                                                "Shade cells of this grid, whose letters are its regions."};
    instance->prompt = rng.Pick(prompts) +
                       " Every region has exactly two shaded cells. Every shaded cell shares a side with exactly one "
                       "other shaded cell, of the same or another region.\n" +
                       LetteredRows(regions) + "Put the rows in \\boxed{}, 1 for a shaded cell and 0 for an empty one.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const CharGrid regions = Read(instance);
    CharGrid grid;
    std::string reason;
    if (!ParseGridAnswer(answer, regions.rows, regions.columns, "01", kMarkAliases, &grid, &reason)) return {0, reason};
    for (int i = 0; i < grid.size(); ++i) {
      int in_region = 0, beside = 0;
      for (int j = 0; j < grid.size(); ++j) in_region += regions.cells[j] == regions.cells[i] && grid.cells[j] == '1';
      if (in_region != 2) return {0, fmt::format("region {} has {} shaded cells", regions.cells[i], in_region)};
      if (grid.cells[i] != '1') continue;
      for (const int next : SideNeighbours(i, grid.rows, grid.columns)) beside += grid.cells[next] == '1';
      if (beside != 1) return {0, fmt::format("{} has {} shaded neighbours", CellName(i, grid), beside)};
    }
    return {1, ""};
  }

 private:
  static CellLogic::Render Render(const CharGrid& regions) {
    return [rows = regions.rows, columns = regions.columns](const std::vector<int>& values) {
      return JoinedRows(DigitGrid(values, rows, columns));
    };
  }

  static CellLogic Logic(const CharGrid& regions) {
    CellLogic logic(CellNames(regions.rows, regions.columns), 0, 1);
    for (const char letter : kLetters) {
      std::vector<int> cells;
      for (int i = 0; i < regions.size(); ++i) {
        if (regions.cells[i] == letter) cells.push_back(i);
      }
      if (cells.empty()) continue;
      const int size = static_cast<int>(cells.size());
      logic.AddRule(std::string(1, letter), cells, false, [=](std::span<const int> values) {
        const int so_far = static_cast<int>(std::count(values.begin(), values.end(), 1));
        return so_far <= 2 && so_far + size - static_cast<int>(values.size()) >= 2;
      });
    }
    for (int i = 0; i < regions.size(); ++i) {
      std::vector<int> cells = {i};
      for (const int next : SideNeighbours(i, regions.rows, regions.columns)) cells.push_back(next);
      const size_t size = cells.size();
      logic.AddRule("around " + CellName(i, regions), cells, false, [=](std::span<const int> values) {
        if (values[0] == 0) return true;
        const auto shaded = std::count(values.begin(), values.end(), 1);
        return shaded <= 2 && (values.size() < size || shaded == 2);
      });
    }
    return logic;
  }

  static CharGrid Read(const TaskInstance& instance) {
    return GridFromData(instance.data, "regions", kLetters, "data of norinori");
  }
};

}  // namespace
}  // namespace fulgur::norinori

namespace fulgur {
std::unique_ptr<Task> MakeNorinori() { return std::make_unique<norinori::Norinori>(); }
}  // namespace fulgur
