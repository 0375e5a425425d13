// The longest time of a day in which several people are free: all their appointments in order of beginning, and the
// gaps between them, with the longest so far.
//
// Difficulty: people and appointments of each: 1: 1 and 2, 2: 2 and 1 or 2, 3: 2 and 2 or 3, 4: 3 and 3, 5: 4 and 4, 6:
// 6 and 5. Times are multiples of 30 minutes up to 2, then of 15, and from 5 of 5. 7 and 8: a week of 2 people, and of
// 3 with rules of their own (free_week.h).
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/free_week.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::time_sequence {
namespace {

struct Level {
  size_t people;
  int fewest, most, grain, longest;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {1, 2, 2, 30, 120},
                                           {2, 1, 2, 30, 120},
                                           {2, 2, 3, 15, 120},
                                           {3, 3, 3, 15, 90},
                                           {4, 4, 4, 5, 70},
                                           {6, 5, 5, 5, 45}}};
constexpr int kBegin = kDayBegin, kEnd = kDayEnd;
constexpr int kOneDay = 6;  // the last level of one day
constexpr size_t kMostPeople = 20, kMostBusy = 100;

using Span = ClockSpan;

class TimeSequence : public Task {
 public:
  const char* name() const override { return "time_sequence"; }
  const char* description() const override { return "Find the longest time in which everyone is free"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"people",
             "one day from 9:00 to 17:00: list of up to 20 people",
             true,
             {{"name", "name"}, {"busy", "list of times such as \"9:00-10:30\""}}},
            {"week",
             "instead of \"people\", five days from 9:00 to 17:00: list of up to 20 people",
             true,
             {{"name", "name"},
              {"days",
               "list of five days from Monday on",
               false,
               {{"busy", "list of times such as \"9:00-10:30\"", true},
                {"free", "instead of \"busy\": list of the only times that are free", true}}},
              {"rule", kRuleForm, true}}}};
  }

  // busy 9:30-10:00 11:00-12:00
  // from 9:00 to 9:30 free 30 longest 30
  // from 10:00 to 11:00 free 60 longest 60
  Solution Work(const TaskInstance& instance) const override {
    if (IsWeek(instance)) return SolveWeek(ReadWeek(instance.data, kWhere));
    std::vector<Span> busy = AllBusy(Read(instance));
    std::vector<std::string> texts;
    for (const Span& span : busy) texts.push_back(SpanText(span));
    std::string thinking = fmt::format("busy {}\n", Join(texts, " "));
    busy.push_back({kEnd, kEnd});
    Span best{kBegin, kBegin};
    int free = kBegin;
    for (const Span& span : busy) {
      const int length = span.begin - free;
      thinking += fmt::format("from {} to {}", ClockText(free), ClockText(span.begin));
      if (length > 0) {
        if (length > best.end - best.begin) best = {free, span.begin};
        thinking += fmt::format(" free {} longest {}\n", length, best.end - best.begin);
      } else {
        thinking += " busy\n";
      }
      free = std::max(free, span.end);
    }
    if (best.end == best.begin) throw Error("data of time_sequence: there is no free time");
    return {thinking + SpanText(best), BoxedAnswer(SpanText(best))};
  }

  // The order of the people does not matter.
  std::string Key(const TaskInstance& instance) const override {
    std::vector<std::string> all;
    if (IsWeek(instance)) {
      for (const Json& person : instance.data["week"]) all.push_back(person.dump());
      std::sort(all.begin(), all.end());
      return Join(all, ", ");
    }
    for (const Person& person : Read(instance)) {
      std::vector<std::string> busy;
      for (const Span& span : AllBusy({person})) busy.push_back(SpanText(span));
      all.push_back(person.name + " " + Join(busy, " "));
    }
    std::sort(all.begin(), all.end());
    return Join(all, ", ");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    if (difficulty > kOneDay) {
      DrawWeek(rng, difficulty == kOneDay + 1 ? 2 : 3, difficulty > kOneDay + 1, instance);
      return;
    }
    const Level& level = kLevels[difficulty];
    std::vector<Person> people;
    const std::vector<std::string> names = Sample(rng, FirstNames(), level.people);
    do {
      people.clear();
      for (const std::string& name : names) {
        Person person{name, {}};
        const auto count = static_cast<size_t>(rng.Int(level.fewest, level.most));
        while (person.busy.size() < count) {
          Span span;
          const int length = static_cast<int>(rng.Int(1, level.longest / level.grain)) * level.grain;
          span.begin = kBegin + static_cast<int>(rng.Int(0, (kEnd - kBegin - length) / level.grain)) * level.grain;
          span.end = span.begin + length;
          // Between two appointments of one person there is some time.
          const bool apart = std::all_of(person.busy.begin(), person.busy.end(), [&](const Span& other) {
            return span.end < other.begin || other.end < span.begin;
          });
          if (apart) person.busy.push_back(span);
        }
        std::sort(person.busy.begin(), person.busy.end(),
                  [](const Span& a, const Span& b) { return a.begin < b.begin; });
        people.push_back(person);
      }
    } while (Longest(people) == 0);
    Json list = Json::array();
    std::vector<std::string> sentences;
    for (const Person& person : people) {
      std::vector<std::string> busy;
      for (const Span& span : person.busy) busy.push_back(SpanText(span));
      sentences.push_back(fmt::format("{} is busy {}.", person.name, Enumerate(busy)));
      list.push_back({{"name", person.name}, {"busy", busy}});
    }
    instance->data = {{"people", list}};
    const std::array<std::string, 2> prompts = {
        fmt::format("{} What is the longest time from 9:00 to 17:00 when {} free?", Join(sentences, " "),
                    people.size() == 1 ? people[0].name + " is" : "all are"),
        fmt::format("A day goes from 9:00 to 17:00. {} Find the longest time that {} free.", Join(sentences, " "),
                    people.size() == 1 ? people[0].name + " is" : "everyone is")};
    instance->prompt = rng.Pick(prompts) + " If several are as long, any will do. Put it as 9:00-9:30 in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    if (IsWeek(instance)) return JudgeWeek(ReadWeek(instance.data, kWhere), answer);
    const std::vector<Person> people = Read(instance);
    Span given;
    if (!ParseSpan(ToLower(answer), &given)) return {0, Quoted(answer) + " is not a time such as 9:00-9:30"};
    if (given.begin < kBegin || given.end > kEnd || given.begin >= given.end) {
      return {0, fmt::format("{} is no part of 9:00-17:00", SpanText(given))};
    }
    for (const Person& person : people) {
      for (const Span& span : person.busy) {
        if (given.begin < span.end && span.begin < given.end) {
          return {0, fmt::format("{} is busy {}", person.name, SpanText(span))};
        }
      }
    }
    if (given.end - given.begin < Longest(people)) return {0, SpanText(given) + " is not the longest"};
    return {1, ""};
  }

 private:
  struct Person {
    std::string name;
    std::vector<Span> busy;
  };

  static std::vector<Span> AllBusy(const std::vector<Person>& people) {
    std::vector<Span> busy;
    for (const Person& person : people) busy.insert(busy.end(), person.busy.begin(), person.busy.end());
    std::sort(busy.begin(), busy.end(),
              [](const Span& a, const Span& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    return busy;
  }

  // Minutes of the longest free time.
  static int Longest(const std::vector<Person>& people) {
    int free = kBegin, longest = 0;
    for (const Span& span : AllBusy(people)) {
      longest = std::max(longest, span.begin - free);
      free = std::max(free, span.end);
    }
    return std::max(longest, kEnd - free);
  }

  static constexpr const char* kWhere = "data of time_sequence";

  static bool IsWeek(const TaskInstance& instance) {
    const bool week = instance.data.contains("week");
    if (week == instance.data.contains("people"))
      throw Error("{}: there must be either \"people\" or \"week\"", kWhere);
    return week;
  }

  static std::vector<Person> Read(const TaskInstance& instance) {
    const std::string where = kWhere;
    std::vector<Person> people;
    for (const Json& entry : JsonList(instance.data, "people", where, 1, kMostPeople)) {
      Person person{JsonGet<std::string>(entry, "name", where), {}};
      for (const std::string& text : JsonTexts(entry, "busy", where, 0, kMostBusy)) {
        Span span;
        if (!ParseSpan(text, &span) || span.begin < kBegin || span.end > kEnd || span.begin >= span.end) {
          throw Error("{}: \"busy\": {} is no part of 9:00-17:00", where, Quoted(text));
        }
        person.busy.push_back(span);
      }
      people.push_back(person);
    }
    return people;
  }
};

}  // namespace
}  // namespace fulgur::time_sequence

namespace fulgur {
std::unique_ptr<Task> MakeTimeSequence() { return std::make_unique<time_sequence::TimeSequence>(); }
}  // namespace fulgur
