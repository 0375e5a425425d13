// An environment: what answers the policy.
#pragma once

#include <future>
#include <memory>

#include "base/json.h"
#include "envs/problem.h"
#include "envs/trajectory.h"

namespace fulgur {

// What an episode begins with. The same problem always gives the same.
struct Opening {
  Json messages;  // OpenAI-style
  Json tools;     // that the assistant may call, OpenAI-style; null: none
};

// What the environment says to a turn of the assistant.
struct Reply {
  Json messages;  // tool results, or what a user says; null: the episode is over
  bool end() const { return messages.is_null(); }
};

// One attempt at a problem. Start is called first and once, then Act for each turn of the assistant, never before the
// last reply is there. A turn that was cut off (a limit of length, early truncation) ends the episode without Act.
class Episode {
 public:
  virtual ~Episode() = default;
  virtual Opening Start() = 0;
  // Returns at once: the reply comes later, because tools take time. The turn stays until the reply is there. What the
  // future throws ends the run.
  virtual std::future<Reply> Act(const AssistantTurn& turn) = 0;
};

// Begins episodes. Called from one thread; the episodes of a problem run side by side.
class Env {
 public:
  virtual ~Env() = default;
  virtual std::unique_ptr<Episode> Begin(const Problem& problem) = 0;
};

// Problems of one turn: the problem's messages are asked, and the first answer ends the episode.
class SingleTurnEnv : public Env {
 public:
  std::unique_ptr<Episode> Begin(const Problem& problem) override;
};

}  // namespace fulgur
