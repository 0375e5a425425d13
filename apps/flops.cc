// fulgur flops: arithmetic against the length of an answer, for MiniMax-M1 and what it is compared with.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/file.h"
#include "base/json.h"
#include "base/line_chart.h"
#include "model/generation_cost.h"

namespace fulgur {
namespace {

struct Options {
  std::vector<std::string> models;
  std::vector<int64_t> lengths = {8192, 32768, 64000, 80000, 100000, 131072, 1000000};
  int64_t prompt = 0;
  std::string plot;
  bool json = false;
};

// Three digits, or all before the point.
std::string PetaFlop(double flops) {
  const double p = 1e-15 * flops;
  return p < 100 ? fmt::format("{:.3g}", p) : fmt::format("{:.0f}", p);
}

constexpr size_t kReference = 2;  // of ComparedModels: DeepSeek-R1 as the report counts it

void PrintTable(const Options& o, const std::vector<GenerationCost>& costs) {
  fmt::print("PFLOP to generate so many tokens{}\n\n",
             o.prompt > 0 ? fmt::format(" after a prompt of {}, without the prompt", o.prompt) : "");
  fmt::print("{:<24} {:>6} {:>7}", "", "params", "active");
  for (const int64_t n : o.lengths) fmt::print(" {:>9}", n);
  fmt::print("\n");
  for (const GenerationCost& c : costs) {
    fmt::print("{:<24} {:>5.3g}B {:>6.3g}B", c.name, 1e-9 * c.parameters, 1e-9 * c.active);
    for (const int64_t n : o.lengths) fmt::print(" {:>9}", PetaFlop(c.Flops(o.prompt, n)));
    fmt::print("\n");
  }
  for (const bool last : {false, true}) {
    fmt::print("\n{:<39}\n", last ? fmt::format("the last token alone, as a share of {}", costs[kReference].name)
                                  : fmt::format("as a share of {}", costs[kReference].name));
    for (const GenerationCost& c : costs) {
      fmt::print("{:<39}", c.name);
      for (const int64_t n : o.lengths) {
        const GenerationCost& r = costs[kReference];
        fmt::print(" {:>7.1f} %", 100 * (last ? c.LastTokenFlops(o.prompt, n) / r.LastTokenFlops(o.prompt, n)
                                              : c.Flops(o.prompt, n) / r.Flops(o.prompt, n)));
      }
      fmt::print("\n");
    }
  }
  fmt::print(
      "\nThe report (section 1) has MiniMax-M1 below 50 % of DeepSeek-R1 at 64K tokens and at about 25 % at 100K.\n"
      "docs/performance.md says what is counted, and where the two counts differ.\n");
}

Json ToJson(const Options& o, const std::vector<GenerationCost>& costs) {
  Json models = Json::array();
  for (const GenerationCost& c : costs) {
    Json flops = Json::array(), last = Json::array();
    for (const int64_t n : o.lengths) {
      flops.push_back(c.Flops(o.prompt, n));
      last.push_back(c.LastTokenFlops(o.prompt, n));
    }
    models.push_back({{"name", c.name},
                      {"parameters", c.parameters},
                      {"active", c.active},
                      {"flops_per_token", c.per_token},
                      {"flops_per_pair", c.per_pair},
                      {"flops", flops},
                      {"last_token_flops", last}});
  }
  return {{"prompt", o.prompt}, {"lengths", o.lengths}, {"models", models}};
}

// PFLOP against length, as an SVG picture.
std::string Plot(const Options& o, const std::vector<GenerationCost>& costs) {
  constexpr int kPoints = 100;
  const auto longest = static_cast<double>(*std::max_element(o.lengths.begin(), o.lengths.end()));
  LineChart chart;
  chart.title = "PFLOP against generated tokens";
  chart.x_label = [](double n) { return fmt::format("{:.0f}K", n / 1000); };
  chart.y_label = PetaFlop;
  for (const GenerationCost& c : costs) {
    LineChart::Line line{.name = c.name, .x = {}, .y = {}, .low = {}, .high = {}};
    for (int p = 0; p <= kPoints; ++p) {
      line.x.push_back(longest * p / kPoints);
      line.y.push_back(c.Flops(o.prompt, static_cast<int64_t>(line.x.back())));
    }
    chart.lines.push_back(std::move(line));
  }
  return chart.Svg();
}

}  // namespace

void AddFlops(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("flops", "Arithmetic against the length of an answer: M1 and others");
  command->add_option("model", o->models, "Folders or config.json files of further models to compare");
  command->add_option("--length", o->lengths, "Generated tokens, separated by commas")
      ->check(WholeNumber(1, uint64_t{1} << 32))
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--prompt", o->prompt, "Tokens before them, whose own cost is left out")
      ->check(WholeNumber(0, uint64_t{1} << 32))
      ->capture_default_str();
  command->add_option("--plot", o->plot, "Also draw it, as an SVG file");
  command->add_flag("--json", o->json, "Print one JSON object");
  SetAction(*command, [o] {
    std::vector<GenerationCost> costs = ComparedModels();
    for (const std::string& path : o->models) {
      const bool folder = std::filesystem::is_directory(path);
      costs.push_back(CostOfModel(path, ModelConfig::FromFile(folder ? path + "/config.json" : path)));
    }
    if (!o->plot.empty()) WriteFileAtomic(o->plot, Plot(*o, costs));
    if (o->json) {
      fmt::print("{}\n", ToJson(*o, costs).dump(2));
    } else {
      PrintTable(*o, costs);
    }
  });
}

}  // namespace fulgur
