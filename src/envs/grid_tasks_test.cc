// Hand-made problems of the puzzles on grids, graphs and numbers: right answers in every accepted form, and answers
// that break one rule each. Then the parts they share.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "envs/arithmetic_search.h"
#include "envs/cell_logic.h"
#include "envs/fraction.h"
#include "envs/puzzle_grid.h"
#include "envs/task.h"

namespace fulgur {
namespace {

TaskInstance Make(const char* task, Json data) {
  TaskInstance instance;
  instance.task = task;
  instance.data = std::move(data);
  return instance;
}

void Right(const TaskInstance& instance, const std::vector<std::string>& boxes) {
  for (const std::string& box : boxes) {
    const Score score = GetTask(instance.task).Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 1) << instance.task << " \"" << box << "\": " << score.reason;
  }
}

void Wrong(const TaskInstance& instance, const std::vector<std::string>& boxes) {
  for (const std::string& box : boxes) {
    const Score score = GetTask(instance.task).Verify(instance, "So \\boxed{" + box + "}.");
    EXPECT_EQ(score.value, 0) << instance.task << " \"" << box << "\"";
    EXPECT_NE(score.reason, "");
  }
}

// The worked solution is right, too.
void Solvable(const TaskInstance& instance) {
  const Solution solution = GetTask(instance.task).Solve(instance);
  EXPECT_EQ(GetTask(instance.task).Verify(instance, solution.answer).value, 1) << solution.answer;
}

void Bad(const char* task, Json data) {
  const TaskInstance instance = Make(task, std::move(data));
  EXPECT_THROW(GetTask(task).Verify(instance, "\\boxed{1}"), Error) << task << instance.data.dump();
  EXPECT_THROW(GetTask(task).Solve(instance), Error) << task << instance.data.dump();
}

TEST(GridTasks, Sudoku) {
  const TaskInstance four = Make("sudoku", {{"box_rows", 2}, {"box_columns", 2}, {"grid", "1204 3412 2143 4320"}});
  Solvable(four);
  Right(four, {"1234 3412 2143 4321", "1234\n3412\n2143\n4321", "1 2 3 4 ; 3 4 1 2 ; 2 1 4 3 ; 4 3 2 1",
               "[[1,2,3,4],[3,4,1,2],[2,1,4,3],[4,3,2,1]]", "1234341221434321", "1234, 3412, 2143, 4321",
               "\\begin{bmatrix} 1 & 2 & 3 & 4 \\\\ 3 & 4 & 1 & 2 \\\\ 2 & 1 & 4 & 3 \\\\ 4 & 3 & 2 & 1 \\end{bmatrix}",
               "\\begin{array}{cccc}1&2&3&4\\\\3&4&1&2\\\\2&1&4&3\\\\4&3&2&1\\end{array}"});
  Wrong(four, {"1234 3412 2143 432",        // short
               "1234 3412 2143 4321 1234",  // a row more
               "1234 3412 2143",            // a row less
               "1234 3412 214 34321",       // 16 digits in rows of other lengths
               "123 43412 2143 4321", "1234 3412 2143 4312",
               "2134 3412 1243 4321",  // a given changed, columns and boxes no more
               "3412 1234 4321 2143",  // a valid grid that ignores the givens
               "1204 3412 2143 4320", "invalid 1234 3412 2143 4321", "1234 3412 2143 4321 ok",
               "\\begin{evil}1234 3412 2143 4321\\end{evil}", "1234 3412 2143 43 21"});
  // Rows and columns are right, boxes are not.
  Wrong(Make("sudoku", {{"box_rows", 2}, {"box_columns", 2}, {"grid", "1000 0000 0000 0000"}}),
        {"1234 2341 3412 4123"});
  Bad("sudoku", {{"box_rows", 2}, {"box_columns", 2}, {"grid", "123 312 231"}});
  Bad("sudoku", {{"box_rows", 2}, {"box_columns", 2}, {"grid", "1204 3412 2143 4329"}});
  Bad("sudoku", {{"box_rows", 0}, {"box_columns", 2}, {"grid", "1204 3412 2143 4320"}});
  const TaskInstance open = Make("sudoku", {{"box_rows", 2}, {"box_columns", 2}, {"grid", "1200 3400 2143 4321"}});
  Right(open, {"1234 3412 2143 4321"});
  Wrong(open, {"1243 3421 2143 4321"});
}

TEST(GridTasks, SkyscraperPuzzle) {
  // 123 / 231 / 312
  const Json data = {
      {"grid", "100 000 000"}, {"top", {3, 0, 0}}, {"bottom", {0, 0, 2}}, {"left", {3, 2, 1}}, {"right", {1, 2, 0}}};
  const TaskInstance instance = Make("skyscraper_puzzle", data);
  Solvable(instance);
  Right(instance, {"123 231 312", "1 2 3; 2 3 1; 3 1 2"});
  Wrong(instance, {"123 312 231",  // clues broken
                   "132 213 321", "213 132 321", "123 231 31", "123 231 3120", "123 231 311", "123 123 123"});
  Bad("skyscraper_puzzle", {{"grid", "100 000 000"}, {"top", {3, 0}}});
  Json high = data;
  high["grid"] = "400 000 000";
  Bad("skyscraper_puzzle", high);
}

TEST(GridTasks, Calcudoko) {
  const TaskInstance instance = Make("calcudoko", {{"side", 3},
                                                   {"cages",
                                                    {{{"cells", "a1 b1"}, {"op", "-"}, {"target", 1}},
                                                     {{"cells", "a2 a3"}, {"op", "+"}, {"target", 5}},
                                                     {{"cells", "b2 b3"}, {"op", "*"}, {"target", 3}},
                                                     {{"cells", "c1"}, {"op", "="}, {"target", 3}},
                                                     {{"cells", "c2 c3"}, {"op", "/"}, {"target", 2}}}}});
  Right(instance, {"123 231 312", "132 213 321"});  // two fillings keep the rules
  Wrong(instance, {"213 132 321",                   // 1 and 3 do not make 5
                   "123 312 231", "111 222 333", "123 231", "123 231 312 1"});
  Bad("calcudoko", {{"side", 3}, {"cages", {{{"cells", "a1 d1"}, {"op", "+"}, {"target", 3}}}}});
  Bad("calcudoko", {{"side", 3}, {"cages", {{{"cells", "a1 a1"}, {"op", "+"}, {"target", 3}}}}});
  // The largest minus, or divided by, all others.
  const auto one_cage = [](const char* op, int target) {
    return Make("calcudoko", {{"side", 3}, {"cages", {{{"cells", "a1 a2 b1"}, {"op", op}, {"target", target}}}}});
  };
  Right(one_cage("-", 0), {"123 312 231", "132 213 321"});
  Wrong(one_cage("-", 0), {"123 231 312", "231 312 123"});
  Right(one_cage("/", 3), {"312 123 231"});
  Wrong(one_cage("/", 3), {"132 213 321"});
  Bad("calcudoko", {{"side", 3}, {"cages", {{{"cells", "a1 a2"}, {"op", "^"}, {"target", 3}}}}});
  Bad("calcudoko", {{"side", 99}, {"cages", Json::array()}});
}

TEST(GridTasks, CalcudokoWithCagesOfDifferentNumbersAndQuotientsRoundedDown) {
  Json data = {{"side", 3},
               {"cages",
                {{{"cells", "a1 a2"}, {"op", "/"}, {"target", 1}},
                 {{"cells", "a3 b2 b3"}, {"op", "+"}, {"target", 6}},
                 {{"cells", "b1 c1"}, {"op", "-"}, {"target", 2}}}}};
  // 2 and 3 make 1 only if the quotient is rounded down.
  Wrong(Make("calcudoko", data), {"231 123 312"});
  data["round_down"] = true;
  Solvable(Make("calcudoko", data));
  Right(Make("calcudoko", data), {"231 123 312"});
  Wrong(Make("calcudoko", data), {"132 213 321", "231 123 321", "231 312 123"});
  Json twice = {{"side", 3}, {"cages", {{{"cells", "a1 a2 b1"}, {"op", "+"}, {"target", 5}}}}};
  Right(Make("calcudoko", twice), {"123 231 312"});  // 1 2 2
  Wrong(Make("calcudoko", twice), {"213 132 321"});
  twice["distinct"] = true;
  Wrong(Make("calcudoko", twice), {"123 231 312"});
  twice["distinct"] = 1;
  Bad("calcudoko", twice);
}

TEST(GridTasks, Nonogram) {
  const TaskInstance instance = Make("nonogram", {{"rows", {{1, 1}, {3}, {0}}}, {"columns", {{2}, {1}, {2}}}});
  Solvable(instance);
  Right(instance, {"101 111 000", "#.# ### ...", "X_X\nXXX\n___", "[[1,0,1],[1,1,1],[0,0,0]]"});
  Wrong(instance,
        {"111 101 000", "101 111 00", "101 111", "101 111 000 000", "1 0 1 1 1 1 0 0", "101 111 001", "222 222 222"});
  // Any picture with these runs is right.
  const TaskInstance two = Make("nonogram", {{"rows", {{1}, {1}}}, {"columns", {{1}, {1}}}});
  Right(two, {"10 01", "01 10"});
  Wrong(two, {"11 00", "00 00", "10 10"});
  Bad("nonogram", {{"rows", {{1, 0}}}, {"columns", {{1}}}});
  Bad("nonogram", {{"rows", {{}}}, {"columns", {{1}}}});
}

TEST(GridTasks, Kukurasu) {
  const TaskInstance instance = Make("kukurasu", {{"rows", {1, 5, 2}}, {"columns", {1, 5, 2}}});
  Right(instance, {"100 011 010"});
  Wrong(instance, {"100 011 110",  // the last row's sum is right, the columns' are not
                   "100 011 001", "100 011", "100 011 010 000", "100011010 0", "000 000 000"});
  Bad("kukurasu", {{"rows", {1, -1}}, {"columns", {1, 2}}});
  Bad("kukurasu", {{"rows", Json::array()}, {"columns", {1, 2}}});
}

TEST(GridTasks, Minesweeper) {
  const TaskInstance instance = Make("minesweeper", {{"grid", "1?1 122 01?"}});
  Solvable(instance);
  Right(instance, {".*. ... ..*", "010 000 001", "1*1 122 01*", ".x. ... ..X", "_*_\n___\n__*"});
  Wrong(instance, {"... ... ...", "*** *** ***",  // everything is a mine
                   ".*. ... ...", ".*. .*. ..*", "2*1 122 01*", ".*. ... .*", ".*. ... ..* *", "1*1 1*2 01*"});
  // Two ways to place the mine.
  const TaskInstance two = Make("minesweeper", {{"grid", "?1?"}});
  Right(two, {"*..", "..*", "100", "001"});
  Wrong(two, {"*.*", "...", "101", ".*."});
  Bad("minesweeper", {{"grid", "?9?"}});
  Bad("minesweeper", {{"grid", "?1 ?"}});
}

TEST(GridTasks, MinesweeperWithWhatIsCertain) {
  const auto certain = [](const char* grid) { return Make("minesweeper", {{"grid", grid}, {"certain", true}}); };
  Right(certain("?1? ?1?"), {"... ...", "000 000", "?1? ?1?"});
  Wrong(certain("?1? ?1?"), {"*.. ...", "*** ***", "...", ".*. ..."});
  Right(certain("?2? 1?? ???"), {"... ... ..."});
  // The 3 in the corner is surrounded; the rest is open.
  Solvable(certain("3??? ???? ????"));
  Right(certain("3??? ???? ????"), {".*.. **.. ....", "3*?? **?? ????", "0100 1100 0000"});
  Wrong(certain("3??? ???? ????"),
        {".*.. **.. ...*", ".*.. *... ....", "**.. **.. ....", ".*.. **..", "4*.. **.. ...."});
  // 1 1 on the edge: the cell that both see is no mine for sure, nor are the others.
  Right(certain("?11? ????"), {".... ...."});
  // No mines fit.
  EXPECT_THROW(GetTask("minesweeper").Solve(certain("2? 11")), Error);
  EXPECT_THROW(GetTask("minesweeper").Verify(certain("2? 11"), "\\boxed{.* ..}"), Error);
  // As often as a plain count over all fillings says.
  Rng rng(5);
  for (int draw = 0; draw < 60; ++draw) {
    CharGrid grid(3, 4, '?');
    std::vector<bool> mines(12);
    for (int i = 0; i < 12; ++i) mines[i] = rng.Chance(0.3);
    const auto around = [&](int cell, uint32_t way) {
      int count = 0;
      for (const int next : AllNeighbours(cell, 3, 4)) count += static_cast<int>(way >> next & 1);
      return count;
    };
    uint32_t truth = 0;
    for (int i = 0; i < 12; ++i) truth |= mines[i] ? 1u << i : 0;
    for (int i = 0; i < 12; ++i) {
      if (!mines[i] && rng.Chance(0.5)) grid.cells[i] = static_cast<char>('0' + around(i, truth));
    }
    uint32_t always = ~uint32_t{0};
    for (uint32_t way = 0; way < 1u << 12; ++way) {
      bool fits = true;
      for (int i = 0; fits && i < 12; ++i) {
        fits = grid.cells[i] == '?' || ((way >> i & 1) == 0 && around(i, way) == grid.cells[i] - '0');
      }
      if (fits) always &= way;
    }
    std::string wanted = JoinedRows(CharGrid(3, 4, '.'));
    for (int i = 0; i < 12; ++i) wanted[static_cast<size_t>(i + i / 4)] = (always >> i & 1) != 0 ? '*' : '.';
    const TaskInstance drawn = certain(JoinedRows(grid).c_str());
    Right(drawn, {wanted});
    Solvable(drawn);
    for (int i = 0; i < 12; ++i) {
      std::string other = wanted;
      char& c = other[static_cast<size_t>(i + i / 4)];
      c = c == '*' ? '.' : '*';
      Wrong(drawn, {other});
    }
  }
}

TEST(GridTasks, StarPlacement) {
  const TaskInstance instance = Make("star_placement", {{"regions", "AABB AABB CCDD CCDD"}, {"stars", 1}});
  Right(instance, {"0100 0001 1000 0010", "0010 1000 0001 0100", ".*.. ...* *... ..*."});
  Wrong(instance, {"1000 0010 0100 0001",  // b3 and c2 touch at a corner
                   "1000 0100 0010 0001", "0100 0001 1000 0000", "0000 0000 0000 0000", "0100 0001 1000 0010 0000",
                   "0100 0001 1000 001", "1111 1111 1111 1111"});
  // Rows and columns are right, a region has two.
  Wrong(Make("star_placement", {{"regions", "AAAB AAAA CCDD CCDD"}, {"stars", 1}}), {"0100 0001 1000 0010"});
  Bad("star_placement", {{"regions", "AABB AABB CCCC CCCC"}, {"stars", 1}});
  Bad("star_placement", {{"regions", "AABB AABB CCDD"}, {"stars", 1}});
  Bad("star_placement", {{"regions", "AABB AABB CCDD CCDD"}, {"stars", 0}});
}

TEST(GridTasks, Norinori) {
  const TaskInstance instance = Make("norinori", {{"regions", "AABB CCBB CCDD CCDD"}});
  Right(instance, {"1101 0001 1010 1010"});
  Wrong(instance, {"1101 0001 1010 1000",  // one in D
                   "1100 1100 0011 0000", "0000 0000 0000 0000", "1111 1111 1111 1111", "1101 0001 1010 1010 0000",
                   "1101 0001 1010 101", "1100 0011 1010 1010"});
  Bad("norinori", {{"regions", "AABB aaBB"}});
}

TEST(GridTasks, Campsite) {
  const TaskInstance instance =
      Make("campsite", {{"grid", "T..T .... ...."}, {"rows", {1, 1, 0}}, {"columns", {0, 1, 0, 1}}});
  Solvable(instance);
  Right(instance, {"TC.T ...C ....", "TC_T\n___C\n____", "[T,C,.,T],[.,.,.,C],[.,.,.,.]"});
  Wrong(instance, {"TCCT .... ....",  // counts, and tents touch
                   "TC.T .... ...C",  // not beside the tree
                   "TC.. ...C ....",  // a tree gone
                   "TC.C ...T ....", "TC.T ...C", "TC.T ...C .... ....", "T..T .... ....", "C..C .... ...."});
  // Two trees must not share a tent: row and column counts are right, the pairing is not.
  const TaskInstance pair = Make("campsite", {{"grid", "T.T.. ....."}, {"rows", {1, 1}}, {"columns", {0, 1, 0, 0, 1}}});
  Wrong(pair, {"TCT.. ....C"});
  Bad("campsite", {{"grid", "T.X"}, {"rows", {1}}, {"columns", {0, 1, 0}}});
  Bad("campsite", {{"grid", "T.."}, {"rows", {1, 1}}, {"columns", {0, 1, 0}}});
}

TEST(GridTasks, Survo) {
  const TaskInstance instance =
      Make("survo", {{"grid", {1, 0, 0, 0, 5, 0}}, {"rows", {6, 15}}, {"columns", {5, 7, 9}}});
  Right(instance,
        {"1 2 3; 4 5 6", "1 2 3\n4 5 6", "1,2,3;4,5,6", "[[1, 2, 3], [4, 5, 6]]", "1 & 2 & 3 \\\\ 4 & 5 & 6"});
  Wrong(instance, {"1 3 2; 4 5 6", "1 2 3; 4 5 7", "1 1 4; 4 5 6", "1 2 3 4; 5 6", "1 2 3; 4 5", "1 2 3; 4 5 6; 7 8 9",
                   "123; 456", "1 2 3.0; 4 5 6", "4 2 0; 1 5 9", "01 2 3; 4 5 6"});
  // A given cell changed although all sums are right.
  Wrong(Make("survo", {{"grid", {1, 0, 0, 0}}, {"rows", {5, 5}}, {"columns", {5, 5}}}), {"4 1; 1 4", "2 3; 3 2"});
  Bad("survo", {{"grid", {1, 0, 0}}, {"rows", {6, 15}}, {"columns", {5, 7}}});
  Bad("survo", {{"grid", {1, 0, 0, 9}}, {"rows", {6, 15}}, {"columns", {5, 7}}});
}

TEST(GridTasks, SurvoWithGivenNumbers) {
  // 3 3 | 6, 1 3 | 4
  const Json data = {{"grid", {3, 0, 0, 0}}, {"rows", {6, 4}}, {"columns", {4, 6}}, {"numbers", {3, 1, 3}}};
  const TaskInstance instance = Make("survo", data);
  Solvable(instance);
  // The sums may be there as well; then they must be right.
  Right(instance,
        {"3 3; 1 3", "3 3\n1 3", "[[3,3],[1,3]]", "3 3 6; 1 3 4; 4 6 10", "[[3, 3, 6], [1, 3, 4], [4, 6, 10]]"});
  Wrong(instance, {"3 3; 3 1", "1 3; 3 3", "3 4; 1 2", "3 3 6; 1 3 4", "3 3 6; 1 3 4; 4 6 9", "3 3 7; 1 3 4; 4 6 10",
                   "3 3 6; 1 3 4; 4 7 10", "3 3; 1 3; 4 6", "0 6; 4 0"});
  // All sums are right, but these are not the numbers.
  Wrong(Make("survo", {{"grid", {0, 0, 0, 0}}, {"rows", {5, 5}}, {"columns", {5, 5}}, {"numbers", {1, 4, 1, 4}}}),
        {"2 3; 3 2", "5 0; 0 5"});
  Json bad = data;
  bad["numbers"] = {3, 1};
  Bad("survo", bad);
  bad["numbers"] = {3, 1, 0};
  Bad("survo", bad);
  bad["grid"] = {3, 3, 1, 3};
  Bad("survo", bad);
}

TEST(GridTasks, Numbrix) {
  const TaskInstance instance = Make("numbrix", {{"rows", 2}, {"columns", 3}, {"grid", {1, 0, 0, 0, 0, 4}}});
  Right(instance, {"1 2 3; 6 5 4", "1 2 3\n6 5 4", "1,2,3;6,5,4"});
  Wrong(instance, {"1 2 3; 5 6 4", "1 3 2; 6 5 4", "1 2 3; 6 5 5", "3 2 1; 4 5 6", "1 2 3; 6 5", "1 2 3 6 5 4 7",
                   "1 2; 3 6 5 4", "1 2 3; 6 5 04"});
  // Either way round: both are right.
  const TaskInstance open = Make("numbrix", {{"rows", 2}, {"columns", 2}, {"grid", {1, 0, 0, 0}}});
  Right(open, {"1 2; 4 3", "1 4; 2 3"});
  Wrong(open, {"1 2; 3 4"});
  Bad("numbrix", {{"rows", 2}, {"columns", 2}, {"grid", {1, 1, 0, 0}}});
  Bad("numbrix", {{"rows", 2}, {"columns", 2}, {"grid", {5, 0, 0, 0}}});
}

TEST(GridTasks, NumberWall) {
  const TaskInstance instance = Make("number_wall", {{"grid", "3..2 .... .1.."}});
  Solvable(instance);
  Right(instance, {"..#. .##. #.##", "3.#2 .##. #1##", "--x- -xx- x-xx", "..#. / .##. / #.##"});
  Wrong(instance, {"..#. .### #.##",  // an island too small
                   "#### #### ####", ".... .... ....",
                   "..## .##. #.##",  // a wall on a number
                   "..#. .##. ##.#",  // an island without a number, a number without an island
                   "..#. .##. #.#", "..#. .##.", "..#. .##. #.## ####", "4.#2 .##. #1##", "..#. ..#. #.##"});
  // Everything fits but four walls in a square.
  Wrong(Make("number_wall", {{"grid", "1.. ... ..1"}}), {".## ### ##."});
  Bad("number_wall", {{"grid", "0.. ..."}});
}

TEST(GridTasks, ArrowMaze) {
  const TaskInstance instance =
      Make("arrow_maze", {{"rows", 3}, {"columns", 3}, {"directions", 4}, {"grid", {0, 1, 0, 0, 0, 3, 0, 0, 2}}});
  Solvable(instance);
  Right(instance,
        {"W 1 N; W W 3; W W 2", "w 1 n\nw w 3\nw w 2", "< 1 ^; < < 3; < < 2",
         "\xe2\x86\x90 1 \xe2\x86\x91; \xe2\x86\x90 \xe2\x86\x90 3; \xe2\x86\x90 \xe2\x86\x90 2",
         "\xe2\x86\x90"
         "1\xe2\x86\x91\n\xe2\x86\x90\xe2\x86\x90"
         "3\n\xe2\x86\x90\xe2\x86\x90"
         "2",
         "\\leftarrow & 1 & \\uparrow \\\\ \\leftarrow & \\leftarrow & 3 \\\\ \\leftarrow & \\leftarrow & 2"});
  Wrong(instance, {"W 1 N; W W 3; S W 2",  // comes from no number
                   "W 1 E; W W 3; W W 2",  // so that 1 has two and 3 has two
                   "W 1 N; W W 3; W ? 2",  // a cell that no arrow covers
                   "W 1 N; W W 3; W W 9", "W 1 N; W W 3; W W", "W 1 N; W W 3; W W 2; W W W", "W 2 N; W W 3; W W 2",
                   "W 1 N; W W 3; W NW 2", "W 1 N W W 3 W W"});
  Bad("arrow_maze", {{"rows", 3}, {"columns", 3}, {"directions", 5}, {"grid", {0, 1, 0, 0, 0, 3, 0, 0, 2}}});
  Bad("arrow_maze", {{"rows", 3}, {"columns", 3}, {"directions", 4}, {"grid", {0, 1}}});
}

TEST(GridTasks, GraphColoring) {
  const TaskInstance instance =
      Make("graph_coloring", {{"vertices", 4}, {"colours", 3}, {"edges", {"AB", "BC", "CA", "CD"}}});
  Solvable(instance);
  Right(instance,
        {"A=1, B=2, C=3, D=1", "A=1, B=2, C=3, D=2", "D: 1, A: 3, B: 1, C: 2", "(A,1),(B,2),(C,3),(D,1)", "A1 B2 C3 D1",
         "a=1; b=2; c=3; d=1", "A -> 1\nB -> 2\nC -> 3\nD -> 1", "\\text{A=1, B=2, C=3, D=1}"});
  Wrong(instance, {"A=1, B=2, C=3",       // D is left out
                   "A=1, B=2, C=3, D=3",  // an edge
                   "A=1, B=2, C=3, D=4",  // no such colour
                   "A=1, B=2, C=3, D=0", "A=1, B=2, C=3, D=1, D=2", "A=1, B=2, C=3, D=1, E=1", "1 2 3 1", "A B C D",
                   "A=1, B=2, C=3, D=01", "A=1, B=2, C=3, D", "all different", "A=1, B=2, C=3, D=1 2"});
  Bad("graph_coloring", {{"vertices", 2}, {"colours", 3}, {"edges", {"AC"}}});
  Bad("graph_coloring", {{"vertices", 2}, {"colours", 3}, {"edges", {"AA"}}});
  Bad("graph_coloring", {{"vertices", 0}, {"colours", 3}, {"edges", Json::array()}});
  // Three vertices that all touch need three colours.
  EXPECT_THROW(GetTask("graph_coloring")
                   .Solve(Make("graph_coloring", {{"vertices", 3}, {"colours", 2}, {"edges", {"AB", "BC", "CA"}}})),
               Error);
}

TEST(GridTasks, MathPath) {
  const TaskInstance instance = Make("math_path", {{"left", "?4+3*?"}, {"right", 40}});
  Solvable(instance);
  Right(instance, {"34+3*2=40", "34 + 3 \\times 2 = 40", "$34+3\\cdot 2=40$",
                   "34+3\xc3\x97"
                   "2=40"});
  Wrong(instance, {"34+3*2", "40=40", "34+3*2=41", "34+6=40", "14+3*9=41", "04+3*12=40", "4+3*12=40", "3 4+3*2=40",
                   "34+3*2=40=40", "34+3*2=40, 34+3*2=40", "3?+3*2=40", "34-3*2=40", "x", "??"});
  // More than one filling.
  const TaskInstance two = Make("math_path", {{"left", "?+?"}, {"right", 9}});
  Right(two, {"0+9=9", "4+5=9", "9+0=9"});
  Wrong(two, {"4+4=9", "4+5=8"});
  // No leading zero, whatever the value.
  Wrong(Make("math_path", {{"left", "?1+?"}, {"right", 10}}), {"01+9=10"});
  Bad("math_path", {{"left", "12+3"}, {"right", 15}});
  Bad("math_path", {{"left", "?+"}, {"right", 1}});
}

TEST(GridTasks, MathPathWithBrackets) {
  const TaskInstance instance = Make("math_path", {{"left", "9-?-(6+?)"}, {"right", -4}});
  Solvable(instance);
  Right(instance, {"9-6-(6+1)=-4", "9 - 6 - (6 + 1) = -4", "9-0-(6+7)=-4", "(9-6)-(6+1)=-4"});
  Wrong(instance, {"9-6-(6+1)", "9-6-(6+1)=4", "9-6-6+1=-2", "9-6-6+1=-4", "9-?-(6+?)=-4", "9-6-(6+2)=-4",
                   "9-7-(6+1)=-4", "9-6-(6+1)=-4=-4", "9-6-(6+1)=-8/2", "9-6-(1+6)=-4", "8-6-(6+0)=-4",
                   "9-(6-(6+1))=10", "-4=-4", "9-6-(6+1=-4", "9-16-(6+0)=-4"});
  const auto puzzle = [](const char* left, int64_t right) {
    return Make("math_path", {{"left", left}, {"right", right}});
  };
  Solvable(puzzle("1-(?/1)%9", -4));
  Right(puzzle("1-(?/1)%9", -4), {"1-(5/1)%9=-4", "1-5/1%9=-4", "1-(5\\div 1)\\%9=-4", "1-(5/1)\\bmod 9=-4"});
  Wrong(puzzle("1-(?/1)%9", -4), {"2-(5/1)%9=-4", "1-5/(1%9)=-4", "1-(5*1)%9=-4"});
  // From left to right, exactly; fractions on the way are right as well.
  Solvable(puzzle("3-?*?/?", -1));
  Right(puzzle("3-?*?/?", -1), {"3-8*1/2=-1", "3-4*1/1=-1", "3-2*6/3=-1"});
  Wrong(puzzle("3-?*?/?", -1), {"3-8*2/2=-1", "3-8*1/0=-1", "3-1*3/1=-1"});
  Right(puzzle("?/2*4", 14), {"7/2*4=14"});
  Wrong(puzzle("?%0", 0), {"0%0=0", "5%0=0"});
  // The remainder has the sign of what it is divided by.
  Right(puzzle("(2-?)%4", 1), {"(2-5)%4=1", "(2-1)%4=1", "(2-9)%4=1"});
  Right(puzzle("?%(2-5)", -1), {"2%(2-5)=-1", "5%(2-5)=-1"});
  Wrong(puzzle("?%(2-5)", -1), {"1%(2-5)=-1", "4%(2-5)=-1"});
  // More missing digits than can be tried one by one.
  Solvable(puzzle("?+?*?-?*?+?-?/?", 17));
  Bad("math_path", {{"left", "?/3+"}, {"right", 1}});
  Bad("math_path", {{"left", "(?"}, {"right", 1}});
  Bad("math_path", {{"left", "()?"}, {"right", 1}});
  Bad("math_path", {{"left", "0?+1"}, {"right", 1}});
  Bad("math_path", {{"left", "?"}, {"right", 2'000'000'000'000}});
  const TaskInstance none = puzzle("?*2", 19);
  EXPECT_THROW(GetTask("math_path").Solve(none), Error);
  EXPECT_THROW(GetTask("math_path").Solve(puzzle("(?)*2", 19)), Error);
}

TEST(GridTasks, Cryptarithm) {
  const TaskInstance send = Make("cryptarithm", {{"words", {"SEND", "MORE", "MONEY"}}, {"given", Json::object()}});
  Solvable(send);
  Right(send, {"9567+1085=10652", "9567 + 1085 = 10652", "S=9, E=5, N=6, D=7, M=1, O=0, R=8, Y=2",
               "S: 9; E: 5; N: 6; D: 7; M: 1; O: 0; R: 8; Y: 2", "s9 e5 n6 d7 m1 o0 r8 y2"});
  Wrong(send, {"9567+1085=10653", "1000+1000=2000",
               "9999+1111=11110",  // S and E and N are all 9
               "0567+1085=01652",  // begins with 0
               "9567+1085",        // no sum
               "10652=9567+1085",  // letters elsewhere
               "9567+1085=10652+0", "9567+1085=10652, 9567+1085=10652", "S=9, E=5, N=6, D=7, M=1, O=0, R=8",
               "S=9, E=5, N=6, D=7, M=1, O=0, R=8, Y=2, Z=3", "S=9, E=5, N=6, D=7, M=1, O=0, R=8, Y=12",
               "S=9, S=9, E=5, N=6, D=7, M=1, O=0, R=8, Y=2", "SEND+MORE=MONEY", "0+0=0", "95 67+10 85=10652 1"});
  const TaskInstance open = Make("cryptarithm", {{"words", {"A", "B", "C"}}, {"given", {{"A", 1}}}});
  Right(open, {"1+2=3", "1+7=8", "B=2, C=3", "A=1, B=2, C=3"});
  Wrong(open, {"2+3=5", "A=2, B=3, C=5", "1+1=2", "B=2"});
  Bad("cryptarithm", {{"words", {"AB", "CD"}}, {"given", Json::object()}});
  Bad("cryptarithm", {{"words", {"ABC", "D", "EF"}}, {"given", Json::object()}});
  Bad("cryptarithm", {{"words", {"AB", "CD", "EF"}}, {"given", {{"A", 1}, {"B", 1}}}});
  Bad("cryptarithm", {{"words", {"AB", "CD", "EF"}}, {"given", {{"Z", 1}}}});
  Bad("cryptarithm", {{"words", {"ab", "CD", "EF"}}, {"given", Json::object()}});
}

TEST(GridTasks, GameOf24) {
  const TaskInstance instance = Make("game_of_24", {{"numbers", {4, 7, 8, 8}}});
  Solvable(instance);
  Right(instance, {"(7-8/8)*4", "4*(7-8/8)", "(7 - \\frac{8}{8}) \\times 4", "(7-8/8)*4=24",
                   "(7-8\xc3\xb7"
                   "8)\xc3\x97"
                   "4",
                   "-(-((7-8/8)*4))", "-4*(8/8-7)"});
  Wrong(instance, {"24", "-(7-8/8)*4",
                   "4*7-8/2",     // a number that is not given
                   "(7-1)*4",     // 8 left out twice
                   "8+8+4+7",     // 27: the target forgotten
                   "8+8+4+7=24",  // only said
                   "8+8+8",       // 8 three times, others left out
                   "(7-8/8)*4+0", "(7-8/8)*4*1", "(7-8/8)*44/11", "78-8*4", "(7-8/8)*4;(7-8/8)*4", "4!", "48/(8-7)",
                   "7*4-8+8/8*4", "(7-8/8)**4"});
  Bad("game_of_24", {{"numbers", {4, 7, 8}}});
  Bad("game_of_24", {{"numbers", {4, 7, 8, 8, 1}}});
  // No whole numbers on the way in the worked solutions, but in answers fractions are exact.
  Right(Make("game_of_24", {{"numbers", {3, 3, 8, 8}}}), {"8/(3-8/3)"});
}

// ---- what they share ----

TEST(Fractions, AreExactAndSayWhatDoesNotFit) {
  const auto apply = [](char op, Fraction a, Fraction b) {
    std::string reason;
    return Apply(op, b, &a, &reason) ? ToText(a) : reason;
  };
  EXPECT_EQ(apply('+', {1, 3}, {1, 6}), "1/2");
  EXPECT_EQ(apply('-', {1, 3}, {4, 3}), "-1");
  EXPECT_EQ(apply('*', {2, 3}, {3, 2}), "1");
  EXPECT_EQ(apply('/', {2, 1}, {-4, 1}), "-1/2");
  EXPECT_EQ(apply('/', {2, 1}, {0, 1}), "divides by zero");
  EXPECT_EQ(apply('%', {2, 1}, {0, 1}), "divides by zero");
  EXPECT_EQ(apply('%', {7, 1}, {3, 1}), "1");
  EXPECT_EQ(apply('%', {-7, 1}, {3, 1}), "2");
  EXPECT_EQ(apply('%', {7, 1}, {-3, 1}), "-2");
  EXPECT_EQ(apply('%', {7, 2}, {2, 1}), "3/2");
  EXPECT_EQ(apply('*', {INT64_MAX, 1}, {2, 1}), "the numbers become too large");
  EXPECT_EQ(apply('-', {-INT64_MAX, 1}, {1, 1}), "the numbers become too large");
  EXPECT_EQ(apply('-', {INT64_MAX, 2}, {INT64_MAX, 2}), "0");
  EXPECT_TRUE(Less({-1, 2}, {1, 3}));
  EXPECT_FALSE(Less({INT64_MAX, 1}, {INT64_MAX - 1, 1}));
}

TEST(PuzzleGrid, AnswersInManyFormsAndNoOthers) {
  CharGrid grid;
  std::string reason;
  const auto parses = [&](std::string_view text) {
    return ParseGridAnswer(text, 2, 3, "01", kMarkAliases, &grid, &reason);
  };
  for (const char* text : {"010 101", "010\n101", "0 1 0 1 0 1", "010;101", "[[0,1,0],[1,0,1]]", "0,1,0,1,0,1",
                           "010101", "0 1 0\\\\1 0 1", "0 1 0\\ 1 0 1", "(0,1,0),(1,0,1)", "0 1 0, 1 0 1", ".#.\r\n#.#",
                           "\n010\n\n101\n", "\\begin{pmatrix}0&1&0\\\\1&0&1\\end{pmatrix}"}) {
    EXPECT_TRUE(parses(text)) << text << ": " << reason;
    EXPECT_EQ(JoinedRows(grid), "010 101") << text;
  }
  for (const char* text : {"", "01 0101", "0101 01", "01010", "0101010", "010;101;", "012 101", "010 101 a"}) {
    const bool ok = parses(text);
    EXPECT_EQ(ok, std::string_view(text) == "010;101;") << text;  // an empty row at the end is none
  }
  for (const char* text : {"01;0;101", "0101;01", "0 1; 0 1 0 1", "010\n10\n1", "\\frac{010}{101}", "0,1 0,1,0,1",
                           "\\begin{array}{ccz}010\\\\101\\end{array}", "\\begin{x}", "\\", "\\begin"}) {
    EXPECT_FALSE(parses(text)) << text;
    EXPECT_NE(reason, "");
  }
}

TEST(PuzzleGrid, LatinSquaresAndRegions) {
  Rng rng(3);
  for (int side = 1; side <= 7; ++side) {
    const CharGrid square = RandomLatinSquare(rng, side);
    for (int i = 0; i < square.size(); ++i) {
      for (int j = 0; j < i; ++j) {
        if (i / side == j / side || i % side == j % side) {
          EXPECT_NE(square.cells[i], square.cells[j]);
        }
      }
    }
  }
  const std::vector<int> region = GrowRegions(rng, 5, 6, {0, 7, 29});
  for (int number = 0; number < 3; ++number) {
    std::vector<bool> marked;
    for (const int r : region) marked.push_back(r == number);
    EXPECT_TRUE(Connected(marked, 5, 6));
    EXPECT_NE(std::count(marked.begin(), marked.end(), true), 0);
  }
}

// A Latin square of order 3 with a sum: solutions by trying all 3^9 fillings.
TEST(CellLogic, FindsAllSolutionsThatTryingFinds) {
  for (int sum = 4; sum <= 8; ++sum) {
    CellLogic logic(CellNames(3, 3), 1, 3);
    for (int i = 0; i < 3; ++i) {
      logic.AddUnit("row", {3 * i, 3 * i + 1, 3 * i + 2});
      logic.AddUnit("column", {i, i + 3, i + 6});
    }
    logic.AddRule("diagonal", {0, 4, 8}, false, [=](std::span<const int> values) {
      int rest = sum;
      for (const int value : values) rest -= value;
      return values.size() < 3 || rest == 0;
    });
    int count = 0;
    for (int code = 0; code < 19683; ++code) {
      std::array<int, 9> values{};
      for (int i = 0, rest = code; i < 9; ++i, rest /= 3) values[i] = 1 + rest % 3;
      bool fits = values[0] + values[4] + values[8] == sum;
      for (int i = 0; i < 9 && fits; ++i) {
        for (int j = 0; j < i; ++j) fits = fits && ((i / 3 != j / 3 && i % 3 != j % 3) || values[i] != values[j]);
      }
      count += fits;
    }
    EXPECT_EQ(logic.CountSolutions(1000), count) << sum;
    const CellLogic::Result result = logic.Solve(nullptr);
    EXPECT_EQ(result.solved, count > 0);
  }
}

TEST(CellLogic, SaysWhatItDoes) {
  CellLogic logic(CellNames(1, 4), 0, 1);
  logic.Exclude(0, 1, 1);
  logic.Exclude(1, 2, 1);
  logic.AddRule("row a 2", {0, 1, 2, 3}, true, [](std::span<const int> values) {
    const auto ones = std::count(values.begin(), values.end(), 1);
    return ones <= 2 && (values.size() < 4 || ones == 2);
  });
  logic.AddRule("end", {3}, false, [](std::span<const int> values) { return values[0] == 0; });
  const CellLogic::Result result =
      logic.Solve([](const std::vector<int>& values) { return JoinedRows(DigitGrid(values, 1, 4)); });
  EXPECT_TRUE(result.solved);
  EXPECT_EQ(result.text,
            "end: a4 is 0\n"
            "???0\n"
            "row a 2: 1010\n"
            "1010\n");
  EXPECT_EQ(logic.Forced(), (std::vector<int>{1, 0, 1, 0}));
}

// ---- all tasks ----

TEST(AllTasks, SlowTenThousandInstancesEachAreSolvedAndScored) {
  constexpr int kInstances = 10000;
  for (const Task* task : AllTasks()) {
    const int levels = task->max_difficulty() - task->min_difficulty() + 1;
    int wrong = 0;
    for (int i = 0; i < kInstances; ++i) {
      const TaskInstance instance = task->Generate(1'000'000 + i, task->min_difficulty() + i % levels);
      const Solution solution = task->Solve(instance);
      std::string content;
      ASSERT_TRUE(LastBoxed(solution.answer, &content));
      wrong += task->Verify(instance, solution.answer).value != 1;
      wrong += task->Verify(instance, "\\boxed{" + content + " " + content + "}").value != 0;
      wrong += task->Verify(instance, "\\boxed{invalid " + content + "}").value != 0;
    }
    EXPECT_EQ(wrong, 0) << task->name();
  }
}

}  // namespace
}  // namespace fulgur
