// Crosswords in letters: a grid of letters to fill in from a list of words, for the tasks that have one.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "envs/task.h"

namespace fulgur {

struct Crossword {
  int rows = 0, columns = 0;
  std::string cells;               // rows * columns of them: '.' blocked, '_' to fill in, a letter that is given
  std::vector<std::string> words;  // lowercase
  bool all = false;                // every word is used exactly once; else some are, none of them twice
};

// A run of two or more cells, across or down, that no further cell continues.
struct Slot {
  bool across = false;
  std::vector<int> cells;
};
std::vector<Slot> Slots(const Crossword& crossword);

// Rows one after the other: "ab_ .c."
std::string GridText(const Crossword& crossword, std::string_view cells, const char* separator);
// A grid "ab_ .c." of at most 16 x 16 and its words, from `data`; Error that names `where` if they are none, or some
// cell belongs to no run.
Crossword ReadCrossword(const Json& data, const std::string& where, bool all);

// Fills the grid: of the runs that are still open, the one that the fewest words fit is next, and words are tried in
// the order of the list.
struct CrosswordRun {
  bool solved = false;
  int tried = 0;      // words written into the grid
  int returns = 0;    // of them, taken out again
  std::string cells;  // filled in
  std::string text;   // the steps, if asked for; every line ends with \n
};
CrosswordRun FillCrossword(const Crossword& crossword, int most_tries, bool words);

// Scores a filled grid by the rules.
Score JudgeCrossword(const Crossword& crossword, const std::string& answer);

}  // namespace fulgur
