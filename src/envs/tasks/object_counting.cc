// Counting the things of one kind in a list: thing by thing, with the count so far.
//
// Difficulty: entries in the list: 1: 3, 2: 4, 3: 5, 4: 6, 5: 9, 6: 14; up to 4 an entry is of at most 5 things,
// then 9. 7 and 8: 5 and 14 entries of several owners, some of which changed, and totals or differences of kinds.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::object_counting {
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
constexpr std::array<int, 9> kEntries = {0, 3, 4, 5, 6, 9, 14, 5, 14};
constexpr int kOneOwner = 6;  // the last level with a plain list
constexpr size_t kMostHoldings = 500, kMostCounts = 20;
constexpr int64_t kMostCount = 1'000'000;
constexpr std::array<std::string_view, 6> kOwners = {"I",         "my aunt",      "my brother",
                                                     "my friend", "my neighbour", "my boss"};

class ObjectCounting : public Task {
 public:
  const char* name() const override { return "object_counting"; }
  const char* description() const override { return "Count the things of one kind in a list"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {
        {"kind", "fruits, animals, instruments, vegetables or pieces of furniture; with \"list\"", true},
        {"list", "list of texts such as \"an apple\" or \"two drums\": things that the prompts of this task name",
         true},
        {"has",
         "instead of \"kind\" and \"list\": list of [owner, thing, kind, count, ...]; texts and whole numbers, the "
         "last count is the one that is true now",
         true},
        {"owner", "whose things are asked about; with \"has\"", true},
        {"ask",
         "[\"total\", kind, ...], or [\"difference\", kind, kind] for the larger count minus the smaller; with \"has\"",
         true}};
  }

