// Knights, who tell the truth, and knaves, who lie, speak about each other, and there is one way for all of it to fit.
// The worked solution supposes one after the other to be a knight, then a knave, and goes back as soon as a statement
// does not fit.
//
// Difficulty: people: 1: 2, 2 and 3: 3, 4: 4, 5: 5, 6: 7. Statements say that someone is a knight or a knave, or that
// two are of the same kind or not (without one of these there would be two ways, with all kinds exchanged); from 3 that
// one of two is a knight, from 4 how many knights there are.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::knights_and_knaves {
namespace {

struct Level {
  size_t people;
  uint64_t kinds;
};
constexpr std::array<Level, 7> kLevels = {{{}, {2, 4}, {3, 4}, {3, 5}, {4, 6}, {5, 6}, {7, 6}}};
constexpr size_t kMostPeople = 12;

enum class Kind { kKnight, kKnave, kSame, kDifferent, kEither, kCount };
constexpr std::array<std::string_view, 6> kKinds = {"knight", "knave", "same", "different", "either", "count"};

struct Statement {
  Kind kind = Kind::kKnight;
  std::vector<int> about;
  int count = 0;
};

const char* Name(bool knight) { return knight ? "knight" : "knave"; }

class KnightsAndKnaves : public Task {
 public:
  const char* name() const override { return "knights_and_knaves"; }
  const char* description() const override { return "Who is a knight and who a knave, from what they say"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {
        {"people", "list of 1 to 12 names, one word each"},
        {"says",
         "list of what each of them says, in the same order: [\"knight\", name], [\"knave\", name], [\"same\", name, "
         "name], [\"different\", name, name], [\"either\", name, name] or [\"count\", number of knights as a text]"}};
  }

  // Ann knight Bob knight: Ann says Bob knave, no
  // Ann knight Bob knave: fits
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<bool> knight;
    std::string thinking;
    Search(puzzle, &knight, 1, &thinking);
    if (knight.size() != puzzle.people.size()) throw Error("data of knights_and_knaves: no way fits the statements");
    thinking.pop_back();
    std::vector<std::string> all;
    for (size_t i = 0; i < knight.size(); ++i) all.push_back(puzzle.people[i] + " " + Name(knight[i]));
    return {thinking, BoxedAnswer(Join(all, ", "))};
  }

  // The order of the people does not matter.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> all;
    for (size_t i = 0; i < puzzle.people.size(); ++i) {
      std::vector<std::string> about;
      for (const int person : puzzle.says[i].about) about.push_back(puzzle.people[person]);
      std::sort(about.begin(), about.end());
      all.push_back(fmt::format("{} {} {} {}", puzzle.people[i], kKinds[static_cast<size_t>(puzzle.says[i].kind)],
                                Join(about, " "), puzzle.says[i].count));
    }
    std::sort(all.begin(), all.end());
    return Join(all, ", ");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    puzzle.people = Sample(rng, FirstNames(), level.people);
    const int people = static_cast<int>(level.people);
    do {
      puzzle.says.clear();
      for (int speaker = 0; speaker < people; ++speaker) {
        Statement statement;
        statement.kind = static_cast<Kind>(rng.Below(level.kinds));
        int first = static_cast<int>(rng.Below(people)), second = static_cast<int>(rng.Below(people));
        while (first == speaker) first = static_cast<int>(rng.Below(people));
        while (second == first) second = static_cast<int>(rng.Below(people));
        statement.about = {std::min(first, second), std::max(first, second)};
        if (statement.kind <= Kind::kKnave) statement.about = {first};
        if (statement.kind == Kind::kCount) {
          statement.about.clear();
          statement.count = static_cast<int>(rng.Int(0, people));
        }
        puzzle.says.push_back(statement);
      }
    } while (Ways(puzzle) != 1);
    Json says = Json::array();
    std::vector<std::string> sentences;
    for (int speaker = 0; speaker < people; ++speaker) {
      const Statement& statement = puzzle.says[speaker];
      Json entry = {kKinds[static_cast<size_t>(statement.kind)]};
      for (const int person : statement.about) entry.push_back(puzzle.people[person]);
      if (statement.kind == Kind::kCount) entry.push_back(std::to_string(statement.count));
      says.push_back(entry);
      sentences.push_back(fmt::format("{} says: {}.", puzzle.people[speaker], Claim(puzzle, statement)));
    }
    instance->data = {{"people", puzzle.people}, {"says", says}};
    const std::array<std::string_view, 2> openings = {
        "Knights always tell the truth and knaves always lie.",
        "Everyone is a knight, who tells the truth, or a knave, who lies."};
    instance->prompt = fmt::format("{} {} What is everyone? Put it as name kind, name kind in \\boxed{{}}.",
                                   rng.Pick(openings), Join(sentences, " "));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const size_t people = puzzle.people.size();
    const std::vector<std::string> words = AnswerWords(answer, {"is", "a"});
    if (words.size() != 2 * people) {
      return {0, fmt::format("{} words instead of a name and a kind for each of {} people", words.size(), people)};
    }
    std::vector<bool> knight(people), named(people);
    for (size_t i = 0; i < words.size(); i += 2) {
      size_t person = 0;
      while (person < people && ToLower(puzzle.people[person]) != words[i]) ++person;
      if (person == people) return {0, Quoted(words[i]) + " is none of the people"};
      if (named[person]) return {0, puzzle.people[person] + " is named twice"};
      if (words[i + 1] != "knight" && words[i + 1] != "knave") {
        return {0, Quoted(words[i + 1]) + " is neither knight nor knave"};
      }
      named[person] = true;
      knight[person] = words[i + 1] == "knight";
    }
    const int unfit = Unfit(puzzle, knight);
    if (unfit >= 0) return {0, fmt::format("what {} says does not fit", puzzle.people[unfit])};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::vector<std::string> people;
    std::vector<Statement> says;  // one each
  };

  static std::string Claim(const Puzzle& puzzle, const Statement& statement) {
    const auto person = [&](size_t i) { return puzzle.people[statement.about[i]]; };
    switch (statement.kind) {
      case Kind::kKnight:
        return person(0) + " is a knight";
      case Kind::kKnave:
        return person(0) + " is a knave";
      case Kind::kSame:
        return fmt::format("{} and {} are of the same kind", person(0), person(1));
      case Kind::kDifferent:
        return fmt::format("{} and {} are of different kinds", person(0), person(1));
      case Kind::kEither:
        return fmt::format("{} or {} is a knight, or both are", person(0), person(1));
      default:
        return fmt::format("exactly {} of us {} are knights", statement.count, puzzle.people.size());
    }
  }

  static bool Holds(const Statement& statement, const std::vector<bool>& knight) {
    const auto is = [&](size_t i) { return static_cast<bool>(knight[statement.about[i]]); };
    switch (statement.kind) {
      case Kind::kKnight:
        return is(0);
      case Kind::kKnave:
        return !is(0);
      case Kind::kSame:
        return is(0) == is(1);
      case Kind::kDifferent:
        return is(0) != is(1);
      case Kind::kEither:
        return is(0) || is(1);
      default:
        return std::count(knight.begin(), knight.end(), true) == statement.count;
    }
  }

  // The first who says what does not fit, among statements about the people settled so far; -1 if there is none.
  static int Unfit(const Puzzle& puzzle, const std::vector<bool>& knight) {
    const int settled = static_cast<int>(knight.size());
    for (int speaker = 0; speaker < settled; ++speaker) {
      const Statement& statement = puzzle.says[speaker];
      const bool ready = statement.kind == Kind::kCount ? knight.size() == puzzle.people.size()
                                                        : std::all_of(statement.about.begin(), statement.about.end(),
                                                                      [&](int person) { return person < settled; });
      if (ready && Holds(statement, knight) != knight[speaker]) return speaker;
    }
    return -1;
  }

  // Finds up to `most` ways; leaves the last in `knight` if that many were found.
  static int Search(const Puzzle& puzzle, std::vector<bool>* knight, int most, std::string* text) {
    if (knight->size() == puzzle.people.size()) return 1;
    int ways = 0;
    for (const bool value : {true, false}) {
      knight->push_back(value);
      const int unfit = Unfit(puzzle, *knight);
      // A line for each way that ends here.
      if (text != nullptr && (unfit >= 0 || knight->size() == puzzle.people.size())) {
        std::vector<std::string> all;
        for (size_t i = 0; i < knight->size(); ++i) all.push_back(puzzle.people[i] + " " + Name((*knight)[i]));
        const std::string why =
            unfit < 0 ? "fits" : fmt::format("{} says {}, no", puzzle.people[unfit], Short(puzzle, puzzle.says[unfit]));
        *text += fmt::format("{}: {}\n", Join(all, " "), why);
      }
      if (unfit < 0) ways += Search(puzzle, knight, most - ways, text);
      if (ways >= most) return ways;
      knight->pop_back();
    }
    return ways;
  }

  static std::string Short(const Puzzle& puzzle, const Statement& statement) {
    std::vector<std::string> words;
    for (const int person : statement.about) words.push_back(puzzle.people[person]);
    words.emplace_back(kKinds[static_cast<size_t>(statement.kind)]);
    if (statement.kind == Kind::kCount) words.push_back(std::to_string(statement.count));
    return Join(words, " ");
  }

  static int Ways(const Puzzle& puzzle) {
    std::vector<bool> knight;
    return Search(puzzle, &knight, 2, nullptr);
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of knights_and_knaves";
    Puzzle puzzle;
    puzzle.people = JsonNames(instance.data, "people", where, 1, kMostPeople);
    const size_t people = puzzle.people.size();
    for (const Json& entry : JsonList(instance.data, "says", where, people, people)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.empty() ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), texts[0]);
      Statement statement;
      statement.kind = static_cast<Kind>(kind - kKinds.begin());
      bool good =
          kind != kKinds.end() && texts.size() == (kind - kKinds.begin() >= 2 && kind - kKinds.begin() < 5 ? 3 : 2);
      if (good && statement.kind == Kind::kCount) {
        int64_t count = 0;
        good = ParseInteger(texts[1], &count) && count >= 0 && count <= static_cast<int64_t>(people);
        statement.count = static_cast<int>(count);
      } else {
        for (size_t i = 1; good && i < texts.size(); ++i) {
          statement.about.push_back(IndexOf(puzzle.people, texts[i]));
          good = statement.about.back() >= 0;
        }
      }
      if (!good) throw Error("{}: {} is not a statement", where, Quoted(entry.dump()));
      puzzle.says.push_back(statement);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::knights_and_knaves

namespace fulgur {
std::unique_ptr<Task> MakeKnightsAndKnaves() { return std::make_unique<knights_and_knaves::KnightsAndKnaves>(); }
}  // namespace fulgur
