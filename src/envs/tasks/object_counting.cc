// Counting the things of one kind in a list: thing by thing, with the count so far.
//
// Difficulty: entries in the list: 1: 3, 2: 4, 3: 5, 4: 6, 5: 9, 6: 14; up to 4 an entry is of at most 5 things,
// then 9.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur {
namespace {

struct Kind {
  std::string_view plural;
  std::array<std::array<std::string_view, 2>, 10> things;  // with article, plural
};
constexpr std::array<Kind, 5> kKinds = {{
    {"fruits",
     {{{"an apple", "apples"},
       {"a pear", "pears"},
       {"a plum", "plums"},
       {"a banana", "bananas"},
       {"a grape", "grapes"},
       {"an orange", "oranges"},
       {"a lemon", "lemons"},
       {"a melon", "melons"},
       {"a peach", "peaches"},
       {"a cherry", "cherries"}}}},
    {"animals",
     {{{"a dog", "dogs"},
       {"a cat", "cats"},
       {"a cow", "cows"},
       {"a horse", "horses"},
       {"a goat", "goats"},
       {"a duck", "ducks"},
       {"a snail", "snails"},
       {"a frog", "frogs"},
       {"a rabbit", "rabbits"},
       {"a donkey", "donkeys"}}}},
    {"instruments",
     {{{"a drum", "drums"},
       {"a piano", "pianos"},
       {"a flute", "flutes"},
       {"a violin", "violins"},
       {"a trumpet", "trumpets"},
       {"a guitar", "guitars"},
       {"a harp", "harps"},
       {"a cello", "cellos"},
       {"a clarinet", "clarinets"},
       {"a trombone", "trombones"}}}},
    {"vegetables",
     {{{"an onion", "onions"},
       {"a carrot", "carrots"},
       {"a potato", "potatoes"},
       {"a cabbage", "cabbages"},
       {"a leek", "leeks"},
       {"a turnip", "turnips"},
       {"a radish", "radishes"},
       {"a pumpkin", "pumpkins"},
       {"a beet", "beets"},
       {"a cucumber", "cucumbers"}}}},
    {"pieces of furniture",
     {{{"a chair", "chairs"},
       {"a table", "tables"},
       {"a bed", "beds"},
       {"a sofa", "sofas"},
       {"a desk", "desks"},
       {"a stool", "stools"},
       {"a bench", "benches"},
       {"a shelf", "shelves"},
       {"a wardrobe", "wardrobes"},
       {"a dresser", "dressers"}}}},
}};
constexpr std::array<std::string_view, 10> kNumbers = {"",     "one", "two",   "three", "four",
                                                       "five", "six", "seven", "eight", "nine"};
constexpr std::array<int, 7> kEntries = {0, 3, 4, 5, 6, 9, 14};

class ObjectCounting : public Task {
 public:
  const char* name() const override { return "object_counting"; }
  const char* description() const override { return "Count the things of one kind in a list"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"kind", "fruits, animals, instruments, vegetables or pieces of furniture"},
            {"list", "list of texts such as \"an apple\" or \"two drums\", of the things that the prompts have"}};
  }

  // three pears fruits 0+3=3
  // a drum no 3
  // two plums fruits 3+2=5
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking = fmt::format("{}\n", kKinds[puzzle.kind].plural);
    int64_t count = 0;
    for (const Entry& entry : puzzle.entries) {
      thinking += Text(entry);
      if (entry.kind == puzzle.kind) {
        thinking += fmt::format(" yes {}+{}={}\n", count, entry.count, count + entry.count);
        count += entry.count;
      } else {
        thinking += fmt::format(" no {}\n", count);
      }
    }
    return {thinking + fmt::format("answer {}", count), BoxedAnswer(std::to_string(count))};
  }

  // The order of the list does not matter.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> texts;
    for (const Entry& entry : puzzle.entries) texts.push_back(Text(entry));
    std::sort(texts.begin(), texts.end());
    return fmt::format("{}: {}", kKinds[puzzle.kind].plural, fmt::join(texts, ", "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    Puzzle puzzle;
    puzzle.kind = rng.Below(kKinds.size());
    while (static_cast<int>(puzzle.entries.size()) < kEntries[difficulty]) {
      Entry entry;
      // Half of the entries are of the kind that is asked for.
      entry.kind = rng.Chance(0.4) ? puzzle.kind : rng.Below(kKinds.size());
      entry.thing = rng.Below(kKinds[entry.kind].things.size());
      entry.count = rng.Chance(0.4) ? 1 : rng.Int(2, difficulty <= 4 ? 5 : 9);
      const bool there = std::any_of(puzzle.entries.begin(), puzzle.entries.end(), [&](const Entry& other) {
        return other.kind == entry.kind && other.thing == entry.thing;
      });
      if (!there) puzzle.entries.push_back(entry);
    }
    Json list = Json::array();
    std::string text;
    for (size_t i = 0; i < puzzle.entries.size(); ++i) {
      list.push_back(Text(puzzle.entries[i]));
      text += (i == 0 ? "" : i + 1 == puzzle.entries.size() ? " and " : ", ") + Text(puzzle.entries[i]);
    }
    const std::string_view kind = kKinds[puzzle.kind].plural;
    instance->data = {{"kind", kind}, {"list", list}};
    const std::array<std::string, 3> prompts = {fmt::format("I have {}. How many {} do I have?", text, kind),
                                                fmt::format("There are {} here. How many {} are there?", text, kind),
                                                fmt::format("Count the {}: {}.", kind, text)};
    instance->prompt = rng.Pick(prompts) + " Put the number in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    int64_t count = 0;
    for (const Entry& entry : puzzle.entries) count += entry.kind == puzzle.kind ? entry.count : 0;
    return JudgeInteger(count, answer);
  }

 private:
  struct Entry {
    size_t kind = 0, thing = 0;
    int64_t count = 0;
  };
  struct Puzzle {
    size_t kind = 0;
    std::vector<Entry> entries;
  };

  static std::string Text(const Entry& entry) {
    const auto& [one, many] = kKinds[entry.kind].things[entry.thing];
    return entry.count == 1 ? std::string(one) : fmt::format("{} {}", kNumbers[entry.count], many);
  }

  static Entry ReadEntry(const std::string& text) {
    for (size_t kind = 0; kind < kKinds.size(); ++kind) {
      for (size_t thing = 0; thing < kKinds[kind].things.size(); ++thing) {
        const auto& [one, many] = kKinds[kind].things[thing];
        if (text == one) return {kind, thing, 1};
        if (!text.ends_with(many)) continue;
        for (size_t count = 2; count < kNumbers.size(); ++count) {
          const Entry entry = {kind, thing, static_cast<int64_t>(count)};
          if (text == Text(entry)) return entry;
        }
      }
    }
    throw Error("data of object_counting: {} is not one to nine of a thing known here", Quoted(text));
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of object_counting";
    const std::string kind = JsonGet<std::string>(instance.data, "kind", where);
    Puzzle puzzle;
    while (puzzle.kind < kKinds.size() && kKinds[puzzle.kind].plural != kind) ++puzzle.kind;
    if (puzzle.kind == kKinds.size()) throw Error("{}: \"kind\": {} is not known here", where, Quoted(kind));
    const auto list = instance.data.find("list");
    if (list == instance.data.end() || !list->is_array()) throw Error("{}: \"list\" must be a list", where);
    for (const Json& entry : *list) {
      if (!entry.is_string()) throw Error("{}: \"list\": {} is not a text", where, entry.dump());
      puzzle.entries.push_back(ReadEntry(entry.get<std::string>()));
    }
    return puzzle;
  }
};

}  // namespace

std::unique_ptr<Task> MakeObjectCounting() { return std::make_unique<ObjectCounting>(); }

}  // namespace fulgur
