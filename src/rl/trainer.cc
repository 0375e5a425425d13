#include "rl/trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <set>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/statistics.h"
#include "engine/loaded_model.h"
#include "eval/gzip_lines.h"
#include "eval/pass_rates.h"
#include "model/checkpoint.h"
#include "rl/curriculum.h"
#include "rl/policy_update.h"
#include "rl/report.h"
#include "rl/rollout.h"
#include "rl/rollout_model.h"
#include "rl/run_info.h"
#include "rl/stages.h"
#include "train/run_loop.h"
#include "train/trained_tasks.h"
#include "train/trainer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

enum Stream : uint64_t { kProblems = 301, kSampling, kEvaluation, kFilter };  // of the config's seed

Json Fingerprint(const RlConfig& config) {
  Json json = config.keys.fingerprint;
  const auto add = [&](const fs::path& path) { AddFile(&json, path); };
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    if (fs::exists(config.model / name)) add(config.model / name);
  }
  for (const ProblemSourceConfig& source : config.data) {
    if (!source.path.empty()) add(source.path);
    for (const std::string& argument :
         source.checker.command.command) {  // the program's files, as far as it names them
      if (fs::is_regular_file(argument)) add(argument);
    }
    for (const fs::path& path : source.decontaminate.against) add(path);
  }
  return json;
}

std::string CrcOf(const std::string& text) { return fmt::format("{:08x}", Crc32c(text.data(), text.size())); }

// Sums over responses; those of rewards over the ones that were judged.
struct ResponseFigures {
  int64_t responses = 0, judged = 0, tokens = 0, cut = 0, early = 0;
  double total = 0, score = 0, format = 0, overlong = 0, correct_part = 0, format_part = 0, thinking = 0, logprob = 0;
  int64_t sampled = 0;
  std::vector<double> lengths;

  void Add(const Response& r) {
    const Trajectory& t = r.trajectory;
    ++responses;
    tokens += static_cast<int64_t>(t.ids.size());
    cut += t.finish == FinishReason::kLength;
    early += t.finish == FinishReason::kEarlyTruncation;
    thinking += static_cast<double>(t.thinking_tokens());
    lengths.push_back(static_cast<double>(t.ids.size()));
    for (const float logprob_of_token : RecordedLogprobs(t)) logprob += logprob_of_token;
    sampled += t.sampled_tokens();
    if (!r.judged()) return;
    ++judged;
    total += r.reward.total();
    score += *r.verdict.score;
    format += r.reward.format;
    overlong += r.reward.overlong_part;
    correct_part += r.reward.correct_part;
    format_part += r.reward.format_part;
  }
  double Mean(double sum) const { return sum / static_cast<double>(std::max<int64_t>(1, responses)); }
  double perplexity() const { return std::exp(-logprob / static_cast<double>(std::max<int64_t>(1, sampled))); }

  double JudgedMean(double sum) const { return sum / static_cast<double>(std::max<int64_t>(1, judged)); }

  Json RewardJson() const {
    return {{"mean", JudgedMean(total)},
            {"score", JudgedMean(score)},
            {"format", JudgedMean(format)},
            {"correct_part", JudgedMean(correct_part)},
            {"format_part", JudgedMean(format_part)},
            {"overlong_part", JudgedMean(overlong)}};
  }
  Json LengthJson() {
    std::sort(lengths.begin(), lengths.end());
    return {{"mean", Mean(static_cast<double>(tokens))},
            {"p50", Percentile(lengths, 0.5)},
            {"p90", Percentile(lengths, 0.9)},
            {"p99", Percentile(lengths, 0.99)},
            {"max", lengths.empty() ? 0 : lengths.back()},
            {"thinking", Mean(thinking)},
            {"cut", Mean(static_cast<double>(cut))},
            {"early_truncated", Mean(static_cast<double>(early))}};
  }
};

