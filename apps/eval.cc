// fulgur eval: how many held-out problems of the tasks a model solves.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/eval_benchmark.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "apps/task_selection.h"
#include "base/data_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "envs/instance.h"
#include "envs/task_env.h"
#include "eval/answer_checker.h"
#include "eval/evaluate.h"
#include "eval/gold_report.h"
#include "eval/problem_file.h"
#include "model/model_folder.h"

namespace fulgur {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> tasks{"all"};
  std::string problems;
  Checker checker;
  double max_unreadable = 100 * kMaxUnreadable;  // percent
  int64_t count = 100;
  int difficulty = 0;
  int64_t batch = 64;
  int64_t show = 0;
  bool json = false, each = false, count_given = false;
  SamplingOptions sampling;
  BenchmarkEvalOptions benchmark;
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
  const Problem& problem = sample.problem;
  const Trajectory& trajectory = sample.trajectory;
  const ParsedOutput& said = trajectory.turns.back().parsed;
  std::string text = problem.difficulty > 0 ? fmt::format("{}, difficulty {}\n\n", problem.task, problem.difficulty)
                                            : fmt::format("{}, problem {}\n\n", problem.task, problem.id + 1);
  text += Indented(problem.prompt);
  if (!said.reasoning.empty()) {
    text += fmt::format("\nThinking ({} tokens{})\n\n", trajectory.thinking_tokens(),
                        trajectory.thinking_cut() ? ", cut by the budget" : "");
    text += Indented(said.reasoning);
  }
  text += fmt::format("\nAnswer\n\n{}\n", Indented(said.content.empty() ? "(none)" : said.content));
  if (sample.correct()) {
    text += "✓ correct\n";
  } else if (sample.verdict.score.value_or(0) > 0) {
    text += fmt::format("~ score {:.3g}: {}\n", *sample.verdict.score, sample.verdict.reason);
  } else if (sample.verdict.score) {
    text += fmt::format("✗ wrong: {}\n", sample.verdict.reason);
  } else {
    text += fmt::format("? no verdict: {}\n", sample.verdict.reason);
  }
  if (trajectory.finish != FinishReason::kStop) {
    text += fmt::format("  (ended by {})\n", FinishReasonName(trajectory.finish));
  }
  text += "\n" + std::string(78, '-') + "\n\n";
  Print(text);
}

void PrintReport(const EvalReport& report) {
  Print(fmt::format("{:<22} {:>7} {:>8}  {:<15} {:>8} {:>7}\n", "task", "correct", "accuracy", "95 % interval",
                    "thinking", "output"));
  const auto line = [](const TaskAccuracy& a) {
    const Interval i = a.interval();
    Print(fmt::format("{:<22} {:>7} {:>6.1f} %  {:>5.1f} - {:>5.1f} % {:>8.1f} {:>7.1f}{}{}{}\n", a.task,
                      fmt::format("{}/{}", a.correct, a.count), 100 * a.accuracy(), 100 * i.low, 100 * i.high,
                      a.thinking_tokens, a.output_tokens, a.cut > 0 ? fmt::format("  {} cut off", a.cut) : "",
                      a.unjudged > 0 ? fmt::format("  {} without a verdict", a.unjudged) : "",
                      a.score != a.accuracy() ? fmt::format("  mean score {:.3f}", a.score) : ""));
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
  const Trajectory& t = s.trajectory;
  Json json = {{"task", s.problem.task}, {"difficulty", s.problem.difficulty}};
  json[s.problem.difficulty > 0 ? "seed" : "id"] = SeedToJson(s.problem.id);
  json["prompt"] = s.problem.prompt;
  json["thinking"] = t.turns.back().parsed.reasoning;
  json["answer"] = t.turns.back().parsed.content;
  json["score"] = s.verdict.score ? Json(*s.verdict.score) : Json();
  json["reason"] = s.verdict.reason;
  json["finish_reason"] = FinishReasonName(t.finish);
  json["thinking_tokens"] = t.thinking_tokens();
  json["output_tokens"] = t.ids.size();
  return json;
}

// Problems and their judge: of the tasks, or of a file.
std::vector<Problem> MakeProblems(const Options& options, uint64_t seed, std::unique_ptr<Judge>* judge) {
  if (options.problems.empty()) {
    *judge = MakeTaskJudge();
    return HeldOutProblems(SelectTasks(options.model, options.tasks), options.count, options.difficulty, seed);
  }
  *judge = MakeAnswerJudge(options.checker);
  const std::filesystem::path path = options.problems;
  const ProblemFile file(path, DataName(path), options.checker.is_rule());
  if (options.checker.is_rule()) {
    const GoldReport golds = ReportGolds(file, options.checker.rule);
    golds.Check(path.string(), options.max_unreadable / 100, "--max-unreadable");
    if (golds.bad() > 0) std::fprintf(stderr, "%s\n", golds.Summary(path.string()).c_str());
  }
  std::vector<Problem> problems;
  for (size_t i = 0; i < file.size(); ++i) problems.push_back(file.Get(i));
  return problems;
}

void Run(Options options) {
  if (options.benchmark.asked()) {
    if (options.count_given) options.benchmark.problems = options.count;
    if (options.difficulty > 0) options.benchmark.difficulty = options.difficulty;
    return RunBenchmarkEval(options.benchmark, options.model, options.sampling, options.batch, options.json);
  }
  if (options.model.empty()) throw Error("which model? Give its folder");
  options.model = ModelFolder(options.model).string();
  EvalOptions eval;
  eval.seed = options.sampling.seed.value_or(1);
  std::unique_ptr<Judge> judge;
  std::vector<Problem> problems = MakeProblems(options, eval.seed, &judge);
  ExecContext exec(options.sampling.threads);
  LoadedModel loaded = LoadedModel::Load(options.model, exec, options.sampling.kv_cache);
  GenerationDefaults defaults = loaded.defaults;
  defaults.sampling.temperature = 0;  // greedy unless asked otherwise
  eval.sampling = options.sampling.Sampling(defaults, eval.seed);
  eval.stopping = options.sampling.Stopping(defaults);
  if (eval.stopping.max_tokens == 0) eval.stopping.max_tokens = 2048;
  eval.engine = options.sampling.ForEngine(options.batch, loaded.model->config());

  EvalReport report;
  {
    std::optional<ProgressBar> bar;
    // A line for every answer is of interest to someone who waits, not in a log of sample problems.
    if (isatty(STDERR_FILENO)) bar.emplace("evaluating", static_cast<int64_t>(problems.size()), "answers");
    SingleTurnEnv env;
    report = Evaluate(*loaded.model, loaded.tokenizer, loaded.chat_template(), std::move(problems), env, *judge, eval,
                      [&](int64_t done, int64_t) {
                        if (bar) bar->Update(done);
                      });
  }

  if (options.json) {
    Json json = report.ToJson();
    if (options.each) {
      json["samples"] = Json::array();
      for (const EvalSample& s : report.samples) json["samples"].push_back(SampleJson(s));
    }
    Print(JsonLine(json));
    return;
  }
  std::map<std::string, int64_t> shown;
  for (const EvalSample& sample : report.samples) {
    if (shown[sample.problem.task]++ < options.show) PrintSample(sample);
  }
  PrintReport(report);
}

}  // namespace

