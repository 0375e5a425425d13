// Number wall: build walls so that every island of cells without a wall has one number, which is its size, and no four
// cells in a square are all walls.
//
// The worked solution takes the number whose island can lie in the fewest places and tries them in order; a place is
// wrong ("no") if it leaves another number no place, or four walls in a square. Only puzzles with one solution are
// drawn.
//
// Difficulty: 1: 3 rows of 4, islands of up to 3 cells; 2: 4x4, up to 3; 3: 4x4, up to 4; 4: 5x5, up to 4; 5: 5 rows of
// 6, up to 5.
#include <algorithm>
#include <array>
#include <bit>

#include "envs/answer.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::number_wall {
namespace {

struct Level {
  int rows, columns, largest;
  size_t most_text;
};
constexpr std::array<Level, 6> kLevels = {
    {{}, {3, 4, 3, 260}, {4, 4, 3, 280}, {4, 4, 4, 2000}, {5, 5, 4, 4000}, {5, 6, 5, 4000}}};
constexpr size_t kMostPlaces = 4000;  // of one island
constexpr int kMostSteps = 3000;
constexpr int kMostSolvedCells = 64;

using Cells = uint64_t;

class Walls {
 public:
  explicit Walls(const CharGrid& grid) : grid_(grid) {
    const int size = grid.size();
    beside_.resize(size);
    for (int i = 0; i < size; ++i) {
      for (const int next : SideNeighbours(i, grid.rows, grid.columns)) beside_[i] |= Cells{1} << next;
    }
    for (int row = 0; row + 1 < grid.rows; ++row) {
      for (int column = 0; column + 1 < grid.columns; ++column) {
        const int at = row * grid.columns + column;
        squares_.push_back(Cells{3} << at | Cells{3} << (at + grid.columns));
      }
    }
    for (int i = 0; i < size; ++i) {
      if (grid.cells[i] != '.') numbers_.push_back(i);
    }
    for (const int number : numbers_) {
      Cells others = 0;
      for (const int other : numbers_) {
        if (other != number) others |= Cells{1} << other | beside_[other];
      }
      places_.push_back(Places(number, others));
    }
    island_.assign(numbers_.size(), 0);
  }

  // Searches until `limit` solutions are found; 0 as well if that would take too long.
  int Count(int limit) {
    Search(0, 0, places_, limit, false);
    return steps_ > kMostSteps ? 0 : found_;
  }

  // True if there is a solution; then text() tells how it is found, and walls() is its grid.
  bool Solve() {
    Search(0, 0, places_, 1, true);
    return found_ > 0;
  }
  const std::string& text() const { return text_; }
  const CharGrid& walls() const { return walls_; }

 private:
  // All cells that an island can have.
  std::vector<Cells> Places(int number, Cells closed) const {
    const int size = grid_.cells[number] - '0';
    std::vector<Cells> places;
    if (closed >> number & 1) return places;
    places.push_back(Cells{1} << number);
    for (int cells = 1; cells < size; ++cells) {
      std::vector<Cells> larger;
      for (const Cells place : places) {
        for (Cells open = Around(place) & ~closed; open != 0; open &= open - 1)
          larger.push_back(place | (open & -open));
      }
      std::sort(larger.begin(), larger.end());
      larger.erase(std::unique(larger.begin(), larger.end()), larger.end());
      places = std::move(larger);
      if (places.size() > kMostPlaces) throw Error("data of number_wall: an island can lie in too many places");
    }
    return places;
  }

  // The cells beside those of the island.
  Cells Around(Cells island) const {
    Cells around = 0;
    for (Cells left = island; left != 0; left &= left - 1) around |= beside_[std::countr_zero(left)];
    return around & ~island;
  }

  std::string Names(Cells cells) const {
    std::string text;
    for (; cells != 0; cells &= cells - 1) text += " " + CellName(std::countr_zero(cells), grid_);
    return text;
  }

  // Walls are known around complete islands, and everywhere else once all islands are complete.
  CharGrid State(Cells land, Cells walls, bool complete) const {
    CharGrid state(grid_.rows, grid_.columns, complete ? '#' : '?');
    for (int i = 0; i < grid_.size(); ++i) {
      if (land >> i & 1) state.cells[i] = '.';
      if (walls >> i & 1) state.cells[i] = '#';
      if (!complete && grid_.cells[i] != '.') state.cells[i] = grid_.cells[i];
    }
    return state;
  }

