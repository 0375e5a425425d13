#include "tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/json.h"

namespace fulgur {
namespace {

// The format's own limit; also bounds what a lying length can make us allocate.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and used in place");

std::optional<DType> DTypeFromName(const std::string& name) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI64, DType::kU8}) {
    if (name == DTypeName(dtype)) return dtype;
  }
  return std::nullopt;
}

std::string Short(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin, end;
};

// A list of non-negative integers.
std::vector<uint64_t> Integers(const Json& object, const char* key, const std::string& what) {
  const auto it = object.find(key);
  if (it == object.end()) throw Error("{}: the key \"{}\" is missing", what, key);
  std::vector<uint64_t> values;
  bool good = it->is_array();
  if (good) {
    for (const Json& value : *it) {
      good = good && value.is_number_unsigned();
      if (!good) break;
      values.push_back(value.get<uint64_t>());
    }
  }
  if (!good) throw Error("{}: \"{}\" must be a list of non-negative integers, found {}", what, key, Short(*it));
  return values;
}

Entry ParseEntry(const std::string& name, const Json& value, const std::string& where) {
  const std::string what = fmt::format("{}: tensor \"{}\"", where, name);
  if (!value.is_object()) {
    throw Error("{}: expected an object with dtype, shape and data_offsets, found {}", what, Short(value));
  }
  if (!value.contains("dtype") || !value["dtype"].is_string())
    throw Error("{}: the key \"dtype\" must be a string", what);
  const std::string dtype_name = value["dtype"].get<std::string>();
  const std::optional<DType> dtype = DTypeFromName(dtype_name);
  if (!dtype) throw Error("{}: unsupported dtype \"{}\"; supported are F32, F16, BF16, I64, U8", what, dtype_name);

  Entry entry{name, *dtype, {}, 0, 0};
  uint64_t elements = 1;
  bool zero = false, overflow = false;
  for (const uint64_t dim : Integers(value, "shape", what)) {
    overflow = overflow || dim > INT64_MAX;
    entry.shape.push_back(static_cast<int64_t>(dim));
    if (dim == 0) {
      zero = true;
    } else {
      overflow = overflow || __builtin_mul_overflow(elements, dim, &elements);
    }
  }
  uint64_t bytes;
  overflow = overflow || __builtin_mul_overflow(elements, uint64_t{DTypeSize(*dtype)}, &bytes) || bytes > INT64_MAX;
  if (overflow) throw Error("{}: shape {} is too large: its size overflows", what, Short(value["shape"]));
  if (zero) bytes = 0;

  const std::vector<uint64_t> offsets = Integers(value, "data_offsets", what);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    throw Error("{}: data_offsets must be [begin, end] with begin <= end, found {}", what,
                Short(value["data_offsets"]));
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.end - entry.begin != bytes) {
    throw Error("{}: {} {} takes {} bytes, but its data_offsets [{}, {}] span {}", what, dtype_name,
                ShapeString(entry.shape), bytes, entry.begin, entry.end, entry.end - entry.begin);
  }
  return entry;
}

// Sorted by position, the tensors must tile [0, size): no overlap, no hole, nothing past the end, nothing left over.
void CheckLayout(std::vector<Entry>& entries, uint64_t size, const std::string& where) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t end = 0;
  const Entry* previous = nullptr;
  for (const Entry& entry : entries) {
    if (entry.end > size) {
      throw Error("{}: tensor \"{}\" ends at byte {} of the data, but the file has only {}: truncated?", where,
                  entry.name, entry.end, size);
    }
    if (entry.begin < end) {
      throw Error("{}: tensor \"{}\" at bytes [{}, {}] overlaps \"{}\", which ends at {}", where, entry.name,
                  entry.begin, entry.end, previous->name, end);
    }
    if (entry.begin > end) {
      throw Error("{}: hole in the data: tensor \"{}\" begins at byte {}, expected {}", where, entry.name, entry.begin,
                  end);
    }
    end = entry.end;
    previous = &entry;
  }
  if (end != size) {
    throw Error("{}: {} bytes of data belong to no tensor: the tensors end at byte {}, the file's data at {}", where,
                size - end, end, size);
  }
}

}  // namespace

TensorMap ParseSafetensors(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const std::string& where, Metadata* metadata) {
  uint64_t header_bytes;
  if (bytes.size() < sizeof header_bytes) {
    throw Error("{}: not a safetensors file: {} bytes, expected at least 8", where, bytes.size());
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes = bytes.subspan(sizeof header_bytes);
  if (header_bytes > bytes.size()) {
    throw Error(
        "{}: the header's length is given as {} bytes, but only {} follow: truncated, or not a safetensors file", where,
        header_bytes, bytes.size());
  }
  if (header_bytes > kMaxHeaderBytes) {
    throw Error("{}: the header's length is given as {} bytes; the format's limit is {}", where, header_bytes,
                kMaxHeaderBytes);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), header_bytes);
  if (!text.starts_with('{')) throw Error("{}: not a safetensors file: the header must begin with '{{'", where);
  const Json header = ParseJson(text, where + " (header)");
  bytes = bytes.subspan(header_bytes);

  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(ParseEntry(name, value, where));
      continue;
    }
    if (!value.is_object()) throw Error("{}: __metadata__ must be an object of strings, found {}", where, Short(value));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) throw Error("{}: __metadata__ \"{}\" must be a string, found {}", where, key, Short(text));
      if (metadata != nullptr) (*metadata)[key] = text.get<std::string>();
    }
  }
  CheckLayout(entries, bytes.size(), where);

  TensorMap tensors;
  for (Entry& entry : entries) {
    const std::byte* data = bytes.data() + entry.begin;
    if (reinterpret_cast<uintptr_t>(data) % DTypeSize(entry.dtype) == 0) {
      tensors.emplace(std::move(entry.name), Tensor(entry.dtype, std::move(entry.shape), data, owner));
    } else {
      Tensor copy(entry.dtype, std::move(entry.shape));
      std::memcpy(copy.raw(), data, copy.bytes());
      tensors.emplace(std::move(entry.name), std::move(copy));
    }
  }
  return tensors;
}

TensorMap ReadSafetensors(const std::filesystem::path& path, Metadata* metadata) {
  const auto file = std::make_shared<const MappedFile>(path);
  return ParseSafetensors(file->bytes(), file, path.string(), metadata);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, const std::vector<Entry>& entries,
                                     const Metadata& metadata)
    : file_(path) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const Entry& entry : entries) {
    FULGUR_CHECK(!header.contains(entry.name), "tensor {} twice", entry.name);
    header[entry.name] = {{"dtype", DTypeName(entry.dtype)},
                          {"shape", entry.shape},
                          {"data_offsets", {remaining_, remaining_ + entry.bytes()}}};
    remaining_ += entry.bytes();
  }
  std::string text = header.dump();
  // Data begins at a cache line of the mapped file.
  text.resize((sizeof(uint64_t) + text.size() + 63) / 64 * 64 - sizeof(uint64_t), ' ');
  const uint64_t size = text.size();
  file_.Write(&size, sizeof size);
  file_.Write(text);
}

void SafetensorsWriter::Write(const void* data, size_t bytes) {
  FULGUR_CHECK(bytes <= remaining_, "{} bytes beyond the last tensor", bytes - remaining_);
  file_.Write(data, bytes);
  remaining_ -= bytes;
}

void SafetensorsWriter::Commit() {
  FULGUR_CHECK(remaining_ == 0, "{} bytes of tensors not written", remaining_);
  file_.Commit();
}

void WriteSafetensors(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const Metadata& metadata) {
  std::vector<SafetensorsWriter::Entry> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter writer(path, entries, metadata);
  for (const auto& [name, tensor] : tensors) writer.Write(tensor.raw(), tensor.bytes());
  writer.Commit();
}

}  // namespace fulgur
