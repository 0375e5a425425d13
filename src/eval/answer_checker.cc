#include "eval/answer_checker.h"

#include <utility>

#include "base/error.h"
#include "envs/answer.h"
#include "eval/problem_file.h"
#include "math/verify.h"

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

}  // namespace

AnswerChecker GetAnswerChecker(const std::string& name) {
  if (name == "exact") return CheckExact;
  if (name == "math") return CheckMath;
  throw Error("there is no checker \"{}\"; the checkers are exact and math", name);
}

std::unique_ptr<Judge> MakeAnswerJudge(const Checker& checker) {
  if (!checker.is_rule()) return std::make_unique<CommandJudge>(checker.command);
  return std::make_unique<RuleJudge>(
      [check = GetAnswerChecker(checker.rule)](const Problem& problem, const Trajectory& trajectory) {
        Verdict best;
        for (const std::string& gold : GoldAnswers(problem.record, "a problem of " + problem.source)) {
          Score score = check(gold, trajectory.answer());
          if (!best.score || score.value > *best.score) best = {score.value, std::move(score.reason)};
        }
        return best;
      });
}

}  // namespace fulgur
