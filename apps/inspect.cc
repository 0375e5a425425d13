// fulgur inspect: dimensions, parameter counts, weights and a memory plan.
#include "model/inspect.h"

#include <fmt/core.h>

#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/option_checks.h"

namespace fulgur {

void AddInspect(CLI::App& app) {
  struct Options {
    std::string model;
    std::vector<int64_t> contexts = {4096, 32768, 131072, 1000000};
    std::optional<KvFormat> kv_cache;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Dimensions, parameter counts, weights, memory by context length");
  command->add_option("model", o->model, "Folder of a model (weights may be missing), or a config.json")->required();
  command->add_option("--context", o->contexts, "Context lengths in tokens, separated by commas")
      ->check(WholeNumber(0, uint64_t{1} << 32))
      ->delimiter(',');
  AddKvCacheOption(*command, o->kv_cache, kUsualKvCache);
  command->add_flag("--json", o->json, "Print JSON");
  command->callback([o] {
    const Json report = InspectModel(o->model, o->contexts, o->kv_cache);
    if (o->json) {
      fmt::print("{}\n", report.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
      fmt::print("{}", InspectionText(report));
    }
    if (!report["problems"].empty()) throw Error("{}: {}", o->model, report["problems"][0].get<std::string>());
  });
}

}  // namespace fulgur
