// fulgur bench: speed of a model, beside what the machine's memory and arithmetic reach in the same run.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/file.h"
#include "base/line_chart.h"
#include "base/progress.h"
#include "engine/benchmark.h"
#include "ops/gemm.h"

namespace fulgur {
namespace {

void PrintPoint(const BenchmarkPoint& p) {
  const auto passes = static_cast<double>(p.decode ? p.tokens / p.batch : 1);
  const std::string expected = p.expected_seconds > 0 ? fmt::format("{:.3f}", 1000 * p.expected_seconds / passes) : "";
  fmt::print("{:<8} {:>8} {:>6} {:>12.1f} {:>12.3f} {:>10} {:>10.1f} {:>9.1f} {:<7} {:>5.0f} %\n",
             p.decode ? "decode" : "prefill", p.depth, p.batch, p.tokens_per_second(), 1000 * p.seconds / passes,
             expected, p.rate(), p.limit, p.decode ? "GB/s" : "GFLOP/s", 100 * p.share);
  std::fflush(stdout);
}

// Milliseconds a token against depth, a line a batch, as an SVG picture.
std::string Plot(const std::vector<BenchmarkPoint>& points) {
  LineChart chart;
  chart.title = "milliseconds a token against tokens of context";
  for (const BenchmarkPoint& p : points) {
    if (!p.decode) continue;
    const std::string name = fmt::format("batch {}", p.batch);
    auto line = std::find_if(chart.lines.begin(), chart.lines.end(), [&](const auto& l) { return l.name == name; });
    if (line == chart.lines.end()) {
      line = chart.lines.insert(line, {.name = name, .x = {}, .y = {}, .low = {}, .high = {}});
    }
    line->x.push_back(static_cast<double>(p.depth));
    line->y.push_back(1000 / p.tokens_per_second());
  }
  return chart.Svg();
}

}  // namespace

void AddBench(CLI::App& app) {
  struct Options {
    std::string model;
    SpeedOptions benchmark;
    std::optional<KvFormat> kv_cache;
    std::string plot;
    int threads = 0;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  SpeedOptions& b = o->benchmark;
  CLI::App* command = app.add_subcommand("bench", "Speed of prefill and decoding, beside the machine's own limits");
  // Not "model": CLI11 2.4 takes a subcommand's --model, which `bench serve` has, for the same name.
  command->add_option("folder", o->model, "Folder of a model");
  AddBenchServe(*command);
  command->add_option("--depth", b.depths, "Tokens before the measured ones, separated by commas")
      ->check(WholeNumber(0, uint64_t{1} << 32))
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--batch", b.batches, "Sequences that decode together, separated by commas")
      ->check(WholeNumber(1, 4096))
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--prompt", b.prompt, "Tokens of the measured prefill; 0: none")
      ->check(WholeNumber(0, uint64_t{1} << 24))
      ->capture_default_str();
  command->add_option("--generate", b.generate, "Decoding steps to measure; 0: none")
      ->check(WholeNumber(0, uint64_t{1} << 24))
      ->capture_default_str();
  command->add_option("--repeat", b.repeat, "Runs, of which the median counts")
      ->check(WholeNumber(1, 1000))
      ->capture_default_str();
  command->add_option("--chunk", b.chunk, "Tokens at a time on the way to a depth")
      ->check(WholeNumber(1, uint64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--draft", b.draft, "Measure generation with at most so many tokens drafted in a pass; 0: no")
      ->check(WholeNumber(0, 1024))
      ->capture_default_str();
  AddKvCacheOption(*command, o->kv_cache, kUsualKvCache);
  command->add_option("--threads", o->threads, "0: one per processor")->check(Threads());
  command->add_option("--plot", o->plot, "Also draw decoding time a token against context, as an SVG file");
  command->add_flag("--json", o->json, "Print one JSON object");
  SetAction(*command, [o, command] {
    if (!command->get_subcommands().empty()) return;
    if (o->model.empty()) throw CLI::RequiredError("folder");
    ExecContext exec(o->threads);
    const std::unique_ptr<Model> model = Model::Load(o->model, exec);
    model->set_kv_format(o->kv_cache.value_or(model->usual_kv_format()));
    if (!o->json) {
      fmt::print("{}: {:.1f}M parameters, {:.1f}M active; {} threads, {}, KV cache in {}\n\n", o->model,
                 1e-6 * static_cast<double>(CountParameters(model->config()).total),
                 1e-6 * static_cast<double>(CountParameters(model->config()).active), exec.pool().threads(),
                 InstructionSet(), KvFormatName(model->kv_format()));
      fmt::print("{:<8} {:>8} {:>6} {:>12} {:>12} {:>10} {:>10} {:>17} {:>7}\n", "", "depth", "batch", "tokens/s",
                 "ms/pass", "expected", "rate", "machine's limit", "share");
    }
    Json points = Json::array();
    std::vector<DraftingPoint> drafting;
    std::unique_ptr<ProgressBar> bar;  // on the way to a depth
    const std::vector<BenchmarkPoint> measured = RunBenchmark(
        *model, o->benchmark,
        [&](const BenchmarkPoint& point) { o->json ? points.push_back(point.ToJson()) : PrintPoint(point); },
        [&](int64_t at, int64_t depth) {
          if (bar == nullptr) {  // the time of the first piece is not known
            bar = std::make_unique<ProgressBar>(fmt::format("reading {} tokens", depth), depth, "tokens");
            bar->StartFrom(at);
          }
          bar->Update(at);
          if (at == depth) bar.reset();
        },
        [&](const DraftingPoint& point) { drafting.push_back(point); });
    if (!o->plot.empty()) WriteFileAtomic(o->plot, Plot(measured));
    if (!o->json && !drafting.empty()) {
      fmt::print("\n{:<8} {:>8} {:>9} {:>12} {:>15} {:>13} {:>9} {:>9}\n", "drafts", "depth", "text", "tokens/s",
                 "without drafts", "drafted/pass", "right", "speed-up");
    }
    for (const DraftingPoint& p : drafting) {
      if (o->json) {
        points.push_back(p.ToJson());
        continue;
      }
      const double tokens = static_cast<double>(p.tokens), drafted = static_cast<double>(p.drafted);
      fmt::print("{:<8} {:>8} {:>9} {:>12.1f} {:>15.1f} {:>13.1f} {:>7.0f} % {:>8.2f}x\n", "", p.depth,
                 p.repeats ? "repeats" : "misleads", tokens / p.draft_seconds, tokens / p.plain_seconds,
                 drafted / static_cast<double>(p.passes),
                 100 * static_cast<double>(p.accepted) / std::max(1.0, drafted), p.speedup());
    }
    if (o->json) {
      const Json report = {{"model", o->model},
                           {"threads", exec.pool().threads()},
                           {"instruction_set", InstructionSet()},
                           {"kv_cache", KvFormatName(model->kv_format())},
                           {"parameters", CountParameters(model->config()).total},
                           {"active_parameters", CountParameters(model->config()).active},
                           {"results", points}};
      fmt::print("{}\n", report.dump(2));
    }
  });
}

}  // namespace fulgur
