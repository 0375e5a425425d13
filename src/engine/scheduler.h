// The thread-safe front of generation: many threads submit requests, one thread runs the engine's steps.
//
// Between two steps the scheduler takes in what was submitted, cancelled or asked for, drops what is past its deadline,
// and lets waiting requests in: higher priorities first, then in order of arrival. A step takes every running sequence
// one token further and processes at most prefill_chunk tokens of prompts, so a stream never waits longer than one such
// step. Prompts share those tokens: half go to the one that came first, half to the one with the least left, so that a
// long one neither blocks short ones nor starves (engine/generation.h). What a request's prompt begins with is taken
// from the prefix cache (engine/prefix_cache.h); if it is just being read for another request, it is waited for.
//
// None of this changes a request's tokens: the same request with the same seed gives the same bytes, whatever else
// runs, is cancelled, or is cached.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/prefix_cache.h"

namespace fulgur {

struct ScheduledRequest {
  GenerationRequest generation;  // without `state`, `checkpoints` and `priority`: they are the scheduler's
  int priority = 0;              // higher goes first
  // What is not finished then ends with kDeadline, whether it still waits or is being written.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Positions of the prompt that other prompts are likely to share: the end of the system prompt and tools, the ends of
  // messages. Hints: what others share is found without them too, only less of it.
  std::vector<int64_t> checkpoints;
  bool use_cache = true;  // false: neither reads nor fills the prefix cache
  // The sequence is remembered under this name when it ends (of several outputs the first), for SaveSession.
  std::string session;
};

// There is no room to wait in. HTTP: 429.
class QueueFull : public Error {
 public:
  QueueFull(const std::string& message, std::chrono::seconds retry_after) : Error(message), retry_after_(retry_after) {}
  std::chrono::seconds retry_after() const { return retry_after_; }  // when there is likely to be room, at least 1 s

 private:
  std::chrono::seconds retry_after_;
};

// The scheduler is draining or has stopped. HTTP: 503.
class Draining : public Error {
 public:
  using Error::Error;
};

struct SchedulerOptions {
  EngineOptions engine{};
  PrefixCacheOptions cache{};
  int64_t max_queued = 1024;               // requests that wait to begin; 0: no limit
  int64_t max_queued_tokens = 0;           // of their prompts together; 0: no limit
  std::filesystem::path session_folder{};  // of SaveSession; empty: sessions cannot be saved
  bool spill_at_exit = true;               // with a spill folder: write what the cache holds when the scheduler ends
};

struct RequestStats {
  int64_t id = 0;
  int priority = 0;
  enum class Phase { kQueued, kPrefill, kGenerating } phase = Phase::kQueued;
  double age_seconds = 0;                                              // since it was submitted
  int64_t prompt_tokens = 0, cached_tokens = 0, prefilled_tokens = 0;  // the last: of the prompt, cached ones included
  int64_t outputs = 1, outputs_finished = 0;
  int64_t output_tokens = 0;  // of all outputs together
  bool in_thinking = false;   // at least one output is in its thinking
};
const char* PhaseName(RequestStats::Phase phase);  // "queued", "prefill", "generating"

struct SchedulerStats {
  // Now.
  int64_t queued = 0, queued_tokens = 0;  // requests that wait to begin, and tokens of their prompts
  int64_t prefilling = 0;                 // requests whose prompt is being processed
  int64_t running = 0, max_batch = 0;     // sequences that are generating; most at a time
  int64_t max_context = 0;
  size_t running_bytes = 0;  // memory of sequences in the batch, shared KV blocks counted for each
  bool draining = false;
  int64_t weights_version = 1;
  std::vector<RequestStats> requests;  // in order of arrival
  PrefixCacheStats cache;

