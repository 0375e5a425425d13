// Grids of puzzles: as data, in prompts and in answers. Rows are a, b, c, ..., columns 1, 2, 3, ...: a1 is the first
// cell.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/rng.h"

namespace fulgur {

inline constexpr int kMostGridSide = 12;

// One character a cell.
struct CharGrid {
  int rows = 0, columns = 0;
  std::string cells;  // rows x columns, row by row

  CharGrid() = default;
  CharGrid(int rows, int columns, char fill)
      : rows(rows), columns(columns), cells(static_cast<size_t>(rows) * columns, fill) {}
  int size() const { return rows * columns; }
  char& at(int row, int column) { return cells[static_cast<size_t>(row) * columns + column]; }
  char at(int row, int column) const { return cells[static_cast<size_t>(row) * columns + column]; }
  bool operator==(const CharGrid&) const = default;
};

// Digits of the values; ? for those below 0.
CharGrid DigitGrid(const std::vector<int>& values, int rows, int columns);
// Names of all cells, row by row.
std::vector<std::string> CellNames(int rows, int columns);
// The index of a cell that is named so; -1 if there is none.
int FindCell(std::string_view name, int rows, int columns);

std::string CellName(int row, int column);          // "a1"
std::string CellName(int cell, const CharGrid& g);  // of the cell with this index

std::string JoinedRows(const CharGrid& grid);    // "1234 2143": in data, worked solutions and answers
std::string LetteredRows(const CharGrid& grid);  // "a 1234\nb 2143\n": in prompts

// Indices of the cells of a row or a column.
std::vector<int> RowCells(int row, int columns);
std::vector<int> ColumnCells(int column, int rows, int columns);

// Indices of the neighbours of a cell: the four that share a side, or all eight. In reading order.
std::vector<int> SideNeighbours(int cell, int rows, int columns);
std::vector<int> AllNeighbours(int cell, int rows, int columns);

// Whether the marked cells hang together by their sides; true for none.
bool Connected(const std::vector<bool>& marked, int rows, int columns);

// Every region hangs together. region[i] is that of cell i, from 0 to regions - 1; `seeds`, one cell a region, are the
// start; cells around are added at random until none is left.
std::vector<int> GrowRegions(Rng& rng, int rows, int columns, const std::vector<int>& seeds);

// Every row and column has 1 to side once; side at most 9.
CharGrid RandomLatinSquare(Rng& rng, int side);

// "a: 3, b: 0" and "1: 3, 2: 0": numbers beside the rows and above the columns, for prompts.
std::string RowList(const std::vector<int>& numbers);
std::string ColumnList(const std::vector<int>& numbers);

// "grid": rows separated by spaces, of characters from `symbols`; or Error. Each side at most kMostGridSide.
CharGrid GridFromData(const Json& data, const char* key, std::string_view symbols, const std::string& where);
// A list of `count` (any number of, if 0) whole numbers from low to high; or Error.
std::vector<int> NumbersFromData(const Json& data, const char* key, size_t count, int low, int high,
                                 const std::string& where);

// The grid in an answer: cells of one character out of `symbols`; `aliases` is pairs of characters, the second of which
// is meant by the first. Between rows may stand line ends, semicolons, slashes, double backslashes or brackets, between
// cells also spaces, commas, & and |; rows may also be separated by spaces or commas only ("1234 2143"). LaTeX's matrix
// environments are understood. The numbers of rows and of cells in each must be right and nothing else may be there;
// else false, and why.
bool ParseGridAnswer(std::string_view answer, int rows, int columns, std::string_view symbols, std::string_view aliases,
                     CharGrid* grid, std::string* reason);
// The same for cells of any number of characters, separated.
bool ParseWordGridAnswer(std::string_view answer, int rows, int columns, std::vector<std::string>* words,
                         std::string* reason);
// For cells of numbers from 1 to `most`.
bool ParseNumberGridAnswer(std::string_view answer, int rows, int columns, int most, std::vector<int>* numbers,
                           std::string* reason);

// Whether the grid has what `given` has wherever that is not 0; else false, and which cell does not.
bool KeepsGivens(const CharGrid& given, const CharGrid& grid, std::string* reason);

// Usual spellings of a marked and an unmarked cell, as aliases of 1 and 0.
inline constexpr std::string_view kMarkAliases = "*1#1x1X1.0-0_0";

}  // namespace fulgur
