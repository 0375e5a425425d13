#include "engine/generation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/error.h"
#include "model/pass.h"

namespace fulgur {

void StoppingRules::Validate() const {
  if (max_tokens < 0) throw Error("max_tokens is {}; it must be at least 0 (0: as many as fit)", max_tokens);
  if (thinking_budget && *thinking_budget < 0) {
    throw Error("the thinking budget is {}; it must be at least 0 (0: no thinking)", *thinking_budget);
  }
  if (early_truncation.tokens < 0) {
    throw Error("early truncation after {} tokens; it must be at least 0 (0: never)", early_truncation.tokens);
  }
  if (!(early_truncation.probability >= 0 && early_truncation.probability <= 1)) {
    throw Error("early truncation above probability {}; it must be between 0 and 1", early_truncation.probability);
  }
  StopStrings{stop_strings};
}

struct Engine::Request {
  Request(int64_t number, GenerationRequest request, OutputCallback callback)
      : number(number), given(std::move(request)), callback(std::move(callback)) {}

  int64_t prompt_tokens() const { return static_cast<int64_t>(given.prompt.size()); }
  int64_t prompt_done() const { return given.state ? given.state->length() : 0; }
  int64_t prompt_left() const { return prompt_tokens() - prompt_done(); }
  // Tokens up to where the next pass has to stop.
  int64_t next_stop() const {
    const bool more = next_checkpoint < given.checkpoints.size();
    const int64_t left = (more ? given.checkpoints[next_checkpoint] : prompt_tokens()) - prompt_done();
    constexpr int64_t kMostRows = 128;  // of logits at a time, which are as long as the vocabulary
    return given.prompt_logprobs ? std::min(left, kMostRows) : left;
  }

  int64_t number;
  GenerationRequest given;  // `state` is the prompt's from when it is started
  OutputCallback callback;
  int64_t reused = 0;
  int64_t max_output = 0;
  bool started = false;       // its prompt is being processed, or has been
  bool prefilled = false;     // its prompt has been processed: `logits` is there
  std::vector<float> logits;  // [V] after the prompt
  std::vector<OutputToken> prompt_scores;
  std::shared_ptr<const SequenceState> prompt_state;
  int64_t begun = 0;                   // outputs that have begun
  size_t next_checkpoint = 0;          // of given.checkpoints
  std::optional<FinishReason> ending;  // Cancel has been called
  std::string ending_message;
  bool end_thinking = false;
};

struct Engine::Output {
  Output(std::shared_ptr<Request> from, int64_t index, SequenceState state, const Tokenizer& tokenizer)
      : request(std::move(from)),
        index(index),
        state(std::move(state)),
        sampler([&] {
          SamplingParams params = request->given.sampling;
          params.seed += static_cast<uint64_t>(index);
          return params;
        }()),
        decoder(tokenizer, /*skip_special=*/true, /*begins=*/false),
        stop_filter(request->given.stopping.stop_strings, request->given.stopping.answer),
        thinking(request->given.stopping.starts_in_thinking) {
    sampler.AddPrompt(request->given.prompt);
    end.prompt_tokens = request->prompt_tokens();
    end.reused_tokens = request->reused;
    end.prompt_state = request->prompt_state;
    if (request->given.constraint) {
      if (request->given.after_no_thinking) {
        cursor = request->given.constraint->Begin(Grammar::Start::kThinking);
        cursor->Push(ThinkingTracker::NoThinking(/*starts_open=*/true));
        return;
      }
      // With a budget of 0 the engine itself writes the (empty) thinking.
      const bool may_think = request->given.may_think || rules().thinking_budget == 0;
      cursor = request->given.constraint->Begin(rules().starts_in_thinking ? Grammar::Start::kThinking
                                                : may_think                ? Grammar::Start::kMayThink
                                                                           : Grammar::Start::kAnswer);
    }
  }

  // What may be sampled next, for Sampler::Sample.
  std::span<const uint64_t> Fitting() {
    if (!cursor) return {};
    request->given.constraint->Allowed(*cursor, rules().stop_tokens, &fitting);
    return fitting;
  }

  const StoppingRules& rules() const { return request->given.stopping; }

