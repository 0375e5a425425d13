// Problems whose answers are programs, in the formats that people bring.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur {

enum class Language { kPython3, kCpp, kLua };
const char* LanguageName(Language language);  // python3, cpp, lua
// By the names that formats and fences use (python3, py, c++, PYTHON3, ...); none for a language that cannot be judged.
std::optional<Language> LanguageFromName(const std::string& name);

// A program of the problem's: a checker, a solution.
struct ProgramText {
  Language language = Language::kPython3;
  std::string code;
  std::map<std::string, std::string> files;  // beside it, by name, such as testlib.h
};

struct CodeTest {
  enum class Kind {
    kStdio,     // input: what the program reads; output: what it is to write
    kFunction,  // input: the arguments, a JSON list; output: the result, JSON
    kAssert,    // input: a statement of Python that fails if the program is wrong
  };
  Kind kind = Kind::kStdio;
  std::string input, output;
};

struct CodeProblem {
  // How an output is held against the test's. Numbers with a point in the expected output may differ by 1e-6, absolute
  // or relative; everything else must be the same text (yes and no in any case).
  enum class Compare {
    kTokens,  // words, whatever white space is between
    kLines,   // words, line by line
    kSet,     // lines in any order; of one line, the words in any order
  };

  Json id;             // as the file has it
  std::string where;   // file and line, for errors
  std::string format;  // "CodeContests", "APPS", ...
  std::string statement;
  std::vector<CodeTest> tests;
  std::string function;       // of kFunction and kAssert: its name
  bool alternatives = false;  // of kFunction: an expected list of one value may also stand for that value (APPS)
  std::string prelude;        // of kAssert: Python before the program and before the asserts (HumanEval's prompt)
  std::string setup;          // of kAssert: Python before the asserts alone
  double cpu_seconds = 2;
  int64_t memory_bytes = int64_t{256} << 20;
  Compare compare = Compare::kTokens;
  std::optional<ProgramText> checker;      // testlib's protocol, or a Python program that prints a score (open-r1)
  std::optional<ProgramText> interactor;   // testlib's protocol
  std::string input_file, output_file;     // of kStdio, where the problem demands files
  Language language = Language::kPython3;  // of an answer that does not say
  std::vector<ProgramText> solutions, incorrect;
  int64_t other_solutions = 0;  // in languages that cannot be judged
  bool forgeable = false;       // its tests run as Python statements that only the program's process could fool
};

// The id as a text, to find a problem by: 11 and "11" are the same.
std::string IdText(const Json& id);

// Reads a record of CodeContests, APPS, TACO, LiveCodeBench, Codeforces (open-r1), HumanEval or MBPP, told by its
// fields, or of Fulgur's own: {"id", "prompt", "tests": [{"input", "output"}], ...}; docs/code.md has them. Error that
// names `where`, the field, and what would be right.
CodeProblem ReadCodeProblem(const Json& record, const std::string& where);

// All of a file of JSON lines. Error also if two have the same id.
std::vector<CodeProblem> ReadCodeProblems(const std::filesystem::path& path);

// LiveCodeBench's private tests: JSON, or base64 of zlib of a pickle of one string that is JSON. The pickle is not run:
// it may only consist of that string.
std::string DecodePrivateTests(const std::string& text, const std::string& where);

}  // namespace fulgur
