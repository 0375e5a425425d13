// fulgur eval: how many held-out problems of the tasks a model solves.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "apps/task_selection.h"
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "train/evaluate.h"

namespace fulgur {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> tasks{"all"};
  int64_t count = 100;
  int difficulty = 0;
  int64_t batch = 64;
  int64_t show = 0;
  bool json = false, samples = false;
  SamplingOptions sampling;
};

// Every line with two spaces before it.
std::string Indented(const std::string& text) {
  std::string out = "  ";
  for (char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

void PrintSample(const EvalSample& sample) {
  std::string text = fmt::format("{}, difficulty {}\n\n", sample.instance.task, sample.instance.difficulty);
  text += Indented(sample.instance.prompt);
  if (!sample.thinking.empty()) {
    text += fmt::format("\nThinking ({} tokens{})\n\n", sample.end.thinking_tokens,
                        sample.end.thinking_cut ? ", cut by the budget" : "");
    text += Indented(sample.thinking);
  }
  text += fmt::format("\nAnswer\n\n{}\n", Indented(sample.answer.empty() ? "(none)" : sample.answer));
  if (sample.correct()) {
    text += "✓ correct\n";
  } else {
    text += fmt::format("✗ wrong: {}\n", sample.score.reason);
  }
  if (sample.end.reason != FinishReason::kStop) {
    text += fmt::format("  (ended by {})\n", FinishReasonName(sample.end.reason));
  }
  text += "\n" + std::string(78, '-') + "\n\n";
  Print(text);
}

void PrintReport(const EvalReport& report) {
  Print(fmt::format("{:<22} {:>7} {:>8}  {:<15} {:>8} {:>7}\n", "task", "correct", "accuracy", "95 % interval",
                    "thinking", "output"));
  const auto line = [](const TaskAccuracy& a) {
    const Interval i = a.interval();
    Print(fmt::format("{:<22} {:>7} {:>6.1f} %  {:>5.1f} - {:>5.1f} % {:>8.1f} {:>7.1f}{}\n", a.task,
                      fmt::format("{}/{}", a.correct, a.count), 100 * a.accuracy(), 100 * i.low, 100 * i.high,
                      a.thinking_tokens, a.output_tokens, a.cut > 0 ? fmt::format("  {} cut off", a.cut) : ""));
  };
  for (const TaskAccuracy& a : report.tasks) line(a);
  if (report.tasks.size() > 1) {
    line(report.all);
    Print(fmt::format("\nmean over tasks {:.1f} %", 100 * report.mean_accuracy()));
  }
  Print(fmt::format("\n{} tokens in {}, {:.0f} tokens/s (prompts: {} tokens)\n", report.output_tokens,
                    HumanDuration(report.seconds), report.tokens_per_second(), report.prompt_tokens));
}

Json SampleJson(const EvalSample& s) {
  Json json = {{"task", s.instance.task}, {"difficulty", s.instance.difficulty},
               {"seed", s.instance.seed}, {"prompt", s.instance.prompt},
               {"thinking", s.thinking},  {"answer", s.answer},
               {"score", s.score.value},  {"reason", s.score.reason}};
  json["finish_reason"] = FinishReasonName(s.end.reason);
  json["thinking_tokens"] = s.end.thinking_tokens;
  json["output_tokens"] = s.end.output_tokens;
  return json;
}

void Run(const Options& options) {
  EvalOptions eval;
  eval.tasks = SelectTasks(options.model, options.tasks);
  eval.count = options.count;
  eval.difficulty = options.difficulty;
  eval.seed = options.sampling.seed.value_or(1);
  ThreadPool pool(options.sampling.threads);
  LoadedModel loaded = LoadedModel::Load(options.model, pool, options.sampling.kv_cache);
  GenerationDefaults defaults = loaded.defaults;
  defaults.sampling.temperature = 0;  // greedy unless asked otherwise
  eval.sampling = options.sampling.Sampling(defaults, eval.seed);
  eval.stopping = options.sampling.Stopping(defaults);
  if (eval.stopping.max_tokens == 0) eval.stopping.max_tokens = 2048;
  eval.engine = options.sampling.ForEngine(options.batch);

  EvalReport report;
  {
    std::optional<ProgressBar> bar;
    // A line for every answer is of interest to someone who waits, not in a log of sample problems.
    if (isatty(STDERR_FILENO)) {
      bar.emplace("evaluating", options.count * static_cast<int64_t>(eval.tasks.size()), "answers");
    }
    report = Evaluate(*loaded.model, loaded.tokenizer, loaded.chat_template(), eval, [&](int64_t done, int64_t) {
      if (bar) bar->Update(done);
    });
  }

  if (options.json) {
    Json json = report.ToJson();
    if (options.samples) {
      json["samples"] = Json::array();
      for (const EvalSample& s : report.samples) json["samples"].push_back(SampleJson(s));
    }
    Print(JsonLine(json));
    return;
  }
  for (size_t i = 0; i < report.samples.size(); ++i) {
    if (static_cast<int64_t>(i) % options.count < options.show) PrintSample(report.samples[i]);
  }
  PrintReport(report);
}

}  // namespace

void AddEval(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand("eval", "Measure a model on held-out problems of the tasks");
  app->add_option("model", options->model, "Folder of a model")->required();
  AddTaskOption(*app, options->tasks);
  app->add_option("--count", options->count, "Problems per task")
      ->capture_default_str()
      ->check(WholeNumber(1, 1000000));
  app->add_option("--difficulty", options->difficulty,
                  "Difficulty (default: every level the bundled model is trained on, equally)")
      ->check(WholeNumber(1, 1000));
  app->add_option("--batch", options->batch, "Answers that are generated at a time")
      ->capture_default_str()
      ->check(WholeNumber(1, 1000000));
  app->add_option("--show", options->show, "Print the first N problems of each task with thinking, answer and verdict")
      ->check(WholeNumber(0));
  CLI::Option* json = app->add_flag("--json", options->json, "Print the report as one JSON object");
  app->add_flag("--samples", options->samples, "With --json: every problem and answer too")->needs(json);
  options->sampling.AddTo(*app);
  app->callback([options] { Run(*options); });
}

}  // namespace fulgur
