#include "rl/rollout.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/rng.h"
#include "rl/gzip_lines.h"

namespace fulgur {
namespace {

// A double of few digits that becomes `value` when it is narrowed.
double ShortDouble(float value) {
  const std::string text = fmt::format("{}", value);
  const double decimal = std::strtod(text.c_str(), nullptr);
  return static_cast<float>(decimal) == value ? decimal : static_cast<double>(value);
}

FinishReason FinishReasonFromName(const std::string& name, const std::string& where) {
  for (const FinishReason reason : {FinishReason::kStop, FinishReason::kStopString, FinishReason::kLength,
                                    FinishReason::kEarlyTruncation, FinishReason::kCancelled, FinishReason::kError}) {
    if (name == FinishReasonName(reason)) return reason;
  }
  throw Error("{}: there is no end \"{}\"", where, name);
}

// Rewards and advantages of a group whose responses are there.
void ScoreGroup(const RolloutSettings& settings, Group& group) {
  std::vector<double> rewards;
  for (Response& r : group.responses) {
    r.reward = ScoreResponse(settings.reward, group.problem, r.text, r.finish, settings.stopping.starts_in_thinking,
                             static_cast<int64_t>(r.ids.size()), settings.window);
    rewards.push_back(r.reward.total());
  }
  const std::vector<double> advantages = Advantages(rewards, settings.advantage);
  for (size_t i = 0; i < advantages.size(); ++i) group.responses[i].advantage = advantages[i];
}

Response ResponseFromJson(const Json& json, const std::string& where) {
  Response r;
  r.text = JsonGet<std::string>(json, "text", where);
  r.finish = FinishReasonFromName(JsonGet<std::string>(json, "finish", where), where);
  r.thinking_tokens = JsonGet<int64_t>(json, "thinking_tokens", where);
  if (!json.contains("ids") || !json.contains("logprobs") || !json["ids"].is_array() || !json["logprobs"].is_array() ||
      json["ids"].size() != json["logprobs"].size()) {
    throw Error("{}: \"ids\" and \"logprobs\" do not fit", where);
  }
  for (const Json& id : json["ids"]) {
    if (!id.is_number_integer()) throw Error("{}: \"ids\" holds {}", where, id.dump());
    r.ids.push_back(id.get<int32_t>());
  }
  for (const Json& logprob : json["logprobs"]) {
    r.sampled.push_back(logprob.is_number());  // null: appended by the engine
    r.logprobs.push_back(logprob.is_number() ? static_cast<float>(logprob.get<double>()) : 0.0f);
  }
  return r;
}

}  // namespace

int64_t Response::sampled_tokens() const { return std::count(sampled.begin(), sampled.end(), 1); }

bool Group::spread() const {
  return std::any_of(responses.begin(), responses.end(),
                     [&](const Response& r) { return r.reward.total() != responses[0].reward.total(); });
}

double Group::passed() const {
  return std::accumulate(responses.begin(), responses.end(), 0.0,
                         [](double sum, const Response& r) { return sum + r.reward.score; });
}

RolloutResult GenerateGroups(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                             const RolloutSettings& settings, int64_t wanted, int64_t most,
                             const std::function<Problem(int64_t index)>& next, const ReadyGroups& ready,
                             const std::function<void(const Group&)>& finished, const std::atomic<bool>* stop) {
  RolloutResult result;
  Engine engine(model, tokenizer, settings.engine);
  std::vector<std::unique_ptr<Group>> groups;
  std::string error;
  int64_t without_spread = 0;
  const auto start = std::chrono::steady_clock::now();

  const auto submit = [&](int64_t index) {
    groups.push_back(std::make_unique<Group>());
    Group& group = *groups.back();
    group.index = index;
    group.problem = next(index);
    group.prompt = chat.Encode(tokenizer, Json::array({{{"role", "user"}, {"content", group.problem.prompt}}}),
                               /*tools=*/nullptr, /*add_generation_prompt=*/true);
    const auto found = ready.find(index);
    if (found != ready.end() && found->second.first == group.prompt) {
      group.responses = found->second.second;
      ScoreGroup(settings, group);
      without_spread += !group.spread();
      ++result.reused;
      return;
    }
    group.responses.resize(static_cast<size_t>(settings.responses));
    GenerationRequest request;
    request.prompt = group.prompt;
    request.outputs = settings.responses;
    request.sampling.seed = Mix(settings.seed, static_cast<uint64_t>(index));
    request.stopping = settings.stopping;
    request.stopping.max_tokens = settings.window;
    result.prompt_tokens += static_cast<int64_t>(group.prompt.size());
    engine.Submit(std::move(request), [&, left = settings.responses](const OutputEvent& event) mutable {
      Response& r = group.responses[static_cast<size_t>(event.output)];
      for (const OutputToken& token : event.tokens) {
        r.ids.push_back(token.id);
        r.logprobs.push_back(token.logprob);
        r.sampled.push_back(token.sampled);
      }
      r.text += event.text;
      if (event.end == nullptr) return;
      r.finish = event.end->reason;
      r.thinking_tokens = event.end->thinking_tokens;
      if (r.finish == FinishReason::kError && error.empty()) error = event.end->message;
      result.generated_tokens += static_cast<int64_t>(r.ids.size());
      if (--left > 0 || r.finish == FinishReason::kCancelled) return;
      ScoreGroup(settings, group);
      without_spread += !group.spread();
      if (finished) finished(group);
    });
  };

  for (;;) {
    while (static_cast<int64_t>(groups.size()) < std::min(most, wanted + without_spread)) {
      submit(static_cast<int64_t>(groups.size()));
    }
    if (stop != nullptr && stop->load()) {
      result.stopped = true;
      return result;
    }
    if (!engine.Step() && static_cast<int64_t>(groups.size()) >= std::min(most, wanted + without_spread)) break;
    if (!error.empty()) throw Error("{}", error);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (auto& group : groups) result.groups.push_back(std::move(*group));
  return result;
}

Json GroupToJson(const Group& group) {
  Json responses = Json::array();
  for (const Response& r : group.responses) {
    Json logprobs = Json::array();
    for (size_t t = 0; t < r.ids.size(); ++t) {
      logprobs.push_back(r.sampled[t] != 0 ? Json(ShortDouble(r.logprobs[t])) : Json());
    }
    responses.push_back({{"text", r.text},
                         {"finish", FinishReasonName(r.finish)},
                         {"thinking_tokens", r.thinking_tokens},
                         {"score", r.reward.score},
                         {"format", r.reward.format},
                         {"reward",
                          {{"total", r.reward.total()},
                           {"correct", r.reward.correct_part},
                           {"format", r.reward.format_part},
                           {"overlong", r.reward.overlong_part}}},
                         {"reason", r.reward.reason},
                         {"advantage", r.advantage},
                         {"ids", r.ids},
                         {"logprobs", logprobs}});
  }
  return {{"index", group.index},           {"source", group.problem.source},
          {"task", group.problem.task},     {"difficulty", group.problem.difficulty},
          {"id", group.problem.id},         {"spread", group.spread()},
          {"prompt", group.problem.prompt}, {"prompt_ids", group.prompt},
          {"responses", responses}};
}

ReadyGroups ReadReadyGroups(const std::filesystem::path& path, const Json& stamp, int64_t responses, int64_t* kept) {
  ReadyGroups ready;
  const std::string where = path.string();
  *kept = ReadGzipLines(path, [&](const Json& line) {
    try {
      for (const auto& [key, value] : stamp.items()) {
        if (!line.is_object() || !line.contains(key) || line[key] != value) return false;
      }
      std::pair<std::vector<int32_t>, std::vector<Response>> group;
      if (!line.contains("prompt_ids") || !line.contains("responses")) return false;
      for (const Json& id : line["prompt_ids"]) group.first.push_back(id.get<int32_t>());
      for (const Json& response : line["responses"]) group.second.push_back(ResponseFromJson(response, where));
      if (static_cast<int64_t>(group.second.size()) != responses) return false;
      ready[JsonGet<int64_t>(line, "index", where)] = std::move(group);
      return true;
    } catch (const std::exception&) {  // a line that is not as it was written
      return false;
    }
  });
  return ready;
}

}  // namespace fulgur
