// Calcudoko: a Latin square whose cells are grouped into cages; the numbers of a cage make its target with its
// operation.
//
// The worked solution fills cells whose row and column leave one number, numbers that have one place in a row or
// column, and otherwise takes a cage, or a row or column with the cages inside it, that can be filled in the fewest
// ways. Only puzzles that this solves are drawn, so there is one solution.
//
// Difficulty: 1: 3x3, cages of 1 or 2 cells; 2: 3x3, up to 3; 3: 4x4, up to 2; 4: 4x4, up to 3; 5: 5x5, up to 3; 6:
// 6x6, up to 3. 7: 4x4, up to 4, no number twice in a cage, and quotients rounded down.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/cell_logic.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur::calcudoko {
namespace {

struct Level {
  int side, largest;
  double single;  // share of cages that stay single cells
  size_t most_text;
  bool distinct = false, round_down = false;
};
constexpr std::array<Level, 8> kLevels = {{{},
                                           {3, 2, 0.1, 240},
                                           {3, 3, 0.1, 260},
                                           {4, 2, 0.1, 0},
                                           {4, 3, 0.1, 0},
                                           {5, 3, 0.15, 0},
                                           {6, 3, 0.2, 0},
                                           {4, 4, 0.05, 0, true, true}}};
constexpr int kMostSide = 9;
constexpr int kMostCageCells = 6;
constexpr int kMostTarget = 1'000'000;

struct Cage {
  std::vector<int> cells;
  char op = '+';  // + - * /, or = for a single cell
  int target = 0;
  bool distinct = false;    // no number twice
  bool round_down = false;  // the target of / is the whole part of the quotient
};

struct Puzzle {
  int side = 0;
  bool distinct = false, round_down = false;  // for all cages
  std::vector<Cage> cages;
};

bool AllDifferent(std::span<const int> numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (numbers[i] == numbers[j]) return false;
    }
  }
  return true;
}

// Whether all numbers of the cage make its target; - and / take all other numbers from the largest.
bool Makes(const Cage& cage, std::span<const int> numbers) {
  if (cage.distinct && !AllDifferent(numbers)) return false;
  int64_t sum = 0, product = 1;
  for (const int number : numbers) sum += number, product *= number;
  const int64_t high = *std::max_element(numbers.begin(), numbers.end()), others = product / high;
  switch (cage.op) {
    case '=':
      return high == cage.target;
    case '-':
      return high - (sum - high) == cage.target;
    case '/':
      return cage.round_down ? high / others == cage.target : high == others * cage.target;
    default:
      return (cage.op == '+' ? sum : product) == cage.target;
  }
}

// Whether numbers that begin so may make the target.
bool CageFits(const Cage& cage, std::span<const int> numbers) {
  if (numbers.size() == cage.cells.size()) return Makes(cage, numbers);
  if (cage.distinct && !AllDifferent(numbers)) return false;
  int64_t value = cage.op == '*' ? 1 : 0;
  for (const int number : numbers) value = cage.op == '+' ? value + number : value * number;
  if (cage.op == '+') return value < cage.target;
  return cage.op != '*' || (value <= cage.target && cage.target % value == 0);
}

