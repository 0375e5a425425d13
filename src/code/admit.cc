#include "code/admit.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"

namespace fulgur {
namespace {

constexpr size_t kMostPlaces = 16;
constexpr size_t kMostReferences = 5;

bool IsWordByte(char c) { return IsLetter(c) || IsDigit(c) || c == '_'; }

struct Place {
  size_t at = 0;
  std::string from, to;
};

// Where texts and comments end, so that code alone is changed. Python, C++ and Lua in one: what begins a comment in one
// of them is no harm to skip in another.
std::vector<bool> CodeBytes(const std::string& code, Language language) {
  std::vector<bool> is_code(code.size(), true);
  const auto blank = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < std::min(end, code.size()); ++i) is_code[i] = false;
  };
  for (size_t i = 0; i < code.size();) {
    const std::string_view rest = std::string_view(code).substr(i);
    const bool line_comment = (language == Language::kPython3 && rest[0] == '#') ||
                              (language == Language::kCpp && (rest.starts_with("//") || rest[0] == '#')) ||
                              (language == Language::kLua && rest.starts_with("--"));
    size_t end = i + 1;
    if (line_comment) {
      end = std::min(code.find('\n', i), code.size());
      blank(i, end);
    } else if (language == Language::kCpp && rest.starts_with("/*")) {
      end = std::min(code.find("*/", i + 2), code.size() - 2) + 2;
      blank(i, end);
    } else if (language == Language::kPython3 && (rest.starts_with("\"\"\"") || rest.starts_with("'''"))) {
      end = std::min(code.find(rest.substr(0, 3), i + 3), code.size() - 3) + 3;
      blank(i, end);
    } else if (rest[0] == '"' || rest[0] == '\'') {
      while (end < code.size() && code[end] != rest[0] && code[end] != '\n') end += code[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, code.size());
      blank(i, end);
    }
    i = end;
  }
  return is_code;
}

// Whether both sides of the operator are numbers: such a sum is a constant, often one that only has to be large.
bool BetweenNumbers(const std::string& code, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && code[before - 1] == ' ') --before;
  while (after < code.size() && code[after] == ' ') ++after;
  return after < code.size() && IsDigit(code[after]) && before > 0 && IsDigit(code[before - 1]);
}

std::vector<Place> Places(const ProgramText& program) {
  const std::string& code = program.code;
  const std::vector<bool> is_code = CodeBytes(code, program.language);
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"==", "!="},    {program.language == Language::kLua ? "~=" : "!=", "=="},
      {"<=", ">"},     {">=", "<"},
      {" < ", " >= "}, {" > ", " <= "},
      {"+=", "-="},    {"-=", "+="},
      {" + ", " - "},  {" - ", " + "},
      {"+", "-"},      {"min", "max"},
      {"max", "min"}};
  std::vector<Place> places;
  for (size_t i = 0; i < code.size(); ++i) {
    if (!is_code[i]) continue;
    for (const auto& [from, to] : pairs) {
      if (code.compare(i, from.size(), from) != 0) continue;
      const char before = i > 0 ? code[i - 1] : ' ';
      const char after = i + from.size() < code.size() ? code[i + from.size()] : ' ';
      const bool word = IsLetter(from[0]);
      if (word && (IsWordByte(before) || after != '(')) continue;
      if (!word && std::string_view("<>=!+-*/").find(before) != std::string_view::npos) continue;
      if (from == "+" &&
          (after == '+' || after == '=' || before == '+' || before == 'e' || before == 'E' || before == '('))
        continue;
      if (from.find_first_of("+-") != std::string::npos && from.find('=') == std::string::npos &&
          BetweenNumbers(code, i + (from[0] == ' ' ? 1 : 0))) {
        continue;
      }
      places.push_back({i, from, program.language == Language::kLua && to == "!=" ? "~=" : to});
      i += from.size() - 1;
      break;
    }
  }
  return places;
}

