#include "model/checkpoint.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/checkpoint_writer.h"
#include "ops/exec_context.h"
#include "tensor/random.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

struct StoredTensor {
  Tensor tensor;
  std::string file;   // path, for messages
  std::string shape;  // of the matrix, if the file's metadata gives it: packed weights
};
using StoredTensors = std::map<std::string, StoredTensor>;

// Calls f(name, stored tensor) for all of a file.
template <typename F>
void ForEachStored(const fs::path& path, F&& f) {
  Metadata metadata;
  for (auto& [name, tensor] : ReadSafetensors(path, &metadata)) {
    const auto shape = metadata.find(name);
    f(name, StoredTensor{std::move(tensor), path.string(), shape == metadata.end() ? "" : shape->second});
  }
}

// All tensors of the folder, each from the file that the index names for it.
StoredTensors ReadAllTensors(const fs::path& dir) {
  const std::optional<WeightIndex> index = ReadWeightIndex(dir);
  StoredTensors stored;
  if (!index) {
    const fs::path path = dir / kSingleFile;
    if (!fs::exists(path)) {
      throw Error("{}: no weights: expected {} or {}", dir.string(), kSingleFile, kIndexFile);
    }
    ForEachStored(path, [&](const std::string& name, StoredTensor tensor) { stored[name] = std::move(tensor); });
    return stored;
  }

  const std::string index_path = (dir / kIndexFile).string();
  std::map<std::string, std::string> files;  // file -> the first tensor it is named for
  for (const auto& [name, file] : index->weight_map) files.emplace(file, name);
  if (!files.contains(kSingleFile) && fs::exists(dir / kSingleFile)) {
    throw Error("{}: has both {} and {}, which does not name it: remove the one that is stale", dir.string(),
                kSingleFile, kIndexFile);
  }
  for (const auto& [file, first_name] : files) {
    if (!fs::exists(dir / file)) {
      throw Error("{}: the file is missing; {} names it for tensor \"{}\"", (dir / file).string(), index_path,
                  first_name);
    }
  }
  for (const auto& [file, first_name] : files) {
    const fs::path path = dir / file;
    ForEachStored(path, [&, &file = file](const std::string& name, StoredTensor tensor) {
      const auto mapped = index->weight_map.find(name);
      if (mapped == index->weight_map.end()) {
        if (IsDerivedTensor(name)) return;
        throw Error("{}: extra tensor \"{}\" {} {}, which the weight_map of {} does not name", path.string(), name,
                    DTypeName(tensor.tensor.dtype()), ShapeString(tensor.tensor.shape()), index_path);
      }
      if (mapped->second != file) {
        throw Error("{}: tensor \"{}\" is here, but the weight_map of {} says it is in {}", path.string(), name,
                    index_path, mapped->second);
      }
      stored[name] = std::move(tensor);
    });
  }
  for (const auto& [name, file] : index->weight_map) {
    if (!stored.contains(name)) {
      throw Error("{}: tensor \"{}\" is missing; the weight_map of {} says it is in this file", (dir / file).string(),
                  name, index_path);
    }
  }
  return stored;
}

void CheckTensor(const StoredTensor& stored, const std::string& name, const Shape& expected) {
  const Tensor& t = stored.tensor;
  if (!IsFloat(t.dtype())) {
    throw Error("{}: tensor \"{}\" is {}; expected F32, F16 or BF16", stored.file, name, DTypeName(t.dtype()));
  }
  if (t.shape() != expected) {
    throw Error("{}: tensor \"{}\" has shape {}; expected {}", stored.file, name, ShapeString(t.shape()),
                ShapeString(expected));
  }
}

// Takes parameters out of the stored tensors, under the published names or under transformers'.
class ParameterSource {
 public:
  ParameterSource(StoredTensors stored, const ModelConfig& config) : stored_(std::move(stored)), config_(config) {}

