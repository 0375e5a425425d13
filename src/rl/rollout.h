// Groups of responses to problems: generated, scored, written down, and read again.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/generation.h"
#include "envs/judge.h"
#include "eval/gzip_lines.h"
#include "model/model.h"
#include "rl/objective.h"
#include "rl/reward.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fulgur {

struct Response {
  Trajectory trajectory;
  Verdict verdict;
  Reward reward;         // if the verdict has a score
  double advantage = 0;  // likewise
  bool judged() const { return verdict.score.has_value(); }
};

struct Group {
  int64_t index = 0;  // in its batch
  Problem problem;
  std::vector<int32_t> prompt;
  std::vector<Response> responses;
  int64_t judged() const;  // responses with a score
  bool spread() const;     // whether the rewards of those differ
  double passed() const;   // sum of their scores
};

struct RolloutSettings {
  int64_t responses = 1;  // of a group
  int64_t window = 0;     // most tokens of a response
  uint64_t seed = 0;      // group i samples with Mix(seed, i)
  double temperature = 1, top_p = 1;
  StoppingRules stopping;
  EngineOptions engine;
  RewardConfig reward;
  AdvantageKind advantage = AdvantageKind::kPopulation;
  int64_t most_judging = 64;  // questions to judges that are under way
};

// What an earlier process has left of a batch.
struct ReadyGroups {
  struct Group {
    std::vector<int32_t> prompt;
    std::vector<Response> responses;  // with their verdicts
  };
  std::map<int64_t, Group> groups;  // complete ones, by index
  // Of responses whose groups are not complete, by index of group and response: what was judged, and how.
  struct Judged {
    std::string response;  // TrajectoryCrc
    Verdict verdict;
  };
  std::map<std::pair<int64_t, int64_t>, Judged> verdicts;
};

// Where a batch is written as it comes about. Both may be empty. Called from the thread that generates.
struct RolloutRecorder {
  std::function<void(int64_t group, int64_t response, const Response&)> judged;  // once for each new verdict
  std::function<void(const Group&)> finished;  // once for each group that was generated here and is scored
};

struct RolloutResult {
  std::vector<Group> groups;                        // all that were tried, by index
  bool stopped = false;                             // by the flag; groups are then not complete
  int64_t reused = 0;                               // groups that were ready
  int64_t generated_tokens = 0, prompt_tokens = 0;  // of the groups that were not
  double seconds = 0;
  double waited_seconds = 0;  // of these, with nothing to generate: for verdicts and environments
};

// Generates groups until `wanted` of them have rewards that differ, at most `most` of them: groups 0 to n - 1 for the
// least n that does, whatever the order in which they end and are judged. Every group that is judged to have no spread
// is replaced by the next one, which joins the running batch. next(i) is called once for each i = 0, 1, ..., in order.
// The recorded log-probabilities are those of the distribution that was sampled from, temperature and top-p included.
// The engine does not wait for verdicts while there is something to generate; at most settings.most_judging are asked
// for at a time. `stop` may be null; verdicts that are asked for are still waited for and recorded. Throws Error if a
// prompt does not fit the context, and what judges and environments throw.
RolloutResult GenerateGroups(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                             const RolloutSettings& settings, int64_t wanted, int64_t most,
                             const std::function<Assignment(int64_t index)>& next, ReadyGroups ready,
                             const RolloutRecorder& recorder, const std::atomic<bool>* stop);

// Of its tokens and their log-probabilities: two trajectories with the same one are the same.
std::string TrajectoryCrc(const Trajectory& trajectory);

// The rollouts of a batch in a file of JSON lines (gzip_lines.h), a group a line. Log-probabilities have nine digits at
// most, from which their very bits come back. A second file beside it, PATH.verdicts, holds the verdicts of groups that
// are not complete, until Finish removes it.
class RolloutFile {
 public:
  // Reads what an earlier process wrote, if its lines begin with the pairs of `stamp`: what the responses depend on.
  // Ends at the first line that is torn, has another stamp, or another number of responses, and writes behind it.
  RolloutFile(const std::filesystem::path& path, Json stamp, const RolloutSettings& settings);

  ReadyGroups TakeReady() { return std::move(ready_); }
  RolloutRecorder Recorder();  // writes at once
  void Finish();               // all groups are there

 private:
  std::filesystem::path path_, verdicts_path_;
  Json stamp_;
  ReadyGroups ready_;
  std::unique_ptr<GzipLinesWriter> groups_, verdicts_;
};

// A group as a line of JSON.
Json GroupToJson(const Group& group);

}  // namespace fulgur
