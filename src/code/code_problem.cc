#include "code/code_problem.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/ascii.h"
#include "base/error.h"
#include "base/records.h"
#include "code/formats.h"

namespace fulgur {

const char* LanguageName(Language language) {
  switch (language) {
    case Language::kPython3:
      return "python3";
    case Language::kCpp:
      return "cpp";
    case Language::kLua:
      return "lua";
  }
  return "";
}

std::optional<Language> LanguageFromName(const std::string& name) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const char* python : {"python3", "python", "py", "py3", "pypy3", "pypy"}) {
    if (lower == python) return Language::kPython3;
  }
  for (const char* cpp : {"cpp", "c++", "cc", "cxx", "cpp17", "c++17", "cpp20", "c++20", "cplusplus"}) {
    if (lower == cpp) return Language::kCpp;
  }
  if (lower == "lua" || lower == "lua5.4") return Language::kLua;
  return std::nullopt;
}

std::string IdText(const Json& id) { return id.is_string() ? id.get<std::string>() : id.dump(); }

CodeProblem ReadCodeProblem(const Json& record, const std::string& where) {
  CodeProblem problem;
  problem.where = where;
  for (const CodeFormat& format : CodeFormats()) {
    if (!format.is(record)) continue;
    problem.format = format.name;
    format.read(record, &problem);
    break;
  }
  if (problem.format.empty()) {
    throw Error(
        "{}: the record is of no known format: there is no \"tests\" (own), \"public_tests\" (CodeContests), "
        "\"input_output\" (APPS, TACO), \"public_test_cases\" (LiveCodeBench), \"official_tests\" (Codeforces), "
        "\"test\" with \"entry_point\" (HumanEval) and no \"test_list\" (MBPP)",
        where);
  }
  for (const char* key : {"id", "name", "task_id", "question_id", "problem_id"}) {
    if (!record.contains(key) || record[key].is_null()) continue;
    problem.id = record[key];
    if (!problem.id.is_string() && !problem.id.is_number_integer()) {
      throw Error("{}: \"{}\" must be a text or a whole number, not {}", where, key, problem.id.dump());
    }
    break;
  }
  if (problem.tests.empty()) throw Error("{}: the problem has no tests", where);
  if (problem.tests.size() > 100'000) throw Error("{}: {} tests are too many", where, problem.tests.size());
  return problem;
}

std::vector<CodeProblem> ReadCodeProblems(const std::filesystem::path& path) {
  const Records lines(path, "");
  std::vector<CodeProblem> problems;
  std::unordered_map<std::string, std::string> seen;
  for (size_t i = 0; i < lines.size(); ++i) {
    problems.push_back(ReadCodeProblem(lines.Get(i), lines.Where(i)));
    CodeProblem& problem = problems.back();
    if (problem.id.is_null()) {
      throw Error("{}: there is no id: one of \"id\", \"name\", \"task_id\", \"question_id\", \"problem_id\"",
                  problem.where);
    }
    const auto [before, added] = seen.emplace(IdText(problem.id), problem.where);
    if (!added) throw Error("{}: the id {} is that of {} too", problem.where, problem.id.dump(), before->second);
  }
  return problems;
}

}  // namespace fulgur
