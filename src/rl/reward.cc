#include "rl/reward.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "envs/task.h"
#include "text/output_format.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

size_t CountOf(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

bool IsWellFormed(std::string_view text, FinishReason finish, bool starts_in_thinking) {
  if (!EndedByModel(finish)) return false;
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

Reward ScoreResponse(const RewardConfig& config, const Verdict& verdict, const Trajectory& trajectory,
                     bool starts_in_thinking, int64_t window) {
  FULGUR_CHECK(verdict.score.has_value() && !trajectory.turns.empty());
  Reward reward;
  reward.format = IsWellFormed(trajectory.turns.back().text, trajectory.finish, starts_in_thinking);
  reward.correct_part = config.correct * *verdict.score;
  reward.format_part = reward.format ? config.format : 0;
  if (verdict.fault == "compile") reward.fault_part = config.compile_error;
  if (verdict.fault == "crash") reward.fault_part = config.crash;
  if (config.overlong_buffer > 0) {
    const auto tokens = static_cast<int64_t>(trajectory.ids.size());
    const int64_t over = std::clamp<int64_t>(tokens - (window - config.overlong_buffer), 0, config.overlong_buffer);
    if (over > 0) {
      reward.overlong_part = -config.overlong * static_cast<double>(over) / static_cast<double>(config.overlong_buffer);
    }
  }
  return reward;
}

}  // namespace fulgur
