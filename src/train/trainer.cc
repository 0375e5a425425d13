#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "model/checkpoint.h"
#include "model/cost.h"
#include "model/gradient.h"
#include "ops/cross_entropy.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kTextFiles[] = {
    "tokenizer.json",    "tokenizer_config.json",  "chat_template.jinja", "special_tokens_map.json",
    "added_tokens.json", "generation_config.json", "vocab.json",          "merges.txt"};
constexpr uint64_t kParamStream = 101, kValidationStream = 102;  // of the config's seed

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

double UnixTime() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// The config, and the contents of the files that it names.
Json Fingerprint(const TrainConfig& config) {
  Json json = config.Fingerprint();
  const auto add = [&](const fs::path& path) { json["file " + path.string()] = FileFingerprint(path); };
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    if (fs::exists(config.model.tokenizer / name)) add(config.model.tokenizer / name);
  }
  if (!config.model.path.empty()) add(config.model.path / "config.json");
  for (const SourceConfig& source : config.data) {
    if (!source.path.empty()) add(source.path);
  }
  return json;
}

Params StartingParams(const TrainConfig& config, const ModelConfig& architecture) {
  if (config.model.path.empty()) return RandomParams(architecture, Mix(config.seed, kParamStream));
  return LoadParams(config.model.path, architecture);
}

// Mean over layers of (tokens of the busiest expert / mean tokens of an expert): 1 is perfect balance.
double ExpertImbalance(const ModelConfig& config, const std::vector<int64_t>& counts) {
  const auto experts = static_cast<size_t>(config.num_local_experts);
  double sum = 0;
  for (size_t begin = 0; begin < counts.size(); begin += experts) {
    int64_t most = 0, total = 0;
    for (size_t e = 0; e < experts; ++e) {
      most = std::max(most, counts[begin + e]);
      total += counts[begin + e];
    }
    if (total > 0) sum += static_cast<double>(most) * static_cast<double>(experts) / static_cast<double>(total);
  }
  return sum / static_cast<double>(counts.size() / experts);
}

class Trainer {
 public:
  Trainer(const TrainConfig& config, ThreadPool& pool, const TrainOptions& options)
      : config_(config),
        options_(options),
        pool_(pool),
        text_(TextFiles::FromFolder(config.model.tokenizer)),
        encoder_(text_.tokenizer, text_.chat_template, config.batch.max_length),
        architecture_(StartingArchitecture(config, text_.tokenizer, encoder_.conversation().end_of_turn())),
        fingerprint_(Fingerprint(config)),
        folder_(config.out, fingerprint_, options.fresh),
        mixture_(TrainingMixture(config)),
        checkpoints_(config.out / "checkpoints") {
    if (!config.model.path.empty()) trained_tasks_ = ReadTrainedTasks(config.model.path);
    for (const SourceConfig& source : config.data) {
      for (const TaskMix& mix : source.tasks) {
        if (source.weight > 0 && mix.weight > 0) trained_tasks_.insert(mix.name);
      }
    }
    if (config.validation.every > 0) {
      validation_ = ValidationExamples(config.validation.data, encoder_, config.validation.instances,
                                       Mix(config.seed, kValidationStream));
    }
    model_ = std::make_unique<Model>(architecture_, StartingParams(config, architecture_), pool_, true);
    grads_ = ZerosLike(architecture_, model_->params());
    optimizer_ = std::make_unique<Optimizer>(architecture_, model_->params(), config.optimizer, config.decay_norms);
  }