  // Empty if it is not there.
  Tensor Take(const std::string& name, Shape shape) {
    const auto it = stored_.find(name);
    AdoptSharedWidth(name, it == stored_.end() ? Shape() : it->second.tensor.shape(), shape);
    if (it != stored_.end()) {
      CheckTensor(it->second, name, shape);
      used_.insert(name);
      return it->second.tensor;
    }
    constexpr const char* kMoe = "block_sparse_moe.";
    const size_t moe = name.find(kMoe);
    if (moe == std::string::npos) return {};
    const std::string layer = name.substr(0, moe) + "mlp.", rest = name.substr(moe + std::string(kMoe).size());
    if (rest == "gate.weight") return TakeSlice(layer + rest, shape, shape, 0);
    const int64_t C = config_.hidden_size, I = config_.intermediate_size, E = config_.num_local_experts;
    const int64_t expert = std::stoll(rest.substr(std::string("experts.").size()));
    if (rest.ends_with(".w2.weight")) return TakeSlice(layer + "experts.down_proj", {E, C, I}, shape, expert * C * I);
    const int64_t half = rest.ends_with(".w3.weight") ? 1 : 0;  // gate (w1) rows first, then up (w3)
    return TakeSlice(layer + "experts.gate_up_proj", {E, 2 * I, C}, shape, (2 * expert + half) * I * C);
  }

  // The same for a linear map, packed in any format; empty if it is not there.
  PackedMatrix TakePacked(const std::string& name, Shape shape) {
    for (const WeightFormat format : kAllWeightFormats) {
      const std::string packed_name = PackedName(name, format);
      const auto it = stored_.find(packed_name);
      if (it == stored_.end()) continue;
      const StoredTensor& stored = it->second;
      const std::string where = fmt::format("{}: tensor \"{}\"", stored.file, packed_name);
      Shape actual;
      try {
        for (const Json& dim : ParseJson(stored.shape, where)) actual.push_back(dim.get<int64_t>());
      } catch (const std::exception&) {
        throw Error("{}: the file's metadata must give the shape of the matrix that it packs, as \"[N, K]\"", where);
      }
      AdoptSharedWidth(name, actual, shape);
      if (actual != shape) {
        throw Error("{} packs a matrix {}; expected {}", where, ShapeString(actual), ShapeString(shape));
      }
      used_.insert(packed_name);
      try {
        return PackedMatrix(format, shape[0], shape[1], stored.tensor);
      } catch (const Error& e) {
        throw Error("{}: {}", where, e.what());
      }
    }
    return {};
  }

  // The first stored tensor that is no parameter, if any.
  const StoredTensors::value_type* Extra() const {
    for (const auto& entry : stored_) {
      if (!used_.contains(entry.first) && !IsDerivedTensor(entry.first)) return &entry;
    }
    return nullptr;
  }

 private:
  Tensor TakeSlice(const std::string& name, const Shape& whole, const Shape& part, int64_t offset) {
    const auto it = stored_.find(name);
    if (it == stored_.end()) return {};
    CheckTensor(it->second, name, whole);
    used_.insert(name);
    const auto owner = std::make_shared<const Tensor>(it->second.tensor);
    return Tensor(owner->dtype(), part, owner->raw() + static_cast<size_t>(offset) * DTypeSize(owner->dtype()), owner);
  }

  // The shared expert is as wide as its gate_proj is; up_proj and down_proj must agree.
  void AdoptSharedWidth(const std::string& name, const Shape& stored, Shape& shape) {
    if (name.ends_with("shared_mlp.gate_proj.weight")) {
      if (stored.size() == 2 && stored[0] > 0) shape[0] = stored[0];
      shared_width_ = shape[0];
    } else if (name.ends_with("shared_mlp.up_proj.weight")) {
      shape[0] = shared_width_;
    } else if (name.ends_with("shared_mlp.down_proj.weight")) {
      shape[1] = shared_width_;
    }
  }

  StoredTensors stored_;
  const ModelConfig& config_;
  std::set<std::string> used_;
  int64_t shared_width_ = 0;
};

using Entry = SafetensorsWriter::Entry;

