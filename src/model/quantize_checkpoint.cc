#include "model/quantize_checkpoint.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/aligned.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/checkpoint_writer.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPanel = PackedMatrix::kPanelWidth;
constexpr size_t kBufferBytes = size_t{16} << 20;

bool IsAttention(const std::string& name) { return name.find(".self_attn.") != std::string::npos; }
bool IsRouter(const std::string& name) { return name.ends_with("moe.gate.weight"); }

// What a parameter becomes: packed in a format, or stays.
std::optional<WeightFormat> TargetFormat(const std::string& name, const Tensor& weight,
                                         const QuantizeOptions& options) {
  if (IsRouter(name)) return std::nullopt;
  if (name == "lm_head.weight") {
    return weight.dtype() == DType::kBF16 ? WeightFormat::kBf16 : WeightFormat::kF32;
  }
  return IsAttention(name) ? options.attention.value_or(options.type) : options.type;
}

// Index of the first element that is infinite or not a number, or -1.
int64_t FirstNotFinite(const Tensor& t) {
  const auto find = [&](const auto* bits, auto exponent) {
    for (int64_t i = 0; i < t.size(); ++i) {
      if ((bits[i] & exponent) == exponent) return i;
    }
    return int64_t{-1};
  };
  if (t.dtype() == DType::kF32) return find(reinterpret_cast<const uint32_t*>(t.raw()), uint32_t{0x7f800000});
  const uint16_t exponent = t.dtype() == DType::kBF16 ? 0x7f80 : 0x7c00;
  return find(reinterpret_cast<const uint16_t*>(t.raw()), exponent);
}

// Lets go of the pages of a tensor that views a mapped file: they are read again if they are used again.
void DropPages(const Tensor& t) {
  if (t.writable()) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<uintptr_t>(t.raw());
  const uintptr_t first = (begin + page - 1) / page * page, end = (begin + t.bytes()) / page * page;
  if (end > first) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

// Packs and gives away a few MiB of panels at a time.
void WritePacked(const std::string& name, const Tensor& weight, WeightFormat format, ExecContext& exec,
                 const Sink& sink) {
  const int64_t n = weight.dim(0), k = weight.dim(1), panels = PackedMatrix::Panels(n);
  const size_t panel_bytes = PackedMatrix::PanelBytes(format, k);
  const int64_t at_once = std::clamp<int64_t>(static_cast<int64_t>(kBufferBytes / panel_bytes), 1, panels);
  AlignedVector<std::byte> buffer(static_cast<size_t>(at_once) * panel_bytes);
  const size_t row_bytes = static_cast<size_t>(k) * DTypeSize(weight.dtype());
  for (int64_t first = 0; first < panels; first += at_once) {
    const int64_t count = std::min(at_once, panels - first);
    exec.pool().ParallelFor(count, [&](int64_t i, int) {
      const int64_t row = (first + i) * kPanel, rows = std::min(kPanel, n - row);
      const Tensor part(weight.dtype(), {rows, k}, weight.raw() + static_cast<size_t>(row) * row_bytes, nullptr);
      const int64_t bad = FirstNotFinite(part);
      if (bad >= 0) {
        throw Error("tensor \"{}\": element [{}, {}] is {}; a weight must be finite", name, row + bad / k, bad % k,
                    ElementAsFloat(part, bad));
      }
      PackedMatrix::PackPanel(part, format, 0, buffer.data() + static_cast<size_t>(i) * panel_bytes);
    });
    sink(buffer.data(), static_cast<size_t>(count) * panel_bytes);
  }
}

// Files beside the weights that a model needs to be used.
bool IsCompanion(const std::string& name) {
  return name.starts_with("tokenizer") || name.starts_with("chat_template") || name == "generation_config.json" ||
         name == "special_tokens_map.json" || name == "tasks.json" || name == "added_tokens.json" ||
         name == "vocab.json" || name == "merges.txt" || name.starts_with("LICENSE");
}

// Says which files the weights come from, as they are now: sizes and times of change.
std::string Fingerprint(const fs::path& source, const QuantizeOptions& options) {
  std::vector<std::string> files;
  for (const fs::directory_entry& file : fs::directory_iterator(source)) {
    const std::string name = file.path().filename().string();
    if (name != kConfigFile && name != kIndexFile && !name.ends_with(".safetensors")) continue;
    struct stat info;
    if (::stat(file.path().c_str(), &info) != 0) continue;
    files.push_back(fmt::format("{} {} {}.{}", name, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
  }
  std::sort(files.begin(), files.end());
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const std::string& file : files) {
    for (const char c : file + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  return fmt::format("{} {} {:016x}", WeightFormatName(options.type),
                     WeightFormatName(options.attention.value_or(options.type)), hash);
}

}  // namespace

void QuantizeCheckpoint(const fs::path& source, const fs::path& out, const QuantizeOptions& options, bool overwrite,
                        ExecContext& exec) {
  const ModelConfig config = ModelConfig::FromFile(source / kConfigFile);
  std::error_code ignored;
  if (fs::equivalent(source, out, ignored)) throw Error("{}: source and result are the same folder", out.string());
  if (!overwrite && fs::exists(out / kConfigFile)) {
    throw Error("{} holds a model already; remove it, or overwrite it with --force", out.string());
  }
  Params params = LoadParams(source, config);

  struct Part {
    std::string name;  // of the parameter
    const Tensor* tensor;
    std::optional<WeightFormat> format;
  };
  std::vector<Part> parts;
  std::vector<SafetensorsWriter::Entry> entries;
  CheckpointWriterOptions writer{
      .max_shard_bytes = options.max_shard_bytes, .progress = options.progress, .tensor_metadata = {}, .source = {}};
  VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape&) {
    if constexpr (std::is_same_v<T, Linear>) {
      if (!parameter.packed.empty()) {
        throw Error("{}: the weights are stored as {} already: quantize the model that they were made from",
                    source.string(), WeightFormatName(parameter.packed.format()));
      }
      const Tensor& weight = parameter.weight;
      const std::optional<WeightFormat> format = TargetFormat(name, weight, options);
      parts.push_back({name, &weight, format});
      if (format) {
        const std::string packed = PackedName(name, *format);
        entries.push_back({packed,
                           DType::kU8,
                           {PackedMatrix::Panels(weight.dim(0)),
                            static_cast<int64_t>(PackedMatrix::PanelBytes(*format, weight.dim(1)))}});
        writer.tensor_metadata[packed] = ShapeString(weight.shape());
        return;
      }
    } else {
      parts.push_back({name, &parameter, std::nullopt});
    }
    entries.push_back({name, parts.back().tensor->dtype(), parts.back().tensor->shape()});
  });
  writer.source = Fingerprint(source, options);

  fs::create_directories(out);
  uint64_t needed = 0;
  for (const SafetensorsWriter::Entry& entry : entries) needed += entry.bytes();
  for (const fs::directory_entry& file : fs::directory_iterator(out)) {  // what an earlier run has written already
    if (file.is_regular_file()) needed -= std::min<uint64_t>(needed, file.file_size());
  }
  const fs::space_info space = fs::space(out, ignored);
  if (!ignored && space.available < needed) {
    throw Error("{}: {} bytes more are needed, {} are free", out.string(), needed, space.available);
  }

  Json json = ParseJson(ReadFile(source / kConfigFile), (source / kConfigFile).string());
  json["quantization_config"] = {{"quant_method", "fulgur"},
                                 {"type", WeightFormatName(options.type)},
                                 {"attention_type", WeightFormatName(options.attention.value_or(options.type))},
                                 {"group_size", kDotGroup},
                                 {"panel_width", kPanel}};
  for (const fs::directory_entry& file : fs::directory_iterator(source)) {
    const std::string name = file.path().filename().string();
    if (file.is_regular_file() && IsCompanion(name)) WriteFileAtomic(out / name, ReadFile(file.path()));
  }
  WriteCheckpoint(out, json, entries, writer, [&](size_t i, const Sink& sink) {
    const Part& part = parts[i];
    if (part.format) {
      WritePacked(part.name, *part.tensor, *part.format, exec, sink);
    } else {
      sink(part.tensor->raw(), part.tensor->bytes());
    }
    DropPages(*part.tensor);
  });
}

}  // namespace fulgur
