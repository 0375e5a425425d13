// Episodes on an engine: the policy's turns are generated, many episodes at a time, and environments answer them.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "envs/episode.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

struct EpisodeOptions {
  int64_t outputs = 1;      // episodes of a problem, which share the prompt they start with
  SamplingParams sampling;  // output i draws its first turn as a request with seed + i would
  // Of each turn. max_tokens: of the whole episode, what the environment says included; 0: up to the context.
  StoppingRules stopping;
};

// The ids that follow the assistant's turn `written` (ids as generated) and make the next one begin: the rest of what
// ends a turn, the environment's messages, and the generation prompt. `messages` ends with that assistant's message.
// Error if the template renders earlier turns otherwise once more follow, so that what the model has seen is no
// beginning of the new prompt.
std::vector<int32_t> ReplyIds(const Tokenizer& tokenizer, const ChatTemplate& chat, const Json& messages,
                              const Json& reply, const Json& tools, const std::vector<int32_t>& written);

// Not thread-safe: one thread calls it, the engine's.
class EpisodeRunner {
 public:
  // Called once for each output, from Step, when its episode is over.
  using Ended = std::function<void(int64_t output, Trajectory trajectory)>;

  // All must outlive it; the engine is Abandoned when it goes.
  EpisodeRunner(Engine& engine, const Tokenizer& tokenizer, const ChatTemplate& chat);
  ~EpisodeRunner();

  // An episode that has begun, and the prompt it starts with.
  struct Beginning {
    std::unique_ptr<Episode> episode;
    Opening opening;
    std::vector<int32_t> prompt;
  };
  Beginning Begin(Env& env, const Problem& problem) const;

  // Plays `options.outputs` episodes of the problem, the first of which has begun. Throws what Engine::Submit does.
  void Play(Env& env, const Problem& problem, Beginning first, const EpisodeOptions& options, Ended ended);

  // One pass of the engine, and what environments have answered by now; false if there was nothing to do. Throws Error
  // if an output ended with one, and what an environment has thrown.
  bool Step();
  bool empty() const { return playing_.empty(); }
  int64_t prompt_tokens() const { return prompt_tokens_; }  // processed so far, replies of environments included
  int64_t generated_tokens() const { return generated_tokens_; }

 private:
  struct Playing {
    std::unique_ptr<Episode> episode;
    Json messages, tools;
    std::vector<int32_t> prompt;
    std::shared_ptr<const EpisodeOptions> options;
    std::shared_ptr<const Ended> ended;
    int64_t output = 0;
    Trajectory trajectory;
    std::optional<SequenceState> state;  // while the environment is asked
    std::future<Reply> reply;            // valid: the environment is asked
    std::list<Playing>::iterator self;
  };

  void BeginTurn(Playing& playing);
  void Take(Playing& playing, const OutputEvent& event);
  void EndTurn(Playing& playing);
  void TakeReply(Playing& playing, const Reply& reply);
  void End(Playing& playing, FinishReason finish);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  std::list<Playing> playing_;
  std::vector<Playing*> turn_ended_;  // in the engine's current step
  std::list<Playing*> asked_;         // environments that have not answered
  std::string error_;
  int64_t prompt_tokens_ = 0, generated_tokens_ = 0;
};

}  // namespace fulgur
