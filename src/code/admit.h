// Whether a problem's tests can be believed.
#pragma once

#include <string>
#include <vector>

#include "code/code_judge.h"

namespace fulgur {

struct Admission {
  bool admitted = false;
  std::string reason;     // why not
  int64_t mutants = 0;    // wrong programs that were tried; all of them failed if it is admitted
  int64_t incorrect = 0;  // those of the problem's `incorrect_solutions` that were
};

// A program that should fail, and what is wrong with it.
struct Mutant {
  ProgramText program;
  std::string what;
};

// Programs that answer without solving (the same answer to every test, the input back), and the reference with one
// comparison turned round, one + and - or one min and max exchanged, at no more than 16 places.
std::vector<Mutant> MakeMutants(const CodeProblem& problem, const ProgramText& reference);

// An empty answer must score 0, a reference solution 1 twice, the problem's incorrect solutions and all mutants 0.
// Throws as CodeJudge; Error too if the sandbox fails.
Admission Admit(CodeJudge& judge, const CodeProblem& problem);

}  // namespace fulgur