  // three pears fruits 0+3=3
  // a drum no 3
  // two plums fruits 3+2=5
  Solution Work(const TaskInstance& instance) const override {
    if (HasOwners(instance)) return WorkHoldings(ReadHoldings(instance));
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
    if (HasOwners(instance)) {
      Json data = instance.data;
      std::sort(data["has"].begin(), data["has"].end());
      return data.dump();
    }
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> texts;
    for (const Entry& entry : puzzle.entries) texts.push_back(Text(entry));
    std::sort(texts.begin(), texts.end());
    return fmt::format("{}: {}", kKinds[puzzle.kind].plural, fmt::join(texts, ", "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    if (difficulty > kOneOwner) {
      DrawHoldings(rng, difficulty, instance);
      return;
    }
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
    if (HasOwners(instance)) return JudgeInteger(Total(ReadHoldings(instance)), answer);
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

  // What someone has of a thing: how many at first, and after every change.
  struct Holding {
    std::string owner, thing, kind;
    std::vector<int64_t> counts;
  };
  struct Holdings {
    std::vector<Holding> all;
    std::string owner;
    std::vector<std::string> kinds;  // asked about
    bool difference = false;
  };

  static bool HasOwners(const TaskInstance& instance) {
    const bool owners = instance.data.contains("has");
    for (const char* key : {"kind", "list", "owner", "ask"}) {
      const bool of_owners = std::string_view(key) == "owner" || std::string_view(key) == "ask";
      if (instance.data.contains(key) != (of_owners == owners)) {
        throw Error(
            "data of object_counting: there must be either \"kind\" and \"list\", or \"has\", \"owner\" and "
            "\"ask\"");
      }
    }
    return owners;
  }

  static int64_t CountOf(const Holdings& holdings, const std::string& kind) {
    int64_t count = 0;
    for (const Holding& holding : holdings.all) {
      if (holding.owner == holdings.owner && holding.kind == kind) count += holding.counts.back();
    }
    return count;
  }

  static int64_t Total(const Holdings& holdings) {
    int64_t total = 0;
    for (const std::string& kind : holdings.kinds) total += CountOf(holdings, kind);
    if (!holdings.difference) return total;
    return std::abs(CountOf(holdings, holdings.kinds[0]) - CountOf(holdings, holdings.kinds[1]));
  }

  // fruits: apples 4 0+4=4, pears 2 4+2=6
  // animals: none 0
  // 6+0=6
  static Solution WorkHoldings(const Holdings& holdings) {
    std::string thinking;
    std::vector<std::string> counts;
    for (const std::string& kind : holdings.kinds) {
      int64_t count = 0;
      std::vector<std::string> parts;
      for (const Holding& holding : holdings.all) {
        if (holding.owner != holdings.owner || holding.kind != kind) continue;
        parts.push_back(fmt::format("{} {} {}+{}={}", holding.thing, holding.counts.back(), count,
                                    holding.counts.back(), count + holding.counts.back()));
        count += holding.counts.back();
      }
      thinking += fmt::format("{}: {}\n", kind, parts.empty() ? "none 0" : Join(parts, ", "));
      counts.push_back(std::to_string(count));
    }
    const std::string answer = std::to_string(Total(holdings));
    if (holdings.difference) {
      const int64_t a = CountOf(holdings, holdings.kinds[0]), b = CountOf(holdings, holdings.kinds[1]);
      thinking += fmt::format("{}-{}={}\n", std::max(a, b), std::min(a, b), answer);
    } else if (counts.size() > 1) {
      thinking += fmt::format("{}={}\n", Join(counts, "+"), answer);
    }
    return {thinking + "answer " + answer, BoxedAnswer(answer)};
  }

  static void DrawHoldings(Rng& rng, int difficulty, TaskInstance* instance) {
    Json has = Json::array();
    std::vector<std::string> sentences;
    std::vector<std::string_view> kinds;          // of my things
    std::vector<std::pair<size_t, size_t>> seen;  // owner, thing
    while (static_cast<int>(sentences.size()) < kEntries[difficulty]) {
      const size_t owner = rng.Chance(0.5) ? 0 : rng.Below(difficulty == kOneOwner + 1 ? 2 : kOwners.size());
      const size_t kind = rng.Below(difficulty == kOneOwner + 1 ? 3 : kKinds.size());
      const size_t thing = rng.Below(kKinds[kind].things.size());
      const std::pair<size_t, size_t> pair(owner, kind * 10 + thing);
      if (std::find(seen.begin(), seen.end(), pair) != seen.end()) continue;
      seen.push_back(pair);
      const std::string things(kKinds[kind].things[thing][1]);
      Json entry = {kOwners[owner], things, kKinds[kind].plural, rng.Int(2, 20)};
      std::string who(kOwners[owner]);
      if (who[0] == 'm') who[0] = 'M';
      std::string sentence =
          fmt::format("{} {} {} {}", who, owner == 0 ? "have" : "has", entry[3].get<int64_t>(), things);
      if (rng.Chance(0.4)) {
        sentence = fmt::format("{} had {} {}", who, entry[3].get<int64_t>(), things);
        for (int64_t changes = rng.Int(1, difficulty == kOneOwner + 1 ? 1 : 3); changes > 0; --changes) {
          const int64_t before = entry.back().get<int64_t>();
          int64_t after = rng.Int(1, 20);
          while (after == before) after = rng.Int(1, 20);
          entry.push_back(after);
          sentence += fmt::format(", then {} {} {}, which made it {}", after > before ? "got" : "lost",
                                  std::abs(after - before), after > before ? "more" : "of them", after);
        }
      }
      if (owner == 0 && std::find(kinds.begin(), kinds.end(), kKinds[kind].plural) == kinds.end()) {
        kinds.push_back(kKinds[kind].plural);
      }
      has.push_back(entry);
      sentences.push_back(sentence + ".");
    }
    if (kinds.empty()) kinds.push_back(kKinds[0].plural);
    rng.Shuffle<std::string_view>(kinds);
    const uint64_t way = kinds.size() < 2 ? 0 : rng.Below(3);
    Json ask = {way == 2 ? "difference" : "total", kinds[0]};
    std::string question = fmt::format("How many {} do I have in total?", kinds[0]);
    if (way != 0) {
      ask.push_back(kinds[1]);
      question = way == 1 ? fmt::format("How many {} and {} do I have in total?", kinds[0], kinds[1])
                          : fmt::format("What is the larger minus the smaller of my number of {} and my number of {}?",
                                        kinds[0], kinds[1]);
    }
    instance->data = {{"has", has}, {"owner", kOwners[0]}, {"ask", ask}};
    instance->prompt = fmt::format("{} {} Put the number in \\boxed{{}}.", Join(sentences, " "), question);
  }

  static Holdings ReadHoldings(const TaskInstance& instance) {
    const std::string where = "data of object_counting";
    Holdings holdings;
    holdings.owner = JsonGet<std::string>(instance.data, "owner", where);
    for (const Json& entry : JsonList(instance.data, "has", where, 1, kMostHoldings)) {
      bool good = entry.is_array() && entry.size() >= 4 && entry.size() <= 3 + kMostCounts;
      Holding holding;
      for (size_t i = 0; good && i < entry.size(); ++i) {
        good = i < 3 ? entry[i].is_string()
                     : entry[i].is_number_integer() && entry[i].get<int64_t>() >= 0 &&
                           entry[i].get<int64_t>() <= kMostCount;
        if (good && i >= 3) holding.counts.push_back(entry[i].get<int64_t>());
      }
      if (!good) throw Error("{}: \"has\": {} is not [owner, thing, kind, count, ...]", where, Quoted(entry.dump()));
      holding.owner = entry[0].get<std::string>();
      holding.thing = entry[1].get<std::string>();
      holding.kind = entry[2].get<std::string>();
      holdings.all.push_back(holding);
    }
    std::vector<std::string> ask = JsonTexts(instance.data, "ask", where, 2, kMostHoldings);
    holdings.difference = ask[0] == "difference";
    holdings.kinds.assign(ask.begin() + 1, ask.end());
    std::vector<std::string> sorted = holdings.kinds;
    std::sort(sorted.begin(), sorted.end());
    const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
    if ((ask[0] != "total" && !holdings.difference) || (holdings.difference && ask.size() != 3) || twice) {
      throw Error("{}: \"ask\" must be total and kinds, each once, or difference and two kinds", where);
    }
    return holdings;
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
}  // namespace fulgur::object_counting

namespace fulgur {
std::unique_ptr<Task> MakeObjectCounting() { return std::make_unique<object_counting::ObjectCounting>(); }
}  // namespace fulgur
