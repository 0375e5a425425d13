#include "tensor/gguf.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <limits>
#include <optional>

#include "base/error.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint32_t kMaxDimensions = 4;
constexpr int kMaxDepth = 8;  // of lists in lists

// The types of metadata values, by their numbers in files.
enum ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kList = 9,
  kU64 = 10,
  kI64 = 11,
  kFloat64 = 12,
};

// Least bytes that a value takes.
uint64_t LeastBytes(uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool:
      return 1;
    case kU16:
    case kI16:
      return 2;
    case kU32:
    case kI32:
    case kFloat32:
      return 4;
    case kU64:
    case kI64:
    case kFloat64:
    case kString:
      return 8;
    case kList:
      return 12;
    default:
      return 0;
  }
}

// A place in a file. Reading past the end is an Error that names what was being read and the offset.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  size_t offset() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  const std::string& where() const { return where_; }

  std::string_view Bytes(uint64_t n, const std::string& what) {
    if (n > left()) {
      throw Error("{}: {} at offset {} needs {} bytes, but the file ends after {}", where_, what, at_, n, left());
    }
    const std::string_view view(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<size_t>(n));
    at_ += static_cast<size_t>(n);
    return view;
  }
  template <typename T>
  T Number(const std::string& what) {
    T value;
    std::memcpy(&value, Bytes(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string String(const std::string& what) {
    const uint64_t length = Number<uint64_t>(what + "'s length");
    return std::string(Bytes(length, what));
  }
  // How many of something that takes at least `least` bytes each.
  uint64_t Count(const std::string& what, uint64_t least) {
    const size_t at = at_;
    const uint64_t count = Number<uint64_t>(what);
    if (count > left() / least) {
      throw Error("{}: {} at offset {} is {}, more than the {} bytes that follow can hold", where_, what, at, count,
                  left());
    }
    return count;
  }

  Json Value(uint32_t type, const std::string& what, int depth = 0) {
    switch (type) {
      case kU8:
        return Number<uint8_t>(what);
      case kI8:
        return Number<int8_t>(what);
      case kU16:
        return Number<uint16_t>(what);
      case kI16:
        return Number<int16_t>(what);
      case kU32:
        return Number<uint32_t>(what);
      case kI32:
        return Number<int32_t>(what);
      case kFloat32:
        return Number<float>(what);
      case kBool:
        return Number<uint8_t>(what) != 0;
      case kString:
        return String(what);
      case kU64:
        return Number<uint64_t>(what);
      case kI64:
        return Number<int64_t>(what);
      case kFloat64:
        return Number<double>(what);
      case kList:
        return List(what, depth);
      default:
        throw Error("{}: {} before offset {} has the type {}, which is none of the format", where_, what, at_, type);
    }
  }

 private:
  Json List(const std::string& what, int depth) {
    if (depth == kMaxDepth) throw Error("{}: {} at offset {}: lists within lists within lists", where_, what, at_);
    const uint32_t type = Number<uint32_t>(what + "'s type");
    const uint64_t least = LeastBytes(type);
    if (least == 0) {
      throw Error("{}: {} before offset {} is a list of type {}, which is none of the format", where_, what, at_, type);
    }
    const uint64_t count = Count(what + "'s length", least);
    Json list = Json::array();
    for (uint64_t i = 0; i < count; ++i) list.push_back(Value(type, what, depth + 1));
    return list;
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  size_t at_ = 0;
};

// NAME-00002-of-00003.gguf is part 2 of 3.
struct Part {
  std::string name;
  int64_t number, count;
};
std::optional<Part> PartOf(const fs::path& path) {
  const std::string stem = path.stem().string();  // NAME-00002-of-00003
  constexpr size_t kDigits = 5, kTail = 1 + kDigits + 4 + kDigits;
  if (stem.size() <= kTail) return std::nullopt;
  const std::string tail = stem.substr(stem.size() - kTail);
  const auto number = [&](size_t at) -> int64_t {
    int64_t value = 0;
    for (size_t i = at; i < at + kDigits; ++i) {
      if (std::isdigit(static_cast<unsigned char>(tail[i])) == 0) return -1;
      value = value * 10 + (tail[i] - '0');
    }
    return value;
  };
  const int64_t part = number(1), count = number(kTail - kDigits);
  if (tail[0] != '-' || tail.substr(1 + kDigits, 4) != "-of-" || part < 1 || count < 1) return std::nullopt;
  return Part{stem.substr(0, stem.size() - kTail), part, count};
}

uint64_t AlignUp(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

}  // namespace

std::string GgufValueText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60);
}

GgufFile::GgufFile(const fs::path& path) : where_(path.string()) {
  const std::optional<Part> part = PartOf(path);
  const int64_t parts = part ? part->count : 1;
  if (part && part->number != 1) {
    throw Error("{} is part {} of {}; name the first, {}-00001-of-{:05}.gguf", where_, part->number, parts, part->name,
                parts);
  }
  for (int64_t i = 0; i < parts; ++i) {
    const fs::path file =
        part ? path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", part->name, i + 1, parts) : path;
    files_.push_back(std::make_shared<MappedFile>(file));
    Parse(files_.back()->bytes(), file.string(), i, parts);
  }
  const auto total = metadata_.find("split.tensors.count");
  if (parts > 1 && total != metadata_.end() && total->second != tensors_.size()) {
    throw Error("{}: split.tensors.count is {}, but the {} files have {} tensors", where_, GgufValueText(total->second),
                parts, tensors_.size());
  }
}

GgufFile::GgufFile(std::span<const std::byte> bytes, const std::string& where) : where_(where) {
  Parse(bytes, where, 0, 1);
}

void GgufFile::Parse(std::span<const std::byte> bytes, const std::string& where, int64_t part, int64_t parts) {
  static_assert(std::endian::native == std::endian::little);
  Cursor in(bytes, where);
  if (bytes.size() < kMagic.size() || in.Bytes(kMagic.size(), "the magic") != kMagic) {
    throw Error("{} is no GGUF file: it does not begin with \"GGUF\"", where);
  }
  const uint32_t version = in.Number<uint32_t>("the version");
  if (version != 2 && version != 3) {
    const bool swapped = version == uint32_t{3} << 24 || version == uint32_t{2} << 24;
    throw Error("{}: {}", where,
                swapped ? "the file is big-endian; only little-endian files are read"
                        : fmt::format("GGUF version {}; versions 2 and 3 are read", version));
  }
  const uint64_t tensor_count = in.Count("the number of tensors", 1);
  const uint64_t key_count = in.Count("the number of keys", 8 + 4 + 1);

  std::map<std::string, Json> metadata;
  for (uint64_t i = 0; i < key_count; ++i) {
    const std::string key = in.String(fmt::format("key {} of {}", i + 1, key_count));
    const uint32_t type = in.Number<uint32_t>("the type of " + key);
    if (!metadata.emplace(key, in.Value(type, key)).second) throw Error("{}: the key {} is there twice", where, key);
  }
  uint64_t alignment = kDefaultAlignment;
  if (const auto key = metadata.find("general.alignment"); key != metadata.end()) {
    if (!key->second.is_number_unsigned() || key->second == 0 || !std::has_single_bit(key->second.get<uint64_t>())) {
      throw Error("{}: general.alignment is {}; it must be a power of two", where, GgufValueText(key->second));
    }
    alignment = key->second.get<uint64_t>();
  }
  if (parts > 1 && metadata.contains("split.no") && metadata["split.no"] != part) {
    throw Error("{}: split.no is {}, but its name says {}", where, GgufValueText(metadata["split.no"]), part);
  }
  if (metadata.contains("split.count") && metadata["split.count"] != parts) {
    throw Error("{}: split.count is {}, but its name says that there {} {}", where,
                GgufValueText(metadata["split.count"]), parts == 1 ? "is" : "are", parts);
  }

  struct Place {
    std::string name;
    uint64_t offset, bytes;
  };
  std::vector<Place> places;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    const std::string name = in.String(fmt::format("the name of tensor {} of {}", i + 1, tensor_count));
    const std::string what = "tensor " + name;
    const uint32_t dimensions = in.Number<uint32_t>(what);
    if (dimensions < 1 || dimensions > kMaxDimensions) {
      throw Error("{}: {} has {} dimensions; it must have 1 to {}", where, what, dimensions, kMaxDimensions);
    }
    GgufTensor tensor;
    tensor.shape.resize(dimensions);
    uint64_t values = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      const uint64_t size = in.Number<uint64_t>(what);
      if (size == 0 || size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 8 / values) {
        throw Error("{}: {}: dimension {} is {}", where, what, d, size);
      }
      values *= size;
      tensor.shape[dimensions - 1 - d] = static_cast<int64_t>(size);
    }
    const uint32_t number = in.Number<uint32_t>(what);
    const std::optional<GgufType> type = GgufTypeFromNumber(number);
    if (!type) {
      std::string names;
      for (const std::string& known : GgufTypeNames()) names += (names.empty() ? "" : ", ") + known;
      throw Error("{}: {} has the type number {}, which is not read; known are {}", where, what, number, names);
    }
    tensor.type = *type;
    if (tensor.shape.back() % GgufBlockValues(*type) != 0) {
      throw Error("{}: {} has rows of {} values, which are not whole blocks of {} ({})", where, what,
                  tensor.shape.back(), GgufBlockValues(*type), GgufTypeName(*type));
    }
    const uint64_t offset = in.Number<uint64_t>(what);
    if (offset % alignment != 0) {
      throw Error("{}: {} begins at offset {}, which is not a multiple of {}", where, what, offset, alignment);
    }
    places.push_back({name, offset, values / static_cast<uint64_t>(GgufBlockValues(*type)) * GgufBlockBytes(*type)});
    if (!tensors_.emplace(name, std::move(tensor)).second) throw Error("{}: {} is there twice", where, what);
  }

  const uint64_t data = AlignUp(in.offset(), alignment);
  const uint64_t available = bytes.size() > data ? bytes.size() - data : 0;
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.offset < b.offset; });
  uint64_t end = 0;
  for (const Place& p : places) {
    if (p.offset < end) throw Error("{}: tensor {} at offset {} overlaps the one before it", where, p.name, p.offset);
    if (p.offset > available || p.bytes > available - p.offset) {
      throw Error("{}: tensor {} at offset {} of the data needs {} bytes, but the data has {}: the file is cut off",
                  where, p.name, p.offset, p.bytes, available);
    }
    end = p.offset + p.bytes;
    tensors_.at(p.name).blocks = bytes.subspan(static_cast<size_t>(data + p.offset), static_cast<size_t>(p.bytes));
  }
  if (part == 0) metadata_ = std::move(metadata);
}

