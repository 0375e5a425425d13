// Houses in a row with one value of each sort in each, and clues that leave one arrangement. For every value the houses
// it can still be in are kept; a clue crosses out houses of the two values it speaks of, and within a sort a value that
// has its house takes it from the others. Where no clue helps, a house is tried and crossed out if that fails.
//
// Difficulty: houses and sorts: 1: 3 and 2, 2: 3 and 3, 3: 4 and 2, 4: 4 and 3, 5: 5 and 4, 6: 5 and 5. Up to 5 clues
// alone are enough, without trying.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::zebra {
namespace {

struct Level {
  int houses, sorts;
  bool tries;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 2, false}, {3, 3, false}, {4, 2, false}, {4, 3, false}, {5, 4, false}, {5, 5, true}}};
constexpr size_t kMostHouses = 8, kMostSorts = 8, kMostClues = 200;

constexpr auto kColours = std::to_array<std::string_view>({"red", "blue", "green", "white", "black", "brown"});
constexpr auto kPets = std::to_array<std::string_view>({"cat", "dog", "fish", "bird", "horse", "zebra"});
constexpr auto kDrinks = std::to_array<std::string_view>({"tea", "milk", "water", "juice", "coffee", "cocoa"});
constexpr auto kFoods = std::to_array<std::string_view>({"bread", "rice", "soup", "cake", "cheese", "corn"});

enum class Kind { kAt, kNotAt, kSame, kLeft, kNext, kBefore };
constexpr std::array<std::string_view, 6> kKinds = {"at", "not at", "same", "left", "next", "before"};

struct Clue {
  Kind kind = Kind::kAt;
  int a = 0, b = 0;  // values; value v is of sort v / houses
  int house = 0;     // at, not at; from 0
};

struct Puzzle {
  int houses = 0;
  std::vector<std::vector<std::string>> sorts;
  std::vector<Clue> clues;

  int values() const { return houses * static_cast<int>(sorts.size()); }
  const std::string& name(int value) const { return sorts[value / houses][value % houses]; }
};

using Houses = uint32_t;               // a bit for each house
using Possible = std::vector<Houses>;  // for each value

bool Holds(const Clue& clue, const std::vector<int>& house) {
  const int a = house[clue.a], b = house[clue.b];
  switch (clue.kind) {
    case Kind::kAt:
      return a == clue.house;
    case Kind::kNotAt:
      return a != clue.house;
    case Kind::kSame:
      return a == b;
    case Kind::kLeft:
      return a + 1 == b;
    case Kind::kNext:
      return std::abs(a - b) == 1;
    default:
      return a < b;
  }
}

// Crosses out what the clue excludes; true if it did.
bool Apply(const Clue& clue, Possible* possible) {
  Houses &a = (*possible)[clue.a], &b = (*possible)[clue.b];
  const Houses before_a = a, before_b = b;
  switch (clue.kind) {
    case Kind::kAt:
      a &= Houses{1} << clue.house;
      break;
    case Kind::kNotAt:
      a &= ~(Houses{1} << clue.house);
      break;
    case Kind::kSame:
      a = b = a & b;
      break;
    case Kind::kLeft:
      a &= b >> 1;
      b &= a << 1;
      break;
    case Kind::kNext:
      a &= b << 1 | b >> 1;
      b &= a << 1 | a >> 1;
      break;
    case Kind::kBefore:
      a &= b == 0 ? 0 : std::bit_floor(b) - 1;
      b &= a == 0 ? 0 : ~(2 * (a & (~a + 1)) - 1);
  }
  // For clues about one value b is value 0, which they leave alone.
  return a != before_a || b != before_b;
}

// Within a sort: one house is one value's. True if something was crossed out.
bool Settle(const Puzzle& puzzle, int sort, Possible* possible) {
  Houses* const p = possible->data() + sort * puzzle.houses;
  bool any = false;
  for (bool changed = true; changed;) {
    changed = false;
    const auto take = [&](int value, Houses house) {
      if (p[value] != house) p[value] = house, changed = true;
      for (int other = 0; other < puzzle.houses; ++other) {
        if (other != value && (p[other] & house) != 0) p[other] &= ~house, changed = true;
      }
    };
    for (int value = 0; value < puzzle.houses; ++value) {
      if (std::has_single_bit(p[value])) take(value, p[value]);
    }
    for (int house = 0; house < puzzle.houses; ++house) {
      const Houses bit = Houses{1} << house;
      int values = 0, last = 0;
      for (int value = 0; value < puzzle.houses; ++value) {
        if ((p[value] & bit) != 0) ++values, last = value;
      }
      if (values == 1) take(last, bit);
    }
    any = any || changed;
  }
  return any;
}

bool Failed(const Puzzle& puzzle, const Possible& possible) {
  for (size_t sort = 0; sort < puzzle.sorts.size(); ++sort) {
    Houses all = 0;
    for (int i = 0; i < puzzle.houses; ++i) {
      const Houses houses = possible[sort * puzzle.houses + i];
      if (houses == 0) return true;
      all |= houses;
    }
    if (all != (Houses{1} << puzzle.houses) - 1) return true;
  }
  return false;
}

bool Solved(const Possible& possible) {
  return std::all_of(possible.begin(), possible.end(), [](Houses houses) { return std::has_single_bit(houses); });
}

std::string HousesText(Houses houses) {
  std::string text;
  for (int house = 0; house < 32; ++house) {
    if ((houses >> house & 1) != 0) text += std::to_string(house + 1);
  }
  return text.empty() ? "none" : text;
}

std::string Short(const Puzzle& puzzle, const Clue& clue) {
  const std::string& a = puzzle.name(clue.a);
  const std::string_view kind = kKinds[static_cast<size_t>(clue.kind)];
  if (clue.kind <= Kind::kNotAt) return fmt::format("{} {} {}", a, kind, clue.house + 1);
  return fmt::format("{} {} {}", a, kind, puzzle.name(clue.b));
}

// All clues in order, again and again while they cross something out. `text`, if there is one, gets a line for each
// that does, and one for each sort in which that settles something.
void Deduce(const Puzzle& puzzle, Possible* possible, std::string* text) {
  const auto shown = [&](int value) {
    return fmt::format("{} {}", puzzle.name(value), HousesText((*possible)[value]));
  };
  for (bool changed = true; changed && !Failed(puzzle, *possible);) {
    changed = false;
    for (size_t i = 0; i < puzzle.clues.size(); ++i) {
      const Clue& clue = puzzle.clues[i];
      if (!Apply(clue, possible)) continue;
      changed = true;
      const bool two = clue.kind > Kind::kNotAt;
      if (text != nullptr) {
        *text += fmt::format("{}: {}{}\n", Short(puzzle, clue), shown(clue.a), two ? ", " + shown(clue.b) : "");
      }
      for (const int sort : {clue.a / puzzle.houses, clue.b / puzzle.houses}) {
        if (sort == clue.b / puzzle.houses && !two) continue;
        if (!Settle(puzzle, sort, possible) || text == nullptr) continue;
        std::vector<std::string> all;
        for (int value = 0; value < puzzle.houses; ++value) all.push_back(shown(sort * puzzle.houses + value));
        *text += Join(all, ", ") + "\n";
      }
    }
  }
}

// Tries houses of values that have several, until one can be crossed out; false if none can.
bool CrossOutByTrying(const Puzzle& puzzle, Possible* possible, std::string* text) {
  for (int value = 0; value < puzzle.values(); ++value) {
    const Houses houses = (*possible)[value];
    if (std::has_single_bit(houses)) continue;
    for (int house = 0; house < puzzle.houses; ++house) {
      const Houses bit = Houses{1} << house;
      if ((houses & bit) == 0) continue;
      Possible trial = *possible;
      trial[value] = bit;
      Settle(puzzle, value / puzzle.houses, &trial);
      Deduce(puzzle, &trial, nullptr);
      if (!Failed(puzzle, trial)) continue;
      (*possible)[value] &= ~bit;
      Settle(puzzle, value / puzzle.houses, possible);
      if (text != nullptr) {
        *text += fmt::format("try {} {}: fails, {} {}\n", puzzle.name(value), house + 1, puzzle.name(value),
                             HousesText((*possible)[value]));
      }
      return true;
    }
  }
  return false;
}

// By clues alone, or also by trying; what is left open otherwise is guessed if `guess`.
bool Complete(const Puzzle& puzzle, bool tries, int* guesses, Possible* possible, std::string* text) {
  do {
    Deduce(puzzle, possible, text);
  } while (!Failed(puzzle, *possible) && !Solved(*possible) && tries && CrossOutByTrying(puzzle, possible, text));
  if (Failed(puzzle, *possible)) return false;
  if (Solved(*possible)) return true;
  for (int value = 0; value < puzzle.values(); ++value) {
    if (std::has_single_bit((*possible)[value])) continue;
    for (int house = 0; house < puzzle.houses; ++house) {
      const Houses bit = Houses{1} << house;
      if (((*possible)[value] & bit) == 0 || --*guesses < 0) continue;
      Possible trial = *possible;
      trial[value] = bit;
      Settle(puzzle, value / puzzle.houses, &trial);
      std::string tried = text == nullptr ? "" : fmt::format("guess {} {}\n", puzzle.name(value), house + 1);
      if (!Complete(puzzle, tries, guesses, &trial, text == nullptr ? nullptr : &tried)) continue;
      *possible = trial;
      if (text != nullptr) *text += tried;
      return true;
    }
    return false;
  }
  return false;
}

Possible Everywhere(const Puzzle& puzzle) { return Possible(puzzle.values(), (Houses{1} << puzzle.houses) - 1); }

class Zebra : public Task {
 public:
  const char* name() const override { return "zebra"; }
  const char* description() const override { return "Who lives in which house with what, from clues"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 1; }
  std::vector<DataKey> DataKeys() const override {
    return {{"sorts",
             "list of up to 8 lists of values, one a house, all of one length up to 8; all values are different words"},
            {"clues",
             "list of [\"at\", value, house], [\"not at\", value, house], [\"same\", value, value], [\"left\", value, "
             "value], [\"next\", value, value] or [\"before\", value, value]; houses are texts from \"1\" on"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    Possible possible = Everywhere(puzzle);
    std::string thinking;
    int guesses = 1000;
    if (!Complete(puzzle, true, &guesses, &possible, &thinking)) {
      throw Error("data of zebra: no arrangement that fits the clues was found");
    }
    std::vector<std::string> houses;
    for (int house = 0; house < puzzle.houses; ++house) {
      std::vector<std::string> values;
      for (int value = 0; value < puzzle.values(); ++value) {
        if (possible[value] == Houses{1} << house) values.push_back(puzzle.name(value));
      }
      houses.push_back(Join(values, " "));
      thinking += fmt::format("house {} {}\n", house + 1, houses.back());
    }
    thinking.pop_back();
    return {thinking, BoxedAnswer(Join(houses, ", "))};
  }

  // The order of the clues does not matter.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> clues;
    for (const Clue& clue : puzzle.clues) clues.push_back(Short(puzzle, clue));
    std::sort(clues.begin(), clues.end());
    return fmt::format("{} {}", instance.data["sorts"].dump(), Join(clues, "; "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    puzzle.houses = level.houses;
    const std::array<std::span<const std::string_view>, 5> pools = {FirstNames(), kColours, kPets, kDrinks, kFoods};
    for (int sort = 0; sort < level.sorts; ++sort) {
      // In the order of the alphabet, which says nothing about the houses.
      std::vector<std::string> values = Sample(rng, pools[sort], level.houses);
      std::sort(values.begin(), values.end());
      puzzle.sorts.push_back(values);
    }
    std::vector<int> house;
    for (int sort = 0; sort < level.sorts; ++sort) {
      std::vector<int> order(level.houses);
      for (int i = 0; i < level.houses; ++i) order[i] = i;
      rng.Shuffle<int>(order);
      house.insert(house.end(), order.begin(), order.end());
    }
    Possible possible = Everywhere(puzzle);
    while (!Solved(possible)) {
      const Clue clue = DrawClue(rng, puzzle, house);
      puzzle.clues.push_back(clue);
      Possible next = possible;
      Deduce(puzzle, &next, nullptr);
      // A clue that does not help now may help later, but too many of them make a dull problem.
      if (next == possible && rng.Chance(0.9)) {
        puzzle.clues.pop_back();
      } else {
        possible = next;
      }
    }
    // Clues that the others make superfluous go.
    const auto enough = [&](const Puzzle& candidate, bool tries) {
      Possible all = Everywhere(candidate);
      Deduce(candidate, &all, nullptr);
      while (tries && !Solved(all) && CrossOutByTrying(candidate, &all, nullptr)) Deduce(candidate, &all, nullptr);
      return Solved(all);
    };
    for (const bool tries : {false, true}) {
      if (tries && !level.tries) continue;
      // With trying, one of the last few is enough: it is what makes trying necessary.
      const size_t last = tries && puzzle.clues.size() > 5 ? puzzle.clues.size() - 5 : 0;
      for (size_t i = puzzle.clues.size(); i-- > last;) {
        Puzzle candidate = puzzle;
        candidate.clues.erase(candidate.clues.begin() + static_cast<std::ptrdiff_t>(i));
        if (!enough(candidate, tries)) continue;
        puzzle.clues = candidate.clues;
        if (tries) break;
      }
    }
    rng.Shuffle<Clue>(puzzle.clues);
    Json clues = Json::array();
    std::vector<std::string> sentences, sorts;
    for (const Clue& clue : puzzle.clues) {
      Json entry = Json::array({kKinds[static_cast<size_t>(clue.kind)], puzzle.name(clue.a)});
      entry.push_back(clue.kind <= Kind::kNotAt ? std::to_string(clue.house + 1) : puzzle.name(clue.b));
      clues.push_back(entry);
      sentences.push_back(Sentence(puzzle, clue));
    }
    for (const auto& values : puzzle.sorts) sorts.push_back(Join(values, ", "));
    instance->data = {{"sorts", puzzle.sorts}, {"clues", clues}};
    const std::array<std::string, 2> openings = {
        fmt::format("Houses 1 to {} stand in a row from left to right. In each is one of {}.", level.houses,
                    Join(sorts, ", and one of ")),
        fmt::format("{} houses in a row, 1 on the left. Each has one of {}.", level.houses, Join(sorts, ", one of "))};
    instance->prompt =
        fmt::format("{} {} What is where? Put the {} values of house 1, then of house 2 and so on, in \\boxed{{}}.",
                    rng.Pick(openings), Join(sentences, " "), level.sorts);
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const size_t sorts = puzzle.sorts.size();
    std::vector<int> house(puzzle.values(), -1);
    size_t given = 0, numbers = 0;
    for (const std::string& word : AnswerWords(answer, {"house", "has", "is", "in", "the"})) {
      int64_t number = 0;
      if (ParseInteger(word, &number)) {
        // The number of a house, before its values.
        if (given != numbers * sorts || number != static_cast<int64_t>(numbers) + 1)
          return {0, word + " is out of place"};
        ++numbers;
        continue;
      }
      int value = 0;
      while (value < puzzle.values() && ToLower(puzzle.name(value)) != word) ++value;
      if (value == puzzle.values()) return {0, Quoted(word) + " is none of the values"};
      if (house[value] >= 0) return {0, word + " is there twice"};
      house[value] = static_cast<int>(given++ / sorts);
      for (int other = value / puzzle.houses * puzzle.houses; other < (value / puzzle.houses + 1) * puzzle.houses;
           ++other) {
        if (other != value && house[other] == house[value]) {
          return {0, fmt::format("{} and {} are in one house", puzzle.name(other), puzzle.name(value))};
        }
      }
    }
    if (given < house.size()) return {0, fmt::format("{} values instead of {}", given, house.size())};
    if (numbers != 0 && static_cast<int>(numbers) != puzzle.houses)
      return {0, "some houses have a number and some none"};
    for (const Clue& clue : puzzle.clues) {
      if (!Holds(clue, house)) return {0, "against the clue: " + Sentence(puzzle, clue)};
    }
    return {1, ""};
  }

 private:
  static Clue DrawClue(Rng& rng, const Puzzle& puzzle, const std::vector<int>& house) {
    for (;;) {
      Clue clue;
      // Clues that name a house give much away.
      const double draw = rng.Uniform();
      clue.kind = draw < 0.1    ? Kind::kAt
                  : draw < 0.2  ? Kind::kNotAt
                  : draw < 0.5  ? Kind::kSame
                  : draw < 0.65 ? Kind::kLeft
                  : draw < 0.85 ? Kind::kNext
                                : Kind::kBefore;
      clue.a = static_cast<int>(rng.Below(puzzle.values()));
      clue.b = static_cast<int>(rng.Below(puzzle.values()));
      clue.house = clue.kind == Kind::kAt ? house[clue.a] : static_cast<int>(rng.Below(puzzle.houses));
      if (clue.kind <= Kind::kNotAt) clue.b = 0;
      const bool two = clue.kind > Kind::kNotAt;
      if (two && (clue.a == clue.b || (clue.kind == Kind::kSame && clue.a / puzzle.houses == clue.b / puzzle.houses)))
        continue;
      if (Holds(clue, house)) return clue;
    }
  }

  static std::string Sentence(const Puzzle& puzzle, const Clue& clue) {
    const std::string &a = puzzle.name(clue.a), &b = puzzle.name(clue.b);
    switch (clue.kind) {
      case Kind::kAt:
        return fmt::format("{} is in house {}.", a, clue.house + 1);
      case Kind::kNotAt:
        return fmt::format("{} is not in house {}.", a, clue.house + 1);
      case Kind::kSame:
        return fmt::format("{} and {} are in the same house.", a, b);
      case Kind::kLeft:
        return fmt::format("{} is directly left of {}.", a, b);
      case Kind::kNext:
        return fmt::format("{} is next to {}.", a, b);
      default:
        return fmt::format("{} is somewhere left of {}.", a, b);
    }
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of zebra";
    Puzzle puzzle;
    std::vector<std::string> names;
    for (const Json& entry : JsonList(instance.data, "sorts", where, 1, kMostSorts)) {
      puzzle.sorts.push_back(JsonEntry(entry, where));
      puzzle.houses = static_cast<int>(puzzle.sorts[0].size());
      if (puzzle.sorts.back().size() != puzzle.sorts[0].size()) throw Error("{}: \"sorts\" of different size", where);
      names.insert(names.end(), puzzle.sorts.back().begin(), puzzle.sorts.back().end());
    }
    if (puzzle.houses < 1 || puzzle.houses > static_cast<int>(kMostHouses)) {
      throw Error("{}: \"sorts\" must have 1 to {} values each", where, kMostHouses);
    }
    names = JsonNames({{"sorts", names}}, "sorts", where, 1, kMostHouses * kMostSorts);  // one word each, all different
    for (const Json& entry : JsonList(instance.data, "clues", where, 0, kMostClues)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.size() == 3 ? std::find(kKinds.begin(), kKinds.end(), texts[0]) : kKinds.end();
      Clue clue;
      clue.kind = static_cast<Kind>(kind - kKinds.begin());
      bool good = kind != kKinds.end() && (clue.a = IndexOf(names, texts[1])) >= 0;
      if (good && clue.kind <= Kind::kNotAt) {
        int64_t house = 0;
        good = ParseInteger(texts[2], &house) && house >= 1 && house <= puzzle.houses;
        clue.house = static_cast<int>(house) - 1;
      } else if (good) {
        good = (clue.b = IndexOf(names, texts[2])) >= 0 && clue.b != clue.a;
      }
      if (!good) throw Error("{}: {} is not a clue", where, Quoted(entry.dump()));
      puzzle.clues.push_back(clue);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::zebra

namespace fulgur {
std::unique_ptr<Task> MakeZebra() { return std::make_unique<zebra::Zebra>(); }
}  // namespace fulgur