  std::shared_ptr<Request> request;
  int64_t index;
  SequenceState state;
  Sampler sampler;
  StreamDecoder decoder;
  StopFilter stop_filter;
  ThinkingTracker thinking;
  std::optional<TokenConstraint::Cursor> cursor;  // with a constraint
  TokenBits fitting;
  std::vector<int32_t> pending;  // tokens that the model has not seen yet, and in a pass those that are drafted
  int64_t drafted = 0;           // of them
  std::optional<NgramDraft> draft;
  std::vector<OutputToken> fresh;  // tokens and text of the next event
  std::string fresh_text;
  int64_t confident = 0;  // consecutive tokens above the early truncation's probability
  bool begun = false;     // its first event has been emitted
  bool finished = false;
  OutputEnd end;
};

Engine::Engine(Model& model, const Tokenizer& tokenizer, EngineOptions options)
    : model_(&model), tokenizer_(tokenizer), options_(std::move(options)), vocab_size_(model.config().vocab_size) {
  if (options_.max_batch < 1) throw Error("a batch of {} sequences; it must be at least 1", options_.max_batch);
  if (options_.prefill_chunk < 1)
    throw Error("prompts in chunks of {} tokens; it must be at least 1", options_.prefill_chunk);
  if (options_.max_draft < 0) throw Error("drafts of {} tokens; it must be at least 0", options_.max_draft);
  if (options_.max_context < 0) throw Error("a context of {} tokens; it must be at least 0", options_.max_context);
  max_context_ = options_.max_context > 0 ? options_.max_context : model.config().max_position_embeddings;
  if (max_context_ <= 0) max_context_ = std::numeric_limits<int64_t>::max();
  UseModel(model);
}

Engine::~Engine() = default;

void Engine::UseModel(Model& model) {
  FULGUR_CHECK(model.config().vocab_size == vocab_size_);
  model_ = &model;
  pass_ = std::make_unique<Pass>(model);
  sampleable_ = SampleableTokens(model.params().embedding, tokenizer_.vocab_size());
  scratch_.resize(static_cast<size_t>(model.exec().pool().threads()));
}

void Engine::Validate(const GenerationRequest& request) const {
  request.sampling.Validate();
  request.stopping.Validate();
  const int64_t prompt_tokens = static_cast<int64_t>(request.prompt.size());
  if (prompt_tokens == 0) throw Error("the prompt is empty; a model continues at least one token");
  if (prompt_tokens >= max_context_) {
    throw Error("the prompt has {} tokens; it must leave room for an answer in the context of {}", prompt_tokens,
                max_context_);
  }
  for (int32_t id : request.prompt) {
    if (id < 0 || id >= vocab_size_) {
      throw Error("the prompt has token {}; the model's tokens are 0 to {}", id, vocab_size_ - 1);
    }
  }
  for (const auto& [id, bias] : request.sampling.logit_bias) {
    if (id < 0 || id >= vocab_size_) {
      throw Error("logit_bias has token {}; the model's tokens are 0 to {}", id, vocab_size_ - 1);
    }
  }
  if (request.outputs < 1) throw Error("{} outputs asked for; it must be at least 1", request.outputs);
  const int64_t reused = request.state ? request.state->length() : 0;
  if (reused >= prompt_tokens) {
    throw Error("a state of {} tokens was given for a prompt of {}; it must be shorter", reused, prompt_tokens);
  }
  if (request.prompt_logprobs && request.state) {
    throw Error("log-probabilities of a prompt were asked for, and a state that has read {} tokens of it", reused);
  }
  int64_t last = reused;
  for (const int64_t position : request.checkpoints) {
    if (position <= last || position > prompt_tokens) {
      throw Error("checkpoint at {}; they must increase, between {} tokens that were given and the prompt's {}",
                  position, reused, prompt_tokens);
    }
    last = position;
  }
  if (request.constraint && &request.constraint->vocabulary().tokenizer() != &tokenizer_) {
    throw Error("the constraint was made for another tokenizer than the engine's");
  }
}

int64_t Engine::Submit(GenerationRequest request, OutputCallback callback) {
  Validate(request);
  const int64_t prompt_tokens = static_cast<int64_t>(request.prompt.size());
  const int64_t reused = request.state ? request.state->length() : 0;
  auto entry = std::make_shared<Request>(next_request_++, std::move(request), std::move(callback));
  entry->reused = reused;
  entry->max_output = max_context_ - prompt_tokens;
  const int64_t max_tokens = entry->given.stopping.max_tokens;
  if (max_tokens > 0) entry->max_output = std::min(entry->max_output, max_tokens);
  const auto before = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const auto& r) { return r->given.priority < entry->given.priority; });
  waiting_.insert(before, entry);
  return entry->number;
}

