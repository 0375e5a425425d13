// The last levels of tasks that play another game beside their own: answers made by hand, and counts over everything
// that is possible.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/rng.h"
#include "envs/lists.h"
#include "envs/task.h"
#include "envs/test_util.h"

namespace fulgur {
namespace {

TEST(FurtherLevels, DyckLanguageErrorsWithBracesAndMinusOne) {
  const auto data = [](const char* symbols, int if_right) {
    return Json{{"symbols", symbols}, {"if_right", if_right}};
  };
  Check("dyck_language_errors", data("( { } )", -1), {"-1", " -1 ", "$-1$", "\\text{-1}"},
        {"0", "5", "1", "-01", "- -1"});
  Check("dyck_language_errors", data("( { } )", 0), {"0"}, {"-1"});
  Check("dyck_language_errors", data("{ ) }", -1), {"2"}, {"-1", "0", "3"});
  Check("dyck_language_errors", data("{ (", -1), {"3"}, {"-1", "0"});
  Fails("dyck_language_errors", data("( )", 1));
}

TEST(FurtherLevels, DyckLanguageWithTheWholeSequence) {
  const Json whole = {{"symbols", "( { [ ] <"}, {"whole", true}};
  Check("dyck_language", whole,
        {"( { [ ] < > } )", "({[]<>})", "(\\{[]<>\\})", "( \\{ [ ] < > \\} )",
         "\\left(\\{[]\\langle\\rangle\\}\\right)", "(\\lbrace[]<>\\rbrace)"},
        {"> \\} )", "({[]<>)}", "({[]<>}", "({[]<>})()", "({[]<}>)", "{[]<>}", "({<>})", "({[]<>}) or ({[]<>})"});
  // Without it only what is missing is right.
  const Json missing = {{"symbols", "( { [ ] <"}};
  Check("dyck_language", missing, {"> \\} )", ">\\})", "> \\rbrace )"}, {"({[]<>})", "> )", "> ) \\}", ">}"});
  Fails("dyck_language", {{"symbols", "( {"}, {"whole", "yes"}});
}

TEST(FurtherLevels, WordSortingWithAnotherAlphabetAndDirection) {
  Json data = {{"words", {"zoo", "apple", "quiet", "ant", "zebra"}}};
  Check("word_sorting", data, {"ant apple quiet zebra zoo"}, {"zoo zebra quiet apple ant"});
  data["descending"] = true;
  Check("word_sorting", data, {"zoo zebra quiet apple ant", "zoo, zebra, quiet, apple, ant"},
        {"ant apple quiet zebra zoo"});
  data["front"] = "zp";
  // z p a b c ...: apple before ant.
  Check("word_sorting", data, {"quiet ant apple zoo zebra"},
        {"zoo zebra apple ant quiet", "zoo zebra quiet apple ant", "quiet ant apple zebra zoo"});
  data["descending"] = false;
  Check("word_sorting", data, {"zebra zoo apple ant quiet"},
        {"quiet ant apple zoo zebra", "ant apple quiet zebra zoo", "zoo zebra apple ant quiet"});
  data["front"] = "zz";
  Fails("word_sorting", data);
  data["front"] = "z,";
  Fails("word_sorting", data);
  data["front"] = "";
  data["descending"] = "yes";
  Fails("word_sorting", data);
}

TEST(FurtherLevels, BooleanExpressionsWithOptions) {
  Json data = {{"options",
                {"not (True) or ((3 * -4) is less than (2 - 8))",               // True
                 "(Pigs can fly.) and (True)",                                  // False
                 "not not (Water is wet.)",                                     // True
                 "(-2 - (7 / 3)) is greater than or equal to (1 * 2 - 3 * 4)",  // True: -13/3 and -10
                 "True and False or (1 + 2 == 3 and not 2 != 2)"}},             // True
               {"facts", {{"Pigs can fly.", false}, {"Water is wet.", true}}}};
  Check("boolean_expressions", data,
        {"A, C, D, E", "A,C,D,E", "ACDE", "a, c, d, e", "A and C and D and E", "E, D, C, A", "A. C. D. E.",
         "(A), (C), (D), (E)", "\\text{A, C, D, E}"},
        {"A, C, D", "A, B, C, D, E", "A, C, D, E, E", "none", "A C D F", "True", "ACDEE", "B", "A or C, D, E", "ACD",
         "A, C; D"});
  const auto options = [](const char* first) { return Json{{"options", {first, "False"}}}; };
  const auto holds = [&](const char* first, bool value) {
    Check("boolean_expressions", options(first), {value ? "A" : "none"}, {value ? "none" : "A", "B", "A, B"});
  };
  holds("1 / 3 + 1 / 3 + 1 / 3 == 1", true);
  holds("not 2 > 1 or 1 > 2", false);
  holds("not (False and True) and 2 times 3 equals 6", true);
  holds("(5 minus 7) is not equal to (4 divided by -2)", false);
  holds("((2)) <= 2", true);
  holds("False or True and False", false);
  holds("- (2 + 3) < -4", true);
  for (const char* wrong :
       {"", "1", "1 +", "(True", "True)", "True and", "True and 1", "not 1", "1 / 0 == 1", "True == True", "True True",
        "Pigs can fly.", "1 < 2 < 3", "Truely", "nottrue", "true", "99999999 > 1"}) {
    Fails("boolean_expressions", options(wrong));
  }
  Fails("boolean_expressions", {{"options", {"True", "False"}}, {"expression", "True"}});
  Fails("boolean_expressions", {{"expression", "True"}, {"facts", Json::object()}});
  Fails("boolean_expressions", {{"options", {"True", "False"}}, {"facts", {{"Pigs can fly.", 1}}}});
  Fails("boolean_expressions", {{"options", {"True"}}});
  Fails("boolean_expressions", options(std::string(200, '(').c_str()));
}

TEST(FurtherLevels, ObjectCountingOfOwners) {
  Json data = {
      {"has", Json::parse(R"([["I","apples","fruits",5],["my aunt","pears","fruits",7],["I","plums","fruits",3,9,4],
                                       ["I","dogs","animals",12],["I","smart TVs","electronics",2,0]])")},
      {"owner", "I"},
      {"ask", {"total", "fruits"}}};
  Check("object_counting", data, {"9", "$9$"}, {"14", "16", "8", "5", "21", "9 fruits", "none"});
  data["ask"] = {"total", "fruits", "animals"};
  Check("object_counting", data, {"21"}, {"9", "12"});
  data["ask"] = {"difference", "fruits", "animals"};
  Check("object_counting", data, {"3"}, {"-3", "21"});
  data["ask"] = {"total", "electronics"};
  Check("object_counting", data, {"0"}, {"2"});
  data["owner"] = "my aunt";
  data["ask"] = {"total", "fruits"};
  Check("object_counting", data, {"7"}, {"9", "16"});
  data["ask"] = {"total", "fruits", "fruits"};
  Fails("object_counting", data);
  data["ask"] = {"difference", "fruits"};
  Fails("object_counting", data);
  data["ask"] = {"product", "fruits"};
  Fails("object_counting", data);
  data["ask"] = {"total", "fruits"};
  data["kind"] = "fruits";
  Fails("object_counting", data);
  data.erase("kind");
  data["has"].push_back({"I", "cats", "animals"});
  Fails("object_counting", data);
  data["has"].back() = {"I", "cats", "animals", -1};
  Fails("object_counting", data);
}

TEST(FurtherLevels, TimeSequenceOfAWeek) {
  const auto week = [](const char* ann, const char* rule = nullptr) {
    Json person = {{"name", "Ann"}, {"days", Json::array()}};
    for (int day = 0; day < 5; ++day) person["days"].push_back({{"busy", {"9:00-17:00"}}});
    person["days"][2] = Json::parse(ann);  // Wednesday
    if (rule != nullptr) person["rule"] = rule;
    return Json{{"week", {person}}};
  };
  // 9:20-12:10 and 14:00-17:00 are free.
  const char* busy = R"({"busy": ["9:00-9:20", "12:10-14:00"]})";
  Check("time_sequence", week(busy), {"180, 1", "[180, 1]", "180 minutes, 1 option", "180 1", "180\\text{ minutes}, 1"},
        {"160, 1", "180", "180, 2", "180, 1, 1", "1, 180", "180 or 160, 1", "3 hours, 1", "14:00-17:00"});
  Check("time_sequence", week(R"({"free": ["9:20-12:10", "14:00-17:00"]})"), {"180, 1"}, {"160, 1"});
  Check("time_sequence", week(R"({"busy": ["9:00-17:00"]})"), {"0, 0"}, {"0", "0, 1", "none"});
  Check("time_sequence", week(R"({"busy": []})"), {"480, 1"}, {"480, 5"});
  Check("time_sequence", week(R"({"free": []})"), {"0, 0"}, {"480, 1"});
  // A stretch that no full or half hour is in is no meeting.
  Check("time_sequence", week(R"({"free": ["9:05-9:25", "10:00-10:15", "11:30-11:45"]})"), {"15, 2"},
        {"20, 1", "15, 1"});
  // 10:00-12:00 and 13:00-15:00 are free.
  const char* two = R"({"busy": ["9:00-10:00", "12:00-13:00", "15:00-17:00"]})";
  Check("time_sequence", week(two), {"120, 2"}, {});
  Check("time_sequence", week(two, "before"), {"90, 2"}, {});
  Check("time_sequence", week(two, "after"), {"110, 2"}, {});
  Check("time_sequence", week(two, "lunch"), {"120, 2"}, {});
  Check("time_sequence", week(R"({"busy": ["14:00-17:00"]})", "lunch"), {"210, 1"}, {"300, 1"});
  Check("time_sequence", week(R"({"busy": ["9:00-13:00"]})", "end"), {"180, 1"}, {"240, 1"});
  Check("time_sequence", week(R"({"busy": ["9:00-9:45", "12:00-17:00"]})", "early"), {"180, 1"}, {});
  Check("time_sequence", week(R"({"busy": ["9:00-9:50", "12:00-17:00"]})", "early"), {"120, 1"}, {});
  Check("time_sequence", week(R"({"busy": ["9:00-9:30", "12:00-17:00"]})", "short"), {"180, 1"}, {});
  Check("time_sequence", week(R"({"busy": ["9:00-9:30", "12:00-17:00"]})", "brief"), {"150, 1"}, {});
  Check("time_sequence", week(R"({"busy": ["10:00-10:10", "12:00-17:00"]})", "brief"), {"180, 1"}, {});
  Check("time_sequence", week(two, "tuesday thursday"), {"0, 0"}, {"60, 2"});
  Json tuesday = week(two, "tuesday friday");
  tuesday["week"][0]["days"][1] = Json::parse(two);
  Check("time_sequence", tuesday, {"30, 8"}, {"120, 2", "30, 2"});
  tuesday["week"][0]["rule"] = "tuesday thursday";
  Check("time_sequence", tuesday, {"60, 6"}, {});
  Fails("time_sequence", week(busy, "sleeps late"));
  Fails("time_sequence", week(R"({"busy": [], "free": []})"));
  Fails("time_sequence", week(R"({})"));
  Fails("time_sequence", week(R"({"busy": ["8:00-9:30"]})"));
  Json short_week = week(busy);
  short_week["week"][0]["days"].erase(4);
  Fails("time_sequence", short_week);
  Json both = week(busy);
  both["people"] = Json::array();
  Fails("time_sequence", both);
}

TEST(FurtherLevels, WebOfLiesWithoutAFirst) {
  Json data = {{"says", Json::parse(R"([["Ann","same","Bob"],["Bob","some lie","Cal","Dan"],["Cal","truth","Dan"]])")},
               {"ask", {"Bob", "Cal", "Dan"}}};
  Check("web_of_lies", data, {"yes, no, no", "Yes No No"}, {"yes, yes, yes", "no, no, no", "yes, no"});
  data["ask"] = {"Ann"};
  Fails("web_of_lies", data);  // may be either
  data["known"] = Json::parse(R"([["Ann","lies"]])");
  Check("web_of_lies", data, {"no"}, {"yes"});
  data["known"] = Json::parse(R"([["Bob","lies"]])");
  Fails("web_of_lies", data);  // Ann can say that of neither kind
  data["known"] = Json::parse(R"([["Bob","truth"],["Bob","truth"]])");
  Fails("web_of_lies", data);
  data["known"] = Json::parse(R"([["Bob","perhaps"]])");
  Fails("web_of_lies", data);
  // About oneself: whoever says that he lies does not exist.
  Fails("web_of_lies", {{"says", Json::parse(R"([["Ann","lies","Ann"]])")}, {"ask", {"Ann"}}});
  Check("web_of_lies", {{"says", Json::parse(R"([["Ann","some lie","Ann","Bob"]])")}, {"ask", {"Ann", "Bob"}}},
        {"yes, no"}, {"no, no"});
  Fails("web_of_lies", {{"says", Json::parse(R"([["Ann","same","Bob","Cal"]])")}, {"ask", {"Ann"}}});
}

TEST(FurtherLevels, WebOfLiesIsWhatAllConsistentWorldsAgreeOn) {
  const Task& task = GetTask("web_of_lies");
  const std::vector<std::string> names = {"Ann", "Bob", "Cal", "Dan", "Eve"};
  const auto holds = [](const std::string& kind, bool speaker, bool a, bool b) {
    return kind == "truth"        ? a
           : kind == "lies"       ? !a
           : kind == "both truth" ? a && b
           : kind == "both lie"   ? !a && !b
           : kind == "one truth"  ? a != b
           : kind == "some truth" ? a || b
           : kind == "some lie"   ? !a || !b
           : kind == "same"       ? a == speaker
                                  : a != speaker;
  };
  Rng rng(3);
  int settled = 0, open = 0;
  for (int draw = 0; draw < 400; ++draw) {
    struct Said {
      size_t who;
      std::string kind;
      size_t a, b;
    };
    std::vector<Said> says;
    Json list = Json::array();
    for (int64_t count = rng.Int(2, 6); count > 0; --count) {
      constexpr std::array<const char*, 9> kKinds = {"truth",      "lies",     "both truth", "both lie", "one truth",
                                                     "some truth", "some lie", "same",       "different"};
      Said said{rng.Below(5), rng.Pick(kKinds), rng.Below(5), rng.Below(5)};
      if (said.a == said.b) said.b = (said.a + 1) % 5;
      says.push_back(said);
      Json entry = {names[said.who], said.kind, names[said.a]};
      if (said.kind.find(' ') != std::string::npos) entry.push_back(names[said.b]);
      list.push_back(entry);
    }
    const size_t asked = says[0].who;
    bool can[2] = {false, false};
    for (uint32_t world = 0; world < 32; ++world) {
      const auto truth = [&](size_t person) { return (world >> person & 1) != 0; };
      const bool fits = std::all_of(says.begin(), says.end(), [&](const Said& said) {
        return holds(said.kind, truth(said.who), truth(said.a), truth(said.b)) == truth(said.who);
      });
      if (fits) can[truth(asked) ? 1 : 0] = true;
    }
    const TaskInstance instance = Instance("web_of_lies", {{"says", list}, {"ask", {names[asked]}}});
    if (can[0] == can[1]) {
      ++open;
      EXPECT_THROW(task.Verify(instance, "\\boxed{yes}"), Error) << list.dump();
      continue;
    }
    ++settled;
    EXPECT_EQ(task.Verify(instance, "\\boxed{yes}").value, can[1] ? 1 : 0) << list.dump();
    EXPECT_EQ(task.Verify(instance, "\\boxed{no}").value, can[0] ? 1 : 0) << list.dump();
    EXPECT_EQ(task.Verify(instance, task.Solve(instance).answer).value, 1) << list.dump();
  }
  EXPECT_GT(settled, 50);
  EXPECT_GT(open, 50);
}

TEST(FurtherLevels, MeetingsOfAWeekAreTheLongest) {
  const Task& task = GetTask("time_sequence");
  for (int seed = 0; seed < 30; ++seed) {
    const TaskInstance instance = task.Generate(seed, 7);
    int longest = 0, count = 0;
    for (size_t day = 0; day < 5; ++day) {
      // Minute by minute.
      std::vector<bool> free(17 * 60 + 1, true);
      free[17 * 60] = false;
      for (const Json& person : instance.data["week"]) {
        const bool says_free = person["days"][day].contains("free");
        std::vector<bool> said(free.size(), false);
        for (const Json& span : person["days"][day][says_free ? "free" : "busy"]) {
          const auto text = span.get<std::string>();
          const size_t line = text.find('-');
          for (int t = ParseClock(text.substr(0, line)); t < ParseClock(text.substr(line + 1)); ++t) said[t] = true;
        }
        for (size_t t = 0; t < free.size(); ++t) free[t] = free[t] && said[t] == says_free;
      }
      for (int start = 9 * 60; start < 17 * 60; start += 30) {
        int end = start;
        while (free[end]) ++end;
        if (end - start > longest) longest = end - start, count = 0;
        count += end - start == longest && longest > 0 ? 1 : 0;
      }
    }
    EXPECT_EQ(task.Verify(instance, fmt::format("\\boxed{{{}, {}}}", longest, count)).value, 1) << instance.prompt;
    EXPECT_EQ(task.Verify(instance, fmt::format("\\boxed{{{}, {}}}", longest, count + 1)).value, 0);
  }
}

}  // namespace
}  // namespace fulgur
