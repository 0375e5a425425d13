#include "judge/command_judge.h"

#include <cmath>
#include <utility>

#include "base/error.h"

namespace fulgur {
namespace {

constexpr int64_t kMostFailures = 5;

std::string Question(const Problem& problem, const Trajectory& trajectory) {
  const Json& record = problem.record;
  const Json line = {
      {"prompt", problem.prompt},
      {"answer", trajectory.answer()},
      {"response", trajectory.turns.empty() ? "" : trajectory.turns.back().text},
      {"reference", record.is_object() && record.contains("answer") ? record["answer"] : Json()},
      {"finish", FinishReasonName(trajectory.finish)},
      {"record", record},
  };
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The verdict that the line says. Throws Error that says what is wrong with it.
Verdict ReadVerdict(const std::string& line) {
  const Json json = ParseJson(line, "it");
  if (!json.is_object() || !json.contains("score")) throw Error("there is no \"score\"");
  Verdict verdict;
  verdict.reason = JsonGetOr<std::string>(json, "reason", "", "it");
  if (json["score"].is_null()) {
    if (verdict.reason.empty()) verdict.reason = "the checker gave no score";
    return verdict;
  }
  if (json["score"].is_boolean()) {
    verdict.score = json["score"].get<bool>() ? 1.0 : 0.0;
    return verdict;
  }
  if (!json["score"].is_number()) throw Error("\"score\" is {}, not a number", json["score"].dump());
  const double score = json["score"].get<double>();
  if (!(score >= 0 && score <= 1)) throw Error("\"score\" is {}, but must be between 0 and 1", score);
  verdict.score = score;
  return verdict;
}

std::string Shortened(const std::string& line) {
  return line.size() <= 200 ? line : line.substr(0, 200) + fmt::format("... ({} bytes)", line.size());
}

}  // namespace

CommandJudge::CommandJudge(CommandJudgeOptions options)
    : options_(std::move(options)), threads_(static_cast<int>(options_.processes)) {
  // In a thread that lasts as long as the judge: the process ends with the thread that started it.
  threads_.Run([this] { Return(std::make_unique<ChildProcess>(options_.command)); }).get();
}

CommandJudge::~CommandJudge() = default;

std::future<Verdict> CommandJudge::Ask(const Problem& problem, const Trajectory& trajectory) {
  return threads_.Run([this, &problem, &trajectory] { return AskProcess(Question(problem, trajectory)); });
}

std::unique_ptr<ChildProcess> CommandJudge::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto process = std::move(idle_.back());
      idle_.pop_back();
      return process;
    }
  }
  return std::make_unique<ChildProcess>(options_.command);
}

void CommandJudge::Return(std::unique_ptr<ChildProcess> process) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(process));
}

bool CommandJudge::Exchange(ChildProcess& process, const std::string& question, Verdict* verdict,
                            std::string* failure) {
  using Result = ChildProcess::Result;
  if (process.HasOutput()) {
    *failure = "it wrote more than one line for a question, or one without a question";
    return false;
  }
  const auto deadline = ChildProcess::Clock::now() + std::chrono::milliseconds(std::llround(1000 * options_.seconds));
  std::string line;
  Result result = process.Write(question, deadline);
  if (result == Result::kDone) result = process.ReadLine(&line, deadline);
  if (result == Result::kTimeout) {
    *failure = fmt::format("it gave no answer within {} s", options_.seconds);
  } else if (result == Result::kEnded) {
    *failure = fmt::format("it ended: {}", process.End(ChildProcess::Clock::now() + std::chrono::seconds(1)));
  } else {
    try {
      *verdict = ReadVerdict(line);
      return true;
    } catch (const Error& e) {
      *failure = fmt::format("it wrote \"{}\": {}", Shortened(line), e.what());
    }
  }
  return false;
}

Verdict CommandJudge::AskProcess(const std::string& question) {
  std::string failure;
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::unique_ptr<ChildProcess> process = Take();
    Verdict verdict;
    if (Exchange(*process, question, &verdict, &failure)) {
      Return(std::move(process));
      const std::lock_guard lock(mutex_);
      failures_ = 0;
      return verdict;
    }
  }
  const std::lock_guard lock(mutex_);
  if (++failures_ >= kMostFailures) {
    throw Error("the checker {} failed for {} answers in a row; the last time {}", options_.command[0], failures_,
                failure);
  }
  return {std::nullopt, "the checker failed: " + failure};
}

}  // namespace fulgur
