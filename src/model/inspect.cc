#include "model/inspect.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/progress.h"
#include "model/checkpoint.h"
#include "model/gguf_model.h"
#include "model/memory_plan.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

int64_t CountKind(const ModelConfig& config, AttentionKind kind) {
  return std::count(config.attn_type_list.begin(), config.attn_type_list.end(), kind);
}

// The usual ways to store the parameters, and their size.
std::vector<std::pair<std::string, int64_t>> UsualSizes(const std::vector<std::pair<std::string, Shape>>& expected) {
  int64_t total = 0, small = 0, router = 0;
  for (const auto& [name, shape] : expected) {
    const int64_t n = NumElements(shape);
    total += n;
    if (IsSmallTensor(name)) small += n;
    if (name.ends_with("moe.gate.weight")) router += n;
  }
  return {{"BF16", 2 * total},
          {"BF16, router F32", 2 * total + 2 * router},
          {"BF16, norms and router F32", 2 * total + 2 * small},
          {"F32", 4 * total}};
}

std::string Examples(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 3); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > 3 ? text + ", ..." : text;
}

// The index's names and total_size against the config.
void CheckIndex(const WeightIndex& index, const std::vector<std::pair<std::string, Shape>>& expected, Json& weights,
                Json& problems) {
  std::set<std::string> names;
  std::vector<std::string> missing, extra;
  bool fused = false;  // transformers' names, which LoadParams knows how to take apart
  for (const auto& [name, file] : index.weight_map) fused = fused || name.find(".mlp.experts.") != std::string::npos;
  for (const auto& [name, shape] : expected) {
    names.insert(name);
    if (!index.weight_map.contains(name)) missing.push_back(name);
  }
  for (const auto& [name, file] : index.weight_map) {
    if (!names.contains(name) && !IsDerivedTensor(name)) extra.push_back(name);
  }
  if (!fused && !missing.empty()) {
    problems.push_back(
        fmt::format("the index lacks {} tensors that the config asks for: {}", missing.size(), Examples(missing)));
  }
  if (!fused && !extra.empty()) {
    problems.push_back(
        fmt::format("the index names {} tensors that the config does not have: {}", extra.size(), Examples(extra)));
  }
  if (!index.total_size) return;
  weights["total_size"] = *index.total_size;
  for (const auto& [dtypes, bytes] : UsualSizes(expected)) {
    if (bytes == *index.total_size) weights["total_size_means"] = dtypes;
  }
}

Json InspectWeights(const fs::path& dir, const ModelConfig& config, Json& problems) {
  const auto expected = ExpectedTensors(config);
  const std::optional<WeightIndex> index = ReadWeightIndex(dir);
  std::set<std::string> files, missing_files;
  if (index) {
    for (const auto& [name, file] : index->weight_map) files.insert(file);
  } else if (fs::exists(dir / kSingleFile)) {
    files.insert(kSingleFile);
  }
  Json weights;
  std::map<std::string, int64_t> bytes;
  int64_t tensors = 0, present = 0;
  for (const std::string& file : files) {
    if (!fs::exists(dir / file)) {
      missing_files.insert(file);
      continue;
    }
    for (const auto& [name, tensor] : ReadSafetensors(dir / file)) {
      bytes[DTypeName(tensor.dtype())] += static_cast<int64_t>(tensor.bytes());
      present += static_cast<int64_t>(tensor.bytes());
      ++tensors;
    }
  }
  const bool complete = !files.empty() && missing_files.empty();
  weights["state"] = complete                               ? "complete"
                     : files.empty()                        ? "none"
                     : missing_files.size() == files.size() ? "index only"
                                                            : "partial";
  weights["tensors"] = index ? static_cast<int64_t>(index->weight_map.size()) : tensors;
  weights["expected_tensors"] = expected.size();
  weights["files"] = files.size();
  weights["missing_files"] = missing_files;
  weights["bytes"] = bytes;
  if (index) CheckIndex(*index, expected, weights, problems);
  if (complete) {
    weights["bytes_total"] = present;
    weights["bytes_total_source"] = "the files";
    if (index && index->total_size && *index->total_size != present) {
      problems.push_back(fmt::format("the index gives total_size {}, but the files hold {} bytes of tensors",
                                     *index->total_size, present));
    }
    try {
      LoadParams(dir, config);
    } catch (const Error& e) {
      problems.push_back(e.what());
    }
  } else if (index && index->total_size) {
    weights["bytes_total"] = *index->total_size;
    weights["bytes_total_source"] = "the index";
    if (!weights.contains("total_size_means")) {
      const auto usual = UsualSizes(expected);
      problems.push_back(
          fmt::format("the index gives total_size {}; the config's parameters take {} in BF16 and {} in F32",
                      *index->total_size, usual.front().second, usual.back().second));
    }
  } else {
    weights["bytes_total"] = 2 * CountParameters(config).total;
    weights["bytes_total_source"] = "2 bytes a parameter";
  }
  return weights;
}

// Of a GGUF file, or of all parts of a split one: every tensor is there, or the file is refused.
Json InspectGguf(const GgufFile& file, const ModelConfig& config, Json& problems) {
  std::map<std::string, int64_t> bytes;
  int64_t total = 0, expected = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    bytes[GgufTypeName(tensor.type)] += static_cast<int64_t>(tensor.blocks.size());
    total += static_cast<int64_t>(tensor.blocks.size());
  }
  Params names;
  VisitParameters(config, names, [&]<typename T>(const std::string& name, T&, const Shape& shape) {
    ++expected;
    try {
      RowsFromGguf(file, name, shape);
    } catch (const Error& e) {
      if (problems.size() < 3) problems.push_back(e.what());
    }
  });
  return {{"state", "complete"},
          {"tensors", file.tensors().size()},
          {"expected_tensors", file.tensors().size()},
          {"parameters", expected},
          {"files", file.files()},
          {"missing_files", Json::array()},
          {"bytes", bytes},
          {"bytes_total", total},
          {"bytes_total_source", "the files"}};
}

std::string Number(int64_t n) {  // 12,345
  std::string text = std::to_string(n);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string Bytes(const Json& value) { return HumanBytes(value.get<double>()); }

}  // namespace

std::string LayerPattern(const std::vector<AttentionKind>& kinds) {
  const size_t n = kinds.size();
  size_t period = 1;
  for (; period < n; ++period) {
    if (n % period != 0) continue;
    bool repeats = true;
    for (size_t i = period; i < n && repeats; ++i) repeats = kinds[i] == kinds[i - period];
    if (repeats) break;
  }
  std::string text;
  for (size_t i = 0; i < period;) {
    size_t end = i;
    while (end < period && kinds[end] == kinds[i]) ++end;
    if (i > 0) text += ", ";
    text += fmt::format("{} {}", end - i, kinds[i] == AttentionKind::kLightning ? "lightning" : "softmax");
    i = end;
  }
  if (period == n) return text;
  return period == 1 ? fmt::format("{} {}", n, text.substr(2)) : fmt::format("({}) x {}", text, n / period);
}

Json InspectModel(const fs::path& model, const std::vector<int64_t>& contexts, std::optional<KvFormat> kv_format) {
  const bool folder = fs::is_directory(model);
  const std::unique_ptr<const GgufFile> gguf =
      model.extension() == ".gguf" && !folder ? std::make_unique<GgufFile>(model) : nullptr;
  const fs::path config_path = folder ? model / kConfigFile : model;
  if (folder && !fs::exists(config_path)) {
    throw Error("{}: no {}: not a model's folder, or a save that was cut off", model.string(), kConfigFile);
  }
  const ModelConfig config = gguf ? ConfigFromGguf(*gguf) : ModelConfig::FromFile(config_path);
  Json report, problems = Json::array();
  report["config"] = config_path.string();
  report["model_type"] = config.model_type;
  report["dims"] = {{"hidden_size", config.hidden_size},
                    {"num_attention_heads", config.num_attention_heads},
                    {"num_key_value_heads", config.num_key_value_heads},
                    {"head_dim", config.head_dim},
                    {"rotary_dim", config.rotary_dim},
                    {"num_local_experts", config.num_local_experts},
                    {"num_experts_per_tok", config.num_experts_per_tok},
                    {"intermediate_size", config.intermediate_size},
                    {"shared_intermediate_size", config.shared_intermediate_size},
                    {"vocab_size", config.vocab_size},
                    {"max_position_embeddings", config.max_position_embeddings}};
  report["layers"] = {{"total", config.num_hidden_layers},
                      {"lightning", CountKind(config, AttentionKind::kLightning)},
                      {"softmax", CountKind(config, AttentionKind::kSoftmax)},
                      {"pattern", LayerPattern(config.attn_type_list)}};
  const ParameterCount count = CountParameters(config);
  report["parameters"] = {
      {"total", count.total}, {"active", count.active}, {"embedding", count.embedding}, {"lm_head", count.embedding}};

  // A config file on its own stands for a model without weights.
  int64_t weight_bytes = 2 * count.total;
  if (folder || gguf) {
    report["weights"] = gguf ? InspectGguf(*gguf, config, problems) : InspectWeights(model, config, problems);
    weight_bytes = report["weights"]["bytes_total"].get<int64_t>();
  }
  if (!kv_format) {
    const Json bytes = report.contains("weights") ? report["weights"]["bytes"] : Json::object();
    const bool f32 = bytes.size() == 1 && bytes.contains("F32"), packed = bytes.contains("U8") || gguf != nullptr;
    kv_format = f32 ? KvFormat::kF32 : packed ? KvFormat::kBf16Dot : KvFormat::kBf16;
  }
  report["kv_cache"] = KvFormatName(*kv_format);
  report["memory"] = Json::array();
  for (const int64_t context : contexts) {
    const MemoryPlan plan = PlanMemory(config, context, *kv_format);
    Json row = {{"context", context},
                {"weights", weight_bytes},
                {"lightning_state", plan.lightning_state},
                {"lightning_chunk", plan.lightning_chunk},
                {"activations", plan.activations},
                {"total", weight_bytes + plan.total()}};
    for (const KvFormat format : {KvFormat::kF32, KvFormat::kBf16, KvFormat::kInt8}) {
      row[std::string("kv_cache_") + KvFormatName(format)] = PlanMemory(config, context, format).kv_cache;
    }
    report["memory"].push_back(std::move(row));
  }
  report["problems"] = problems;
  return report;
}

