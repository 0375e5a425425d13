// Someone reads a sequence of brackets and writes down the stack of open ones after every symbol; which of the steps
// are wrong? The right stack is written beside every step.
//
// Difficulty: symbols: 1: 3, 2: 4, 3: 5 or 6, 4: 8 to 10, 5: 12 to 16, 6: 20 to 30; up to 1, 1, 2, 2, 3, 5 steps are
// wrong.
#include <algorithm>
#include <array>
#include <set>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::dyck_language_reasoning_errors {
namespace {

constexpr std::string_view kOpen = "([<", kClose = ")]>";
struct Level {
  int shortest, longest;
  size_t depth;
  int wrong;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 3, 3, 1}, {4, 4, 3, 1}, {5, 6, 4, 2}, {8, 10, 5, 2}, {12, 16, 6, 3}, {20, 30, 7, 5}}};
constexpr size_t kMostSymbols = 100;

bool IsOpen(char c) { return kOpen.find(c) != std::string_view::npos; }
char Closing(char open) { return kClose[kOpen.find(open)]; }

std::string Spaced(std::string_view symbols) {
  std::string text;
  for (const char c : symbols) text += std::string(text.empty() ? "" : " ") + c;
  return symbols.empty() ? "empty" : text;
}

void Push(char c, std::string* stack) {
  if (IsOpen(c)) {
    stack->push_back(c);
  } else {
    stack->pop_back();
  }
}

class DyckLanguageReasoningErrors : public Task {
 public:
  const char* name() const override { return "dyck_language_reasoning_errors"; }
  const char* description() const override { return "Find the wrong steps of someone who reads brackets onto a stack"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"symbols", "brackets ( ) [ ] < >, the beginning of a balanced sequence; at most 100"},
            {"steps", "list of one stack a symbol as it is noted, such as \"( [\", or \"empty\""}};
  }

  // 1 ( right ( shown ( same
  // 2 [ right ( [ shown [ wrong
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking, stack;
    std::vector<std::string> wrong;
    for (size_t i = 0; i < puzzle.symbols.size(); ++i) {
      Push(puzzle.symbols[i], &stack);
      const bool same = puzzle.shown[i] == stack;
      thinking += fmt::format("{} {} right {} shown {} {}\n", i + 1, puzzle.symbols[i], Spaced(stack),
                              Spaced(puzzle.shown[i]), same ? "same" : "wrong");
      if (!same) wrong.push_back(std::to_string(i + 1));
    }
    const std::string answer = wrong.empty() ? "none" : Join(wrong, ", ");
    return {thinking + "answer " + answer, BoxedAnswer(answer)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const auto length = static_cast<size_t>(rng.Int(level.shortest, level.longest));
    std::string symbols, stack;
    std::vector<std::string> shown;
    while (symbols.size() < length) {
      const bool open = stack.empty() || (stack.size() < level.depth && rng.Chance(0.6));
      symbols += open ? rng.Pick(kOpen) : Closing(stack.back());
      Push(symbols.back(), &stack);
      shown.push_back(stack);
    }
    for (int64_t wrong = rng.Int(rng.Chance(0.85) ? 1 : 0, level.wrong); wrong > 0; --wrong) {
      const size_t step = rng.Below(length);
      shown[step] = Spoiled(rng, symbols[step], step == 0 ? "" : shown[step - 1], shown[step]);
    }
    std::vector<std::string> steps;
    std::string lines;
    for (size_t i = 0; i < length; ++i) {
      steps.push_back(Spaced(shown[i]));
      lines += fmt::format("{}. {} stack {}\n", i + 1, symbols[i], steps.back());
    }
    std::string spaced = Spaced(symbols);
    instance->data = {{"symbols", spaced}, {"steps", steps}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Someone reads brackets and notes after each symbol those still open, as a stack:\n{}", lines),
        fmt::format("These notes say which brackets are open after each symbol:\n{}", lines)};
    instance->prompt =
        rng.Pick(prompts) +
        "Compare every note with the brackets that are really open after all symbols up to there, whatever the notes "
        "before it say. Which notes are wrong? Put all their numbers, or none, in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::set<int64_t> wrong, given;
    std::string stack;
    for (size_t i = 0; i < puzzle.symbols.size(); ++i) {
      Push(puzzle.symbols[i], &stack);
      if (puzzle.shown[i] != stack) wrong.insert(static_cast<int64_t>(i) + 1);
    }
    const std::vector<std::string> words = AnswerWords(answer);
    if (words.size() != 1 || words[0] != "none") {
      for (const std::string& word : words) {
        int64_t number = 0;
        if (!ParseInteger(word, &number)) return {0, Quoted(word) + " is not a number"};
        if (!given.insert(number).second) return {0, fmt::format("{} is there twice", number)};
      }
      if (given.empty()) return {0, "no number and not none"};
    }
    for (const int64_t number : given) {
      if (wrong.count(number) == 0) return {0, fmt::format("step {} is not wrong", number)};
    }
    if (given.size() < wrong.size()) return {0, fmt::format("{} steps are wrong", wrong.size())};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::string symbols;
    std::vector<std::string> shown;  // stack after each symbol
  };

  // Another stack than `right`: the symbol was ignored, put on where it closes, taken for another, or one more was
  // lost.
  static std::string Spoiled(Rng& rng, char symbol, const std::string& before, const std::string& right) {
    for (;;) {
      std::string wrong = right;
      switch (rng.Below(4)) {
        case 0:
          wrong = before;
          break;
        case 1:
          if (!right.empty()) wrong[rng.Below(right.size())] = rng.Pick(kOpen);
          break;
        case 2:
          if (!right.empty()) wrong.erase(rng.Below(right.size()), 1);
          break;
        default:
          wrong = before + (IsOpen(symbol) ? std::string(2, symbol) : std::string(1, rng.Pick(kOpen)));
      }
      if (wrong != right) return wrong;
    }
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of dyck_language_reasoning_errors";
    Puzzle puzzle;
    std::string stack;
    for (const std::string& piece : SplitList(JsonGet<std::string>(instance.data, "symbols", where))) {
      for (const char c : piece) {
        if (!IsOpen(c) && (stack.empty() || Closing(stack.back()) != c)) {
          throw Error("{}: \"symbols\" must begin a balanced sequence of ( ) [ ] < >", where);
        }
        Push(c, &stack);
        puzzle.symbols += c;
      }
    }
    if (puzzle.symbols.empty() || puzzle.symbols.size() > kMostSymbols) {
      throw Error("{}: \"symbols\" must be 1 to {} of ( ) [ ] < >", where, kMostSymbols);
    }
    for (const std::string& step :
         JsonTexts(instance.data, "steps", where, puzzle.symbols.size(), puzzle.symbols.size())) {
      std::string shown;
      for (const std::string& piece : SplitList(step == "empty" ? "" : step)) shown += piece;
      if (!std::all_of(shown.begin(), shown.end(), IsOpen)) throw Error("{}: {} is no stack", where, Quoted(step));
      puzzle.shown.push_back(shown);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::dyck_language_reasoning_errors

namespace fulgur {
std::unique_ptr<Task> MakeDyckLanguageReasoningErrors() {
  return std::make_unique<dyck_language_reasoning_errors::DyckLanguageReasoningErrors>();
}
}  // namespace fulgur
