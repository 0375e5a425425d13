#include "envs/crossword.h"

#include <algorithm>

#include "base/error.h"
#include "envs/answer.h"
#include "envs/lists.h"

namespace fulgur {
namespace {

constexpr int kMostSide = 16;
constexpr size_t kMostWords = 400, kMostLetters = 16;

std::string In(const Slot& slot, std::string_view cells) {
  std::string text;
  for (const int cell : slot.cells) text += cells[cell];
  return text;
}

// "across 1 2": the row and the column it begins in.
std::string Name(const Crossword& crossword, const Slot& slot) {
  const int first = slot.cells[0];
  return fmt::format("{} {} {}", slot.across ? "across" : "down", first / crossword.columns + 1,
                     first % crossword.columns + 1);
}

class Filling {
 public:
  Filling(const Crossword& crossword, int most_tries, bool words)
      : crossword_(crossword), slots_(Slots(crossword)), most_tries_(most_tries), words_(words) {
    run_.cells = crossword.cells;
    open_.assign(slots_.size(), true);
    used_.assign(crossword.words.size(), false);
  }

  CrosswordRun Run() {
    run_.solved = Fill(0);
    return std::move(run_);
  }

 private:
  bool Fits(size_t word, const Slot& slot) const {
    const std::string& letters = crossword_.words[word];
    if (used_[word] || letters.size() != slot.cells.size()) return false;
    for (size_t i = 0; i < letters.size(); ++i) {
      const char cell = run_.cells[slot.cells[i]];
      if (cell != '_' && cell != letters[i]) return false;
    }
    return true;
  }

  bool Fill(size_t done) {
    if (done == slots_.size()) return true;
    size_t best = 0, fewest = crossword_.words.size() + 1;
    for (size_t s = 0; s < slots_.size() && fewest > 0; ++s) {
      if (!open_[s]) continue;
      size_t fits = 0;
      for (size_t w = 0; w < crossword_.words.size() && fits < fewest; ++w) fits += Fits(w, slots_[s]);
      if (fits < fewest) best = s, fewest = fits;
    }
    const Slot& slot = slots_[best];
    std::vector<size_t> fitting;
    for (size_t w = 0; w < crossword_.words.size(); ++w) {
      if (Fits(w, slot)) fitting.push_back(w);
    }
    const std::string before = run_.cells;
    if (words_) {
      std::vector<std::string> names;
      for (const size_t w : fitting) names.push_back(crossword_.words[w]);
      run_.text += fmt::format("{} {} fits {}\n", Name(crossword_, slot), In(slot, before),
                               names.empty() ? "nothing" : Join(names, " "));
    }
    open_[best] = false;
    for (const size_t w : fitting) {
      if (++run_.tried > most_tries_) break;
      for (size_t i = 0; i < slot.cells.size(); ++i) run_.cells[slot.cells[i]] = crossword_.words[w][i];
      used_[w] = true;
      if (words_) run_.text += GridText(crossword_, run_.cells, " ") + "\n";
      if (Fill(done + 1)) return true;
      used_[w] = false;
      run_.cells = before;
      ++run_.returns;
      if (words_)
        run_.text += fmt::format("not {}, back to {}\n", crossword_.words[w], GridText(crossword_, before, " "));
    }
    open_[best] = true;
    return false;
  }

