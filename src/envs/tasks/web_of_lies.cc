// People who always tell the truth or always lie, each of them speaking about earlier ones: one after the other is
// settled, by what he says about those who are.
//
// Difficulty: people and how many of them are asked about: 1: 3 and 2, 2: 4 and 3, 3: 5 and 3, 4: 7 and 3, 5: 10 and 4,
// 6: 15 and 5. From 3 the order of the statements does not help, from 4 some are about two people.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur {
namespace {

struct Level {
  size_t people, asked;
  bool shuffled, pairs;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {3, 2, false, false},
                                           {4, 3, false, false},
                                           {5, 3, true, false},
                                           {7, 3, true, true},
                                           {10, 4, true, true},
                                           {15, 5, true, true}}};
constexpr size_t kMostPeople = 50;

enum class Kind { kTruth, kLies, kBothTruth, kBothLie, kOneTruth };
constexpr std::array<std::string_view, 5> kKinds = {"truth", "lies", "both truth", "both lie", "one truth"};

struct Statement {
  std::string who;
  Kind kind = Kind::kTruth;
  std::vector<std::string> about;  // one person or two
};

const char* Name(bool truth) { return truth ? "truth" : "lies"; }

bool Holds(const Statement& statement, const std::vector<bool>& truth) {
  switch (statement.kind) {
    case Kind::kTruth:
      return truth[0];
    case Kind::kLies:
      return !truth[0];
    case Kind::kBothTruth:
      return truth[0] && truth[1];
    case Kind::kBothLie:
      return !truth[0] && !truth[1];
    default:
      return truth[0] != truth[1];
  }
}

std::string Claim(const Statement& statement) {
  const std::vector<std::string>& about = statement.about;
  switch (statement.kind) {
    case Kind::kTruth:
      return about[0] + " tells the truth";
    case Kind::kLies:
      return about[0] + " lies";
    case Kind::kBothTruth:
      return fmt::format("{} and {} both tell the truth", about[0], about[1]);
    case Kind::kBothLie:
      return fmt::format("{} and {} both lie", about[0], about[1]);
    default:
      return fmt::format("exactly one of {} and {} tells the truth", about[0], about[1]);
  }
}

