// Groups of responses to problems: generated, scored, written down, and read again.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/generation.h"
#include "model/model.h"
#include "rl/objective.h"
#include "rl/problem.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

struct Response {
  std::vector<int32_t> ids;      // as generated; never encoded from text again
  std::vector<float> logprobs;   // as sampled, of the model that generated; 0 where the engine appended the token
  std::vector<uint8_t> sampled;  // 0: appended by the engine (the end of a thinking budget); no part of the loss
  std::string text;              // without the stop token
  FinishReason finish = FinishReason::kStop;
  int64_t thinking_tokens = 0;
  Reward reward;
  double advantage = 0;
  int64_t sampled_tokens() const;
};

struct Group {
  int64_t index = 0;  // in its batch
  Problem problem;
  std::vector<int32_t> prompt;
  std::vector<Response> responses;
  bool spread() const;    // whether the rewards differ
  double passed() const;  // sum of the scores
};

struct RolloutSettings {
  int64_t responses = 1;  // of a group
  int64_t window = 0;     // most tokens of a response
  uint64_t seed = 0;      // group i samples with Mix(seed, i)
  StoppingRules stopping;
  EngineOptions engine;
  RewardConfig reward;
  AdvantageKind advantage = AdvantageKind::kPopulation;
};

// What was generated before, by index of the group; see RolloutFile.
using ReadyGroups = std::map<int64_t, std::pair<std::vector<int32_t>, std::vector<Response>>>;

struct RolloutResult {
  std::vector<Group> groups;                        // all that were tried, by index
  bool stopped = false;                             // by the flag; groups are then not complete
  int64_t reused = 0;                               // groups that were ready
  int64_t generated_tokens = 0, prompt_tokens = 0;  // of the groups that were not
  double seconds = 0;
};

// Generates groups until `wanted` of them have rewards that differ, at most `most` of them: groups 0 to n - 1 for the
// least n that does, whatever the order in which they end. Every group that ends without a spread is replaced by the
// next one, which joins the running batch. next(i) is called once for each i = 0, 1, ..., in order; finished(group)
// once for each group that was generated here, when it is complete and scored. Sampling is at temperature 1 from the
// whole distribution, so that the recorded log-probabilities are those of the distribution that was sampled from.
// `stop` may be null. Throws Error if a prompt does not fit the context.
RolloutResult GenerateGroups(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                             const RolloutSettings& settings, int64_t wanted, int64_t most,
                             const std::function<Problem(int64_t index)>& next, const ReadyGroups& ready,
                             const std::function<void(const Group&)>& finished, const std::atomic<bool>* stop);

// A group as a line of JSON. Log-probabilities have nine digits at most, from which their very bits come back.
Json GroupToJson(const Group& group);

// Groups that an earlier process wrote to a file of such lines (gzip_lines.h), if they begin with the pairs of `stamp`:
// what the responses depend on. Ends at the first line that is torn, has another stamp, or another number of responses;
// *kept: bytes before it.
ReadyGroups ReadReadyGroups(const std::filesystem::path& path, const Json& stamp, int64_t responses, int64_t* kept);

}  // namespace fulgur
