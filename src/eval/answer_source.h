// Where a benchmark's answers come from: a model in this process, or an endpoint.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "eval/benchmark.h"
#include "judge/chat_endpoint.h"

namespace fulgur {

struct BenchmarkQuestion {
  Json messages;
  uint64_t seed = 0;
  bool truncate = false;  // a prompt that does not fit loses its middle, as LongBench-v2 does; otherwise it is an error
};

// A text whose middle is gone if it has more than `most` tokens: its first and its last half remain, as officially.
std::string WithoutMiddle(const Tokenizer& tokenizer, const std::string& text, int64_t most);

struct AnswerOutcome {
  std::optional<BenchmarkAnswer> answer;
  std::string error;  // why there is none
};

class AnswerSource {
 public:
  virtual ~AnswerSource() = default;
  // Returns at once. `done` is called once, from any thread, and must not block.
  virtual void Ask(BenchmarkQuestion question, std::function<void(AnswerOutcome)> done) = 0;
  // Questions that are worth having under way at a time.
  virtual int64_t capacity() const = 0;
  // All that decides an answer beside the question: what a run is held to when it goes on.
  virtual Json Describe() const = 0;
};

struct LocalSourceOptions {
  SamplingParams sampling;
  StoppingRules stopping;
  EngineOptions engine;
  size_t cache_bytes = size_t{2} << 30;  // of states that later prompts resume from
  int64_t max_prompt_tokens = 0;         // of a prompt that may be cut; 0: as many as the context has room for
};
// The model outlives the source.
std::unique_ptr<AnswerSource> MakeLocalSource(LoadedModel& model, const LocalSourceOptions& options);

struct EndpointSourceOptions {
  EndpointOptions endpoint;
  double temperature = 1, top_p = 0.95;
  int64_t max_tokens = 0;  // 0: the server's own limit
  int64_t concurrency = 16;
  Json extra = Json::object();  // further fields of every request
  // By whose tokens a prompt that may be cut is cut, and how many it may have. Empty: prompts are sent as they are.
  std::filesystem::path tokenizer;
  int64_t max_prompt_tokens = 0;
};
std::unique_ptr<AnswerSource> MakeEndpointSource(const EndpointSourceOptions& options);

}  // namespace fulgur