std::string InspectionText(const Json& report) {
  std::string text;
  const auto line = [&](const std::string& label, const std::string& value) {
    text += fmt::format("{:<12} {}\n", label, value);
  };
  const auto number = [](const Json& value) { return Number(value.get<int64_t>()); };
  const Json &dims = report["dims"], &layers = report["layers"], &parameters = report["parameters"];
  line("model", fmt::format("{} ({})", report["model_type"].get<std::string>(), report["config"].get<std::string>()));
  line("layers", fmt::format("{}: {}", number(layers["total"]), layers["pattern"].get<std::string>()));
  line("hidden", number(dims["hidden_size"]));
  line("heads", fmt::format("{} x {}; softmax layers: {} KV heads, rotary on {} of {} components",
                            number(dims["num_attention_heads"]), number(dims["head_dim"]),
                            number(dims["num_key_value_heads"]), number(dims["rotary_dim"]), number(dims["head_dim"])));
  line("experts", fmt::format("{}, top-{}, width {}{}", number(dims["num_local_experts"]),
                              number(dims["num_experts_per_tok"]), number(dims["intermediate_size"]),
                              dims["shared_intermediate_size"] > 0 ? ", and a shared expert" : ""));
  line("vocabulary", number(dims["vocab_size"]));
  const int64_t total = parameters["total"].get<int64_t>(), active = parameters["active"].get<int64_t>();
  const int64_t head = parameters["lm_head"].get<int64_t>();
  const auto human = [](int64_t n) { return HumanCount(static_cast<double>(n)); };
  line("parameters", fmt::format("{} total ({}), {} active a token ({})", human(total), Number(total), human(active),
                                 Number(active)));
  line("", fmt::format("active: without embedding and LM head ({} each); with the LM head {}", human(head),
                       human(active + head)));

  if (report.contains("weights")) {
    const Json& weights = report["weights"];
    const auto files = weights["files"].get<size_t>(), missing = weights["missing_files"].size();
    const std::string state = weights["state"].get<std::string>();
    std::string value = state;
    if (state != "none") {
      value += fmt::format(": {} of {} files, {} tensors of {} expected", files - missing, files,
                           number(weights["tensors"]), number(weights["expected_tensors"]));
    }
    line("weights", value);
    for (const auto& [dtype, bytes] : weights["bytes"].items()) line("", fmt::format("{:<6} {}", dtype, Bytes(bytes)));
    if (missing > 0) {
      line("", fmt::format("missing: {}{}", weights["missing_files"][0].get<std::string>(),
                           missing > 1 ? fmt::format(" and {} more", missing - 1) : ""));
    }
    if (weights.contains("total_size")) {
      line("", fmt::format("total_size {} ({}){}", number(weights["total_size"]), Bytes(weights["total_size"]),
                           weights.contains("total_size_means")
                               ? ": every parameter, " + weights["total_size_means"].get<std::string>()
                               : ""));
    }
    if (state != "complete") {
      line("", fmt::format("the plan below takes {} for them, from {}", Bytes(weights["bytes_total"]),
                           weights["bytes_total_source"].get<std::string>()));
    }
  }

  if (!report["memory"].empty()) {
    const std::string kv = report["kv_cache"];
    text += fmt::format("\nmemory for one sequence (total: with the KV cache in {})\n", kv);
    text += fmt::format("{:>13} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>9}\n", "context", "weights", "lightning",
                        "chunk", "KV f32", "KV bf16", "KV int8", "activations", "total");
    for (const Json& plan : report["memory"]) {
      text += fmt::format("{:>13} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>9}\n", number(plan["context"]),
                          Bytes(plan["weights"]), Bytes(plan["lightning_state"]), Bytes(plan["lightning_chunk"]),
                          Bytes(plan["kv_cache_f32"]), Bytes(plan["kv_cache_bf16"]), Bytes(plan["kv_cache_int8"]),
                          Bytes(plan["activations"]), Bytes(plan["total"]));
    }
  }
  for (const Json& problem : report["problems"]) text += "\nproblem: " + problem.get<std::string>() + "\n";
  return text;
}

}  // namespace fulgur
