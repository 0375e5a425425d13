// Words that cross: every word of the list belongs into one place of the grid. The place that the fewest words fit is
// filled first, and the grid is restated.
//
// Difficulty: words and letters that are given: 1: 2 and 1, 2: 3 and 1, 3: 4 and 2, 4: 5 and 1, 5: 7 and 1, 6: 10 and
// 0. Up to 3 the words have up to 5 letters and every step fits the first word that is tried.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/crossword.h"
#include "envs/lists.h"
#include "envs/task.h"
#include "envs/words.h"

namespace fulgur::wordscapes {
namespace {

struct Level {
  size_t words;
  int given;
  size_t longest;
  int side;  // at most so many rows and columns
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {2, 1, 5, 5}, {3, 1, 5, 6}, {4, 2, 5, 7}, {5, 1, 7, 9}, {7, 1, 7, 11}, {10, 0, 7, 13}}};
constexpr int kMostTries = 20'000;

// A board large enough for words to grow in all directions.
class Board {
 public:
  explicit Board(int side) : side_(side) {}

  // Puts the word where it crosses another, somewhere at random; false if it fits nowhere.
  bool Add(Rng& rng, const std::string& word) {
    struct Place {
      bool across;
      int row, column;
    };
    const int length = static_cast<int>(word.size());
    std::vector<Place> places;
    if (bottom_ < top_) {
      places.push_back({rng.Chance(0.5), kMiddle, kMiddle});
    } else {
      for (int row = top_; row <= bottom_; ++row) {
        for (int column = left_; column <= right_; ++column) {
          for (int i = 0; i < length; ++i) {
            if (At(row, column) != word[i]) continue;
            for (const bool across : {true, false}) {
              const Place place = {across, across ? row : row - i, across ? column - i : column};
              if (Fits(word, place.across, place.row, place.column)) places.push_back(place);
            }
          }
        }
      }
    }
    if (places.empty()) return false;
    const Place place = rng.Pick(places);
    for (int i = 0; i < length; ++i) cells_[Index(place.across, place.row, place.column, i)] = word[i];
    const int last_row = place.row + (place.across ? 0 : length - 1);
    const int last_column = place.column + (place.across ? length - 1 : 0);
    const bool first = bottom_ < top_;
    top_ = first ? place.row : std::min(top_, place.row);
    left_ = first ? place.column : std::min(left_, place.column);
    bottom_ = std::max(bottom_, last_row);
    right_ = std::max(right_, last_column);
    return true;
  }

  void Crop(Crossword* crossword) const {
    crossword->rows = bottom_ - top_ + 1;
    crossword->columns = right_ - left_ + 1;
    for (int row = top_; row <= bottom_; ++row) {
      for (int column = left_; column <= right_; ++column) crossword->cells += At(row, column);
    }
  }

 private:
  static constexpr int kSide = 40, kMiddle = kSide / 2;

  static int Index(bool across, int row, int column, int i) {
    return (across ? row : row + i) * kSide + (across ? column + i : column);
  }
  char At(int row, int column) const { return cells_[row * kSide + column]; }

  bool Fits(const std::string& word, bool across, int row, int column) const {
    const int length = static_cast<int>(word.size());
    const int last_row = row + (across ? 0 : length - 1), last_column = column + (across ? length - 1 : 0);
    if (std::max(bottom_, last_row) - std::min(top_, row) >= side_ ||
        std::max(right_, last_column) - std::min(left_, column) >= side_) {
      return false;
    }
    // Nothing continues it.
    if (cells_[Index(across, row, column, -1)] != '.' || cells_[Index(across, row, column, length)] != '.')
      return false;
    bool crosses = false;
    for (int i = 0; i < length; ++i) {
      const int cell = Index(across, row, column, i), beside = across ? kSide : 1;
      if (cells_[cell] == '.') {
        if (cells_[cell - beside] != '.' || cells_[cell + beside] != '.') return false;
        continue;
      }
      if (cells_[cell] != word[i]) return false;
      // A letter of a word in the same direction has a neighbour along it.
      const int along = across ? 1 : kSide;
      if (cells_[cell - along] != '.' || cells_[cell + along] != '.') return false;
      crosses = true;
    }
    return crosses;
  }

  int side_;
  int top_ = 1, bottom_ = 0, left_ = 1, right_ = 0;
  std::string cells_ = std::string(kSide * kSide, '.');
};

class Wordscapes : public Task {
 public:
  const char* name() const override { return "wordscapes"; }
  const char* description() const override { return "Put all words of a list into a grid where they cross"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid",
             "rows separated by spaces: . for a blocked cell, _ for a letter to fill in, letters that are given; at "
             "most 16 rows and columns"},
            {"words", "list of lowercase words; each is used once"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Crossword crossword = Read(instance);
    CrosswordRun run = FillCrossword(crossword, kMostTries, true);
    if (!run.solved) throw Error("data of wordscapes: no way to put in the words was found in {} tries", kMostTries);
    run.text.pop_back();
    return {run.text, BoxedAnswer(GridText(crossword, run.cells, " "))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Crossword crossword;
    for (;;) {
      crossword = {};
      crossword.all = true;
      Board board(level.side);
      for (int attempts = 0; attempts < 100 && crossword.words.size() < level.words; ++attempts) {
        const std::string word(rng.Pick(CommonWords()));
        if (word.size() > level.longest || IndexOf(crossword.words, word) >= 0 || !board.Add(rng, word)) continue;
        crossword.words.push_back(word);
      }
      if (crossword.words.size() < level.words) continue;
      std::sort(crossword.words.begin(), crossword.words.end());
      board.Crop(&crossword);
      std::vector<size_t> letters;
      for (size_t i = 0; i < crossword.cells.size(); ++i) {
        if (crossword.cells[i] != '.') letters.push_back(i);
      }
      rng.Shuffle<size_t>(letters);
      for (size_t i = level.given; i < letters.size(); ++i) crossword.cells[letters[i]] = '_';
      const CrosswordRun run = FillCrossword(crossword, 200, false);
      if (run.solved && (difficulty > 3 || run.returns == 0)) break;
    }
    const std::string words = Join(crossword.words, ", ");
    instance->data = {{"grid", GridText(crossword, crossword.cells, " ")}, {"words", crossword.words}};
    const std::array<std::string, 2> openings = {fmt::format("Put the words {} into this grid:", words),
                                                 fmt::format("Fill this grid with the words {}:", words)};
    instance->prompt = fmt::format(
        "{}\n{}\n_ is a letter to fill in, . stays. Across and down, every run of two or more letters is one of the "
        "words, "
        "and each word is used once. Put the rows in \\boxed{{}}.",
        rng.Pick(openings), GridText(crossword, crossword.cells, "\n"));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    return JudgeCrossword(Read(instance), answer);
  }

 private:
  static Crossword Read(const TaskInstance& instance) {
    return ReadCrossword(instance.data, "data of wordscapes", true);
  }
};

}  // namespace
}  // namespace fulgur::wordscapes

namespace fulgur {
std::unique_ptr<Task> MakeWordscapes() { return std::make_unique<wordscapes::Wordscapes>(); }
}  // namespace fulgur
