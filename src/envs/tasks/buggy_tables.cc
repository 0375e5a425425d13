// A table that was written with known bugs: undo them, the last first, and then compute something from it, row by row.
// The table is restated after every bug that is undone.
//
// Difficulty: rows, columns and bugs: 1: 3, 3, 1; 2: 4, 3, 1; 3: 4, 3, 1; 4: 6, 4, 2; 5: 8, 5, 2; 6: 10, 6, 3. Values
// have one digit up to 3, then two. From 3 questions have conditions; from 2 bugs change the shape of the table, too.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::buggy_tables {
namespace {

struct Level {
  size_t rows, columns, bugs;
  int64_t most;
  size_t kinds;
  bool conditions;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {3, 3, 1, 9, 4, false},
                                           {4, 3, 1, 9, 7, false},
                                           {4, 3, 1, 9, 8, true},
                                           {6, 4, 2, 40, 8, true},
                                           {8, 5, 2, 60, 8, true},
                                           {10, 6, 3, 99, 8, true}}};
constexpr auto kColumns = std::to_array<std::string_view>(
    {"apples", "books", "coins", "drums", "eggs", "forks", "gems", "hats", "keys", "lamps"});
constexpr size_t kMostLines = 60, kMostValues = 60;
constexpr int64_t kMostValue = 100'000;

using Row = std::vector<int64_t>;
using Pair = std::pair<size_t, size_t>;

