#include <algorithm>
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/progress.h"
#include "model/checkpoint.h"
#include "model/gguf_model.h"
#include "model/quantize_checkpoint.h"
#include "text/gguf_tokenizer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, out, type, attention;
  uint64_t max_shard_bytes = uint64_t{4} << 30;
  int threads = 0;
  bool force = false, json = false;
};

// What users call the formats. bf16 means bf16 dot products: without them nothing has to be packed beforehand.
WeightFormat Format(const std::string& type) {
  return type == "bf16" ? WeightFormat::kBf16Dot : WeightFormatFromName(type).value();
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
    if (file.path().extension() == ".safetensors") bytes += static_cast<int64_t>(file.file_size());
  }
  return bytes;
}

constexpr const char* kGgufTypes[] = {"f32", "f16", "q8_0"};
bool IsGgufType(const std::string& type) { return std::count(std::begin(kGgufTypes), std::end(kGgufTypes), type) > 0; }
bool IsGguf(const fs::path& path) { return path.extension() == ".gguf"; }

// Checks that the type is one of the kind that OUT asks for.
void CheckType(const Options& o) {
  if (IsGguf(o.out) && !IsGgufType(o.type)) {
    throw Error("--type {}: a GGUF file is written in f32, f16 or q8_0", o.type);
  }
  if (!IsGguf(o.out) && IsGgufType(o.type)) {
    throw Error("--type {} is for GGUF files, but {} is to be a folder, in q4k, q3, q2, q4, q8 or bf16", o.type, o.out);
  }
  if (IsGguf(o.out) && !o.attention.empty()) throw Error("--attention: a GGUF file has one type for all matrices");
}

// What was written, on standard output.
void Report(const Options& o, std::optional<double> error) {
  const int64_t before = WeightBytes(o.model), after = WeightBytes(o.out);
  const std::string attention = o.attention.empty() ? o.type : o.attention;
  if (o.json) {
    Json report = {{"model", o.model},       {"out", o.out},  {"type", o.type}, {"attention_type", attention},
                   {"bytes_before", before}, {"bytes", after}};
    if (error) report["error"] = *error;
    fmt::print("{}\n", report.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {}{}, {} instead of {}\n", o.out, o.type, attention == o.type ? "" : ", attention " + attention,
             HumanBytes(static_cast<double>(after)), HumanBytes(static_cast<double>(before)));
  if (error) {
    fmt::print("What {} changed of the values in {}: {:.2f} % of theirs, root mean square\n", o.type, o.model,
               100 * *error);
  }
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
    options.type = Format(o.type);
    if (!o.attention.empty()) options.attention = Format(o.attention);
    options.max_shard_bytes = static_cast<int64_t>(std::min<uint64_t>(o.max_shard_bytes, INT64_MAX));
    options.progress = progress;
    // Before the weights: a model is there once its config is, which comes last.
    if (fs::is_regular_file(o.model) && (o.force || !fs::exists(fs::path(o.out) / kConfigFile))) {
      const GgufFile file{fs::path(o.model)};
      WriteGgufTokenizer(file.metadata(), file.where(), o.out);
    }
    ExecContext exec(o.threads);
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
          "q4k, q3, q2 (fewest bits), q4, q8, or bf16 (bf16 dot products), of experts and attention; of a GGUF file "
          "f32, f16 or q8_0")
      ->required()
      ->check(CLI::IsMember({"q4", "q8", "q4k", "q3", "q2", "bf16", "f32", "f16", "q8_0"}));
  command->add_option("--attention", o->attention, "Type of the attention projections, if another")
      ->check(CLI::IsMember({"q4", "q8", "q4k", "q3", "q2", "bf16"}));
  command->add_option("--max-shard-bytes", o->max_shard_bytes, "Largest file, e.g. 500MB (default: 4 GiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command->add_option("--threads", o->threads, "Threads (default: all processors)")->check(Threads());
  command->add_flag("--force", o->force, "Overwrite a model in OUT");
  command->add_flag("--json", o->json, "Print what was written as one JSON object");
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur
