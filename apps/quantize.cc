#include <algorithm>
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/data_file.h"
#include "base/progress.h"
#include "engine/loaded_model.h"
#include "model/activation_statistics.h"
#include "model/checkpoint.h"
#include "model/gguf_model.h"
#include "model/quantize_checkpoint.h"
#include "text/gguf_tokenizer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, out, type, down, attention, calibrate;
  int64_t calibrate_tokens = 65536;
  uint64_t max_shard_bytes = uint64_t{4} << 30;
  int threads = 0;
  bool force = false, json = false;
};

// What users call the formats. bf16 means bf16 dot products: without them nothing has to be packed beforehand.
WeightFormat Format(const std::string& type) {
  return type == "bf16" ? WeightFormat::kBf16Dot : WeightFormatFromName(type).value();
}

// None: of a GGUF file, what is nearest to its own types.
std::optional<WeightRecipe> Recipe(const Options& o) {
  if (o.type.empty()) return std::nullopt;
  WeightRecipe recipe = RecipeFromName(o.type).value();
  if (o.type == "bf16") recipe.type = WeightFormat::kBf16Dot;
  if (!o.down.empty()) recipe.down = Format(o.down);
  if (!o.attention.empty()) recipe.attention = Format(o.attention);
  return recipe;
}

// Of a folder's weights, or of a GGUF file with all its parts.
int64_t WeightBytes(const fs::path& dir) {
  if (fs::is_regular_file(dir)) {
    const GgufFile file(dir);
    int64_t bytes = 0;
    for (const auto& [name, tensor] : file.tensors()) bytes += static_cast<int64_t>(tensor.blocks.size());
    return bytes;
  }
  int64_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    if (file.path().filename() == kActivationsFile) continue;
    if (file.path().extension() == ".safetensors") bytes += static_cast<int64_t>(file.file_size());
  }
  return bytes;
}

constexpr const char* kGgufTypes[] = {"f32", "f16", "q8_0"};
bool IsGgufType(const std::string& type) { return std::count(std::begin(kGgufTypes), std::end(kGgufTypes), type) > 0; }
bool IsGguf(const fs::path& path) { return path.extension() == ".gguf"; }

// Checks that the type is one of the kind that OUT asks for.
void CheckType(const Options& o) {
  if (o.type.empty()) {
    if (IsGguf(o.out)) throw Error("--type f32, f16 or q8_0 is needed for a GGUF file");
    if (!fs::is_regular_file(o.model) && !IsGguf(o.model)) {
      throw Error(
          "--type is needed: q8, q4, q4k, q3, q2, bf16, m1-256gb or m1-192gb (only of a GGUF file it is known)");
    }
    if (!o.down.empty() || !o.attention.empty()) throw Error("--down and --attention need --type");
  }
  if (IsGguf(o.out) && !IsGgufType(o.type)) {
    throw Error("--type {}: a GGUF file is written in f32, f16 or q8_0", o.type);
  }
  if (!IsGguf(o.out) && IsGgufType(o.type)) {
    throw Error("--type {} is for GGUF files, but {} is to be a folder, in q4k, q3, q2, q4, q8 or bf16", o.type, o.out);
  }
  if (IsGguf(o.out) && (!o.attention.empty() || !o.down.empty())) {
    throw Error("--attention and --down: a GGUF file has one type for all matrices");
  }
  if (IsGguf(o.out) && !o.calibrate.empty()) throw Error("--calibrate: a GGUF file is written in types that need none");
}

// What was written, on standard output.
void Report(const Options& o, std::optional<double> error) {
  const int64_t before = WeightBytes(o.model), after = WeightBytes(o.out);
  // As the folder's config says it, but for bf16.
  const auto named = [](WeightFormat format) -> std::string {
    return format == WeightFormat::kBf16Dot ? "bf16" : WeightFormatName(format);
  };
  std::string type = o.type.empty() ? "the nearest to each type" : o.type, attention = type, down = type;
  if (const auto recipe = IsGguf(o.out) ? std::nullopt : Recipe(o)) {
    type = named(recipe->type);
    down = named(recipe->down_type());
    attention = named(recipe->attention_type());
  }
  if (o.json) {
    Json report = {
        {"model", o.model},       {"out", o.out},  {"type", type}, {"down_type", down}, {"attention_type", attention},
        {"bytes_before", before}, {"bytes", after}};
    if (error) report["error"] = *error;
    fmt::print("{}\n", report.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {}{}{}, {} instead of {}\n", o.out, type, down == type ? "" : ", second matrices of experts " + down,
             attention == type ? "" : ", attention " + attention, HumanBytes(static_cast<double>(after)),
             HumanBytes(static_cast<double>(before)));
  if (error) {
    fmt::print("What {} changed of the values in {}: {:.2f} % of theirs, root mean square\n", type, o.model,
               100 * *error);
  }
}

// Windows of a text, or of several, up to a number of tokens together.
std::vector<std::vector<int32_t>> CalibrationTexts(const Options& o, const Tokenizer& tokenizer) {
  constexpr size_t kWindow = 512;
  std::vector<std::vector<int32_t>> windows;
  auto left = static_cast<size_t>(o.calibrate_tokens);
  for (const fs::path& path : DataFiles(o.calibrate)) {
    const std::vector<int32_t> ids = tokenizer.Encode(DataFile(path).text(), Tokenizer::Special::kPlainText);
    for (size_t at = 0; at < ids.size() && left > 0; at += kWindow) {
      const size_t count = std::min({kWindow, ids.size() - at, left});
      const auto first = ids.begin() + static_cast<ptrdiff_t>(at);
      windows.emplace_back(first, first + static_cast<ptrdiff_t>(count));
      left -= count;
    }
  }
  if (windows.empty()) throw Error("--calibrate {}: there is no text", o.calibrate);
  return windows;
}

// What --calibrate names: statistics that were written before, or a text, whose statistics are written beside the
// weights.
ActivationStatistics Statistics(const Options& o, ExecContext& exec) {
  if (fs::path(o.calibrate).extension() == ".safetensors") return ActivationStatistics::Load(o.calibrate);
  if (fs::is_regular_file(o.model)) {
    throw Error(
        "--calibrate with a text needs a folder that can be run; of a GGUF file, convert it first and give the {} "
        "of that",
        kActivationsFile);
  }
  const LoadedModel loaded = LoadedModel::Load(o.model, exec, KvFormat::kF32);
  const std::vector<std::vector<int32_t>> texts = CalibrationTexts(o, loaded.tokenizer);
  ProgressBar bar("reading " + o.calibrate, static_cast<int64_t>(texts.size()), "windows");
  ActivationStatistics statistics =
      ActivationStatistics::Measure(*loaded.model, texts, [&](int64_t done) { bar.Update(done); });
  fs::create_directories(o.out);
  statistics.Save(fs::path(o.out) / kActivationsFile);
  return statistics;
}

void Run(const Options& o) {
  CheckType(o);
  constexpr int64_t kMiB = 1 << 20;
  std::unique_ptr<ProgressBar> bar;
  const auto progress = [&](int64_t written, int64_t total) {
    if (!bar) bar = std::make_unique<ProgressBar>("writing " + o.out, total / kMiB, "MiB");
    bar->Update(written / kMiB);
  };
  std::optional<double> error;
  if (IsGguf(o.out)) {
    if (!o.force && fs::exists(o.out))
      throw Error("{} is there already; remove it, or overwrite it with --force", o.out);
    const ModelConfig config = ModelConfig::FromFile(fs::path(o.model) / kConfigFile);
    GgufOptions options;
    options.type = o.type == "f32" ? GgufType::kF32 : o.type == "f16" ? GgufType::kF16 : GgufType::kQ8_0;
    options.progress = progress;
    options.metadata = {{"general.name", fs::absolute(o.model).lexically_normal().filename().string()}};
    for (auto& key : GgufTokenizerMetadata(o.model, config.vocab_size, config.eos_token_ids)) {
      options.metadata.push_back(std::move(key));
    }
    WriteGguf(o.model, o.out, options);
  } else {
    QuantizeOptions options;
    options.recipe = Recipe(o);
    options.max_shard_bytes = static_cast<int64_t>(std::min<uint64_t>(o.max_shard_bytes, INT64_MAX));
    options.progress = progress;
    // Before the weights: a model is there once its config is, which comes last.
    if (fs::is_regular_file(o.model) && (o.force || !fs::exists(fs::path(o.out) / kConfigFile))) {
      const GgufFile file{fs::path(o.model)};
      WriteGgufTokenizer(file.metadata(), file.where(), o.out);
    }
    ExecContext exec(o.threads);
    ActivationStatistics statistics;
    if (!o.calibrate.empty()) {
      statistics = Statistics(o, exec);
      options.statistics = &statistics;
    }
    error = QuantizeCheckpoint(o.model, o.out, options, o.force, exec).error;
  }
  bar.reset();
  Report(o, error);
}

}  // namespace

void AddQuantize(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "quantize", "Write a model with weights packed for speed, in 16 to 2 bits; read and write GGUF");
  AddModelOption(*command, o->model, "Folder of a model or of a run, or a GGUF file (the first of a split one)");
  command
      ->add_option("out", o->out,
                   "Folder to write (a run that was cut off goes on where it stopped), or a file NAME.gguf")
      ->required();
  command
      ->add_option(
          "--type", o->type,
          "Of experts and attention: q8, q4k, q4, q3, q2, or bf16 (bf16 dot products); m1-256gb or m1-192gb for "
          "MiniMax-M1 in so much memory; of a GGUF file to write f32, f16 or q8_0. A GGUF file without: the "
          "nearest to each of its types")
      ->check(CLI::IsMember({"q4", "q8", "q4k", "q3", "q2", "bf16", "m1-256gb", "m1-192gb", "f32", "f16", "q8_0"}));
  const CLI::IsMember formats({"q4", "q8", "q4k", "q3", "q2", "bf16"});
  command->add_option("--down", o->down, "Type of the experts' second matrices, if another")->check(formats);
  command->add_option("--attention", o->attention, "Type of the attention projections, if another")->check(formats);
  command->add_option("--calibrate", o->calibrate,
                      "A text, files of text, or statistics of activations (.safetensors): errors count by what inputs "
                      "carry, in formats of 4 bits and fewer");
  command->add_option("--calibrate-tokens", o->calibrate_tokens, "Tokens of the text to read at most")
      ->capture_default_str()
      ->check(WholeNumber(1, uint64_t{1} << 32));
  command->add_option("--max-shard-bytes", o->max_shard_bytes, "Largest file, e.g. 500MB (default: 4 GiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command->add_option("--threads", o->threads, "Threads (default: all processors)")->check(Threads());
  command->add_flag("--force", o->force, "Overwrite a model in OUT");
  command->add_flag("--json", o->json, "Print what was written as one JSON object");
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur
