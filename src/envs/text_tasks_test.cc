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

namespace fulgur {
namespace {

TaskInstance Instance(const char* task, Json data) {
  TaskInstance instance;
  instance.task = task;
  instance.data = std::move(data);
  return instance;
}

// Whose `right` are accepted and whose `wrong` are not; the task's own solution is right, too.
void Check(const char* name, const Json& data, const std::vector<std::string>& right,
           const std::vector<std::string>& wrong) {
  const Task& task = GetTask(name);
  const TaskInstance instance = Instance(name, data);
  EXPECT_EQ(task.Verify(instance, task.Solve(instance).answer).value, 1) << name << ": " << task.Solve(instance).answer;
  for (const std::string& box : right) {
    const Score score = task.Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 1) << name << " \"" << box << "\": " << score.reason;
  }
  for (const std::string& box : wrong) {
    const Score score = task.Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 0) << name << " \"" << box << "\"";
    EXPECT_NE(score.reason, "") << name << " \"" << box << "\"";
  }
}

void Fails(const char* name, const Json& data) {
  const TaskInstance instance = Instance(name, data);
  EXPECT_THROW(GetTask(name).Verify(instance, "\\boxed{1}"), Error) << name << " " << data.dump();
  EXPECT_THROW(GetTask(name).Solve(instance), Error) << name << " " << data.dump();
}

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

TEST(TextTasks, DyckLanguageErrorsWithBracesAndMinusOne) {
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

TEST(TextTasks, DyckLanguageWithTheWholeSequence) {
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

TEST(TextTasks, WordSortingWithAnotherAlphabetAndDirection) {
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

TEST(TextTasks, BooleanExpressionsWithOptions) {
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

TEST(TextTasks, ObjectCountingOfOwners) {
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

TEST(TextTasks, TimeSequenceOfAWeek) {
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

TEST(TextTasks, WebOfLiesWithoutAFirst) {
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

TEST(TextTasks, WebOfLiesIsWhatAllConsistentWorldsAgreeOn) {
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

TEST(Promises, MeetingsOfAWeekAreTheLongest) {
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