void Engine::Cancel(int64_t request, FinishReason reason, std::string message) {
  const auto mark = [&](Request& r) {
    if (r.number != request || r.ending) return;
    r.ending = reason;
    r.ending_message = message;
  };
  for (auto& r : waiting_) mark(*r);
  for (auto& o : running_) mark(*o->request);
}

void Engine::EndThinking(int64_t request) {
  for (auto& r : waiting_) r->end_thinking |= r->number == request;
  for (auto& o : running_) o->request->end_thinking |= o->request->number == request;
}

int64_t Engine::AddCheckpoint(int64_t request, int64_t position) {
  for (auto& r : waiting_) {
    if (r->number != request || r->prefilled || position <= r->prompt_done() || position > r->prompt_tokens()) continue;
    std::vector<int64_t>& all = r->given.checkpoints;
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(r->next_checkpoint);
    const auto after = std::upper_bound(begin, all.end(), position);
    if (after != begin && *std::prev(after) > position - kBlock) return *std::prev(after);
    all.insert(after, position);
    return position;
  }
  return 0;
}

void Engine::Abandon() {
  waiting_.clear();
  running_.clear();
}

int64_t Engine::running() const { return static_cast<int64_t>(running_.size()); }
int64_t Engine::waiting() const { return static_cast<int64_t>(waiting_.size()); }
int64_t Engine::waiting(int priority) const {
  return std::count_if(waiting_.begin(), waiting_.end(), [&](const auto& r) { return r->given.priority >= priority; });
}

std::vector<RequestProgress> Engine::Progress() const {
  std::map<int64_t, RequestProgress> progress;
  const auto of = [&](const Request& r) -> RequestProgress& {
    RequestProgress& p = progress[r.number];
    p.request = r.number;
    p.prompt_tokens = r.prompt_tokens();
    p.prefilled = r.prefilled;
    p.prefilled_tokens = r.prefilled ? r.prompt_tokens() : r.prompt_done();
    return p;
  };
  for (const auto& r : waiting_) {
    RequestProgress& p = of(*r);
    if (r->given.state) p.bytes += r->given.state->bytes();
  }
  for (const auto& o : running_) {
    RequestProgress& p = of(*o->request);
    p.bytes += o->state.bytes();
    p.in_thinking |= o->thinking.open();
  }
  std::vector<RequestProgress> all;
  for (auto& [number, p] : progress) all.push_back(p);
  return all;
}

// Who gets how much of a step's prefill_chunk.
std::vector<Engine::Part> Engine::SharePrefill() {
  int64_t may_start = options_.max_batch - running();  // less what holds a state: of this priority or a higher one
  std::vector<Part> parts;
  int64_t room = options_.prefill_chunk;
  for (auto it = waiting_.begin(); it != waiting_.end() && room > 0;) {
    // Prompts of one priority, in order of arrival.
    const int priority = (*it)->given.priority;
    const auto end = std::find_if(it, waiting_.end(), [&](const auto& r) { return r->given.priority != priority; });
    for (auto r = it; r != end; ++r) may_start -= (*r)->started;
    std::vector<Request*> prompts;
    for (; it != end; ++it) {
      if (!(*it)->prefilled && ((*it)->started || may_start-- > 0)) prompts.push_back(it->get());
    }
    if (prompts.empty()) continue;
    Request* first = prompts.front();
    const int64_t half = std::min(first->next_stop(), (room + 1) / 2);
    room -= half;
    std::stable_sort(prompts.begin(), prompts.end(),
                     [](const Request* a, const Request* b) { return a->prompt_left() < b->prompt_left(); });
    for (Request* request : prompts) {
      const int64_t given = request == first ? half : 0;
      const int64_t more = std::min(room, request->next_stop() - given);
      room -= more;
      if (given + more > 0) parts.push_back({request, given + more});
    }
  }
  return parts;
}

// Appends drafted tokens to what the running outputs' pass takes in.
void Engine::Draft() {
  if (options_.max_draft == 0) return;
  std::vector<DraftPlan::Sequence> sequences;
  int64_t rows = 0;
  for (auto& output : running_) {
    const int64_t room = DraftRoom(output->state.length() + static_cast<int64_t>(output->pending.size()));
    const int64_t output_left = output->request->max_output - output->end.output_tokens - 1;
    sequences.push_back({&*output->draft, std::min({options_.max_draft, room, output_left})});
    rows += static_cast<int64_t>(output->pending.size());
  }
  std::vector<int64_t> counts;
  if (options_.draft_always) {
    for (const DraftPlan::Sequence& s : sequences) counts.push_back(s.draft->match() > 0 ? s.most : 0);
  } else {
    counts = draft_plan_.Choose(sequences, rows);
  }
  auto count = counts.begin();
  for (auto& output : running_) {
    output->drafted = *count++;
    for (int64_t j = 0; j < output->drafted; ++j) output->pending.push_back(output->draft->Token(j));
    last_step_.drafted_tokens += output->drafted;
  }
}

bool Engine::Step() {
  last_step_ = {};
  bool worked = DropCancelled();
  worked |= StartOutputs();

  std::vector<Part> prompts = SharePrefill();
  for (auto& output : running_) last_step_.decode_tokens += static_cast<int64_t>(output->pending.size());
  if (prompts.empty()) Draft();  // beside a prompt further rows cost what they cost in prefill
  std::vector<Segment> segments;
  std::vector<size_t> first_row;  // of logits, of each running output
  size_t rows = 0;
  for (auto& output : running_) {
    segments.push_back({&output->state, output->pending, 1 + output->drafted});
    first_row.push_back(rows);
    rows += static_cast<size_t>(1 + output->drafted);
  }
  const size_t decoding = segments.size();
  std::span<const float> logits;
  const auto begin = std::chrono::steady_clock::now();
  try {
    for (const Part& part : prompts) {
      Request& request = *part.request;
      request.started = true;
      if (!request.given.state) request.given.state = model_->NewState();
      segments.push_back({&*request.given.state,
                          std::span<const int32_t>(request.given.prompt)
                              .subspan(static_cast<size_t>(request.prompt_done()), static_cast<size_t>(part.tokens)),
                          request.given.prompt_logprobs ? part.tokens : 1});
      first_row.push_back(rows);
      rows += static_cast<size_t>(segments.back().last);
      last_step_.prefill_tokens += part.tokens;
    }
    if (segments.empty()) return worked;
    if (options_.before_forward) options_.before_forward();
    logits = pass_->Forward(segments, LogitRows::kLast);
  } catch (const std::exception& e) {
    last_step_.failed = true;
    FailStep(prompts, fmt::format("the forward pass failed: {}", e.what()));
    return true;
  }
  last_step_.forward_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const size_t v = static_cast<size_t>(vocab_size_);
  FULGUR_CHECK(logits.size() == rows * v);
  if (prompts.empty()) {
    draft_plan_.Measure(last_step_.decode_tokens + last_step_.drafted_tokens, last_step_.forward_seconds);
  }

  std::vector<Output*> outputs;
  for (auto& output : running_) outputs.push_back(output.get());
  std::vector<SampledToken> sampled(decoding);
  std::vector<std::string> errors(decoding);
  model_->exec().pool().ParallelFor(static_cast<int64_t>(decoding), [&](int64_t i, int worker) {
    const size_t n = static_cast<size_t>(i);
    try {
      Output& output = *outputs[n];
      sampled[n] = output.sampler.Sample(logits.subspan(first_row[n] * v, v), sampleable_,
                                         output.state.length() - output.drafted, scratch_[static_cast<size_t>(worker)],
                                         output.Fitting());
    } catch (const Error& e) {
      errors[n] = e.what();
    }
  });
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request& request = *prompts[i].request;
    if (request.next_checkpoint < request.given.checkpoints.size() && request.next_stop() == 0) {
      ++request.next_checkpoint;
      if (request.given.on_checkpoint) request.given.on_checkpoint(*request.given.state);
    }
    const size_t count = static_cast<size_t>(segments[decoding + i].last);
    const std::span<const float> own = logits.subspan(first_row[decoding + i] * v, count * v);
    if (request.given.prompt_logprobs) ScorePrompt(request, own);
    if (request.prompt_left() > 0) continue;
    const std::span<const float> row = own.last(v);
    request.logits.assign(row.begin(), row.end());
    request.prefilled = true;
    if (request.given.keep_prompt_state) request.prompt_state = std::make_shared<SequenceState>(*request.given.state);
  }
  for (size_t i = 0; i < decoding; ++i) {
    if (errors[i].empty()) {
      const size_t count = static_cast<size_t>(1 + outputs[i]->drafted);
      TakeRows(*outputs[i], logits.subspan(first_row[i] * v, count * v), std::move(sampled[i]));
    } else {
      outputs[i]->state.Truncate(outputs[i]->state.length() - outputs[i]->drafted);
      Finish(*outputs[i], FinishReason::kError, std::move(errors[i]));
    }
    Emit(*outputs[i]);
  }
  running_.remove_if([](const std::unique_ptr<Output>& o) { return o->finished; });
  StartOutputs();
  return true;
}