  TrainResult Run() {
    if (auto found = checkpoints_.ReadNewest(architecture_, config_.data.size(), model_->params(), optimizer_->m(),
                                             optimizer_->v())) {
      CheckSameRun(found->fingerprint, fingerprint_, config_.out);
      state_ = std::move(*found);
      model_->Repack();
      resumed_ = true;
    } else {
      state_.fingerprint = fingerprint_;
    }
    const int64_t steps = config_.schedule.steps;
    if (!options_.quiet) PrintStart();

    TrainResult result;
    MetricsLog metrics(config_.out, state_.step);
    if (state_.step < steps) {
      StepQueue queue(Packer(mixture_, encoder_, config_.batch, state_.data));
      std::unique_ptr<ProgressBar> bar;
      if (!options_.quiet) {
        bar = std::make_unique<ProgressBar>("training", steps, "steps");
        bar->StartFrom(state_.step);
      }
      auto written = Clock::now();
      int64_t written_step = state_.step;
      bool stopped = false;
      while (state_.step < steps && !stopped) {
        const auto start = Clock::now();
        Json line = Step(queue.Next(), start);
        result.loss = line["loss"].get<double>();
        if (!validation_.empty() && (state_.step % config_.validation.every == 0 || state_.step == steps)) {
          line["validation"] = RunValidation();
          result.validation = line["validation"];
        }
        metrics.Add(line);
        if (bar) bar->Update(state_.step, Note(line));
        stopped = options_.stop != nullptr && options_.stop->load();
        const TrainConfig::Checkpoint& c = config_.checkpoint;
        if (state_.step == steps || stopped || (c.every_steps > 0 && state_.step % c.every_steps == 0) ||
            (c.every_seconds > 0 && Seconds(written) >= c.every_seconds)) {
          metrics.Sync();  // never behind the checkpoint
          checkpoints_.Write(architecture_, state_, model_->params(), optimizer_->m(), optimizer_->v(), c.keep);
          written = Clock::now();
          written_step = state_.step;
        }
      }
      FULGUR_CHECK(written_step == state_.step);
    }
    result.step = state_.step;
    result.tokens = state_.tokens;
    result.finished = state_.step == steps;
    if (result.finished) {
      result.model = config_.out / "model";
      if (!fs::exists(result.model / kConfigFile)) {  // written last
        CopyTextFiles(config_.model.tokenizer, result.model);
        WriteTrainedTasks(result.model, trained_tasks_);
        SaveOptions save;
        save.dtype = config_.save_dtype;
        SaveCheckpoint(result.model, architecture_, model_->params(), save);
      }
    }
    return result;
  }

 private:
  // One optimizer step; the line for the metrics.
  Json Step(const StepData& data, Clock::time_point start) {
    const int64_t step = state_.step + 1;
    SetZero(architecture_, grads_, pool_);
    const double coef = config_.aux_coef >= 0 ? config_.aux_coef : architecture_.router_aux_loss_coef;
    double ce = 0, aux = 0, flops = 0;
    std::vector<int64_t> expert_counts(
        static_cast<size_t>(architecture_.num_hidden_layers * architecture_.num_local_experts));
    for (const TokenBatch& micro : data.micro) {
      const double share = static_cast<double>(micro.tokens.size()) / static_cast<double>(data.tokens);
      GradientOptions options;
      options.aux_coef = coef * share;
      options.recompute = config_.batch.recompute;
      const LossReport report = AddGradient(*model_, micro, CrossEntropy(micro, data.targets), options, grads_);
      ce += report.row_loss;
      aux += report.aux * share;
      flops += TrainingFlops(architecture_, micro.documents());
      for (size_t i = 0; i < expert_counts.size(); ++i) expert_counts[i] += report.expert_counts[i];
    }
    const double loss = ce + coef * aux;
    const double norm = GlobalNorm(architecture_, grads_, pool_);
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      throw Error(
          "step {}: the loss is {} and the gradient's norm {}; a smaller learning rate (schedule.lr is {}) or a longer "
          "warm-up may help",
          step, loss, norm, config_.schedule.lr);
    }
    const double scale = config_.clip > 0 && norm > config_.clip ? config_.clip / norm : 1.0;
    const double lr = config_.schedule.At(step);
    optimizer_->Step(model_->params(), grads_, step, lr, scale, pool_);
    model_->Repack();