struct Table {
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

// The order of the kinds is that in which the bugs happened.
enum class Kind { kAdd, kSwap, kRotate, kReverse, kExtra, kMerge, kTurn, kZeros };
constexpr std::array<std::string_view, 8> kKinds = {"add",   "swap",  "rotate", "reverse",
                                                    "extra", "merge", "turn",   "zeros"};
// Which kinds the levels start with: those that leave the shape alone.
constexpr std::array<Kind, 8> kByLevel = {Kind::kAdd,   Kind::kSwap,  Kind::kRotate, Kind::kReverse,
                                          Kind::kExtra, Kind::kMerge, Kind::kTurn,   Kind::kZeros};

struct Bug {
  Kind kind = Kind::kSwap;
  std::string a, b;         // add: to which column; swap: the two columns
  int64_t number = 0;       // add: how much; rotate: by how many places
  std::vector<Pair> cells;  // zeros: row and place of every zero, from 0, in reading order
};

struct Question {
  std::string kind = "sum";  // sum, count, largest
  std::string column;        // sum, largest
  std::string where;         // rows where this column is more than `more`; may be empty but for count
  int64_t more = 0;
};

std::string RowText(const Row& row) { return fmt::format("{}", fmt::join(row, " ")); }

void Turn(std::vector<Row>* rows) {
  std::vector<Row> turned((*rows)[0].size());
  for (const Row& row : *rows) {
    for (size_t i = 0; i < row.size(); ++i) turned[i].push_back(row[i]);
  }
  *rows = std::move(turned);
}

void Do(const Bug& bug, Rng& rng, int64_t most, Table* table) {
  std::vector<Row>& rows = table->rows;
  switch (bug.kind) {
    case Kind::kAdd:
      for (Row& row : rows) row[IndexOf(table->columns, bug.a)] += bug.number;
      break;
    case Kind::kSwap:
      std::swap(table->columns[IndexOf(table->columns, bug.a)], table->columns[IndexOf(table->columns, bug.b)]);
      break;
    case Kind::kRotate:
      for (Row& row : rows) std::rotate(row.begin(), row.end() - bug.number, row.end());
      break;
    case Kind::kReverse:
      for (Row& row : rows) std::reverse(row.begin(), row.end());
      break;
    case Kind::kExtra:
      for (Row& row : rows) row.push_back(rng.Int(0, most));
      break;
    case Kind::kMerge:
      for (size_t i = 0; i < rows.size() / 2; ++i) {
        Row joined = rows[2 * i];
        joined.insert(joined.end(), rows[2 * i + 1].begin(), rows[2 * i + 1].end());
        rows[i] = joined;
      }
      rows.resize(rows.size() / 2);
      break;
    case Kind::kTurn:
      Turn(&rows);
      break;
    case Kind::kZeros:
      for (Row& row : rows) std::erase(row, 0);
  }
}

// Empty, or why this bug cannot have happened.
std::string Undo(const Bug& bug, Table* table) {
  std::vector<Row>& rows = table->rows;
  const int a = IndexOf(table->columns, bug.a), b = IndexOf(table->columns, bug.b);
  switch (bug.kind) {
    case Kind::kAdd:
      for (Row& row : rows) {
        if (a < 0 || a >= static_cast<int>(row.size())) return "a row without that column";
        row[a] -= bug.number;
      }
      return "";
    case Kind::kSwap:
      if (a < 0 || b < 0) return "no such columns";
      std::swap(table->columns[a], table->columns[b]);
      return "";
    case Kind::kRotate:
      for (Row& row : rows) {
        if (bug.number < 0 || bug.number > static_cast<int64_t>(row.size())) return "rows are too short";
        std::rotate(row.begin(), row.begin() + bug.number, row.end());
      }
      return "";
    case Kind::kReverse:
      for (Row& row : rows) std::reverse(row.begin(), row.end());
      return "";
    case Kind::kExtra:
      for (Row& row : rows) {
        if (row.empty()) return "a row without values";
        row.pop_back();
      }
      return "";
    case Kind::kMerge: {
      std::vector<Row> split;
      for (const Row& row : rows) {
        if (row.size() % 2 != 0) return "a line with an odd number of values";
        const auto middle = row.begin() + static_cast<std::ptrdiff_t>(row.size() / 2);
        split.emplace_back(row.begin(), middle);
        split.emplace_back(middle, row.end());
      }
      rows = std::move(split);
      return "";
    }
    case Kind::kTurn:
      for (const Row& row : rows) {
        if (row.size() != rows[0].size() || row.empty()) return "lines of different length";
      }
      Turn(&rows);
      return "";
    default:
      for (const auto& [row, place] : bug.cells) {
        if (row >= rows.size() || place > rows[row].size()) return "a zero outside of the table";
        rows[row].insert(rows[row].begin() + static_cast<std::ptrdiff_t>(place), 0);
      }
      return "";
  }
}

std::string Sentence(const Bug& bug) {
  switch (bug.kind) {
    case Kind::kAdd:
      return fmt::format("every value of {} was made larger by {}", bug.a, bug.number);
    case Kind::kSwap:
      return fmt::format("the headings {} and {} were exchanged", bug.a, bug.b);
    case Kind::kRotate:
      return fmt::format(
          "in every row the values moved {} place{} to the right, and those that fell off came to the front",
          bug.number, bug.number == 1 ? "" : "s");
    case Kind::kReverse:
      return "the values of every row were written in reverse order";
    case Kind::kExtra:
      return "a made-up value was added at the end of every row";
    case Kind::kMerge:
      return "every two rows were joined into one line";
    case Kind::kTurn:
      return "rows and columns were exchanged, so that each line is a column, in the order of the headings";
    default: {
      std::vector<std::string> cells;
      for (const auto& [row, place] : bug.cells) cells.push_back(fmt::format("row {} place {}", row + 1, place + 1));
      return fmt::format("zeros were left out, those of {}", Enumerate(cells));
    }
  }
}

class BuggyTables : public Task {
 public:
  const char* name() const override { return "buggy_tables"; }
  const char* description() const override { return "Undo the bugs of a table and compute something from it"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"columns", "list of names, one word each"},
            {"lines", "list of lines of the table as it is shown, each a list of whole numbers"},
            {"bugs",
             "list of bugs in the order in which they were made",
             false,
             {{"kind", "add, swap, rotate, reverse, zeros, extra, merge or turn"},
              {"a", "name of a column, for add and swap", true},
              {"b", "name of another column, for swap", true},
              {"number", "how much was added, or how many lines the table was rotated by", true},
              {"cells", "list of [line, place] of the zeros that were left out", true}}},
            {"question",
             "what is asked about the table without bugs",
             false,
             {{"kind", "sum, largest or count"},
              {"column", "name of the column, for sum and largest", true},
              {"where", "name of a column: only lines that have more than \"more\" there count", true},
              {"more", "whole number", true}}}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking;
    const Table table = Right(puzzle, &thinking);
    const Question& question = puzzle.question;
    const int column = IndexOf(table.columns, question.column), where = IndexOf(table.columns, question.where);
    thinking += QuestionText(question) + "\n";
    int64_t result = 0;
    bool any = false;
    for (const Row& row : table.rows) {
      const bool counts = where < 0 || row[where] > question.more;
      if (where >= 0) thinking += fmt::format("{} {} {}", question.where, row[where], counts ? "yes" : "no");
      if (counts && question.kind != "count") {
        thinking += fmt::format("{}{} {}", where < 0 ? "" : " ", question.column, row[column]);
      }
      if (counts && question.kind == "sum") {
        thinking += fmt::format(" {}+{}={}", result, row[column], result + row[column]);
        result += row[column];
      } else if (counts && question.kind == "largest") {
        result = any ? std::max(result, row[column]) : row[column];
        any = true;
        thinking += fmt::format(" largest {}", result);
      } else {
        result += counts ? 1 : 0;
        thinking += fmt::format(" {}", result);
      }
      thinking += "\n";
    }
    return {thinking + fmt::format("answer {}", result), BoxedAnswer(std::to_string(result))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    Table table;
    table.columns = Sample(rng, kColumns, level.columns);
    for (size_t i = 0; i < level.rows; ++i) {
      Row row;
      for (size_t j = 0; j < level.columns; ++j) row.push_back(rng.Int(0, level.most));
      table.rows.push_back(row);
    }
    std::vector<Kind> kinds;
    while (kinds.size() < level.bugs) {
      const Kind kind = kByLevel[rng.Below(level.kinds)];
      const bool shape = kind >= Kind::kMerge;
      // One bug of each kind, and one that changes the shape. Adding could leave no zero to lose.
      const bool clash = std::any_of(kinds.begin(), kinds.end(), [&](Kind other) {
        return other == kind || (shape && other >= Kind::kMerge) ||
               std::minmax(kind, other) == std::minmax(Kind::kAdd, Kind::kZeros);
      });
      if (!clash) kinds.push_back(kind);
    }
    std::sort(kinds.begin(), kinds.end());
    for (size_t zeros = kinds.back() == Kind::kZeros ? 2 + level.rows / 4 : 0; zeros > 0; --zeros) {
      Row& row = table.rows[rng.Below(table.rows.size())];
      row[rng.Below(row.size())] = 0;
    }
    puzzle.question = DrawQuestion(rng, level, table);
    for (const Kind kind : kinds) {
      Bug bug;
      bug.kind = kind;
      if (kind == Kind::kAdd || kind == Kind::kSwap) {
        const std::vector<std::string> two =
            Sample(rng, std::vector<std::string_view>(table.columns.begin(), table.columns.end()), 2);
        bug.a = two[0];
        if (kind == Kind::kSwap) bug.b = two[1];
        // A bug in a column nobody asks about would be none.
        if (!puzzle.question.column.empty() && bug.a != puzzle.question.column && bug.b != puzzle.question.column) {
          bug.a = puzzle.question.column;
        }
      }
      if (kind == Kind::kAdd) bug.number = rng.Int(1, 9);
      if (kind == Kind::kRotate) bug.number = rng.Int(1, static_cast<int64_t>(level.columns) - 1);
      if (kind == Kind::kZeros) {
        for (size_t i = 0; i < table.rows.size(); ++i) {
          for (size_t j = 0; j < table.rows[i].size(); ++j) {
            if (table.rows[i][j] == 0) bug.cells.emplace_back(i, j);
          }
        }
      }
      Do(bug, rng, level.most, &table);
      puzzle.bugs.push_back(bug);
    }
    Json lines = Json::array(), bugs = Json::array();
    std::string text = Join(table.columns, " ") + "\n", happened;
    for (const Row& row : table.rows) {
      lines.push_back(row);
      text += RowText(row) + "\n";
    }
    for (const Bug& bug : puzzle.bugs) {
      bugs.push_back({{"kind", kKinds[static_cast<size_t>(bug.kind)]}});
      Json& entry = bugs.back();
      if (!bug.a.empty()) entry["a"] = bug.a;
      if (!bug.b.empty()) entry["b"] = bug.b;
      if (bug.number != 0) entry["number"] = bug.number;
      if (bug.kind == Kind::kZeros) {
        entry["cells"] = Json::array();
        for (const auto& [row, place] : bug.cells) entry["cells"].push_back(Json::array({row, place}));
      }
      happened += (happened.empty() ? "" : "; then ") + Sentence(bug);
    }
    const Question& question = puzzle.question;
    instance->data = {{"columns", table.columns}, {"lines", lines}, {"bugs", bugs}};
    instance->data["question"] = {{"kind", question.kind}};
    if (!question.column.empty()) instance->data["question"]["column"] = question.column;
    if (!question.where.empty()) {
      instance->data["question"]["where"] = question.where;
      instance->data["question"]["more"] = question.more;
    }
    const std::array<std::string_view, 2> openings = {"This table has a bug: ", "When this table was written, "};
    instance->prompt =
        fmt::format("{}{}.\n{}In the right table, what is the {}? Put the number in \\boxed{{}}.",
                    puzzle.bugs.size() > 1 ? std::string_view("When this table was written, ") : rng.Pick(openings),
                    happened, text, QuestionText(question));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const Table table = Right(puzzle, nullptr);
    const Question& question = puzzle.question;
    const int column = IndexOf(table.columns, question.column), where = IndexOf(table.columns, question.where);
    int64_t sum = 0, count = 0, largest = 0;
    for (const Row& row : table.rows) {
      if (where >= 0 && row[where] <= question.more) continue;
      if (column >= 0) {
        largest = count == 0 ? row[column] : std::max(largest, row[column]);
        sum += row[column];
      }
      ++count;
    }
    return JudgeInteger(question.kind == "sum" ? sum : question.kind == "count" ? count : largest, answer);
  }

