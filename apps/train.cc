// fulgur train: pre-training and supervised fine-tuning.
#include <cstdio>
#include <memory>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/option_checks.h"
#include "base/file.h"
#include "base/progress.h"
#include "ops/peak.h"
#include "rl/report.h"
#include "train/trainer.h"

namespace fulgur {
namespace {

struct Options {
  std::string config, out, export_dir, report;
  int threads = -1;
  int64_t examples = 0, records = 0, extend = 0;
  bool fresh = false, json = false;
};

// Prints the first examples of the mixture; what counts in the loss stands between » and «.
void PrintExamples(const TrainConfig& config, int64_t count) {
  const TextFiles text = TextFiles::FromFolder(config.model.tokenizer);
  const RecordEncoder encoder(text.tokenizer, text.chat_template, config.batch.max_length);
  const Mixture mixture = TrainingMixture(config);
  DataState state;
  for (int64_t i = 0; i < count; ++i) {
    const Mixture::Draw draw = mixture.Next(state);
    const SourceConfig& source = mixture.configs()[draw.source];
    std::optional<Example> example;
    try {
      example = encoder.Encode(draw.record, source, mixture.RandomOf(draw));
    } catch (const Error& e) {
      throw Error("{}: {}", mixture.Where(draw), e.what());
    }
    fmt::print("--- {} {}: ", source.name, draw.index);
    if (!example) {
      fmt::print("left out, longer than {} tokens\n", config.batch.max_length);
      continue;
    }
    fmt::print("{} tokens\n", example->tokens.size());
    for (size_t begin = 0, end; begin < example->tokens.size(); begin = end) {
      for (end = begin; end < example->tokens.size() && example->counts[end] == example->counts[begin];) ++end;
      const std::string piece =
          text.tokenizer.Decode(std::span(example->tokens).subspan(begin, end - begin), /*skip_special=*/false);
      fmt::print("{}", example->counts[begin] != 0 ? "»" + piece + "«" : piece);
    }
    fmt::print("\n");
  }
}

// The first records of the mixture as JSON lines with "messages" or "text". Needs no tokenizer.
void PrintRecords(const TrainConfig& config, int64_t count) {
  const Mixture mixture = TrainingMixture(config);
  DataState state;
  for (int64_t i = 0; i < count; ++i) fmt::print("{}\n", mixture.Next(state).record.dump());
}

void RunTrain(const Options& o) {
  if (!o.report.empty()) {
    const std::filesystem::path html = std::filesystem::path(o.report) / kReportFile;
    WriteReport({o.report}, html);
    fmt::print("wrote {}\n", html.string());
    return;
  }
  if (o.config.empty()) throw CLI::RequiredError("config");
  Json json = ReadJsonFile(o.config);
  if (o.extend > 0 && json.is_object()) {
    json.erase("tokens");
    json.erase("epochs");
    json["steps"] = o.extend;
  }
  TrainConfig config = TrainConfig::FromJson(json, o.config);
  if (!o.out.empty()) config.out = o.out;
  if (o.threads >= 0) config.threads = o.threads;
  if (o.examples > 0) return PrintExamples(config, o.examples);
  if (o.records > 0) return PrintRecords(config, o.records);
  if (!o.export_dir.empty()) {
    fmt::print("wrote the model of step {} to {}\n", ExportModel(config, o.export_dir), o.export_dir);
    return;
  }

  ExecContext exec(config.threads);
  TrainOptions options;
  options.fresh = o.fresh;
  options.peak_gflops = MeasurePeakGflops(exec);
  options.stop = &StopOnSignals();
  options.config_text = ReadFile(o.config);
  options.version = FULGUR_VERSION;
  options.report = [&] { WriteReport({config.out}, config.out / kReportFile); };
  const TrainResult result = Train(config, exec, options);
  if (o.json) {
    fmt::print("{}\n", Json{{"step", result.step},
                            {"tokens", result.tokens},
                            {"finished", result.finished},
                            {"loss", result.loss},
                            {"validation", result.validation},
                            {"examples", result.examples},
                            {"left_out", result.left_out},
                            {"model", result.model.string()}}
                           .dump());
  } else if (result.finished) {
    fmt::print("trained {} steps, {} tokens; the model is in {}\n", result.step,
               HumanCount(static_cast<double>(result.tokens)), result.model.string());
  } else {
    fmt::print("stopped after step {}; the same command goes on from there\n", result.step);
  }
  if (result.left_out > 0) {
    std::fprintf(
        stderr, "%s\n",
        fmt::format("{} of {} examples were longer than batch.max_length = {} tokens and were left out{}",
                    result.left_out, result.examples, config.batch.max_length,
                    result.longest_left_out > 0 ? fmt::format("; the longest has {}", result.longest_left_out) : "")
            .c_str());
  }
  if (!result.finished) ExitIfStopped();
}

}  // namespace

void AddTrain(CLI::App& parent) {
  auto o = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand("train", "Train a model: pre-training and supervised fine-tuning");
  CLI::Option* config = app->add_option("config", o->config, "Config file (JSON), see docs/training.md");
  app->add_option("--out", o->out, "Folder of the run, instead of the config's \"out\"");
  app->add_option("--threads", o->threads, "Threads, instead of the config's; 0: one per processor")->check(Threads());
  app->add_option("--extend", o->extend, "Make the run N steps long instead of the config's, also when it is finished")
      ->check(WholeNumber(1));
  app->add_flag("--fresh", o->fresh, "Start anew: an earlier run in the folder is moved aside");
  app->add_option("--export", o->export_dir, "Only write the newest checkpoint of the run as a model to this folder");
  app->add_option("--examples", o->examples, "Only print the first N examples as the model sees them")
      ->check(WholeNumber(1));
  app->add_option("--records", o->records,
                  "Only print the first N examples as JSON lines, for train-tokenizer or to keep as a data set")
      ->check(WholeNumber(1));
  app->add_option("--report", o->report, "Only write the report of a run's folder, as HTML")
      ->type_name("RUN")
      ->excludes(config);
  app->add_flag("--json", o->json, "Print the result as JSON");
  SetAction(*app, [o] { RunTrain(*o); });
}

}  // namespace fulgur
