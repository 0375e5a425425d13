#include "engine/generation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"

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

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kEarlyTruncation:
      return "early_truncation";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
  }
  return "";
}

struct Engine::Request {
  Request(int64_t number, GenerationRequest request, OutputCallback callback)
      : number(number), given(std::move(request)), callback(std::move(callback)) {}

  int64_t prompt_tokens() const { return static_cast<int64_t>(given.prompt.size()); }
  int64_t prompt_left() const { return prompt_tokens() - given.state->length(); }

  int64_t number;
  GenerationRequest given;  // `state` is the prompt's from when it is started
  OutputCallback callback;
  int64_t reused = 0;
  int64_t max_output = 0;
  bool started = false;       // its prompt is being processed, or has been
  bool prefilled = false;     // its prompt has been processed: `logits` is there
  std::vector<float> logits;  // [V] after the prompt
  std::shared_ptr<const SequenceState> prompt_state;
  int64_t begun = 0;  // outputs that have begun
  bool cancelled = false;
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
        decoder(tokenizer),
        stop_strings(request->given.stopping.stop_strings),
        thinking(request->given.stopping.starts_in_thinking) {
    sampler.AddPrompt(request->given.prompt);
    end.prompt_tokens = request->prompt_tokens();
    end.reused_tokens = request->reused;
    end.prompt_state = request->prompt_state;
    if (request->given.constraint) {
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
  StopStrings stop_strings;
  ThinkingTracker thinking;
  std::optional<TokenConstraint::Cursor> cursor;  // with a constraint
  TokenBits fitting;
  std::vector<int32_t> pending;    // tokens that the model has not seen yet
  std::vector<OutputToken> fresh;  // tokens and text of the next event
  std::string fresh_text;
  int64_t confident = 0;  // consecutive tokens above the early truncation's probability
  bool finished = false;
  OutputEnd end;
};

Engine::Engine(Model& model, const Tokenizer& tokenizer, EngineOptions options)
    : model_(model), tokenizer_(tokenizer), options_(options) {
  if (options.max_batch < 1) throw Error("a batch of {} sequences; it must be at least 1", options.max_batch);
  if (options.prefill_chunk < 1)
    throw Error("prompts in chunks of {} tokens; it must be at least 1", options.prefill_chunk);
  if (options.max_context < 0) throw Error("a context of {} tokens; it must be at least 0", options.max_context);
  max_context_ = options.max_context > 0 ? options.max_context : model.config().max_position_embeddings;
  if (max_context_ <= 0) max_context_ = std::numeric_limits<int64_t>::max();
  sampleable_ = SampleableTokens(model.params().embedding, tokenizer.vocab_size());
  scratch_.resize(static_cast<size_t>(model.pool().threads()));
}

Engine::~Engine() = default;

int64_t Engine::Submit(GenerationRequest request, OutputCallback callback) {
  request.sampling.Validate();
  request.stopping.Validate();
  const int64_t prompt_tokens = static_cast<int64_t>(request.prompt.size());
  if (prompt_tokens == 0) throw Error("the prompt is empty; a model continues at least one token");
  if (prompt_tokens >= max_context_) {
    throw Error("the prompt has {} tokens; it must leave room for an answer in the context of {}", prompt_tokens,
                max_context_);
  }
  for (int32_t id : request.prompt) {
    if (id < 0 || id >= model_.config().vocab_size) {
      throw Error("the prompt has token {}; the model's tokens are 0 to {}", id, model_.config().vocab_size - 1);
    }
  }
  if (request.outputs < 1) throw Error("{} outputs asked for; it must be at least 1", request.outputs);
  const int64_t reused = request.state ? request.state->length() : 0;
  if (reused >= prompt_tokens) {
    throw Error("a state of {} tokens was given for a prompt of {}; it must be shorter", reused, prompt_tokens);
  }
  if (request.constraint && &request.constraint->vocabulary().tokenizer() != &tokenizer_) {
    throw Error("the constraint was made for another tokenizer than the engine's");
  }
  auto entry = std::make_shared<Request>(next_request_++, std::move(request), std::move(callback));
  entry->reused = reused;
  entry->max_output = max_context_ - prompt_tokens;
  const int64_t max_tokens = entry->given.stopping.max_tokens;
  if (max_tokens > 0) entry->max_output = std::min(entry->max_output, max_tokens);
  waiting_.push_back(entry);
  return entry->number;
}

void Engine::Cancel(int64_t request) {
  for (auto& r : waiting_) {
    if (r->number == request) r->cancelled = true;
  }
  for (auto& o : running_) {
    if (o->request->number == request) o->request->cancelled = true;
  }
}

int64_t Engine::running() const { return static_cast<int64_t>(running_.size()); }
int64_t Engine::waiting() const { return static_cast<int64_t>(waiting_.size()); }

bool Engine::Step() {
  bool worked = DropCancelled();
  worked |= StartOutputs();

  std::vector<Segment> segments;
  for (auto& output : running_) segments.push_back({&output->state, output->pending});
  const size_t decoding = segments.size();
  std::vector<Request*> prompts;
  int64_t room = options_.prefill_chunk;
  int64_t held = running();  // sequences that hold a state
  for (auto& request : waiting_) {
    if (request->started) ++held;
  }
  for (auto& request : waiting_) {
    if (room == 0) break;
    if (request->prefilled) continue;
    if (!request->started) {
      if (held >= options_.max_batch) break;
      request->started = true;
      if (!request->given.state) request->given.state = model_.NewState();
      ++held;
    }
    const int64_t n = std::min(room, request->prompt_left());
    room -= n;
    segments.push_back({&*request->given.state,
                        std::span<const int32_t>(request->given.prompt)
                            .subspan(static_cast<size_t>(request->given.state->length()), static_cast<size_t>(n))});
    prompts.push_back(request.get());
  }
  if (segments.empty()) return worked;

  const std::span<const float> logits = model_.Forward(segments, LogitRows::kLast);
  const size_t v = static_cast<size_t>(model_.config().vocab_size);
  FULGUR_CHECK(logits.size() == segments.size() * v);

  std::vector<Output*> outputs;
  for (auto& output : running_) outputs.push_back(output.get());
  std::vector<SampledToken> sampled(decoding);
  std::vector<std::string> errors(decoding);
  model_.pool().ParallelFor(static_cast<int64_t>(decoding), [&](int64_t i, int worker) {
    const size_t n = static_cast<size_t>(i);
    try {
      sampled[n] = outputs[n]->sampler.Sample(logits.subspan(n * v, v), sampleable_, outputs[n]->state.length(),
                                              scratch_[static_cast<size_t>(worker)], outputs[n]->Fitting());
    } catch (const Error& e) {
      errors[n] = e.what();
    }
  });
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request& request = *prompts[i];
    if (request.prompt_left() > 0) continue;
    const std::span<const float> row = logits.subspan((decoding + i) * v, v);
    request.logits.assign(row.begin(), row.end());
    request.prefilled = true;
    if (request.given.keep_prompt_state) request.prompt_state = std::make_shared<SequenceState>(*request.given.state);
  }
  for (size_t i = 0; i < decoding; ++i) {
    outputs[i]->pending.clear();
    if (errors[i].empty()) {
      Take(*outputs[i], std::move(sampled[i]));
    } else {
      Finish(*outputs[i], FinishReason::kError, std::move(errors[i]));
    }
    Emit(*outputs[i]);
  }
  running_.remove_if([](const std::unique_ptr<Output>& o) { return o->finished; });
  StartOutputs();
  return true;
}

// Ends what Cancel has marked.
bool Engine::DropCancelled() {
  bool any = false;
  for (auto& output : running_) {
    if (!output->request->cancelled) continue;
    any = true;
    Finish(*output, FinishReason::kCancelled);
    Emit(*output);
  }
  running_.remove_if([](const std::unique_ptr<Output>& o) { return o->finished; });
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const std::shared_ptr<Request> request = *it;
    if (!request->cancelled) {
      ++it;
      continue;
    }
    any = true;
    for (; request->begun < request->given.outputs; ++request->begun) {
      Output output(request, request->begun, request->given.state ? *request->given.state : model_.NewState(),
                    tokenizer_);
      Finish(output, FinishReason::kCancelled);
      Emit(output);
    }
    it = waiting_.erase(it);
  }
  return any;
}

