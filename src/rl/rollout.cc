#include "rl/rollout.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <thread>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/rng.h"
#include "engine/thinking.h"
#include "envs/instance.h"
#include "eval/episode_runner.h"
#include "eval/judge_queue.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;

// A double of few digits that becomes `value` when it is narrowed.
double ShortDouble(float value) {
  const std::string text = fmt::format("{}", value);
  const double decimal = std::strtod(text.c_str(), nullptr);
  return static_cast<float>(decimal) == value ? decimal : static_cast<double>(value);
}

// Rewards and advantages of a group whose verdicts are there. A response without a score takes no part.
void ScoreGroup(const RolloutSettings& settings, Group& group) {
  std::vector<double> rewards;
  std::vector<Response*> judged;
  for (Response& r : group.responses) {
    if (!r.judged()) continue;
    r.reward =
        ScoreResponse(settings.reward, r.verdict, r.trajectory, settings.stopping.starts_in_thinking, settings.window);
    rewards.push_back(r.reward.total());
    judged.push_back(&r);
  }
  const std::vector<double> advantages = Advantages(rewards, settings.advantage);
  for (size_t i = 0; i < advantages.size(); ++i) judged[i]->advantage = advantages[i];
}

Json VerdictJson(const Verdict& verdict) {
  Json json = {{"score", verdict.score ? Json(*verdict.score) : Json()}, {"reason", verdict.reason}};
  if (!verdict.fault.empty()) json["fault"] = verdict.fault;
  return json;
}

Verdict VerdictFromJson(const Json& json, const std::string& where) {
  Verdict verdict;
  if (!json.contains("score")) throw Error("{}: there is no \"score\"", where);
  if (!json["score"].is_null()) verdict.score = JsonGet<double>(json, "score", where);
  verdict.reason = JsonGet<std::string>(json, "reason", where);
  verdict.fault = JsonGetOr<std::string>(json, "fault", "", where);
  return verdict;
}

Json TurnsJson(const Trajectory& trajectory) {
  Json turns = Json::array();
  for (const TrajectoryTurn& turn : trajectory.turns) {
    turns.push_back({{"begin", turn.begin},
                     {"end", turn.end},
                     {"text", turn.text},
                     {"finish", FinishReasonName(turn.finish)},
                     {"thinking_tokens", turn.thinking_tokens},
                     {"reply", turn.reply}});
  }
  return turns;
}

TrajectoryTurn TurnFromJson(const Json& json, bool starts_in_thinking, const std::string& where) {
  TrajectoryTurn turn;
  turn.text = JsonGet<std::string>(json, "text", where);
  turn.parsed = ParseOutput(starts_in_thinking ? std::string(kThinkOpen) + turn.text : turn.text);
  turn.finish = FinishReasonFromName(JsonGet<std::string>(json, "finish", where));
  turn.thinking_tokens = JsonGet<int64_t>(json, "thinking_tokens", where);
  return turn;
}

Json ResponseToJson(const Response& r) {
  const Trajectory& t = r.trajectory;
  Json logprobs = Json::array();
  for (size_t i = 0; i < t.ids.size(); ++i) {
    logprobs.push_back(t.sampled[i] != 0 ? Json(ShortDouble(t.logprobs[i])) : Json());
  }
  Json json = {
      {"text", t.turns.back().text}, {"finish", FinishReasonName(t.finish)}, {"thinking_tokens", t.thinking_tokens()}};
  json.update(VerdictJson(r.verdict));
  if (r.judged()) {
    json["format"] = r.reward.format;
    json["reward"] = {{"total", r.reward.total()},
                      {"correct", r.reward.correct_part},
                      {"format", r.reward.format_part},
                      {"overlong", r.reward.overlong_part}};
    if (r.reward.fault_part != 0) json["reward"]["fault"] = r.reward.fault_part;
    json["advantage"] = r.advantage;
  }
  json["ids"] = t.ids;
  json["logprobs"] = logprobs;
  if (!t.kept.empty()) json["kept"] = t.kept;
  if (t.turns.size() > 1) json["turns"] = TurnsJson(t);
  return json;
}

Response ResponseFromJson(const Json& json, bool starts_in_thinking, const std::string& where) {
  Response r;
  Trajectory& t = r.trajectory;
  r.verdict = VerdictFromJson(json, where);
  if (!json.contains("ids") || !json.contains("logprobs") || !json["ids"].is_array() || !json["logprobs"].is_array() ||
      json["ids"].size() != json["logprobs"].size()) {
    throw Error("{}: \"ids\" and \"logprobs\" do not fit", where);
  }
  for (const Json& id : json["ids"]) {
    if (!id.is_number_integer()) throw Error("{}: \"ids\" holds {}", where, id.dump());
    t.ids.push_back(id.get<int32_t>());
  }
  for (const Json& logprob : json["logprobs"]) {
    t.sampled.push_back(logprob.is_number());  // null: not sampled
    t.logprobs.push_back(logprob.is_number() ? static_cast<float>(logprob.get<double>()) : 0.0f);
  }
  if (json.contains("kept")) {
    t.kept = json["kept"].get<std::vector<std::vector<int32_t>>>();
    if (t.kept.size() != t.ids.size()) throw Error("{}: \"ids\" and \"kept\" do not fit", where);
  }
  t.finish = FinishReasonFromName(JsonGet<std::string>(json, "finish", where));
  if (!json.contains("turns")) {
    t.turns.push_back(TurnFromJson(json, starts_in_thinking, where));
    t.turns[0].end = static_cast<int64_t>(t.ids.size());
    return r;
  }
  for (const Json& turn : json["turns"]) {
    t.turns.push_back(TurnFromJson(turn, starts_in_thinking, where));
    t.turns.back().begin = JsonGet<int64_t>(turn, "begin", where);
    t.turns.back().end = JsonGet<int64_t>(turn, "end", where);
    t.turns.back().reply = turn["reply"];
  }
  return r;
}

}  // namespace

int64_t Group::judged() const {
  return std::count_if(responses.begin(), responses.end(), std::mem_fn(&Response::judged));
}

bool Group::spread() const {
  const Response* first = nullptr;
  for (const Response& r : responses) {
    if (!r.judged()) continue;
    if (first == nullptr) first = &r;
    if (r.reward.total() != first->reward.total()) return true;
  }
  return false;
}

double Group::passed() const {
  return std::accumulate(responses.begin(), responses.end(), 0.0,
                         [](double sum, const Response& r) { return sum + r.verdict.score.value_or(0); });
}

RolloutResult GenerateGroups(Model& model, const Tokenizer& tokenizer, const ChatTemplate& chat,
                             const RolloutSettings& settings, int64_t wanted, int64_t most,
                             const std::function<Assignment(int64_t index)>& next, ReadyGroups ready,
                             const RolloutRecorder& recorder, const std::atomic<bool>* stop) {
  RolloutResult result;
  std::vector<std::unique_ptr<Group>> groups;
  int64_t without_spread = 0;
  Engine engine(model, tokenizer, settings.engine);
  EpisodeRunner episodes(engine, tokenizer, chat);
  JudgeQueue judging(settings.most_judging);  // goes first, and records what it has asked for
  const auto start = Clock::now();

  // left: responses of the group without a verdict, which its callbacks share.
  const auto judged = [&](Group& group, int64_t output, Verdict verdict, int64_t& left) {
    group.responses[static_cast<size_t>(output)].verdict = std::move(verdict);
    if (--left > 0) return;
    ScoreGroup(settings, group);
    without_spread += !group.spread();
    if (recorder.finished) recorder.finished(group);
  };
  const auto submit = [&](int64_t index) {
    groups.push_back(std::make_unique<Group>());
    Group& group = *groups.back();
    Assignment assignment = next(index);
    group.index = index;
    group.problem = std::move(assignment.problem);
    EpisodeRunner::Beginning first = episodes.Begin(*assignment.env, group.problem);
    group.prompt = first.prompt;
    const auto found = ready.groups.find(index);
    if (found != ready.groups.end() && found->second.prompt == group.prompt) {
      group.responses = std::move(found->second.responses);
      ScoreGroup(settings, group);
      without_spread += !group.spread();
      ++result.reused;
      return;
    }
    group.responses.resize(static_cast<size_t>(settings.responses));
    EpisodeOptions options;
    options.outputs = settings.responses;
    options.sampling.temperature = settings.temperature;
    options.sampling.top_p = settings.top_p;
    options.sampling.drawn = true;
    options.sampling.seed = Mix(settings.seed, static_cast<uint64_t>(index));
    options.stopping = settings.stopping;
    options.stopping.max_tokens = settings.window;
    const auto left = std::make_shared<int64_t>(settings.responses);
    episodes.Play(*assignment.env, group.problem, std::move(first), options,
                  [&, left, judge = assignment.judge](int64_t output, Trajectory trajectory) {
                    Response& r = group.responses[static_cast<size_t>(output)];
                    r.trajectory = std::move(trajectory);
                    const auto known = ready.verdicts.find({group.index, output});
                    if (known != ready.verdicts.end() && known->second.response == TrajectoryCrc(r.trajectory)) {
                      return judged(group, output, known->second.verdict, *left);
                    }
                    judging.Ask(*judge, group.problem, r.trajectory, [&, left, output](Verdict verdict) {
                      r.verdict = verdict;
                      if (recorder.judged) recorder.judged(group.index, output, r);
                      judged(group, output, std::move(verdict), *left);
                    });
                  });
  };

  for (;;) {
    const auto needed = [&] { return std::min(most, wanted + without_spread); };
    while (static_cast<int64_t>(groups.size()) < needed()) submit(static_cast<int64_t>(groups.size()));
    if (stop != nullptr && stop->load()) {
      result.stopped = true;
      return result;
    }
    const bool generated = episodes.Step();
    if (judging.Poll() || generated) continue;
    if (static_cast<int64_t>(groups.size()) < needed()) continue;
    if (judging.empty() && episodes.empty()) break;
    const auto idle = Clock::now();
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    result.waited_seconds += std::chrono::duration<double>(Clock::now() - idle).count();
  }
  result.generated_tokens = episodes.generated_tokens();
  result.prompt_tokens = episodes.prompt_tokens();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (auto& group : groups) result.groups.push_back(std::move(*group));
  return result;
}

