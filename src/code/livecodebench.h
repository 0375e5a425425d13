// LiveCodeBench's own way to grade programs. Official numbers are made with it, flaws included; whoever wants to know
// whether a program is right asks CodeJudge.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "sandbox/sandbox.h"

namespace fulgur {

// As the official evaluator takes them: texts, public tests before private ones.
struct LiveCodeBenchTests {
  std::vector<std::string> inputs, outputs;
  std::optional<std::string> function;  // what is called; none: programs that read and write
};
// Of the fields "public_test_cases", "private_test_cases" and "metadata" of the set's record. Error that names `where`
// and the field.
LiveCodeBenchTests ReadLiveCodeBenchTests(const Json& record, const std::string& where);

struct LiveCodeBenchGrade {
  // A list with a result for each test up to the first that failed: true, or -2 wrong, -3 out of time, -4 an error. A
  // function's wrong result is false. [-2] for a program that ended the evaluator.
  Json results;
  bool passed = false;
  std::string why;      // of the test that failed
  std::string problem;  // not empty: the sandbox failed, and there is no grade
};

// Many threads may ask; each waits for its own.
class LiveCodeBenchGrader {
 public:
  // seconds: of a test; officially 6. threads: programs at a time; 0: as many as there are processors. Error if
  // programs cannot be contained here, or there is no /usr/bin/python3.
  explicit LiveCodeBenchGrader(double seconds = 6, int threads = 0);

  LiveCodeBenchGrade Grade(const LiveCodeBenchTests& tests, const std::string& code);
  int threads() const { return sandbox_.runs_at_a_time(); }

 private:
  double seconds_;
  Sandbox sandbox_;
  std::shared_mutex alone_;  // shared by runs; one whose time is in doubt is repeated with all others waiting
};

}  // namespace fulgur