Json AgreementJson(const Agreement& a) {
  return {{"tokens", a.tokens},
          {"equal", a.equal},
          {"max_difference", a.max_difference},
          {"max_log_difference", a.max_log_difference},
          {"correlation", a.correlation()}};
}

// The tasks that the run's model has learned at its end.
std::set<std::string> TrainedTasks(const RlConfig& config) {
  std::set<std::string> names = ReadTrainedTasks(config.model);
  for (const ProblemSourceConfig& source : config.data) {
    for (const TaskMix& mix : source.tasks) {
      if (mix.weight > 0) names.insert(mix.name);
    }
    if (source.type == ProblemSourceConfig::Type::kInstances) {
      names.merge(InstanceFile(source.path, source.part, false).Tasks());
    }
  }
  return names;
}

ModelFiles FilesOf(const RlConfig& config) { return {config.model, TrainedTasks(config), config.save_dtype}; }

// A longer run has the same batches up to the decay of the rate, unless the weights of sources change over the run.
RunLength Length() {
  const auto common = [](const Json& fingerprint) -> int64_t {
    for (const Json& source : fingerprint["data"]) {
      for (const Json& point : source["weight"]) {
        if (point[1] != source["weight"][0][1]) return 0;
      }
    }
    const auto updates = fingerprint["updates"].get<int64_t>();
    const auto constant =
        updates * fingerprint["batches"].get<int64_t>() - fingerprint["schedule.decay_updates"].get<int64_t>();
    return constant / updates;
  };
  return {"batches",
          {"batches", "schedule.decay_updates"},
          common,
          "the learning rate falls at the end (schedule.decay_fraction), or weights of sources change over the run"};
}

class RlTrainer : public RunWork {
 public:
  RlTrainer(const RlConfig& config, ExecContext& exec, const RlOptions& options)
      : config_(config),
        options_(options),
        exec_(exec),
        text_(TextFiles::FromFolder(config.model)),
        architecture_(ModelConfig::FromFile(config.model / kConfigFile)),
        fingerprint_(Fingerprint(config)),
        run_crc_(CrcOf(fingerprint_.dump())),
        loop_({.out = config.out,
               .fingerprint = fingerprint_,
               .length = Length(),
               .steps = config.batches,
               .doing = "learning",
               .step = "batch",
               .checkpoint = config.checkpoint,
               .model = FilesOf(config)},
              options),
        problems_(config.data, Mix(config.seed, kProblems)),
        curriculum_(config.curriculum),
        stages_(config.stages, config.stage_rule) {
    if (!config.evaluation.data.empty()) test_problems_.emplace(config.evaluation.data, Mix(config.seed, kProblems));
    stop_tokens_ = GenerationDefaults::FromFolder(config.model, architecture_, text_.tokenizer).stop_tokens;
    if (stop_tokens_.empty()) throw Error("{} names no token that ends an answer", config.model.string());
    learner_.emplace(Model::Load(config.model, exec_, /*keep_weights=*/true), config.optimizer, config.decay_norms);
    if (config.objective.kl != 0) reference_ = Model::Load(config.model, exec_);
    Restore();
  }

  RlResult Run() {
    WriteRunInfo();
    if (config_.rollouts.low_precision()) {
      rollout_model_ =
          std::make_unique<RolloutModel>(learner_->model(), config_.rollouts.weights, config_.rollouts.lm_head);
    }
    loop_.PrintStart(fmt::format("{}; batches of {} prompts x {} responses, {} updates each", config_.objective_name,
                                 config_.rollouts.prompts, config_.rollouts.responses, config_.updates),
                     exec_.pool().threads());
    for (size_t s = 0; s < config_.data.size() && !options_.quiet; ++s) {
      if (problems_.left_out(s) == 0) continue;
      std::fprintf(stderr, "%s: %zu instances; left out are %zu that are held out for tests or of another part\n",
                   config_.data[s].name.c_str(), problems_.file_size(s), problems_.left_out(s));
    }
    for (size_t s = 0; s < config_.data.size() && !options_.quiet; ++s) PrintContaminated(s);
    result_.finished = FilterProblems() && loop_.Run(*this);
    result_.batches = loop_.state().step;
    result_.updates = updates_;
    if (result_.finished) result_.model = loop_.model_folder();
    result_.evaluation = loop_.Newest("evaluation");
    Report(/*now=*/true);
    return result_;
  }