    state_.step = step;
    state_.tokens += data.tokens;
    state_.data = data.after;
    const double seconds = Seconds(start);
    uint64_t skipped = 0;
    for (const uint64_t s : state_.data.skipped) skipped += s;
    Json line = {{"step", step},
                 {"time", UnixTime()},
                 {"loss", loss},
                 {"ce", ce},
                 {"aux", aux},
                 {"grad_norm", norm},
                 {"lr", lr},
                 {"tokens", state_.tokens},
                 {"targets", data.targets},
                 {"seconds", seconds},
                 {"tokens_per_second", static_cast<double>(data.tokens) / seconds},
                 {"expert_imbalance", ExpertImbalance(architecture_, expert_counts)},
                 {"examples", state_.data.examples},
                 {"skipped", skipped}};
    if (options_.peak_gflops > 0) line["peak_share"] = flops / seconds / (options_.peak_gflops * 1e9);
    return line;
  }

  Json RunValidation() {
    Json report = Json::object();
    double loss = 0, accuracy = 0;
    for (const auto& [name, examples] : validation_) {
      const ValidationResult r = Validate(*model_, examples, config_.batch.micro_tokens);
      report[name] = {{"loss", r.loss}, {"accuracy", r.accuracy}};
      loss += r.loss;
      accuracy += r.accuracy;
    }
    const auto n = static_cast<double>(validation_.size());
    report["mean"] = {{"loss", loss / n}, {"accuracy", accuracy / n}};
    return report;
  }

  std::string Note(const Json& line) {
    const auto rate = line["tokens_per_second"].get<double>();
    rate_ = rate_ > 0 ? 0.9 * rate_ + 0.1 * rate : rate;
    std::string note = fmt::format("{} tokens/s", HumanCount(rate_));
    if (line.contains("peak_share")) note += fmt::format(" ({:.0f} % of peak)", 100 * line["peak_share"].get<double>());
    note += fmt::format("  loss {:.4f}", line["loss"].get<double>());
    if (line.contains("validation")) {
      const Json& mean = line["validation"]["mean"];
      last_validation_ = fmt::format("  held out {:.4f}, {:.1f} % of tokens", mean["loss"].get<double>(),
                                     100 * mean["accuracy"].get<double>());
    }
    return note + last_validation_;
  }

  void PrintStart() const {
    const ParameterCount count = CountParameters(architecture_);
    std::string line = fmt::format(
        "{} parameters, {} active; steps of up to {} tokens; {} threads", HumanCount(static_cast<double>(count.total)),
        HumanCount(static_cast<double>(count.active)), config_.batch.tokens, pool_.threads());
    if (options_.peak_gflops > 0) line += fmt::format(", {:.0f} GFLOP/s at most", options_.peak_gflops);
    if (resumed_) line += fmt::format("; resumed at step {}", state_.step);
    std::fprintf(stderr, "%s\n", line.c_str());
  }

  TrainConfig config_;
  TrainOptions options_;
  ThreadPool& pool_;
  TextFiles text_;
  RecordEncoder encoder_;
  ModelConfig architecture_;
  Json fingerprint_;
  RunFolder folder_;
  Mixture mixture_;
  RunCheckpoints checkpoints_;
  std::set<std::string> trained_tasks_;  // that the starting model was trained on, and those of the data
  std::map<std::string, std::vector<Example>> validation_;
  std::unique_ptr<Model> model_;
  Params grads_;
  std::unique_ptr<Optimizer> optimizer_;
  RunState state_;
  bool resumed_ = false;
  double rate_ = 0;  // smoothed tokens per second
  std::string last_validation_;
};

}  // namespace

TextFiles TextFiles::FromFolder(const fs::path& dir) {
  return {Tokenizer::FromFile(dir), ChatTemplate::FromFolder(dir)};
}

void CopyTextFiles(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const char* name : kTextFiles) {
    if (fs::exists(from / name)) WriteFileAtomic(to / name, ReadFile(from / name));
  }
}

ModelConfig StartingArchitecture(const TrainConfig& config, const Tokenizer& tokenizer, int32_t end_of_turn) {
  const auto check_vocabulary = [&](int64_t vocab_size) {
    if (vocab_size >= tokenizer.vocab_size()) return;
    throw Error("the model's vocab_size is {}, but the tokenizer in {} has {} tokens", vocab_size,
                config.model.tokenizer.string(), tokenizer.vocab_size());
  };
  ModelConfig architecture;
  if (!config.model.path.empty()) {
    architecture = ModelConfig::FromFile(config.model.path / kConfigFile);
  } else {
    const std::string where = "\"model\": \"config\"";
    Json json = config.model.config;
    const auto set_default = [&](const char* key, const Json& value) {
      if (!json.contains(key) || json[key].is_null()) json[key] = value;
    };
    set_default("vocab_size", tokenizer.vocab_size());
    check_vocabulary(JsonGet<int64_t>(json, "vocab_size", where));  // before ids of the tokenizer are held against it
    set_default("eos_token_id", end_of_turn);
    if (!json.contains("layer_types")) {
      const auto layers = JsonGet<int64_t>(json, "num_hidden_layers", where);
      Json kinds = Json::array();
      for (int64_t n = 0; n < std::min<int64_t>(layers, 1 << 16); ++n) kinds.push_back(n % 8 == 7 ? 1 : 0);
      set_default("attn_type_list", kinds);
    }
    architecture = ModelConfig::FromJson(json, where);
    if (!config.model.config_is_file) {
      const Json known = architecture.ToJson();
      for (const auto& [key, value] : json.items()) {
        if (!known.contains(key) && key != "layer_types" && key != "attn_type_list") {
          std::vector<std::string> names;
          for (const auto& [name, unused] : known.items()) names.push_back(name);
          throw Error("{} has an unknown key \"{}\"; known: {}", where, key, fmt::join(names, ", "));
        }
      }
    }
  }
  check_vocabulary(architecture.vocab_size);
  return architecture;
}

