// Programs judged by tests.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>

#include "code/answer_code.h"
#include "code/code_problem.h"
#include "code/program.h"
#include "sandbox/sandbox.h"

namespace fulgur {

struct CodeJudgeOptions {
  bool partial = false;   // the score is the share of tests that pass; otherwise 1 if all do
  bool all_tests = true;  // run all; otherwise stop at the first that fails (not with partial)
  int threads = 0;        // runs at a time; 0: as many as there are processors
  std::filesystem::path cache = DefaultProgramCache();
};

// What became of an answer.
struct CodeVerdict {
  std::optional<double> score;  // none: the sandbox failed, which says nothing about the answer
  int64_t passed = 0, tests = 0;
  // "exit" if every test that was run ended by itself; else how the first that failed ended (RunEndName); "compile" if
  // the program does not compile, "none" if there is no program.
  std::string end = "exit";
  std::string reason;  // why the score is not 1
  // Of the first test that failed: "compile" if there is no program to run, "crash" if it did not end by itself with
  // exit status 0. Empty if it did, and was wrong.
  std::string fault;
};

// Judges answers, each in the thread that asks; many threads may.
class CodeJudge {
 public:
  explicit CodeJudge(CodeJudgeOptions options);

  // Error for what people have to look at: an interpreter that is missing, a checker that does not compile.
  CodeVerdict Judge(const CodeProblem& problem, const ProgramText& program);
  // The same for a whole response of a model.
  CodeVerdict JudgeResponse(const CodeProblem& problem, std::string_view response);

  int threads() const { return sandbox_.runs_at_a_time(); }

 private:
  struct TestResult {
    bool passed = false;
    SandboxOutcome outcome;
    std::string reason;  // why it did not pass
  };

  CodeVerdict JudgeTests(const CodeProblem& problem, const ProgramText& program);
  CodeVerdict JudgeAsserts(const CodeProblem& problem, const ProgramText& program);
  TestResult RunTest(const CodeProblem& problem, const ReadyProgram& program, const CodeTest& test);
  TestResult RunInteractive(const CodeProblem& problem, const ReadyProgram& program, const CodeTest& test);
  struct CheckResult {
    // kStumbled: the checker ended in no way that is a verdict. kFailed: and not because of the answer.
    enum Is { kRight, kWrong, kStumbled, kFailed } is = kRight;
    std::string reason;
  };
  CheckResult Check(const CodeProblem& problem, const CodeTest& test, const std::string& output);
  CheckResult RunChecker(const CodeProblem& problem, const CodeTest& test, const std::string& output);
  static bool IsSyntaxError(const TestResult& result);
  SandboxOutcome Run(const SandboxRun& run);
  std::pair<SandboxOutcome, SandboxOutcome> RunJoined(SandboxRun asks, SandboxRun answers);

  CodeJudgeOptions options_;
  Sandbox sandbox_;
  Programs programs_;
  std::shared_mutex alone_;  // shared by runs; one whose time is in doubt is repeated with all others waiting
};

}  // namespace fulgur
