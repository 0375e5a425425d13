#include "train/run_state.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/crc32c.h"
#include "tensor/safetensors.h"
#include "train/optimizer.h"

namespace fulgur {
namespace {

constexpr const char* kPrefix = "step-";
constexpr const char* kSuffix = ".safetensors";

using Named = std::vector<std::pair<std::string, Tensor*>>;

// All tensors of a checkpoint, in the order of the file.
Named AllTensors(const ModelConfig& config, Params& params, Params& m, Params& v, std::vector<Params>& past) {
  Named all;
  const auto add = [&](const std::string& prefix, Params& p) {
    for (auto& [name, tensor] : ListTensors(config, p)) all.emplace_back(prefix + name, tensor);
  };
  add("", params);
  add("m.", m);
  add("v.", v);
  for (size_t i = 0; i < past.size(); ++i) add(fmt::format("past.{}.", i), past[i]);
  return all;
}

uint32_t AddToCrc(const std::string& name, const Tensor& tensor, uint32_t crc) {
  return Crc32c(tensor.raw(), tensor.bytes(), Crc32c(name.data(), name.size(), crc));
}

// The step in a checkpoint's name, or -1.
int64_t StepOf(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return -1;
  const std::string digits = name.substr(5, name.size() - 5 - 12);
  if (digits.empty() || digits.size() > 15 || digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(digits);
}

}  // namespace

std::vector<std::filesystem::path> RunCheckpoints::List() const {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (StepOf(entry.path()) >= 0) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) { return StepOf(a) > StepOf(b); });
  return paths;
}

void RunCheckpoints::Write(const ModelConfig& config, const RunState& state, Params& params, Params& m, Params& v,
                           int64_t keep) {
  std::filesystem::create_directories(folder_);
  Json json = {
      {"step", state.step}, {"tokens", state.tokens}, {"data", state.data.ToJson()}, {"config", state.fingerprint}};
  if (!state.extra.is_null()) json["extra"] = state.extra;
  if (!state.line.is_null()) json["line"] = state.line;
  if (!state.past.empty()) json["past"] = state.past.size();
  const std::string text = json.dump();
  uint32_t crc = Crc32c(text.data(), text.size());
  std::vector<Params> past = state.past;  // handles
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, tensor] : AllTensors(config, params, m, v, past)) {
    crc = AddToCrc(name, *tensor, crc);
    tensors.emplace_back(name, *tensor);
  }
  WriteSafetensors(folder_ / fmt::format("{}{:08d}{}", kPrefix, state.step, kSuffix), tensors,
                   {{"state", text}, {"crc32c", fmt::format("{:08x}", crc)}});

  std::error_code ignored;
  const std::vector<std::filesystem::path> paths = List();
  for (size_t i = static_cast<size_t>(keep); i < paths.size(); ++i) std::filesystem::remove(paths[i], ignored);
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    if (entry.path().filename().string().find(std::string(kSuffix) + ".tmp") != std::string::npos) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

RunState RunCheckpoints::Read(const std::filesystem::path& path, const ModelConfig& config, size_t sources,
                              Params& params, Params& m, Params& v) const {
  const std::string where = path.string();
  Metadata metadata;
  const TensorMap tensors = ReadSafetensors(path, &metadata);
  const std::string& text = metadata["state"];
  const Json json = ParseJson(text, where + ": state");
  RunState state;
  const auto past = JsonGetOr<int64_t>(json, "past", 0, where);
  for (int64_t i = 0; i < past && tensors.contains(fmt::format("past.{}.model.norm.weight", i)); ++i) {
    state.past.push_back(ZerosLike(config, params));
  }
  if (static_cast<int64_t>(state.past.size()) != past) throw Error("{}: earlier weights are missing", where);
  const Named targets = AllTensors(config, params, m, v, state.past);

  // Everything is checked before anything is copied.
  uint32_t crc = Crc32c(text.data(), text.size());
  for (const auto& [name, target] : targets) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw Error("{}: there is no tensor {}", where, name);
    if (found->second.dtype() != DType::kF32 || found->second.shape() != target->shape()) {
      throw Error("{}: {} should be F32 {}, but is {} {}", where, name, ShapeString(target->shape()),
                  DTypeName(found->second.dtype()), ShapeString(found->second.shape()));
    }
    crc = AddToCrc(name, found->second, crc);
  }
  if (metadata["crc32c"] != fmt::format("{:08x}", crc)) {
    throw Error("{}: the contents do not match their checksum", where);
  }
  state.step = JsonGet<int64_t>(json, "step", where);
  state.tokens = JsonGet<int64_t>(json, "tokens", where);
  if (!json.contains("data") || !json.contains("config")) throw Error("{}: the state is incomplete", where);
  state.data = DataState::FromJson(json["data"], sources, where);
  state.fingerprint = json["config"];
  if (json.contains("extra")) state.extra = json["extra"];
  if (json.contains("line")) state.line = json["line"];
  for (const auto& [name, target] : targets) {
    std::memcpy(target->raw(), tensors.at(name).raw(), target->bytes());
  }
  return state;
}

std::optional<RunState> RunCheckpoints::ReadNewest(const ModelConfig& config, size_t sources, Params& params, Params& m,
                                                   Params& v) {
  const std::vector<std::filesystem::path> paths = List();
  for (const auto& path : paths) {
    try {
      return Read(path, config, sources, params, m, v);
    } catch (const Error& e) {
      std::fprintf(stderr, "warning: skipping a damaged checkpoint: %s\n", e.what());
    }
  }
  if (!paths.empty()) throw Error("every checkpoint in {} is damaged", folder_.string());
  return std::nullopt;
}

}  // namespace fulgur