  const Crossword& crossword_;
  std::vector<Slot> slots_;
  int most_tries_;
  bool words_;
  CrosswordRun run_;
  std::vector<bool> open_, used_;
};

}  // namespace

std::vector<Slot> Slots(const Crossword& crossword) {
  std::vector<Slot> slots;
  for (const bool across : {true, false}) {
    const int lines = across ? crossword.rows : crossword.columns;
    const int length = across ? crossword.columns : crossword.rows;
    for (int line = 0; line < lines; ++line) {
      Slot slot{across, {}};
      for (int i = 0; i <= length; ++i) {
        const int cell = across ? line * crossword.columns + i : i * crossword.columns + line;
        if (i < length && crossword.cells[cell] != '.') {
          slot.cells.push_back(cell);
          continue;
        }
        if (slot.cells.size() > 1) slots.push_back(slot);
        slot.cells.clear();
      }
    }
  }
  return slots;
}

std::string GridText(const Crossword& crossword, std::string_view cells, const char* separator) {
  std::string text;
  for (int row = 0; row < crossword.rows; ++row) {
    if (row > 0) text += separator;
    text += cells.substr(row * crossword.columns, crossword.columns);
  }
  return text;
}

Crossword ReadCrossword(const Json& data, const std::string& where, bool all) {
  Crossword crossword;
  crossword.all = all;
  const std::vector<std::string> rows = SplitList(JsonGet<std::string>(data, "grid", where));
  for (const std::string& row : rows) {
    crossword.cells += row;
    if (row.size() != rows[0].size()) throw Error("{}: \"grid\": rows of different length", where);
  }
  if (rows.empty() || rows.size() > kMostSide || rows[0].size() > kMostSide) {
    throw Error("{}: \"grid\" must have 1 to {} rows and columns", where, kMostSide);
  }
  crossword.rows = static_cast<int>(rows.size());
  crossword.columns = static_cast<int>(rows[0].size());
  for (const char c : crossword.cells) {
    if (c != '.' && c != '_' && (c < 'a' || c > 'z')) {
      throw Error("{}: \"grid\" must be of . and _ and small letters", where);
    }
  }
  crossword.words = JsonNames(data, "words", where, 1, kMostWords);
  for (const std::string& word : crossword.words) {
    const bool letters = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (!letters || word.size() < 2 || word.size() > kMostLetters) {
      throw Error("{}: \"words\": {} is not a word of 2 to {} small letters", where, Quoted(word), kMostLetters);
    }
  }
  const std::vector<Slot> slots = Slots(crossword);
  std::vector<bool> covered(crossword.cells.size());
  for (const Slot& slot : slots) {
    for (const int cell : slot.cells) covered[cell] = true;
  }
  for (size_t cell = 0; cell < covered.size(); ++cell) {
    if (!covered[cell] && crossword.cells[cell] != '.') throw Error("{}: \"grid\": a cell belongs to no word", where);
  }
  if (slots.empty() || slots.size() > crossword.words.size() || (all && slots.size() < crossword.words.size())) {
    throw Error("{}: {} places for {} words", where, slots.size(), crossword.words.size());
  }
  return crossword;
}

CrosswordRun FillCrossword(const Crossword& crossword, int most_tries, bool words) {
  return Filling(crossword, most_tries, words).Run();
}

Score JudgeCrossword(const Crossword& crossword, const std::string& answer) {
  const std::vector<std::string> rows = AnswerRows(answer);
  if (static_cast<int>(rows.size()) != crossword.rows) {
    return {0, fmt::format("{} rows instead of {}", rows.size(), crossword.rows)};
  }
  std::string cells;
  for (const std::string& row : rows) {
    if (static_cast<int>(row.size()) != crossword.columns) {
      return {0, fmt::format("row {} has not {} cells", Quoted(row), crossword.columns)};
    }
    cells += ToLower(row);
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    const char c = cells[i], given = crossword.cells[i];
    const bool letter = c >= 'a' && c <= 'z';
    if (given == '_' ? !letter : c != given) {
      return {0, fmt::format("{} in row {}, column {}", Quoted(std::string(1, c)), i / crossword.columns + 1,
                             i % crossword.columns + 1)};
    }
  }
  std::vector<bool> used(crossword.words.size());
  for (const Slot& slot : Slots(crossword)) {
    const std::string word = In(slot, cells);
    const int at = IndexOf(crossword.words, word);
    if (at < 0) return {0, Quoted(word) + " is not on the list"};
    if (used[at]) return {0, Quoted(word) + " is used twice"};
    used[at] = true;
  }
  // With as many runs as words, all of them different, every word is used.
  return {1, ""};
}

}  // namespace fulgur