TrainResult Train(const TrainConfig& config, ThreadPool& pool, const TrainOptions& options) {
  return Trainer(config, pool, options).Run();
}

int64_t ExportModel(const TrainConfig& config, const fs::path& dir) {
  const TextFiles text = TextFiles::FromFolder(config.model.tokenizer);
  const ConversationEncoder conversation(text.tokenizer, text.chat_template);
  const ModelConfig architecture = StartingArchitecture(config, text.tokenizer, conversation.end_of_turn());
  Params shapes, params, m, v;
  ForEachParameter(architecture, shapes, [](const std::string&, Tensor&, const Shape&) {});
  if (!config.model.path.empty()) shapes = LoadParams(config.model.path, architecture);  // a shared expert's own width
  for (Params* p : {&params, &m, &v}) *p = ZerosLike(architecture, shapes);
  const auto state =
      RunCheckpoints(config.out / "checkpoints").ReadNewest(architecture, config.data.size(), params, m, v);
  if (!state) throw Error("{} holds no checkpoint yet", config.out.string());
  CopyTextFiles(config.model.tokenizer, dir);
  SaveOptions save;
  save.dtype = config.save_dtype;
  SaveCheckpoint(dir, architecture, params, save);
  return state->step;
}

ValidationResult Validate(Model& model, const std::vector<Example>& examples, int64_t micro_tokens) {
  const int64_t vocab = model.config().vocab_size;
  micro_tokens = std::min(micro_tokens, std::max<int64_t>(256, (int64_t{1} << 25) / vocab));  // 128 MB of logits
  double sum = 0;
  int64_t right = 0, count = 0;
  for (size_t begin = 0; begin < examples.size();) {
    size_t end = begin;
    int64_t tokens = 0;
    while (end < examples.size() &&
           (end == begin || tokens + static_cast<int64_t>(examples[end].tokens.size()) <= micro_tokens)) {
      tokens += static_cast<int64_t>(examples[end++].tokens.size());
    }
    std::vector<SequenceState> states;
    std::vector<Segment> segments;
    for (size_t i = begin; i < end; ++i) states.push_back(model.NewState());
    for (size_t i = begin; i < end; ++i) segments.push_back({&states[i - begin], examples[i].tokens});
    const float* row = model.Forward(segments, LogitRows::kAll).data();
    for (size_t i = begin; i < end; ++i) {
      const Example& example = examples[i];
      for (size_t t = 0; t < example.tokens.size(); ++t, row += vocab) {
        if (t + 1 == example.tokens.size() || example.counts[t + 1] == 0) continue;
        const int32_t target = example.tokens[t + 1];
        sum -= LogProb(row, vocab, target);
        right += std::max_element(row, row + vocab) - row == target;
        ++count;
      }
    }
    begin = end;
  }
  const double n = static_cast<double>(std::max<int64_t>(1, count));
  return {sum / n, static_cast<double>(right) / n, count};
}

double TrainingFlops(const ModelConfig& config, std::span<const DocumentRows> documents) {
  double forward = 0;
  for (const DocumentRows& d : documents) {
    forward += ForwardFlops(config, d.prefix < 0 ? 0 : documents[static_cast<size_t>(d.prefix)].rows, d.rows);
  }
  return 3 * forward;  // backward takes twice as much: gradients of inputs and of weights
}

}  // namespace fulgur
