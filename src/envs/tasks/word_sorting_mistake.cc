// Someone sorts words by taking the first of those left again and again; which step is the first mistake? Every step is
// done again from what the step before it left, words with their first letters before them.
//
// Difficulty: number of words: 1: 3, 2: 4, 3: 5, 4: 8, 5: 12, 6: 16. Up to 3 the words begin with different letters, at
// 4 the first two tell them apart.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"
#include "envs/words.h"

namespace fulgur::word_sorting_mistake {
namespace {

constexpr std::array<size_t, 7> kWords = {0, 3, 4, 5, 8, 12, 16};
constexpr size_t kMostWords = 40, kMostSteps = 2 * kMostWords, kMostLetters = 8;

// "p pear a apple"
std::string Keyed(const std::vector<std::string>& words, size_t letters) {
  std::string text;
  for (const std::string& word : words) {
    for (const char c : word.substr(0, letters)) text += fmt::format("{}{}", text.empty() ? "" : " ", c);
    text += " " + word;
  }
  return text;
}

std::string Left(const std::vector<std::string>& words) { return words.empty() ? "nothing" : Join(words, " "); }

struct Step {
  std::string take;
  std::vector<std::string> left;
};

// What is wrong with a step from `words`; empty if nothing is.
std::string Mistake(std::vector<std::string> words, const Step& step) {
  const std::string first = *std::min_element(words.begin(), words.end());
  if (step.take != first) return fmt::format("takes {}", step.take);
  words.erase(std::find(words.begin(), words.end(), first));
  std::vector<std::string> left = step.left;
  std::sort(words.begin(), words.end());
  std::sort(left.begin(), left.end());
  return left == words ? "" : fmt::format("leaves {}", Left(step.left));
}

class WordSortingMistake : public Task {
 public:
  const char* name() const override { return "word_sorting_mistake"; }
  const char* description() const override { return "Find the first mistake of someone who sorts words"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"words", "list of up to 40 different words"},
            {"steps", "list of steps, each the word that is taken and then those that are left"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    size_t letters = 1;
    while (letters < kMostLetters && !DifferInFirst(puzzle.words, letters)) ++letters;
    std::string thinking;
    for (size_t i = 0; i < puzzle.steps.size(); ++i) {
      std::vector<std::string> words = i == 0 ? puzzle.words : puzzle.steps[i - 1].left;
      const std::string first = *std::min_element(words.begin(), words.end());
      const std::string mistake = Mistake(words, puzzle.steps[i]);
      thinking += fmt::format("{} {}: first {}", i + 1, Keyed(words, letters), first);
      words.erase(std::find(words.begin(), words.end(), first));
      // What is to be left is of interest only if the right word was taken.
      if (mistake.empty() || puzzle.steps[i].take == first) thinking += fmt::format(" left {}", Left(words));
      thinking += fmt::format(", {}\n", mistake.empty() ? "right" : mistake + " wrong");
      if (!mistake.empty()) break;
    }
    const std::string answer = FirstMistake(puzzle);
    return {thinking + "answer " + answer, BoxedAnswer(answer)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    Puzzle puzzle;
    while (puzzle.words.size() < kWords[difficulty]) {
      puzzle.words.emplace_back(rng.Pick(CommonWords()));
      if (!DifferInFirst(puzzle.words, difficulty <= 3 ? 1 : difficulty == 4 ? 2 : kMostLetters)) {
        puzzle.words.pop_back();
      }
    }
    // The step with the mistake; none if it comes after the last.
    const size_t spoil = rng.Chance(0.2) ? kMostSteps : rng.Below(puzzle.words.size());
    std::vector<std::string> words = puzzle.words;
    while (!words.empty()) {
      Step step = Right(words);
      if (puzzle.steps.size() == spoil) {
        // Another word is taken, one is lost, or the one that was taken stays.
        const uint64_t kind = words.size() == 1 ? 2 : rng.Below(3);
        if (kind == 0) {
          std::swap(step.take, step.left[rng.Below(step.left.size())]);
        } else if (kind == 1) {
          step.left.erase(step.left.begin() + static_cast<std::ptrdiff_t>(rng.Below(step.left.size())));
        } else {
          step.left = words;
        }
      }
      words = step.left;
      puzzle.steps.push_back(step);
    }
    Json steps = Json::array();
    std::string lines;
    for (size_t i = 0; i < puzzle.steps.size(); ++i) {
      const Step& step = puzzle.steps[i];
      Json entry = Json::array({step.take});
      for (const std::string& word : step.left) entry.push_back(word);
      steps.push_back(entry);
      lines += fmt::format("{}. {}, left {}\n", i + 1, step.take, Left(step.left));
    }
    instance->data = {{"words", puzzle.words}, {"steps", steps}};
    const std::array<std::string_view, 2> openings = {
        "Someone sorts words alphabetically, taking the first of those left:",
        "Words are sorted from a to z by taking the first one left:"};
    instance->prompt = fmt::format(
        "{} {}\n{}Which is the first step that takes another word than the first alphabetically of those left "
        "before it, or leaves anything but the others? Put its number, or none, in \\boxed{{}}.",
        rng.Pick(openings), Join(puzzle.words, " "), lines);
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const std::string expected = FirstMistake(Read(instance)), given = ToLower(answer);
    int64_t number = 0;
    if (given != "none" && !ParseInteger(given, &number)) return {0, Quoted(answer) + " is neither a number nor none"};
    if (given != "none" ? std::to_string(number) != expected : expected != given)
      return {0, Quoted(given) + " is wrong"};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::vector<std::string> words;
    std::vector<Step> steps;
  };

  static Step Right(std::vector<std::string> words) {
    const auto first = std::min_element(words.begin(), words.end());
    Step step{*first, {}};
    words.erase(first);
    step.left = words;
    return step;
  }

  static std::string FirstMistake(const Puzzle& puzzle) {
    for (size_t i = 0; i < puzzle.steps.size(); ++i) {
      const std::vector<std::string>& words = i == 0 ? puzzle.words : puzzle.steps[i - 1].left;
      if (!Mistake(words, puzzle.steps[i]).empty()) return std::to_string(i + 1);
    }
    return "none";
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of word_sorting_mistake";
    Puzzle puzzle;
    puzzle.words = JsonNames(instance.data, "words", where, 1, kMostWords);
    for (const Json& entry : JsonList(instance.data, "steps", where, 1, kMostSteps)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      if (texts.empty() || texts.size() > kMostSteps || (!puzzle.steps.empty() && puzzle.steps.back().left.empty())) {
        throw Error("{}: {} is not a step, or nothing is left for it", where, Quoted(entry.dump()));
      }
      puzzle.steps.push_back({texts[0], {texts.begin() + 1, texts.end()}});
    }
    if (!puzzle.steps.back().left.empty()) throw Error("{}: the last of \"steps\" leaves words", where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::word_sorting_mistake

namespace fulgur {
std::unique_ptr<Task> MakeWordSortingMistake() { return std::make_unique<word_sorting_mistake::WordSortingMistake>(); }
}  // namespace fulgur