  // Rollouts and updates of the next batch.
  bool Step(RunState& state, Json& line) override {
    const auto start = Clock::now();
    const int64_t done = state.step - 1;
    const double progress = static_cast<double>(done) / static_cast<double>(config_.batches);
    const size_t stage = stages_.index();
    const int64_t window = stages_.window();
    const RlConfig::Rollouts& rc = config_.rollouts;

    if (rollout_model_) rollout_model_->Refresh();
    std::vector<uint64_t> drawn = drawn_;
    const Json stamp = {{"batch", state.step}, {"run", run_crc_}, {"weights", WeightsCrc()}, {"window", window}};
    RolloutResult rollouts = Generate(
        rollout_model_ ? rollout_model_->model() : learner_->model(), RolloutPath(state.step), stamp,
        Settings(rc.responses, window, Mix(Mix(config_.seed, kSampling), static_cast<uint64_t>(state.step))),
        rc.prompts, rc.most_prompts, [&](int64_t i) { return problems_.Draw(curriculum_, progress, done, i, drawn); });
    if (rollouts.stopped) return false;
    drawn_ = drawn;
    const double rollout_seconds = SecondsSince(start);

    ResponseFigures all;
    std::map<std::string, ResponseFigures> tasks;
    std::vector<const Group*> kept;
    std::vector<double> group_rewards;
    for (const Group& group : rollouts.groups) {
      double reward = 0;
      for (const Response& r : group.responses) {
        all.Add(r);
        tasks[group.problem.task].Add(r);
        if (r.judged()) reward += r.reward.total();
      }
      if (group.judged() > 0) group_rewards.push_back(reward / static_cast<double>(group.judged()));
      curriculum_.Add(group.problem.task, group.problem.difficulty, group.judged(), group.passed());
      if (group.spread() || rc.most_prompts == rc.prompts) kept.push_back(&group);
    }
    curriculum_.EndBatch();
    generated_ += all.tokens;

    const auto update_start = Clock::now();
    const Json update = Update(kept, stage, state);
    const double update_seconds = SecondsSince(update_start);

    const double perplexity = all.perplexity();
    Json lengths = all.LengthJson();
    const bool moved = stages_.Add(perplexity, lengths["p99"].get<double>());
    line["updates"] = updates_;
    line["tokens"] = state.tokens;
    line["generated"] = generated_;
    line["seconds"] = {{"all", SecondsSince(start)}, {"rollout", rollout_seconds}, {"update", update_seconds}};
    line["rollout"] = {{"groups", rollouts.groups.size()},
                       {"kept", kept.size()},
                       {"without_spread", std::count_if(rollouts.groups.begin(), rollouts.groups.end(),
                                                        [](const Group& g) { return !g.spread(); })},
                       {"reused", rollouts.reused},
                       {"unjudged", all.responses - all.judged},
                       {"waited", rollouts.waited_seconds},
                       {"waited_share", rollouts.seconds > 0 ? rollouts.waited_seconds / rollouts.seconds : 0},
                       {"tokens", all.tokens},
                       {"tokens_per_second",
                        rollouts.seconds > 0 ? static_cast<double>(rollouts.generated_tokens) / rollouts.seconds : 0}};
    line["reward"] = all.RewardJson();
    if (group_rewards.size() > 1) line["reward"]["error"] = StandardError(group_rewards);
    line["length"] = std::move(lengths);
    line["perplexity"] = perplexity;
    line.update(update);
    line["stage"] = {{"index", stage}, {"window", window}, {"last", moved ? 1 : 0}};
    line["tasks"] = Json::object();
    for (const auto& [name, figures] : tasks) {
      line["tasks"][name] = {{"responses", figures.responses},
                             {"score", figures.JudgedMean(figures.score)},
                             {"format", figures.JudgedMean(figures.format)},
                             {"length", figures.Mean(static_cast<double>(figures.tokens))}};
    }
    line["levels"] = Json::object();
    for (const auto& [name, levels] : curriculum_.levels()) {
      for (const auto& [difficulty, level] : levels) line["levels"][name][std::to_string(difficulty)] = level.rate();
    }
    state.extra = {{"updates", updates_},
                   {"generated", generated_},
                   {"drawn", drawn_},
                   {"curriculum", curriculum_.ToJson()},
                   {"stages", stages_.ToJson()}};
    return true;
  }

