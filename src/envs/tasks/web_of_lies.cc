// People who always tell the truth or always lie, each of them speaking about earlier ones: one after the other is
// settled, by what he says about those who are.
//
// Difficulty: people and how many of them are asked about: 1: 3 and 2, 2: 4 and 3, 3: 5 and 3, 4: 7 and 3, 5: 10 and 4,
// 6: 15 and 5. From 3 the order of the statements does not help, from 4 some are about two people. 7 and 8: 5 and 2, 10
// and 5; people speak about anyone, more than once or not at all, and it takes suppositions.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::web_of_lies {
namespace {

struct Level {
  size_t people, asked;
  bool shuffled, pairs, web = false;
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {3, 2, false, false},
                                           {4, 3, false, false},
                                           {5, 3, true, false},
                                           {7, 3, true, true},
                                           {10, 4, true, true},
                                           {15, 5, true, true},
                                           {5, 2, true, true, true},
                                           {10, 5, true, true, true}}};
constexpr int kMostSteps = 100'000;  // of the search
constexpr size_t kMostPeople = 50, kMostStatements = 200;

enum class Kind { kTruth, kLies, kBothTruth, kBothLie, kOneTruth, kSomeTruth, kSomeLie, kSame, kDifferent };
constexpr std::array<std::string_view, 9> kKinds = {"truth",      "lies",     "both truth", "both lie", "one truth",
                                                    "some truth", "some lie", "same",       "different"};
bool IsAboutTwo(Kind kind) { return kind >= Kind::kBothTruth && kind <= Kind::kSomeLie; }

struct Statement {
  std::string who;
  Kind kind = Kind::kTruth;
  std::vector<std::string> about;  // one person or two
};

const char* Name(bool truth) { return truth ? "truth" : "lies"; }

// truth: of those it is about; for same and different, then of the speaker.
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
    case Kind::kSomeTruth:
      return truth[0] || truth[1];
    case Kind::kSomeLie:
      return !truth[0] || !truth[1];
    case Kind::kSame:
      return truth[0] == truth[1];
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
    case Kind::kSomeTruth:
      return fmt::format("at least one of {} and {} tells the truth", about[0], about[1]);
    case Kind::kSomeLie:
      return fmt::format("at least one of {} and {} lies", about[0], about[1]);
    case Kind::kSame:
      return fmt::format("{} and {} are of the same kind", statement.who, about[0]);
    case Kind::kDifferent:
      return fmt::format("{} and {} are not of the same kind", statement.who, about[0]);
    default:
      return fmt::format("exactly one of {} and {} tells the truth", about[0], about[1]);
  }
}

// People who speak about anyone: what follows from what is known, and suppositions where nothing does.
class Web {
 public:
  enum Value : char { kOpen, kLies, kTruth };

  Web(const std::vector<std::pair<std::string, bool>>& known, const std::vector<Statement>& says,
      const std::vector<std::string>& ask) {
    for (const auto& [name, truth] : known) known_.emplace_back(Person(name), truth ? kTruth : kLies);
    for (const Statement& statement : says) {
      Link link{&statement, Person(statement.who), {}};
      for (const std::string& name : statement.about) link.about.push_back(Person(name));
      if (!IsAboutTwo(statement.kind) && statement.kind >= Kind::kSame) link.about.push_back(link.who);
      links_.push_back(link);
    }
    for (const std::string& name : ask) {
      const int person = IndexOf(names_, name);
      if (person < 0) throw Error("data of web_of_lies: \"ask\": nothing is said about {}", Quoted(name));
      ask_.push_back(person);
    }
    if (names_.size() > kMostPeople) throw Error("data of web_of_lies: there are more than {} people", kMostPeople);
  }

  // Whether those who are asked about tell the truth. Error if what is said contradicts itself or does not settle them.
  std::vector<bool> Settle() {
    std::vector<Value> values(names_.size(), kOpen);
    if (!Start(&values) || !Search(&values)) throw Error("data of web_of_lies: what is said contradicts itself");
    std::vector<bool> truth;
    for (const int person : ask_) {
      truth.push_back(values[person] == kTruth);
      std::vector<Value> other(names_.size(), kOpen);
      if (!Start(&other) || other[person] != kOpen) continue;
      other[person] = truth.back() ? kLies : kTruth;
      if (Search(&other)) throw Error("data of web_of_lies: what is said does not settle {}", Quoted(names_[person]));
    }
    return truth;
  }

