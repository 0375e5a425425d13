#include "apps/eval_benchmark.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "apps/option_checks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "eval/answer_source.h"
#include "eval/benchmark_run.h"
#include "model/model_folder.h"

namespace fulgur {

namespace {

bool IsUrl(const std::string& model) { return model.starts_with("http://") || model.starts_with("https://"); }

BenchmarkPreset PresetOf(const Benchmark& set, const std::string& preset) {
  return preset == "official" ? set.official() : set.report();
}

BenchmarkRunOptions RunOptions(const BenchmarkEvalOptions& options, const SamplingOptions& sampling) {
  BenchmarkRunOptions run;
  run.benchmark = options.benchmark;
  run.data = options.data;
  run.prompt = options.prompt;
  run.preset = options.preset;
  run.seed = run.set.seed = sampling.seed.value_or(1);
  run.set.official_order = options.preset == "official";
  run.set.examples = options.examples;
  run.set.verdicts = options.verdicts;
  run.limit = options.limit;
  if (!options.benchmark.starts_with("env:") && (options.problems || options.difficulty)) {
    throw Error("--count and --difficulty are for tasks; --limit N takes the first N questions of {}",
                options.benchmark);
  }
  run.set.problems = options.problems.value_or(run.set.problems);
  run.set.difficulty = options.difficulty.value_or(0);
  const BenchmarkPreset preset = PresetOf(*MakeBenchmark(options.benchmark, {}), options.preset);
  run.samples = options.samples > 0 ? options.samples : preset.samples;
  return run;
}

// A model that is asked for several benchmarks is loaded once.
class AskedModel {
 public:
  AskedModel(const std::string& name, const BenchmarkEvalOptions& options, const SamplingOptions& sampling,
             int64_t batch)
      : name_(name), options_(options), sampling_(sampling), batch_(batch), exec_(sampling.threads) {}

  std::unique_ptr<AnswerSource> Source(const Benchmark& set) {
    const BenchmarkPreset preset = PresetOf(set, options_.preset);
    const double temperature = sampling_.temperature.value_or(preset.temperature);
    const double top_p = sampling_.top_p.value_or(preset.top_p);
    const int64_t max_tokens = sampling_.max_tokens > 0 ? sampling_.max_tokens : preset.max_tokens;
    if (IsUrl(name_)) {
      EndpointSourceOptions endpoint;
      endpoint.endpoint.url = name_;
      endpoint.endpoint.model = options_.endpoint_model;
      endpoint.endpoint.request_seconds = options_.request_seconds;
      endpoint.endpoint.total_seconds = options_.total_seconds;
      if (const char* key = std::getenv(options_.api_key_variable.c_str())) endpoint.endpoint.api_key = key;
      endpoint.temperature = temperature;
      endpoint.top_p = top_p;
      endpoint.max_tokens = max_tokens;
      endpoint.concurrency = options_.concurrency;
      if (!options_.tokenizer.empty()) endpoint.tokenizer = options_.tokenizer;
      endpoint.max_prompt_tokens = options_.max_prompt_tokens;
      if (!options_.extra.empty()) {
        endpoint.extra = ParseJson(options_.extra, "--extra");
        if (!endpoint.extra.is_object()) throw Error("--extra must be a JSON object");
      }
      return MakeEndpointSource(endpoint);
    }
    if (!loaded_) loaded_ = LoadedModel::Load(ModelFolder(name_), exec_, sampling_.kv_cache);
    GenerationDefaults defaults = loaded_->defaults;
    defaults.sampling.temperature = temperature;
    defaults.sampling.top_p = top_p;
    LocalSourceOptions local;
    local.sampling = sampling_.Sampling(defaults, sampling_.seed.value_or(1));
    local.stopping = sampling_.Stopping(defaults);
    local.stopping.max_tokens = max_tokens;
    local.cache_bytes = options_.cache_memory;
    local.max_prompt_tokens = options_.max_prompt_tokens;
    local.engine = sampling_.ForEngine(batch_, loaded_->model->config());
    return MakeLocalSource(*loaded_, local);
  }