  bool Measures(int64_t step) const override {
    return config_.evaluation.every > 0 && (step % config_.evaluation.every == 0 || step == config_.batches);
  }

  bool Measure(const RunState& state, Json& line) override {
    if (!Evaluate(state.step, line)) return false;
    return true;
  }

  std::string Note(const Json& line) override {
    if (!line.contains("reward")) return EvaluationNote(line);  // before the first batch
    std::string note = fmt::format("reward {:.3f} (score {:.3f}, format {:.3f})  {:.0f} tokens",
                                   line["reward"]["mean"].get<double>(), line["reward"]["score"].get<double>(),
                                   line["reward"]["format"].get<double>(), line["length"]["mean"].get<double>());
    if (line.contains("entropy")) {
      note += fmt::format("  entropy {:.3f}  clipped {:.1f} %", line["entropy"].get<double>(),
                          100 * line["clipped"].get<double>());
    } else {
      note += "  no group with a spread";
    }
    note += fmt::format("  {} tokens/s generated", HumanCount(line["rollout"]["tokens_per_second"].get<double>()));
    if (line.contains("train")) {
      const Json& train = line["train"];
      note += fmt::format(", {} trained", HumanCount(train["tokens_per_second"].get<double>()));
      if (train.contains("peak_share")) {
        note += fmt::format(" ({:.0f} % of peak)", 100 * train["peak_share"].get<double>());
      }
    }
    if (line.contains("evaluation")) last_evaluation_ = "  " + EvaluationNote(line);
    return note + last_evaluation_;
  }

  void Logged() override { Report(/*now=*/false); }

  // Removes the rollouts that the config does not want to keep, which the checkpoint makes superfluous.
  void Saved(int64_t step) override {
    const int64_t every = config_.rollouts.keep_every;
    std::error_code ignored;
    for (; removed_ < step; ++removed_) {
      if (every == 0 || (removed_ + 1) % every != 0) fs::remove(RolloutPath(removed_ + 1), ignored);
    }
  }

 private:
  void Restore() {
    loop_.Restore(*learner_, 0);
    const RunState& state = loop_.state();
    if (state.step == 0) return;  // nothing is done yet
    const std::string where = "the checkpoint of batch " + std::to_string(state.step);
    updates_ = JsonGet<int64_t>(state.extra, "updates", where);
    generated_ = JsonGet<int64_t>(state.extra, "generated", where);
    for (const Json& drawn : state.extra["drawn"]) drawn_.push_back(drawn.get<uint64_t>());
    curriculum_.FromJson(state.extra["curriculum"], where);
    stages_.FromJson(state.extra["stages"], where);
  }

  void WriteRunInfo() {
    if (!options_.config_text.empty()) WriteFileAtomic(config_.out / "config.json", options_.config_text);
    Json session = MachineState(exec_.pool().threads());
    session["version"] = options_.version;
    session["git"] = GitState();
    session["batch"] = loop_.state().step;
    AppendJsonLine(config_.out / "sessions.jsonl", session);
    if (!loop_.restored()) {
      const std::string diff = GitDiff();
      if (!diff.empty()) WriteFileAtomic(config_.out / "git.diff", diff);
    }
  }

