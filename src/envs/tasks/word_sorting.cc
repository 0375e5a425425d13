// Sorting words alphabetically: every word is written with its first letters before it, then the least is taken again
// and again.
//
// Difficulty: number of words: 1: 3, 2: 4, 3: 5, 4: 6, 5: 8, 6: 12, 7: 20. Up to 2, the words begin with different
// letters; up to 4, the first two letters tell them apart. 8 and 9: 8 and 20 words, an alphabet that begins with other
// letters, and either direction.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"
#include "envs/words.h"

namespace fulgur::word_sorting {
namespace {

constexpr std::array<int, 10> kWords = {0, 3, 4, 5, 6, 8, 12, 20, 8, 20};
constexpr int kUsual = 7;  // the last level with the usual alphabet

struct Puzzle {
  std::vector<std::string> words;
  std::string front;  // letters that come before all others
  bool descending = false;
};

void Sort(const Puzzle& puzzle, std::vector<std::string>* words) {
  const auto rank = [&](char c) {
    const size_t at = puzzle.front.find(c);
    return at != std::string::npos ? static_cast<int>(at)
                                   : static_cast<int>(puzzle.front.size()) + static_cast<unsigned char>(c);
  };
  std::sort(words->begin(), words->end(), [&](const std::string& a, const std::string& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char x, char y) { return rank(x) < rank(y); });
  });
}

std::string Join(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

// Every word with its first letters before it, apart: "p e pear, a p apple".
std::string Keyed(const std::vector<std::string>& words, size_t letters) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    for (const char c : word.substr(0, letters)) text += std::string(1, c) + " ";
    text += word;
  }
  return text;
}

class WordSorting : public Task {
 public:
  const char* name() const override { return "word_sorting"; }
  const char* description() const override { return "Sort words alphabetically"; }
  int max_difficulty() const override { return 9; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"words", "list of words"},
            {"front", "letters that come before all others, in their order, such as \"qz\"", true},
            {"descending", "true: from the last to the first", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> words = puzzle.words;
    size_t letters = 2;
    while (letters < 8 && !DifferInFirst(words, letters)) ++letters;
    std::string thinking = puzzle.front.empty() ? "" : "first" + Apart(puzzle.front) + "\n";
    thinking += fmt::format("words {}\n", Keyed(words, letters));
    Sort(puzzle, &words);
    thinking += fmt::format("sorted {}", Keyed(words, letters));
    if (puzzle.descending) {
      std::reverse(words.begin(), words.end());
      thinking += fmt::format("\nbackwards {}", Join(words, " "));
    }
    return {thinking, BoxedAnswer(Join(words, " "))};
  }

  std::string Key(const TaskInstance& instance) const override {
    Puzzle puzzle = Read(instance);
    std::sort(puzzle.words.begin(), puzzle.words.end());
    return Join(puzzle.words, " ") + (puzzle.front.empty() ? "" : ", first" + Apart(puzzle.front)) +
           (puzzle.descending ? ", backwards" : "");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    std::vector<std::string> words;
    while (static_cast<int>(words.size()) < kWords[difficulty]) {
      words.emplace_back(rng.Pick(CommonWords()));
      if (!DifferInFirst(words, difficulty <= 2 ? 1 : difficulty <= 4 ? 2 : 8)) words.pop_back();
    }
    instance->data = {{"words", words}};
    if (difficulty > kUsual) {
      DrawAlphabet(rng, difficulty, words, instance);
      return;
    }
    const std::string list = Join(words, " ");
    const std::array<std::string, 3> prompts = {fmt::format("Sort these words alphabetically: {}.", list),
                                                fmt::format("Put these words in alphabetical order: {}.", list),
                                                fmt::format("Order from a to z: {}.", list)};
    instance->prompt = rng.Pick(prompts) + " Put the words, separated by spaces, in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<std::string> words = puzzle.words;
    const std::vector<std::string> given = SplitList(ToLower(answer));
    if (given.size() != words.size()) return {0, fmt::format("{} words instead of {}", given.size(), words.size())};
    Sort(puzzle, &words);
    if (puzzle.descending) std::reverse(words.begin(), words.end());
    for (size_t i = 0; i < words.size(); ++i) {
      if (given[i] != words[i]) {
        return {0, fmt::format("word {} is {} instead of {}", i + 1, Quoted(given[i]), Quoted(words[i]))};
      }
    }
    return {1, ""};
  }

 private:
  static std::string Apart(const std::string& letters) {
    std::string text;
    for (const char c : letters) text += std::string(" ") + c;
    return text;
  }

  // Another alphabet and a direction for these words.
  static void DrawAlphabet(Rng& rng, int difficulty, const std::vector<std::string>& words, TaskInstance* instance) {
    std::string letters;  // those that the words begin with, each once
    for (const std::string& word : words) {
      if (letters.find(word[0]) == std::string::npos) letters += word[0];
    }
    rng.Shuffle<char>(letters);
    const size_t most = std::min<size_t>(difficulty == kUsual + 1 ? 3 : 5, letters.size());
    const std::string front = letters.substr(0, static_cast<size_t>(rng.Int(1, static_cast<int64_t>(most))));
    const bool descending = rng.Chance(0.5);
    instance->data["front"] = front;
    instance->data["descending"] = descending;
    instance->prompt = fmt::format(
        "In a new alphabet {}, and all other letters follow in their usual order. Sort these words by it, {}: {}. Put "
        "the words, separated by spaces, in \\boxed{{}}.",
        front.size() == 1 ? front + " is the first letter"
                          : Enumerate(SplitList(Apart(front))) + ", in this order, are the first letters",
        descending ? "from the last to the first" : "from the first to the last", Join(words, " "));
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of word_sorting";
    Puzzle puzzle;
    const auto words = instance.data.find("words");
    if (!instance.data.is_object() || words == instance.data.end() || !words->is_array() || words->empty()) {
      throw Error("{}: \"words\" must be a list of words", where);
    }
    for (const Json& word : *words) {
      if (!word.is_string() || SplitList(word.get<std::string>()).size() != 1) {
        throw Error("{}: {} is not a word", where, word.dump());
      }
      puzzle.words.push_back(ToLower(word.get<std::string>()));
    }
    puzzle.front = ToLower(JsonGetOr<std::string>(instance.data, "front", "", where));
    for (size_t i = 0; i < puzzle.front.size(); ++i) {
      if (!IsLetter(puzzle.front[i]) || puzzle.front.find(puzzle.front[i]) != i) {
        throw Error("{}: \"front\": {} must be letters from a to z, each once", where, Quoted(puzzle.front));
      }
    }
    puzzle.descending = JsonGetOr<bool>(instance.data, "descending", false, where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::word_sorting

namespace fulgur {
std::unique_ptr<Task> MakeWordSorting() { return std::make_unique<word_sorting::WordSorting>(); }
}  // namespace fulgur
