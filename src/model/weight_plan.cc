#include "model/weight_plan.h"

#include <algorithm>
#include <type_traits>

#include "base/progress.h"
#include "model/memory_plan.h"
#include "model/params.h"

namespace fulgur {
namespace {

constexpr int64_t kBf16Bytes = 2;

int64_t PackedBytes(WeightFormat format, const Shape& shape) {
  return PackedMatrix::Panels(shape[0]) * static_cast<int64_t>(PackedMatrix::PanelBytes(format, shape[1]));
}

int64_t Numbers(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

}  // namespace

WeightPlan PlanWeights(const ModelConfig& config, const WeightRecipe& recipe) {
  WeightPlan plan;
  Params shapes;
  VisitParameters(config, shapes, [&]<typename T>(const std::string& name, T&, const Shape& shape) {
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    const int64_t stored = Numbers(shape) * kBf16Bytes;
    if (has(".experts.")) {
      plan.experts += PackedBytes(recipe.Of(name), shape);
    } else if (has("shared_mlp")) {
      plan.shared += PackedBytes(recipe.Of(name), shape);
    } else if (has("embed_tokens")) {
      plan.embedding += stored;
    } else if (has("lm_head")) {
      plan.lm_head += PackedBytes(WeightFormat::kBf16, shape);
    } else if (std::is_same_v<T, Linear> && has("self_attn")) {
      plan.attention += PackedBytes(recipe.Of(name), shape);
    } else {
      plan.other += stored;
    }
  });
  plan.per_token = plan.experts / config.num_local_experts * config.num_experts_per_tok + plan.attention + plan.shared +
                   plan.lm_head + plan.other;
  return plan;
}

namespace {

// What the system and other programs need of a machine's memory.
double SystemBytes(double memory) { return std::max(double{1 << 30}, 0.04 * memory); }

KvFormat KvFormatFor(const PlanQuestion& q, const WeightRecipe& recipe) {
  return q.kv_cache.value_or(recipe.type == WeightFormat::kF32    ? KvFormat::kF32
                             : recipe.type == WeightFormat::kBf16 ? KvFormat::kBf16
                                                                  : KvFormat::kBf16Dot);
}

NamedRecipe ChooseRecipe(const ModelConfig& config, const PlanQuestion& q) {
  const std::vector<NamedRecipe> recipes = RecipesBySize();
  if (!q.memory) return recipes.front();
  constexpr int64_t kContext = 131072;
  const int64_t context =
      config.max_position_embeddings > 0 ? std::min<int64_t>(kContext, config.max_position_embeddings) : kContext;
  for (const NamedRecipe& r : recipes) {
    const int64_t needed =
        PlanWeights(config, r.recipe).total() + PlanMemory(config, context, KvFormatFor(q, r.recipe)).total();
    if (static_cast<double>(needed) <= *q.memory - SystemBytes(*q.memory)) return r;
  }
  return recipes.back();
}

}  // namespace

Json AnswerPlan(const ModelConfig& config, const PlanQuestion& q) {
  const NamedRecipe named = q.recipe.value_or(ChooseRecipe(config, q));
  const WeightRecipe& recipe = named.recipe;
  const WeightPlan weights = PlanWeights(config, recipe);
  const KvFormat kv = KvFormatFor(q, recipe);
  Json json = {{"recipe", named.name},
               {"chosen", !q.recipe && q.memory},
               {"type", WeightFormatName(recipe.type)},
               {"down", WeightFormatName(recipe.down_type())},
               {"attention", WeightFormatName(recipe.attention_type())},
               {"error",
                {{"type", TypicalError(recipe.type)},
                 {"down", TypicalError(recipe.down_type())},
                 {"attention", TypicalError(recipe.attention_type())}}},
               {"kv_cache", KvFormatName(kv)},
               {"weights",
                {{"experts", weights.experts},
                 {"attention", weights.attention},
                 {"shared", weights.shared},
                 {"lm_head", weights.lm_head},
                 {"embedding", weights.embedding},
                 {"other", weights.other},
                 {"total", weights.total()}}},
               {"bytes_per_token", weights.per_token},
               {"contexts", Json::array()}};
  const auto needed = [&](int64_t context) { return weights.total() + PlanMemory(config, context, kv).total(); };
  for (const int64_t context : q.contexts) {
    const MemoryPlan plan = PlanMemory(config, context, kv);
    const int64_t read = weights.per_token + plan.lightning_state + plan.lightning_chunk + plan.kv_cache;
    Json row = {{"context", context}, {"state", plan.total()}, {"total", needed(context)}, {"bytes_per_token", read}};
    if (q.bandwidth) row["tokens_per_second"] = *q.bandwidth / static_cast<double>(read);
    if (q.memory) row["fits"] = static_cast<double>(needed(context)) <= *q.memory - SystemBytes(*q.memory);
    json["contexts"].push_back(std::move(row));
  }
  if (q.memory) {
    const double system = SystemBytes(*q.memory);
    int64_t fits = 0;
    const int64_t model_limit = config.max_position_embeddings > 0 ? config.max_position_embeddings : int64_t{1} << 32;
    for (int64_t low = 1, high = model_limit; low <= high;) {
      const int64_t middle = low + (high - low) / 2;
      if (static_cast<double>(needed(middle)) <= *q.memory - system) {
        fits = middle;
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    json["memory"] = {{"bytes", *q.memory},
                      {"system", system},
                      {"left", *q.memory - system - static_cast<double>(weights.total())},
                      {"longest_context", fits}};
  }
  return json;
}

std::string PlanText(const Json& plan) {
  const auto bytes = [](const Json& value) { return HumanBytes(value.get<double>()); };
  const Json& w = plan["weights"];
  const auto format = [&](const char* part) { return plan[part].get<std::string>(); };
  const bool down = plan["down"] != plan["type"];
  std::string text = fmt::format(
      "\nplan{}: experts in {}{}, attention in {}, KV cache in {}\n",
      plan["chosen"].get<bool>() ? " (" + format("recipe") + ", chosen for this memory)" : "", format("type"),
      down ? ", their second matrices in " + format("down") : "", format("attention"), format("kv_cache"));
  const auto error = [&](const char* part) { return fmt::format("{:.1f} %", 100 * plan["error"][part].get<double>()); };
  text += fmt::format(
      "costs        {} of a weight of the experts{}, {} of attention's (root mean square; normal weights)\n",
      error("type"), down ? " (" + error("down") + " of second matrices)" : "", error("attention"));
  text += fmt::format("weights      {}: experts {}, attention {}, LM head {}, embedding {}, other {}\n",
                      bytes(w["total"]), bytes(w["experts"]), bytes(w["attention"]), bytes(w["lm_head"]),
                      bytes(w["embedding"]), HumanBytes(w["other"].get<double>() + w["shared"].get<double>()));
  text +=
      fmt::format("a token      reads {} of weights when one sequence is decoded\n", bytes(plan["bytes_per_token"]));
  if (plan.contains("memory")) {
    const Json& m = plan["memory"];
    const auto longest = m["longest_context"].get<int64_t>();
    if (longest > 0) {
      text += fmt::format(
          "fits         {} of {} are left beside the weights and {} for the system: one sequence of up to {} tokens\n",
          bytes(m["left"]), bytes(m["bytes"]), bytes(m["system"]), longest);
    } else {
      const double missing = -m["left"].get<double>();
      text += missing > 0 ? fmt::format("fits not     the weights, and {} for the system, need {} more than {}\n",
                                        bytes(m["system"]), HumanBytes(missing), bytes(m["bytes"]))
                          : fmt::format("fits not     {} are left beside weights and system, too few for a sequence\n",
                                        bytes(m["left"]));
    }
  }
  if (plan["contexts"].empty()) return text;
  const bool speed = plan["contexts"][0].contains("tokens_per_second"), fit = plan["contexts"][0].contains("fits");
  text += fmt::format("\n{:>13} {:>10} {:>10} {:>14}{}{}\n", "context", "state", "total", "bytes a token",
                      speed ? fmt::format(" {:>14}", "tokens/s at most") : "", fit ? "  fits" : "");
  for (const Json& row : plan["contexts"]) {
    text += fmt::format("{:>13} {:>10} {:>10} {:>14}", row["context"].get<int64_t>(), bytes(row["state"]),
                        bytes(row["total"]), bytes(row["bytes_per_token"]));
    if (speed) text += fmt::format(" {:>16.1f}", row["tokens_per_second"].get<double>());
    if (fit) text += row["fits"].get<bool>() ? "   yes" : "    no";
    text += "\n";
  }
  return text;
}

}  // namespace fulgur