class Calcudoko : public Task {
 public:
  const char* name() const override { return "calcudoko"; }
  const char* description() const override { return "Fill a Latin square whose cages make given results"; }
  int max_difficulty() const override { return 7; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"side", "number from 1 to 9"},
            {"cages",
             "list of cages; a cell belongs to at most one",
             false,
             {{"cells", "names of 1 to 6 cells, such as \"a1 a2\": row a, b, ..., column 1, 2, ..."},
              {"op",
               "+, *, - (the largest minus all others), / (the largest divided by all others), or = for a single cell"},
              {"target", "whole number"}}},
            {"distinct", "true: a cage has no number twice", true},
            {"round_down", "true: the target of / is the whole part of the quotient", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const auto render = Render(puzzle);
    return WorkedSolution(Logic(puzzle), render, render, "data of calcudoko");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = DrawCages(rng, level);
    } while (!Logic(puzzle).ForcedWithin(Render(puzzle), level.most_text));
    Json cages = Json::array();
    std::string list;
    for (const Cage& cage : puzzle.cages) {
      cages.push_back({{"cells", Cells(cage, puzzle.side)}, {"op", std::string(1, cage.op)}, {"target", cage.target}});
      list += list.empty() ? "" : ", ";
      list += Cells(cage, puzzle.side) + " ";
      if (cage.op != '=') list += cage.op;
      list += std::to_string(cage.target);
    }
    instance->data = {{"side", puzzle.side}, {"cages", cages}};
    if (puzzle.distinct) instance->data["distinct"] = true;
    if (puzzle.round_down) instance->data["round_down"] = true;
    const std::array<std::string, 2> prompts = {
        fmt::format("Fill {0} rows (a, b, ...) and {0} columns so that each has 1 to {0} once.", puzzle.side),
        fmt::format("Solve this calcudoko: each of the {0} rows (a, b, ...) and {0} columns has 1 to {0} once.",
                    puzzle.side)};
    instance->prompt = rng.Pick(prompts) +
                       " The numbers in the cells of a cage make its result: +7 is their sum, *6 their product, -1 the "
                       "larger minus the smaller, /2 the larger divided by the smaller" +
                       std::string(puzzle.round_down ? ", rounded down" : "") + ", a number alone is the cell's." +
                       (puzzle.distinct ? " No cage has a number twice.\n" : "\n") + "Cages: " + list +
                       "\nPut the rows in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const int side = puzzle.side;
    CharGrid grid;
    std::string reason;
    const std::string_view symbols = std::string_view("123456789").substr(0, side);
    if (!ParseGridAnswer(answer, side, side, symbols, "", &grid, &reason)) return {0, reason};
    for (int i = 0; i < grid.size(); ++i) {
      for (int j = 0; j < i; ++j) {
        if ((i / side == j / side || i % side == j % side) && grid.cells[i] == grid.cells[j]) {
          return {0, fmt::format("{} and {} are equal", CellName(j, grid), CellName(i, grid))};
        }
      }
    }
    for (const Cage& cage : puzzle.cages) {
      std::vector<int> numbers;
      for (const int cell : cage.cells) numbers.push_back(grid.cells[cell] - '0');
      if (!Makes(cage, numbers)) {
        return {0, fmt::format("{} do not make {}{}", Cells(cage, side), cage.op, cage.target)};
      }
    }
    return {1, ""};
  }

 private:
  static std::string Cells(const Cage& cage, int side) {
    std::string text;
    for (const int cell : cage.cells) {
      text += (text.empty() ? "" : " ") + CellName(cell / side, cell % side);
    }
    return text;
  }

  static Puzzle DrawCages(Rng& rng, const Level& level) {
    const int side = level.side;
    const CharGrid full = RandomLatinSquare(rng, side);
    Puzzle puzzle;
    puzzle.side = side;
    puzzle.distinct = level.distinct;
    puzzle.round_down = level.round_down;
    std::vector<bool> taken(full.size());
    for (int i = 0; i < full.size(); ++i) {
      if (taken[i]) continue;
      Cage cage;
      cage.distinct = level.distinct;
      cage.round_down = level.round_down;
      cage.cells = {i};
      taken[i] = true;
      const int size = rng.Chance(level.single) ? 1 : static_cast<int>(rng.Int(2, level.largest));
      while (static_cast<int>(cage.cells.size()) < size) {
        std::vector<int> beside;
        for (const int cell : cage.cells) {
          for (const int next : SideNeighbours(cell, side, side)) {
            if (taken[next]) continue;
            const bool there = std::any_of(cage.cells.begin(), cage.cells.end(),
                                           [&](int other) { return full.cells[other] == full.cells[next]; });
            if (!level.distinct || !there) beside.push_back(next);
          }
        }
        if (beside.empty()) break;
        const int next = rng.Pick(beside);
        taken[next] = true;
        cage.cells.push_back(next);
      }
      std::sort(cage.cells.begin(), cage.cells.end());
      std::vector<int> numbers;
      for (const int cell : cage.cells) numbers.push_back(full.cells[cell] - '0');
      const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
      std::string ops = "+*";
      if (numbers.size() == 2) ops += "-";
      if (numbers.size() == 2 && (level.round_down || *high % *low == 0)) ops += "//";
      cage.op = numbers.size() == 1 ? '=' : rng.Pick(ops);
      int sum = 0, product = 1;
      for (const int number : numbers) sum += number, product *= number;
      cage.target = cage.op == '+'   ? sum
                    : cage.op == '*' ? product
                    : cage.op == '-' ? *high - *low
                    : cage.op == '/' ? *high / *low
                                     : *high;
      puzzle.cages.push_back(cage);
    }
    return puzzle;
  }

  static CellLogic::Render Render(const Puzzle& puzzle) {
    return [side = puzzle.side](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, side, side)); };
  }

  static CellLogic Logic(const Puzzle& puzzle) {
    const int side = puzzle.side;
    CellLogic logic(CellNames(side, side), 1, side);
    std::vector<std::pair<std::string, std::vector<int>>> lines;
    for (int i = 0; i < side; ++i) {
      lines.emplace_back(std::string("row ") + static_cast<char>('a' + i), RowCells(i, side));
      lines.emplace_back("column " + std::to_string(i + 1), ColumnCells(i, side, side));
    }
    for (const auto& [name, cells] : lines) logic.AddUnit(name, cells);
    for (const Cage& cage : puzzle.cages) {
      if (cage.op == '=') {
        logic.Set(cage.cells[0], cage.target);
        continue;
      }
      logic.AddRule(fmt::format("{}{}", cage.op, cage.target), cage.cells, false,
                    [cage](std::span<const int> values) { return CageFits(cage, values); });
    }
    for (const auto& [name, cells] : lines) {
      // Cages that are inside the line, with the places of their cells in it.
      std::vector<std::pair<Cage, std::vector<size_t>>> inside;
      for (const Cage& cage : puzzle.cages) {
        std::vector<size_t> places;
        for (const int cell : cage.cells) {
          const auto found = std::find(cells.begin(), cells.end(), cell);
          if (found != cells.end()) places.push_back(found - cells.begin());
        }
        if (cage.op != '=' && places.size() == cage.cells.size()) inside.emplace_back(cage, places);
      }
      if (inside.empty()) continue;
      logic.AddRule(name, cells, true, [inside](std::span<const int> values) {
        for (const auto& [cage, places] : inside) {
          if (places.back() + 1 != values.size()) continue;
          std::vector<int> numbers;
          for (const size_t place : places) numbers.push_back(values[place]);
          if (!Makes(cage, numbers)) return false;
        }
        return true;
      });
    }
    return logic;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of calcudoko";
    Puzzle puzzle;
    const int64_t side = JsonGet<int64_t>(instance.data, "side", where);
    if (side < 1 || side > kMostSide) throw Error("{}: \"side\" must be from 1 to {}", where, kMostSide);
    puzzle.side = static_cast<int>(side);
    puzzle.distinct = JsonGetOr<bool>(instance.data, "distinct", false, where);
    puzzle.round_down = JsonGetOr<bool>(instance.data, "round_down", false, where);
    const auto cages = instance.data.find("cages");
    if (cages == instance.data.end() || !cages->is_array()) throw Error("{}: \"cages\" must be a list", where);
    std::vector<bool> taken(puzzle.side * puzzle.side);
    for (const Json& json : *cages) {
      Cage cage;
      cage.distinct = puzzle.distinct;
      cage.round_down = puzzle.round_down;
      const std::string op = JsonGet<std::string>(json, "op", where);
      const int64_t target = JsonGet<int64_t>(json, "target", where);
      for (const std::string& name : SplitList(JsonGet<std::string>(json, "cells", where))) {
        const int cell = FindCell(name, puzzle.side, puzzle.side);
        if (cell < 0 || taken[cell]) throw Error("{}: {} is no cell, or in two cages", where, Quoted(name));
        taken[cell] = true;
        cage.cells.push_back(cell);
      }
      const size_t size = cage.cells.size();
      const bool fits = op.size() == 1 && std::string_view("+-*/=").find(op) != std::string_view::npos &&
                        (op == "=" ? size == 1 : size >= 2);
      if (!fits || size > kMostCageCells || target < 0 || target > kMostTarget) {
        throw Error("{}: {} is not a cage such as {{\"cells\": \"a1 a2\", \"op\": \"+\", \"target\": 3}}", where,
                    json.dump());
      }
      if (op == "=" && (target < 1 || target > side)) throw Error("{}: {} is not in 1..{}", where, target, side);
      cage.op = op[0];
      cage.target = static_cast<int>(target);
      std::sort(cage.cells.begin(), cage.cells.end());
      puzzle.cages.push_back(cage);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::calcudoko

namespace fulgur {
std::unique_ptr<Task> MakeCalcudoko() { return std::make_unique<calcudoko::Calcudoko>(); }
}  // namespace fulgur
