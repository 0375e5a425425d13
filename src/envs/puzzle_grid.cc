#include "envs/puzzle_grid.h"

#include <algorithm>
#include <cstdint>

#include "base/ascii.h"
#include "envs/answer.h"

namespace fulgur {
namespace {

// What an answer's text is made of, between the separators.
struct Piece {
  std::string text;
  int row;   // pieces with the same number stand in one row, as far as row separators say
  int part;  // the same, for commas
};

// \begin{pmatrix}, \end{array}, \begin{array}{cc|c}, \hline: skips it. False if it is something else.
bool SkipMatrixCommand(std::string_view text, size_t* at) {
  size_t end = *at + 1;
  while (end < text.size() && IsLetter(text[end])) ++end;
  const std::string_view command = text.substr(*at + 1, end - *at - 1);
  if (command == "hline") {
    *at = end;
    return true;
  }
  if (command != "begin" && command != "end") return false;
  for (const std::string_view name : {"{matrix}", "{pmatrix}", "{bmatrix}", "{Bmatrix}", "{vmatrix}", "{smallmatrix}",
                                      "{array}", "{tabular}", "{aligned}"}) {
    if (text.substr(end, name.size()) != name) continue;
    end += name.size();
    if ((name == "{array}" || name == "{tabular}") && command == "begin" && text.substr(end, 1) == "{") {
      size_t close = end + 1;
      while (close < text.size() && std::string_view("clr| ").find(text[close]) != std::string_view::npos) ++close;
      if (close < text.size() && text[close] == '}') end = close + 1;
    }
    *at = end;
    return true;
  }
  return false;
}

bool SplitPieces(std::string_view text, std::vector<Piece>* pieces, std::string* reason) {
  int row = 0, part = 0;
  bool open = false;  // whether the last piece goes on
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      open = false;
      if (i + 1 < text.size() && IsLetter(text[i + 1])) {
        size_t at = i;
        if (!SkipMatrixCommand(text, &at)) {
          *reason = Quoted(text.substr(i)) + " cannot stand in a grid";
          return false;
        }
        i = at - 1;
      } else {
        ++row, ++part;
        if (i + 1 < text.size() && text[i + 1] == '\\') ++i;
      }
    } else if (std::string_view("\n;/[](){}").find(c) != std::string_view::npos) {
      ++row, ++part;
      open = false;
    } else if (std::string_view(" \t\r,&|").find(c) != std::string_view::npos) {
      part += c == ',';
      open = false;
    } else {
      if (!open) pieces->push_back({"", row, part});
      pieces->back().text += c;
      open = true;
    }
  }
  return true;
}

// Whether the pieces, of these sizes, make the rows; `number` tells a piece's row.
template <typename Number>
bool RowsAreFull(const std::vector<Piece>& pieces, const std::vector<size_t>& sizes, int rows, int columns,
                 const Number& number, std::string* reason) {
  int seen = 0;
  for (size_t i = 0; i < pieces.size();) {
    size_t cells = 0, next = i;
    for (; next < pieces.size() && number(pieces[next]) == number(pieces[i]); ++next) cells += sizes[next];
    ++seen;
    if (cells != static_cast<size_t>(columns)) {
      *reason = fmt::format("row {} has {} cells instead of {}", seen, cells, columns);
      return false;
    }
    i = next;
  }
  if (seen != rows) *reason = fmt::format("{} rows instead of {}", seen, rows);
  return seen == rows;
}

template <typename Number>
size_t CountRows(const std::vector<Piece>& pieces, const Number& number) {
  size_t count = 0;
  for (size_t i = 0; i < pieces.size(); ++i) count += i == 0 || number(pieces[i]) != number(pieces[i - 1]);
  return count;
}

bool CheckShape(const std::vector<Piece>& pieces, const std::vector<size_t>& sizes, int rows, int columns,
                std::string* reason) {
  size_t cells = 0;
  for (const size_t size : sizes) cells += size;
  if (cells != static_cast<size_t>(rows) * columns) {
    *reason = fmt::format("{} cells instead of {}", cells, rows * columns);
    return false;
  }
  const auto row = [](const Piece& piece) { return piece.row; };
  const auto part = [](const Piece& piece) { return piece.part; };
  if (CountRows(pieces, row) > 1) return RowsAreFull(pieces, sizes, rows, columns, row, reason);
  const bool single = std::all_of(sizes.begin(), sizes.end(), [](size_t size) { return size == 1; });
  const size_t parts = CountRows(pieces, part);
  // Commas between all cells, or none at all, say nothing about rows.
  if (parts > 1 && parts < pieces.size()) return RowsAreFull(pieces, sizes, rows, columns, part, reason);
  if (single || pieces.size() == 1) return true;
  const bool full =
      std::all_of(sizes.begin(), sizes.end(), [&](size_t size) { return size == static_cast<size_t>(columns); });
  if (!full) *reason = "the rows differ in length";
  return full;
}

}  // namespace

std::string CellName(int row, int column) { return static_cast<char>('a' + row) + std::to_string(column + 1); }

