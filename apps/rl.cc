// fulgur rl: reinforcement learning with verifiable rewards.
#include <cstdio>
#include <memory>
#include <vector>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/option_checks.h"
#include "base/file.h"
#include "ops/peak.h"
#include "rl/report.h"
#include "rl/trainer.h"

namespace fulgur {
namespace {

struct Options {
  std::string config, out, export_dir, report, html;
  std::vector<std::string> compare;
  int threads = -1;
  bool fresh = false, json = false;
};

void RunReport(const Options& o) {
  std::vector<std::filesystem::path> runs(o.compare.begin(), o.compare.end());
  std::filesystem::path html = o.html;
  if (!o.report.empty()) {
    runs = {o.report};
    if (html.empty()) html = runs[0] / kReportFile;
  } else if (html.empty()) {
    html = "compare.html";
  }
  WriteReport(runs, html);
  if (o.json) {
    fmt::print("{}\n", Json{{"html", html.string()}}.dump());
  } else {
    fmt::print("wrote {}\n", html.string());
  }
}

void RunRl(const Options& o) {
  if (!o.report.empty() || !o.compare.empty()) {
    RunReport(o);
    return;
  }
  if (o.config.empty()) throw CLI::RequiredError("config");
  if (!o.html.empty()) throw CLI::RequiresError("--html", "--report or --compare");
  RlConfig config = RlConfig::FromFile(o.config);
  if (!o.out.empty()) config.out = o.out;
  if (o.threads >= 0) config.threads = o.threads;
  if (!o.export_dir.empty()) {
    fmt::print("wrote the model of batch {} to {}\n", ExportRlModel(config, o.export_dir), o.export_dir);
    return;
  }
  ThreadPool pool(config.threads);
  RlOptions options;
  options.fresh = o.fresh;
  options.peak_gflops = MeasurePeakGflops(pool);
  options.stop = &StopOnSignals();
  options.config_text = ReadFile(o.config);
  options.version = FULGUR_VERSION;
  options.report_seconds = 30;
  const RlResult result = TrainWithRl(config, pool, options);
  if (o.json) {
    fmt::print("{}\n", Json{{"batches", result.batches},
                            {"updates", result.updates},
                            {"finished", result.finished},
                            {"evaluation", result.evaluation},
                            {"model", result.model.string()}}
                           .dump());
  } else if (result.finished) {
    fmt::print("learned from {} batches in {} updates; the model is in {}\n", result.batches, result.updates,
               result.model.string());
  } else {
    fmt::print("stopped after batch {}; the same command goes on from there\n", result.batches);
  }
}

}  // namespace

void AddRl(CLI::App& parent) {
  auto o = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand("rl", "Train a model by reinforcement learning: CISPO and its rivals");
  const auto learns = {
      app->add_option("config", o->config, "Config file (JSON), see docs/rl.md"),
      app->add_option("--out", o->out, "Folder of the run, instead of the config's \"out\""),
      app->add_option("--threads", o->threads, "Threads, instead of the config's; 0: one per processor")
          ->check(Threads()),
      app->add_flag("--fresh", o->fresh, "Start anew: an earlier run in the folder is moved aside"),
      app->add_option("--export", o->export_dir,
                      "Only write the newest checkpoint of the run as a model to this folder")};
  CLI::Option* report =
      app->add_option("--report", o->report, "Only write the report of a run's folder, as HTML")->type_name("RUN");
  CLI::Option* compare =
      app->add_option("--compare", o->compare, "Only write a report that lays several runs over each other")
          ->type_name("RUN")
          ->expected(2, 64);
  report->excludes(compare);
  for (CLI::Option* option : learns) {
    report->excludes(option);
    compare->excludes(option);
  }
  app->add_option("--html", o->html, "File of the report; default: RUN/report.html, or compare.html");
  app->add_flag("--json", o->json, "Print the result as JSON");
  app->callback([o] { RunRl(*o); });
}

}  // namespace fulgur
