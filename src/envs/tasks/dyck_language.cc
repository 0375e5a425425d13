// Completing a sequence of brackets: a stack of the open ones, restated with the unread rest after every symbol.
//
// Difficulty: symbols given: 1: 3 to 6, 2: 5 to 7, 3: 8 to 10, 4: 11 to 16, 5: 17 to 30, 6: 31 to 60. At most 4 are
// open at a time up to 3, then 6, 8, 10. 7 and 8: 8 to 16 and 17 to 40 symbols, also { }, and the whole sequence is the
// answer.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::dyck_language {
namespace {

constexpr std::string_view kOpen = "([<{", kClose = ")]>}";
struct Level {
  int shortest, longest, depth;
  size_t kinds = 3;    // of brackets
  bool whole = false;  // the whole sequence is asked for
};
constexpr std::array<Level, 9> kLevels = {{{},
                                           {3, 6, 4},
                                           {5, 7, 4},
                                           {8, 10, 4},
                                           {11, 16, 6},
                                           {17, 30, 8},
                                           {31, 60, 10},
                                           {8, 16, 6, 4, true},
                                           {17, 40, 10, 4, true}}};

char Closing(char open) { return kClose[kOpen.find(open)]; }

std::string Spaced(std::string_view symbols) {
  std::string text;
  for (const char c : symbols) text += std::string(text.empty() ? "" : " ") + c;
  return text;
}

// " ( [" or nothing: what follows a word in a line of the solution.
std::string After(std::string_view symbols) { return symbols.empty() ? "" : " " + Spaced(symbols); }

class DyckLanguage : public Task {
 public:
  const char* name() const override { return "dyck_language"; }
  const char* description() const override { return "Close the brackets that are still open, in the right order"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"symbols", "brackets ( ) [ ] { } < >, the beginning of a balanced sequence, not all of it"},
            {"whole", "true: the answer is the whole sequence, not only what is missing", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const std::string symbols = Read(instance);
    std::string stack, thinking;
    for (size_t i = 0; i <= symbols.size(); ++i) {
      if (i > 0) Push(symbols[i - 1], &stack);
      if (i < symbols.size()) thinking += fmt::format("left{} stack{}\n", After(symbols.substr(i)), After(stack));
    }
    std::string closing;
    while (!stack.empty()) {
      closing += Closing(stack.back());
      thinking += fmt::format("stack{} close{}\n", After(stack), After(closing));
      stack.pop_back();
    }
    if (IsWhole(instance)) return {thinking + "stack empty", BoxedAnswer(Spaced(symbols + closing))};
    // Without its partner a brace would end the box.
    std::string boxed;
    for (const char c : Spaced(closing)) boxed += (c == '}' ? "\\" : "") + std::string(1, c);
    return {thinking + "stack empty", BoxedAnswer(boxed)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level level = kLevels[difficulty];
    const int length = static_cast<int>(rng.Int(level.shortest, level.longest));
    std::string symbols, stack;
    while (static_cast<int>(symbols.size()) < length || stack.empty()) {
      if (static_cast<int>(symbols.size()) == length) symbols.clear();  // nothing left to close: draw again
      const bool full = static_cast<int>(stack.size()) == level.depth;
      const bool open = stack.empty() || (!full && rng.Chance(0.6));
      symbols += open ? rng.Pick(kOpen.substr(0, level.kinds)) : Closing(stack.back());
      Push(symbols.back(), &stack);
    }
    instance->data = {{"symbols", Spaced(symbols)}};
    if (level.whole) {
      instance->data["whole"] = true;
      instance->prompt = fmt::format(
          "Complete these brackets with as few symbols as possible, so that every one is closed: {}\nPut the whole "
          "sequence, with the brackets that are given, in \\boxed{{}}.",
          Spaced(symbols));
      return;
    }
    const std::array<std::string, 3> prompts = {
        fmt::format("Complete the brackets: {}", Spaced(symbols)),
        fmt::format("Close all open brackets: {}", Spaced(symbols)),
        fmt::format("Which brackets are missing at the end? {}", Spaced(symbols))};
    instance->prompt = rng.Pick(prompts) + "\nPut only the missing brackets in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    std::string stack, given;
    const std::string symbols = Read(instance);
    for (const char c : symbols) Push(c, &stack);
    for (const std::string& piece : SplitList(answer)) given += piece;
    if (IsWhole(instance)) {
      if (!given.starts_with(symbols)) return {0, Quoted(given) + " does not begin with the brackets that are given"};
      given.erase(0, symbols.size());
    }
    for (const char c : given) {
      if (kClose.find(c) == std::string_view::npos) return {0, Quoted(given) + " has more than closing brackets"};
      if (stack.empty()) return {0, "closes more brackets than are open"};
      if (Closing(stack.back()) != c) {
        return {0, fmt::format("'{}' where '{}' is to be closed", c, stack.back())};
      }
      stack.pop_back();
    }
    if (!stack.empty()) return {0, fmt::format("leaves {} brackets open", stack.size())};
    return {1, ""};
  }

 private:
  static void Push(char c, std::string* stack) {
    if (kOpen.find(c) != std::string_view::npos) {
      stack->push_back(c);
    } else {
      stack->pop_back();
    }
  }

  static bool IsWhole(const TaskInstance& instance) {
    return JsonGetOr<bool>(instance.data, "whole", false, "data of dyck_language");
  }

  static std::string Read(const TaskInstance& instance) {
    const std::string where = "data of dyck_language";
    std::string symbols, stack;
    for (const std::string& piece : SplitList(JsonGet<std::string>(instance.data, "symbols", where))) symbols += piece;
    for (const char c : symbols) {
      const bool open = kOpen.find(c) != std::string_view::npos;
      if (!open && (stack.empty() || Closing(stack.back()) != c)) {
        throw Error("{}: \"symbols\" must begin a balanced sequence of ( ) [ ] {{ }} < >", where);
      }
      Push(c, &stack);
    }
    if (stack.empty()) throw Error("{}: \"symbols\" leaves nothing to close", where);
    return symbols;
  }
};

}  // namespace
}  // namespace fulgur::dyck_language

namespace fulgur {
std::unique_ptr<Task> MakeDyckLanguage() { return std::make_unique<dyck_language::DyckLanguage>(); }
}  // namespace fulgur