 private:
  struct Puzzle {
    Table table;  // as written
    std::vector<Bug> bugs;
    Question question;
  };

  static std::string QuestionText(const Question& question) {
    std::string text = question.kind == "count" ? "number of rows" : question.kind + " of " + question.column;
    if (!question.where.empty()) {
      text += fmt::format("{} where {} is more than {}", question.kind == "count" ? "" : " over the rows",
                          question.where, question.more);
    }
    return text;
  }

  static Question DrawQuestion(Rng& rng, const Level& level, const Table& table) {
    constexpr std::array<std::string_view, 4> kQuestions = {"sum", "sum", "largest", "count"};
    Question question;
    question.kind = kQuestions[rng.Below(level.conditions ? 4 : 3)];
    if (question.kind != "count") question.column = rng.Pick(table.columns);
    if (question.kind == "count" || (level.conditions && rng.Chance(0.5))) {
      int64_t value = 0;  // of a row that is to be left
      do {
        question.where = rng.Pick(table.columns);
        value = rng.Pick(table.rows)[IndexOf(table.columns, question.where)];
      } while (question.where == question.column || value == 0);
      question.more = value - rng.Int(1, std::min<int64_t>(value, 3));
    }
    return question;
  }

  // The table as it should be, and how it was found.
  static Table Right(const Puzzle& puzzle, std::string* text) {
    Table table = puzzle.table;
    for (size_t i = puzzle.bugs.size(); i-- > 0;) {
      const Bug& bug = puzzle.bugs[i];
      const std::string wrong = Undo(bug, &table);
      if (!wrong.empty()) throw Error("data of buggy_tables: {}: {}", kKinds[static_cast<size_t>(bug.kind)], wrong);
      if (text == nullptr) continue;
      *text += fmt::format("undo {}", kKinds[static_cast<size_t>(bug.kind)]);
      if (bug.number != 0) *text += fmt::format(" {}", bug.number);
      *text += fmt::format("\n{}\n", Join(table.columns, " "));
      for (const Row& row : table.rows) *text += RowText(row) + "\n";
    }
    for (const Row& row : table.rows) {
      if (row.size() != table.columns.size())
        throw Error("data of buggy_tables: the right table would have ragged rows");
    }
    return table;
  }