  // A checksum of the weights that generate.
  std::string WeightsCrc() {
    uint32_t crc = 0;
    for (const auto& [name, tensor] : ListTensors(architecture_, learner_->params())) {
      crc = Crc32c(tensor->raw(), tensor->bytes(), crc);
    }
    return fmt::format("{:08x}", crc);
  }

  RolloutSettings Settings(int64_t responses, int64_t window, uint64_t seed) const {
    RolloutSettings s;
    s.responses = responses;
    s.window = window;
    s.seed = seed;
    s.stopping.stop_tokens = stop_tokens_;
    s.stopping.thinking_budget = config_.rollouts.thinking_budget;
    s.stopping.starts_in_thinking = config_.rollouts.starts_in_thinking;
    s.stopping.early_truncation = config_.rollouts.early_truncation;
    s.engine.max_batch = config_.rollouts.max_batch;
    s.reward = config_.reward;
    s.advantage = config_.objective.advantage;
    return s;
  }

  // Generates, with what is left of an earlier process's rollouts in `path`.
  RolloutResult Generate(Model& model, const fs::path& path, const Json& stamp, const RolloutSettings& settings,
                         int64_t wanted, int64_t most, const std::function<Assignment(int64_t)>& next) {
    RolloutFile file(path, stamp, settings);
    RolloutResult result = GenerateGroups(model, text_.tokenizer, text_.chat_template, settings, wanted, most, next,
                                          file.TakeReady(), file.Recorder(), options_.stop);
    if (!result.stopped) file.Finish();
    return result;
  }

  // The problems that are left out because they are in the files to keep apart from, the first of them with the words.
  void PrintContaminated(size_t source) const {
    constexpr size_t kShown = 3;
    const auto& found = problems_.contaminated(source);
    if (found.empty()) return;
    std::fprintf(stderr, "%s: %zu of %zu problems are left out as contaminated\n", config_.data[source].name.c_str(),
                 found.size(), problems_.file_size(source));
    for (size_t i = 0; i < std::min(kShown, found.size()); ++i) {
      std::fprintf(stderr, "  problem %zu: \"%s\" is in %s\n", found[i].record + 1, found[i].words.c_str(),
                   found[i].where.c_str());
    }
  }

  // Leaves out the problems of files that the starting model solves too rarely or too often. False if it was stopped.
  bool FilterProblems() {
    for (size_t s = 0; s < problems_.size(); ++s) {
      const ProblemSourceConfig& source = problems_.config(s);
      if (!options_.quiet && problems_.golds(s).bad() > 0)
        std::fprintf(stderr, "%s\n", problems_.golds(s).Summary("source " + source.name).c_str());
      if (source.filter.samples == 0) continue;
      const std::vector<size_t> records = problems_.records(s);
      const fs::path path = config_.out / "filter" / (source.name + ".json");
      if (!fs::exists(path)) {
        if (loop_.restored()) throw Error("{} is gone, which says which problems this run uses", path.string());
        const RolloutSettings settings =
            Settings(source.filter.samples, stages_.window(), Mix(Mix(config_.seed, kFilter), s));
        const auto n = static_cast<int64_t>(records.size());
        const Json stamp = {{"filter", source.name}, {"run", run_crc_}, {"weights", WeightsCrc()}};
        const RolloutResult r =
            Generate(learner_->model(), config_.out / "filter" / (source.name + ".jsonl.gz"), stamp, settings, n, n,
                     [&](int64_t i) { return problems_.FromFile(s, records[static_cast<size_t>(i)]); });
        if (r.stopped) return false;
        Json rates = Json::array();
        for (const Group& group : r.groups) {
          if (group.judged() == 0) continue;
          rates.push_back({group.problem.id, group.passed() / static_cast<double>(group.judged())});
        }
        WriteFileAtomic(path, Json{{"samples", source.filter.samples}, {"rates", rates}}.dump() + "\n");
      }
      std::vector<size_t> keep;
      const Json filtered = ReadJsonFile(path);
      if (!filtered.is_object() || !filtered.contains("rates")) throw Error("{} has no \"rates\"", path.string());
      for (const Json& rate : filtered["rates"]) {
        if (!rate.is_array() || rate.size() != 2 || !rate[0].is_number_unsigned() || !rate[1].is_number() ||
            rate[0].get<size_t>() >= problems_.file_size(s)) {
          throw Error("{}: \"rates\" holds {}", path.string(), rate.dump());
        }
        const double passed = rate[1].get<double>();
        if (passed > source.filter.low && passed < source.filter.high) keep.push_back(rate[0].get<size_t>());
      }
      if (!options_.quiet) {
        std::fprintf(stderr,
                     "%s: %zu problems, %zu of them solved with a rate between %g and %g; %lld more left out as "
                     "contaminated\n",
                     source.name.c_str(), records.size(), keep.size(), source.filter.low, source.filter.high,
                     static_cast<long long>(problems_.contaminated(s).size()));
      }
      problems_.KeepRecords(s, std::move(keep));
    }
    return true;
  }