// config.json of a checkpoint, and how it is written.
Json ConfigJson(const ModelConfig& config, const SaveOptions& options) {
  FULGUR_CHECK(options.dtype == DType::kF32 || options.dtype == DType::kBF16);
  Json json = config.ToJson();
  json["torch_dtype"] = options.dtype == DType::kBF16 ? "bfloat16" : "float32";
  return json;
}
CheckpointWriterOptions WriterOptions(const SaveOptions& options) {
  return {
      .max_shard_bytes = options.max_shard_bytes, .progress = options.progress, .tensor_metadata = {}, .source = {}};
}

DType SavedDType(const std::string& name, const SaveOptions& options) {
  return options.keep_small_f32 && IsSmallTensor(name) ? DType::kF32 : options.dtype;
}

// ---- Random weights ----

// Writes elements [begin, begin + n) of the random tensor `name` to `out`, of type `dtype`. begin: a multiple of
// kRandomBlock.
void FillRandom(const ModelConfig& config, uint64_t seed, const std::string& name, DType dtype, int64_t begin,
                int64_t n, std::byte* out, ExecContext& exec) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  const uint64_t key = Mix(seed, hash);
  const bool norm = name.ends_with("norm.weight");
  constexpr int64_t kPiece = 16 * kRandomBlock;
  exec.pool().ParallelFor((n + kPiece - 1) / kPiece, [&](int64_t piece, int) {
    const int64_t first = piece * kPiece, count = std::min(kPiece, n - first);
    Scratch scratch(exec.scratch());
    const std::span<float> values(scratch.Take<float>(count), static_cast<size_t>(count));
    if (norm) {
      std::fill(values.begin(), values.end(), 1.0f);
    } else {
      FillNormal(key, begin + first, config.initializer_range, values);
    }
    if (dtype == DType::kF32) {
      std::copy(values.begin(), values.end(), reinterpret_cast<float*>(out) + first);
    } else {
      std::transform(values.begin(), values.end(), reinterpret_cast<bf16*>(out) + first, ToBf16);
    }
  });
}

}  // namespace

WeightIndex ParseWeightIndex(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw Error("{}: expected an object with a \"weight_map\" from tensor names to file names", where);
  }
  WeightIndex index;
  for (const auto& [name, value] : json["weight_map"].items()) {
    if (!value.is_string()) throw Error("{}: weight_map \"{}\" must be a file name", where, name);
    const std::string file = value.get<std::string>();
    // Nothing outside the folder, however it is spelt.
    if (file.empty() || file == "." || file == ".." || file.find_first_of(std::string_view("/\\\0", 3)) != file.npos) {
      throw Error("{}: weight_map \"{}\" must be a plain file name in the same folder, found \"{}\"", where, name,
                  file);
    }
    index.weight_map.emplace(name, file);
  }
  if (index.weight_map.empty()) throw Error("{}: weight_map names no tensor", where);
  if (json.contains("metadata") && json["metadata"].is_object() && json["metadata"].contains("total_size")) {
    const Json& size = json["metadata"]["total_size"];
    if (!size.is_number() || !(size.get<double>() >= 0) || !(size.get<double>() < 0x1p62)) {
      throw Error("{}: metadata.total_size must be a number of bytes", where);
    }
    index.total_size = size.is_number_integer() ? size.get<int64_t>() : static_cast<int64_t>(size.get<double>());
  }
  return index;
}

std::optional<WeightIndex> ReadWeightIndex(const fs::path& dir) {
  const fs::path path = dir / kIndexFile;
  if (!fs::exists(path)) return std::nullopt;
  return ParseWeightIndex(ReadFile(path), path.string());
}

std::vector<std::pair<std::string, Shape>> ExpectedTensors(const ModelConfig& config) {
  Params params;
  std::vector<std::pair<std::string, Shape>> expected;
  ForEachParameter(config, params,
                   [&](const std::string& name, Tensor&, const Shape& shape) { expected.emplace_back(name, shape); });
  return expected;
}

