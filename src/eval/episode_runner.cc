#include "eval/episode_runner.h"

#include <algorithm>
#include <utility>

#include "base/background_threads.h"
#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

// The assistant's turn as a message of the conversation; its thinking is not part of it.
Json AssistantMessage(const AssistantTurn& turn) {
  Json message = {{"role", "assistant"}, {"content", turn.parsed.content}};
  for (const ToolCall& call : turn.parsed.tool_calls) {
    message["tool_calls"].push_back(
        {{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return message;
}

}  // namespace

std::vector<int32_t> ReplyIds(const Tokenizer& tokenizer, const ChatTemplate& chat, const Json& messages,
                              const Json& reply, const Json& tools, const std::vector<int32_t>& written) {
  if (!reply.is_array()) throw Error("an environment replied with {}, not with a list of messages", reply.dump());
  const std::vector<int32_t> before = chat.Encode(tokenizer, messages, tools, false);
  Json longer = messages;
  for (const Json& message : reply) longer.push_back(message);
  std::vector<int32_t> after = chat.Encode(tokenizer, longer, tools, true);
  if (after.size() < before.size() || !std::equal(before.begin(), before.end(), after.begin())) {
    throw Error(
        "the chat template renders an assistant's turn otherwise once more messages follow; such a template cannot "
        "lead a conversation of several turns");
  }
  // The turn ends with the last special token that the template puts there, which the model has mostly written itself.
  size_t end = before.size();
  while (end > 0 && !tokenizer.IsAdded(before[end - 1])) --end;
  if (end > 0 && (written.empty() || written.back() != before[end - 1])) --end;
  after.erase(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(end));
  return after;
}

EpisodeRunner::EpisodeRunner(Engine& engine, const Tokenizer& tokenizer, const ChatTemplate& chat)
    : engine_(engine), tokenizer_(tokenizer), chat_(chat) {}

EpisodeRunner::~EpisodeRunner() {
  engine_.Abandon();
  for (Playing* playing : asked_) {
    if (playing->reply.valid()) playing->reply.wait();  // the environment still reads the turn
  }
}

EpisodeRunner::Beginning EpisodeRunner::Begin(Env& env, const Problem& problem) const {
  Beginning beginning;
  beginning.episode = env.Begin(problem);
  beginning.opening = beginning.episode->Start();
  beginning.prompt = chat_.Encode(tokenizer_, beginning.opening.messages, beginning.opening.tools, true);
  return beginning;
}

void EpisodeRunner::Play(Env& env, const Problem& problem, Beginning first, const EpisodeOptions& options,
                         Ended ended) {
  const auto shared_options = std::make_shared<const EpisodeOptions>(options);
  const auto shared_ended = std::make_shared<const Ended>(std::move(ended));
  std::vector<Playing*> outputs;
  for (int64_t output = 0; output < options.outputs; ++output) {
    Playing& playing = playing_.emplace_back();
    playing.self = std::prev(playing_.end());
    if (output == 0) {
      playing.episode = std::move(first.episode);
    } else {
      playing.episode = env.Begin(problem);
      const Opening opening = playing.episode->Start();
      FULGUR_CHECK(opening.messages == first.opening.messages && opening.tools == first.opening.tools,
                   "an environment begins the same problem differently");
    }
    playing.messages = first.opening.messages;
    playing.tools = first.opening.tools;
    playing.prompt = first.prompt;
    playing.options = shared_options;
    playing.ended = shared_ended;
    playing.output = output;
    playing.trajectory.turns.emplace_back();
    outputs.push_back(&playing);
  }
  GenerationRequest request;
  request.prompt = std::move(first.prompt);
  request.outputs = options.outputs;
  request.sampling = options.sampling;
  request.stopping = options.stopping;
  prompt_tokens_ += static_cast<int64_t>(request.prompt.size());
  engine_.Submit(std::move(request), [this, outputs = std::move(outputs)](const OutputEvent& event) {
    Take(*outputs[static_cast<size_t>(event.output)], event);
  });
}

void EpisodeRunner::BeginTurn(Playing& playing) {
  Trajectory& t = playing.trajectory;
  GenerationRequest request;
  request.prompt = playing.prompt;
  request.prompt.insert(request.prompt.end(), t.ids.begin(), t.ids.end());
  request.state = std::move(playing.state);
  playing.state.reset();
  request.sampling = playing.options->sampling;
  request.sampling.seed = Mix(request.sampling.seed + static_cast<uint64_t>(playing.output), t.turns.size());
  request.stopping = playing.options->stopping;
  if (request.stopping.max_tokens > 0) request.stopping.max_tokens -= static_cast<int64_t>(t.ids.size());
  t.turns.emplace_back().begin = static_cast<int64_t>(t.ids.size());
  engine_.Submit(std::move(request), [this, &playing](const OutputEvent& event) { Take(playing, event); });
}

void EpisodeRunner::Take(Playing& playing, const OutputEvent& event) {
  Trajectory& t = playing.trajectory;
  TrajectoryTurn& turn = t.turns.back();
  const SamplingParams& sampling = playing.options->sampling;
  for (const OutputToken& token : event.tokens) {
    t.ids.push_back(token.id);
    t.logprobs.push_back(sampling.drawn ? token.drawn.logprob : token.logprob);
    t.sampled.push_back(token.sampled);
    if (sampling.drawn && sampling.HasFilters()) t.kept.push_back(token.drawn.kept);
  }
  turn.text += event.text;
  if (event.end == nullptr) return;
  turn.end = static_cast<int64_t>(t.ids.size());
  turn.finish = event.end->reason;
  turn.thinking_tokens = event.end->thinking_tokens;
  generated_tokens_ += turn.end - turn.begin;
  if (turn.finish == FinishReason::kError && error_.empty()) error_ = event.end->message;
  if (event.state != nullptr) playing.state = std::move(*event.state);
  turn_ended_.push_back(&playing);
}

void EpisodeRunner::EndTurn(Playing& playing) {
  TrajectoryTurn& turn = playing.trajectory.turns.back();
  const bool in_thinking = playing.options->stopping.starts_in_thinking;
  turn.parsed = ParseOutput(in_thinking ? std::string(kThinkOpen) + turn.text : turn.text);
  if (!EndedByModel(turn.finish)) return End(playing, turn.finish);
  playing.reply = playing.episode->Act(turn);
  asked_.push_back(&playing);
}

void EpisodeRunner::TakeReply(Playing& playing, const Reply& reply) {
  Trajectory& t = playing.trajectory;
  TrajectoryTurn& turn = t.turns.back();
  if (reply.end()) return End(playing, turn.finish);
  playing.messages.push_back(AssistantMessage(turn));
  const std::vector<int32_t> ids = ReplyIds(tokenizer_, chat_, playing.messages, reply.messages, playing.tools, t.ids);
  const auto length = static_cast<int64_t>(t.ids.size() + ids.size());
  const int64_t most = playing.options->stopping.max_tokens;
  if ((most > 0 && length >= most) || static_cast<int64_t>(playing.prompt.size()) + length >= engine_.max_context()) {
    return End(playing, FinishReason::kLength);
  }
  for (const Json& message : reply.messages) playing.messages.push_back(message);
  turn.reply = reply.messages;
  t.ids.insert(t.ids.end(), ids.begin(), ids.end());
  t.logprobs.resize(t.ids.size(), 0);
  t.sampled.resize(t.ids.size(), 0);
  if (!t.kept.empty()) t.kept.resize(t.ids.size());
  prompt_tokens_ += static_cast<int64_t>(ids.size());
  BeginTurn(playing);
}

void EpisodeRunner::End(Playing& playing, FinishReason finish) {
  playing.trajectory.finish = finish;
  const std::shared_ptr<const Ended> ended = playing.ended;
  const int64_t output = playing.output;
  Trajectory trajectory = std::move(playing.trajectory);
  playing_.erase(playing.self);
  (*ended)(output, std::move(trajectory));
}

bool EpisodeRunner::Step() {
  bool worked = engine_.Step();
  if (!error_.empty()) throw Error("{}", error_);
  for (Playing* playing : std::exchange(turn_ended_, {})) EndTurn(*playing);
  std::list<Playing*> answered;
  for (auto it = asked_.begin(); it != asked_.end();) {
    const auto next = std::next(it);
    if (IsReady((*it)->reply)) answered.splice(answered.end(), asked_, it);
    it = next;
  }
  for (Playing* playing : answered) {
    worked = true;
    TakeReply(*playing, playing->reply.get());
  }
  return worked;
}

}  // namespace fulgur
