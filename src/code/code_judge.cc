#include "code/code_judge.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <numeric>
#include <thread>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "code/compare.h"

namespace fulgur {

extern const char kServePy[], kAssertsPy[];
extern const size_t kServePySize, kAssertsPySize;

namespace {

constexpr double kCheckerSeconds = 10;
constexpr double kPatience = 5;  // whoever talks to an answer waits longer than the answer may take
constexpr int64_t kMostOutput = int64_t{64} << 20;

int Threads(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Times at which the same program may once be over the limit and once not.
bool InDoubt(const SandboxOutcome& outcome, double limit) {
  if (outcome.end == RunEnd::kWall) return true;
  return outcome.cpu_seconds > 0.7 * limit && outcome.cpu_seconds < 1.5 * limit;
}

bool Crashed(const SandboxOutcome& outcome) { return outcome.end != RunEnd::kExit || outcome.exit_code != 0; }

std::string EndReason(const SandboxOutcome& outcome, const SandboxLimits& limits) {
  switch (outcome.end) {
    case RunEnd::kExit:
      return fmt::format("exit status {}", outcome.exit_code);
    case RunEnd::kSignal:
      return fmt::format("ended by signal {}", outcome.signal);
    case RunEnd::kCpu:
      return fmt::format("more than {} s of CPU time", limits.cpu_seconds);
    case RunEnd::kWall:
      return fmt::format("not finished after {} s", limits.wall_seconds);
    case RunEnd::kMemory:
      return fmt::format("more than {} MiB of memory", limits.memory_bytes >> 20);
    case RunEnd::kOutput:
      return fmt::format("more than {} bytes of output", limits.output_bytes);
    case RunEnd::kFuel:
      return "more instructions than the limit";
    case RunEnd::kInfrastructure:
      return "the sandbox failed: " + outcome.problem;
  }
  return "";
}

// The last line of what a program said about its end, shortened.
std::string LastLine(const std::string& err) {
  std::string_view text = Trim(err);
  text = text.substr(text.rfind('\n') == std::string_view::npos ? 0 : text.rfind('\n') + 1);
  return std::string(text.substr(0, 200));
}

std::string RandomToken() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw Error("the system gives no random numbers");
  std::string token;
  for (const unsigned char b : bytes) token += fmt::format("{:02x}", b);
  return token;
}

// Pipes between two runs, whose ends go over to them.
struct PipePair {
  int read = -1, write = -1;
  PipePair() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw Error("no pipe between two runs");
    read = ends[0];
    write = ends[1];
  }
};

// Small inputs first: what is wrong fails there at little cost.
std::vector<size_t> CheapFirst(const std::vector<CodeTest>& tests) {
  std::vector<size_t> order(tests.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return tests[a].input.size() + tests[a].output.size() < tests[b].input.size() + tests[b].output.size();
  });
  return order;
}

double Score(bool partial, const CodeVerdict& verdict) {
  if (!partial) return verdict.passed == verdict.tests ? 1 : 0;
  return static_cast<double>(verdict.passed) / static_cast<double>(verdict.tests);
}

// HumanEval: what goes on where the prompt ends, or the whole function again.
std::string AfterPrelude(const std::string& prelude, const std::string& code) {
  if (prelude.empty()) return code;
  std::string program = prelude;
  if (program.back() != '\n') program += '\n';
  const size_t first = code.find_first_not_of("\r\n");
  const bool whole = first != std::string::npos && code[first] != ' ' && code[first] != '\t';
  const std::string_view before = Trim(prelude);
  if (whole && !before.empty() && before.back() == ':') program += "    pass\n";
  return program + code;
}

}  // namespace

CodeJudge::CodeJudge(CodeJudgeOptions options)
    : options_(std::move(options)), sandbox_(Threads(options_.threads)), programs_(&sandbox_, options_.cache) {}

CodeVerdict CodeJudge::JudgeResponse(const CodeProblem& problem, std::string_view response) {
  const AnswerCode answer = CodeOf(problem, response);
  if (answer.problem.empty()) return Judge(problem, answer.program);
  CodeVerdict verdict;
  verdict.tests = static_cast<int64_t>(problem.tests.size());
  verdict.score = 0;
  verdict.end = "none";
  verdict.fault = "compile";
  verdict.reason = answer.problem;
  return verdict;
}

CodeVerdict CodeJudge::Judge(const CodeProblem& problem, const ProgramText& program) {
  CodeVerdict verdict;
  verdict.tests = static_cast<int64_t>(problem.tests.size());
  if (Trim(program.code).empty()) {
    verdict.score = 0;
    verdict.end = "none";
    verdict.fault = "compile";
    verdict.reason = "the program is empty";
    return verdict;
  }
  return problem.tests[0].kind == CodeTest::Kind::kAssert ? JudgeAsserts(problem, program)
                                                          : JudgeTests(problem, program);
}

CodeVerdict CodeJudge::JudgeTests(const CodeProblem& problem, const ProgramText& program) {
  CodeVerdict verdict;
  verdict.tests = static_cast<int64_t>(problem.tests.size());
  verdict.score = 0;
  ReadyProgram stdio, function;
  bool stdio_ready = false, function_ready = false;
  for (const size_t i : CheapFirst(problem.tests)) {
    const CodeTest& test = problem.tests[i];
    const bool calls = test.kind == CodeTest::Kind::kFunction;
    ReadyProgram& ready = calls ? function : stdio;
    if (bool& done = calls ? function_ready : stdio_ready; !done) {
      ready = calls ? programs_.PrepareFunction(program, problem.function, problem.cpu_seconds, problem.memory_bytes)
                    : programs_.Prepare(program, problem.cpu_seconds, problem.memory_bytes);
      done = true;
      if (!ready.error.empty()) {
        verdict.end = verdict.fault = "compile";
        verdict.reason = ready.error;
        return verdict;
      }
    }
    const TestResult result = problem.interactor ? RunInteractive(problem, ready, test) : RunTest(problem, ready, test);
    if (result.outcome.end == RunEnd::kInfrastructure) {
      verdict.score.reset();
      verdict.end = RunEndName(RunEnd::kInfrastructure);
      verdict.reason = fmt::format("test {}: {}", i + 1, result.reason);
      return verdict;
    }
    if (result.passed) {
      ++verdict.passed;
      continue;
    }
    if (verdict.reason.empty()) {
      const bool syntax = IsSyntaxError(result);
      verdict.end = syntax ? "compile" : RunEndName(result.outcome.end);
      verdict.fault = syntax ? "compile" : Crashed(result.outcome) ? "crash" : "";
      verdict.reason = fmt::format("test {}: {}", i + 1, result.reason);
    }
    if (!options_.all_tests && !options_.partial) break;
  }
  verdict.score = Score(options_.partial, verdict);
  return verdict;
}

// Of an interpreter.
bool CodeJudge::IsSyntaxError(const TestResult& result) {
  if (result.outcome.end != RunEnd::kExit || result.outcome.exit_code == 0) return false;
  const std::string last = LastLine(result.outcome.err);
  for (const char* name : {"SyntaxError", "IndentationError", "TabError"}) {
    if (last.starts_with(name)) return true;
  }
  return false;
}

SandboxOutcome CodeJudge::Run(const SandboxRun& run) {
  SandboxOutcome outcome;
  {
    const std::shared_lock among_others(alone_);
    outcome = sandbox_.Run(run).get();
  }
  if (outcome.end == RunEnd::kInfrastructure || !InDoubt(outcome, run.limits.cpu_seconds)) return outcome;
  const std::unique_lock alone(alone_);
  return sandbox_.Run(run).get();
}

// What one writes the other reads. The time of `answers` may be in doubt, as in Run.
std::pair<SandboxOutcome, SandboxOutcome> CodeJudge::RunJoined(SandboxRun asks, SandboxRun answers) {
  const auto once = [&] {
    const PipePair there, back;
    asks.output_fd = there.write;
    answers.input_fd = there.read;
    answers.output_fd = back.write;
    asks.input_fd = back.read;
    return sandbox_.RunPair(asks, answers).get();
  };
  std::pair<SandboxOutcome, SandboxOutcome> outcomes;
  {
    const std::shared_lock among_others(alone_);
    outcomes = once();
  }
  if (InDoubt(outcomes.second, answers.limits.cpu_seconds) || outcomes.first.end == RunEnd::kInfrastructure) {
    const std::unique_lock alone(alone_);
    outcomes = once();
  }
  return outcomes;
}

CodeJudge::TestResult CodeJudge::RunTest(const CodeProblem& problem, const ReadyProgram& program,
                                         const CodeTest& test) {
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, program.command);
  run.files = program.files;
  run.limits.cpu_seconds = problem.cpu_seconds;
  run.limits.wall_seconds = WallLimit(problem.cpu_seconds);
  run.limits.memory_bytes = problem.memory_bytes;
  if (program.language == Language::kLua) run.limits.memory_bytes += int64_t{32} << 20;  // Lua's own limit comes first
  // An output much longer than the right one is wrong, however it goes on.
  run.limits.output_bytes =
      std::clamp<int64_t>(4 * static_cast<int64_t>(test.output.size()), int64_t{1} << 20, kMostOutput);
  run.input = test.input;
  if (test.kind == CodeTest::Kind::kFunction && program.language == Language::kLua) {
    run.input = problem.function + "\n" + run.input;
  }
  if (!problem.input_file.empty()) run.files.push_back({problem.input_file, test.input, false});
  if (!problem.output_file.empty()) run.collect = {problem.output_file};
  run.limits.tmp_bytes += static_cast<int64_t>(test.input.size()) + run.limits.output_bytes;
  TestResult result;
  result.outcome = Run(run);
  SandboxOutcome& outcome = result.outcome;
  if (outcome.end != RunEnd::kExit || outcome.exit_code != 0) {
    result.reason = EndReason(outcome, run.limits);
    if (const std::string said = LastLine(outcome.err); !said.empty()) result.reason += ": " + said;
    return result;
  }
  if (!problem.output_file.empty() && outcome.collected.empty()) {
    result.reason = fmt::format("the program wrote no file \"{}\"", problem.output_file);
    return result;
  }
  const CheckResult check =
      Check(problem, test, problem.output_file.empty() ? outcome.out : outcome.collected[0].content);
  result.reason = check.reason;
  result.passed = check.is == CheckResult::kRight;
  if (check.is == CheckResult::kFailed) outcome.end = RunEnd::kInfrastructure;
  return result;
}

CodeJudge::CheckResult CodeJudge::Check(const CodeProblem& problem, const CodeTest& test, const std::string& output) {
  const auto said = [](std::string reason) {
    return CheckResult{reason.empty() ? CheckResult::kRight : CheckResult::kWrong, std::move(reason)};
  };
  if (test.kind == CodeTest::Kind::kFunction) {
    if (problem.compare == CodeProblem::Compare::kSet) {
      return said(CompareJson("{\"__set__\":" + test.output + "}", output, false));
    }
    return said(CompareJson(test.output, output, problem.alternatives));
  }
  if (!problem.checker) return said(CompareOutput(problem.compare, test.output, output));
  CheckResult result = RunChecker(problem, test, output);
  // An output that a checker stumbles over is wrong, unless it stumbles over the right one too.
  if (result.is == CheckResult::kStumbled) {
    result.is =
        RunChecker(problem, test, test.output).is == CheckResult::kRight ? CheckResult::kWrong : CheckResult::kFailed;
  }
  return result;
}

// testlib: checker INPUT OUTPUT ANSWER, whose exit status is the verdict. A Python checker gets INPUT ANSWER OUTPUT, as
// those of open-r1 do, and prints the score.
CodeJudge::CheckResult CodeJudge::RunChecker(const CodeProblem& problem, const CodeTest& test,
                                             const std::string& output) {
  const bool python = problem.checker->language == Language::kPython3;
  const ReadyProgram checker = programs_.Prepare(*problem.checker, kCheckerSeconds, int64_t{512} << 20);
  if (!checker.error.empty()) throw Error("{}: the checker does not compile: {}", problem.where, checker.error);
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, checker.command);
  run.files = checker.files;
  run.files.push_back({"/in/input.txt", test.input, false});
  run.files.push_back({"/in/output.txt", output, false});
  run.files.push_back({"/in/answer.txt", test.output, false});
  for (const char* path :
       {"/in/input.txt", python ? "/in/answer.txt" : "/in/output.txt", python ? "/in/output.txt" : "/in/answer.txt"}) {
    run.command.emplace_back(path);
  }
  run.limits.cpu_seconds = kCheckerSeconds;
  run.limits.wall_seconds = WallLimit(kCheckerSeconds);
  run.limits.memory_bytes = int64_t{512} << 20;
  const SandboxOutcome outcome = Run(run);
  std::string last = LastLine(outcome.err.empty() ? outcome.out : outcome.err);
  if (!last.empty()) last = ": " + last;
  if (outcome.end == RunEnd::kInfrastructure) return {CheckResult::kFailed, "the sandbox failed: " + outcome.problem};
  if (outcome.end != RunEnd::kExit)
    return {CheckResult::kStumbled, "the checker fails: " + EndReason(outcome, run.limits)};
  if (!python) {
    if (outcome.exit_code == 0) return {CheckResult::kRight, ""};
    if (outcome.exit_code == 1) return {CheckResult::kWrong, "the checker says wrong" + last};
    if (outcome.exit_code == 2) return {CheckResult::kWrong, "the checker says presentation error" + last};
    return {outcome.exit_code == 3 ? CheckResult::kFailed : CheckResult::kStumbled,
            fmt::format("the checker fails with exit status {}{}", outcome.exit_code, last)};
  }
  if (outcome.exit_code != 0) {
    return {CheckResult::kStumbled, fmt::format("the checker fails with exit status {}{}", outcome.exit_code, last)};
  }
  const std::string_view word = Trim(outcome.out);
  double score = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), score);
  if (word == "True" || word == "true") {
    score = 1;
  } else if (word == "False" || word == "false") {
    score = 0;
  } else if (error != std::errc() || end != word.data() + word.size() || !(score >= 0)) {
    return {CheckResult::kStumbled, fmt::format("the checker printed \"{}\", not a score", word.substr(0, 100))};
  }
  return score >= 1 ? CheckResult{CheckResult::kRight, ""} : CheckResult{CheckResult::kWrong, "the checker says wrong"};
}

// testlib: interactor INPUT OUTPUT [ANSWER], its input and output joined to the program's; its exit status is the
// verdict.
CodeJudge::TestResult CodeJudge::RunInteractive(const CodeProblem& problem, const ReadyProgram& program,
                                                const CodeTest& test) {
  const ReadyProgram interactor = programs_.Prepare(*problem.interactor, kCheckerSeconds, int64_t{512} << 20);
  if (!interactor.error.empty())
    throw Error("{}: the interactor does not compile: {}", problem.where, interactor.error);
  SandboxRun asks = MakeSandboxRun(SandboxProfile::kJudge, interactor.command);
  asks.files = interactor.files;
  asks.files.push_back({"/in/input.txt", test.input, false});
  asks.files.push_back({"/in/answer.txt", test.output, false});
  for (const char* path : {"/in/input.txt", "/tmp/output.txt", "/in/answer.txt"}) asks.command.emplace_back(path);
  asks.limits.cpu_seconds = kCheckerSeconds;
  SandboxRun answers = MakeSandboxRun(SandboxProfile::kJudge, program.command);
  answers.files = program.files;
  answers.limits.cpu_seconds = problem.cpu_seconds;
  answers.limits.memory_bytes = problem.memory_bytes;
  answers.limits.wall_seconds = WallLimit(problem.cpu_seconds);
  asks.limits.wall_seconds = kPatience * answers.limits.wall_seconds;
  TestResult result;
  const auto outcomes = RunJoined(asks, answers);
  const auto& [asked, answered] = outcomes;
  result.outcome = answered;
  if (asked.end == RunEnd::kInfrastructure || answered.end == RunEnd::kInfrastructure) {
    result.outcome.end = RunEnd::kInfrastructure;
    result.reason = "the sandbox failed: " + asked.problem + answered.problem;
  } else if (asked.end == RunEnd::kExit && asked.exit_code == 3) {
    throw Error("{}: the interactor failed: {}", problem.where, LastLine(asked.err));
  } else if (answered.end != RunEnd::kExit && !(answered.end == RunEnd::kSignal && answered.signal == SIGPIPE)) {
    result.reason = EndReason(answered, answers.limits);
  } else if (asked.end != RunEnd::kExit) {
    result.reason = "the interactor was ended: " + EndReason(asked, asks.limits);
  } else if (asked.exit_code != 0) {
    result.reason = "the interactor says wrong: " + LastLine(asked.err);
  } else if (answered.end != RunEnd::kExit || answered.exit_code != 0) {
    result.reason = EndReason(answered, answers.limits);
  } else {
    result.passed = true;
  }
  return result;
}

// The asserts run in one sandbox, the answer in another; the first calls the second's functions through pipes. What
// counts is the token on the asserts' standard error, which nothing of the answer's can reach.
CodeVerdict CodeJudge::JudgeAsserts(const CodeProblem& problem, const ProgramText& program) {
  CodeVerdict verdict;
  verdict.tests = static_cast<int64_t>(problem.tests.size());
  verdict.score = 0;
  if (program.language != Language::kPython3) {
    verdict.end = verdict.fault = "compile";
    verdict.reason =
        fmt::format("the tests are Python, which an answer in {} cannot meet", LanguageName(program.language));
    return verdict;
  }
  const ProgramText whole{Language::kPython3, AfterPrelude(problem.prelude, program.code), {}};
  const ReadyProgram ready = programs_.Prepare(whole, problem.cpu_seconds, problem.memory_bytes);
  SandboxRun answers = MakeSandboxRun(SandboxProfile::kJudge, ready.command);
  answers.files = ready.files;
  answers.files[0] = {"/program.py", std::string(kServePy, kServePySize), false};
  answers.limits.cpu_seconds = problem.cpu_seconds;
  answers.limits.memory_bytes = problem.memory_bytes;
  answers.limits.wall_seconds = WallLimit(problem.cpu_seconds);
  const std::string token = RandomToken();
  SandboxRun asserts = MakeSandboxRun(SandboxProfile::kJudge, ready.command);
  asserts.command.push_back(token);
  asserts.command.emplace_back("/what.json");
  Json what = {{"prelude", problem.prelude},
               {"setup", problem.setup},
               {"function", problem.function},
               {"asserts", Json::array()}};
  for (const CodeTest& test : problem.tests) what["asserts"].push_back(test.input);
  asserts.files = {{"/program.py", std::string(kAssertsPy, kAssertsPySize), false},
                   {"/what.json", what.dump(-1, ' ', true, Json::error_handler_t::replace), false}};
  asserts.limits.cpu_seconds = problem.cpu_seconds + kCheckerSeconds;
  asserts.limits.wall_seconds = kPatience * answers.limits.wall_seconds;
  asserts.limits.memory_bytes = int64_t{512} << 20;
  const auto outcomes = RunJoined(asserts, answers);
  const auto& [asserted, answered] = outcomes;
  if (asserted.end == RunEnd::kInfrastructure || answered.end == RunEnd::kInfrastructure) {
    verdict.score.reset();
    verdict.end = RunEndName(RunEnd::kInfrastructure);
    verdict.reason = asserted.problem + answered.problem;
    return verdict;
  }
  bool ended = false;
  std::string failure;
  for (size_t begin = 0; begin < asserted.err.size();) {
    const size_t stop = std::min(asserted.err.find('\n', begin), asserted.err.size());
    const std::string line = asserted.err.substr(begin, stop - begin);
    begin = stop + 1;
    if (!line.starts_with(token + " ")) continue;
    const std::string said = line.substr(token.size() + 1);
    if (said.starts_with("held ")) {
      ++verdict.passed;
    } else if (said == "end") {
      ended = true;
    } else if (failure.empty()) {
      failure = said;
    }
  }
  if (ended && verdict.passed == verdict.tests) {
    verdict.score = 1;
    return verdict;
  }
  verdict.end = RunEndName(answered.end);
  if (Crashed(answered)) verdict.fault = "crash";
  if (answered.end != RunEnd::kExit || answered.exit_code != 0) {
    verdict.reason = EndReason(answered, answers.limits);
    if (const std::string said = LastLine(answered.err); !said.empty()) verdict.reason += ": " + said;
  } else if (!failure.empty()) {
    verdict.reason = failure.starts_with("failed ") ? "an assert " + failure : failure;
  } else {
    verdict.reason = "the asserts did not come to their end";
  }
  verdict.score = options_.partial ? Score(true, verdict) : 0;
  return verdict;
}

}  // namespace fulgur
