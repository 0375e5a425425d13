#include "code/code_source.h"

#include <utility>

#include "base/ascii.h"
#include "base/error.h"

namespace fulgur {
namespace {

std::string Task(const CodeProblem& problem, Language language) {
  const char* name = language == Language::kPython3 ? "Python 3" : language == Language::kCpp ? "C++" : "Lua";
  const char* fence = language == Language::kPython3 ? "python" : language == Language::kCpp ? "cpp" : "lua";
  std::string task;
  if (problem.tests[0].kind != CodeTest::Kind::kStdio) {
    task = problem.function.empty() ? fmt::format("Write it in {}.", name)
                                    : fmt::format("Write the function `{}` in {}.", problem.function, name);
  } else if (problem.interactor) {
    task = fmt::format("Write a program in {} that talks through standard input and output.", name);
  } else if (!problem.input_file.empty() || !problem.output_file.empty()) {
    task = fmt::format("Write a program in {} that reads {} and writes {}.", name,
                       problem.input_file.empty() ? "standard input" : problem.input_file,
                       problem.output_file.empty() ? "standard output" : problem.output_file);
  } else {
    task = fmt::format("Write a program in {} that reads standard input and writes standard output.", name);
  }
  return task + fmt::format(" Give the whole of it in one block that begins with ```{}.", fence);
}

}  // namespace

CodeProblemFile::CodeProblemFile(const std::filesystem::path& path, std::string source,
                                 std::optional<Language> language)
    : problems_(ReadCodeProblems(path)), source_(std::move(source)), language_(language) {
  for (const CodeProblem& problem : problems_) {
    if (Trim(problem.statement).empty()) throw Error("{}: the problem has no statement to ask", problem.where);
  }
}

Problem CodeProblemFile::Get(size_t i) const {
  const CodeProblem& code = problems_[i];
  Problem problem;
  problem.source = problem.task = source_;
  problem.id = i;
  problem.prompt = code.statement + "\n\n" + Task(code, language_.value_or(code.language));
  problem.messages = Json::array({{{"role", "user"}, {"content", problem.prompt}}});
  problem.record = {{"id", code.id}};
  return problem;
}

ProgramJudge::ProgramJudge(const CodeProblemFile* file, CodeJudgeOptions options)
    : file_(file), judge_(std::move(options)), threads_(judge_.threads()) {}

std::future<Verdict> ProgramJudge::Ask(const Problem& problem, const Trajectory& trajectory) {
  return threads_.Run([this, &problem, &trajectory] {
    const CodeProblem& code = file_->problems()[problem.id];
    CodeVerdict verdict = judge_.JudgeResponse(code, trajectory.answer());
    return Verdict{verdict.score, std::move(verdict.reason), std::move(verdict.fault)};
  });
}

}  // namespace fulgur