  // Several updates from these groups; what they add to the metrics.
  Json Update(const std::vector<const Group*>& groups, size_t stage, RunState& state) {
    const Objective objective = config_.ObjectiveOf(stage);
    const double clip = config_.ClipOf(stage);
    std::vector<PolicySample> samples;
    std::vector<size_t> begin{0};  // of each group's
    int64_t masked_answers = 0;    // that the window cut
    for (const Group* group : groups) {
      for (const Response& r : group->responses) {
        if (!r.judged()) continue;
        if (objective.mask_truncated && r.trajectory.finish == FinishReason::kLength) {
          ++masked_answers;
          continue;
        }
        samples.push_back({.group = group, .response = &r, .old_logprobs = {}, .correction = {}, .reference = {}});
        if (!rollout_model_) samples.back().old_logprobs = RecordedLogprobs(r.trajectory);
      }
      begin.push_back(samples.size());
    }
    Agreement agreement;
    int64_t truncated = 0;
    if (rollout_model_) {
      // The ratio is to the policy in full precision, and what the rollouts were sampled from is put right by a
      // truncated importance weight.
      std::vector<std::vector<float>> logprobs = ComputeLogprobs(learner_->model(), samples, config_.micro_tokens);
      for (size_t i = 0; i < samples.size(); ++i) {
        const std::vector<float> recorded = RecordedLogprobs(samples[i].response->trajectory);
        agreement.Add(recorded, logprobs[i]);
        for (size_t t = 0; t < recorded.size(); ++t) {
          const double weight = std::exp(static_cast<double>(logprobs[i][t]) - static_cast<double>(recorded[t]));
          truncated += weight > config_.rollouts.correction_max;
          samples[i].correction.push_back(static_cast<float>(std::min(weight, config_.rollouts.correction_max)));
        }
        samples[i].old_logprobs = std::move(logprobs[i]);
      }
    }
    if (reference_) {
      std::vector<std::vector<float>> logprobs = ComputeLogprobs(*reference_, samples, config_.micro_tokens);
      for (size_t i = 0; i < samples.size(); ++i) samples[i].reference = std::move(logprobs[i]);
    }

    ObjectiveStats stats;
    Json norms = Json::array(), losses = Json::array(), clipped = Json::array(), ratio_max = Json::array();
    double entropy = 0, flops = 0, seconds = 0, lr = 0;
    int64_t tokens = 0;
    for (int64_t u = 0; u < config_.updates; ++u) {
      const auto n = static_cast<int64_t>(groups.size());
      const size_t first = begin[static_cast<size_t>(u * n / config_.updates)];
      const size_t last = begin[static_cast<size_t>((u + 1) * n / config_.updates)];
      if (first == last) continue;
      const auto start = Clock::now();
      learner_->ZeroGradient();
      const bool on_policy = norms.empty() && !rollout_model_;
      const PolicyGradientReport r =
          AddPolicyGradient(learner_->pass(), std::span<const PolicySample>(samples).subspan(first, last - first),
                            objective, {config_.micro_tokens, config_.recompute, config_.aux_coef}, learner_->grads(),
                            on_policy ? &agreement : nullptr);
      lr = config_.schedule.At((state.step - 1) * config_.updates + u + 1);
      const double norm =
          learner_->Update(fmt::format("batch {}, update {}", state.step, u + 1), r.loss, ++updates_, lr, clip);
      seconds += SecondsSince(start);
      stats.Add(r.stats);
      entropy += r.entropy_sum;
      flops += r.flops;
      tokens += r.tokens;
      const auto count = static_cast<double>(std::max<int64_t>(1, r.stats.tokens));
      norms.push_back(norm);
      losses.push_back(r.loss);
      clipped.push_back(static_cast<double>(r.stats.clipped) / count);
      ratio_max.push_back(r.stats.ratio_max);
    }
    state.tokens += tokens;

    Json json;
    const auto mean = [](const Json& values) {
      double sum = 0;
      for (const Json& v : values) sum += v.get<double>();
      return values.empty() ? 0 : sum / static_cast<double>(values.size());
    };
    const auto count = static_cast<double>(std::max<int64_t>(1, stats.tokens));
    if (!norms.empty()) {
      json["loss"] = mean(losses);
      json["grad_norm"] = mean(norms);
      json["lr"] = lr;
      json["entropy"] = entropy / count;
      json["clipped"] = static_cast<double>(stats.clipped) / count;
      json["masked"] = static_cast<double>(stats.masked) / count;
    }
    if (objective.mask_truncated) json["masked_answers"] = masked_answers;
    json["ratio"] = {{"mean", stats.tokens > 0 ? stats.ratio_sum / count : 1},
                     {"min", stats.tokens > 0 ? stats.ratio_min : 1},
                     {"max", stats.tokens > 0 ? stats.ratio_max : 1},
                     {"kl", stats.kl_sum / count}};
    json[rollout_model_ ? "precision" : "on_policy"] = AgreementJson(agreement);
    if (rollout_model_) json["precision"]["truncated"] = static_cast<double>(truncated) / count;
    if (seconds > 0) {
      json["train"] = {{"tokens", tokens}, {"tokens_per_second", static_cast<double>(tokens) / seconds}};
      if (options_.peak_gflops > 0) json["train"]["peak_share"] = flops / seconds / (options_.peak_gflops * 1e9);
    }
    json["by_update"] = {{"grad_norm", norms}, {"loss", losses}, {"clipped", clipped}, {"ratio_max", ratio_max}};
    json["histograms"] = {{"tokens", stats.tokens},
                          {"ratio", stats.ratio_bins},
                          {"ratio_one", stats.ratio_one},
                          {"probability", stats.by_probability},
                          {"probability_clipped", stats.clipped_by_probability}};
    if (!rollout_model_ && agreement.tokens > 0 && !agreement_reported_) {
      agreement_reported_ = true;
      const bool good = agreement.equal == agreement.tokens;
      if (!options_.quiet || !good) {
        std::fprintf(stderr,
                     "on-policy: %lld of %lld recomputed log-probabilities equal the sampled ones bit for bit%s\n",
                     static_cast<long long>(agreement.equal), static_cast<long long>(agreement.tokens),
                     good ? "; the ratio is exactly 1" : "; WARNING: the ratio is not exact");
      }
    }
    return json;
  }

