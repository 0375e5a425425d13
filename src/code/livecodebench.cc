#include "code/livecodebench.h"

#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json_as_given.h"
#include "code/code_problem.h"

namespace fulgur {

extern const char kLivecodebenchPy[];
extern const size_t kLivecodebenchPySize;

namespace {

constexpr const char* kPython = "/usr/bin/python3";
constexpr int64_t kMemory = int64_t{1} << 30;  // what AtCoder allows, the most of the set's sources

// JSON, or JSON in a text; null if it is missing or empty.
Json ReadField(const Json& record, const char* key, const std::string& where) {
  if (!record.contains(key) || record[key].is_null()) return nullptr;
  if (!record[key].is_string()) return record[key];
  const std::string at = fmt::format("{}: \"{}\"", where, key);
  const std::string text = key == std::string("private_test_cases")
                               ? DecodePrivateTests(record[key].get<std::string>(), at)
                               : record[key].get<std::string>();
  return Trim(text).empty() ? Json() : ParseJsonAsGiven(text, at);
}

}  // namespace

LiveCodeBenchTests ReadLiveCodeBenchTests(const Json& record, const std::string& where) {
  LiveCodeBenchTests tests;
  for (const char* key : {"public_test_cases", "private_test_cases"}) {
    const Json list = ReadField(record, key, where);
    if (list.is_null()) continue;
    if (!list.is_array()) throw Error("{}: \"{}\" is {}, expected a list", where, key, list.type_name());
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string at = fmt::format("{}: \"{}\"[{}]", where, key, i);
      if (!list[i].is_object()) throw Error("{} is {}, expected an object", at, list[i].type_name());
      tests.inputs.push_back(JsonGet<std::string>(list[i], "input", at));
      tests.outputs.push_back(JsonGet<std::string>(list[i], "output", at));
    }
  }
  if (tests.inputs.empty()) throw Error("{}: there are no tests", where);
  const Json metadata = ReadField(record, "metadata", where);
  if (!metadata.is_null() && !metadata.is_object()) throw Error("{}: \"metadata\" is no object", where);
  if (metadata.is_object() && metadata.contains("func_name") && !metadata["func_name"].is_null()) {
    tests.function = JsonGet<std::string>(metadata, "func_name", where + ": \"metadata\"");
  }
  return tests;
}

LiveCodeBenchGrader::LiveCodeBenchGrader(double seconds, int threads)
    : seconds_(seconds),
      sandbox_(threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
  if (!std::filesystem::exists(kPython)) {
    throw Error("programs in Python cannot be judged: there is no {} here; apt-get install python3", kPython);
  }
}

LiveCodeBenchGrade LiveCodeBenchGrader::Grade(const LiveCodeBenchTests& tests, const std::string& code) {
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, {kPython, "-s", "-S", "-P", "-B", "/grade.py"});
  run.files = {{"/grade.py", std::string(kLivecodebenchPy, kLivecodebenchPySize), false}, {"/answer.py", code, false}};
  run.input = Json{
      {"inputs", tests.inputs},
      {"outputs", tests.outputs},
      {"function", tests.function ? Json(*tests.function) : Json()},
      {"seconds",
       seconds_}}.dump(-1, ' ', true, Json::error_handler_t::replace);
  run.limits.cpu_seconds = (seconds_ + 1) * static_cast<double>(tests.inputs.size()) + 5;  // as officially
  run.limits.wall_seconds = 2 * run.limits.cpu_seconds + 10;
  run.limits.memory_bytes = kMemory;
  double slowest = 0;
  const auto grade = [&](const SandboxOutcome& outcome) {
    LiveCodeBenchGrade graded;
    if (outcome.end == RunEnd::kInfrastructure) {
      graded.problem = "the sandbox failed: " + outcome.problem;
      return graded;
    }
    Json said = Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
    if (outcome.end == RunEnd::kExit && outcome.exit_code == 0 && said.is_object() && said.contains("results") &&
        said["results"].is_array() && said.value("slowest", Json()).is_number() &&
        said.value("why", Json()).is_string()) {
      graded.results = said["results"];
      graded.why = said["why"].get<std::string>();
      slowest = said["slowest"].get<double>();
    } else {
      graded.results = {-2};
      graded.why = fmt::format("the program ended the evaluator ({})", RunEndName(outcome.end));
    }
    graded.passed = true;
    for (const Json& result : graded.results) {
      const double value = result.is_number() ? result.get<double>() : result == true ? 1 : 0;
      if (!(value > 0)) graded.passed = false;
    }
    if (!graded.passed) graded.why = fmt::format("test {}: {}", graded.results.size(), graded.why);
    return graded;
  };
  LiveCodeBenchGrade graded;
  {
    const std::shared_lock among_others(alone_);
    graded = grade(sandbox_.Run(run).get());
  }
  // Times at which the same program may once be over the limit and once not.
  if (!graded.problem.empty() || slowest < 0.7 * seconds_ || slowest > 1.5 * seconds_) return graded;
  const std::unique_lock alone(alone_);
  return grade(sandbox_.Run(run).get());
}

}  // namespace fulgur
