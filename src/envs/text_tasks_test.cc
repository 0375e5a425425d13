// Answers made by hand for the tasks about words, people, tables and small grids: every right answer is accepted in the
// spellings people use, and what would talk a careless scorer into a reward is not.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "envs/answer.h"
#include "envs/crossword.h"
#include "envs/lists.h"
#include "envs/task.h"
#include "envs/test_util.h"

namespace fulgur {
namespace {

TEST(TextTasks, BuggyTables) {
  const auto table = [](const Json& bug, const Json& lines) {
    return Json{{"columns", {"eggs", "coins"}},
                {"lines", lines},
                {"bugs", Json::array({bug})},
                {"question", {{"kind", "sum"}, {"column", "eggs"}}}};
  };
  const Json lines = Json::parse("[[1,2],[3,4],[5,6]]");
  Check("buggy_tables", table({{"kind", "reverse"}}, lines), {"12", " 12 ", "+12", "\\text{12}"},
        {"9", "12 or 9", "9, 12", "12.0", "eggs 12", "12 eggs", "2+4+6", "invalid 12", "-12", "012", "none"});
  Check("buggy_tables", table({{"kind", "swap"}, {"a", "eggs"}, {"b", "coins"}}, lines), {"12"}, {"9"});
  Check("buggy_tables", table({{"kind", "rotate"}, {"number", 1}}, lines), {"12"}, {"9"});
  Check("buggy_tables", table({{"kind", "add"}, {"a", "eggs"}, {"number", 4}}, lines), {"-3"}, {"9", "3"});
  Check("buggy_tables", table({{"kind", "extra"}}, Json::parse("[[1,2,9],[3,4,8]]")), {"4"}, {"9"});
  Check("buggy_tables", table({{"kind", "merge"}}, Json::parse("[[1,2,3,4],[5,6,7,8]]")), {"16"}, {"6"});
  Check("buggy_tables", table({{"kind", "turn"}}, Json::parse("[[1,2,3],[4,5,6]]")), {"6"}, {"5"});
  Check("buggy_tables",
        table({{"kind", "zeros"}, {"cells", Json::parse("[[0,0],[2,0],[2,1]]")}}, Json::parse("[[7],[1,2],[]]")), {"1"},
        {"8"});
  // The last bug is undone first.
  Json two = table({{"kind", "rotate"}, {"number", 1}}, Json::parse("[[3,1,2],[6,4,5]]"));
  two["columns"] = {"eggs", "coins", "gems"};
  two["bugs"].push_back({{"kind", "swap"}, {"a", "eggs"}, {"b", "gems"}});
  two["question"] = {{"kind", "largest"}, {"column", "gems"}, {"where", "coins"}, {"more", 2}};
  Check("buggy_tables", two, {"4"}, {"6", "1", "5"});
  two["question"] = {{"kind", "count"}, {"where", "coins"}, {"more", 2}};
  Check("buggy_tables", two, {"1"}, {"2"});
  Fails("buggy_tables", table({{"kind", "merge"}}, Json::parse("[[1,2,3]]")));
  Fails("buggy_tables", table({{"kind", "extra"}}, lines));
  Fails("buggy_tables", table({{"kind", "rotate"}, {"number", 7}}, lines));
  Fails("buggy_tables", table({{"kind", "zeros"}, {"cells", Json::parse("[[9,0]]")}}, lines));
  Fails("buggy_tables", table({{"kind", "shuffle"}}, lines));
}

TEST(TextTasks, DyckLanguageErrors) {
  const auto data = [](const char* symbols) { return Json{{"symbols", symbols}}; };
  Check("dyck_language_errors", data("( [ ) ]"), {"3", " 3 "},
        {"4", "0", "-1", "3 or 4", "3, 4", "1, 2, 3", ")", "3 )", "third", "invalid", "invalid 3", "03", "3."});
  Check("dyck_language_errors", data("( ) ["), {"4"}, {"3", "0"});
  Check("dyck_language_errors", data("( ) [ < > ]"), {"0"}, {"7", "6", "none", "right", "-0", "00"});
  Check("dyck_language_errors", data(") ( )"), {"1"}, {"0", "2"});
  Fails("dyck_language_errors", data("( x )"));
  Fails("dyck_language_errors", data(""));
}

TEST(TextTasks, DyckLanguageReasoningErrors) {
  const auto data = [](const std::vector<std::string>& steps) { return Json{{"symbols", "( [ ]"}, {"steps", steps}}; };
  const char* name = "dyck_language_reasoning_errors";
  Check(name, data({"(", "[", "("}), {"2", "(2)", "\\text{2}"},
        {"none", "1, 2, 3", "2, 2", "2 or none", "2, none", "none, 2", "1", "3", "step 2", "2.", "02", "2-2"});
  Check(name, data({"(", "[", "empty"}), {"2, 3", "3, 2", "2 3", "2 and 3"},
        {"2", "3", "2, 3, 3", "1, 2, 3", "23", "2-3"});
  Check(name, data({"(", "( [", "("}), {"none", "None", " none "},
        {"", "0", "none none", "none, none", "no", "none or 2"});
  Fails(name, data({"(", "["}));
  Fails(name, data({"(", "]", "("}));
  Fails(name, {{"symbols", "( ]"}, {"steps", {"(", "empty"}}});
}

TEST(TextTasks, GoodsExchange) {
  Json data = {
      {"people", {"Ann", "Bob", "Cal"}},
      {"things", {"key", "map", "cup"}},
      {"steps", Json::parse(R"([["swap","Ann","Bob"],["owner","Cal","key"],["if","Ann","Bob","Cal","cup"]])")}};
  // Ann map, Bob key, Cal cup; then Bob cup, Cal key; Ann has no cup.
  Check("goods_exchange", data,
        {"Ann map, Bob cup, Cal key", "Cal: key; Bob: cup; Ann: map", "(Ann, map), (Bob, cup), (Cal, key)",
         "ann has the map, bob has the cup and cal has the key", "Ann = map\nBob = cup\nCal = key",
         "Ann -> map, Bob -> cup, Cal -> key"},
        {"Ann key, Bob map, Cal cup", "Ann map, Bob cup", "Ann map, Bob cup, Cal key, Cal cup",
         "Ann map, Ann map, Bob cup", "Ann map Bob cup Cal key Ann map", "map, cup, key", "map Ann, cup Bob, key Cal",
         "Ann map or key, Bob cup, Cal key", "Ann map, Bob cup, Dan key", "Ann map, Bob cup, Cal keys",
         "Ann map, Bob map, Cal map"});
  data["steps"] = Json::parse(R"([["ring","Ann","Bob","Cal"],["if","Ann","Bob","Cal","cup"]])");
  Check("goods_exchange", data, {"Ann cup, Bob map, Cal key"}, {"Ann cup, Bob key, Cal map"});
  data["steps"] = Json::parse(R"([["owner","Ann","key"]])");  // his own: nothing happens
  Check("goods_exchange", data, {"Ann key, Bob map, Cal cup"}, {});
  for (const char* steps : {R"([["swap","Ann","Ann"]])", R"([["swap","Ann"]])", R"([["give","Ann","Bob"]])",
                            R"([["owner","Ann","hat"]])", R"([[]])", R"(["swap"])", R"([["ring","Ann","Bob"]])"}) {
    data["steps"] = Json::parse(steps);
    Fails("goods_exchange", data);
  }
}

TEST(TextTasks, GridTransformation) {
  const auto data = [](bool colours, const char* examples, const char* test) {
    return Json{{"rules", 18}, {"colours", colours}, {"examples", Json::parse(examples)}, {"test", test}};
  };
  const char* name = "grid_transformation";
  Check(name, data(false, R"([["120 000 000","021 000 000"]])", "102 300 000"),
        {"201 003 000", "201\n003\n000", "201, 003, 000", "[[2,0,1],[0,0,3],[0,0,0]]", "2 0 1 / 0 0 3 / 0 0 0",
         "2 & 0 & 1 \\\\ 0 & 0 & 3 \\\\ 0 & 0 & 0", "201;003;000", "[201, 003, 000]"},
        {"102 300 000", "201003000", "201 003", "201 003 000 000", "2 0 1 0 0 3 0 0 0", "201 03 000", "201 003 0000",
         "201 003 00", "201 003 00x", "201 003 000 or 102 300 000", "2010 0300 0", "mirror left-right"});
  // The examples leave two rules: what either makes of the grid is right.
  Check(name, data(false, R"([["010 000 000","010 000 000"]])", "100 000 200"), {"100 000 200", "001 000 002"},
        {"200 000 100", "000 000 000", "001 000 200"});
  // The output has another shape, and a colour is replaced.
  Check(name, data(true, R"([["12 00","1331 0000"],["21 20","3113 3003"]])", "20 12"), {"3003 1331"},
        {"2002 1221", "30 13", "30033 1331", "3003 1331 0000"});
  Fails(name, data(false, "[]", "1"));
  Fails(name, data(false, R"([["12 3","12 3"]])", "1"));
  Fails(name, data(false, R"([["1a","1a"]])", "1"));
  Fails(name, {{"rules", 99}, {"colours", false}, {"examples", Json::parse(R"([["1","1"]])")}, {"test", "1"}});
}

TEST(TextTasks, KnightsAndKnaves) {
  Json data = {{"people", {"Ann", "Bob"}}, {"says", Json::parse(R"([["knave","Bob"],["different","Ann","Bob"]])")}};
  Check("knights_and_knaves", data,
        {"Ann knave, Bob knight", "Bob: knight, Ann: knave", "Ann is a knave and Bob is a knight",
         "(Ann, knave), (Bob, knight)"},
        {"Ann knight, Bob knave", "Ann knight, Bob knight", "Ann knave", "Ann knave, Bob knight, Bob knave",
         "knave, knight", "Ann knave or knight, Bob knight", "Ann knave, Ann knave", "Ann knave, Bob knight, Ann knave",
         "Ann liar, Bob knight", "Ann knave, Bob knight, Cal knight", "knave Ann, knight Bob",
         "Ann not knight, Bob knight"});
  // Each calls the other a knight: both are right.
  data["says"] = Json::parse(R"([["knight","Bob"],["knight","Ann"]])");
  Check("knights_and_knaves", data, {"Ann knight, Bob knight", "Ann knave, Bob knave"}, {"Ann knight, Bob knave"});
  // "I am a knave" fits nobody.
  data["says"] = Json::parse(R"([["knave","Ann"],["knight","Ann"]])");
  EXPECT_THROW(GetTask("knights_and_knaves").Solve(Instance("knights_and_knaves", data)), Error);
  for (const char* says : {R"([["knight","Bob"]])", R"([["knight","Bob"],["knight","Cal"]])",
                           R"([["count","3"],["knight","Ann"]])", R"([["king","Bob"],["knight","Ann"]])"}) {
    data["says"] = Json::parse(says);
    Fails("knights_and_knaves", data);
  }
}

TEST(TextTasks, LetterCrossword) {
  Json data = {{"grid", "___ _._ ___"}, {"words", {"cat", "cup", "dog", "pen", "tin"}}};
  Check("letter_crossword", data,
        {"cat u.i pen", "cup a.e tin", "cat\nu.i\npen", "C A T / U . I / P E N", "[cat, u.i, pen]", "cat, u.i, pen"},
        {"cat u.i", "catu.ipen", "cat u.i pen pen", "cat uai pen", "cat u i pen", "cat u.i pe", "cat u.i penn",
         "cat ... pen", "___ _._ ___", "cat cup pen tin", "cot u.i pen", "cat u.i p_n", "cat u.i pen or cup a.e tin",
         "cat u#i pen"});
  data["words"] = {"aha", "cat", "cup", "pen"};
  Fails("letter_crossword", Json{{"grid", "___ _._ ___"}, {"words", {"aha", "cat"}}});
  EXPECT_EQ(GetTask("letter_crossword").Verify(Instance("letter_crossword", data), "\\boxed{aha h.h aha}").reason,
            "\"aha\" is used twice");
  data = {{"grid", "c__ _._ ___"}, {"words", {"cat", "cup", "pen", "tap", "tin", "tip"}}};
  Check("letter_crossword", data, {"cat u.i pen", "cup a.e tin"}, {"tap i.e pen", "tip a.e tin"});
  Fails("letter_crossword", {{"grid", "___ __ ___"}, {"words", {"cat", "cup"}}});
  Fails("letter_crossword", {{"grid", "_._"}, {"words", {"cat", "cup"}}});
  Fails("letter_crossword", {{"grid", "___"}, {"words", {"c t"}}});
  Fails("letter_crossword", {{"grid", "___"}, {"words", {"cat", "cat"}}});
}

TEST(TextTasks, ObjectProperties) {
  Json data = {{"things", {"small red tin cup", "large blue glass box", "small green tin jar"}},
               {"changes", Json::parse(R"([["paint","tin","blue"],["get","small red clay bowl"],["lose","large"]])")},
               {"question", {"both", "small", "blue"}}};
  Check("object_properties", data, {"2", "+2"}, {"3", "two", "2 things", "1, 2", "2 or 3", "2.0", "cup, jar"});
  data["question"] = {"either", "red", "tin"};
  Check("object_properties", data, {"3"}, {"1", "2"});
  data["question"] = {"not", "blue"};
  Check("object_properties", data, {"1"}, {"2"});
  data["question"] = {"one", "wooden"};
  Check("object_properties", data, {"0"}, {"-0", "", "none"});
  data["question"] = {"one", "cup"};
  Fails("object_properties", data);
  data["question"] = {"both", "red"};
  Fails("object_properties", data);
}

TEST(TextTasks, Operation) {
  Json data = {{"definitions", Json::parse(R"([{"symbol":"#","sum":[[2,"a"],[1,"b"]]},
                                               {"symbol":"@","sum":[[1,"ab"],[-3,""]],"otherwise":[[-1,"bb"]]}])")},
               {"expression", "( 2 # 3 ) @ ( 1 @ 4 )"}};
  // 2 # 3 = 7; 1 @ 4 = -16 since 1 is not more than 4; 7 @ -16 = -112 - 3
  Check("operation", data,
        {"-115",
         "\xe2\x88\x92"
         "115",
         "- 115"},
        {"115", "7 @ -16", "-112-3", "-115 or 7", "7, -16, -115", "-115.0", "(-115)", "7*-16-3"});
  for (const char* expression : {"2 #", "# 2", "2 3", "( 2 # 3", "2 # 3 )", "2 # 3 # 4", "2", "( 2 )", "", "2 ? 3",
                                 "2 # x", "( 2 # 3 ) ( 4 # 5 )", "2 # 9999999"}) {
    data["expression"] = expression;
    Fails("operation", data);
  }
  data["expression"] = "1 # 2";
  data["definitions"] = Json::parse(R"([{"symbol":"+","sum":[[1,"a"]]}])");
  Fails("operation", data);
  data["definitions"] = Json::parse(R"([{"symbol":"#","sum":[[1,"aaa"]]}])");
  Fails("operation", data);
}

TEST(TextTasks, SpaceReasoning) {
  Json data = {{"start", "lamp"},
               {"turns", false},
               {"walk", Json::parse(R"([["north","2","fork"],["east","1","cup"]])")},
               {"last", Json::parse(R"([["south","2"],["west","1"]])")}};
  Check("space_reasoning", data, {"lamp", "Lamp", "the lamp", "a lamp", "\\text{lamp}"},
        {"cup", "fork", "lamp, fork, cup", "lamp or fork", "lamp lamp", "0 0", "lampfork", "not fork", "nothing"});
  // North 2 to the fork, then right is east; back is west, left of which is south.
  data["turns"] = true;
  data["walk"] = Json::parse(R"([["ahead","2","fork"],["right","1","cup"]])");
  data["last"] = Json::parse(R"([["back","1"],["left","2"]])");
  Check("space_reasoning", data, {"lamp"}, {"fork", "cup"});
  data["last"] = Json::parse(R"([["left","1"]])");
  Fails("space_reasoning", data);  // nothing there
  data["last"] = Json::parse(R"([["north","1"]])");
  Fails("space_reasoning", data);
  data["last"] = Json::parse(R"([["left","-1"]])");
  Fails("space_reasoning", data);
}

TEST(TextTasks, SpaceReasoningSaysHowOneTurns) {
  const Task& task = GetTask("space_reasoning");
  bool left = false, around = false;
  for (int seed = 0; seed < 100; ++seed) {
    const std::string prompt = task.Generate(seed, 4).prompt;
    left = left || prompt.find("turn left and walk ") != std::string::npos;
    around = around || prompt.find("turn around and walk ") != std::string::npos;
    EXPECT_EQ(prompt.find(" back"), std::string::npos) << prompt;
    EXPECT_EQ(prompt.find("walk walk"), std::string::npos) << prompt;
  }
  EXPECT_TRUE(left && around);
}

TEST(TextTasks, SpaceReasoningTree) {
  Json data = {{"start", "lamp"},
               {"walk", {"left fork", "right map", "up", "up", "right cup"}},
               {"last", {"up", "left", "right"}}};
  Check("space_reasoning_tree", data, {"map", "the map", "MAP"},
        {"fork", "lamp", "map fork", "map or fork", "fork, map", "mapmap", "left-right"});
  data["between"] = {"map", "cup"};
  Fails("space_reasoning_tree", data);  // one question or the other
  data.erase("last");
  Check("space_reasoning_tree", data, {"lamp"}, {"fork", "map", "lamp, fork"});
  data["between"] = {"map", "fork"};
  Check("space_reasoning_tree", data, {"fork"}, {"lamp", "map"});
  data["between"] = {"map", "ring"};
  Fails("space_reasoning_tree", data);
  Fails("space_reasoning_tree", {{"start", "lamp"}, {"walk", {"up"}}, {"last", {"left"}}});
  Fails("space_reasoning_tree", {{"start", "lamp"}, {"walk", {"left fork"}}, {"last", {"left"}}});
  Fails("space_reasoning_tree", {{"start", "lamp"}, {"walk", {"left fork", "up", "left cup"}}, {"last", {"up"}}});
}

TEST(TextTasks, TimeSequence) {
  Json data = {{"people", Json::parse(R"([{"name":"Ann","busy":["9:00-12:00","13:00-15:30"]},
                                          {"name":"Bob","busy":["15:00-16:00"]}])")}};
  // 12:00-13:00 and 16:00-17:00 are as long.
  Check("time_sequence", data,
        {"12:00-13:00", "16:00-17:00", "12:00 - 13:00", "12:00 to 13:00", "from 12:00 to 13:00",
         "12:00\xe2\x80\x93"
         "13:00",
         "\\text{12:00-13:00}"},
        {"12:00-12:30",
         "16:00-17:30",
         "9:00-10:00",
         "11:30-13:00",
         "13:00-12:00",
         "12:00-13:00, 16:00-17:00",
         "12:00-13:00 or 16:00-17:00",
         "12:00",
         "60",
         "60 minutes",
         "12-13",
         "12:00-1:00",
         "12:00-13:00-14:00",
         "12:00-13:0",
         "12:00-13:60",
         "8:00-9:00",
         "17:00-18:00",
         "12:00-12:00",
         "15:30-15:30",
         "12:00--13:00-"});
  data["people"] = Json::parse(R"([{"name":"Ann","busy":["9:00-17:00"]}])");
  EXPECT_THROW(GetTask("time_sequence").Solve(Instance("time_sequence", data)), Error);
  for (const char* busy : {"8:00-9:30", "12:00-11:00", "12:00", "noon", "9:00-24:00"}) {
    data["people"][0]["busy"] = {busy};
    Fails("time_sequence", data);
  }
}

TEST(TextTasks, TrainScheduling) {
  Json data = {{"tracks", 1},
               {"gap", 1},
               {"trains", Json::parse(R"([{"name":"A","ready":"8:00","minutes":5,"by":"8:20"},
                                          {"name":"B","ready":"8:03","minutes":4,"by":"8:14"}])")},
               {"waits", Json::array()}};
  Check("train_scheduling", data,
        {"A 8:00, B 8:06", "B 8:03, A 8:08", "A: 8:00; B: 8:06", "A at 08:00 and B at 08:06", "(A, 8:02), (B, 8:08)",
         "A = 8:15, B = 8:10", "train B 8:05, train A 8:10", "A -> 8:00\nB -> 8:06"},
        {"A 8:00, B 8:05",  // no minute between them
         "A 8:00, B 8:02",  // not ready
         "A 8:00, B 8:11",  // late
         "A 8:16, B 8:06",  // late
         "A 8:00", "B 8:06", "A 8:00, A 8:00", "A 8:00, B 8:06, B 8:07", "A 8:00, B 8:06, C 8:20", "8:00, 8:06", "A, B",
         "A 8:00, B 8:06 or 8:07", "A 0, B 6", "A 8:00, B 8:6", "A 7:00, B 8:06", "A 20:00, B 8:06", "8:00 A, 8:06 B",
         "A B 8:00 8:06"});
  // Two tracks: both can be on the line, three cannot.
  data["tracks"] = 2;
  data["trains"].push_back(Json::parse(R"({"name":"C","ready":"8:00","minutes":5,"by":"8:30"})"));
  Check("train_scheduling", data, {"A 8:00, B 8:03, C 8:06", "A 8:00, C 8:00, B 8:06"},
        {"A 8:00, B 8:03, C 8:03", "A 8:03, B 8:03, C 8:03", "A 8:00, C 8:00, B 8:05"});
  data["waits"] = Json::parse(R"([["B","C"]])");
  Check("train_scheduling", data, {"A 8:00, B 8:03, C 8:07"}, {"A 8:00, B 8:03, C 8:06"});
  data["waits"] = Json::parse(R"([["B","D"]])");
  Fails("train_scheduling", data);
  data["waits"] = Json::parse(R"([["B","C"],["C","B"]])");
  EXPECT_THROW(GetTask("train_scheduling").Solve(Instance("train_scheduling", data)), Error);
  data["waits"] = Json::array();
  data["trains"][0]["by"] = "8:61";
  Fails("train_scheduling", data);
}

TEST(TextTasks, WebOfLies) {
  Json data = {{"first", {"Ann", "lies"}},
               {"says", Json::parse(R"([["Dan","one truth","Bob","Cal"],["Cal","lies","Bob"],["Bob","lies","Ann"],
                                        ["Eve","both lie","Ann","Cal"],["Fay","both truth","Bob","Cal"]])")},
               {"ask", {"Bob", "Cal", "Dan", "Eve", "Fay"}}};
  Check("web_of_lies", data,
        {"yes, no, yes, yes, no", "Yes No Yes Yes No", "yes; no; yes; yes; no", "(yes, no, yes, yes, no)"},
        {"no, no, yes, yes, no", "yes, no", "yes, no, yes, yes, no, no", "yes or no, no, yes, yes, no", "yes", "yes/no",
         "Bob yes, Cal no, Dan yes, Eve yes, Fay no or yes", "true, false, true, true, false", "y, n, y, y, n",
         "yesnoyesyesno", "not no, no, yes, yes, no", "invalid yes, no, yes, yes, no"});
  data["ask"] = {"Zoe"};
  Fails("web_of_lies", data);
  data["ask"] = {"Bob"};
  data["says"] = Json::parse(R"([["Bob","lies","Cal"],["Cal","lies","Bob"]])");
  Fails("web_of_lies", data);  // says nothing for certain
  data["says"] = Json::parse(R"([["Bob","lies","Ann"],["Bob","truth","Ann"]])");
  Fails("web_of_lies", data);
  data["says"] = Json::parse(R"([["Bob","both lie","Ann"]])");
  Fails("web_of_lies", data);
}

TEST(TextTasks, WordSortingMistake) {
  const auto data = [](const char* steps) {
    return Json{{"words", {"pear", "apple", "fig"}}, {"steps", Json::parse(steps)}};
  };
  const char* name = "word_sorting_mistake";
  Check(name, data(R"([["apple","pear","fig"],["pear","fig"],["fig"]])"), {"2", " 2 "},
        {"1", "3", "none", "2, 3", "2 or none", "step 2", "none 2", "02", "2.0", "pear"});
  // The rest may stand in any order; a word that is lost, kept or new is a mistake.
  Check(name, data(R"([["apple","fig","pear"],["fig","pear"],["pear"]])"), {"none", "None"},
        {"0", "1", "4", "no", "none, 1"});
  Check(name, data(R"([["apple","fig"],["fig"]])"), {"1"}, {"2", "none"});
  Check(name, data(R"([["apple","pear","fig"],["fig","fig","pear"],["fig","pear"],["pear"]])"), {"2"}, {"3", "none"});
  Check(name, data(R"([["apple","pear","fig"],["fig","plum"],["plum"]])"), {"2"}, {"3", "none"});
  Fails(name, data(R"([["apple","pear","fig"]])"));
  Fails(name, data(R"([["apple"],["fig"]])"));
  Fails(name, data("[]"));
}

TEST(TextTasks, Wordscapes) {
  const Json data = {{"grid", "___ _.. _.."}, {"words", {"cat", "cup"}}};
  Check("wordscapes", data, {"cat u.. p..", "cup a.. t..", "cat\nu..\np..", "c a t / u . . / p . .", "CAT, U.., P.."},
        {"cat a.. t..", "cat u.. p.p", "cat u p", "catu..p..", "cat u..", "cat u.. p.. ...", "cab u.. p..", "cat, cup",
         "cat c.. u.. p..", "___ _.. _..", "cat u.. p", "cat .u. .p."});
  Check("wordscapes", {{"grid", "__t _.. _.."}, {"words", {"cat", "cup"}}}, {"cat u.. p.."}, {"cup a.. t.."});
  Fails("wordscapes", {{"grid", "___ _.. _.."}, {"words", {"cat", "cup", "pen"}}});  // one would have no place
  Fails("wordscapes", {{"grid", "___ ... _.."}, {"words", {"cat"}}});
}

TEST(TextTasks, Zebra) {
  Json data = {{"sorts", Json::parse(R"([["Ann","Bob"],["cat","dog"]])")},
               {"clues", Json::parse(R"([["at","Ann","2"],["same","Ann","dog"]])")}};
  Check("zebra", data,
        {"Bob cat, Ann dog", "cat Bob, dog Ann", "house 1: Bob, cat; house 2: Ann, dog", "1: Bob cat\n2: Ann dog",
         "House 1 has Bob and cat, house 2 has Ann and dog", "bob cat ann dog"},
        {"Ann dog, Bob cat", "Bob cat", "Bob dog, Ann cat", "Bob cat, Bob dog", "Bob cat, Ann dog, Ann cat",
         "Bob Ann, cat dog", "2: Ann dog, 1: Bob cat", "1: Bob cat, Ann dog", "1: Bob cat 2: Ann dog 3:",
         "1 2 Bob cat Ann dog", "Bob cat Ann zebra", "Bob cat or dog, Ann dog", "Bob cat cat, Ann dog"});
  // Without the second clue both arrangements of the animals are right.
  data["clues"].erase(1);
  Check("zebra", data, {"Bob cat, Ann dog", "Bob dog, Ann cat"}, {"Ann cat, Bob dog"});
  data["clues"] =
      Json::parse(R"([["left","Ann","Bob"],["next","cat","Ann"],["before","dog","cat"],["not at","dog","2"]])");
  Check("zebra", data, {"Ann dog, Bob cat"}, {"Bob dog, Ann cat", "Ann cat, Bob dog"});
  data["clues"] = Json::parse(R"([["left","Ann","Bob"],["left","Bob","Ann"]])");
  EXPECT_THROW(GetTask("zebra").Solve(Instance("zebra", data)), Error);
  for (const char* clues : {R"([["at","Ann","3"]])", R"([["at","Ann","0"]])", R"([["same","Ann","cow"]])",
                            R"([["same","Ann"]])", R"([["near","Ann","dog"]])", R"([["left","Ann","Ann"]])"}) {
    data["clues"] = Json::parse(clues);
    Fails("zebra", data);
  }
  Fails("zebra", {{"sorts", Json::parse(R"([["Ann","Bob"],["cat"]])")}, {"clues", Json::array()}});
  Fails("zebra", {{"sorts", Json::parse(R"([["Ann","Bob"],["Ann","dog"]])")}, {"clues", Json::array()}});
}

// ---- what the generators promise, against plain enumeration ----

int Accepted(const Task& task, const TaskInstance& instance, const std::vector<std::string>& boxes) {
  int accepted = 0;
  for (const std::string& box : boxes) accepted += task.Verify(instance, "\\boxed{" + box + "}").value > 0;
  return accepted;
}

TEST(Promises, KnightsAndKnavesHaveOneAnswer) {
  const Task& task = GetTask("knights_and_knaves");
  for (int difficulty = 1; difficulty <= task.max_difficulty(); ++difficulty) {
    for (int seed = 0; seed < 10; ++seed) {
      const TaskInstance instance = task.Generate(seed, difficulty);
      const auto people = instance.data["people"].get<std::vector<std::string>>();
      std::vector<std::string> boxes;
      for (uint32_t knights = 0; knights >> people.size() == 0; ++knights) {
        boxes.emplace_back();
        for (size_t i = 0; i < people.size(); ++i) {
          boxes.back() += people[i] + ((knights >> i & 1) != 0 ? " knight, " : " knave, ");
        }
      }
      EXPECT_EQ(Accepted(task, instance, boxes), 1) << instance.prompt;
    }
  }
}

TEST(Promises, ZebrasHaveOneAnswer) {
  const Task& task = GetTask("zebra");
  for (const int difficulty : {1, 2, 3}) {
    for (int seed = 0; seed < 10; ++seed) {
      const TaskInstance instance = task.Generate(seed, difficulty);
      const auto sorts = instance.data["sorts"].get<std::vector<std::vector<std::string>>>();
      const size_t houses = sorts[0].size();
      // All arrangements: a permutation for each sort.
      std::vector<std::vector<std::string>> arrangements = {std::vector<std::string>(houses)};
      for (std::vector<std::string> values : sorts) {
        std::sort(values.begin(), values.end());
        std::vector<std::vector<std::string>> longer;
        do {
          for (std::vector<std::string> arrangement : arrangements) {
            for (size_t house = 0; house < houses; ++house) arrangement[house] += values[house] + " ";
            longer.push_back(arrangement);
          }
        } while (std::next_permutation(values.begin(), values.end()));
        arrangements = longer;
      }
      std::vector<std::string> boxes;
      for (const auto& arrangement : arrangements) boxes.push_back(Join(arrangement, ", "));
      EXPECT_EQ(Accepted(task, instance, boxes), 1) << instance.prompt;
    }
  }
}

TEST(Promises, FreeTimesAreTheLongest) {
  const Task& task = GetTask("time_sequence");
  for (int difficulty = 1; difficulty <= 6; ++difficulty) {
    const TaskInstance instance = task.Generate(3, difficulty);
    // Minute by minute.
    std::vector<bool> busy(17 * 60 + 1, false);
    busy[17 * 60] = true;
    for (const Json& person : instance.data["people"]) {
      for (const Json& span : person["busy"]) {
        const auto text = span.get<std::string>();
        const size_t line = text.find('-');
        for (int t = ParseClock(text.substr(0, line)); t < ParseClock(text.substr(line + 1)); ++t) busy[t] = true;
      }
    }
    int longest = 0;
    std::set<std::string> best;
    for (int t = 9 * 60, begin = t; t <= 17 * 60; ++t) {
      if (!busy[t]) continue;
      if (t - begin > longest) longest = t - begin, best.clear();
      if (t - begin == longest && longest > 0) best.insert(ClockText(begin) + "-" + ClockText(t));
      begin = t + 1;
    }
    std::string answer;
    ASSERT_TRUE(LastBoxed(task.Solve(instance).answer, &answer));
    EXPECT_EQ(best.count(answer), 1u) << instance.prompt << "\n" << answer;
    EXPECT_EQ(Accepted(task, instance, {best.begin(), best.end()}), static_cast<int>(best.size())) << instance.prompt;
  }
}

TEST(Promises, CrosswordsLeaveWordsOut) {
  for (int difficulty = 1; difficulty <= 6; ++difficulty) {
    const TaskInstance instance = GetTask("letter_crossword").Generate(1, difficulty);
    const Crossword crossword = ReadCrossword(instance.data, "test", false);
    EXPECT_GT(crossword.words.size(), Slots(crossword).size());
    const TaskInstance all = GetTask("wordscapes").Generate(1, difficulty);
    const Crossword scape = ReadCrossword(all.data, "test", true);
    EXPECT_EQ(scape.words.size(), Slots(scape).size());
  }
}

TEST(Promises, TheOrderOfCluesIsNotAnotherProblem) {
  const auto same = [](const char* task, Json a, const Json& b) {
    EXPECT_EQ(GetTask(task).Key(Instance(task, std::move(a))), GetTask(task).Key(Instance(task, b))) << task;
  };
  const Json sorts = Json::parse(R"([["Ann","Bob"],["cat","dog"]])");
  same("zebra", {{"sorts", sorts}, {"clues", Json::parse(R"([["at","Ann","2"],["same","Ann","dog"]])")}},
       {{"sorts", sorts}, {"clues", Json::parse(R"([["same","Ann","dog"],["at","Ann","2"]])")}});
  same("web_of_lies",
       {{"first", {"Ann", "lies"}},
        {"says", Json::parse(R"([["Bob","lies","Ann"],["Cal","truth","Ann"]])")},
        {"ask", {"Cal"}}},
       {{"first", {"Ann", "lies"}},
        {"says", Json::parse(R"([["Cal","truth","Ann"],["Bob","lies","Ann"]])")},
        {"ask", {"Cal"}}});
  same("knights_and_knaves",
       {{"people", {"Ann", "Bob"}}, {"says", Json::parse(R"([["knave","Bob"],["different","Ann","Bob"]])")}},
       {{"people", {"Bob", "Ann"}}, {"says", Json::parse(R"([["different","Bob","Ann"],["knave","Bob"]])")}});
  same("time_sequence",
       {{"people",
         Json::parse(R"([{"name":"Ann","busy":["9:00-9:30","10:00-11:00"]},{"name":"Bob","busy":["9:00-10:00"]}])")}},
       {{"people",
         Json::parse(R"([{"name":"Bob","busy":["9:00-10:00"]},{"name":"Ann","busy":["10:00-11:00","9:00-9:30"]}])")}});
  same("grid_transformation",
       {{"rules", 4}, {"colours", false}, {"examples", Json::parse(R"([["12","21"],["10","01"]])")}, {"test", "20"}},
       {{"rules", 4}, {"colours", false}, {"examples", Json::parse(R"([["10","01"],["12","21"]])")}, {"test", "20"}});
}

// ---- lists in answers ----

TEST(Lists, AnswerRows) {
  using Rows = std::vector<std::string>;
  EXPECT_EQ(AnswerRows("12 34"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("12, 34"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("1 2\n3 4\n"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("[[1, 2], [3, 4]]"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("[1, 2], [3, 4]"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("[12, 34]"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("["), Rows{});
  EXPECT_EQ(AnswerRows("1 & 2 \\\\ 3 & 4"), (Rows{"12", "34"}));
  EXPECT_EQ(AnswerRows("1 2 3 4"), (Rows{"1", "2", "3", "4"}));
  EXPECT_EQ(AnswerRows(" / | "), Rows{});
  EXPECT_EQ(AnswerRows(""), Rows{});
}

TEST(Lists, AnswerWords) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(AnswerWords("Ann: key, (Bob = map)"), (Words{"ann", "key", "bob", "map"}));
  EXPECT_EQ(AnswerWords("Ann has a key and Bob -> map", {"has", "a"}), (Words{"ann", "key", "bob", "map"}));
  EXPECT_EQ(AnswerWords(" ,;:"), Words{});
}

TEST(Lists, Clocks) {
  EXPECT_EQ(ParseClock("9:05"), 545);
  EXPECT_EQ(ParseClock("09:05"), 545);
  EXPECT_EQ(ParseClock("23:59"), 1439);
  for (const char* text : {"", ":", "9:5", "9:005", "009:05", "24:00", "9:60", "9.05", "a:05", "-1:05", "9:05 "}) {
    EXPECT_EQ(ParseClock(text), -1) << text;
  }
  EXPECT_EQ(ClockText(545), "9:05");
}

TEST(Lists, SamplesAreDifferentItemsOfTheList) {
  Rng rng(1);
  for (const auto items : {FirstNames(), Things()}) {
    const std::vector<std::string> all = Sample(rng, items, items.size());
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), std::set<std::string>(items.begin(), items.end()));
    EXPECT_EQ(Sample(rng, items, 0).size(), 0u);
  }
}

}  // namespace
}  // namespace fulgur
