// Arbitrary bytes as a config.json (or, after a zero byte, as an index). An accepted config must survive being written
// and read, and its derived numbers must be computable.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/checkpoint.h"
#include "model/inspect.h"
#include "model/memory_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('\0')) {
    try {
      for (const auto& [name, file] : ParseWeightIndex(text.substr(1), "index").weight_map) {
        const std::filesystem::path path(file);
        if (path.is_absolute() || path.has_parent_path() || file.empty() || file == "..") std::abort();
      }
    } catch (const Error&) {
    }
    return 0;
  }
  ModelConfig config;
  try {
    config = ModelConfig::FromJson(ParseJson(text, "input"), "input");
  } catch (const Error&) {
    return 0;
  }
  const Json written = config.ToJson();
  const ModelConfig again = ModelConfig::FromJson(ParseJson(written.dump(), "written"), "written");  // must not throw
  if (again.ToJson() != written) std::abort();
  const ParameterCount count = CountParameters(config);
  if (count.total <= 0 || count.active <= 0 || count.active > count.total) std::abort();
  for (const int64_t layer : {int64_t{0}, config.num_hidden_layers - 1}) {
    if (!config.IsLightning(layer)) continue;
    for (const double slope : LightningSlopes(config, layer)) {
      if (!(slope > 0 && std::isfinite(slope))) std::abort();
    }
  }
  if (PlanMemory(config, int64_t{1} << 32).total() < 0) std::abort();
  LayerPattern(config.attn_type_list);
  return 0;
}
