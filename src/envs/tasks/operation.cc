// Operators with new definitions, and an expression in them: the innermost bracket that is complete is replaced by its
// value, and the expression is restated.
//
// Difficulty: definitions and operators in the expression: 1: 1 and 1, 2: 1 and 2, 3: 2 and 2, 4: 2 and 3, 5: 3 and 5,
// 6: 4 and 8. No value is over 60, 60, 99, 400, 2000, 9999. From 3 definitions may have products, from 4 two cases.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::operation {
namespace {

struct Level {
  int definitions, operators;
  int64_t most;
  bool products, cases;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {1, 1, 60, false, false},
                                           {1, 2, 60, false, false},
                                           {2, 2, 99, true, false},
                                           {2, 3, 400, true, true},
                                           {3, 5, 2000, true, true},
                                           {4, 8, 9999, true, true}}};
constexpr std::string_view kSymbols = "#@&?";
constexpr int64_t kMostValue = 1'000'000, kMostFactor = 99;
constexpr size_t kMostTokens = 200, kMostTerms = 6;

struct Term {
  int64_t factor = 1;
  std::string variables;  // "a", "b", "aa", "ab", "bb", or none
};
using Sum = std::vector<Term>;

struct Definition {
  std::string symbol;
  Sum sum;
  Sum otherwise;  // if a is not more than b; empty if there is one case only
};

// "2*a + b - 3"; with values for a and b: "2*4+5-3"
std::string Text(const Sum& sum, const int64_t* a, const int64_t* b) {
  std::string text;
  for (const Term& term : sum) {
    std::vector<std::string> factors;
    if (std::abs(term.factor) != 1 || term.variables.empty()) factors.push_back(std::to_string(std::abs(term.factor)));
    for (const char c : term.variables) {
      const int64_t* value = c == 'a' ? a : b;
      factors.push_back(value == nullptr ? std::string(1, c) : std::to_string(*value));
    }
    const char* sign = term.factor < 0 ? "-" : text.empty() ? "" : "+";
    text += a != nullptr || text.empty() ? sign : fmt::format(" {} ", sign);
    text += Join(factors, "*");
  }
  return text;
}

std::vector<int64_t> Values(const Sum& sum, int64_t a, int64_t b) {
  std::vector<int64_t> values;
  for (const Term& term : sum) {
    values.push_back(term.factor);
    for (const char c : term.variables) values.back() *= c == 'a' ? a : b;
  }
  return values;
}

std::string Added(const std::vector<int64_t>& values) {
  std::string text;
  for (const int64_t value : values) text += fmt::format("{}{}", !text.empty() && value >= 0 ? "+" : "", value);
  return text;
}

const Sum& Case(const Definition& definition, int64_t a, int64_t b) {
  return a > b || definition.otherwise.empty() ? definition.sum : definition.otherwise;
}

// 4 # 5 = 2*4+5 = 8+5 = 13
std::string Line(const Definition& definition, int64_t a, int64_t b, int64_t result) {
  std::string line = fmt::format("{} {} {} =", a, definition.symbol, b);
  if (!definition.otherwise.empty()) line += fmt::format(" {}>{} {}", a, b, a > b ? "yes" : "no");
  const Sum& sum = Case(definition, a, b);
  const std::string given = Text(sum, &a, &b), added = Added(Values(sum, a, b)), value = std::to_string(result);
  line += (definition.otherwise.empty() ? " " : ": ") + given;
  if (added != given && added != value) line += " = " + added;
  return line + (given == value ? "" : " = " + value);
}

std::string Sentence(const Definition& definition) {
  std::string text = fmt::format("a {} b = {}", definition.symbol, Text(definition.sum, nullptr, nullptr));
  if (!definition.otherwise.empty()) {
    text += fmt::format(" if a > b, otherwise {}", Text(definition.otherwise, nullptr, nullptr));
  }
  return text;
}

std::string Compact(const std::vector<std::string>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    text += (i == 0 || tokens[i] == ")" || tokens[i - 1] == "(" ? "" : " ") + tokens[i];
  }
  return text;
}

Sum DrawSum(Rng& rng, bool products) {
  Sum sum;
  if (products && rng.Chance(0.4)) {
    const std::array<const char*, 3> kPairs = {"ab", "aa", "bb"};
    sum.push_back({1, kPairs[rng.Below(kPairs.size())]});
    sum.push_back({rng.Chance(0.5) ? rng.Int(1, 3) : -rng.Int(1, 3), rng.Chance(0.5) ? "a" : "b"});
  } else {
    sum.push_back({rng.Int(1, 4), "a"});
    sum.push_back({rng.Chance(0.6) ? rng.Int(1, 4) : -rng.Int(1, 2), "b"});
    if (rng.Chance(0.5)) std::swap(sum[0].variables, sum[1].variables);
  }
  if (rng.Chance(0.4)) sum.push_back({rng.Chance(0.5) ? rng.Int(1, 9) : -rng.Int(1, 9), ""});
  return sum;
}