  // What can no longer be: places that touch an island. False if a number has no place left or four walls are certain.
  bool Narrow(Cells land, Cells walls, std::vector<std::vector<Cells>>* places) const {
    Cells possible = land;
    for (size_t i = 0; i < places->size(); ++i) {
      if (island_[i] != 0) continue;
      std::erase_if((*places)[i], [&](Cells place) { return (place & (land | walls)) != 0; });
      if ((*places)[i].empty()) return false;
      for (const Cells place : (*places)[i]) possible |= place;
    }
    return std::none_of(squares_.begin(), squares_.end(), [&](Cells square) { return (square & possible) == 0; });
  }

  void Search(Cells land, Cells walls, std::vector<std::vector<Cells>> places, int limit, bool words) {
    if (++steps_ > kMostSteps || found_ >= limit || !Narrow(land, walls, &places)) return;
    int best = -1;
    for (size_t i = 0; i < places.size(); ++i) {
      if (island_[i] != 0) continue;
      if (best < 0 || places[i].size() < places[best].size()) best = static_cast<int>(i);
    }
    if (best < 0) {
      ++found_;
      walls_ = State(land, walls, true);
      if (words) text_ += JoinedRows(walls_) + "\n";
      return;
    }
    const int number = numbers_[best];
    for (const Cells place : places[best]) {
      island_[best] = place;
      const Cells now = land | place, around = walls | Around(place);
      if (words) text_ += fmt::format("{} {}:{}", grid_.cells[number], CellName(number, grid_), Names(place));
      std::vector<std::vector<Cells>> next = places;
      if (!Narrow(now, around, &next)) {
        if (words) text_ += " no\n";
      } else {
        if (words) text_ += "\n" + JoinedRows(State(now, around, false)) + "\n";
        Search(now, around, std::move(next), limit, words);
        if (found_ >= limit || steps_ > kMostSteps) return;
        if (words) text_ += fmt::format("back to {}\n", CellName(number, grid_));
      }
      island_[best] = 0;
    }
  }

  const CharGrid& grid_;
  std::vector<Cells> beside_, squares_;
  std::vector<int> numbers_;  // cells
  std::vector<std::vector<Cells>> places_;
  std::vector<Cells> island_;  // per number; 0: not placed
  int steps_ = 0, found_ = 0;
  std::string text_;
  CharGrid walls_;
};

class NumberWall : public Task {
 public:
  const char* name() const override { return "number_wall"; }
  const char* description() const override { return "Build walls between islands of given sizes"; }
  int max_difficulty() const override { return 5; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid",
             "rows separated by spaces, digits for the sizes of islands and . for other cells; at most 12 rows and "
             "columns"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const CharGrid grid = Read(instance);
    if (grid.size() > kMostSolvedCells) throw Error("data of number_wall: the search takes at most 64 cells");
    Walls walls(grid);
    if (!walls.Solve()) throw Error("data of number_wall: the search finds no solution");
    return {walls.text().substr(0, walls.text().size() - 1), BoxedAnswer(JoinedRows(walls.walls()))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    CharGrid grid;
    for (;;) {
      grid = DrawIslands(rng, level);
      if (grid.rows == 0 || Walls(grid).Count(2) != 1) continue;
      Walls walls(grid);
      if (walls.Solve() && walls.text().size() <= level.most_text) break;
    }
    instance->data = {{"grid", JoinedRows(grid)}};
    const std::array<std::string, 2> prompts = {"Build walls in this grid.", "Solve this number wall."};
    instance->prompt = rng.Pick(prompts) +
                       " The cells without a wall form islands. Every island hangs together by its cells' sides, has "
                       "exactly one of the numbers, and has as many cells as the number says. Islands do not share a "
                       "side. A number is no wall. No four cells in a 2x2 square are all walls.\n" +
                       LetteredRows(grid) + "Put the rows in \\boxed{}, # for a wall and . for any other cell.";
  }

  // The numbers may be left in the grid.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const CharGrid grid = Read(instance);
    CharGrid given;
    std::string reason;
    if (!ParseGridAnswer(answer, grid.rows, grid.columns, "#.123456789", "X#x#*#W#-._.", &given, &reason)) {
      return {0, reason};
    }
    for (int i = 0; i < grid.size(); ++i) {
      if (given.cells[i] == '#' && grid.cells[i] != '.') return {0, "there is a wall on " + CellName(i, grid)};
      if (given.cells[i] != '#' && given.cells[i] != '.' && given.cells[i] != grid.cells[i]) {
        return {0, CellName(i, grid) + " is changed"};
      }
    }
    for (int row = 0; row + 1 < grid.rows; ++row) {
      for (int column = 0; column + 1 < grid.columns; ++column) {
        if (given.at(row, column) == '#' && given.at(row, column + 1) == '#' && given.at(row + 1, column) == '#' &&
            given.at(row + 1, column + 1) == '#') {
          return {0, fmt::format("four walls from {} on", CellName(row, column))};
        }
      }
    }
    std::vector<bool> seen(grid.size());
    for (int i = 0; i < grid.size(); ++i) {
      if (seen[i] || given.cells[i] == '#') continue;
      std::vector<int> island = {i};
      seen[i] = true;
      for (size_t at = 0; at < island.size(); ++at) {
        for (const int next : SideNeighbours(island[at], grid.rows, grid.columns)) {
          if (seen[next] || given.cells[next] == '#') continue;
          seen[next] = true;
          island.push_back(next);
        }
      }
      int numbers = 0, size = 0;
      for (const int cell : island) {
        if (grid.cells[cell] == '.') continue;
        ++numbers;
        size = grid.cells[cell] - '0';
      }
      if (numbers != 1) return {0, fmt::format("the island of {} has {} numbers", CellName(i, grid), numbers)};
      if (size != static_cast<int>(island.size())) {
        return {0, fmt::format("the island of {} has {} cells instead of {}", CellName(i, grid), island.size(), size)};
      }
    }
    return {1, ""};
  }

