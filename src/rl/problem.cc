#include "rl/problem.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/thinking.h"
#include "envs/answer.h"
#include "math/verify.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

// Without spaces and letter case.
std::string Squeezed(std::string_view text) {
  std::string out = ToLower(PlainAnswer(text));
  std::erase_if(out, [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  return out;
}

Score CheckExact(const std::string& gold, std::string_view answer) {
  std::string content;
  if (!LastBoxed(answer, &content)) return {0, "no \\boxed{} found"};
  if (content.size() > kMaxAnswerBytes) return {0, fmt::format("the answer has {} bytes", content.size())};
  const std::string given = Squeezed(content), wanted = Squeezed(gold);
  if (given.empty()) return {0, "the box is empty"};
  int64_t a = 0, b = 0;
  if (given == wanted || (ParseInteger(given, &a) && ParseInteger(wanted, &b) && a == b)) return {1, ""};
  return {0, fmt::format("{} is not {}", Quoted(content), Quoted(gold))};
}

Score CheckMath(const std::string& gold, std::string_view answer) {
  MathScore score = VerifyMath(gold, answer);
  return {score.value, std::move(score.reason)};
}

size_t CountOf(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

Problem MakeTaskProblem(const Task& task, const TaskInstance& instance, const std::string& source) {
  Problem problem;
  problem.source = source;
  problem.task = task.name();
  problem.difficulty = instance.difficulty;
  problem.id = instance.seed;
  problem.prompt = instance.prompt;
  problem.judge = [&task, instance](std::string_view answer) { return task.Verify(instance, answer); };
  return problem;
}

AnswerChecker GetAnswerChecker(const std::string& name) {
  if (name == "exact") return CheckExact;
  if (name == "math") return CheckMath;
  throw Error("there is no checker \"{}\"; the checkers are exact and math", name);
}

ProblemFile::ProblemFile(const std::filesystem::path& path, std::string source, const std::string& checker)
    : lines_(path, "prompt"), source_(std::move(source)), checker_(GetAnswerChecker(checker)) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Json line = lines_.Get(i);
    for (const char* key : {"prompt", "answer"}) {
      if (!line.contains(key) || !line[key].is_string()) {
        throw Error("{}, record {}: \"{}\" must be a string", path.string(), i + 1, key);
      }
    }
  }
}

std::string ProblemFile::Prompt(size_t i) const { return lines_.Get(i)["prompt"].get<std::string>(); }

Problem ProblemFile::Get(size_t i) const {
  const Json line = lines_.Get(i);
  Problem problem;
  problem.source = problem.task = source_;
  problem.id = i;
  problem.prompt = line["prompt"].get<std::string>();
  problem.judge = [check = checker_, gold = line["answer"].get<std::string>()](std::string_view answer) {
    return check(gold, answer);
  };
  return problem;
}

bool IsWellFormed(std::string_view text, FinishReason finish, bool starts_in_thinking) {
  if (finish != FinishReason::kStop && finish != FinishReason::kStopString) return false;
  if (!starts_in_thinking) {
    const size_t open = text.find(kThinkOpen);
    if (open == std::string_view::npos || !IsBlank(text.substr(0, open))) return false;
    text.remove_prefix(open + kThinkOpen.size());
  }
  const size_t close = text.find(kThinkClose);
  if (close == std::string_view::npos || IsBlank(text.substr(0, close))) return false;
  if (text.find(kThinkOpen) != std::string_view::npos) return false;
  const std::string_view answer = text.substr(close + kThinkClose.size());
  std::string content;
  return CountOf(text, kThinkClose) == 1 && CountOf(answer, "\\boxed{") == 1 && LastBoxed(answer, &content);
}

Reward ScoreResponse(const RewardConfig& config, const Problem& problem, std::string_view text, FinishReason finish,
                     bool starts_in_thinking, int64_t tokens, int64_t window) {
  Reward reward;
  const ParsedOutput parsed =
      ParseOutput(starts_in_thinking ? std::string(kThinkOpen) + std::string(text) : std::string(text));
  const Score score = problem.judge(parsed.content);
  reward.score = std::clamp(score.value, 0.0, 1.0);
  reward.reason = score.reason;
  reward.format = IsWellFormed(text, finish, starts_in_thinking);
  reward.correct_part = config.correct * reward.score;
  reward.format_part = reward.format ? config.format : 0;
  if (config.overlong_buffer > 0) {
    const int64_t over = std::clamp<int64_t>(tokens - (window - config.overlong_buffer), 0, config.overlong_buffer);
    if (over > 0) {
      reward.overlong_part = -config.overlong * static_cast<double>(over) / static_cast<double>(config.overlong_buffer);
    }
  }
  return reward;
}

}  // namespace fulgur