  // An error if the object, which is of some kind, has a key that its kind does not use.
  static void CheckUsed(const Json& object, std::string_view used, const std::string& where) {
    const std::vector<std::string> keys = SplitList(used);
    for (const auto& [key, value] : object.items()) {
      if (key != "kind" && IndexOf(keys, key) < 0) {
        throw Error("{}: {}: \"{}\" has no meaning for this kind", where, Quoted(object.dump()), key);
      }
    }
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of buggy_tables";
    const auto number = [&](const Json& value) {
      if (!value.is_number_integer() || value.get<int64_t>() < -kMostValue || value.get<int64_t>() > kMostValue) {
        throw Error("{}: {} is not a whole number in -{}..{}", where, Quoted(value.dump()), kMostValue, kMostValue);
      }
      return value.get<int64_t>();
    };
    Puzzle puzzle;
    puzzle.table.columns = JsonNames(instance.data, "columns", where, 1, kMostValues);
    for (const Json& line : JsonList(instance.data, "lines", where, 1, kMostLines)) {
      if (!line.is_array() || line.size() > kMostValues)
        throw Error("{}: {} is not a line", where, Quoted(line.dump()));
      Row row;
      for (const Json& value : line) row.push_back(number(value));
      puzzle.table.rows.push_back(row);
    }
    for (const Json& entry : JsonList(instance.data, "bugs", where, 0, kKinds.size())) {
      Bug bug;
      const auto kind = std::find(kKinds.begin(), kKinds.end(), JsonGet<std::string>(entry, "kind", where));
      if (kind == kKinds.end()) throw Error("{}: {} is not a bug", where, Quoted(entry.dump()));
      bug.kind = static_cast<Kind>(kind - kKinds.begin());
      constexpr std::array<std::string_view, 8> kUsed = {"a number", "a b", "number", "", "", "", "", "cells"};
      CheckUsed(entry, kUsed[kind - kKinds.begin()], where);
      bug.a = JsonGetOr<std::string>(entry, "a", "", where);
      bug.b = JsonGetOr<std::string>(entry, "b", "", where);
      bug.number = entry.contains("number") ? number(entry["number"]) : 0;
      if (bug.kind == Kind::kZeros) {
        for (const Json& cell : JsonList(entry, "cells", where, 0, kMostLines * kMostValues)) {
          const bool good = cell.is_array() && cell.size() == 2 && number(cell[0]) >= 0 && number(cell[1]) >= 0;
          if (!good) throw Error("{}: {} is not a row and a place", where, Quoted(cell.dump()));
          bug.cells.emplace_back(cell[0].get<size_t>(), cell[1].get<size_t>());
        }
      }
      puzzle.bugs.push_back(bug);
    }
    const Json question = instance.data.value("question", Json());
    puzzle.question.kind = JsonGet<std::string>(question, "kind", where);
    puzzle.question.column = JsonGetOr<std::string>(question, "column", "", where);
    puzzle.question.where = JsonGetOr<std::string>(question, "where", "", where);
    puzzle.question.more = question.contains("more") ? number(question["more"]) : 0;
    const bool counts = puzzle.question.kind == "count";
    const bool known = counts || puzzle.question.kind == "sum" || puzzle.question.kind == "largest";
    const auto there = [&](const std::string& column) { return IndexOf(puzzle.table.columns, column) >= 0; };
    CheckUsed(question,
              std::string(counts ? "" : "column ") + (counts || !puzzle.question.where.empty() ? "where more" : ""),
              where);
    if (!known || (counts ? puzzle.question.where.empty() : !there(puzzle.question.column)) ||
        (!puzzle.question.where.empty() && !there(puzzle.question.where))) {
      throw Error("{}: \"question\" must have a kind (sum, count, largest) and columns of the table", where);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::buggy_tables

namespace fulgur {
std::unique_ptr<Task> MakeBuggyTables() { return std::make_unique<buggy_tables::BuggyTables>(); }
}  // namespace fulgur