  // How a solution is found, a line a step.
  std::string Steps() {
    std::vector<Value> values(names_.size(), kOpen);
    text_ = "";
    words_ = true;
    Start(&values);
    Search(&values);
    words_ = false;
    return text_;
  }

 private:
  struct Link {
    const Statement* statement;
    int who;
    std::vector<int> about;
  };

  int Person(const std::string& name) {
    const int at = IndexOf(names_, name);
    if (at >= 0) return at;
    names_.push_back(name);
    return static_cast<int>(names_.size()) - 1;
  }
  void Say(const std::string& line) {
    if (words_) text_ += line + "\n";
  }
  std::string Is(int person, Value value) const { return names_[person] + (value == kTruth ? " truth" : " lies"); }

  bool Start(std::vector<Value>* values) {
    steps_ = 0;
    for (const auto& [person, value] : known_) {
      if ((*values)[person] != kOpen && (*values)[person] != value) return false;
      (*values)[person] = value;
      Say(Is(person, value));
    }
    return true;
  }

  // Whether the statement can be as it is with these values; those that are open may be anything.
  bool Possible(const Link& link, const std::vector<Value>& values) const {
    std::vector<int> people = link.about;
    if (link.statement->kind < Kind::kSame) people.push_back(link.who);
    std::vector<bool> truth(people.size());
    for (uint32_t way = 0; way < 1u << people.size(); ++way) {
      bool fits = true;
      for (size_t i = 0; i < people.size(); ++i) {
        truth[i] = (way >> i & 1) != 0;
        const Value value = truth[i] ? kTruth : kLies;
        fits = fits && (values[people[i]] == kOpen || values[people[i]] == value);
        for (size_t j = 0; j < i; ++j) fits = fits && (people[i] != people[j] || truth[i] == truth[j]);
      }
      if (fits && Holds(*link.statement, truth) == truth.back()) return true;
    }
    return false;
  }

  // Sets what follows; false if that contradicts.
  bool Follow(std::vector<Value>* values) {
    for (bool more = true; more;) {
      more = false;
      for (const Link& link : links_) {
        std::vector<int> people = link.about;
        people.push_back(link.who);
        for (const int person : people) {
          if ((*values)[person] != kOpen) continue;
          bool can[2] = {false, false};
          for (const Value value : {kLies, kTruth}) {
            (*values)[person] = value;
            can[value - kLies] = Possible(link, *values);
          }
          (*values)[person] = kOpen;
          if (can[0] && can[1]) continue;
          if (can[0] == can[1]) {
            Say(fmt::format("{} says {}, not possible", link.statement->who, Claim(*link.statement)));
            return false;
          }
          (*values)[person] = can[1] ? kTruth : kLies;
          Say(fmt::format("{} says {}, so {}", link.statement->who, Claim(*link.statement),
                          Is(person, (*values)[person])));
          more = true;
        }
        if (!Possible(link, *values)) {
          Say(fmt::format("{} says {}, not possible", link.statement->who, Claim(*link.statement)));
          return false;
        }
      }
    }
    return true;
  }

  bool Search(std::vector<Value>* values) {
    if (++steps_ > kMostSteps) throw Error("data of web_of_lies: it takes too long to settle everyone");
    if (!Follow(values)) return false;
    const auto open = std::find(values->begin(), values->end(), kOpen);
    if (open == values->end()) return true;
    const std::vector<Value> before = *values;
    const auto person = static_cast<int>(open - values->begin());
    for (const Value value : {kTruth, kLies}) {
      *values = before;
      (*values)[person] = value;
      Say((value == kTruth ? "suppose " : "so ") + Is(person, value));
      if (Search(values)) return true;
    }
    return false;
  }

  std::vector<std::string> names_;
  std::vector<std::pair<int, Value>> known_;
  std::vector<Link> links_;
  std::vector<int> ask_;
  int steps_ = 0;
  bool words_ = false;
  std::string text_;
};

class WebOfLies : public Task {
 public:
  const char* name() const override { return "web_of_lies"; }
  const char* description() const override { return "Who tells the truth, from what they say of each other"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"first", "[name, \"truth\" or \"lies\"]: one who is known", true},
            {"known", "list of more such pairs", true},
            {"says",
             "list of [who, what, name] or [who, what, name, name]; what is \"truth\" (the name tells it), \"lies\", "
             "\"same\" or \"different\" (as the speaker) with one name, \"both truth\", \"both lie\", \"one truth\" "
             "(exactly one), \"some truth\" or \"some lie\" (at least one) with two"},
            {"ask", "list of names; all that is said must settle them"}};
  }

  // Ann lies
  // Bob says Ann lies, Ann lies, true, so Bob truth
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    if (puzzle.web) return WorkWeb(puzzle);
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
    std::string known;
    for (size_t i = 0; i < puzzle.given; ++i) {
      known += fmt::format("{} {}; ", puzzle.known[i].first, Name(puzzle.known[i].second));
    }
    return fmt::format("{}{}; {}", known, Join(claims, "; "), Join(puzzle.ask, " "));
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    if (level.web) {
      DrawWeb(rng, level, instance);
      return;
    }
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
    std::vector<bool> truth;
    if (puzzle.web) truth = Web({puzzle.known.begin(), puzzle.known.end()}, puzzle.order, puzzle.ask).Settle();
    for (size_t i = 0; i < words.size(); ++i) {
      if ((words[i] == "yes") != (puzzle.web ? truth[i] : Truth(puzzle, puzzle.ask[i]))) {
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
    // The statements do not settle one after the other: only those who are given are known, and the order is none.
    bool web = false;
    size_t given = 0;  // of those known
  };

  static Solution WorkWeb(const Puzzle& puzzle) {
    Web web({puzzle.known.begin(), puzzle.known.end()}, puzzle.order, puzzle.ask);
    const std::vector<bool> truth = web.Settle();
    std::vector<std::string> answers, facts;
    for (size_t i = 0; i < truth.size(); ++i) {
      answers.push_back(truth[i] ? "yes" : "no");
      facts.push_back(fmt::format("{} {} {}", puzzle.ask[i], Name(truth[i]), answers.back()));
    }
    return {web.Steps() + Join(facts, ", "), BoxedAnswer(Join(answers, ", "))};
  }

  static Statement DrawClaim(Rng& rng, const std::vector<std::string>& people, const std::vector<bool>& truth,
                             size_t who) {
    for (;;) {
      Statement statement{people[who], static_cast<Kind>(rng.Chance(0.6) ? rng.Below(2) : rng.Int(5, 8)), {}};
      std::vector<bool> about;
      const std::vector<std::string> names =
          Sample(rng, std::vector<std::string_view>(people.begin(), people.end()), IsAboutTwo(statement.kind) ? 2 : 1);
      for (const std::string& name : names) {
        statement.about.push_back(name);
        about.push_back(truth[IndexOf(people, name)]);
      }
      if (IndexOf(names, people[who]) >= 0) continue;
      if (statement.kind >= Kind::kSame) about.push_back(truth[who]);
      if (Holds(statement, about) == truth[who]) return statement;
    }
  }

  static void DrawWeb(Rng& rng, const Level& level, TaskInstance* instance) {
    std::vector<std::string> people = Sample(rng, FirstNames(), level.people);
    std::vector<Statement> says;
    std::vector<std::string> ask;
    for (;;) {
      std::vector<bool> truth;
      for (size_t i = 0; i < people.size(); ++i) truth.push_back(rng.Chance(0.5));
      says.clear();
      for (size_t i = 0; i < people.size(); ++i) {
        for (int64_t count = rng.Chance(0.1) ? 0 : rng.Int(1, 2); count > 0; --count) {
          const Statement claim = DrawClaim(rng, people, truth, i);
          const bool said = std::any_of(says.begin(), says.end(), [&](const Statement& other) {
            return other.who == claim.who && Claim(other) == Claim(claim);
          });
          if (!said) says.push_back(claim);
        }
      }
      rng.Shuffle<Statement>(says);
      ask = people;
      rng.Shuffle<std::string>(ask);
      ask.resize(level.asked);
      try {
        Web({}, says, ask).Settle();
        break;
      } catch (const Error&) {  // someone is not settled: other statements
      }
    }
    std::vector<std::string> sentences;
    Json list = Json::array();
    for (const Statement& statement : says) {
      Json entry = {statement.who, kKinds[static_cast<size_t>(statement.kind)]};
      for (const std::string& person : statement.about) entry.push_back(person);
      list.push_back(entry);
      sentences.push_back(fmt::format("{} says that {}.", statement.who, Claim(statement)));
    }
    instance->data = {{"says", list}, {"ask", ask}};
    instance->prompt = fmt::format(
        "Everyone here always tells the truth or always lies; these are the two kinds of people. {} Do {} tell the "
        "truth? "
        "Put yes or no for each, in this order, in \\boxed{{}}.",
        Join(sentences, " "), Enumerate(ask));
  }

  static const std::pair<std::string, bool>* Find(const Puzzle& puzzle, const std::string& person) {
    for (const auto& known : puzzle.known) {
      if (known.first == person) return &known;
    }
    return nullptr;
  }
  static bool Truth(const Puzzle& puzzle, const std::string& person) { return Find(puzzle, person)->second; }

  static void ReadKnown(const Json& entry, const std::string& where, Puzzle* puzzle) {
    const std::vector<std::string> texts = JsonEntry(entry, where);
    if (texts.size() != 2 || (texts[1] != "truth" && texts[1] != "lies")) {
      throw Error("{}: {} is not a name and truth or lies", where, Quoted(entry.dump()));
    }
    if (Find(*puzzle, texts[0]) != nullptr) throw Error("{}: {} is known twice", where, Quoted(texts[0]));
    puzzle->known.emplace_back(texts[0], texts[1] == "truth");
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of web_of_lies";
    Puzzle puzzle;
    if (instance.data.contains("first")) ReadKnown(instance.data["first"], where + ": \"first\"", &puzzle);
    if (instance.data.contains("known")) {
      for (const Json& entry : JsonList(instance.data, "known", where, 0, kMostPeople)) {
        ReadKnown(entry, where + ": \"known\"", &puzzle);
      }
    }
    puzzle.given = puzzle.known.size();
    std::vector<Statement> says;
    for (const Json& entry : JsonList(instance.data, "says", where, 1, kMostStatements)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const auto kind = texts.size() < 3 ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), texts[1]);
      const bool two = kind != kKinds.end() && IsAboutTwo(static_cast<Kind>(kind - kKinds.begin()));
      if (kind == kKinds.end() || texts.size() != (two ? 4u : 3u) || (two && texts[2] == texts[3])) {
        throw Error("{}: {} is not a statement", where, Quoted(entry.dump()));
      }
      says.push_back({texts[0], static_cast<Kind>(kind - kKinds.begin()), {texts.begin() + 2, texts.end()}});
    }
    puzzle.ask = JsonNames(instance.data, "ask", where, 1, kMostPeople);
    puzzle.web = !Order(says, &puzzle);
    if (puzzle.web) {
      puzzle.order = says;
      puzzle.known.resize(puzzle.given);
      Web({puzzle.known.begin(), puzzle.known.end()}, puzzle.order, puzzle.ask).Settle();
    }
    return puzzle;
  }

  // Whether the statements settle all who are asked about one after the other, each by what he says about those who are
  // settled already; then in that order.
  static bool Order(std::vector<Statement> left, Puzzle* puzzle) {
    while (!left.empty()) {
      const auto next = std::find_if(left.begin(), left.end(), [&](const Statement& statement) {
        return std::all_of(statement.about.begin(), statement.about.end(),
                           [&](const std::string& person) { return Find(*puzzle, person) != nullptr; });
      });
      if (next == left.end() || Find(*puzzle, next->who) != nullptr || next->kind >= Kind::kSame) return false;
      std::vector<bool> truth;
      for (const std::string& person : next->about) truth.push_back(Truth(*puzzle, person));
      puzzle->known.emplace_back(next->who, Holds(*next, truth));
      puzzle->order.push_back(*next);
      left.erase(next);
    }
    return std::all_of(puzzle->ask.begin(), puzzle->ask.end(),
                       [&](const std::string& person) { return Find(*puzzle, person) != nullptr; });
  }
};

}  // namespace
}  // namespace fulgur::web_of_lies

namespace fulgur {
std::unique_ptr<Task> MakeWebOfLies() { return std::make_unique<web_of_lies::WebOfLies>(); }
}  // namespace fulgur
