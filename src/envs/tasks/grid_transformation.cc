// Which rule turns each example's grid into the other? The same rule on a further grid is the answer. Cells move by one
// of a list of rules, and then colours may be replaced. The worked solution tries the rules in order: rows as they
// would become beside those that are there, up to the first that cannot be.
//
// Difficulty: rules to move cells, replaced colours, and size: 1: 4, none, 3x3; 2: 7, none, 3x3; 3: 7, some, 3x3; 4:
// 11, some, 4x4; 5: 18, some, 4x4; 6: 18, some, up to 6x6. 3 to 6 colours; 2 examples, then 3. All rules that fit the
// examples give the same answer.
#include <algorithm>
#include <array>
#include <set>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::grid_transformation {
namespace {

struct Level {
  size_t rules;
  bool colours;
  int64_t smallest, largest, digits;
  int examples;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {4, false, 3, 3, 3, 2},
                                           {7, false, 3, 3, 3, 2},
                                           {7, true, 3, 3, 3, 2},
                                           {11, true, 4, 4, 4, 2},
                                           {18, true, 4, 4, 4, 2},
                                           {18, true, 4, 6, 6, 3}}};
constexpr size_t kMostSide = 12, kMostExamples = 10;

using Grid = std::vector<std::string>;  // rows of digits

// Where each rule takes cells; the order is that in which they are tried.
constexpr std::array<std::string_view, 18> kRules = {"same",
                                                     "mirror left-right",
                                                     "mirror up-down",
                                                     "half turn",
                                                     "turn right",
                                                     "turn left",
                                                     "swap rows and columns",
                                                     "shift right",
                                                     "shift left",
                                                     "shift down",
                                                     "shift up",
                                                     "fall down",
                                                     "fall up",
                                                     "fall left",
                                                     "fall right",
                                                     "double wide",
                                                     "add mirrored right",
                                                     "add mirrored below"};

Grid MirrorLeftRight(Grid grid) {
  for (std::string& row : grid) std::reverse(row.begin(), row.end());
  return grid;
}
Grid MirrorUpDown(Grid grid) {
  std::reverse(grid.begin(), grid.end());
  return grid;
}
Grid Transposed(const Grid& grid) {
  Grid turned(grid[0].size());
  for (const std::string& row : grid) {
    for (size_t i = 0; i < row.size(); ++i) turned[i] += row[i];
  }
  return turned;
}
// What is not 0 moves to the end of its row.
Grid FallRight(Grid grid) {
  for (std::string& row : grid) std::stable_partition(row.begin(), row.end(), [](char c) { return c == '0'; });
  return grid;
}
Grid FallLeft(Grid grid) {
  for (std::string& row : grid) std::stable_partition(row.begin(), row.end(), [](char c) { return c != '0'; });
  return grid;
}

Grid Moved(size_t rule, const Grid& grid) {
  Grid moved = grid;
  switch (rule) {
    case 0:
      return grid;
    case 1:
      return MirrorLeftRight(grid);
    case 2:
      return MirrorUpDown(grid);
    case 3:
      return MirrorLeftRight(MirrorUpDown(grid));
    case 4:
      return MirrorLeftRight(Transposed(grid));
    case 5:
      return MirrorUpDown(Transposed(grid));
    case 6:
      return Transposed(grid);
    case 7:
      for (std::string& row : moved) std::rotate(row.begin(), row.end() - 1, row.end());
      return moved;
    case 8:
      for (std::string& row : moved) std::rotate(row.begin(), row.begin() + 1, row.end());
      return moved;
    case 9:
      std::rotate(moved.begin(), moved.end() - 1, moved.end());
      return moved;
    case 10:
      std::rotate(moved.begin(), moved.begin() + 1, moved.end());
      return moved;
    case 11:
      return Transposed(FallRight(Transposed(grid)));
    case 12:
      return Transposed(FallLeft(Transposed(grid)));
    case 13:
      return FallLeft(grid);
    case 14:
      return FallRight(grid);
    case 15:
      for (std::string& row : moved) {
        std::string wide;
        for (const char c : row) wide += std::string(2, c);
        row = wide;
      }
      return moved;
    case 16:
      for (std::string& row : moved) row += std::string(row.rbegin(), row.rend());
      return moved;
    default:
      moved.insert(moved.end(), grid.rbegin(), grid.rend());
      return moved;
  }
}

using Colours = std::array<char, 10>;  // what each digit becomes; ' ' if that is not known

std::string Text(const Grid& grid) { return Join(grid, " "); }

Grid Coloured(const Colours& colours, Grid grid) {
  for (std::string& row : grid) {
    for (char& c : row) c = colours[c - '0'] == ' ' ? c : colours[c - '0'];
  }
  return grid;
}

struct Example {
  Grid in, out;
};

struct Puzzle {
  size_t rules = 1;      // the first so many of kRules
  bool colours = false;  // whether digits may be replaced after the move
  std::vector<Example> examples;
  Grid test;
};

// Whether the rule, with some replacement of colours if the problem has that, fits all examples; how, and in words.
bool Fits(const Puzzle& puzzle, size_t rule, Colours* colours, std::string* text) {
  if (puzzle.colours) {
    colours->fill(' ');
  } else {
    for (int i = 0; i < 10; ++i) (*colours)[i] = static_cast<char>('0' + i);
  }
  if (text != nullptr) *text += std::string(kRules[rule]) + ":";
  for (const Example& example : puzzle.examples) {
    const Grid moved = Moved(rule, example.in);
    if (moved.size() != example.out.size() || moved[0].size() != example.out[0].size()) {
      if (text != nullptr) *text += " size no\n";
      return false;
    }
    for (size_t row = 0; row < moved.size(); ++row) {
      if (text != nullptr) *text += fmt::format(" {}-{}", moved[row], example.out[row]);
      for (size_t i = 0; i < moved[row].size(); ++i) {
        char& becomes = (*colours)[moved[row][i] - '0'];
        if (becomes == ' ') becomes = example.out[row][i];
        if (becomes == example.out[row][i]) continue;
        if (text != nullptr) *text += " no\n";
        return false;
      }
    }
  }
  if (text != nullptr) *text += " yes\n";
  return true;
}

Grid DrawGrid(Rng& rng, int64_t rows, int64_t columns, int64_t digits) {
  Grid grid;
  for (int64_t i = 0; i < rows; ++i) {
    std::string row;
    for (int64_t j = 0; j < columns; ++j) row += static_cast<char>('0' + rng.Below(digits));
    grid.push_back(row);
  }
  return grid;
}

class GridTransformation : public Task {
 public:
  const char* name() const override { return "grid_transformation"; }
  const char* description() const override { return "Find the rule that changes some grids and apply it to another"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"rules", "number from 1 to 18: how many of the known rules are possible"},
            {"colours", "true or false: whether digits may be replaced as well"},
            {"examples",
             "list of up to 10 pairs of grids, before and after; rows are separated by spaces, of up to 12 digits"},
            {"test", "grid that the rule is to be applied to"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking;
    Colours colours;
    for (size_t rule = 0; rule < puzzle.rules; ++rule) {
      if (!Fits(puzzle, rule, &colours, &thinking)) continue;
      const Grid moved = Moved(rule, puzzle.test), answer = Coloured(colours, moved);
      thinking += fmt::format("{}: {} to {}", kRules[rule], Text(puzzle.test), Text(moved));
      if (puzzle.colours) {
        thinking += "\ncolours";
        for (int i = 0; i < 10; ++i) {
          if (colours[i] != ' ') thinking += fmt::format(" {}-{}", i, colours[i]);
        }
        thinking += fmt::format("\n{} to {}", Text(moved), Text(answer));
      }
      return {thinking, BoxedAnswer(Text(answer))};
    }
    throw Error("data of grid_transformation: no rule fits the examples");
  }