// A program that writes `output` whatever it reads.
ProgramText Constant(const CodeProblem& problem, const std::string& output) {
  std::string text = "\"";
  for (const char c : output) {
    text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  text += "\"";
  if (problem.tests[0].kind == CodeTest::Kind::kFunction) {
    return {Language::kPython3,
            fmt::format("import json\ndef {}(*given):\n    return json.loads({})\n", problem.function, text),
            {}};
  }
  if (!problem.output_file.empty()) {
    return {Language::kPython3,
            fmt::format("open('{}', 'wb').write({}.encode('latin-1'))\n", problem.output_file, text),
            {}};
  }
  return {Language::kPython3, fmt::format("import sys\nsys.stdout.buffer.write({}.encode('latin-1'))\n", text), {}};
}

std::string MostFrequentOutput(const CodeProblem& problem) {
  std::map<std::string, int> counts;
  for (const CodeTest& test : problem.tests) ++counts[test.output];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

void AddMutantsThatDoNotSolve(const CodeProblem& problem, std::vector<Mutant>* mutants) {
  switch (problem.tests[0].kind) {
    case CodeTest::Kind::kStdio:
      if (problem.interactor) return;
      mutants->push_back(
          {Constant(problem, MostFrequentOutput(problem)), "a program that always gives the same answer"});
      if (problem.input_file.empty()) {
        mutants->push_back({{Language::kPython3, "import sys\nsys.stdout.write(sys.stdin.read())\n", {}},
                            "a program that gives its input back"});
      }
      return;
    case CodeTest::Kind::kFunction:
      mutants->push_back(
          {Constant(problem, MostFrequentOutput(problem)), "a function that always gives the same result"});
      mutants->push_back(
          {{Language::kPython3, fmt::format("def {}(first=None, *rest):\n    return first\n", problem.function), {}},
           "a function that gives its first argument back"});
      return;
    case CodeTest::Kind::kAssert:
      if (problem.function.empty()) return;
      for (const char* value : {"None", "True", "False", "0", "1", "''", "[]", "first"}) {
        mutants->push_back({{Language::kPython3,
                             fmt::format("def {}(first=None, *rest):\n    return {}\n", problem.function, value),
                             {}},
                            fmt::format("a function that always gives {}", value)});
      }
  }
}

int LineOf(const std::string& code, size_t at) {
  return 1 + static_cast<int>(std::count(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

CodeVerdict Score(CodeJudge& judge, const CodeProblem& problem, const ProgramText& program) {
  CodeVerdict verdict = judge.Judge(problem, program);
  if (!verdict.score) throw Error("{}: {}", problem.where, verdict.reason);
  return verdict;
}

// The first of the solutions that passes.
const ProgramText* FindReference(CodeJudge& judge, const CodeProblem& problem, std::string* reason) {
  if (problem.solutions.empty()) {
    *reason =
        problem.other_solutions > 0 ? "none of its solutions is in a language that is judged" : "it has no solution";
    return nullptr;
  }
  for (size_t i = 0; i < std::min(problem.solutions.size(), kMostReferences); ++i) {
    const CodeVerdict verdict = Score(judge, problem, problem.solutions[i]);
    if (*verdict.score >= 1) return &problem.solutions[i];
    if (reason->empty()) *reason = "the reference solution fails: " + verdict.reason;
  }
  return nullptr;
}

}  // namespace

std::vector<Mutant> MakeMutants(const CodeProblem& problem, const ProgramText& reference) {
  std::vector<Mutant> mutants;
  AddMutantsThatDoNotSolve(problem, &mutants);
  const std::vector<Place> places = Places(reference);
  const size_t count = std::min(places.size(), kMostPlaces);
  for (size_t k = 0; k < count; ++k) {
    const Place& place = places[k * places.size() / count];
    ProgramText program = reference;
    program.code.replace(place.at, place.from.size(), place.to);
    mutants.push_back(
        {std::move(program), fmt::format("the reference with \"{}\" instead of \"{}\" in line {}", Trim(place.to),
                                         Trim(place.from), LineOf(reference.code, place.at))});
  }
  return mutants;
}

Admission Admit(CodeJudge& judge, const CodeProblem& problem) {
  Admission admission;
  const ProgramText* reference = FindReference(judge, problem, &admission.reason);
  if (reference == nullptr) return admission;
  admission.reason.clear();
  if (*Score(judge, problem, *reference).score < 1) {
    admission.reason = "the reference solution passes once and fails once";
    return admission;
  }
  for (const char* nothing : {"", "pass\n"}) {
    if (*Score(judge, problem, {Language::kPython3, nothing, {}}).score == 0) continue;
    admission.reason = "an empty answer passes";
    return admission;
  }
  for (size_t i = 0; i < problem.incorrect.size(); ++i) {
    ++admission.incorrect;
    if (*Score(judge, problem, problem.incorrect[i]).score < 1) continue;
    admission.reason = fmt::format("incorrect_solutions[{}] passes", i);
    return admission;
  }
  for (const Mutant& mutant : MakeMutants(problem, *reference)) {
    ++admission.mutants;
    if (*Score(judge, problem, mutant.program).score < 1) continue;
    admission.reason = "the tests are too weak: " + mutant.what + " passes";
    return admission;
  }
  admission.admitted = true;
  return admission;
}

}  // namespace fulgur
