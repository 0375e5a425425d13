// Evaluating an expression of True, False, not, and, or: symbols are read from the left onto a stack, and what is
// complete at its top ("not True", "( True and False )") is replaced by its value. Rest and stack are restated after
// every symbol.
//
// Difficulty: values in the expression: 1: 2 or 3, 2: 3 or 4, 3: 4, 4: 5 or 6, 5: 8 or 9, 6: 16; up to 3 at most one
// "not" (before a value or a bracket), then 3, 5, 8. Every pair but the outermost stands in brackets. 7 and 8: which of
// 3 and of 5 expressions are true, two and up to four deep, with comparisons of sums and sentences about the world
// (boolean_options.h).
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/boolean_options.h"
#include "envs/task.h"

namespace fulgur::boolean_expressions {
namespace {

struct Level {
  int fewest, most, nots;
};
constexpr std::array<Level, 7> kLevels = {{{}, {2, 3, 1}, {3, 4, 1}, {4, 4, 1}, {5, 6, 3}, {8, 9, 5}, {16, 16, 8}}};

bool IsValue(const std::string& token) { return token == "True" || token == "False"; }
bool IsOperator(const std::string& token) { return token == "and" || token == "or"; }
const char* Name(bool value) { return value ? "True" : "False"; }

bool Evaluate(const std::string& left, const std::string& op, const std::string& right) {
  return op == "and" ? left == "True" && right == "True" : left == "True" || right == "True";
}

using Tokens = std::vector<std::string>;

// Reads one token onto the stack; false if it cannot follow what is there.
bool Shift(const std::string& token, Tokens* stack) {
  const bool after_value = !stack->empty() && IsValue(stack->back());
  std::string value;
  if (IsValue(token)) {
    if (after_value) return false;
    value = token;
  } else if (token == ")") {
    const size_t n = stack->size();
    if (n < 4 || !after_value || !IsOperator((*stack)[n - 2]) || (*stack)[n - 4] != "(") return false;
    value = Name(Evaluate((*stack)[n - 3], (*stack)[n - 2], (*stack)[n - 1]));
    stack->resize(n - 4);
  } else if (IsOperator(token)) {
    // One operator to a pair of brackets.
    if (!after_value || (stack->size() >= 2 && (*stack)[stack->size() - 2] != "(")) return false;
    stack->push_back(token);
    return true;
  } else {
    if ((token != "not" && token != "(") || after_value) return false;
    stack->push_back(token);
    return true;
  }
  while (!stack->empty() && stack->back() == "not") {
    value = Name(value == "False");
    stack->pop_back();
  }
  stack->push_back(value);
  return true;
}

std::string After(const Tokens& tokens, size_t begin = 0) {
  std::string text;
  for (size_t i = begin; i < tokens.size(); ++i) text += " " + tokens[i];
  return text;
}

void Write(Rng& rng, int values, bool outermost, Tokens* tokens) {
  if (values == 1) {
    tokens->push_back(Name(rng.Chance(0.5)));
    return;
  }
  const int left = static_cast<int>(rng.Int(1, values - 1));
  if (!outermost) tokens->push_back("(");
  Write(rng, left, false, tokens);
  tokens->push_back(rng.Chance(0.5) ? "and" : "or");
  Write(rng, values - left, false, tokens);
  if (!outermost) tokens->push_back(")");
}

class BooleanExpressions : public Task {
 public:
  const char* name() const override { return "boolean_expressions"; }
  const char* description() const override { return "Evaluate an expression of True, False, not, and, or"; }
  int max_difficulty() const override { return 8; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"expression",
             "True, False, not, and, or and brackets, separated by spaces; every pair of values but the outermost "
             "stands in brackets; either this or \"options\"",
             true},
            {"options",
             "list of 2 to 26 expressions, lettered from A on, of True, False, not, and, or, brackets, comparisons (<, "
             ">, <=, >=, ==, !=, or in words), whole numbers with + - * / and the sentences of \"facts\"",
             true},
            {"facts", "object of the sentences in the options and whether each is true", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    if (HasOptions(instance)) return SolveBooleanOptions(ReadBooleanOptions(instance.data, kWhere));
    const Tokens tokens = Read(instance);
    Tokens stack;
    std::string thinking;
    for (size_t i = 0; i < tokens.size(); ++i) {
      thinking += fmt::format("left{} stack{}\n", After(tokens, i), After(stack));
      Shift(tokens[i], &stack);
    }
    const std::string result = Result(stack);
    return {thinking + fmt::format("stack{} answer {}", After(stack), result), BoxedAnswer(result)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    if (difficulty >= static_cast<int>(kLevels.size())) {
      DrawBooleanOptions(rng, difficulty == 7 ? 3 : 5, difficulty == 7 ? 2 : 4, instance);
      return;
    }
    const Level& level = kLevels[difficulty];
    Tokens tokens;
    Write(rng, static_cast<int>(rng.Int(level.fewest, level.most)), true, &tokens);
    for (int64_t nots = rng.Int(0, level.nots); nots > 0; --nots) {
      size_t at = rng.Below(tokens.size());
      while (!IsValue(tokens[at]) && tokens[at] != "(") at = rng.Below(tokens.size());
      tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(at), "not");
    }
    const std::string expression = After(tokens).substr(1);
    instance->data = {{"expression", expression}};
    const std::array<std::string, 3> prompts = {fmt::format("Evaluate: {}", expression),
                                                fmt::format("True or False? {}", expression),
                                                fmt::format("What is the value of {}", expression)};
    instance->prompt = rng.Pick(prompts) + "\nPut True or False in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    if (HasOptions(instance)) return JudgeBooleanOptions(ReadBooleanOptions(instance.data, kWhere), answer);
    Tokens stack;
    for (const std::string& token : Read(instance)) Shift(token, &stack);
    const std::string given = ToLower(answer);
    if (given != "true" && given != "false") return {0, Quoted(answer) + " is neither True nor False"};
    if (given != ToLower(Result(stack))) return {0, given + " is wrong"};
    return {1, ""};
  }

 private:
  // What is left at the end: one value, or two with an operator.
  static std::string Result(const Tokens& stack) {
    return stack.size() == 1 ? stack[0] : Name(Evaluate(stack[0], stack[1], stack[2]));
  }

  static constexpr const char* kWhere = "data of boolean_expressions";

  static bool HasOptions(const TaskInstance& instance) {
    const bool options = instance.data.contains("options");
    if (options == instance.data.contains("expression") || (!options && instance.data.contains("facts"))) {
      throw Error("{}: there must be either \"expression\", or \"options\" and maybe \"facts\"", kWhere);
    }
    return options;
  }

  static Tokens Read(const TaskInstance& instance) {
    const std::string where = kWhere;
    const Tokens tokens = SplitList(JsonGet<std::string>(instance.data, "expression", where));
    Tokens stack;
    for (const std::string& token : tokens) {
      if (!Shift(token, &stack)) throw Error("{}: \"expression\": {} cannot stand there", where, Quoted(token));
    }
    const bool pair = stack.size() == 3 && IsValue(stack[0]) && IsOperator(stack[1]) && IsValue(stack[2]);
    if (!pair && !(stack.size() == 1 && IsValue(stack[0]))) throw Error("{}: \"expression\" is not complete", where);
    return tokens;
  }
};

}  // namespace
}  // namespace fulgur::boolean_expressions

namespace fulgur {
std::unique_ptr<Task> MakeBooleanExpressions() { return std::make_unique<boolean_expressions::BooleanExpressions>(); }
}  // namespace fulgur