  // Since the scheduler began.
  double uptime_seconds = 0, busy_seconds = 0, forward_seconds = 0;  // busy: in steps; forward: in the model
  int64_t submitted = 0, rejected = 0;                               // rejected: QueueFull
  std::array<int64_t, kFinishReasons> finished{};                    // outputs, by FinishReason
  int64_t steps = 0, failed_steps = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0;  // of requests that have begun
  int64_t prefill_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // engine/ngram_draft.h
  double queue_seconds = 0, prefill_seconds = 0;    // summed over requests: until begun; from then to the first token
  int64_t begun = 0, first_tokens = 0;              // how many requests those sums are over
  // Of the last step.
  int64_t step_decode_tokens = 0, step_prefill_tokens = 0;
  double step_seconds = 0;
};

struct SessionInfo {
  std::string name;
  int64_t tokens = 0;        // that the saved state has taken in
  std::vector<int32_t> ids;  // of the sequence
  size_t bytes = 0;          // of the file
};

enum class ReloadMode {
  kAtOnce,       // running sequences go on with the new weights and their memory of the old ones
  kFinishFirst,  // nothing new begins until the running sequences have ended
};

class Scheduler {
 public:
  // The model must outlive the scheduler; while that lives, loaded.model belongs to it (Reload replaces it), everything
  // else in `loaded` stays as it is and may be read. Throws Error if options are wrong.
  Scheduler(LoadedModel& loaded, SchedulerOptions options);
  ~Scheduler();  // what is not finished ends with kCancelled

  // Every member may be called from any thread, and from a callback unless it says otherwise.

  // Returns the request's id. `callback` is called on the scheduler's thread and must not block; events carry the id.
  // Every output of an accepted request gets exactly one event with `end`, and none with `state`: the cache has it. A
  // callback that throws ends its request with kError. Throws Error if the request cannot be served (HTTP 400),
  // QueueFull, Draining.
  int64_t Submit(ScheduledRequest request, OutputCallback callback);
  // Throws what Submit would throw for a request that cannot be served.
  void Validate(const ScheduledRequest& request) const;
  // Ends what is not finished with kCancelled, before the next step. An id that is unknown or finished is ignored: so
  // is a second Cancel.
  void Cancel(int64_t id);
  // Ends the thinking of all the request's outputs as if the budget were used up: with the next token of those that are
  // thinking, as soon as it begins in the others.
  void EndThinking(int64_t id);

  SchedulerStats stats() const;  // a snapshot as of the last step; does not wait for a running step
  int64_t weights_version() const;
  const ModelConfig& config() const;  // dimensions, which Reload does not change
  int64_t max_context() const;

  // Loads a model folder's weights and uses them from the next step on (kAtOnce), or from when nothing runs
  // (kFinishFirst). The folder must have the same dimensions and tokenizer. The prefix cache is emptied. Returns the
  // new version, once it is in use. Not from a callback. Throws Error; the old weights then stay.
  int64_t Reload(const std::filesystem::path& folder, ReloadMode mode = ReloadMode::kAtOnce);
  // The same for weights that are changed in place: `update` is run between two steps.
  int64_t UpdateWeights(const std::function<void(Model&)>& update, ReloadMode mode = ReloadMode::kAtOnce);

  // Sessions: a remembered sequence written to session_folder, and put back into the prefix cache, so that a prompt
  // that begins with its tokens resumes from it. Names: 1 to 64 letters, digits, '.', '_', '-', not beginning with a
  // dot. Not from a callback. Throws Error: unknown name, nothing of it in the cache any more, other weights, damaged
  // file.
  SessionInfo SaveSession(const std::string& name);
  SessionInfo RestoreSession(const std::string& name);
  std::vector<SessionInfo> Sessions() const;  // saved ones, by name, without ids
  void DeleteSession(const std::string& name);

  // Takes no new requests any more and waits until the accepted ones have ended; what has not by `timeout` ends with
  // kCancelled. True if all ended by themselves. Not from a callback.
  bool Drain(std::chrono::milliseconds timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
