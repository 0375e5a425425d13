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

WeightPlan PlanWeights(const ModelConfig& config, WeightFormat type, WeightFormat attention) {
  WeightPlan plan;
  Params shapes;
  VisitParameters(config, shapes, [&]<typename T>(const std::string& name, T&, const Shape& shape) {
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    const int64_t stored = Numbers(shape) * kBf16Bytes;
    if (has(".experts.")) {
      plan.experts += PackedBytes(type, shape);
    } else if (has("shared_mlp")) {
      plan.shared += PackedBytes(type, shape);
    } else if (has("embed_tokens")) {
      plan.embedding += stored;
    } else if (has("lm_head")) {
      plan.lm_head += PackedBytes(WeightFormat::kBf16, shape);
    } else if (std::is_same_v<T, Linear> && has("self_attn")) {
      plan.attention += PackedBytes(attention, shape);
    } else {
      plan.other += stored;
    }
  });
  plan.per_token = plan.experts / config.num_local_experts * config.num_experts_per_tok + plan.attention + plan.shared +
                   plan.lm_head + plan.other;
  return plan;
}

Json AnswerPlan(const ModelConfig& config, const PlanQuestion& q) {
  const WeightFormat attention = q.attention.value_or(q.type);
  const WeightPlan weights = PlanWeights(config, q.type, attention);
  const KvFormat kv = q.kv_cache.value_or(q.type == WeightFormat::kF32    ? KvFormat::kF32
                                          : q.type == WeightFormat::kBf16 ? KvFormat::kBf16
                                                                          : KvFormat::kBf16Dot);
  Json json = {{"type", WeightFormatName(q.type)},
               {"attention", WeightFormatName(attention)},
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
    if (q.memory) row["fits"] = static_cast<double>(needed(context)) <= *q.memory;
    json["contexts"].push_back(std::move(row));
  }
  if (q.memory) {
    int64_t fits = 0;
    const int64_t model_limit = config.max_position_embeddings > 0 ? config.max_position_embeddings : int64_t{1} << 32;
    for (int64_t low = 1, high = model_limit; low <= high;) {
      const int64_t middle = low + (high - low) / 2;
      if (static_cast<double>(needed(middle)) <= *q.memory) {
        fits = middle;
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    json["memory"] = {
        {"bytes", *q.memory}, {"left", *q.memory - static_cast<double>(weights.total())}, {"longest_context", fits}};
  }
  return json;
}

std::string PlanText(const Json& plan) {
  const auto bytes = [](const Json& value) { return HumanBytes(value.get<double>()); };
  const Json& w = plan["weights"];
  std::string text =
      fmt::format("\nplan: experts in {}, attention in {}, KV cache in {}\n", plan["type"].get<std::string>(),
                  plan["attention"].get<std::string>(), plan["kv_cache"].get<std::string>());
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
          "fits         {} of {} are left beside the weights: one sequence of up to {} tokens. The system "
          "and other programs need some of it.\n",
          bytes(m["left"]), bytes(m["bytes"]), longest);
    } else {
      const double missing = -m["left"].get<double>();
      text += missing > 0 ? fmt::format("fits not     the weights alone need {} more than {}\n", HumanBytes(missing),
                                        bytes(m["bytes"]))
                          : fmt::format("fits not     {} are left beside the weights, too few for a sequence\n",
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