std::string TrajectoryCrc(const Trajectory& trajectory) {
  uint32_t crc = Crc32c(trajectory.ids.data(), trajectory.ids.size() * sizeof(int32_t));
  crc = Crc32c(trajectory.logprobs.data(), trajectory.logprobs.size() * sizeof(float), crc);
  return fmt::format("{:08x}", crc);
}

Json GroupToJson(const Group& group) {
  Json responses = Json::array();
  for (const Response& r : group.responses) responses.push_back(ResponseToJson(r));
  const Problem& p = group.problem;
  Json json = {{"index", group.index},       {"source", p.source},        {"task", p.task},
               {"difficulty", p.difficulty}, {"id", SeedToJson(p.id)},    {"spread", group.spread()},
               {"prompt", p.prompt},         {"prompt_ids", group.prompt}};
  if (p.record.is_object() && p.record.contains("answer")) json["reference"] = p.record["answer"];
  json["responses"] = responses;
  return json;
}

RolloutFile::RolloutFile(const std::filesystem::path& path, Json stamp, const RolloutSettings& settings)
    : path_(path), verdicts_path_(path.string() + ".verdicts"), stamp_(std::move(stamp)) {
  // Calls take(line, where) for the lines of a file that have the stamp, up to the first that it refuses or that is not
  // as it was written; bytes before that.
  const auto read = [&](const std::filesystem::path& file, const auto& take) {
    return ReadGzipLines(file, [&](const Json& line) {
      try {
        for (const auto& [key, value] : stamp_.items()) {
          if (!line.is_object() || !line.contains(key) || line[key] != value) return false;
        }
        return take(line, file.string());
      } catch (const std::exception&) {
        return false;
      }
    });
  };
  const int64_t groups = read(path_, [&](const Json& line, const std::string& where) {
    if (!line.contains("prompt_ids") || !line.contains("responses")) return false;
    ReadyGroups::Group group;
    for (const Json& id : line["prompt_ids"]) group.prompt.push_back(id.get<int32_t>());
    for (const Json& response : line["responses"]) {
      group.responses.push_back(ResponseFromJson(response, settings.stopping.starts_in_thinking, where));
    }
    if (static_cast<int64_t>(group.responses.size()) != settings.responses) return false;
    ready_.groups[JsonGet<int64_t>(line, "index", where)] = std::move(group);
    return true;
  });
  const int64_t verdicts = read(verdicts_path_, [&](const Json& line, const std::string& where) {
    ready_.verdicts[{JsonGet<int64_t>(line, "index", where), JsonGet<int64_t>(line, "response", where)}] = {
        JsonGet<std::string>(line, "crc", where), VerdictFromJson(line, where)};
    return true;
  });
  groups_ = std::make_unique<GzipLinesWriter>(path_, groups);
  verdicts_ = std::make_unique<GzipLinesWriter>(verdicts_path_, verdicts);
}

RolloutRecorder RolloutFile::Recorder() {
  RolloutRecorder recorder;
  recorder.judged = [this](int64_t group, int64_t response, const Response& r) {
    Json line = stamp_;
    line.update({{"index", group}, {"response", response}, {"crc", TrajectoryCrc(r.trajectory)}});
    line.update(VerdictJson(r.verdict));
    verdicts_->Add(line);
  };
  recorder.finished = [this](const Group& group) {
    Json line = stamp_;
    line.update(GroupToJson(group));
    groups_->Add(line);
  };
  return recorder;
}

void RolloutFile::Finish() {
  verdicts_.reset();
  std::error_code ignored;
  std::filesystem::remove(verdicts_path_, ignored);
}

}  // namespace fulgur