class WebOfLies : public Task {
 public:
  const char* name() const override { return "web_of_lies"; }
  const char* description() const override { return "Who tells the truth, from what they say of each other"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"first", "[name, \"truth\" or \"lies\"]: one who is known"},
            {"says",
             "list of [who, \"truth\", name], [who, \"lies\", name], [who, \"both truth\", name, name], [who, \"both "
             "lie\", name, name] or [who, \"one truth\", name, name]; everyone who speaks does so once"},
            {"ask", "list of names"}};
  }

  // Ann lies
  // Bob says Ann lies, Ann lies, true, so Bob truth
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking = fmt::format("{} {}\n", puzzle.known[0].first, Name(puzzle.known[0].second));
    for (const Statement& statement : puzzle.order) {
      std::vector<bool> truth;
      std::vector<std::string> facts;
      for (const std::string& person : statement.about) {
        truth.push_back(Truth(puzzle, person));
        facts.push_back(fmt::format("{} {}", person, Name(truth.back())));
      }
      const bool holds = Holds(statement, truth);
      thinking +=
          fmt::format("{} says {}, {}, {}, so {} {}\n", statement.who,
                      statement.about.size() == 1 ? statement.about[0] + " " + Name(statement.kind == Kind::kTruth)
                                                  : std::string(kKinds[static_cast<size_t>(statement.kind)]),
                      Join(facts, ", "), holds ? "true" : "false", statement.who, Name(holds));
    }
    std::vector<std::string> answers, facts;
    for (const std::string& person : puzzle.ask) {
      answers.push_back(Truth(puzzle, person) ? "yes" : "no");
      facts.push_back(fmt::format("{} {} {}", person, Name(Truth(puzzle, person)), answers.back()));
    }
    return {thinking + Join(facts, ", "), BoxedAnswer(Join(answers, ", "))};
  }

  // The order of the statements does not matter.
  std::string Key(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> claims;
    for (const Statement& statement : puzzle.order) claims.push_back(statement.who + ": " + Claim(statement));
    std::sort(claims.begin(), claims.end());
    return fmt::format("{} {}; {}; {}", puzzle.known[0].first, Name(puzzle.known[0].second), Join(claims, "; "),
                       Join(puzzle.ask, " "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const std::vector<std::string> people = Sample(rng, FirstNames(), level.people);
    const bool first = rng.Chance(0.5);
    std::vector<Statement> statements;
    for (size_t i = 1; i < people.size(); ++i) {
      Statement statement{people[i], Kind::kTruth, {people[i - 1]}};
      // Mostly a chain, so that an answer needs many of the statements.
      if (rng.Chance(0.25)) statement.about[0] = people[rng.Below(i)];
      if (level.pairs && i >= 2 && rng.Chance(0.4)) {
        std::string other = people[rng.Below(i)];
        while (other == statement.about[0]) other = people[rng.Below(i)];
        statement.about.push_back(other);
        statement.kind = static_cast<Kind>(rng.Int(2, 4));
      } else {
        statement.kind = rng.Chance(0.5) ? Kind::kTruth : Kind::kLies;
      }
      statements.push_back(statement);
    }
    if (level.shuffled) rng.Shuffle<Statement>(statements);
    std::vector<std::string> ask(people.end() - static_cast<std::ptrdiff_t>(level.asked), people.end());
    rng.Shuffle<std::string>(ask);
    Json says = Json::array();
    std::vector<std::string> sentences;
    for (const Statement& statement : statements) {
      Json entry = {statement.who, kKinds[static_cast<size_t>(statement.kind)]};
      for (const std::string& person : statement.about) entry.push_back(person);
      says.push_back(entry);
      sentences.push_back(fmt::format("{} says {}.", statement.who, Claim(statement)));
    }
    instance->data = {{"first", {people[0], first ? "truth" : "lies"}}, {"says", says}, {"ask", ask}};
    const std::array<std::string_view, 2> openings = {"Everyone here always tells the truth or always lies.",
                                                      "Each of these people always lies or always tells the truth."};
    instance->prompt = fmt::format(
        "{} {} {}. {} Do {} tell the truth? Put yes or no for each, in this order, in \\boxed{{}}.", rng.Pick(openings),
        people[0], first ? "tells the truth" : "lies", Join(sentences, " "), Enumerate(ask));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const std::vector<std::string> words = AnswerWords(answer);
    for (const std::string& word : words) {
      if (word != "yes" && word != "no") return {0, Quoted(word) + " is neither yes nor no"};
    }
    if (words.size() != puzzle.ask.size()) {
      return {0, fmt::format("{} answers to {} questions", words.size(), puzzle.ask.size())};
    }
    for (size_t i = 0; i < words.size(); ++i) {
      if ((words[i] == "yes") != Truth(puzzle, puzzle.ask[i])) {
        return {0, fmt::format("{} is wrong for {}", words[i], puzzle.ask[i])};
      }
    }
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::vector<std::pair<std::string, bool>> known;  // everyone, as they are settled
    std::vector<Statement> order;                     // the statements in the order in which they settle someone
    std::vector<std::string> ask;
  };

  static const std::pair<std::string, bool>* Find(const Puzzle& puzzle, const std::string& person) {
    for (const auto& known : puzzle.known) {
      if (known.first == person) return &known;
    }
    return nullptr;
  }
  static bool Truth(const Puzzle& puzzle, const std::string& person) { return Find(puzzle, person)->second; }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of web_of_lies";
    Puzzle puzzle;
    const std::vector<std::string> first = JsonTexts(instance.data, "first", where, 2, 2);
    if (first[1] != "truth" && first[1] != "lies") throw Error("{}: \"first\" must be a name and truth or lies", where);
    puzzle.known.emplace_back(first[0], first[1] == "truth");
    std::vector<Statement> left;
    for (const Json& entry : JsonList(instance.data, "says", where, 1, kMostPeople)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.size() < 3 ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), texts[1]);
      const bool one = kind < kKinds.begin() + 2;
      if (kind == kKinds.end() || texts.size() != (one ? 3u : 4u) || (!one && texts[2] == texts[3])) {
        throw Error("{}: {} is not a statement", where, Quoted(entry.dump()));
      }
      left.push_back({texts[0], static_cast<Kind>(kind - kKinds.begin()), {texts.begin() + 2, texts.end()}});
    }
    while (!left.empty()) {
      const auto next = std::find_if(left.begin(), left.end(), [&](const Statement& statement) {
        return std::all_of(statement.about.begin(), statement.about.end(),
                           [&](const std::string& person) { return Find(puzzle, person) != nullptr; });
      });
      if (next == left.end() || Find(puzzle, next->who) != nullptr) {
        throw Error("{}: \"says\" must settle everyone who speaks, once", where);
      }
      std::vector<bool> truth;
      for (const std::string& person : next->about) truth.push_back(Truth(puzzle, person));
      puzzle.known.emplace_back(next->who, Holds(*next, truth));
      puzzle.order.push_back(*next);
      left.erase(next);
    }
    puzzle.ask = JsonNames(instance.data, "ask", where, 1, kMostPeople);
    for (const std::string& person : puzzle.ask) {
      if (Find(puzzle, person) == nullptr) throw Error("{}: \"ask\": {} does not speak", where, Quoted(person));
    }
    return puzzle;
  }
};

}  // namespace

std::unique_ptr<Task> MakeWebOfLies() { return std::make_unique<WebOfLies>(); }

}  // namespace fulgur
