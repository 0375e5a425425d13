// Goods that change hands: who has what at the end. Everyone's goods are restated after every exchange.
//
// Difficulty: people and exchanges: 1: 3 and 2, 2: 3 and 3, 3: 4 and 3, 4: 5 and 5, 5: 6 and 8, 6: 8 and 14. From 3
// some exchanges name the other by what he has, from 4 some happen only if someone has a certain thing, from 5 some go
// round three people.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::goods_exchange {
namespace {

struct Level {
  size_t people;
  int exchanges;
  uint64_t kinds;
};
constexpr std::array<Level, 7> kLevels = {{{}, {3, 2, 1}, {3, 3, 1}, {4, 3, 2}, {5, 5, 3}, {6, 8, 4}, {8, 14, 4}}};
constexpr size_t kMostPeople = 20, kMostSteps = 100;

enum class Kind { kSwap, kOwner, kIf, kRing };
constexpr std::array<std::string_view, 4> kKinds = {"swap", "owner", "if", "ring"};

struct Step {
  Kind kind = Kind::kSwap;
  std::vector<int> people;  // swap: two; owner: one; if: who is asked about, then two; ring: three
  int thing = -1;           // owner, if
};

class GoodsExchange : public Task {
 public:
  const char* name() const override { return "goods_exchange"; }
  const char* description() const override { return "Who has what after some exchanges"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"people", "list of 2 to 20 names, one word each"},
            {"things", "list of what each has at first, one word each"},
            {"steps",
             "list of [\"swap\", person, person], [\"owner\", person, thing], [\"if\", person, person, person, thing] "
             "or [\"ring\", person, person, person]"}};
  }

  // Ann key, Bob map, Cal cup
  // Ann and Bob: Ann map, Bob key, Cal cup
  Solution Work(const TaskInstance& instance) const override {
    Puzzle puzzle = Read(instance);
    std::string thinking = Holdings(puzzle) + "\n";
    for (const Step& step : puzzle.steps) {
      thinking += fmt::format("{}: ", Look(puzzle, step));
      Apply(step, &puzzle.has);
      thinking += Holdings(puzzle) + "\n";
    }
    thinking.pop_back();
    return {thinking, BoxedAnswer(Holdings(puzzle))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    puzzle.people = Sample(rng, FirstNames(), level.people);
    puzzle.things = Sample(rng, Things(), level.people);
    for (size_t i = 0; i < level.people; ++i) puzzle.has.push_back(static_cast<int>(i));
    const std::vector<int> start = puzzle.has;
    Json steps = Json::array();
    std::vector<std::string> sentences;
    for (int i = 0; i < level.exchanges; ++i) {
      Step step;
      step.kind = static_cast<Kind>(rng.Below(level.kinds));
      std::vector<int> order(level.people);
      for (size_t p = 0; p < order.size(); ++p) order[p] = static_cast<int>(p);
      rng.Shuffle<int>(order);
      step.people = {order[0], order[1]};
      if (step.kind == Kind::kOwner) {
        step.thing = puzzle.has[order[1]];
        step.people.pop_back();
      } else if (step.kind == Kind::kIf) {
        step.people.push_back(order[2]);
        // True about half of the time.
        step.thing = rng.Chance(0.5) ? puzzle.has[order[0]] : static_cast<int>(rng.Below(level.people));
      } else if (step.kind == Kind::kRing) {
        step.people.push_back(order[2]);
      }
      Apply(step, &puzzle.has);
      sentences.push_back(Sentence(puzzle, step));
      Json entry = {kKinds[static_cast<size_t>(step.kind)]};
      for (const int person : step.people) entry.push_back(puzzle.people[person]);
      if (step.thing >= 0) entry.push_back(puzzle.things[step.thing]);
      steps.push_back(entry);
    }
    instance->data = {{"people", puzzle.people}, {"things", puzzle.things}, {"steps", steps}};
    puzzle.has = start;
    std::vector<std::string> have;
    for (size_t i = 0; i < level.people; ++i) {
      have.push_back(fmt::format("{}{} a {}", puzzle.people[i], i == 0 ? " has" : "", puzzle.things[i]));
    }
    const std::array<std::string_view, 2> questions = {"Who has what at the end?", "What does everyone have then?"};
    instance->prompt = fmt::format("{}. {} {} Put it as name thing, name thing in \\boxed{{}}.", Enumerate(have),
                                   Join(sentences, " "), rng.Pick(questions));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    Puzzle puzzle = Read(instance);
    for (const Step& step : puzzle.steps) Apply(step, &puzzle.has);
    const std::vector<std::string> words = AnswerWords(answer, {"has", "have", "the", "a", "is"});
    if (words.size() != 2 * puzzle.people.size()) {
      return {0, fmt::format("{} words instead of a name and a thing for each of {} people", words.size(),
                             puzzle.people.size())};
    }
    std::vector<bool> named(puzzle.people.size());
    for (size_t i = 0; i < words.size(); i += 2) {
      size_t person = 0;
      while (person < named.size() && ToLower(puzzle.people[person]) != words[i]) ++person;
      if (person == named.size()) return {0, Quoted(words[i]) + " is none of the people"};
      if (named[person]) return {0, puzzle.people[person] + " is named twice"};
      named[person] = true;
      if (words[i + 1] != ToLower(puzzle.things[puzzle.has[person]])) {
        return {0, fmt::format("{} does not have {}", puzzle.people[person], Quoted(words[i + 1]))};
      }
    }
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::vector<std::string> people, things;
    std::vector<int> has;  // thing of each person; at the start thing i is with person i
    std::vector<Step> steps;
  };

  static int Owner(const std::vector<int>& has, int thing) {
    return static_cast<int>(std::find(has.begin(), has.end(), thing) - has.begin());
  }

  static void Apply(const Step& step, std::vector<int>* has) {
    std::vector<int>& h = *has;
    const std::vector<int>& p = step.people;
    switch (step.kind) {
      case Kind::kSwap:
        std::swap(h[p[0]], h[p[1]]);
        break;
      case Kind::kOwner:
        std::swap(h[p[0]], h[Owner(h, step.thing)]);
        break;
      case Kind::kIf:
        if (h[p[0]] == step.thing) std::swap(h[p[1]], h[p[2]]);
        break;
      case Kind::kRing: {
        const int last = h[p[2]];
        h[p[2]] = h[p[1]];
        h[p[1]] = h[p[0]];
        h[p[0]] = last;
      }
    }
  }

  static std::string Sentence(const Puzzle& puzzle, const Step& step) {
    const auto person = [&](size_t i) { return puzzle.people[step.people[i]]; };
    switch (step.kind) {
      case Kind::kSwap:
        return fmt::format("{} and {} swap.", person(0), person(1));
      case Kind::kOwner:
        return fmt::format("{} swaps with whoever has the {}.", person(0), puzzle.things[step.thing]);
      case Kind::kIf:
        return fmt::format("If {} has the {}, {} and {} swap.", person(0), puzzle.things[step.thing], person(1),
                           person(2));
      default:
        return fmt::format("At the same time {} gives to {}, {} to {} and {} to {}.", person(0), person(1), person(1),
                           person(2), person(2), person(0));
    }
  }

  // What decides the exchange, before it is made.
  static std::string Look(const Puzzle& puzzle, const Step& step) {
    const auto person = [&](size_t i) { return puzzle.people[step.people[i]]; };
    switch (step.kind) {
      case Kind::kSwap:
        return fmt::format("{} and {}", person(0), person(1));
      case Kind::kOwner: {
        const std::string& owner = puzzle.people[Owner(puzzle.has, step.thing)];
        return fmt::format("{} has {}, {} and {}", owner, puzzle.things[step.thing], person(0), owner);
      }
      case Kind::kIf: {
        const bool yes = puzzle.has[step.people[0]] == step.thing;
        return fmt::format("{} {} is {}, {}", person(0), puzzle.things[step.thing], yes ? "true" : "false",
                           yes ? person(1) + " and " + person(2) : "nobody");
      }
      default:
        return fmt::format("{} to {} to {} to {}", person(0), person(1), person(2), person(0));
    }
  }

  static std::string Holdings(const Puzzle& puzzle) {
    std::vector<std::string> all;
    for (size_t i = 0; i < puzzle.people.size(); ++i) {
      all.push_back(puzzle.people[i] + " " + puzzle.things[puzzle.has[i]]);
    }
    return Join(all, ", ");
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of goods_exchange";
    Puzzle puzzle;
    puzzle.people = JsonNames(instance.data, "people", where, 2, kMostPeople);
    puzzle.things = JsonNames(instance.data, "things", where, 2, kMostPeople);
    if (puzzle.people.size() != puzzle.things.size()) throw Error("{}: not as many things as people", where);
    for (size_t i = 0; i < puzzle.people.size(); ++i) puzzle.has.push_back(static_cast<int>(i));
    constexpr std::array<size_t, 4> kPeople = {2, 1, 3, 3};
    for (const Json& entry : JsonList(instance.data, "steps", where, 1, kMostSteps)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.empty() ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), texts[0]);
      if (kind == kKinds.end()) throw Error("{}: {} is not a step", where, Quoted(entry.dump()));
      Step step;
      step.kind = static_cast<Kind>(kind - kKinds.begin());
      const size_t people = kPeople[kind - kKinds.begin()];
      const bool thing = step.kind == Kind::kOwner || step.kind == Kind::kIf;
      bool good = texts.size() == 1 + people + (thing ? 1 : 0);
      for (size_t i = 1; good && i <= people; ++i) {
        const int person = IndexOf(puzzle.people, texts[i]);
        good = person >= 0 && std::find(step.people.begin(), step.people.end(), person) == step.people.end();
        step.people.push_back(person);
      }
      if (good && thing) step.thing = IndexOf(puzzle.things, texts.back());
      if (!good || (thing && step.thing < 0)) throw Error("{}: {} is not a step", where, Quoted(entry.dump()));
      puzzle.steps.push_back(step);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::goods_exchange

namespace fulgur {
std::unique_ptr<Task> MakeGoodsExchange() { return std::make_unique<goods_exchange::GoodsExchange>(); }
}  // namespace fulgur