// The prompt's tokens after those that `logits` [n, V] are of, the last n that have been processed.
void Engine::ScorePrompt(Request& request, std::span<const float> logits) {
  const size_t v = static_cast<size_t>(vocab_size_), count = logits.size() / v;
  std::vector<OutputToken>& scores = request.prompt_scores;
  const std::vector<int32_t>& prompt = request.given.prompt;
  if (scores.empty()) scores.push_back({.id = prompt[0], .sampled = false, .logprob = 0, .top = {}});
  const size_t first = scores.size();
  scores.resize(std::min(first + count, prompt.size()));
  model_->exec().pool().ParallelFor(static_cast<int64_t>(scores.size() - first), [&](int64_t i, int worker) {
    const size_t n = static_cast<size_t>(i);
    SampledToken token = ScoreToken(logits.subspan(n * v, v), sampleable_, prompt[first + n],
                                    request.given.sampling.top_logprobs, scratch_[static_cast<size_t>(worker)]);
    scores[first + n] = {.id = token.id, .sampled = true, .logprob = token.logprob, .top = std::move(token.top)};
  });
}

// The tokens of a pass: `token` from the first row, and as long as the draft was right the next from the row after it.
// Then the state goes back to where the draft left what was sampled.
void Engine::TakeRows(Output& output, std::span<const float> logits, SampledToken token) {
  const size_t v = static_cast<size_t>(vocab_size_);
  const std::vector<int32_t> drafts(output.pending.end() - output.drafted, output.pending.end());
  int64_t length = output.state.length() - output.drafted;  // of which is sure to belong to the sequence
  output.pending.clear();
  output.drafted = 0;
  Take(output, std::move(token));
  for (size_t j = 0; j < drafts.size() && !output.finished && output.pending[0] == drafts[j]; ++j) {
    ++length;
    ++last_step_.accepted_tokens;
    ++last_step_.decode_tokens;
    output.pending.erase(output.pending.begin());
    if (!output.pending.empty()) break;  // something was appended that the pass has not seen
    try {
      Take(output,
           output.sampler.Sample(logits.subspan((j + 1) * v, v), sampleable_, length, scratch_[0], output.Fitting()));
    } catch (const Error& e) {
      Finish(output, FinishReason::kError, e.what());
    }
  }
  if (length < output.state.length()) output.state.Truncate(length);
}

// The sequences of a pass that failed are in an unknown state.
void Engine::FailStep(std::span<const Part> parts, const std::string& message) {
  for (auto& output : running_) {
    Finish(*output, FinishReason::kError, message);
    output->state = model_->NewState();
  }
  for (auto& output : running_) Emit(*output);
  running_.remove_if([](const std::unique_ptr<Output>& o) { return o->finished; });
  for (const Part& part : parts) {
    const auto it =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& r) { return r.get() == part.request; });
    const std::shared_ptr<Request> request = *it;
    waiting_.erase(it);
    request->given.state.reset();
    EndUnbegun(*request, FinishReason::kError, message);
  }
}

// Ends the request's outputs that have not begun.
void Engine::EndUnbegun(Request& request, FinishReason reason, const std::string& message) {
  for (; request.begun < request.given.outputs; ++request.begun) {
    OutputEnd end;
    end.reason = reason;
    end.message = message;
    end.prompt_tokens = request.prompt_tokens();
    end.reused_tokens = request.reused;
    end.prompt_state = request.prompt_state;
    std::optional<SequenceState> state = request.given.state;
    SequenceState* const taken_in = state && state->length() > 0 ? &*state : nullptr;
    if (request.callback) request.callback({request.number, request.begun, {}, {}, &end, {}, taken_in});
  }
}

// Ends what Cancel has marked.
bool Engine::DropCancelled() {
  bool any = false;
  for (auto& output : running_) {
    const Request& request = *output->request;
    if (!request.ending) continue;
    any = true;
    Finish(*output, *request.ending, request.ending_message);
    Emit(*output);
  }
  running_.remove_if([](const std::unique_ptr<Output>& o) { return o->finished; });
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const std::shared_ptr<Request> request = *it;
    if (!request->ending) {
      ++it;
      continue;
    }
    any = true;
    EndUnbegun(*request, *request->ending, request->ending_message);
    it = waiting_.erase(it);
  }
  return any;
}

// Begins outputs of processed prompts while there is room in the batch, in the order of `waiting_`.
bool Engine::StartOutputs() {
  bool any = false;
  int64_t ahead = 0;  // unprocessed prompts of higher priorities: room is left for them
  int64_t unprocessed = 0;
  int priority = 0;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const std::shared_ptr<Request> request = *it;
    if (it == waiting_.begin() || request->given.priority != priority) {
      ahead = unprocessed;
      priority = request->given.priority;
    }
    if (running() + ahead >= options_.max_batch) break;
    unprocessed += !request->prefilled;
    if (!request->prefilled || request->ending) {
      ++it;
      continue;
    }
    any = true;
    const bool last = request->begun + 1 == request->given.outputs;
    auto output = std::make_unique<Output>(request, request->begun++,
                                           last ? std::move(*request->given.state) : *request->given.state, tokenizer_);
    if (options_.max_draft > 0) output->draft.emplace().Append(request->given.prompt);
    if (output->rules().thinking_budget == 0) {
      AppendText(*output, ThinkingTracker::NoThinking(output->rules().starts_in_thinking));
    } else {
      try {
        Take(*output, output->sampler.Sample(request->logits, sampleable_, request->prompt_tokens(), scratch_[0],
                                             output->Fitting()));
      } catch (const Error& e) {
        Finish(*output, FinishReason::kError, e.what());
      }
    }
    if (last) {
      request->logits = {};
      it = waiting_.erase(it);
    }
    Emit(*output);
    if (!output->finished) running_.push_back(std::move(output));
  }
  return any;
}

// One more token of the output, whichever way it came.
void Engine::Append(Output& output, OutputToken token) {
  const bool stop_token =
      token.sampled && std::count(output.rules().stop_tokens.begin(), output.rules().stop_tokens.end(), token.id) > 0;
  bool complete = false, misfit = false;  // of a constraint
  if (token.id < tokenizer_.vocab_size() && !stop_token) {
    const std::string_view bytes = tokenizer_.IsSpecial(token.id) ? std::string_view() : tokenizer_.Bytes(token.id);
    if (output.cursor) {
      misfit = !output.cursor->Push(bytes);
      complete = output.cursor->must_end();
      if (!output.cursor->in_thinking()) output.thinking.RuleOut();
    }
    output.thinking.Push(bytes, token.sampled);
    output.fresh_text += output.stop_filter.Push(output.decoder.Push(token.id));
  }
  output.sampler.AddOutput(token.id);
  if (output.draft) output.draft->Append(token.id);
  output.pending.push_back(token.id);
  const EarlyTruncation& early = output.rules().early_truncation;
  output.confident = token.sampled && token.logprob > std::log(early.probability) ? output.confident + 1 : 0;
  output.fresh.push_back(std::move(token));
  ++output.end.output_tokens;

  if (stop_token) {
    Finish(output, FinishReason::kStop);
  } else if (output.stop_filter.stopped()) {
    Finish(output, FinishReason::kStopString, output.stop_filter.stop_string());
  } else if (misfit) {
    Finish(output, FinishReason::kError, "a text was appended to the output that does not fit its constraint");
  } else if (complete && (!CanStop(output) || output.end.output_tokens >= output.request->max_output)) {
    Finish(output, FinishReason::kStop);
  } else if (early.tokens > 0 && output.confident >= early.tokens) {
    Finish(output, FinishReason::kEarlyTruncation);
  } else if (output.end.output_tokens >= output.request->max_output) {
    Finish(output, FinishReason::kLength);
  }
}