// ---- Writing

namespace {

template <typename T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void PutString(std::string& out, const std::string& text) {
  Put<uint64_t>(out, text.size());
  out += text;
}

ValueType TypeOf(const Json& value) {
  if (value.is_boolean()) return kBool;
  if (value.is_string()) return kString;
  if (value.is_array()) return kList;
  if (value.is_number_float()) return kFloat32;
  FULGUR_CHECK(value.is_number_integer());
  const bool small = value.is_number_unsigned() || value.get<int64_t>() >= 0;
  return small && value.get<uint64_t>() <= std::numeric_limits<uint32_t>::max() ? kU32 : kI64;
}

void PutValue(std::string& out, ValueType type, const Json& value) {
  switch (type) {
    case kBool:
      return Put<uint8_t>(out, value.get<bool>() ? 1 : 0);
    case kString:
      return PutString(out, value.get<std::string>());
    case kFloat32:
      return Put(out, value.get<float>());
    case kU32:
      return Put(out, value.get<uint32_t>());
    case kI32:
      return Put(out, value.get<int32_t>());
    case kI64:
      return Put(out, value.get<int64_t>());
    default: {
      FULGUR_CHECK(type == kList && !value.empty());
      const ValueType first = TypeOf(value.front());
      const ValueType member = first == kU32 ? kI32 : first;
      Put<uint32_t>(out, member);
      Put<uint64_t>(out, value.size());
      for (const Json& v : value) PutValue(out, member, v);
    }
  }
}

}  // namespace

