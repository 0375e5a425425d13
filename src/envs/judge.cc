#include "envs/judge.h"

#include <utility>

#include "base/background_threads.h"

namespace fulgur {

RuleJudge::RuleJudge(Rule rule) : rule_(std::move(rule)), thread_(std::make_unique<BackgroundThreads>(1)) {}

RuleJudge::~RuleJudge() = default;

std::future<Verdict> RuleJudge::Ask(const Problem& problem, const Trajectory& trajectory) {
  return thread_->Run([this, &problem, &trajectory] { return rule_(problem, trajectory); });
}

}  // namespace fulgur