// There is a stop token to sample.
bool Engine::CanStop(const Output& output) const {
  const std::vector<int32_t>& stop = output.rules().stop_tokens;
  return std::any_of(stop.begin(), stop.end(), [this](int32_t id) {
    return id >= 0 && id < tokenizer_.vocab_size() && static_cast<size_t>(id) < sampleable_.size() &&
           sampleable_[static_cast<size_t>(id)] != 0;
  });
}

void Engine::AppendText(Output& output, std::string_view text) {
  for (int32_t id : tokenizer_.Encode(text, Tokenizer::Special::kPlainText)) {
    if (output.finished) return;
    Append(output, {.id = id, .sampled = false, .logprob = 0, .top = {}});
  }
}

void Engine::Take(Output& output, SampledToken token) {
  Append(output, {.id = token.id,
                  .sampled = true,
                  .logprob = token.logprob,
                  .top = std::move(token.top),
                  .drawn = std::move(token.drawn)});
  const std::optional<int64_t> budget = output.rules().thinking_budget;
  const bool used_up = (budget && output.thinking.after_open() >= *budget) || output.request->end_thinking;
  if (!output.finished && output.thinking.open() && used_up) {
    output.end.thinking_cut = true;
    AppendText(output, output.thinking.Closing(output.rules().closing_sentence));
  }
}

void Engine::Finish(Output& output, FinishReason reason, std::string message) {
  output.finished = true;
  output.end.reason = reason;
  output.end.message = std::move(message);
  output.end.thinking_tokens = output.thinking.tokens();
  if (reason != FinishReason::kStopString) {
    output.fresh_text += output.stop_filter.Push(output.decoder.Flush());
    output.fresh_text += output.stop_filter.Flush();
  }
}

void Engine::Emit(Output& output) {
  OutputEvent event{output.request->number,
                    output.index,
                    output.fresh,
                    output.fresh_text,
                    output.finished ? &output.end : nullptr,
                    {}};
  if (output.finished && output.state.length() > 0) event.state = &output.state;
  if (!std::exchange(output.begun, true)) event.prompt = output.request->prompt_scores;
  if (output.request->callback) output.request->callback(event);
  output.fresh.clear();
  output.fresh_text.clear();
}

void Generation::Add(const OutputEvent& event) {
  tokens.insert(tokens.end(), event.tokens.begin(), event.tokens.end());
  text += event.text;
  if (event.end != nullptr) end = *event.end;
}

std::vector<int32_t> Generation::ids() const {
  std::vector<int32_t> ids;
  ids.reserve(tokens.size());
  for (const OutputToken& t : tokens) ids.push_back(t.id);
  return ids;
}

std::vector<Generation> Generate(Engine& engine, GenerationRequest request) {
  std::vector<Generation> generations(static_cast<size_t>(std::max<int64_t>(request.outputs, 1)));
  engine.Submit(std::move(request), [&](const OutputEvent& event) {
    Generation& g = generations[static_cast<size_t>(event.output)];
    g.Add(event);
  });
  engine.Run();
  for (const Generation& g : generations) {
    if (g.end.reason == FinishReason::kError) throw Error("{}", g.end.message);
  }
  return generations;
}

}  // namespace fulgur