// Begins outputs of processed prompts while there is room in the batch.
bool Engine::StartOutputs() {
  bool any = false;
  for (auto it = waiting_.begin(); it != waiting_.end() && running() < options_.max_batch;) {
    const std::shared_ptr<Request> request = *it;
    if (!request->prefilled || request->cancelled) {
      ++it;
      continue;
    }
    any = true;
    const bool last = request->begun + 1 == request->given.outputs;
    auto output = std::make_unique<Output>(request, request->begun++,
                                           last ? std::move(*request->given.state) : *request->given.state, tokenizer_);
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
    output.fresh_text += output.stop_strings.Push(output.decoder.Push(token.id));
  }
  output.sampler.AddOutput(token.id);
  output.pending.push_back(token.id);
  const EarlyTruncation& early = output.rules().early_truncation;
  output.confident = token.sampled && token.logprob > std::log(early.probability) ? output.confident + 1 : 0;
  output.fresh.push_back(std::move(token));
  ++output.end.output_tokens;

  if (stop_token) {
    Finish(output, FinishReason::kStop);
  } else if (output.stop_strings.stopped()) {
    Finish(output, FinishReason::kStopString, output.stop_strings.stop_string());
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
  Append(output, {.id = token.id, .sampled = true, .logprob = token.logprob, .top = std::move(token.top)});
  const std::optional<int64_t> budget = output.rules().thinking_budget;
  if (!output.finished && budget && output.thinking.open() && output.thinking.after_open() >= *budget) {
    output.end.thinking_cut = true;
    AppendText(output, output.thinking.Closing(output.rules().closing_sentence));
  }
}

void Engine::Finish(Output& output, FinishReason reason, std::string message) {
  output.finished = true;
  output.end.reason = reason;
  output.end.message = std::move(message);
  output.end.thinking_tokens = output.thinking.tokens();
  output.end.state = output.state.length() > 0 ? &output.state : nullptr;
  if (reason != FinishReason::kStopString) {
    output.fresh_text += output.stop_strings.Push(output.decoder.Flush());
    output.fresh_text += output.stop_strings.Flush();
  }
}

void Engine::Emit(Output& output) {
  OutputEvent event{output.request->number, output.index, output.fresh, output.fresh_text,
                    output.finished ? &output.end : nullptr};
  if (output.request->callback) output.request->callback(event);
  output.fresh.clear();
  output.fresh_text.clear();
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
    g.tokens.insert(g.tokens.end(), event.tokens.begin(), event.tokens.end());
    g.text += event.text;
    if (event.end) {
      g.end = *event.end;
      g.end.state = nullptr;
    }
  });
  engine.Run();
  for (const Generation& g : generations) {
    if (g.end.reason == FinishReason::kError) throw Error("{}", g.end.message);
  }
  return generations;
}

}  // namespace fulgur
