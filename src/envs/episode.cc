#include "envs/episode.h"

#include "base/background_threads.h"

namespace fulgur {
namespace {

class SingleTurn : public Episode {
 public:
  explicit SingleTurn(Json messages) : messages_(std::move(messages)) {}
  Opening Start() override { return {messages_, nullptr}; }
  std::future<Reply> Act(const AssistantTurn&) override { return ReadyFuture(Reply{nullptr}); }

 private:
  Json messages_;
};

}  // namespace

std::unique_ptr<Episode> SingleTurnEnv::Begin(const Problem& problem) {
  return std::make_unique<SingleTurn>(problem.messages);
}

}  // namespace fulgur
