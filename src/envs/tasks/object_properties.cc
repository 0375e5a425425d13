// A collection of things with size, colour and material that is painted, given away and added to; then those with some
// property are counted. The collection is restated after every change, and counted thing by thing.
//
// Difficulty: things at the start and changes: 1: 3 and 1, 2: 4 and 1, 3: 4 and 2, 4: 6 and 3, 5: 9 and 5, 6: 14 and 8.
// From 2 questions about two properties.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::object_properties {
namespace {

struct Level {
  int things, changes;
  uint64_t questions;
};
constexpr std::array<Level, 7> kLevels = {{{}, {3, 1, 1}, {4, 1, 2}, {4, 2, 4}, {6, 3, 4}, {9, 5, 4}, {14, 8, 4}}};
constexpr size_t kMostThings = 100, kMostChanges = 50;

constexpr auto kSizes = std::to_array<std::string_view>({"small", "large"});
constexpr auto kColours = std::to_array<std::string_view>({"red", "blue", "green", "black", "white"});
constexpr auto kMaterials = std::to_array<std::string_view>({"wooden", "glass", "tin", "clay"});
constexpr auto kNouns = std::to_array<std::string_view>({"cup", "box", "ball", "bowl", "bell", "ring", "jar", "dish"});
constexpr size_t kColour = 1;  // place in a thing's words

using Thing = std::array<std::string, 4>;  // size, colour, material, noun

template <size_t n>
bool IsOneOf(const std::array<std::string_view, n>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}
bool IsProperty(const std::string& word) {
  return IsOneOf(kSizes, word) || IsOneOf(kColours, word) || IsOneOf(kMaterials, word);
}

std::string Text(const Thing& thing) { return fmt::format("{}", fmt::join(thing, " ")); }
bool Has(const Thing& thing, const std::string& property) {
  return std::find(thing.begin(), thing.end(), property) != thing.end();
}

enum class Kind { kPaint, kLose, kGet };
constexpr std::array<std::string_view, 3> kKinds = {"paint", "lose", "get"};
struct Change {
  Kind kind = Kind::kPaint;
  std::string which, colour;  // paint all that are `which`; lose all that are `which`
  Thing thing;                // get
};

enum class Ask { kOne, kBoth, kEither, kNot };
constexpr std::array<std::string_view, 4> kAsks = {"one", "both", "either", "not"};

void Apply(const Change& change, std::vector<Thing>* things) {
  if (change.kind == Kind::kGet) {
    things->push_back(change.thing);
  } else if (change.kind == Kind::kLose) {
    std::erase_if(*things, [&](const Thing& thing) { return Has(thing, change.which); });
  } else {
    for (Thing& thing : *things) {
      if (Has(thing, change.which)) thing[kColour] = change.colour;
    }
  }
}

std::string List(const std::vector<Thing>& things) {
  std::vector<std::string> texts;
  for (const Thing& thing : things) texts.push_back(Text(thing));
  return things.empty() ? "nothing" : Join(texts, ", ");
}

Thing DrawThing(Rng& rng) {
  return {std::string(rng.Pick(kSizes)), std::string(rng.Pick(kColours)), std::string(rng.Pick(kMaterials)),
          std::string(rng.Pick(kNouns))};
}

class ObjectProperties : public Task {
 public:
  const char* name() const override { return "object_properties"; }
  const char* description() const override { return "Count the things with a property after some changes"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"things",
             "list of up to 100 things, each a size, colour, material and noun, such as \"small red wooden cup\""},
            {"changes", "list of [\"paint\", property, colour], [\"lose\", property] or [\"get\", thing]"},
            {"question",
             "[\"one\", property], [\"both\", property, property], [\"either\", property, property] or [\"not\", "
             "property]"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    Puzzle puzzle = Read(instance);
    std::string thinking = List(puzzle.things) + "\n";
    for (const Change& change : puzzle.changes) {
      Apply(change, &puzzle.things);
      thinking += fmt::format("{} {}: {}\n", kKinds[static_cast<size_t>(change.kind)],
                              change.kind == Kind::kGet     ? Text(change.thing)
                              : change.kind == Kind::kPaint ? change.which + " " + change.colour
                                                            : change.which,
                              List(puzzle.things));
    }
    thinking += Question(puzzle) + "\n";
    int count = 0;
    for (const Thing& thing : puzzle.things) {
      const bool counts = Counts(puzzle, thing);
      count += counts ? 1 : 0;
      thinking += fmt::format("{} {} {}\n", Text(thing), counts ? "yes" : "no", count);
    }
    return {thinking + fmt::format("answer {}", count), BoxedAnswer(std::to_string(count))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    std::vector<Thing> things;
    for (int i = 0; i < level.things; ++i) things.push_back(DrawThing(rng));
    std::vector<std::string> given, sentences;
    Json list = Json::array(), changes = Json::array();
    for (const Thing& thing : things) {
      list.push_back(Text(thing));
      given.push_back("a " + Text(thing));
    }
    // A property that some thing has, mostly.
    const auto property = [&] {
      return things.empty() || rng.Chance(0.1) ? DrawThing(rng)[rng.Below(3)] : rng.Pick(things)[rng.Below(3)];
    };
    for (int i = 0; i < level.changes; ++i) {
      Change change;
      change.kind = static_cast<Kind>(rng.Below(3));
      // Giving away takes about a third of the things; few are left after many of them.
      if (change.kind == Kind::kLose && things.size() <= 2) change.kind = Kind::kGet;
      Json entry = Json::array({kKinds[static_cast<size_t>(change.kind)]});
      if (change.kind == Kind::kGet) {
        change.thing = DrawThing(rng);
        entry.push_back(Text(change.thing));
        sentences.push_back(fmt::format("You get a {}.", Text(change.thing)));
      } else {
        change.which = property();
        entry.push_back(change.which);
        if (change.kind == Kind::kPaint) {
          do {
            change.colour = rng.Pick(kColours);
          } while (change.colour == change.which);
          entry.push_back(change.colour);
          sentences.push_back(fmt::format("You paint all {} things {}.", change.which, change.colour));
        } else {
          sentences.push_back(fmt::format("You give all {} things away.", change.which));
        }
      }
      Apply(change, &things);
      changes.push_back(entry);
    }
    Puzzle puzzle;
    puzzle.ask = static_cast<Ask>(rng.Below(level.questions));
    puzzle.properties = {property()};
    if (puzzle.ask == Ask::kBoth || puzzle.ask == Ask::kEither) {
      do {
        puzzle.properties.resize(1);
        puzzle.properties.push_back(property());
      } while (SameSort(puzzle.properties[0], puzzle.properties[1]));
    }
    Json question = Json::array({kAsks[static_cast<size_t>(puzzle.ask)]});
    for (const std::string& word : puzzle.properties) question.push_back(word);
    instance->data = {{"things", list}, {"changes", changes}, {"question", question}};
    const std::array<std::string, 2> prompts = {fmt::format("You have {}. {} How many of your things are {}?",
                                                            Enumerate(given), Join(sentences, " "), Question(puzzle)),
                                                fmt::format("You own {}. {} How many things are now {}?",
                                                            Enumerate(given), Join(sentences, " "), Question(puzzle))};
    instance->prompt = rng.Pick(prompts) + " Put the number in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    Puzzle puzzle = Read(instance);
    for (const Change& change : puzzle.changes) Apply(change, &puzzle.things);
    return JudgeInteger(std::count_if(puzzle.things.begin(), puzzle.things.end(),
                                      [&](const Thing& thing) { return Counts(puzzle, thing); }),
                        answer);
  }

 private:
  struct Puzzle {
    std::vector<Thing> things;
    std::vector<Change> changes;
    Ask ask = Ask::kOne;
    std::vector<std::string> properties;
  };

  static bool SameSort(const std::string& a, const std::string& b) {
    return (IsOneOf(kSizes, a) && IsOneOf(kSizes, b)) || (IsOneOf(kColours, a) && IsOneOf(kColours, b)) ||
           (IsOneOf(kMaterials, a) && IsOneOf(kMaterials, b));
  }

  static bool Counts(const Puzzle& puzzle, const Thing& thing) {
    const bool first = Has(thing, puzzle.properties[0]);
    switch (puzzle.ask) {
      case Ask::kOne:
        return first;
      case Ask::kBoth:
        return first && Has(thing, puzzle.properties[1]);
      case Ask::kEither:
        return first || Has(thing, puzzle.properties[1]);
      default:
        return !first;
    }
  }

  static std::string Question(const Puzzle& puzzle) {
    const std::vector<std::string>& p = puzzle.properties;
    switch (puzzle.ask) {
      case Ask::kOne:
        return p[0];
      case Ask::kBoth:
        return fmt::format("both {} and {}", p[0], p[1]);
      case Ask::kEither:
        return fmt::format("{} or {} or both", p[0], p[1]);
      default:
        return "not " + p[0];
    }
  }

  static Thing ReadThing(const std::string& text, const std::string& where) {
    const std::vector<std::string> words = SplitList(text);
    if (words.size() != 4 || !IsOneOf(kSizes, words[0]) || !IsOneOf(kColours, words[1]) ||
        !IsOneOf(kMaterials, words[2]) || !IsOneOf(kNouns, words[3])) {
      throw Error("{}: {} is not a size, colour, material and thing known here", where, Quoted(text));
    }
    return {words[0], words[1], words[2], words[3]};
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of object_properties";
    Puzzle puzzle;
    for (const std::string& text : JsonTexts(instance.data, "things", where, 1, kMostThings)) {
      puzzle.things.push_back(ReadThing(text, where));
    }
    for (const Json& entry : JsonList(instance.data, "changes", where, 0, kMostChanges)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.empty() ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), texts[0]);
      Change change;
      change.kind = static_cast<Kind>(kind - kKinds.begin());
      bool good = kind != kKinds.end() && texts.size() == (change.kind == Kind::kPaint ? 3 : 2);
      if (good && change.kind == Kind::kGet) {
        change.thing = ReadThing(texts[1], where);
      } else if (good) {
        change.which = texts[1];
        good = IsProperty(change.which);
        if (change.kind == Kind::kPaint) {
          change.colour = texts[2];
          good = good && IsOneOf(kColours, change.colour);
        }
      }
      if (!good) throw Error("{}: {} is not a change", where, Quoted(entry.dump()));
      puzzle.changes.push_back(change);
    }
    std::vector<std::string> question = JsonTexts(instance.data, "question", where, 2, 3);
    const auto ask = std::find(kAsks.begin(), kAsks.end(), question[0]);
    puzzle.ask = static_cast<Ask>(ask - kAsks.begin());
    puzzle.properties.assign(question.begin() + 1, question.end());
    const bool two = puzzle.ask == Ask::kBoth || puzzle.ask == Ask::kEither;
    if (ask == kAsks.end() || puzzle.properties.size() != (two ? 2u : 1u) ||
        !std::all_of(puzzle.properties.begin(), puzzle.properties.end(), IsProperty)) {
      throw Error("{}: \"question\" must be one, both, either or not, and properties", where);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::object_properties

namespace fulgur {
std::unique_ptr<Task> MakeObjectProperties() { return std::make_unique<object_properties::ObjectProperties>(); }
}  // namespace fulgur
