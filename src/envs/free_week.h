// When several people are free in a week: the longest meeting that begins on the hour or half past, and how many there
// are. The part of time_sequence that has a week.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/rng.h"
#include "envs/task.h"

namespace fulgur {

inline constexpr int kDayBegin = 9 * 60, kDayEnd = 17 * 60;  // minutes since midnight

struct ClockSpan {
  int begin = 0, end = 0;  // minutes since midnight
};

std::string SpanText(const ClockSpan& span);  // "9:00-10:30"
// The same, with spaces around the line, or "9:00 to 10:30", or "from 9:00 to 10:30"; false for anything else.
bool ParseSpan(std::string_view text, ClockSpan* span);

// What a person may ask for; in data, the names.
enum class WeekRule { kNone, kBefore, kAfter, kEnd, kLunch, kEarly, kShort, kBrief, kTuesdayThursday, kTuesdayFriday };
inline constexpr const char* kRuleForm =
    "before or after (10 minutes between an appointment and a meeting that follows it, or that it follows), end "
    "(meetings "
    "end by 16:00), lunch (busy on Wednesday from 12:30 to 13:00), early (appointments that end by 9:45 do not count), "
    "short or brief (appointments of at most 30 or 10 minutes do not count), tuesday thursday (only then, at most 60 "
    "minutes) or tuesday friday (only then, at most 30 minutes)";

struct WeekPerson {
  std::string name;
  std::array<std::vector<ClockSpan>, 5> busy;  // a day: appointments; where free times are given, what is between them
  WeekRule rule = WeekRule::kNone;
};

// "week" of the data; or Error that names `where`.
std::vector<WeekPerson> ReadWeek(const Json& data, const std::string& where);
Solution SolveWeek(const std::vector<WeekPerson>& people);
// Right are the minutes of the longest meeting and the number of times at which it can begin; 0, 0 if there is none.
Score JudgeWeek(const std::vector<WeekPerson>& people, const std::string& answer);
void DrawWeek(Rng& rng, size_t people, bool rules, TaskInstance* instance);

}  // namespace fulgur
