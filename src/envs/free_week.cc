#include "envs/free_week.h"

#include <algorithm>

#include "base/error.h"
#include "envs/answer.h"
#include "envs/lists.h"

namespace fulgur {
namespace {

constexpr size_t kMostPeople = 20, kMostSpans = 100;
constexpr int kStart = 30;    // meetings begin at multiples of it
constexpr int kBetween = 10;  // for those who want time before or after
constexpr int kTuesday = 1, kWednesday = 2, kThursday = 3, kFriday = 4;
constexpr std::array<std::string_view, 5> kDays = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"};
constexpr std::array<std::string_view, 10> kRules = {
    "none", "before", "after", "end", "lunch", "early", "short", "brief", "tuesday thursday", "tuesday friday"};
constexpr std::array<std::string_view, 10> kRuleTexts = {
    "",
    "needs 10 minutes between an appointment and a meeting that follows it",
    "needs 10 minutes between a meeting and an appointment that follows it",
    "wants meetings to end by 16:00",
    "has lunch on Wednesday from 12:30 to 13:00",
    "can drop every appointment that ends by 9:45",
    "can drop every appointment of at most 30 minutes",
    "can drop every appointment of at most 10 minutes",
    "takes meetings on Tuesday and Thursday only, and of at most 60 minutes",
    "takes meetings on Tuesday and Friday only, and of at most 30 minutes"};

// The times of a day at which nobody can meet, in order of beginning.
std::vector<ClockSpan> BusyOn(const std::vector<WeekPerson>& people, int day) {
  std::vector<ClockSpan> all;
  for (const WeekPerson& person : people) {
    for (ClockSpan span : person.busy[day]) {
      const int length = span.end - span.begin;
      if (person.rule == WeekRule::kEarly && span.end <= kDayBegin + 45) continue;
      if (person.rule == WeekRule::kShort && length <= 30) continue;
      if (person.rule == WeekRule::kBrief && length <= 10) continue;
      if (person.rule == WeekRule::kBefore) span.end += kBetween;
      if (person.rule == WeekRule::kAfter) span.begin -= kBetween;
      all.push_back(span);
    }
    const bool thursday = person.rule == WeekRule::kTuesdayThursday, friday = person.rule == WeekRule::kTuesdayFriday;
    if ((thursday && day != kTuesday && day != kThursday) || (friday && day != kTuesday && day != kFriday)) {
      all.push_back({kDayBegin, kDayEnd});
    }
    if (person.rule == WeekRule::kEnd) all.push_back({16 * 60, kDayEnd});
    if (person.rule == WeekRule::kLunch && day == kWednesday) all.push_back({12 * 60 + 30, 13 * 60});
  }
  std::sort(all.begin(), all.end(), [](const ClockSpan& a, const ClockSpan& b) { return a.begin < b.begin; });
  std::vector<ClockSpan> merged;
  for (ClockSpan span : all) {
    span = {std::max(span.begin, kDayBegin), std::min(span.end, kDayEnd)};
    if (span.begin >= span.end) continue;
    if (!merged.empty() && span.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, span.end);
    } else {
      merged.push_back(span);
    }
  }
  return merged;
}

int Longest(const std::vector<WeekPerson>& people) {
  int most = kDayEnd - kDayBegin;
  for (const WeekPerson& person : people) {
    if (person.rule == WeekRule::kTuesdayThursday) most = std::min(most, 60);
    if (person.rule == WeekRule::kTuesdayFriday) most = std::min(most, 30);
  }
  return most;
}

struct Meetings {
  int minutes = 0, count = 0;
  std::string text;
};

// Monday busy 9:00-10:00 12:00-17:00: 10:00 120, 10:30 90, 11:00 60, 11:30 30
// longest 120, 1 of them
Meetings FindMeetings(const std::vector<WeekPerson>& people) {
  Meetings meetings;
  const int most = Longest(people);
  for (int day = 0; day < 5; ++day) {
    const std::vector<ClockSpan> busy = BusyOn(people, day);
    std::vector<std::string> spans, starts;
    for (const ClockSpan& span : busy) spans.push_back(SpanText(span));
    for (int start = kDayBegin; start < kDayEnd; start += kStart) {
      int end = kDayEnd;
      for (const ClockSpan& span : busy) {
        if (span.end > start) end = std::min(end, std::max(span.begin, start));
      }
      const int length = std::min(end - start, most);
      if (length <= 0) continue;
      starts.push_back(fmt::format("{} {}", ClockText(start), length));
      if (length > meetings.minutes) meetings = {length, 0, std::move(meetings.text)};
      meetings.count += length == meetings.minutes ? 1 : 0;
    }
    meetings.text += fmt::format("{} busy {}: {}\n", kDays[day], spans.empty() ? "never" : Join(spans, " "),
                                 starts.empty() ? "none" : Join(starts, ", "));
  }
  meetings.text +=
      meetings.minutes == 0 ? "no meeting" : fmt::format("longest {}, {} of them", meetings.minutes, meetings.count);
  return meetings;
}

ClockSpan ReadSpan(const std::string& text, const std::string& where) {
  ClockSpan span;
  if (!ParseSpan(text, &span) || span.begin < kDayBegin || span.end > kDayEnd || span.begin >= span.end) {
    throw Error("{}: {} is no part of 9:00-17:00", where, Quoted(text));
  }
  return span;
}

// What is left of the day besides these times.
std::vector<ClockSpan> Between(std::vector<ClockSpan> spans) {
  std::sort(spans.begin(), spans.end(), [](const ClockSpan& a, const ClockSpan& b) { return a.begin < b.begin; });
  std::vector<ClockSpan> between;
  int free = kDayBegin;
  for (const ClockSpan& span : spans) {
    if (span.begin > free) between.push_back({free, span.begin});
    free = std::max(free, span.end);
  }
  if (free < kDayEnd) between.push_back({free, kDayEnd});
  return between;
}

}  // namespace

