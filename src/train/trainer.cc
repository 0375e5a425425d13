#include "train/trainer.h"

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/nearest.h"
#include "base/progress.h"
#include "base/rng.h"
#include "engine/loaded_model.h"
#include "envs/instance_file.h"
#include "model/checkpoint.h"
#include "model/cost.h"
#include "model/gradient.h"
#include "model/pass.h"
#include "ops/cross_entropy.h"
#include "train/data_check.h"
#include "train/router_meter.h"
#include "train/trained_tasks.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kParamStream = 101, kValidationStream = 102;  // of the config's seed

// The config, and the contents of the files that it names.
Json Fingerprint(const TrainConfig& config) {
  Json json = config.keys.fingerprint;
  const auto add = [&](const fs::path& path) { AddFile(&json, path); };
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

// What the model that a run leaves was trained on: what the starting model was, and the tasks of the data.
std::set<std::string> TrainedTasks(const TrainConfig& config) {
  std::set<std::string> names;
  if (!config.model.path.empty()) names = ReadTrainedTasks(config.model.path);
  for (const SourceConfig& source : config.data) {
    for (const TaskMix& mix : source.tasks) {
      if (source.weight > 0 && mix.weight > 0) names.insert(mix.name);
    }
    if (source.type == SourceConfig::Type::kInstances && source.weight > 0) {
      names.merge(InstanceFile(source.path, source.part, false).Tasks());
    }
  }
  return names;
}

ModelFiles FilesOf(const TrainConfig& config) {
  return {config.model.tokenizer, TrainedTasks(config), config.save_dtype};
}

// A longer run has the same steps up to the decay of the rate.
RunLength Length() {
  const auto common = [](const Json& fingerprint) {
    return fingerprint["steps"].get<int64_t>() - fingerprint["schedule.decay_steps"].get<int64_t>();
  };
  return {"steps",
          {"steps", "schedule.decay_steps"},
          common,
          "the learning rate falls at the end (schedule.decay_fraction)"};
}

class Trainer : public RunWork {
 public:
  Trainer(const TrainConfig& config, ExecContext& exec, const TrainOptions& options)
      : config_(config),
        options_(options),
        exec_(exec),
        text_(TextFiles::FromFolder(config.model.tokenizer)),
        encoder_(text_.tokenizer, text_.chat_template, config.batch.max_length),
        architecture_(StartingArchitecture(config, text_.tokenizer, encoder_.conversation().end_of_turn())),
        loop_({.out = config.out,
               .fingerprint = Fingerprint(config),
               .length = Length(),
               .steps = config.schedule.steps,
               .checkpoint = config.checkpoint,
               .model = FilesOf(config)},
              options),
        mixture_(TrainingMixture(config)) {
    for (const SourceCheck& check : CheckRecords(mixture_, encoder_, exec_.pool())) {
      for (const std::string& note : check.Notes(config.batch.max_length)) notes_.push_back(note);
    }
    if (config.validation.every > 0) {
      if (config.validation.data.empty()) {
        notes_.push_back(
            "warning: validation.every is set, but there is nothing to validate on: \"data\" has no tasks, and there "
            "is no "
            "validation.data");
      }
      validation_ = ValidationExamples(config.validation.data, encoder_, config.validation.instances,
                                       Mix(config.seed, kValidationStream));
    }
    learner_.emplace(std::make_unique<Model>(architecture_, StartingParams(config, architecture_), exec_, true),
                     config.optimizer, config.decay_norms);
    loop_.Restore(*learner_, config.data.size());
  }

  TrainResult Run() {
    loop_.PrintStart(fmt::format("steps of up to {} tokens", config_.batch.tokens), exec_.pool().threads());
    for (const std::string& note : mixture_.Notes()) notes_.push_back(note);
    for (const std::string& note : notes_) {
      if (!options_.quiet) std::fprintf(stderr, "%s\n", note.c_str());
    }
    result_.finished = loop_.Run(*this);
    result_.step = loop_.state().step;
    result_.tokens = loop_.state().tokens;
    if (result_.finished) result_.model = loop_.model_folder();
    if (const Json loss = loop_.Newest("loss"); loss.is_number()) result_.loss = loss.get<double>();
    result_.validation = loop_.Newest("validation");
    result_.examples = loop_.state().data.examples;
    for (const uint64_t skipped : loop_.state().data.skipped) result_.left_out += skipped;
    return result_;
  }

  bool Step(RunState& state, Json& line) override {
    if (!queue_) queue_.emplace(BatchPacker(mixture_, encoder_, config_.batch, state.data));
    const auto start = Clock::now();
    const StepData data = queue_->Next();
    learner_->ZeroGradient();
    const double coef = config_.aux_coef >= 0 ? config_.aux_coef : architecture_.router_aux_loss_coef;
    double ce = 0, aux = 0, flops = 0;
    RouterMeter router;
    for (const TokenBatch& micro : data.micro) {
      const double share = static_cast<double>(micro.tokens.size()) / static_cast<double>(data.tokens);
      GradientOptions options;
      options.aux_coef = coef * share;
      options.recompute = config_.batch.recompute;
      const LossReport report =
          AddGradient(learner_->pass(), micro, CrossEntropy(micro, data.targets), options, learner_->grads());
      ce += report.row_loss;
      aux += report.aux * share;
      flops += TrainingFlops(architecture_, micro.documents());
      router.Add(report, static_cast<int64_t>(micro.tokens.size()));
    }
    const double loss = ce + coef * aux, lr = config_.schedule.At(state.step);
    const double norm = learner_->Update(fmt::format("step {}", state.step), loss, state.step, lr, config_.clip);

    state.tokens += data.tokens;
    state.data = data.after;
    result_.longest_left_out = data.longest_left_out;
    const double seconds = SecondsSince(start);
    uint64_t skipped = 0;
    for (const uint64_t s : state.data.skipped) skipped += s;
    line.update({{"loss", loss},
                 {"ce", ce},
                 {"aux", aux},
                 {"grad_norm", norm},
                 {"lr", lr},
                 {"tokens", state.tokens},
                 {"targets", data.targets},
                 {"seconds", seconds},
                 {"tokens_per_second", static_cast<double>(data.tokens) / seconds},
                 {"router", router.ToJson()},
                 {"examples", state.data.examples},
                 {"skipped", skipped}});
    if (options_.peak_gflops > 0) line["peak_share"] = flops / seconds / (options_.peak_gflops * 1e9);
    return true;
  }

  bool Measures(int64_t step) const override {
    return !validation_.empty() && step > 0 && (step % config_.validation.every == 0 || step == config_.schedule.steps);
  }

  bool Measure(const RunState&, Json& line) override {
    Json report = Json::object();
    double loss = 0, accuracy = 0;
    for (const auto& [name, examples] : validation_) {
      const ValidationResult r = Validate(learner_->model(), examples, config_.batch.micro_tokens);
      report[name] = {{"loss", r.loss}, {"accuracy", r.accuracy}};
      loss += r.loss;
      accuracy += r.accuracy;
    }
    const auto n = static_cast<double>(validation_.size());
    report["mean"] = {{"loss", loss / n}, {"accuracy", accuracy / n}};
    line["validation"] = report;
    return true;
  }

  std::string Note(const Json& line) override {
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

 private:
  TrainConfig config_;
  TrainOptions options_;
  ExecContext& exec_;
  TextFiles text_;
  RecordEncoder encoder_;
  ModelConfig architecture_;
  RunLoop loop_;
  Mixture mixture_;
  std::vector<std::string> notes_;  // for the start
  std::map<std::string, std::vector<Example>> validation_;
  std::optional<Learner> learner_;
  std::optional<StepQueue> queue_;  // from the first step on
  TrainResult result_;
  double rate_ = 0;  // smoothed tokens per second
  std::string last_validation_;
};

}  // namespace

TextFiles TextFiles::FromFolder(const fs::path& dir) {
  return {Tokenizer::FromFile(dir), ChatTemplate::FromFolder(dir)};
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
    const std::optional<int32_t> eos = EosToken(config.model.tokenizer, tokenizer);
    set_default("eos_token_id", eos && *eos != end_of_turn ? Json{end_of_turn, *eos} : Json(end_of_turn));
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
          throw Error("{} has an unknown key \"{}\"{}; known: {}", where, key, DidYouMean(key, names),
                      fmt::join(names, ", "));
        }
      }
    }
  }
  check_vocabulary(architecture.vocab_size);
  if (!architecture.eos_token_ids.empty()) {
    const std::vector<int32_t> ids(architecture.eos_token_ids.begin(), architecture.eos_token_ids.end());
    CheckEos(ids, end_of_turn, tokenizer,
             "the model's config.json, with the tokenizer in " + config.model.tokenizer.string());
  }
  return architecture;
}

TrainResult Train(const TrainConfig& config, ExecContext& exec, const TrainOptions& options) {
  if (config.epochs <= 0) return Trainer(config, exec, options).Run();
  const TextFiles text = TextFiles::FromFolder(config.model.tokenizer);
  const RecordEncoder encoder(text.tokenizer, text.chat_template, config.batch.max_length);
  const Mixture mixture = TrainingMixture(config);
  CheckRecords(mixture, encoder, exec.pool());  // an error with its line rather than one from within a step
  TrainConfig with_length = config;
  with_length.SetLength(StepsOfEpochs(mixture, encoder, config.batch, config.epochs));
  if (!options.quiet) {
    std::fprintf(stderr, "%s\n",
                 fmt::format("{} epoch{} of the data: {} steps", config.epochs, config.epochs == 1 ? "" : "s",
                             with_length.schedule.steps)
                     .c_str());
  }
  return Trainer(with_length, exec, options).Run();
}

int64_t ExportModel(const TrainConfig& config, const fs::path& dir) {
  const TextFiles text = TextFiles::FromFolder(config.model.tokenizer);
  const ConversationEncoder conversation(text.tokenizer, text.chat_template);
  const ModelConfig architecture = StartingArchitecture(config, text.tokenizer, conversation.end_of_turn());
  Params shapes;
  ForEachParameter(architecture, shapes, [](const std::string&, Tensor&, const Shape&) {});
  if (!config.model.path.empty()) shapes = LoadParams(config.model.path, architecture);  // a shared expert's own width
  return ExportRun(config.out, architecture, shapes, config.data.size(), FilesOf(config), dir);
}

ValidationResult Validate(const Model& model, const std::vector<Example>& examples, int64_t micro_tokens) {
  Pass pass(model);
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
    const float* row = pass.Forward(segments, LogitRows::kAll).data();
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

}  // namespace fulgur