 private:
  std::string name_;
  const BenchmarkEvalOptions& options_;
  const SamplingOptions& sampling_;
  int64_t batch_;
  ExecContext exec_;
  std::optional<LoadedModel> loaded_;
};

// Runs one benchmark and returns its results.
Json RunOne(const BenchmarkRunOptions& options, AskedModel& model, const std::filesystem::path& folder) {
  const BenchmarkTask task(options);
  const std::unique_ptr<AnswerSource> source = model.Source(task.set());
  BenchmarkRunReport report;
  {
    const auto total = static_cast<int64_t>(task.items().size()) * options.samples;
    ProgressBar bar(task.set().name(), total, "answers");
    bool started = false;
    report = RunBenchmark(task, *source, folder, [&](int64_t done, int64_t) {
      if (!started) bar.StartFrom(done);
      started = true;
      bar.Update(done);
    });
  }
  if (report.cached_tokens > 0) {
    std::fprintf(stderr, "prompts: %lld tokens, of which %lld were read before (prefix cache)\n",
                 static_cast<long long>(report.prompt_tokens), static_cast<long long>(report.cached_tokens));
  }
  constexpr size_t kShown = 5;
  for (size_t i = 0; i < report.errors.size() && i < kShown; ++i) {
    std::fprintf(stderr, "no answer: %s\n", report.errors[i].c_str());
  }
  if (!report.errors.empty()) {
    std::fprintf(stderr, "%zu samples have no answer; the same command asks for them again\n", report.errors.size());
  }
  return ReadJsonFile(folder / "results.json");
}

void RunSuite(const BenchmarkEvalOptions& options, const std::string& model_name, const SamplingOptions& sampling,
              int64_t batch, bool json) {
  const std::filesystem::path path = options.suite;
  const Json suite = ReadJsonFile(path);
  if (!suite.is_object() || !suite.contains("benchmarks") || !suite["benchmarks"].is_array()) {
    throw Error("{}: there is no list \"benchmarks\"", path.string());
  }
  const std::filesystem::path data = options.data.empty() ? path.parent_path() : std::filesystem::path(options.data);
  AskedModel model(model_name, options, sampling, batch);
  Json table = Json::array();
  for (const Json& entry : suite["benchmarks"]) {
    BenchmarkEvalOptions one = options;
    one.benchmark = JsonGet<std::string>(entry, "benchmark", path.string());
    Json row = {{"benchmark", one.benchmark}};
    if (entry.contains("needs")) {
      row["left_out"] = "needs " + JsonGet<std::string>(entry, "needs", path.string());
    } else if (one.benchmark.starts_with("env:")) {
      if (!one.problems && entry.contains("count")) one.problems = JsonGet<int64_t>(entry, "count", path.string());
      if (!one.difficulty && entry.contains("difficulty")) {
        one.difficulty = static_cast<int>(JsonGet<int64_t>(entry, "difficulty", path.string()));
      }
      one.data.clear();
      if (options.samples == 0) one.samples = JsonGetOr<int64_t>(entry, "samples", 0, path.string());
      std::string folder = one.benchmark;
      std::replace(folder.begin(), folder.end(), ':', '-');
      row["results"] = RunOne(RunOptions(one, sampling), model, std::filesystem::path(options.out) / folder);
    } else {
      one.problems.reset();
      one.difficulty.reset();
      one.data = (data / JsonGet<std::string>(entry, "data", path.string())).string();
      if (entry.contains("examples"))
        one.examples = (data / JsonGet<std::string>(entry, "examples", path.string())).string();
      if (entry.contains("verdicts"))
        one.verdicts = (data / JsonGet<std::string>(entry, "verdicts", path.string())).string();
      if (options.samples == 0) one.samples = JsonGetOr<int64_t>(entry, "samples", 0, path.string());
      if (std::filesystem::exists(one.data)) {
        row["results"] = RunOne(RunOptions(one, sampling), model, std::filesystem::path(options.out) / one.benchmark);
      } else {
        row["left_out"] = "there is no " + one.data;
      }
    }
    const Json reported =
        entry.contains("reported_percent") ? entry["reported_percent"] : ReportedPercent(one.benchmark);
    if (!reported.is_null()) row["reported_percent"] = reported;
    table.push_back(std::move(row));
  }
  const Json all = {{"suite", path.string()}, {"benchmarks", table}};
  WriteFileAtomic(std::filesystem::path(options.out) / "suite.json", all.dump(2) + "\n");
  if (json) return Print(JsonLine(all));
  Print(fmt::format("{:<16} {:>6} {:>8}  {:>9} {:>9}  {:>15}  {:>8} {:>8}\n", "benchmark", "items", "samples",
                    "official", "strict", "95 % (strict)", "M1-40k", "M1-80k"));
  for (const Json& row : table) {
    const Json reported = row.contains("reported_percent") ? row["reported_percent"] : Json::object();
    const auto of = [&](const char* key) {
      return reported.contains(key) ? fmt::format("{:.1f}", reported[key].get<double>()) : std::string("-");
    };
    std::string figures = row.value("left_out", "");
    if (row.contains("results")) {
      const Json& r = row["results"];
      const auto percent = [](const Json& m, const char* key) {
        return m.is_null() || !m.contains(key) ? std::string("-") : fmt::format("{:.1f}", 100 * m[key].get<double>());
      };
      figures = fmt::format("{:>6} {:>8}  {:>9} {:>9}  {:>15}", r["items"].get<int64_t>(), r["samples"].get<int64_t>(),
                            percent(r["official"], "mean"), percent(r["strict"], "mean"),
                            percent(r["strict"], "low") + " - " + percent(r["strict"], "high"));
    }
    Print(fmt::format("{:<16} {:<52}  {:>8} {:>8}\n", row["benchmark"].get<std::string>(), figures, of("M1-40k"),
                      of("M1-80k")));
  }
}

}  // namespace

void BenchmarkEvalOptions::AddTo(CLI::App& app, const std::vector<CLI::Option*>& others) {
  const char* kGroup = "Benchmarks (docs/evaluation.md)";
  const auto add = [&](auto name, auto& value, const char* text) {
    return app.add_option(name, value, text)->group(kGroup);
  };
  CLI::Option* one =
      add("--benchmark", benchmark,
          "aime-2024, math-500, gpqa-diamond, ... of --data FILE; or env:TASK, a task as a run; into --out RUN");
  CLI::Option* all =
      add("--suite", suite, "All benchmarks of a file such as configs/eval-m1.json, their data in --data DIR");
  CLI::Option* again =
      add("--rescore", rescore, "Score the answers of a run again, without generating")->type_name("RUN");
  CLI::Option* page =
      add("--report", report, "Write RUN/report.html: one page with every sample, for any browser")->type_name("RUN");
  CLI::Option* runs = add("--compare", compare, "Hold runs of one benchmark against the first, paired by item")
                          ->type_name("RUN RUN ...")
                          ->expected(2, 100);
  CLI::Option* file = add("--data", data, "The benchmark's official file: JSON, JSON lines or CSV");
  CLI::Option* folder = add("--out", out, "Folder of the run; a run that is there goes on");
  add("--samples", samples, "Answers to each question (default: the preset's)")->check(WholeNumber(1, 100000));
  add("--preset", preset, "Sampling and samples as in the MiniMax-M1 report, or as the set's own code")
      ->capture_default_str()
      ->check(CLI::IsMember({"report", "official"}));
  add("--limit", limit, "Only the first so many questions")->check(WholeNumber(1, 100000000));
  add("--prompt", prompt, "A prompt instead of the set's own, in the form of configs/eval/prompts")
      ->check(CLI::ExistingFile);
  add("--examples", examples, "Worked examples for the prompt: MMLU-Pro's validation file")->check(CLI::ExistingFile);
  add("--verdicts", verdicts, "Results of LiveCodeBench's official evaluator")->check(CLI::ExistingFile);
  add("--export", exported, "With --rescore: write LiveCodeBench's predictions for its official evaluator")
      ->needs(again);
  add("--concurrency", concurrency, "Requests to a URL at a time")->capture_default_str()->check(WholeNumber(1, 4096));
  add("--endpoint-model", endpoint_model, "The model's name at a URL (default: the first it lists)");
  add("--api-key-variable", api_key_variable, "Environment variable with the URL's key")->capture_default_str();
  add("--extra", extra, "Further fields of every request to a URL, as a JSON object");
  add("--request-seconds", request_seconds, "Longest wait for one answer of a URL")
      ->capture_default_str()
      ->check(Number(1, 1e7));
  add("--total-seconds", total_seconds, "Longest time of all tries at one question to a URL")
      ->capture_default_str()
      ->check(Number(1, 1e7));
  CLI::Option* most =
      add("--max-prompt-tokens", max_prompt_tokens,
          "Of LongBench-v2: longer prompts lose their middle (default: those that do not fit the context)")
          ->check(WholeNumber(2));
  add("--tokenizer", tokenizer, "For --max-prompt-tokens at a URL: a folder with tokenizer.json")->needs(most);
  add("--cache-memory", cache_memory, "Memory for what prompts begin with in common, as in 16GB (default: 2 GiB)")
      ->transform(CLI::AsSizeValue(false));
  add("--plot", plot, "With --rescore: draw strict accuracy against tokens of the prompt, as an SVG file")
      ->needs(again);
  file->needs(folder);
  one->needs(folder);
  all->needs(folder);
  const std::vector<CLI::Option*> modes = {one, all, again, page, runs};
  for (size_t i = 0; i < modes.size(); ++i) {
    for (size_t k = i + 1; k < modes.size(); ++k) modes[i]->excludes(modes[k]);
    for (CLI::Option* other : others) modes[i]->excludes(other);
  }
}

void RunBenchmarkEval(const BenchmarkEvalOptions& options, const std::string& model, const SamplingOptions& sampling,
                      int64_t batch, bool json) {
  const auto show = [&](const Json& value, const std::string& text) { Print(json ? JsonLine(value) : text); };
  if (!options.compare.empty()) {
    const Json comparison = CompareRuns({options.compare.begin(), options.compare.end()});
    return show(comparison, ComparisonText(comparison));
  }
  if (!options.report.empty()) {
    const std::filesystem::path page = std::filesystem::path(options.report) / "report.html";
    WriteFileAtomic(page, RunPage(options.report));
    return show({{"report", page.string()}}, page.string() + "\n");
  }
  if (!options.rescore.empty()) {
    const Json results = RescoreRun(options.rescore, options.verdicts);
    if (!options.plot.empty()) {
      WriteFileAtomic(options.plot, LengthCurve({results}, {results["benchmark"].get<std::string>()}));
    }
    if (!options.exported.empty()) ExportPredictions(options.rescore, options.exported);
    return show(results, ResultsText(results));
  }
  if (IsUrl(model) && options.max_prompt_tokens > 0 && options.tokenizer.empty()) {
    throw Error(
        "--max-prompt-tokens at a URL needs --tokenizer FOLDER: prompts are cut by tokens before they are sent");
  }
  if (!IsUrl(model) && !options.tokenizer.empty()) throw Error("--tokenizer is for a URL; a model has its own");
  if (model.empty()) throw Error("which model? Give its folder, or a URL such as http://127.0.0.1:8000");
  if (!options.suite.empty()) return RunSuite(options, model, sampling, batch, json);
  AskedModel asked(model, options, sampling, batch);
  const Json results = RunOne(RunOptions(options, sampling), asked, options.out);
  show(results, ResultsText(results));
}

}  // namespace fulgur
