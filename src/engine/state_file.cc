#include "engine/state_file.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/file.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

constexpr const char* kFormat = "fulgur state entry 1";

std::filesystem::path With(const std::filesystem::path& base, const char* suffix) { return base.string() + suffix; }

// What an entry says, in one text, for its checksum.
uint32_t EntryCrc(const Metadata& m, const std::vector<int32_t>& tokens) {
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}\n", m.at("length"), m.at("chunk_start"), m.at("model_key"), m.at("state_crc32c"));
  return Crc32c(tokens.data(), tokens.size() * sizeof(int32_t), Crc32c(text.data(), text.size()));
}

template <typename T>
T Number(const Metadata& m, const char* key, int radix, const std::string& where) {
  const std::string& text = m.at(key);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (error != std::errc() || end != text.data() + text.size()) throw Error("{}: {} is \"{}\"", where, key, text);
  return value;
}

}  // namespace

StateEntry WriteStateFiles(const std::filesystem::path& base, std::span<const int32_t> tokens,
                           const SequenceState& state, const std::string& model_key, const ModelConfig& config) {
  StateEntry entry;
  entry.tokens.assign(tokens.begin(), tokens.end());
  entry.length = state.length();
  entry.chunk_start = state.chunk_start();
  entry.model_key = model_key;
  const std::filesystem::path state_path = With(base, kStateSuffix), entry_path = With(base, kEntrySuffix);
  std::error_code ignored;
  std::filesystem::remove(entry_path, ignored);  // an old entry must not stand beside a new state
  state.Save(config, state_path);
  {
    const MappedFile file(state_path);
    entry.state_crc = Crc32c(file.bytes().data(), file.bytes().size());
    entry.bytes = file.bytes().size();
  }
  Metadata metadata = {{"format", kFormat},
                       {"length", fmt::format("{}", entry.length)},
                       {"chunk_start", fmt::format("{}", entry.chunk_start)},
                       {"model_key", model_key},
                       {"state_crc32c", fmt::format("{:08x}", entry.state_crc)}};
  metadata["crc32c"] = fmt::format("{:08x}", EntryCrc(metadata, entry.tokens));
  Tensor ids(DType::kI64, {static_cast<int64_t>(tokens.size())});
  std::copy(tokens.begin(), tokens.end(), ids.values<int64_t>().begin());
  WriteSafetensors(entry_path, {{"tokens", ids}}, metadata);
  entry.bytes += std::filesystem::file_size(entry_path);
  return entry;
}

StateEntry ReadStateEntry(const std::filesystem::path& base) {
  const std::filesystem::path path = With(base, kEntrySuffix);
  const std::string where = path.string();
  Metadata metadata;
  const TensorMap tensors = ReadSafetensors(path, &metadata);
  for (const char* key : {"format", "length", "chunk_start", "model_key", "state_crc32c", "crc32c"}) {
    if (!metadata.count(key)) throw Error("{}: {} is missing: not the entry of a state", where, key);
  }
  if (metadata["format"] != kFormat) throw Error("{}: not the entry of a state", where);
  const auto tokens = tensors.find("tokens");
  if (tokens == tensors.end() || tokens->second.dtype() != DType::kI64 || tokens->second.shape().size() != 1) {
    throw Error("{}: no I64 tensor \"tokens\": not the entry of a state", where);
  }
  StateEntry entry;
  for (const int64_t id : tokens->second.values<int64_t>()) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) throw Error("{}: {} is not a token", where, id);
    entry.tokens.push_back(static_cast<int32_t>(id));
  }
  if (metadata["crc32c"] != fmt::format("{:08x}", EntryCrc(metadata, entry.tokens))) {
    throw Error("{}: the contents do not match their checksum", where);
  }
  entry.length = Number<int64_t>(metadata, "length", 10, where);
  entry.chunk_start = Number<int64_t>(metadata, "chunk_start", 10, where);
  entry.state_crc = Number<uint32_t>(metadata, "state_crc32c", 16, where);
  entry.model_key = metadata["model_key"];
  if (entry.length < 0 || entry.length > static_cast<int64_t>(entry.tokens.size())) {
    throw Error("{}: a state of {} tokens, but {} tokens", where, entry.length, entry.tokens.size());
  }
  entry.bytes = std::filesystem::file_size(path) + std::filesystem::file_size(With(base, kStateSuffix));
  return entry;
}

SequenceState ReadState(const std::filesystem::path& base, const StateEntry& entry, const ModelConfig& config) {
  const std::filesystem::path path = With(base, kStateSuffix);
  {
    const MappedFile file(path);
    if (Crc32c(file.bytes().data(), file.bytes().size()) != entry.state_crc) {
      throw Error("{}: the contents do not match their checksum", path.string());
    }
  }
  SequenceState state = SequenceState::Load(path, config);
  if (state.length() != entry.length || state.chunk_start() != entry.chunk_start) {
    throw Error("{}: a state of {} tokens, but its entry says {}", path.string(), state.length(), entry.length);
  }
  return state;
}

void RemoveStateFiles(const std::filesystem::path& base) {
  std::error_code ignored;
  std::filesystem::remove(With(base, kEntrySuffix), ignored);  // first: without it there is nothing
  std::filesystem::remove(With(base, kStateSuffix), ignored);
}

}  // namespace fulgur