  // Held-out problems, sampled as in training. False if it was stopped.
  bool Evaluate(int64_t step, Json& line) {
    const std::vector<Assignment> problems = test_problems_ ? test_problems_->First(config_.evaluation.problems)
                                                            : problems_.HeldOut(config_.evaluation.problems);
    if (problems.empty()) return true;
    const int64_t samples = config_.evaluation.samples;
    const auto n = static_cast<int64_t>(problems.size());
    const Json stamp = {{"step", step}, {"run", run_crc_}, {"weights", WeightsCrc()}};
    const auto start = Clock::now();
    const RolloutResult r =
        Generate(learner_->model(), config_.out / "evaluations" / fmt::format("step-{:06d}.jsonl.gz", step), stamp,
                 Settings(samples, config_.stages.back().window, Mix(config_.seed, kEvaluation)), n, n,
                 [&](int64_t i) { return problems[static_cast<size_t>(i)]; });
    if (r.stopped) return false;

    PassRates rates;
    for (const Group& group : r.groups) {
      int64_t right = 0, tokens = 0;
      for (const Response& response : group.responses) {
        right += response.judged() && *response.verdict.score >= 1;
        tokens += static_cast<int64_t>(response.trajectory.ids.size());
      }
      rates.Add(group.problem.task, samples, group.judged(), right, tokens);
    }
    Json report = {{"seconds", SecondsSince(start)}, {"problems", n}, {"samples", samples}};
    report.update(rates.ToJson());
    line["evaluation"] = report;
    return true;
  }

