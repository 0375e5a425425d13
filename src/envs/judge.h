// What a trajectory is worth.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "envs/episode.h"
#include "envs/problem.h"
#include "envs/trajectory.h"

namespace fulgur {

class BackgroundThreads;

// A score, or none: then the trajectory is neither right nor wrong, and nothing is learned from it.
struct Verdict {
  std::optional<double> score;  // 0 to 1
  std::string reason;           // why the score is not 1, or why there is none
  std::string fault{};          // of a program: "compile", "crash"; empty: none, or it is no program
};

// Answers later, on threads of its own. Whoever asks bounds how many questions are under way, keeps problem and
// trajectory until the answer is there, and stores it: a judge is not asked twice. What the future throws ends the run
// that asked, so a judge throws what people have to look at, and gives no score where one answer failed.
class Judge {
 public:
  virtual ~Judge() = default;
  virtual std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) = 0;
};

// Decides by a rule, which throws only what people have to look at. Rules are asked one at a time.
class RuleJudge : public Judge {
 public:
  using Rule = std::function<Verdict(const Problem& problem, const Trajectory& trajectory)>;
  explicit RuleJudge(Rule rule);
  ~RuleJudge() override;
  std::future<Verdict> Ask(const Problem& problem, const Trajectory& trajectory) override;

 private:
  Rule rule_;
  std::unique_ptr<BackgroundThreads> thread_;
};

// A problem with those who answer the policy and judge it. They outlive it.
struct Assignment {
  Problem problem;
  Env* env = nullptr;
  Judge* judge = nullptr;
};

}  // namespace fulgur
