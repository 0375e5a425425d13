#include "rl/trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
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
#include "rl/batch_figures.h"
#include "rl/curriculum.h"
#include "rl/policy_update.h"
#include "rl/problem_filter.h"
#include "rl/ratio_file.h"
#include "rl/report.h"
#include "rl/rollout.h"
#include "rl/sampling_policy.h"
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

// The problems that are left out because they are in the files to keep apart from, the first of them with the words.
void PrintContaminated(const ProblemSet& problems, size_t source) {
  constexpr size_t kShown = 3;
  const auto& found = problems.contaminated(source);
  if (found.empty()) return;
  std::fprintf(stderr, "%s: %zu of %zu problems are left out as contaminated\n", problems.config(source).name.c_str(),
               found.size(), problems.file_size(source));
  for (size_t i = 0; i < std::min(kShown, found.size()); ++i) {
    std::fprintf(stderr, "  problem %zu: \"%s\" is in %s\n", found[i].record + 1, found[i].words.c_str(),
                 found[i].where.c_str());
  }
}

// What is left out of the sources.
void PrintSources(const ProblemSet& problems) {
  for (size_t s = 0; s < problems.size(); ++s) {
    const std::string& name = problems.config(s).name;
    if (problems.left_out(s) > 0) {
      std::fprintf(stderr, "%s: %zu instances; left out are %zu that are held out for tests or of another part\n",
                   name.c_str(), problems.file_size(s), problems.left_out(s));
    }
    if (problems.golds(s).bad() > 0) {
      std::fprintf(stderr, "%s\n", problems.golds(s).Summary("source " + name).c_str());
    }
    PrintContaminated(problems, s);
  }
}

// In messages, from what the rollouts are stamped with.
std::string WhichRollouts(const Json& stamp) {
  if (stamp.contains("batch")) return "batch " + stamp["batch"].dump();
  if (stamp.contains("step")) return "evaluation after batch " + stamp["step"].dump();
  return "filter of source " + stamp["filter"].get<std::string>();
}

// Beside the progress.
std::string EvaluationNote(const Json& line) {
  if (!line.contains("evaluation")) return "no held-out problems";
  std::string note = "held out:";
  for (const auto& [name, value] : line["evaluation"]["mean"].items()) {
    note += fmt::format(" {} {:.1f} %", name, 100 * value.get<double>());
  }
  return note;
}

std::string BatchNote(const Json& line) {
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
  return note;
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
               .model = FilesOf(config),
               .past = config.rollouts.lag},
              WithReport(options)),
        problems_(config.data, Mix(config.seed, kProblems)),
        curriculum_(config.curriculum),
        stages_(config.stages, config.stage_rule) {
    if (!config.evaluation.data.empty()) test_problems_.emplace(config.evaluation.data, Mix(config.seed, kProblems));
    stop_tokens_ = GenerationDefaults::FromFolder(config.model, architecture_, text_.tokenizer).stop_tokens;
    if (stop_tokens_.empty()) throw Error("{} names no token that ends an answer", config.model.string());
    learner_.emplace(Model::Load(config.model, exec_, /*keep_weights=*/true), config.optimizer, config.decay_norms);
    policy_.emplace(learner_->model(), config.rollouts);
    if (config.objective.kl != 0) reference_ = Model::Load(config.model, exec_);
    Restore();
  }

  RlResult Run() {
    loop_.PrintStart(fmt::format("{}; batches of {} prompts x {} responses, {} updates each", config_.objective_name,
                                 config_.rollouts.prompts, config_.rollouts.responses, config_.updates),
                     exec_.pool().threads());
    if (!options_.quiet) PrintSources(problems_);
    result_.finished = Filter() && loop_.Run(*this);
    result_.batches = loop_.state().step;
    result_.updates = updates_;
    if (result_.finished) result_.model = loop_.model_folder();
    result_.evaluation = loop_.Newest("evaluation");
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

    policy_->Prepare(state.past);
    std::vector<uint64_t> drawn = drawn_;
    const Json stamp = {
        {"batch", state.step}, {"run", run_crc_}, {"weights", WeightsCrc(policy_->full())}, {"window", window}};
    RolloutResult rollouts = Generate(
        policy_->generating(), RolloutPath(state.step), stamp,
        Settings(rc.responses, window, Mix(Mix(config_.seed, kSampling), static_cast<uint64_t>(state.step))),
        rc.prompts, rc.most_prompts, [&](int64_t i) { return problems_.Draw(curriculum_, progress, done, i, drawn); });
    if (rollouts.stopped) return false;
    drawn_ = drawn;
    const double rollout_seconds = SecondsSince(start);

    ResponseFigures all;
    std::map<std::string, ResponseFigures> tasks;
    std::vector<const Group*> kept;
    std::vector<double> group_rewards;
    ValueHistogram rewards = RewardHistogram(config_.reward), advantages = AdvantageHistogram();
    for (const Group& group : rollouts.groups) {
      const bool keep = group.spread() || rc.most_prompts == rc.prompts;
      double reward = 0;
      for (const Response& r : group.responses) {
        all.Add(r);
        tasks[group.problem.task].Add(r);
        if (!r.judged()) continue;
        reward += r.reward.total();
        rewards.Add(r.reward.total());
        if (keep) advantages.Add(r.advantage);
      }
      if (group.judged() > 0) group_rewards.push_back(reward / static_cast<double>(group.judged()));
      curriculum_.Add(group.problem.task, group.problem.difficulty, group.judged(), group.passed());
      if (keep) kept.push_back(&group);
    }
    curriculum_.EndBatch();
    generated_ += all.tokens;

    const auto update_start = Clock::now();
    std::optional<Params> before;
    if (rc.lag > 0) before = CopyWeights(learner_->model());
    const Json update = Update(kept, stage, state);
    if (rc.lag > 0) {
      line["lag"] = state.past.size();
      state.past.push_back(std::move(*before));
      if (static_cast<int64_t>(state.past.size()) > rc.lag) state.past.erase(state.past.begin());
    }
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
    line["histograms"]["reward"] = rewards.ToJson();
    line["histograms"]["advantage"] = advantages.ToJson();
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
    if (line.contains("evaluation")) last_evaluation_ = "  " + EvaluationNote(line);
    return BatchNote(line) + last_evaluation_;
  }

  // Removes the rollouts that the config does not want to keep, which the checkpoint makes superfluous.
  void Saved(int64_t step) override {
    const int64_t every = config_.rollouts.keep_every;
    std::error_code ignored;
    for (; removed_ < step; ++removed_) {
      if (every == 0 || (removed_ + 1) % every != 0) {
        fs::remove(RolloutPath(removed_ + 1), ignored);
        fs::remove(RatioPath(removed_ + 1), ignored);
      }
    }
  }

 private:
  RunOptions WithReport(RlOptions options) const {
    if (options.write_report) {
      options.report = [this] { WriteReport({config_.out}, config_.out / kReportFile, &text_.tokenizer); };
    }
    return options;
  }

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
    s.temperature = config_.rollouts.temperature;
    s.top_p = config_.rollouts.top_p;
    s.reward = config_.reward;
    s.advantage = config_.objective.advantage;
    return s;
  }

  // Generates, with what is left of an earlier process's rollouts in `path`.
  RolloutResult Generate(Model& model, const fs::path& path, const Json& stamp, const RolloutSettings& settings,
                         int64_t wanted, int64_t most, const std::function<Assignment(int64_t)>& next) {
    try {
      RolloutFile file(path, stamp, settings);
      RolloutResult result = GenerateGroups(model, text_.tokenizer, text_.chat_template, settings, wanted, most, next,
                                            file.TakeReady(), file.Recorder(), options_.stop);
      if (!result.stopped) file.Finish();
      return result;
    } catch (const Error& e) {
      throw Error("{}: {}", WhichRollouts(stamp), e.what());
    }
  }

  bool Filter() {
    return FilterProblems(
        problems_, config_.out / "filter", loop_.restored(), options_.quiet,
        [&](size_t s, const std::vector<size_t>& records) {
          const ProblemSourceConfig& source = problems_.config(s);
          const auto n = static_cast<int64_t>(records.size());
          const Json stamp = {{"filter", source.name}, {"run", run_crc_}, {"weights", WeightsCrc(learner_->model())}};
          return Generate(learner_->model(), config_.out / "filter" / (source.name + ".jsonl.gz"), stamp,
                          Settings(source.filter.samples, stages_.window(), Mix(Mix(config_.seed, kFilter), s)), n, n,
                          [&](int64_t i) { return problems_.FromFile(s, records[static_cast<size_t>(i)]); });
        });
  }

  // Several updates from these groups; what they add to the metrics.
  Json Update(const std::vector<const Group*>& groups, size_t stage, RunState& state) {
    const Objective objective = config_.ObjectiveOf(stage);
    const double clip = config_.ClipOf(stage), temperature = config_.rollouts.temperature;
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
        if (!policy_->low_precision()) samples.back().old_logprobs = RecordedLogprobs(r.trajectory);
      }
      begin.push_back(samples.size());
    }
    Agreement agreement;
    int64_t truncated = 0;
    if (policy_->low_precision()) truncated = CorrectPrecision(samples, &agreement);
    if (reference_) {
      std::vector<std::vector<float>> logprobs =
          ComputeLogprobs(*reference_, samples, config_.micro_tokens, temperature);
      for (size_t i = 0; i < samples.size(); ++i) samples[i].reference = std::move(logprobs[i]);
    }

    UpdateFigures figures;
    std::vector<std::vector<float>> logprobs(samples.size());
    for (int64_t u = 0; u < config_.updates; ++u) {
      const auto n = static_cast<int64_t>(groups.size());
      const size_t first = begin[static_cast<size_t>(u * n / config_.updates)];
      const size_t last = begin[static_cast<size_t>((u + 1) * n / config_.updates)];
      if (first == last) continue;
      const auto start = Clock::now();
      learner_->ZeroGradient();
      PolicyGradientReport r =
          AddPolicyGradient(learner_->pass(), std::span<const PolicySample>(samples).subspan(first, last - first),
                            objective, {config_.micro_tokens, config_.recompute, config_.aux_coef, temperature},
                            learner_->grads(), policy_->is_learner() && figures.empty() ? &agreement : nullptr);
      const double lr = config_.schedule.At((state.step - 1) * config_.updates + u + 1);
      const double norm =
          learner_->Update(fmt::format("batch {}, update {}", state.step, u + 1), r.loss, ++updates_, lr, clip);
      figures.Add(r, norm, lr, SecondsSince(start));
      std::move(r.logprobs.begin(), r.logprobs.end(), logprobs.begin() + static_cast<std::ptrdiff_t>(first));
    }
    state.tokens += figures.tokens();
    const bool all_one = figures.stats().ratio_one == figures.stats().tokens;
    const bool wanted = !all_one && config_.rollouts.keep_every > 0;
    WriteRatios(RatioPath(state.step), state.step, wanted ? samples : std::vector<PolicySample>(), logprobs);

    Json json = figures.ToJson(options_.peak_gflops);
    if (objective.mask_truncated) json["masked_answers"] = masked_answers;
    if (policy_->low_precision()) {
      json["precision"] = AgreementJson(agreement);
      json["precision"]["truncated"] =
          static_cast<double>(truncated) / static_cast<double>(std::max<int64_t>(1, figures.stats().tokens));
    } else if (policy_->is_learner()) {
      json["on_policy"] = AgreementJson(agreement);
      PrintAgreement(agreement);
    }
    return json;
  }

  // Where rollouts are in lower precision the ratio is to the same policy in full precision, and what they were sampled
  // from is put right by a truncated importance weight. Returns how many tokens' weights were.
  int64_t CorrectPrecision(std::vector<PolicySample>& samples, Agreement* agreement) {
    int64_t truncated = 0;
    std::vector<std::vector<float>> logprobs =
        ComputeLogprobs(policy_->full(), samples, config_.micro_tokens, config_.rollouts.temperature);
    for (size_t i = 0; i < samples.size(); ++i) {
      const std::vector<float> recorded = RecordedLogprobs(samples[i].response->trajectory);
      agreement->Add(recorded, logprobs[i]);
      for (size_t t = 0; t < recorded.size(); ++t) {
        const double weight = std::exp(static_cast<double>(logprobs[i][t]) - static_cast<double>(recorded[t]));
        truncated += weight > config_.rollouts.correction_max;
        samples[i].correction.push_back(static_cast<float>(std::min(weight, config_.rollouts.correction_max)));
      }
      samples[i].old_logprobs = std::move(logprobs[i]);
    }
    return truncated;
  }

  void PrintAgreement(const Agreement& agreement) {
    if (agreement.tokens == 0 || std::exchange(agreement_reported_, true)) return;
    const bool good = agreement.equal == agreement.tokens;
    if (options_.quiet && good) return;
    std::fprintf(stderr, "on-policy: %lld of %lld recomputed log-probabilities equal the sampled ones bit for bit%s\n",
                 static_cast<long long>(agreement.equal), static_cast<long long>(agreement.tokens),
                 good ? "; the ratio is exactly 1" : "; WARNING: the ratio is not exact");
  }

  // Held-out problems, sampled as in training. False if it was stopped.
  bool Evaluate(int64_t step, Json& line) {
    const std::vector<Assignment> problems = test_problems_ ? test_problems_->First(config_.evaluation.problems)
                                                            : problems_.HeldOut(config_.evaluation.problems);
    if (problems.empty()) return true;
    const int64_t samples = config_.evaluation.samples;
    const auto n = static_cast<int64_t>(problems.size());
    const Json stamp = {{"step", step}, {"run", run_crc_}, {"weights", WeightsCrc(learner_->model())}};
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

  fs::path RolloutPath(int64_t batch) const {
    return config_.out / "rollouts" / fmt::format("batch-{:06d}.jsonl.gz", batch);
  }

  fs::path RatioPath(int64_t batch) const {
    return config_.out / "ratios" / fmt::format("batch-{:06d}.jsonl.gz", batch);
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
  std::optional<SamplingPolicy> policy_;
  int64_t updates_ = 0, generated_ = 0;
  std::vector<uint64_t> drawn_;  // problems of each source
  int64_t removed_ = 0;
  RlResult result_;
  bool agreement_reported_ = false;
  std::string last_evaluation_;
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