std::string SpanText(const ClockSpan& span) { return ClockText(span.begin) + "-" + ClockText(span.end); }

bool ParseSpan(std::string_view text, ClockSpan* span) {
  std::vector<std::string> words;
  for (const std::string& piece : SplitList(text)) {
    const size_t line = piece.find('-');
    words.push_back(piece.substr(0, line));
    if (line != std::string::npos) {
      words.emplace_back("to");
      words.push_back(piece.substr(line + 1));
    }
  }
  std::erase(words, "");
  if (words.size() == 4 && words[0] == "from") words.erase(words.begin());
  if (words.size() != 3 || words[1] != "to") return false;
  *span = {ParseClock(words[0]), ParseClock(words[2])};
  return span->begin >= 0 && span->end >= 0;
}

std::vector<WeekPerson> ReadWeek(const Json& data, const std::string& where) {
  std::vector<WeekPerson> people;
  for (const Json& entry : JsonList(data, "week", where, 1, kMostPeople)) {
    WeekPerson person;
    person.name = JsonGet<std::string>(entry, "name", where);
    const std::string rule = JsonGetOr<std::string>(entry, "rule", "none", where);
    const auto known = std::find(kRules.begin(), kRules.end(), rule);
    if (known == kRules.end()) {
      throw Error("{}: \"rule\": {} is none of {}", where, Quoted(rule), fmt::join(kRules, ", "));
    }
    person.rule = static_cast<WeekRule>(known - kRules.begin());
    const Json& days = JsonList(entry, "days", where, kDays.size(), kDays.size());
    for (size_t day = 0; day < kDays.size(); ++day) {
      const bool free = days[day].contains("free");
      if (free == days[day].contains("busy")) {
        throw Error("{}: \"days\": {} must have either \"busy\" or \"free\"", where, Quoted(days[day].dump()));
      }
      for (const std::string& text : JsonTexts(days[day], free ? "free" : "busy", where, 0, kMostSpans)) {
        person.busy[day].push_back(ReadSpan(text, where));
      }
      if (free) person.busy[day] = Between(person.busy[day]);
    }
    people.push_back(person);
  }
  return people;
}

Solution SolveWeek(const std::vector<WeekPerson>& people) {
  const Meetings meetings = FindMeetings(people);
  return {meetings.text, BoxedAnswer(fmt::format("{}, {}", meetings.minutes, meetings.count))};
}

Score JudgeWeek(const std::vector<WeekPerson>& people, const std::string& answer) {
  std::string_view box = answer;
  if (box.size() > 2 && box.front() == '[' && box.back() == ']') box = box.substr(1, box.size() - 2);
  const std::vector<std::string> words =
      AnswerWords(box, {"minutes", "minute", "min", "options", "option", "times", "time", "meetings", "meeting"});
  if (words.size() != 2) return {0, fmt::format("{} numbers instead of 2", words.size())};
  const Meetings meetings = FindMeetings(people);
  const Score minutes = JudgeInteger(meetings.minutes, words[0]);
  return minutes.value == 1 ? JudgeInteger(meetings.count, words[1]) : minutes;
}

void DrawWeek(Rng& rng, size_t people, bool rules, TaskInstance* instance) {
  Json week = Json::array();
  std::string text;
  for (const std::string& name : Sample(rng, FirstNames(), people)) {
    Json days = Json::array();
    text += name + ":\n";
    for (const std::string_view day : kDays) {
      std::vector<std::string> spans;
      int at = kDayBegin;
      for (int64_t count = rng.Int(1, 3); count > 0; --count) {
        const int begin = at + static_cast<int>(rng.Int(0, 18)) * 5, end = begin + static_cast<int>(rng.Int(1, 24)) * 5;
        if (end > kDayEnd) break;
        spans.push_back(SpanText({begin, end}));
        at = end + 5;
      }
      const bool free = !spans.empty() && rng.Chance(0.4);
      days.push_back({{free ? "free" : "busy", spans}});
      text += fmt::format("{} {} {}\n", day, free ? "free only" : "busy", spans.empty() ? "never" : Join(spans, ", "));
    }
    Json person = {{"name", name}, {"days", days}};
    if (rules && rng.Chance(0.7)) {
      const size_t rule = 1 + rng.Below(kRules.size() - 1);
      person["rule"] = kRules[rule];
      text += fmt::format("{} {}.\n", name, kRuleTexts[rule]);
    }
    week.push_back(person);
  }
  instance->data = {{"week", week}};
  instance->prompt = fmt::format(
      "These people want to meet once between 9:00 and 17:00, when all are free.\n{}Where only free "
      "times are given, every stretch before, between and after them counts as one appointment. A "
      "meeting begins on the hour or half past. How many minutes can the longest meeting have, and "
      "at how many times of the week can one of that length begin? Put both numbers as 45, 3 in "
      "\\boxed{{}}; 0, 0 if they cannot meet.",
      text);
}

}  // namespace fulgur