  // The order of the examples does not matter.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> all;
    for (const Example& example : puzzle.examples) all.push_back(Text(example.in) + " to " + Text(example.out));
    std::sort(all.begin(), all.end());
    return fmt::format("{} {} {}: {}", puzzle.rules, puzzle.colours, Join(all, ", "), Text(puzzle.test));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = {level.rules, level.colours, {}, {}};
      // Doing nothing would be no rule.
      const size_t rule = rng.Below(level.rules - 1) + 1;
      Colours colours;
      for (int i = 0; i < 10; ++i) colours[i] = static_cast<char>('0' + i);
      if (level.colours && rng.Chance(0.75)) {
        const auto from = rng.Below(level.digits);
        const auto to = (from + 1 + rng.Below(level.digits - 1)) % level.digits;
        if (rng.Chance(0.5)) colours[to] = static_cast<char>('0' + from);
        colours[from] = static_cast<char>('0' + to);
      }
      for (int i = 0; i <= level.examples; ++i) {
        const Grid grid =
            DrawGrid(rng, rng.Int(level.smallest, level.largest), rng.Int(level.smallest, level.largest), level.digits);
        if (i < level.examples) {
          puzzle.examples.push_back({grid, Coloured(colours, Moved(rule, grid))});
        } else {
          puzzle.test = grid;
        }
      }
    } while (!Clear(puzzle));
    Json examples = Json::array();
    std::string text;
    for (const Example& example : puzzle.examples) {
      examples.push_back(Json::array({Text(example.in), Text(example.out)}));
      text += fmt::format("{} becomes {}\n", Text(example.in), Text(example.out));
    }
    instance->data = {
        {"rules", level.rules}, {"colours", level.colours}, {"examples", examples}, {"test", Text(puzzle.test)}};
    const std::vector<std::string> rules(kRules.begin(), kRules.begin() + static_cast<std::ptrdiff_t>(level.rules));
    std::string family = Join(rules, ", ");
    if (level.rules > 7) family += "; shifts go round by one";
    if (level.rules > 11) family += "; all but 0, which is empty, falls as far as it can";
    if (level.colours) family += "; then digits may be replaced, each by the same everywhere";
    const std::array<std::string, 2> openings = {
        fmt::format("One rule changes these grids ({}).", family),
        fmt::format("Find the rule by which the grids change. It is one of: {}.", family)};
    instance->prompt = fmt::format("{}\n{}What does {} become? Put its rows, separated by spaces, in \\boxed{{}}.",
                                   rng.Pick(openings), text, Text(puzzle.test));
  }

  // Right is what any rule that fits all examples makes of the grid.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const Grid given = AnswerRows(answer);
    for (const std::string& row : given) {
      const bool digits = std::all_of(row.begin(), row.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits) return {0, Quoted(row) + " is not a row of digits"};
      if (row.size() != given[0].size()) return {0, "rows of different length"};
    }
    Colours colours;
    for (size_t rule = 0; rule < puzzle.rules; ++rule) {
      if (Fits(puzzle, rule, &colours, nullptr) && Coloured(colours, Moved(rule, puzzle.test)) == given) return {1, ""};
    }
    return {0, "no rule that fits the examples gives this"};
  }

 private:
  // Whether all that fits gives one answer, the grid changes, and every digit of it is in some example.
  static bool Clear(const Puzzle& puzzle) {
    std::set<Grid> answers;
    std::set<char> seen;
    Colours colours;
    for (const Example& example : puzzle.examples) {
      if (example.in == example.out) return false;
      for (const std::string& row : example.in) seen.insert(row.begin(), row.end());
    }
    for (const std::string& row : puzzle.test) {
      if (!std::all_of(row.begin(), row.end(), [&](char c) { return seen.count(c) != 0; })) return false;
    }
    for (size_t rule = 0; rule < puzzle.rules; ++rule) {
      if (Fits(puzzle, rule, &colours, nullptr)) answers.insert(Coloured(colours, Moved(rule, puzzle.test)));
    }
    return answers.size() == 1 && *answers.begin() != puzzle.test;
  }

  static Grid ReadGrid(const std::string& text, const std::string& where) {
    const Grid grid = SplitList(text);
    bool good = !grid.empty() && grid.size() <= kMostSide;
    for (size_t i = 0; good && i < grid.size(); ++i) {
      good = grid[i].size() == grid[0].size() && grid[i].size() <= kMostSide &&
             std::all_of(grid[i].begin(), grid[i].end(), [](char c) { return c >= '0' && c <= '9'; });
    }
    if (!good) throw Error("{}: {} is not a grid of at most {} rows of as many digits", where, Quoted(text), kMostSide);
    return grid;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of grid_transformation";
    Puzzle puzzle;
    const auto rules = JsonGet<int64_t>(instance.data, "rules", where);
    if (rules < 1 || rules > static_cast<int64_t>(kRules.size())) {
      throw Error("{}: \"rules\" must be in 1..{}", where, kRules.size());
    }
    puzzle.rules = static_cast<size_t>(rules);
    puzzle.colours = JsonGet<bool>(instance.data, "colours", where);
    puzzle.test = ReadGrid(JsonGet<std::string>(instance.data, "test", where), where);
    for (const Json& entry : JsonList(instance.data, "examples", where, 1, kMostExamples)) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string()) {
        throw Error("{}: \"examples\": {} is not two grids", where, Quoted(entry.dump()));
      }
      puzzle.examples.push_back(
          {ReadGrid(entry[0].get<std::string>(), where), ReadGrid(entry[1].get<std::string>(), where)});
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::grid_transformation

namespace fulgur {
std::unique_ptr<Task> MakeGridTransformation() { return std::make_unique<grid_transformation::GridTransformation>(); }
}  // namespace fulgur
