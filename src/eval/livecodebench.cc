#include "code/livecodebench.h"

#include <memory>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "code/answer_code.h"
#include "code/code_judge.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "text/python_text.h"

namespace fulgur::official {

std::string LiveCodeBenchCode(std::string_view response) {
  const std::vector<std::string_view> lines = python::Split(response, "\n");
  std::vector<size_t> fences;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("```") != std::string_view::npos) fences.push_back(i);
  }
  if (fences.size() < 2) return "";
  const size_t begin = fences[fences.size() - 2] + 1, end = fences.back();
  return python::Join({lines.begin() + static_cast<ptrdiff_t>(begin), lines.begin() + static_cast<ptrdiff_t>(end)},
                      "\n");
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

// Runs the program of an answer twice over: as the official evaluator does, and as ours (code/code_judge.h), where the
// expected outputs are out of its reach.
class ProgramRuns : public SampleJudge {
 public:
  ProgramRuns() : judge_({.all_tests = false}) {}
  int64_t capacity() const override { return grader_.threads(); }

  Outcome Judge(const BenchmarkItem& item, const BenchmarkAnswer& answer) override {
    const std::shared_ptr<const Tests> tests = TestsOf(item);
    const std::string code = official::LiveCodeBenchCode(answer.content);
    LiveCodeBenchGrade grade{Json{-4}, false, "there is no program", ""};
    if (!code.empty()) grade = grader_.Grade(tests->official, code);
    if (!grade.problem.empty()) return {nullptr, grade.problem};
    Json verdict = {{"passed", grade.passed}, {"results", grade.results}, {"why", grade.why}};
    const AnswerCode ours = CodeOf(tests->problem, answer.content);
    CodeVerdict strict;
    if (!ours.problem.empty()) {
      strict.score = 0;
      strict.reason = ours.problem;
    } else if (ours.program.language != Language::kPython3) {
      strict.score = 0;
      strict.reason = "the program is not in Python";
    } else {
      strict = judge_.Judge(tests->problem, ours.program);
      if (!strict.score) return {nullptr, strict.reason};
    }
    verdict["strict"] = *strict.score;
    verdict["strict_why"] = strict.reason;
    return {std::move(verdict), ""};
  }

 private:
  struct Tests {
    std::string item;
    LiveCodeBenchTests official;
    CodeProblem problem;
  };
  // The samples of an item come one after the other.
  std::shared_ptr<const Tests> TestsOf(const BenchmarkItem& item) {
    const std::lock_guard lock(mutex_);
    if (!last_ || last_->item != item.id) {
      const std::string where = item.record["where"].get<std::string>();
      last_ = std::make_shared<const Tests>(
          Tests{item.id, ReadLiveCodeBenchTests(item.record, where), ReadCodeProblem(item.record, where)});
    }
    return last_;
  }

  LiveCodeBenchGrader grader_;
  CodeJudge judge_;
  std::mutex mutex_;
  std::shared_ptr<const Tests> last_;
};

class LiveCodeBench : public Benchmark {
 public:
  explicit LiveCodeBench(const BenchmarkOptions& options) : imported_(!options.verdicts.empty()) {
    if (options.verdicts.empty()) return;
    const BenchmarkFile file(options.verdicts);
    for (size_t i = 0; i < file.size(); ++i) {
      const Json graded = file.Value(i, "graded_list");
      if (!graded.is_array()) throw Error("{}: \"graded_list\" is no list", file.Where(i));
      for (const Json& verdict : graded) {
        if (!verdict.is_boolean())
          throw Error("{}: \"graded_list\" has an entry that is neither true nor false", file.Where(i));
        verdicts_[file.Text(i, {"question_id"})].push_back(verdict.get<bool>());
      }
    }
  }
  std::string name() const override { return "livecodebench"; }
  std::string prompt_name() const override { return "livecodebench"; }
  BenchmarkPreset report() const override { return {.samples = 16}; }
  BenchmarkPreset official() const override {
    return {.temperature = 0.2, .top_p = 0.95, .samples = 10, .max_tokens = 2000};
  }
  std::string judge_name() const override { return imported_ ? "" : "livecodebench 1"; }
  std::unique_ptr<SampleJudge> MakeJudge() const override { return std::make_unique<ProgramRuns>(); }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      Json record = {{"where", file.Where(i)},
                     {"question_id", file.Text(i, {"question_id"})},
                     {"question_content", file.Text(i, {"question_content"})},
                     {"starter_code", file.TextOr(i, {"starter_code"}, "")}};
      for (const char* key : {"public_test_cases", "private_test_cases", "metadata"}) {
        if (file[i].contains(key)) record[key] = file[i][key];
      }
      // Without tests there is nothing to judge by, but questions to ask.
      const auto empty = [&](const char* key) {
        return !record.contains(key) || record[key].empty() || record[key] == "" || record[key] == "[]";
      };
      if (!empty("public_test_cases") || !empty("private_test_cases")) {
        ReadLiveCodeBenchTests(record, file.Where(i));
        ReadCodeProblem(record, file.Where(i));
      }
      items.push_back(
          {record["question_id"].get<std::string>(), file.TextOr(i, {"difficulty"}, ""), std::move(record)});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    const std::string starter = item.record["starter_code"].get<std::string>();
    return prompt->Messages(
        {{"question_content", item.record["question_content"].get<std::string>()},
         {"format",
          starter.empty()
              ? "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test "
                "on the sample inputs). Enclose your code within delimiters as follows. Ensure that when the python "
                "program runs, it reads the inputs, runs the algorithm and writes output to STDOUT."
              : "You will use the following starter code to write the solution to the problem and enclose your "
                "code within delimiters."},
         {"starter_code", starter.empty() ? "# YOUR CODE HERE" : starter}});
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t sample, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const std::string code = official::LiveCodeBenchCode(answer.content);
    if (!code.empty()) score.official_answer = score.answer = code;
    if (imported_) {
      const auto verdicts = verdicts_.find(item.id);
      if (verdicts == verdicts_.end() || static_cast<size_t>(sample) >= verdicts->second.size()) {
        score.unjudged = true;
        score.why = "no verdict of the official evaluator";
      } else {
        score.official = score.strict = verdicts->second[static_cast<size_t>(sample)];
        if (score.official == 0) score.why = "a test failed";
      }
    } else if (answer.verdict.is_null()) {
      score.unjudged = true;
      score.why = answer.verdict_lacks;
    } else {
      const std::string where = "a verdict of " + item.id;
      score.official = JsonGet<bool>(answer.verdict, "passed", where);
      score.strict = JsonGet<double>(answer.verdict, "strict", where);
      score.why = JsonGet<std::string>(answer.verdict, "strict_why", where);
      score.details = {{"results", answer.verdict["results"]}, {"official", answer.verdict["why"]}};
    }
    return score;
  }

 private:
  bool imported_;
  std::map<std::string, std::vector<bool>> verdicts_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeLiveCodeBench(const BenchmarkOptions& options) {
  return std::make_unique<LiveCodeBench>(options);
}

}  // namespace fulgur