  // Rewrites the report, if the last one is long ago; long reports are rarer. What goes wrong with it is not worth a
  // run.
  void Report(bool now) {
    if (options_.report_seconds < 0) return;
    const double wait = std::max(options_.report_seconds, 50 * report_cost_);
    if (!now && reported_ && SecondsSince(*reported_) < wait) return;
    const auto start = Clock::now();
    try {
      WriteReport({config_.out}, config_.out / kReportFile, &text_.tokenizer);
    } catch (const std::exception& e) {
      if (!options_.quiet && !report_failed_) std::fprintf(stderr, "no report: %s\n", e.what());
      report_failed_ = true;
    }
    reported_ = Clock::now();
    report_cost_ = SecondsSince(start);
  }

  fs::path RolloutPath(int64_t batch) const {
    return config_.out / "rollouts" / fmt::format("batch-{:06d}.jsonl.gz", batch);
  }

  static std::string EvaluationNote(const Json& line) {
    if (!line.contains("evaluation")) return "no held-out problems";
    std::string note = "held out:";
    for (const auto& [name, value] : line["evaluation"]["mean"].items()) {
      note += fmt::format(" {} {:.1f} %", name, 100 * value.get<double>());
    }
    return note;
  }

  RlConfig config_;
  RlOptions options_;
  ExecContext& exec_;
  TextFiles text_;
  ModelConfig architecture_;
  Json fingerprint_;
  std::string run_crc_;  // of the fingerprint
  RunLoop loop_;
  ProblemSet problems_;
  std::optional<ProblemSet> test_problems_;  // of evaluation.data
  Curriculum curriculum_;
  Stages stages_;
  std::vector<int32_t> stop_tokens_;
  std::optional<Learner> learner_;
  std::unique_ptr<Model> reference_;
  std::unique_ptr<RolloutModel> rollout_model_;
  int64_t updates_ = 0, generated_ = 0;
  std::vector<uint64_t> drawn_;  // problems of each source
  int64_t removed_ = 0;
  RlResult result_;
  bool agreement_reported_ = false;
  std::string last_evaluation_;
  std::optional<Clock::time_point> reported_;  // when the last report was written, and how long it took
  double report_cost_ = 0;
  bool report_failed_ = false;
};

}  // namespace

RlResult TrainWithRl(const RlConfig& config, ExecContext& exec, const RlOptions& options) {
  return RlTrainer(config, exec, options).Run();
}

int64_t ExportRlModel(const RlConfig& config, const fs::path& dir) {
  const ModelConfig architecture = ModelConfig::FromFile(config.model / kConfigFile);
  Params shapes = LoadParams(config.model, architecture);
  return ExportRun(config.out, architecture, shapes, 0, FilesOf(config), dir);
}

}  // namespace fulgur