bool IsDerivedTensor(const std::string& name) {
  for (const char* suffix : {"rotary_emb.inv_freq", "self_attn.slope_rate", "self_attn.query_decay",
                             "self_attn.key_decay", "self_attn.diagonal_decay"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

std::string PackedName(const std::string& name, WeightFormat format) { return name + "." + WeightFormatName(format); }

bool IsSmallTensor(const std::string& name) {
  return name.ends_with("norm.weight") || name.ends_with("moe.gate.weight") || name.ends_with("coefficient.weight");
}

Params LoadParams(const fs::path& dir, const ModelConfig& config) {
  ParameterSource source(ReadAllTensors(dir), config);
  Params params;
  std::string first_missing;
  int64_t missing = 0;
  VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
    bool found = false;
    if constexpr (std::is_same_v<T, Linear>) {
      parameter.packed = source.TakePacked(name, shape);
      if (parameter.packed.empty()) parameter.weight = source.Take(name, shape);
      found = !parameter.packed.empty() || !parameter.weight.empty();
    } else {
      parameter = source.Take(name, shape);
      found = !parameter.empty();
    }
    if (!found && missing++ == 0) first_missing = fmt::format("\"{}\" {}", name, ShapeString(shape));
  });
  if (missing > 0) {
    throw Error("{}: tensor {} is missing{}", dir.string(), first_missing,
                missing > 1 ? fmt::format(" (and {} more that the config asks for)", missing - 1) : "");
  }
  if (const auto* extra = source.Extra()) {
    throw Error("{}: extra tensor \"{}\" {} {}: the config has no parameter of this name", extra->second.file,
                extra->first, DTypeName(extra->second.tensor.dtype()), ShapeString(extra->second.tensor.shape()));
  }
  return params;
}

void SaveCheckpoint(const fs::path& dir, const ModelConfig& config, Params& params, const SaveOptions& options) {
  std::vector<Entry> entries;
  std::vector<const Tensor*> tensors;
  ForEachParameter(config, params, [&](const std::string& name, Tensor& tensor, const Shape&) {
    FULGUR_CHECK(!tensor.empty(), "the weights of {} were dropped", name);
    entries.push_back({name, SavedDType(name, options), tensor.shape()});
    tensors.push_back(&tensor);
  });
  WriteCheckpoint(dir, ConfigJson(config, options), entries, WriterOptions(options), [&](size_t i, const Sink& sink) {
    const Tensor converted = tensors[i]->dtype() == entries[i].dtype ? *tensors[i] : tensors[i]->To(entries[i].dtype);
    sink(converted.raw(), converted.bytes());
  });
}

Params RandomParams(const ModelConfig& config, uint64_t seed, DType dtype) {
  FULGUR_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
  ExecContext exec;
  SaveOptions options;
  options.dtype = dtype;
  Params params;
  ForEachParameter(config, params, [&](const std::string& name, Tensor& tensor, const Shape& shape) {
    tensor = Tensor(SavedDType(name, options), shape);
    FillRandom(config, seed, name, tensor.dtype(), 0, tensor.size(), tensor.raw(), exec);
  });
  return params;
}

void WriteRandomCheckpoint(const fs::path& dir, const ModelConfig& config, uint64_t seed, const SaveOptions& options) {
  std::vector<Entry> entries;
  for (const auto& [name, shape] : ExpectedTensors(config)) entries.push_back({name, SavedDType(name, options), shape});
  ExecContext exec;
  constexpr int64_t kChunk = 4096 * kRandomBlock;  // elements made at a time
  WriteCheckpoint(dir, ConfigJson(config, options), entries, WriterOptions(options), [&](size_t i, const Sink& sink) {
    const Entry& entry = entries[i];
    const int64_t size = NumElements(entry.shape);
    Tensor chunk(entry.dtype, {std::min(size, kChunk)});
    for (int64_t begin = 0; begin < size; begin += kChunk) {
      const int64_t n = std::min(kChunk, size - begin);
      FillRandom(config, seed, entry.name, entry.dtype, begin, n, chunk.raw(), exec);
      sink(chunk.raw(), static_cast<size_t>(n) * DTypeSize(entry.dtype));
    }
  });
}

}  // namespace fulgur
