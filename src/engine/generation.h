// Generation: requests in, tokens and text out, many sequences a forward pass.
//
// Requests join and leave between steps (continuous batching, Yu et al. 2022, "Orca"). Each step feeds every running
// sequence its next token and up to prefill_chunk tokens of waiting prompts through one forward pass. A row of that
// pass depends on its own sequence alone (model/model.h) and a draw on (seed, position) alone (engine/sampler.h), so a
// request's tokens, log-probabilities and text are the same whatever else is running.
//
// The prompts that are being processed share a step's prefill_chunk: those of the highest priority first; among equals
// one half goes to the one that came first and the other half to the one with the least left, and what they do not need
// to the next. So a short prompt does not wait for a long one, and a long one goes on while short ones keep coming.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ngram_draft.h"
#include "engine/sampler.h"
#include "engine/stop_filter.h"
#include "engine/thinking.h"
#include "grammar/token_constraint.h"
#include "model/model.h"
#include "text/finish_reason.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace fulgur {

class Pass;

// MiniMax-M1 report, section 4.3: a generation is cut off after 3,000 consecutive tokens that each had a probability
// above 0.99, which is how endless repetition looks. Tokens that the engine appends start the count anew.
struct EarlyTruncation {
  int64_t tokens = 3000;  // 0: never
  double probability = 0.99;
};

struct StoppingRules {
  int64_t max_tokens = 0;                 // of output, those that the engine appends included; 0: up to max_context
  std::vector<int32_t> stop_tokens;       // end the output; part of its tokens, not of its text
  std::vector<std::string> stop_strings;  // end the output, neither they nor what follows is part of its text
  // How a chat reads the output: stop strings count in its content alone (engine/stop_filter.h). Otherwise anywhere.
  std::optional<StreamingOutputParser::Options> answer;
  std::optional<int64_t> thinking_budget;  // most thinking tokens (engine/thinking.h); 0: no thinking
  bool starts_in_thinking = false;         // the prompt has already opened the thinking
  std::string closing_sentence{kClosingSentence};
  EarlyTruncation early_truncation;

  // Throws Error naming the value and what it should be.
  void Validate() const;
};

struct GenerationRequest {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  StoppingRules stopping;
  // Outputs to sample from this prompt, which is processed once. Output i is what a request with seed + i would give.
  int64_t outputs = 1;
  // A state that has already taken in the first state->length() tokens of the prompt; fewer than all of them.
  std::optional<SequenceState> state;
  bool keep_prompt_state = false;  // hand out the state after the prompt (OutputEnd::prompt_state)
  bool prompt_logprobs = false;    // report the prompt's tokens too (OutputEvent::prompt); not with `state`
  int priority = 0;                // prompts of higher ones are processed first
  // Called with the prompt's state when it has taken in so many tokens, for each of these positions: increasing, after
  // the given state's length, at most the prompt's. The state may be copied, nothing else.
  std::vector<int64_t> checkpoints{};
  std::function<void(const SequenceState&)> on_checkpoint{};
  // What the output has to be, from the byte after </think> on, or from the beginning if it has no thinking. Stop
  // tokens may then come only where it is complete; without any, the output ends where nothing can follow. Tokens are
  // chosen among those that fit, their log-probabilities are those of the unmodified distribution as ever.
  std::shared_ptr<const TokenConstraint> constraint{};
  bool may_think = true;  // with a constraint: whether the output may begin with <think>, if the prompt did not
  bool after_no_thinking = false;  // with a constraint: the prompt ends in ThinkingTracker::NoThinking
};

struct OutputToken {
  int32_t id = 0;
  bool sampled = true;  // false: appended by the engine to close the thinking; logprob is 0 then and top empty
  float logprob = 0;
  std::vector<TokenLogprob> top;
  DrawnFrom drawn{};  // with SamplingParams::drawn
  bool operator==(const OutputToken&) const = default;
};

struct OutputEnd {
  FinishReason reason = FinishReason::kStop;
  std::string message;  // kError: what happened; kStopString: which one
  int64_t prompt_tokens = 0, reused_tokens = 0, output_tokens = 0, thinking_tokens = 0;
  bool thinking_cut = false;                          // the budget, or EndThinking, closed the thinking
  int64_t weights_version = 1;                        // that the last token came from (engine/scheduler.h)
  std::shared_ptr<const SequenceState> prompt_state;  // if keep_prompt_state
};

struct OutputEvent {
  int64_t request = 0;
  int64_t output = 0;                   // which of the request's outputs
  std::span<const OutputToken> tokens;  // new ones
  std::string_view text;                // new, complete characters, certain not to belong to a stop string
  OutputEnd* end = nullptr;             // set in an output's last event
  // With prompt_logprobs, in an output's first event: the prompt's tokens, each given those before it. Of the first
  // there is nothing to say: it counts as not sampled.
  std::span<const OutputToken> prompt{};
  // With `end`: what the sequence has taken in, the prompt and the output without its last sampled token (and whatever
  // was not yet processed). May be moved from. Null if nothing was processed.
  SequenceState* state = nullptr;
};
// May call Submit, Cancel and EndThinking, not Step.
using OutputCallback = std::function<void(const OutputEvent&)>;

struct EngineOptions {
  int64_t max_batch = 64;       // sequences that run at a time
  int64_t prefill_chunk = 512;  // tokens of prompts a step
  int64_t max_context = 0;      // prompt and output of one sequence; 0: the model's max_position_embeddings
  // Most tokens to draft for a sequence in a pass (engine/ngram_draft.h); 0: none. Changes no result, and how the
  // tokens of an output come: several in one event.
  int64_t max_draft = 0;
  // For tests: draft whenever there is something to draft from, whether it pays or not.
  bool draft_always = false;
  // For tests: called before each forward pass; what it throws counts as thrown by the pass.
  std::function<void()> before_forward{};
};

// Where a request stands.
struct RequestProgress {
  int64_t request = 0;
  int64_t prompt_tokens = 0, prefilled_tokens = 0;  // the latter with those of the given state
  bool prefilled = false;
  bool in_thinking = false;  // a running output is in its thinking
  size_t bytes = 0;          // memory of its sequences, shared KV blocks counted for each
};

struct StepStats {
  int64_t decode_tokens = 0, prefill_tokens = 0;  // the former without drafts that were wrong
  int64_t drafted_tokens = 0, accepted_tokens = 0;
  double forward_seconds = 0;
  bool failed = false;
};

class Engine {
 public:
  // Both must outlive the engine. Not thread-safe: one thread calls it.
  Engine(Model& model, const Tokenizer& tokenizer, EngineOptions options = {});
  ~Engine();

  // Throws Error if the request cannot be served (empty or too long prompt, token ids the model does not have,
  // parameters out of range). May be called from any thread.
  void Validate(const GenerationRequest& request) const;
  // Returns the request's number. Throws what Validate does.
  int64_t Submit(GenerationRequest request, OutputCallback callback);
  // Ends the outputs that are not finished yet with kCancelled (or another reason, and a message), in the next step.
  void Cancel(int64_t request, FinishReason reason = FinishReason::kCancelled, std::string message = {});
  // Closes the thinking of the request's outputs as if the budget were used up: after the next token of those that are
  // in their thinking, as soon as it begins in the others.
  void EndThinking(int64_t request);
  // One more of the request's `checkpoints`, if its prompt has not come so far. Returns the position that it will stop
  // at: this one, or one that is already asked for and less than kBlock before it; 0: none.
  int64_t AddCheckpoint(int64_t request, int64_t position);
  // One forward pass and its callbacks; false if there was nothing to do. If the pass fails, the requests that took
  // part in it end with kError.
  bool Step();
  void Run() {
    while (Step()) {
    }
  }

  int64_t running() const;              // sequences in the batch
  int64_t waiting() const;              // requests with outputs that have not begun
  int64_t waiting(int priority) const;  // those of this priority or a higher one
  const TokenMask& sampleable() const { return sampleable_; }
  int64_t max_context() const { return max_context_; }
  int64_t max_batch() const { return options_.max_batch; }
  const StepStats& last_step() const { return last_step_; }
  std::vector<RequestProgress> Progress() const;  // of requests that are not finished
  // Forgets all requests, without events.
  void Abandon();
  // Between steps: goes on with another model of the same dimensions, or with weights that have been changed in place.
  void UseModel(Model& model);

 private:
  struct Request;
  struct Output;

  // A piece of a prompt, in the next step.
  struct Part {
    Request* request;
    int64_t tokens;
  };

  bool DropCancelled();
  void EndUnbegun(Request& request, FinishReason reason, const std::string& message);
  std::vector<Part> SharePrefill();
  void Draft();
  void ScorePrompt(Request& request, std::span<const float> logits);
  void TakeRows(Output& output, std::span<const float> logits, SampledToken token);
  void FailStep(std::span<const Part> parts, const std::string& message);
  bool StartOutputs();
  void Append(Output& output, OutputToken token);
  bool CanStop(const Output& output) const;
  void AppendText(Output& output, std::string_view text);
  void Take(Output& output, SampledToken token);
  void Finish(Output& output, FinishReason reason, std::string message = {});
  void Emit(Output& output);

  Model* model_;
  std::unique_ptr<Pass> pass_;
  const Tokenizer& tokenizer_;
  EngineOptions options_;
  int64_t max_context_, vocab_size_;
  TokenMask sampleable_;
  std::vector<SamplerScratch> scratch_;          // one a worker
  std::list<std::shared_ptr<Request>> waiting_;  // outputs left to begin; by priority, then in order of arrival
  std::list<std::unique_ptr<Output>> running_;
  int64_t next_request_ = 1;
  StepStats last_step_;
  DraftPlan draft_plan_;
};

// One output, collected.
struct Generation {
  std::vector<OutputToken> tokens;
  std::string text;
  OutputEnd end;
  void Add(const OutputEvent& event);  // one of this output
  std::vector<int32_t> ids() const;
};

// Runs one request to its end (and whatever else the engine has); one Generation an output. Throws Error if one ended
// with kError.
std::vector<Generation> Generate(Engine& engine, GenerationRequest request);

}  // namespace fulgur