void AddEval(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand(
      "eval", "Measure a model on held-out problems of the tasks, on problems of a file, or on a public benchmark");
  app->add_option(
      "model", options->model,
      "Folder of a model, or of a run; with --benchmark or --suite also the URL of an OpenAI-compatible server");
  CLI::Option* task = AddTaskOption(*app, options->tasks);
  CLI::Option* problems =
      app->add_option(
             "--problems", options->problems,
             "JSON lines of {\"prompt\", \"answer\"} instead of tasks; an answer is a text, a number, or a list of "
             "which any is right")
          ->excludes(task);
  CLI::Option* checker = app->add_option("--checker", options->checker.rule, "What holds an answer against the file's")
                             ->capture_default_str()
                             ->check(CLI::IsMember({"exact", "math"}))
                             ->needs(problems);
  app->add_option("--checker-command", options->checker.command.command,
                  "A program of your own instead, with its arguments: docs/judges.md")
      ->type_name("PROGRAM [ARGUMENT ...]")
      ->expected(1, 64)
      ->needs(problems)
      ->excludes(checker);
  app->add_option("--max-unreadable", options->max_unreadable,
                  "Percent of the file's answers that may be of no use to the checker (empty, or with math also "
                  "sentences and what it cannot read)")
      ->capture_default_str()
      ->check(Number(0, 100))
      ->needs(problems);
  CLI::Option* count = app->add_option("--count", options->count, "Problems per task")
                           ->capture_default_str()
                           ->check(WholeNumber(1, 1000000));
  CLI::Option* difficulty =
      app->add_option("--difficulty", options->difficulty,
                      "Difficulty (default: every level the bundled model is trained on, equally)")
          ->check(WholeNumber(1, 1000));
  app->add_option("--batch", options->batch, "Answers that are generated at a time")
      ->capture_default_str()
      ->check(WholeNumber(1, 1000000));
  app->add_option("--show", options->show, "Print the first N problems of each task with thinking, answer and verdict")
      ->check(WholeNumber(0));
  CLI::Option* json = app->add_flag("--json", options->json, "Print the report as one JSON object");
  app->add_flag("--each", options->each, "With --json: every problem and answer too")->needs(json);
  for (CLI::Option* option : {count, difficulty}) option->excludes(problems);
  options->benchmark.AddTo(*app, {task, problems});
  options->sampling.AddTo(*app);
  SetAction(*app, [options, count] {
    options->count_given = count->count() > 0;
    Run(*options);
  });
}

}  // namespace fulgur