size_t GgufWriter::Entry::bytes() const {
  return static_cast<size_t>(NumElements(shape) / GgufBlockValues(type)) * GgufBlockBytes(type);
}

GgufWriter::GgufWriter(const fs::path& path, const std::vector<std::pair<std::string, Json>>& metadata,
                       const std::vector<Entry>& tensors)
    : file_(path) {
  std::string header(kMagic);
  Put<uint32_t>(header, 3);
  Put<uint64_t>(header, tensors.size());
  Put<uint64_t>(header, metadata.size());
  for (const auto& [key, value] : metadata) {
    PutString(header, key);
    const ValueType type = TypeOf(value);
    Put<uint32_t>(header, type);
    PutValue(header, type, value);
  }
  uint64_t offset = 0;
  for (const Entry& t : tensors) {
    FULGUR_CHECK(!t.shape.empty() && t.shape.back() % GgufBlockValues(t.type) == 0);
    PutString(header, t.name);
    Put<uint32_t>(header, static_cast<uint32_t>(t.shape.size()));
    for (auto d = t.shape.rbegin(); d != t.shape.rend(); ++d) Put<uint64_t>(header, static_cast<uint64_t>(*d));
    Put<uint32_t>(header, static_cast<uint32_t>(t.type));
    Put<uint64_t>(header, offset);
    sizes_.push_back(t.bytes());
    offset = AlignUp(offset + sizes_.back(), kDefaultAlignment);
  }
  header.resize(AlignUp(header.size(), kDefaultAlignment), '\0');
  file_.Write(header);
}

void GgufWriter::Write(std::span<const std::byte> data) {
  FULGUR_CHECK(current_ < sizes_.size() && data.size() <= sizes_[current_] - written_);
  file_.Write(data.data(), data.size());
  written_ += data.size();
  if (written_ < sizes_[current_]) return;
  Pad();
}

// To where the next tensor begins.
void GgufWriter::Pad() {
  const std::string zeros(AlignUp(written_, kDefaultAlignment) - written_, '\0');
  file_.Write(zeros);
  ++current_;
  written_ = 0;
}

void GgufWriter::Commit() {
  FULGUR_CHECK(current_ == sizes_.size(), "tensor {} is not whole", current_);
  file_.Commit();
}

}  // namespace fulgur
