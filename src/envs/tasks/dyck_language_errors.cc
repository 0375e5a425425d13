// The first wrong symbol of a sequence of brackets: a stack of the open ones, restated after every symbol, until one
// does not fit.
//
// Difficulty: symbols: 1: 3 to 5, 2: 5 to 7, 3: 8 to 10, 4: 11 to 16, 5: 17 to 30, 6: 31 to 60. About one sequence in
// five is right, and one in five only lacks symbols at the end. 7 and 8: as 4 and 6, also { }, and -1 if all is right.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::dyck_language_errors {
namespace {

constexpr std::string_view kOpen = "([<{", kClose = ")]>}";
struct Level {
  int shortest, longest;
  size_t depth;
  size_t kinds = 3;  // of brackets
  int if_right = 0;  // the answer if there is no error
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {3, 5, 3},
                                           {5, 7, 4},
                                           {8, 10, 4},
                                           {11, 16, 6},
                                           {17, 30, 8},
                                           {31, 60, 10},
                                           {11, 16, 6, 4, -1},
                                           {31, 60, 10, 4, -1}}};
constexpr size_t kMostSymbols = 400;

bool IsOpen(char c) { return kOpen.find(c) != std::string_view::npos; }
char Closing(char open) { return kClose[kOpen.find(open)]; }

std::string Spaced(std::string_view symbols) {
  std::string text;
  for (const char c : symbols) text += std::string(text.empty() ? "" : " ") + c;
  return text;
}

// Reads one symbol onto the stack; false if it closes something else than the last open bracket.
bool Push(char c, std::string* stack) {
  if (IsOpen(c)) {
    stack->push_back(c);
    return true;
  }
  if (stack->empty() || Closing(stack->back()) != c) return false;
  stack->pop_back();
  return true;
}

// 1 for the first symbol; one more than there are symbols if only the end is missing; 0 if nothing is wrong.
int64_t FirstError(std::string_view symbols) {
  std::string stack;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (!Push(symbols[i], &stack)) return static_cast<int64_t>(i) + 1;
  }
  return stack.empty() ? 0 : static_cast<int64_t>(symbols.size()) + 1;
}

class DyckLanguageErrors : public Task {
 public:
  const char* name() const override { return "dyck_language_errors"; }
  const char* description() const override { return "Find the first wrong symbol of a sequence of brackets"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"symbols", "up to 400 brackets ( ) [ ] { } < >"},
            {"if_right", "0 or -1: the answer if nothing is wrong; 0 if it is not there", true}};
  }

  // 1 ( stack (
  // 2 [ stack ( [
  // 3 ) closes [ wrong
  Solution Work(const TaskInstance& instance) const override {
    const std::string symbols = Read(instance);
    std::string stack, thinking;
    for (size_t i = 0; i < symbols.size(); ++i) {
      const char top = stack.empty() ? ' ' : stack.back();
      if (!Push(symbols[i], &stack)) {
        thinking +=
            fmt::format("{} {} closes {} wrong\n", i + 1, symbols[i], top == ' ' ? "nothing" : std::string(1, top));
        break;
      }
      thinking += fmt::format("{} {} stack {}\n", i + 1, symbols[i], stack.empty() ? "empty" : Spaced(stack));
    }
    const int64_t error = FirstError(symbols);
    if (error == 0) thinking += "end, stack empty, right\n";
    if (error > static_cast<int64_t>(symbols.size())) {
      thinking += fmt::format("end, stack {}, {} missing\n", Spaced(stack), error);
    }
    const int64_t answer = Answer(instance);
    return {thinking + fmt::format("answer {}", answer), BoxedAnswer(std::to_string(answer))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const auto length = static_cast<size_t>(rng.Int(level.shortest, level.longest));
    enum { kRight, kOpenEnd, kWrong } kind = kWrong;
    if (const double draw = rng.Uniform(); draw < 0.2 && length % 2 == 0) {
      kind = kRight;
    } else if (draw >= 0.8) {
      kind = kOpenEnd;
    }
    const size_t wrong = rng.Below(length);
    std::string symbols, stack;
    // All symbols fit but the one at `wrong`; what follows it is as if it had fitted.
    while (symbols.size() < length) {
      const size_t left = length - symbols.size();
      const bool must_close = kind == kRight && stack.size() >= left;
      const bool must_open = stack.empty() || (kind == kOpenEnd && left == 1 && stack.size() == 1);
      const bool open = !must_close && (must_open || (stack.size() < level.depth && rng.Chance(0.55)));
      const char symbol = open ? rng.Pick(kOpen.substr(0, level.kinds)) : Closing(stack.back());
      symbols += symbol;
      Push(symbol, &stack);
      if (kind != kWrong || symbols.size() != wrong + 1) continue;
      // Another closing bracket in its place.
      const char right = IsOpen(symbol) ? (stack.size() > 1 ? Closing(stack[stack.size() - 2]) : ' ') : symbol;
      do {
        symbols.back() = rng.Pick(kClose.substr(0, level.kinds));
      } while (symbols.back() == right);
    }
    instance->data = {{"symbols", Spaced(symbols)}};
    if (level.if_right != 0) instance->data["if_right"] = level.if_right;
    const std::array<std::string, 2> prompts = {
        fmt::format(
            "Which symbol is the first error in these brackets? {}\nA symbol is an error if it closes anything but "
            "the last open bracket.",
            Spaced(symbols)),
        fmt::format("Find the first wrong symbol: {}\nEvery closing bracket must close the last one that is open.",
                    Spaced(symbols))};
    instance->prompt = rng.Pick(prompts) + fmt::format(
                                               " Put its number, from 1, in \\boxed{{}}; {} if all is right; if only "
                                               "closing brackets are missing at the end, the number of symbols plus 1.",
                                               level.if_right);
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    return JudgeInteger(Answer(instance), answer);
  }

 private:
  static int64_t Answer(const TaskInstance& instance) {
    const std::string where = "data of dyck_language_errors";
    const int64_t error = FirstError(Read(instance)),
                  if_right = JsonGetOr<int64_t>(instance.data, "if_right", 0, where);
    if (if_right != 0 && if_right != -1) throw Error("{}: \"if_right\" must be 0 or -1, not {}", where, if_right);
    return error == 0 ? if_right : error;
  }

  static std::string Read(const TaskInstance& instance) {
    const std::string where = "data of dyck_language_errors";
    std::string symbols;
    for (const std::string& piece : SplitList(JsonGet<std::string>(instance.data, "symbols", where))) symbols += piece;
    for (const char c : symbols) {
      if (!IsOpen(c) && kClose.find(c) == std::string_view::npos) {
        throw Error("{}: \"symbols\": {} is no bracket", where, Quoted(std::string(1, c)));
      }
    }
    if (symbols.empty() || symbols.size() > kMostSymbols) {
      throw Error("{}: \"symbols\" must be 1 to {} of ( ) [ ] {{ }} < >", where, kMostSymbols);
    }
    return symbols;
  }
};

}  // namespace
}  // namespace fulgur::dyck_language_errors

namespace fulgur {
std::unique_ptr<Task> MakeDyckLanguageErrors() { return std::make_unique<dyck_language_errors::DyckLanguageErrors>(); }
}  // namespace fulgur
