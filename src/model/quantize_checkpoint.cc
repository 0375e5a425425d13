#include "model/quantize_checkpoint.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "base/aligned.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/checkpoint_writer.h"
#include "model/gguf_model.h"
#include "ops/coded_weights.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPanel = PackedMatrix::kPanelWidth;
constexpr size_t kBufferBytes = size_t{16} << 20;

bool IsRouter(const std::string& name) { return name.ends_with("moe.gate.weight"); }

// One parameter, and where its values come from.
struct Part {
  std::string name;
  Shape shape;
  DType dtype;  // in which it is kept, if it is not packed
  std::optional<WeightFormat> format = {};
  std::function<Tensor(int64_t first, int64_t count)> rows;  // of a float type; a vector is one row
  // The same rows as they lie in a mapped file; nothing if they do not.
  std::function<std::span<const std::byte>(int64_t first, int64_t count)> stored = {};
  bool keeps_blocks = false;  // the format takes these GGUF blocks as they are

  int64_t width() const { return shape.back(); }
  int64_t row_count() const { return NumElements(shape) / width(); }
};

// The format nearest to a GGUF type.
WeightFormat NearestFormat(GgufType type) {
  switch (type) {
    case GgufType::kF32:
      return WeightFormat::kF32;
    case GgufType::kF16:
    case GgufType::kBF16:
      return WeightFormat::kBf16;
    case GgufType::kQ5_0:
    case GgufType::kQ5_1:
    case GgufType::kQ5_K:
    case GgufType::kQ6_K:
    case GgufType::kQ8_0:
      return WeightFormat::kQ8;
    case GgufType::kQ4_0:
      return WeightFormat::kQ4;
    case GgufType::kQ4_1:
    case GgufType::kQ4_K:
    case GgufType::kIQ4_NL:
    case GgufType::kIQ4_XS:
      return WeightFormat::kQ4k;
    case GgufType::kQ3_K:
      return WeightFormat::kQ3;
    case GgufType::kQ2_K:
      return WeightFormat::kQ2;
  }
  return WeightFormat::kQ8;
}

// What a linear map becomes: packed in a format, or stays.
std::optional<WeightFormat> TargetFormat(const Part& part, const QuantizeOptions& options,
                                         std::optional<GgufType> source) {
  if (IsRouter(part.name)) return std::nullopt;
  if (part.name == "lm_head.weight") return part.dtype == DType::kBF16 ? WeightFormat::kBf16 : WeightFormat::kF32;
  const WeightFormat format = options.recipe ? options.recipe->Of(part.name) : NearestFormat(source.value());
  if (format == WeightFormat::kQ8 && source == GgufType::kQ8_0) return WeightFormat::kQ8F16;
  if (format == WeightFormat::kQ4 && source == GgufType::kQ4_0) return WeightFormat::kQ4F16;
  return format;
}

// What errors of a matrix are weighed by [K], or nullptr.
const float* ImportanceOf(const Part& part, const QuantizeOptions& options) {
  if (options.statistics == nullptr) return nullptr;
  const auto found = options.statistics->mean_squares.find(part.name);
  if (found == options.statistics->mean_squares.end()) {
    throw Error("the statistics of activations have nothing of \"{}\": they are of another model", part.name);
  }
  if (static_cast<int64_t>(found->second.size()) != part.width()) {
    throw Error("the statistics of activations have {} inputs of \"{}\", which has {}: they are of another model",
                found->second.size(), part.name, part.width());
  }
  return found->second.data();
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

// The first element that a coded format cannot reach, or -1.
int64_t FirstTooLarge(const Tensor& t) {
  for (int64_t i = 0; i < t.size(); ++i) {
    if (std::abs(ElementAsFloat(t, i)) > kLargestCodedWeight) return i;
  }
  return -1;
}

// Advises the system about the pages of a mapped file that hold these bytes: those that hold nothing else, or all.
void Advise(std::span<const std::byte> bytes, bool all, int advice) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (all ? begin : begin + page - 1) / page * page, end = (begin + bytes.size()) / page * page;
  if (end > first) ::madvise(reinterpret_cast<void*>(first), end - first, advice);
}
// They are read again if they are used again.
void DropPages(std::span<const std::byte> bytes) { Advise(bytes, false, MADV_DONTNEED); }
// So that the disk reads while the processor packs.
void ReadAhead(std::span<const std::byte> bytes) { Advise(bytes, true, MADV_WILLNEED); }

// The place of the first float16 scale of Q8_0 or Q4_0 blocks that is infinite or not a number, or -1.
int64_t FirstNotFinite(std::span<const std::byte> blocks, size_t block_bytes) {
  for (size_t at = 0; at < blocks.size(); at += block_bytes) {
    if ((std::to_integer<int>(blocks[at + 1]) & 0x7c) == 0x7c) return static_cast<int64_t>(at / block_bytes);
  }
  return -1;
}

// Squares of what packing changes, and of what it packs anew.
struct ErrorSums {
  double error = 0, values = 0;
};
ErrorSums ErrorOf(const Tensor& rows, WeightFormat format, const std::byte* panel) {
  const Shape shape{1, static_cast<int64_t>(PackedMatrix::PanelBytes(format, rows.dim(1)))};
  const Tensor packed =
      PackedMatrix(format, rows.dim(0), rows.dim(1), Tensor(DType::kU8, shape, panel, nullptr)).Unpack();
  const Tensor before = rows.ToF32();
  const float *from = before.f32(), *to = packed.f32();
  ErrorSums sums;
  for (int64_t i = 0; i < rows.size(); ++i) {
    const double x = from[i], difference = x - to[i];
    sums.error += difference * difference;
    sums.values += x * x;
  }
  return sums;
}

// One panel of a matrix whose blocks are kept.
void KeepPanel(const Part& part, int64_t row, int64_t count, std::byte* panel) {
  const int64_t k = part.width();
  const std::span<const std::byte> blocks = part.stored(row, count);
  const size_t block_bytes = blocks.size() / static_cast<size_t>(count * k / kDotGroup);
  const int64_t bad = FirstNotFinite(blocks, block_bytes);
  if (bad >= 0) {
    throw Error("tensor \"{}\": the scale of elements [{}, {}] and on is not finite", part.name,
                row + bad * kDotGroup / k, bad * kDotGroup % k);
  }
  PackedMatrix::PackGgufPanel(blocks, k, *part.format, panel);
}

void WritePacked(const Part& part, const QuantizeOptions& options, ExecContext& exec, const Sink& sink,
                 ErrorSums* sums) {
  const WeightFormat format = *part.format;
  const int64_t n = part.shape[0], k = part.shape[1], panels = PackedMatrix::Panels(n);
  const size_t panel_bytes = PackedMatrix::PanelBytes(format, k);
  const int64_t at_once = std::clamp<int64_t>(static_cast<int64_t>(kBufferBytes / panel_bytes), 1, panels);
  const float* const importance = part.name == "lm_head.weight" ? nullptr : ImportanceOf(part, options);
  AlignedVector<std::byte> buffer(static_cast<size_t>(at_once) * panel_bytes);
  for (int64_t first = 0; first < panels; first += at_once) {
    const int64_t count = std::min(at_once, panels - first);
    const int64_t next = std::min(n, (first + count) * kPanel);
    ReadAhead(part.stored(next, std::min(n - next, at_once * kPanel)));
    std::vector<ErrorSums> errors(static_cast<size_t>(count));
    exec.pool().ParallelFor(count, [&](int64_t i, int) {
      const int64_t row = (first + i) * kPanel, rows_here = std::min(kPanel, n - row);
      std::byte* const panel = buffer.data() + static_cast<size_t>(i) * panel_bytes;
      if (part.keeps_blocks) return KeepPanel(part, row, rows_here, panel);
      const Tensor rows = part.rows(row, rows_here);
      const int64_t bad = FirstNotFinite(rows);
      if (bad >= 0) {
        throw Error("tensor \"{}\": element [{}, {}] is {}; a weight must be finite", part.name, row + bad / k, bad % k,
                    ElementAsFloat(rows, bad));
      }
      if (const int64_t large = IsCoded(format) ? FirstTooLarge(rows) : -1; large >= 0) {
        throw Error("tensor \"{}\": element [{}, {}] is {}; {} holds weights up to {}", part.name, row + large / k,
                    large % k, ElementAsFloat(rows, large), WeightFormatName(format), kLargestCodedWeight);
      }
      PackedMatrix::PackPanel(rows, format, 0, panel, importance);
      if (sums != nullptr) errors[static_cast<size_t>(i)] = ErrorOf(rows, format, panel);
    });
    sink(buffer.data(), static_cast<size_t>(count) * panel_bytes);
    for (const ErrorSums& e : errors) {
      if (sums != nullptr) *sums = {sums->error + e.error, sums->values + e.values};
    }
  }
}

void WriteKept(const Part& part, const Sink& sink) {
  const int64_t row_bytes = part.width() * static_cast<int64_t>(DTypeSize(part.dtype));
  const int64_t at_once = std::max<int64_t>(1, static_cast<int64_t>(kBufferBytes) / row_bytes);
  for (int64_t row = 0; row < part.row_count(); row += at_once) {
    const Tensor rows = part.rows(row, std::min(at_once, part.row_count() - row));
    const Tensor kept = rows.dtype() == part.dtype ? rows : rows.To(part.dtype);
    sink(kept.raw(), kept.bytes());
  }
}

// Files beside the weights that a model needs to be used.
bool IsCompanion(const std::string& name) {
  return name.starts_with("tokenizer") || name.starts_with("chat_template") || name == "generation_config.json" ||
         name == "special_tokens_map.json" || name == "tasks.json" || name == "added_tokens.json" ||
         name == "vocab.json" || name == "merges.txt" || name.starts_with("LICENSE");
}

// A name that ends so is one even where nothing of that name is: the error then is about the file.
bool IsGguf(const fs::path& source) { return source.extension() == ".gguf" || fs::is_regular_file(source); }

std::string RecipeText(const std::optional<WeightRecipe>& recipe) {
  if (!recipe) return "nearest";
  return fmt::format("{} {} {}", WeightFormatName(recipe->type), WeightFormatName(recipe->down_type()),
                     WeightFormatName(recipe->attention_type()));
}

// Says which files the weights come from, as they are now: sizes and times of change.
std::string Fingerprint(const fs::path& source, const QuantizeOptions& options) {
  std::vector<std::string> files;
  const bool gguf = IsGguf(source);
  const fs::path folder = !gguf ? source : source.has_parent_path() ? source.parent_path() : fs::path(".");
  for (const fs::directory_entry& file : fs::directory_iterator(folder)) {
    const std::string name = file.path().filename().string();
    if (gguf ? !name.ends_with(".gguf")
             : name != kConfigFile && name != kIndexFile && !name.ends_with(".safetensors")) {
      continue;
    }
    struct stat info;
    if (::stat(file.path().c_str(), &info) != 0) continue;
    files.push_back(fmt::format("{} {} {}.{}", name, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
  }
  std::sort(files.begin(), files.end());
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const std::string& file : files) {
    for (const char c : file + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  return fmt::format("{} {}{:016x} {:016x}", RecipeText(options.recipe), gguf ? source.filename().string() + " " : "",
                     hash, options.statistics == nullptr ? 0 : options.statistics->hash());
}

// The parameters of a model folder. `params` has to outlive them.
std::vector<Part> PartsOfFolder(const fs::path& source, const ModelConfig& config, Params& params,
                                const QuantizeOptions& options) {
  std::vector<Part> parts;
  VisitParameters(config, params, [&]<typename T>(const std::string& name, T& parameter, const Shape& shape) {
    constexpr bool kLinear = std::is_same_v<T, Linear>;
    const Tensor* weight = nullptr;
    if constexpr (kLinear) {
      if (!parameter.packed.empty()) {
        throw Error("{}: the weights are stored as {} already: quantize the model that they were made from",
                    source.string(), WeightFormatName(parameter.packed.format()));
      }
      weight = &parameter.weight;
    } else {
      weight = &parameter;
    }
    Part part{.name = name, .shape = shape, .dtype = weight->dtype(), .rows = {}};
    part.rows = [weight](int64_t first, int64_t count) {
      const int64_t width = weight->shape().back();
      return Tensor(weight->dtype(), weight->shape().size() == 1 ? Shape{width} : Shape{count, width},
                    weight->raw() + static_cast<size_t>(first * width) * DTypeSize(weight->dtype()), nullptr);
    };
    part.stored = [weight](int64_t first, int64_t count) {
      const size_t row_bytes = static_cast<size_t>(weight->shape().back()) * DTypeSize(weight->dtype());
      if (weight->writable()) return std::span<const std::byte>();
      return std::span(weight->raw() + static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes);
    };
    if (kLinear) part.format = TargetFormat(part, options, std::nullopt);
    parts.push_back(std::move(part));
  });
  return parts;
}

// Those of a GGUF file. What is stored exactly there (floats, and types whose values float32 has) is kept exactly; a
// matrix of any other type that is not packed becomes bf16, which changes it less than its own type did.
std::vector<Part> PartsOfGguf(const GgufFile& file, const ModelConfig& config, const QuantizeOptions& options) {
  std::vector<Part> parts;
  Params names;
  VisitParameters(config, names, [&]<typename T>(const std::string& name, T&, const Shape& shape) {
    const GgufRows rows = RowsFromGguf(file, name, shape);
    Part part{.name = name, .shape = shape, .dtype = DType::kBF16, .rows = {}};
    if (rows.type == GgufType::kF16) part.dtype = DType::kF16;
    if (rows.type == GgufType::kF32 || rows.type == GgufType::kQ8_0 || rows.type == GgufType::kQ4_0) {
      part.dtype = DType::kF32;
    }
    part.rows = [rows](int64_t first, int64_t count) { return rows.Rows(first, count); };
    part.stored = [rows](int64_t first, int64_t count) { return rows.Blocks(first, count); };
    if (std::is_same_v<T, Linear>) part.format = TargetFormat(part, options, rows.type);
    part.keeps_blocks = part.format == WeightFormat::kQ8F16 || part.format == WeightFormat::kQ4F16;
    parts.push_back(std::move(part));
  });
  return parts;
}

}  // namespace

QuantizeReport QuantizeCheckpoint(const fs::path& source, const fs::path& out, const QuantizeOptions& options,
                                  bool overwrite, ExecContext& exec) {
  std::error_code ignored;
  if (fs::equivalent(source, out, ignored)) throw Error("{}: source and result are the same folder", out.string());
  FULGUR_CHECK(options.recipe || IsGguf(source));
  const std::unique_ptr<const GgufFile> gguf = IsGguf(source) ? std::make_unique<GgufFile>(source) : nullptr;
  const ModelConfig config = gguf ? ConfigFromGguf(*gguf) : ModelConfig::FromFile(source / kConfigFile);
  if (!overwrite && fs::exists(out / kConfigFile)) {
    throw Error("{} holds a model already; remove it, or overwrite it with --force", out.string());
  }
  Params params;
  if (!gguf) params = LoadParams(source, config);
  const std::vector<Part> parts =
      gguf ? PartsOfGguf(*gguf, config, options) : PartsOfFolder(source, config, params, options);

  std::vector<SafetensorsWriter::Entry> entries;
  CheckpointWriterOptions writer{
      .max_shard_bytes = options.max_shard_bytes, .progress = options.progress, .tensor_metadata = {}, .source = {}};
  for (const Part& part : parts) {
    if (!part.format) {
      entries.push_back({part.name, part.dtype, part.shape});
      continue;
    }
    const std::string packed = PackedName(part.name, *part.format);
    entries.push_back({packed,
                       DType::kU8,
                       {PackedMatrix::Panels(part.shape[0]),
                        static_cast<int64_t>(PackedMatrix::PanelBytes(*part.format, part.shape[1]))}});
    writer.tensor_metadata[packed] = ShapeString(part.shape);
  }
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

  Json json = gguf ? config.ToJson() : ParseJson(ReadFile(source / kConfigFile), (source / kConfigFile).string());
  json["quantization_config"] = {{"quant_method", "fulgur"},
                                 {"type", options.recipe ? WeightFormatName(options.recipe->type) : "nearest"},
                                 {"group_size", kDotGroup},
                                 {"panel_width", kPanel}};
  if (options.recipe) {
    json["quantization_config"]["attention_type"] = WeightFormatName(options.recipe->attention_type());
    json["quantization_config"]["down_type"] = WeightFormatName(options.recipe->down_type());
  }
  if (!gguf) {
    for (const fs::directory_entry& file : fs::directory_iterator(source)) {
      const std::string name = file.path().filename().string();
      if (file.is_regular_file() && IsCompanion(name)) WriteFileAtomic(out / name, ReadFile(file.path()));
    }
  }
  ErrorSums sums;
  WriteCheckpoint(out, json, entries, writer, [&](size_t i, const Sink& sink) {
    if (i + 1 < parts.size()) {
      const std::span<const std::byte> next = parts[i + 1].stored(0, parts[i + 1].row_count());
      ReadAhead(next.first(std::min(next.size(), 2 * kBufferBytes)));
    }
    if (parts[i].format) {
      WritePacked(parts[i], options, exec, sink, gguf && parts[i].format != WeightFormat::kF32 ? &sums : nullptr);
    } else {
      WriteKept(parts[i], sink);
    }
    DropPages(parts[i].stored(0, parts[i].row_count()));
  });
  if (!gguf) return {};
  return {sums.values > 0 ? std::sqrt(sums.error / sums.values) : 0.0};
}

}  // namespace fulgur
