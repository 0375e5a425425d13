#include "envs/trajectory.h"

#include <algorithm>

namespace fulgur {

int64_t Trajectory::sampled_tokens() const { return std::count(sampled.begin(), sampled.end(), 1); }

int64_t Trajectory::thinking_tokens() const {
  int64_t tokens = 0;
  for (const TrajectoryTurn& turn : turns) tokens += turn.thinking_tokens;
  return tokens;
}

bool Trajectory::thinking_cut() const {
  return std::any_of(turns.begin(), turns.end(), [&](const TrajectoryTurn& turn) {
    return std::find(sampled.begin() + turn.begin, sampled.begin() + turn.end, 0) != sampled.begin() + turn.end;
  });
}

const std::string& Trajectory::answer() const {
  static const std::string kNone;
  return turns.empty() ? kNone : turns.back().parsed.content;
}

}  // namespace fulgur