std::string CellName(int cell, const CharGrid& g) { return CellName(cell / g.columns, cell % g.columns); }

std::string JoinedRows(const CharGrid& grid) {
  std::string text;
  for (int row = 0; row < grid.rows; ++row) {
    if (row > 0) text += ' ';
    text += grid.cells.substr(static_cast<size_t>(row) * grid.columns, grid.columns);
  }
  return text;
}

std::string LetteredRows(const CharGrid& grid) {
  std::string text;
  for (int row = 0; row < grid.rows; ++row) {
    text += static_cast<char>('a' + row);
    text += ' ' + grid.cells.substr(static_cast<size_t>(row) * grid.columns, grid.columns) + '\n';
  }
  return text;
}

CharGrid DigitGrid(const std::vector<int>& values, int rows, int columns) {
  CharGrid grid(rows, columns, '?');
  for (int i = 0; i < grid.size(); ++i) {
    if (values[i] >= 0) grid.cells[i] = static_cast<char>('0' + values[i]);
  }
  return grid;
}

std::vector<std::string> CellNames(int rows, int columns) {
  std::vector<std::string> names;
  for (int i = 0; i < rows * columns; ++i) names.push_back(CellName(i / columns, i % columns));
  return names;
}

int FindCell(std::string_view name, int rows, int columns) {
  for (int i = 0; i < rows * columns; ++i) {
    if (CellName(i / columns, i % columns) == name) return i;
  }
  return -1;
}

CharGrid RandomLatinSquare(Rng& rng, int side) {
  CharGrid grid(side, side, '0');
  // Row by row, cell by cell; a row that gets stuck is drawn again, and after some attempts the square.
  for (int row = 0, attempts = 0; row < side;) {
    std::vector<int> numbers(side);
    for (int i = 0; i < side; ++i) numbers[i] = i + 1;
    bool stuck = false;
    for (int column = 0; column < side && !stuck; ++column) {
      std::vector<size_t> fit;
      for (size_t i = 0; i < numbers.size(); ++i) {
        bool used = false;
        for (int above = 0; above < row; ++above) used = used || grid.at(above, column) == '0' + numbers[i];
        if (!used) fit.push_back(i);
      }
      stuck = fit.empty();
      if (stuck) break;
      const size_t pick = rng.Pick(fit);
      grid.at(row, column) = static_cast<char>('0' + numbers[pick]);
      numbers.erase(numbers.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    if (!stuck) {
      ++row;
    } else if (++attempts % 50 == 0) {
      row = 0;
    }
  }
  return grid;
}

std::string RowList(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) {
    text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", static_cast<char>('a' + i), numbers[i]);
  }
  return text;
}

std::string ColumnList(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", i + 1, numbers[i]);
  return text;
}

std::vector<int> RowCells(int row, int columns) {
  std::vector<int> cells;
  for (int column = 0; column < columns; ++column) cells.push_back(row * columns + column);
  return cells;
}

std::vector<int> ColumnCells(int column, int rows, int columns) {
  std::vector<int> cells;
  for (int row = 0; row < rows; ++row) cells.push_back(row * columns + column);
  return cells;
}

std::vector<int> SideNeighbours(int cell, int rows, int columns) {
  const int row = cell / columns, column = cell % columns;
  std::vector<int> neighbours;
  if (row > 0) neighbours.push_back(cell - columns);
  if (column > 0) neighbours.push_back(cell - 1);
  if (column + 1 < columns) neighbours.push_back(cell + 1);
  if (row + 1 < rows) neighbours.push_back(cell + columns);
  return neighbours;
}

std::vector<int> AllNeighbours(int cell, int rows, int columns) {
  const int row = cell / columns, column = cell % columns;
  std::vector<int> neighbours;
  for (int r = std::max(0, row - 1); r <= std::min(rows - 1, row + 1); ++r) {
    for (int c = std::max(0, column - 1); c <= std::min(columns - 1, column + 1); ++c) {
      if (r != row || c != column) neighbours.push_back(r * columns + c);
    }
  }
  return neighbours;
}

bool Connected(const std::vector<bool>& marked, int rows, int columns) {
  const auto first = std::find(marked.begin(), marked.end(), true);
  if (first == marked.end()) return true;
  std::vector<bool> left = marked;
  std::vector<int> stack = {static_cast<int>(first - marked.begin())};
  left[stack[0]] = false;
  while (!stack.empty()) {
    const int cell = stack.back();
    stack.pop_back();
    for (const int next : SideNeighbours(cell, rows, columns)) {
      if (!left[next]) continue;
      left[next] = false;
      stack.push_back(next);
    }
  }
  return std::find(left.begin(), left.end(), true) == left.end();
}

std::vector<int> GrowRegions(Rng& rng, int rows, int columns, const std::vector<int>& seeds) {
  std::vector<int> region(static_cast<size_t>(rows) * columns, -1);
  std::vector<std::pair<int, int>> edge;  // free cell, region beside it
  const auto take = [&](int cell, int number) {
    region[cell] = number;
    for (const int next : SideNeighbours(cell, rows, columns)) {
      if (region[next] < 0) edge.emplace_back(next, number);
    }
  };
  for (size_t i = 0; i < seeds.size(); ++i) region[seeds[i]] = static_cast<int>(i);
  for (size_t i = 0; i < seeds.size(); ++i) take(seeds[i], static_cast<int>(i));
  while (!edge.empty()) {
    const size_t at = rng.Below(edge.size());
    const auto [cell, number] = edge[at];
    edge[at] = edge.back();
    edge.pop_back();
    if (region[cell] < 0) take(cell, number);
  }
  return region;
}

CharGrid GridFromData(const Json& data, const char* key, std::string_view symbols, const std::string& where) {
  const std::vector<std::string> rows = SplitList(JsonGet<std::string>(data, key, where));
  CharGrid grid;
  grid.rows = static_cast<int>(std::min<size_t>(rows.size(), kMostGridSide + 1));
  grid.columns = rows.empty() ? 0 : static_cast<int>(std::min<size_t>(rows[0].size(), kMostGridSide + 1));
  if (grid.rows < 1 || grid.rows > kMostGridSide || grid.columns > kMostGridSide) {
    throw Error("{}: \"{}\" must be 1 to {} rows of at most {} cells, separated by spaces", where, key, kMostGridSide,
                kMostGridSide);
  }
  for (const std::string& row : rows) {
    if (row.size() != static_cast<size_t>(grid.columns)) throw Error("{}: \"{}\": rows differ in length", where, key);
    if (const size_t at = row.find_first_not_of(symbols); at != std::string::npos) {
      throw Error("{}: \"{}\": {} is not one of {}", where, key, Quoted(row.substr(at, 1)), symbols);
    }
    grid.cells += row;
  }
  return grid;
}

std::vector<int> NumbersFromData(const Json& data, const char* key, size_t count, int low, int high,
                                 const std::string& where) {
  const auto list = data.is_object() ? data.find(key) : data.end();
  if (!data.is_object() || list == data.end() || !list->is_array() || (count != 0 && list->size() != count)) {
    throw Error("{}: \"{}\" must be a list of {}numbers", where, key, count == 0 ? "" : std::to_string(count) + " ");
  }
  std::vector<int> numbers;
  for (const Json& number : *list) {
    if (!number.is_number_integer() || number.get<int64_t>() < low || number.get<int64_t>() > high) {
      throw Error("{}: \"{}\": {} is not a whole number from {} to {}", where, key, number.dump(), low, high);
    }
    numbers.push_back(number.get<int>());
  }
  return numbers;
}

bool ParseGridAnswer(std::string_view answer, int rows, int columns, std::string_view symbols, std::string_view aliases,
                     CharGrid* grid, std::string* reason) {
  std::vector<Piece> pieces;
  if (!SplitPieces(answer, &pieces, reason)) return false;
  *grid = CharGrid(rows, columns, ' ');
  grid->cells.clear();
  std::vector<size_t> sizes;
  for (const Piece& piece : pieces) {
    sizes.push_back(piece.text.size());
    for (char c : piece.text) {
      for (size_t i = 0; i + 1 < aliases.size(); i += 2) {
        if (aliases[i] == c) {
          c = aliases[i + 1];
          break;
        }
      }
      if (symbols.find(c) == std::string_view::npos) {
        *reason = Quoted(std::string(1, c)) + " cannot stand in the grid";
        return false;
      }
      grid->cells += c;
    }
  }
  return CheckShape(pieces, sizes, rows, columns, reason);
}

bool ParseWordGridAnswer(std::string_view answer, int rows, int columns, std::vector<std::string>* words,
                         std::string* reason) {
  std::vector<Piece> pieces;
  if (!SplitPieces(answer, &pieces, reason)) return false;
  words->clear();
  for (const Piece& piece : pieces) words->push_back(piece.text);
  return CheckShape(pieces, std::vector<size_t>(pieces.size(), 1), rows, columns, reason);
}

bool ParseNumberGridAnswer(std::string_view answer, int rows, int columns, int most, std::vector<int>* numbers,
                           std::string* reason) {
  std::vector<std::string> words;
  if (!ParseWordGridAnswer(answer, rows, columns, &words, reason)) return false;
  numbers->clear();
  for (const std::string& word : words) {
    int64_t value = 0;
    if (!ParseInteger(word, &value) || value < 1 || value > most) {
      *reason = fmt::format("{} is not a number from 1 to {}", Quoted(word), most);
      return false;
    }
    numbers->push_back(static_cast<int>(value));
  }
  return true;
}

bool KeepsGivens(const CharGrid& given, const CharGrid& grid, std::string* reason) {
  for (int i = 0; i < grid.size(); ++i) {
    if (given.cells[i] == '0' || given.cells[i] == grid.cells[i]) continue;
    *reason = CellName(i, grid) + " was given and is changed";
    return false;
  }
  return true;
}

}  // namespace fulgur