Json ToJson(const Sum& sum) {
  Json list = Json::array();
  for (const Term& term : sum) list.push_back(Json::array({term.factor, term.variables}));
  return list;
}

void Write(Rng& rng, int operators, const std::vector<Definition>& definitions, bool outermost,
           std::vector<std::string>* tokens) {
  if (operators == 0) {
    tokens->push_back(std::to_string(rng.Int(1, 9)));
    return;
  }
  const int left = static_cast<int>(rng.Int(0, operators - 1));
  if (!outermost) tokens->emplace_back("(");
  Write(rng, left, definitions, false, tokens);
  tokens->push_back(rng.Pick(definitions).symbol);
  Write(rng, operators - 1 - left, definitions, false, tokens);
  if (!outermost) tokens->emplace_back(")");
}

class Operation : public Task {
 public:
  const char* name() const override { return "operation"; }
  const char* description() const override { return "Evaluate an expression in newly defined operators"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"definitions",
             "list of operators",
             false,
             {{"symbol", "one of # @ & ?"},
              {"sum", "list of terms such as [2, \"a\"] for 2a; variables are \"\", a, b, aa, ab and bb"},
              {"otherwise", "the same, for a that is not larger than b", true}}},
            {"expression", "numbers, operators and brackets, separated by spaces"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    int64_t result = 0;
    std::string thinking, wrong = Evaluate(puzzle, kMostValue, &result, &thinking);
    if (!wrong.empty()) throw Error("data of operation: {}", wrong);
    return {thinking + fmt::format("answer {}", result), BoxedAnswer(std::to_string(result))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    int64_t result = 0;
    do {
      puzzle = {};
      for (int i = 0; i < level.definitions; ++i) {
        Definition definition{std::string(1, kSymbols[i]), DrawSum(rng, level.products), {}};
        if (level.cases && rng.Chance(0.5)) definition.otherwise = DrawSum(rng, level.products);
        puzzle.definitions.push_back(definition);
      }
      Write(rng, level.operators, puzzle.definitions, true, &puzzle.tokens);
    } while (!AllUsed(puzzle) || !Evaluate(puzzle, level.most, &result, nullptr).empty());
    Json definitions = Json::array();
    std::vector<std::string> sentences;
    for (const Definition& definition : puzzle.definitions) {
      definitions.push_back({{"symbol", definition.symbol}, {"sum", ToJson(definition.sum)}});
      if (!definition.otherwise.empty()) definitions.back()["otherwise"] = ToJson(definition.otherwise);
      sentences.push_back(Sentence(definition));
    }
    instance->data = {{"definitions", definitions}, {"expression", Join(puzzle.tokens, " ")}};
    const std::string expression = Compact(puzzle.tokens), defined = Join(sentences, "; ");
    const std::array<std::string, 3> prompts = {fmt::format("Let {}. What is {}?", defined, expression),
                                                fmt::format("New operators: {}. Evaluate {}.", defined, expression),
                                                fmt::format("We define {}. Find {}.", defined, expression)};
    instance->prompt = rng.Pick(prompts) + " Put the number in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    int64_t result = 0;
    const std::string wrong = Evaluate(Read(instance), kMostValue, &result, nullptr);
    if (!wrong.empty()) throw Error("data of operation: {}", wrong);
    return JudgeInteger(result, answer);
  }

 private:
  struct Puzzle {
    std::vector<Definition> definitions;
    std::vector<std::string> tokens;
  };

  static const Definition* Find(const Puzzle& puzzle, const std::string& symbol) {
    for (const Definition& definition : puzzle.definitions) {
      if (definition.symbol == symbol) return &definition;
    }
    return nullptr;
  }

  static bool AllUsed(const Puzzle& puzzle) {
    return std::all_of(puzzle.definitions.begin(), puzzle.definitions.end(),
                       [&](const Definition& definition) { return IndexOf(puzzle.tokens, definition.symbol) >= 0; });
  }

  // Empty, or what is wrong with the expression. Brackets stand around every pair but the outermost.
  static std::string Evaluate(const Puzzle& puzzle, int64_t most, int64_t* result, std::string* text) {
    struct Entry {
      std::string token;
      int64_t value = 0;
      char kind = 'v';  // value, operator, bracket
    };
    std::vector<Entry> stack;
    if (text != nullptr) *text += Compact(puzzle.tokens) + "\n";
    for (size_t i = 0; i <= puzzle.tokens.size(); ++i) {
      const bool end = i == puzzle.tokens.size();
      const std::string token = end ? ")" : puzzle.tokens[i];
      const bool after_value = !stack.empty() && stack.back().kind == 'v';
      int64_t value = 0;
      if (token == ")") {
        const size_t n = stack.size();
        if (n < 3 || !after_value || stack[n - 2].kind != 'o' || (end ? n != 3 : n < 4 || stack[n - 4].kind != '(')) {
          return "\"expression\" is not complete";
        }
        const Definition& definition = *Find(puzzle, stack[n - 2].token);
        const int64_t a = stack[n - 3].value, b = stack[n - 1].value;
        for (const int64_t part : Values(Case(definition, a, b), a, b)) value += part;
        if (value < -most || value > most) return "\"expression\" has values that are too large";
        if (text != nullptr) *text += Line(definition, a, b, value) + "\n";
        stack.resize(end ? 0 : n - 4);
        stack.push_back({std::to_string(value), value, 'v'});
        if (text != nullptr && !end) {
          std::vector<std::string> left;
          for (const Entry& entry : stack) left.push_back(entry.token);
          left.insert(left.end(), puzzle.tokens.begin() + static_cast<std::ptrdiff_t>(i) + 1, puzzle.tokens.end());
          *text += Compact(left) + "\n";
        }
      } else if (token == "(") {
        if (after_value) return "\"expression\" has a bracket after a value";
        stack.push_back({token, 0, '('});
      } else if (Find(puzzle, token) != nullptr) {
        if (!after_value || (stack.size() > 1 && stack[stack.size() - 2].kind == 'o')) {
          return "\"expression\" has an operator where none can stand";
        }
        stack.push_back({token, 0, 'o'});
      } else {
        if (after_value || !ParseInteger(token, &value) || value < -most || value > most) {
          return fmt::format("\"expression\": {} cannot stand there", Quoted(token));
        }
        stack.push_back({token, value, 'v'});
      }
    }
    *result = stack.back().value;
    return "";
  }

  static Sum ReadSum(const Json& list, const std::string& where) {
    if (!list.is_array() || list.empty() || list.size() > kMostTerms) {
      throw Error("{}: \"definitions\": {} is not a sum", where, Quoted(list.dump()));
    }
    constexpr std::array<std::string_view, 6> kVariables = {"", "a", "b", "aa", "ab", "bb"};
    Sum sum;
    for (const Json& term : list) {
      const bool good = term.is_array() && term.size() == 2 && term[0].is_number_integer() && term[1].is_string() &&
                        term[0].get<int64_t>() != 0 && term[0].get<int64_t>() >= -kMostFactor &&
                        term[0].get<int64_t>() <= kMostFactor &&
                        std::find(kVariables.begin(), kVariables.end(), term[1].get<std::string>()) != kVariables.end();
      if (!good) throw Error("{}: \"definitions\": {} is not a term such as [2, \"a\"]", where, Quoted(term.dump()));
      sum.push_back({term[0].get<int64_t>(), term[1].get<std::string>()});
    }
    return sum;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of operation";
    Puzzle puzzle;
    for (const Json& entry : JsonList(instance.data, "definitions", where, 1, kSymbols.size())) {
      Definition definition{JsonGet<std::string>(entry, "symbol", where), {}, {}};
      const bool known = definition.symbol.size() == 1 && kSymbols.find(definition.symbol) != std::string_view::npos;
      if (!known || Find(puzzle, definition.symbol) != nullptr) {
        throw Error("{}: \"symbol\" must be one of {}, each once", where, kSymbols);
      }
      definition.sum = ReadSum(entry.contains("sum") ? entry["sum"] : Json(), where);
      if (entry.contains("otherwise")) definition.otherwise = ReadSum(entry["otherwise"], where);
      puzzle.definitions.push_back(definition);
    }
    puzzle.tokens = SplitList(JsonGet<std::string>(instance.data, "expression", where));
    if (puzzle.tokens.size() > kMostTokens) throw Error("{}: \"expression\" is too long", where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::operation

namespace fulgur {
std::unique_ptr<Task> MakeOperation() { return std::make_unique<operation::Operation>(); }
}  // namespace fulgur
