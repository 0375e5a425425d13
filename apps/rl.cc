// fulgur rl: reinforcement learning with verifiable rewards.
#include <cstdio>
#include <memory>
#include <vector>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/option_checks.h"
#include "apps/rl_views.h"
#include "base/file.h"
#include "base/json.h"
#include "ops/peak.h"
#include "rl/report.h"
#include "rl/study.h"
#include "rl/trainer.h"

namespace fulgur {
namespace {

struct Options {
  std::string config, out, export_dir, report, html, study, study_logs, part = "1/1";
  std::vector<std::string> compare;
  int threads = -1;
  int64_t extend = 0;
  bool fresh = false, json = false;
  RlViews views;
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

constexpr const char* kStudyLogs = "logs.jsonl";

void PrintStudy(const std::vector<StudyRun>& runs, bool json) {
  Json list = Json::array();
  const auto percent = [](double v) { return fmt::format("{:.1f}", 100 * v); };
  if (!json) {
    fmt::print("{:<18} {:>8} {:>6} {:>8} {:>16} {:>8} {:>20}\n", "held-out accuracy", "lr", "seeds", "before", "after",
               "best", "against the first");
  }
  for (const StudyArmResult& r : SummarizeStudy(runs)) {
    Json tried = Json::array();
    for (const auto& [rate, accuracy] : r.tried) tried.push_back({rate, accuracy});
    list.push_back({{"arm", r.arm},
                    {"lr", r.rate},
                    {"tried", tried},
                    {"finals", r.finals},
                    {"before", r.start},
                    {"after", r.mean},
                    {"error", r.error},
                    {"best", r.best},
                    {"difference", r.difference ? Json(*r.difference) : Json()},
                    {"difference_error", r.difference_error ? Json(*r.difference_error) : Json()}});
    if (json || r.finals.empty()) continue;
    fmt::print("{:<18} {:>8g} {:>6} {:>6} % {:>7} +- {:>3} % {:>6} % {:>20}\n", r.arm, r.rate, r.finals.size(),
               percent(r.start), percent(r.mean), percent(r.error), percent(r.best),
               r.difference ? fmt::format("{:+.1f} +- {:.1f} %", 100 * *r.difference, 100 * *r.difference_error) : "");
  }
  if (json) fmt::print("{}\n", list.dump(2));
}

void RunTheStudy(const Options& o) {
  if (!o.study_logs.empty()) {
    const std::vector<StudyRun> runs = ReadStudyLogs(o.study_logs);
    DrawStudy(runs, std::filesystem::absolute(o.study_logs).parent_path());
    PrintStudy(runs, o.json);
    return;
  }
  StudyConfig config = StudyConfig::FromFile(o.study);
  if (!o.out.empty()) config.out = o.out;
  StudyOptions options;
  char end;
  if (std::sscanf(o.part.c_str(), "%ld/%ld%c", &options.part, &options.parts, &end) != 2 || options.part < 1 ||
      options.part > options.parts) {
    throw Error("--part {}: it must be I/N with I from 1 to N", o.part);
  }
  --options.part;
  options.stop = &StopOnSignals();
  options.version = FULGUR_VERSION;
  options.say = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  if (o.threads >= 0) config.base["threads"] = o.threads;
  ExecContext exec(config.Run(config.arms.front(), 0, 1).threads);
  const bool complete = RunStudy(config, exec, options);
  const std::vector<StudyRun> runs = CollectStudy(config);
  if (!runs.empty()) {
    WriteStudyLogs(runs, config.out / kStudyLogs);
    DrawStudy(runs, config.out);
    PrintStudy(runs, o.json);
  }
  if (complete) return;
  std::fprintf(stderr, "not complete; the same command goes on from there\n");
  ExitIfStopped();
}

void RunRl(Options& o) {
  if (o.views.Run(o.json)) return;
  if (!o.study.empty() || !o.study_logs.empty()) {
    RunTheStudy(o);
    return;
  }
  if (!o.report.empty() || !o.compare.empty()) {
    RunReport(o);
    return;
  }
  if (o.config.empty()) throw CLI::RequiredError("config");
  if (!o.html.empty()) throw CLI::RequiresError("--html", "--report or --compare");
  Json json = ReadJsonFile(o.config);
  if (o.extend > 0 && json.is_object()) json["batches"] = o.extend;
  RlConfig config = RlConfig::FromJson(json, o.config);
  if (!o.out.empty()) config.out = o.out;
  if (o.threads >= 0) config.threads = o.threads;
  if (!o.export_dir.empty()) {
    fmt::print("wrote the model of batch {} to {}\n", ExportRlModel(config, o.export_dir), o.export_dir);
    return;
  }
  ExecContext exec(config.threads);
  RlOptions options;
  options.fresh = o.fresh;
  options.peak_gflops = MeasurePeakGflops(exec);
  options.stop = &StopOnSignals();
  options.config_text = o.extend > 0 ? json.dump(2) + "\n" : ReadFile(o.config);
  options.version = FULGUR_VERSION;
  options.write_report = true;
  const RlResult result = TrainWithRl(config, exec, options);
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
  if (!result.finished) ExitIfStopped();
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
      app->add_option("--extend", o->extend,
                      "Make the run N batches long instead of the config's, also when it is finished")
          ->check(WholeNumber(1)),
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
  CLI::Option* study =
      app->add_option("--study", o->study, "Run a study: a grid of runs, see docs/rl.md")->type_name("CONFIG");
  CLI::Option* logs = app->add_option("--study-logs", o->study_logs,
                                      "Only print a study's results and draw its figures, beside the file")
                          ->type_name("FILE");
  app->add_option("--part", o->part, "I/N: of a study, do every Nth run only, so that N processes can share it")
      ->needs(study)
      ->capture_default_str();
  for (CLI::Option* option : {study, logs}) {
    for (CLI::Option* other : {report, compare}) option->excludes(other);
    for (const char* other : {"config", "--fresh", "--export"}) option->excludes(app->get_option(other));
  }
  study->excludes(logs);
  for (CLI::Option* view : o->views.AddTo(*app)) {
    for (CLI::Option* other : {report, compare, study, logs}) view->excludes(other);
    for (CLI::Option* other : learns) view->excludes(other);
  }
  app->add_option("--html", o->html, "File of the report; default: RUN/report.html, or compare.html");
  app->add_flag("--json", o->json, "Print the result as JSON");
  SetAction(*app, [o] { RunRl(*o); });
}

}  // namespace fulgur
