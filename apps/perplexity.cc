// fulgur perplexity: how well a model predicts texts, and what quantised weights change.
#include "train/perplexity.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "apps/task_selection.h"
#include "base/data_file.h"
#include "base/error.h"
#include "base/progress.h"
#include "engine/loaded_model.h"
#include "train/data.h"

namespace fulgur {
namespace {

struct Options {
  std::string model, reference;
  std::vector<std::string> texts;
  std::vector<std::string> tasks{"all"};
  int64_t count = 20, context = 512;
  std::optional<KvFormat> kv_cache;
  int threads = 0;
  bool json = false;
};

std::vector<Example> Examples(const Options& o, const LoadedModel& loaded) {
  std::vector<Example> examples;
  for (const std::string& path : o.texts) {
    std::vector<int32_t> ids = loaded.tokenizer.begin_ids();
    const std::vector<int32_t> text = loaded.tokenizer.Encode(DataFile(path).text(), Tokenizer::Special::kPlainText);
    ids.insert(ids.end(), text.begin(), text.end());
    for (Example& window : TextWindows(ids, o.context)) {
      examples.push_back(std::move(window));
    }
  }
  if (!o.texts.empty()) return examples;
  SourceConfig source;
  source.name = "tasks";
  for (const Task* task : SelectTasks(o.model, o.tasks)) {
    TaskMix mix;
    mix.name = task->name();
    for (int d = task->min_difficulty(); d <= task->nano_difficulty(); ++d) mix.difficulties.push_back({d, 1});
    source.tasks.push_back(mix);
  }
  const RecordEncoder encoder(loaded.tokenizer, loaded.chat_template(), o.context);
  for (auto& [name, set] : ValidationExamples({source}, encoder, o.count, 1)) {
    for (Example& example : set) examples.push_back(std::move(example));
  }
  return examples;
}

void Run(const Options& o) {
  ExecContext exec(o.threads);
  const LoadedModel loaded = LoadedModel::Load(o.model, exec, o.kv_cache.value_or(KvFormat::kF32));
  std::unique_ptr<Model> reference;
  if (!o.reference.empty()) reference = Model::Load(o.reference, exec);
  const std::vector<Example> examples = Examples(o, loaded);
  PerplexityReport report;
  {
    ProgressBar bar("reading", static_cast<int64_t>(examples.size()), "texts");
    report = MeasurePerplexity(*loaded.model, reference.get(), examples, [&](int64_t done) { bar.Update(done); });
  }
  if (o.json) {
    Json json = report.ToJson();
    json["model"] = o.model;
    if (reference) json["reference"]["model"] = o.reference;
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{:<12} {:>10} tokens of {} texts\n", "predicted", report.tokens, examples.size());
  fmt::print("{:<12} {:>10.4f}   ({:.5f} nats a token)\n", "perplexity", report.perplexity(), report.loss);
  fmt::print("{:<12} {:>10.2f} % of tokens are the most probable one\n", "accuracy", 100 * report.accuracy);
  if (!report.divergence) return;
  const PerplexityReport::Divergence& d = *report.divergence;
  fmt::print("\n{}\n", o.reference);
  fmt::print("{:<12} {:>10.4f}   ratio {:.5f}\n", "perplexity", std::exp(d.reference_loss),
             report.perplexity() / std::exp(d.reference_loss));
  fmt::print("{:<12} {:>10.2f} %\n", "accuracy", 100 * d.reference_accuracy);
  fmt::print("{:<12} {:>10.6f}   99 %: {:.6f}, largest {:.6f}\n", "KL, mean", d.kl_mean, d.kl_p99, d.kl_max);
  fmt::print("{:<12} {:>10.3f} % of positions\n", "same top", 100 * d.same_top);
}

}  // namespace

void AddPerplexity(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("perplexity", "How well a model predicts texts, and how far it is from another model");
  AddModelOption(*command, o->model);
  command->add_option("--reference", o->reference, "Folder of the model to compare with, e.g. before quantizing");
  CLI::Option* text =
      command->add_option("--text", o->texts, "A text file, cut into windows, instead of tasks; may be repeated")
          ->check(CLI::ExistingFile)
          ->allow_extra_args(false);
  AddTaskOption(*command, o->tasks)->excludes(text);
  command->add_option("--count", o->count, "Problems per task")->capture_default_str()->check(WholeNumber(1, 1000000));
  command->add_option("--context", o->context, "Tokens of a window; longer solutions are left out")
      ->capture_default_str()
      ->check(WholeNumber(2, 1 << 20));
  AddKvCacheOption(*command, o->kv_cache, "f32; the reference always has that");
  command->add_option("--threads", o->threads, "0: one per processor")->check(Threads());
  command->add_flag("--json", o->json, "Print one JSON object");
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur
