// fulgur rl: reinforcement learning with verifiable rewards.
#include <csignal>
#include <cstdio>
#include <memory>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/file.h"
#include "ops/peak.h"
#include "rl/trainer.h"

namespace fulgur {
namespace {

struct Options {
  std::string config, out, export_dir;
  int threads = -1;
  bool fresh = false, json = false;
};

std::atomic<bool> g_stop{false};

// The first signal ends the run where it can be continued; SA_RESETHAND makes a second one end the process.
void OnSignal(int) { g_stop = true; }

void HandleSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

void RunRl(const Options& o) {
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
  options.stop = &g_stop;
  options.config_text = ReadFile(o.config);
  options.version = FULGUR_VERSION;
  HandleSignals();
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
  app->add_option("config", o->config, "Config file (JSON), see docs/rl.md")->required();
  app->add_option("--out", o->out, "Folder of the run, instead of the config's \"out\"");
  app->add_option("--threads", o->threads, "Threads, instead of the config's; 0: one per processor")->check(Threads());
  app->add_flag("--fresh", o->fresh, "Start anew: an earlier run in the folder is moved aside");
  app->add_option("--export", o->export_dir, "Only write the newest checkpoint of the run as a model to this folder");
  app->add_flag("--json", o->json, "Print the result as JSON");
  app->callback([o] { RunRl(*o); });
}

}  // namespace fulgur
