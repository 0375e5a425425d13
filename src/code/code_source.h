// Problems of programming for a policy, and the judge of what it writes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/background_threads.h"
#include "code/code_judge.h"
#include "envs/judge.h"

namespace fulgur {

// A file of problems (docs/code.md) as what a policy is asked: the statement, and what kind of program is wanted.
class CodeProblemFile {
 public:
  // language: that the prompts ask for; none: the problem's. Throws as ReadCodeProblems, and for a problem without a
  // statement.
  CodeProblemFile(const std::filesystem::path& path, std::string source, std::optional<Language> language);
  size_t size() const { return problems_.size(); }
  Problem Get(size_t i) const;
  const std::vector<CodeProblem>& problems() const { return problems_; }

 private:
  std::vector<CodeProblem> problems_;
  std::string source_;
  std::optional<Language> language_;
};

// Judges the answers to such problems by their tests, as many at a time as there are runs. A verdict has no score where
// the sandbox or a problem's checker failed.
class ProgramJudge : public Judge {
 public:
  // file outlives it. Error if programs cannot be contained here.
  ProgramJudge(const CodeProblemFile* file, CodeJudgeOptions options);
  std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) override;

 private:
  const CodeProblemFile* file_;
  CodeJudge judge_;
  BackgroundThreads threads_;
};

}  // namespace fulgur