 private:
  // Islands that do not touch, until no four walls are in a square. A grid of no rows if that fails.
  static CharGrid DrawIslands(Rng& rng, const Level& level) {
    CharGrid grid(level.rows, level.columns, '.');
    std::vector<int> island(grid.size(), -1);
    std::vector<int> cells(grid.size());
    for (int i = 0; i < grid.size(); ++i) cells[i] = i;
    rng.Shuffle<int>(cells);
    int islands = 0;
    const auto open = [&](int cell, int number) {
      if (island[cell] >= 0) return false;
      for (const int next : SideNeighbours(cell, grid.rows, grid.columns)) {
        if (island[next] >= 0 && island[next] != number) return false;
      }
      return true;
    };
    const auto in_square = [&](int cell) {
      for (const int row : {cell / grid.columns - 1, cell / grid.columns}) {
        for (const int column : {cell % grid.columns - 1, cell % grid.columns}) {
          if (row < 0 || column < 0 || row + 1 >= grid.rows || column + 1 >= grid.columns) continue;
          const int at = row * grid.columns + column;
          if (island[at] < 0 && island[at + 1] < 0 && island[at + grid.columns] < 0 &&
              island[at + grid.columns + 1] < 0) {
            return true;
          }
        }
      }
      return false;
    };
    for (const int start : cells) {
      if (!in_square(start) || !open(start, islands)) continue;
      std::vector<int> land = {start};
      island[start] = islands;
      const int size = static_cast<int>(rng.Int(1, level.largest));
      while (static_cast<int>(land.size()) < size) {
        std::vector<int> next;
        for (const int cell : land) {
          for (const int beside : SideNeighbours(cell, grid.rows, grid.columns)) {
            if (open(beside, islands)) next.push_back(beside);
          }
        }
        if (next.empty()) break;
        land.push_back(rng.Pick(next));
        island[land.back()] = islands;
      }
      grid.cells[rng.Pick(land)] = static_cast<char>('0' + land.size());
      ++islands;
    }
    for (const int cell : cells) {
      if (in_square(cell)) return {};
    }
    return grid;
  }

  static CharGrid Read(const TaskInstance& instance) {
    return GridFromData(instance.data, "grid", ".123456789", "data of number_wall");
  }
};

}  // namespace
}  // namespace fulgur::number_wall

namespace fulgur {
std::unique_ptr<Task> MakeNumberWall() { return std::make_unique<number_wall::NumberWall>(); }
}  // namespace fulgur
