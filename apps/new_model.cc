// fulgur new-model: random weights for a config, at any dimensions.
#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/nearest.h"
#include "base/progress.h"
#include "engine/loaded_model.h"
#include "model/checkpoint.h"
#include "train/conversation.h"
#include "train/save_model.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string config, out, dtype, tokenizer;
  int64_t layers = 0;
  uint64_t seed = 0;
  uint64_t max_shard_bytes = uint64_t{4} << 30;
  std::vector<std::string> set;
  bool force = false, json = false;
};

// A key of the config, or one that Fulgur reads or writes.
void CheckKey(const std::string& key, const Json& config) {
  std::vector<std::string> known{"max_position_embeddings",
                                 "rope_parameters",
                                 "rope_scaling",
                                 "partial_rotary_factor",
                                 "attn_type_list",
                                 "layer_types",
                                 "torch_dtype",
                                 "dtype",
                                 "linear_attn_alpha_factor",
                                 "linear_attn_beta_factor",
                                 "full_attn_alpha_factor",
                                 "full_attn_beta_factor",
                                 "mlp_alpha_factor",
                                 "mlp_beta_factor"};
  for (const Json& json : {config, ModelConfig().ToJson()}) {
    for (const auto& [name, unused] : json.items()) known.push_back(name);
  }
  if (std::find(known.begin(), known.end(), key) != known.end()) return;
  throw Error("--set {}: a config has no such key{}", key, DidYouMean(key, known));
}

// The config's JSON with --set and --layers applied.
Json EditedConfig(const Options& o) {
  const fs::path path = fs::is_directory(o.config) ? fs::path(o.config) / kConfigFile : fs::path(o.config);
  Json json = ReadJsonFile(path);
  if (!json.is_object()) throw Error("{}: expected a JSON object", path.string());
  for (const std::string& assignment : o.set) {
    const size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos) throw Error("--set {}: must be KEY=VALUE", assignment);
    const std::string key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
    CheckKey(key, json);
    const Json parsed = Json::parse(value, nullptr, /*allow_exceptions=*/false);
    json[key] = parsed.is_discarded() ? Json(value) : parsed;  // hidden_size=64, model_type=minimax
  }
  if (o.layers > 0) {
    json["num_hidden_layers"] = o.layers;
    for (const char* key : {"attn_type_list", "layer_types"}) {
      if (!json.contains(key) || !json[key].is_array()) continue;
      auto& list = json[key].get_ref<Json::array_t&>();
      if (list.empty()) throw Error("{}: {} is empty", path.string(), key);
      const size_t period = list.size();
      while (list.size() < static_cast<size_t>(o.layers)) list.push_back(Json(list[list.size() - period]));
      list.resize(static_cast<size_t>(o.layers));
    }
  }
  return json;
}

// Where an answer ends: the chat template's end of turn, and the tokenizer's own end.
Json EosTokens(const fs::path& dir, const Tokenizer& tokenizer) {
  const std::optional<int32_t> eos = EosToken(dir, tokenizer);
  std::optional<int32_t> end_of_turn;
  try {
    end_of_turn = ConversationEncoder(tokenizer, ChatTemplate::FromFolder(dir)).end_of_turn();
  } catch (const Error& e) {  // there is no template, or its turns have no end of their own
    if (!eos)
      throw Error("{}: no token ends an answer: there is no eos_token in tokenizer_config.json, and {}", dir.string(),
                  e.what());
  }
  if (!eos || !end_of_turn || *eos == *end_of_turn) return eos.value_or(end_of_turn.value_or(0));
  return Json::array({*end_of_turn, *eos});
}

// What of a config belongs to its tokenizer.
void UseTokenizer(const Options& o, Json* json) {
  const Tokenizer tokenizer = Tokenizer::FromFile(o.tokenizer);
  const auto given = [&](const std::string& key) {
    return std::any_of(o.set.begin(), o.set.end(), [&](const std::string& s) { return s.starts_with(key + "="); });
  };
  if (!given("vocab_size")) (*json)["vocab_size"] = tokenizer.vocab_size();
  if (JsonGet<int64_t>(*json, "vocab_size", o.config) < tokenizer.vocab_size()) {
    throw Error("vocab_size is {}, but the tokenizer in {} has {} tokens", (*json)["vocab_size"].dump(), o.tokenizer,
                tokenizer.vocab_size());
  }
  if (!given("eos_token_id")) (*json)["eos_token_id"] = EosTokens(o.tokenizer, tokenizer);
}

DType ChosenDType(const Options& o, const Json& json) {
  if (o.dtype == "f32") return DType::kF32;
  if (o.dtype == "bf16") return DType::kBF16;
  const char* key = json.contains("torch_dtype") ? "torch_dtype" : "dtype";
  const std::string stored = JsonGetOr<std::string>(json, key, "bfloat16", o.config);
  if (stored == "float32") return DType::kF32;
  if (stored == "bfloat16") return DType::kBF16;
  throw Error("{}: {} is \"{}\"; expected bfloat16 or float32, or --dtype bf16 or f32", o.config, key, stored);
}

void Run(const Options& o) {
  Json json = EditedConfig(o);
  if (!o.tokenizer.empty()) UseTokenizer(o, &json);
  const ModelConfig config = ModelConfig::FromJson(json, o.config);
  const fs::path out = o.out;
  if (!o.force && fs::exists(out / kConfigFile)) {
    throw Error("{} holds a model already; remove it, or overwrite it with --force", out.string());
  }
  SaveOptions options;
  options.dtype = ChosenDType(o, json);
  options.max_shard_bytes = static_cast<int64_t>(std::min<uint64_t>(o.max_shard_bytes, INT64_MAX));
  const int64_t parameters = CountParameters(config).total;
  const int64_t bytes = parameters * static_cast<int64_t>(DTypeSize(options.dtype));
  fs::path existing = fs::absolute(out);  // the folder that is there already and will hold `out`
  while (!fs::exists(existing)) existing = existing.parent_path();
  std::error_code ignored;
  const fs::space_info space = fs::space(existing, ignored);
  if (!ignored && space.available < static_cast<uint64_t>(bytes)) {
    throw Error("{}: {} are needed, {} are free", out.string(), HumanBytes(static_cast<double>(bytes)),
                HumanBytes(static_cast<double>(space.available)));
  }
  constexpr int64_t kMiB = 1 << 20;
  std::unique_ptr<ProgressBar> bar;
  options.progress = [&](int64_t written, int64_t total) {
    if (!bar) bar = std::make_unique<ProgressBar>("writing " + o.out, total / kMiB, "MiB");
    bar->Update(written / kMiB);
  };
  WriteRandomCheckpoint(out, config, o.seed, options);
  if (!o.tokenizer.empty()) CopyTextFiles(o.tokenizer, out);
  bar.reset();
  const char* dtype = options.dtype == DType::kF32 ? "float32" : "bfloat16";
  if (o.json) {
    const Json report = {{"out", o.out},
                         {"layers", config.num_hidden_layers},
                         {"parameters", parameters},
                         {"dtype", dtype},
                         {"seed", o.seed}};
    fmt::print("{}\n", report.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {} layers, {} parameters, {}, seed {}\n", o.out, config.num_hidden_layers,
             HumanCount(static_cast<double>(parameters)), dtype, o.seed);
}

}  // namespace

void AddNewModel(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("new-model", "Write a model with random weights");
  command->add_option("config", o->config, "config.json, or a folder that has one")->required();
  command->add_option("out", o->out, "Folder to write")->required();
  command
      ->add_option("--layers", o->layers,
                   "The first N layers of the config; its attention pattern goes on from its beginning if N is more")
      ->check(WholeNumber(1, 10000));
  command
      ->add_option("--tokenizer", o->tokenizer,
                   "Folder with tokenizer.json: copied, and vocab_size and eos_token_id are set to fit it")
      ->check(CLI::ExistingDirectory);
  command->add_option("--seed", o->seed, "The weights follow from it")->check(Seed());
  command->add_option("--dtype", o->dtype, "f32 or bf16 (default: the config's torch_dtype, else bf16)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--max-shard-bytes", o->max_shard_bytes, "Largest file, e.g. 500MB (default: 4 GiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command->add_option("--set", o->set, "KEY=VALUE in the config, e.g. hidden_size=64 (may be repeated)");
  command->add_flag("--force", o->force, "Overwrite a model in OUT");
  command->add_flag("--json", o->json, "Print what was written as one JSON object");
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur
