// fulgur inspect: dimensions, parameter counts, weights and a memory plan.
#include "model/inspect.h"

#include <fmt/core.h>

#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "model/gguf_model.h"
#include "model/weight_plan.h"

namespace fulgur {

void AddInspect(CLI::App& app) {
  struct Options {
    std::string model;
    std::vector<int64_t> contexts = {4096, 32768, 131072, 1000000};
    std::optional<KvFormat> kv_cache;
    std::string type, attention;
    uint64_t memory = 0;
    double bandwidth = 0;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Dimensions, parameter counts, weights, memory by context length");
  AddModelOption(*command, o->model,
                 "Folder of a model (weights may be missing) or of a run, a config.json, or a GGUF file (the first of "
                 "a split one)");
  command->add_option("--context", o->contexts, "Context lengths in tokens, separated by commas")
      ->check(WholeNumber(0, uint64_t{1} << 32))
      ->delimiter(',');
  AddKvCacheOption(*command, o->kv_cache, kUsualKvCache);
  CLI::Option* type =
      command
          ->add_option(
              "--type", o->type,
              "Plan for weights in this format or recipe, whatever the model's files have; with --memory alone the "
              "most precise that fits")
          ->check(CLI::IsMember({"f32", "bf16", "q8", "q4", "q4k", "q3", "q2", "m1-256gb", "m1-192gb"}));
  command->add_option("--attention", o->attention, "Of the attention projections, if another")
      ->check(CLI::IsMember({"f32", "bf16", "q8", "q4", "q4k", "q3", "q2"}))
      ->needs(type);
  command->add_option("--memory", o->memory, "Plan for a machine with so much memory, e.g. 256GB: what fits")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command
      ->add_option("--bandwidth", o->bandwidth,
                   "Plan for a machine that reads so many GB/s: the tokens a second that this allows")
      ->check(Number(0.001, 1e6));
  command->add_flag("--json", o->json, "Print JSON");
  SetAction(*command, [o] {
    Json report = InspectModel(o->model, o->contexts, o->kv_cache);
    if (!o->type.empty() || o->memory > 0 || o->bandwidth > 0) {
      PlanQuestion question;
      if (!o->type.empty()) {
        question.recipe = NamedRecipe{o->type, RecipeFromName(o->type).value()};
        if (!o->attention.empty()) question.recipe->recipe.attention = WeightFormatFromName(o->attention);
      }
      question.kv_cache = o->kv_cache;
      if (o->memory > 0) question.memory = static_cast<double>(o->memory);
      if (o->bandwidth > 0) question.bandwidth = 1e9 * o->bandwidth;
      question.contexts = o->contexts;
      const std::string config = report["config"];
      report["plan"] = AnswerPlan(config.ends_with(".gguf") ? ConfigFromGguf(GgufFile(std::filesystem::path(config)))
                                                            : ModelConfig::FromFile(config),
                                  question);
    }
    if (o->json) {
      fmt::print("{}\n", report.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
      fmt::print("{}", InspectionText(report));
      if (report.contains("plan")) fmt::print("{}", PlanText(report["plan"]));
    }
    if (!report["problems"].empty()) throw Error("{}: {}", o->model, report["problems"][0].get<std::string>());
  });
}

}  // namespace fulgur
