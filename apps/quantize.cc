#include <algorithm>
#include <memory>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/progress.h"
#include "model/checkpoint.h"
#include "model/quantize_checkpoint.h"

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

int64_t FolderBytes(const fs::path& dir) {
  int64_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    if (file.path().extension() == ".safetensors") bytes += static_cast<int64_t>(file.file_size());
  }
  return bytes;
}

void Run(const Options& o) {
  QuantizeOptions options;
  options.type = Format(o.type);
  if (!o.attention.empty()) options.attention = Format(o.attention);
  options.max_shard_bytes = static_cast<int64_t>(std::min<uint64_t>(o.max_shard_bytes, INT64_MAX));
  constexpr int64_t kMiB = 1 << 20;
  std::unique_ptr<ProgressBar> bar;
  options.progress = [&](int64_t written, int64_t total) {
    if (!bar) bar = std::make_unique<ProgressBar>("writing " + o.out, total / kMiB, "MiB");
    bar->Update(written / kMiB);
  };
  ExecContext exec(o.threads);
  QuantizeCheckpoint(o.model, o.out, options, o.force, exec);
  bar.reset();
  const int64_t before = FolderBytes(o.model), after = FolderBytes(o.out);
  if (o.json) {
    const Json report = {{"model", o.model},       {"out", o.out},
                         {"type", o.type},         {"attention_type", o.attention.empty() ? o.type : o.attention},
                         {"bytes_before", before}, {"bytes", after}};
    fmt::print("{}\n", report.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {}{}, {} instead of {}\n", o.out, o.type,
             o.attention.empty() || o.attention == o.type ? "" : ", attention " + o.attention,
             HumanBytes(static_cast<double>(after)), HumanBytes(static_cast<double>(before)));
}

}  // namespace

void AddQuantize(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("quantize", "Write a model with weights packed for speed, in 16, 8 or 4 bits");
  AddModelOption(*command, o->model);
  command->add_option("out", o->out, "Folder to write; a run that was cut off goes on where it stopped")->required();
  command->add_option("--type", o->type, "q4, q8, or bf16 (bf16 dot products), of experts and attention")
      ->required()
      ->check(CLI::IsMember({"q4", "q8", "bf16"}));
  command->add_option("--attention", o->attention, "Type of the attention projections, if another")
      ->check(CLI::IsMember({"q4", "q8", "bf16"}));
  command->add_option("--max-shard-bytes", o->max_shard_bytes, "Largest file, e.g. 500MB (default: 4 GiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command->add_option("--threads", o->threads, "Threads (default: all processors)")->check(Threads());
  command->add_flag("--force", o->force, "Overwrite a model in OUT");
  command->add_flag("--json", o->json, "Print what was written as one JSON object");
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur
