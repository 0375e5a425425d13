#include "model/checkpoint_writer.h"

#include <algorithm>
#include <regex>
#include <set>

#include "base/file.h"
#include "model/checkpoint.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using Entry = SafetensorsWriter::Entry;

bool IsWeightFile(const std::string& name) {
  static const std::regex pattern(R"(model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)");
  return std::regex_match(name, pattern);
}
bool IsPartialFile(const std::string& name) {  // of a save that was cut off
  static const std::regex pattern(R"((model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)\.partial.*)");
  return std::regex_match(name, pattern);
}
bool IsStagedFile(const std::string& name) { return name.ends_with(".partial"); }  // written to the end
template <typename Predicate>
void RemoveFiles(const fs::path& dir, Predicate&& predicate) {
  std::vector<fs::path> doomed;
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    if (predicate(file.path().filename().string())) doomed.push_back(file.path());
  }
  for (const fs::path& path : doomed) fs::remove(path);
}
// Removes what a failed save (a full disk) has staged.
struct PartialFileRemover {
  const fs::path& dir;
  bool keep;
  ~PartialFileRemover() {
    if (keep) return;
    try {
      RemoveFiles(dir, IsPartialFile);
    } catch (const fs::filesystem_error&) {  // the folder is gone: so are its files
    }
  }
};

// What an entry's data begins at a multiple of, or should: packed weights are read by whole cache lines.
size_t Alignment(const Entry& entry) { return entry.dtype == DType::kU8 ? 64 : DTypeSize(entry.dtype); }

// Whether `path` is a shard with these entries and metadata, written to the end (its name says so).
bool IsShard(const fs::path& path, const std::vector<Entry>& entries, const Metadata& metadata) {
  if (!fs::exists(path)) return false;
  Metadata found;
  TensorMap tensors;
  try {
    tensors = ReadSafetensors(path, &found);
  } catch (const Error&) {
    return false;
  }
  return found == metadata && tensors.size() == entries.size() &&
         std::all_of(entries.begin(), entries.end(), [&](const Entry& e) {
           const auto it = tensors.find(e.name);
           return it != tensors.end() && it->second.dtype() == e.dtype && it->second.shape() == e.shape;
         });
}

// Consecutive entries, cut where a shard would become too large; in a shard those that need the largest alignment come
// first, so that all data is aligned.
std::vector<std::vector<size_t>> PlanShards(const std::vector<Entry>& entries, int64_t max_bytes) {
  std::vector<std::vector<size_t>> shards(1);
  int64_t used = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto bytes = static_cast<int64_t>(entries[i].bytes());
    if (!shards.back().empty() && bytes > max_bytes - used) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(i);
    used += bytes;
  }
  for (std::vector<size_t>& shard : shards) {
    std::stable_sort(shard.begin(), shard.end(),
                     [&](size_t a, size_t b) { return Alignment(entries[a]) > Alignment(entries[b]); });
  }
  return shards;
}

}  // namespace

void WriteCheckpoint(const fs::path& dir, const Json& config, const std::vector<Entry>& entries,
                     const CheckpointWriterOptions& options, const std::function<void(size_t, const Sink&)>& write) {
  if (options.max_shard_bytes < 1) {
    throw Error("the largest size of a shard must be positive, found {} bytes", options.max_shard_bytes);
  }
  const std::vector<std::vector<size_t>> shards = PlanShards(entries, options.max_shard_bytes);
  const bool resumable = !options.source.empty();
  int64_t total = 0, written = 0;
  for (const Entry& entry : entries) total += static_cast<int64_t>(entry.bytes());

  try {
    fs::create_directories(dir);
    RemoveFiles(dir,
                [&](const std::string& name) { return IsPartialFile(name) && !(resumable && IsStagedFile(name)); });
    const PartialFileRemover remover{dir, resumable};
    std::vector<std::string> names;
    Json weight_map = Json::object();
    for (size_t s = 0; s < shards.size(); ++s) {
      names.push_back(shards.size() == 1 ? kSingleFile
                                         : fmt::format("model-{:05}-of-{:05}.safetensors", s, shards.size()));
      std::vector<Entry> shard;
      Metadata metadata = {{"format", "pt"}};
      if (resumable) metadata["source"] = options.source;
      for (const size_t i : shards[s]) {
        shard.push_back(entries[i]);
        weight_map.push_back({entries[i].name, names[s]});
        const auto about = options.tensor_metadata.find(entries[i].name);
        if (about != options.tensor_metadata.end()) metadata.insert(*about);
      }
      const fs::path path = dir / (names[s] + ".partial");
      if (resumable && IsShard(path, shard, metadata)) {
        for (const Entry& entry : shard) written += static_cast<int64_t>(entry.bytes());
        if (options.progress) options.progress(written, total);
        continue;
      }
      SafetensorsWriter writer(path, shard, metadata);
      for (const size_t i : shards[s]) {
        write(i, [&](const void* data, size_t bytes) {
          writer.Write(data, bytes);
          written += static_cast<int64_t>(bytes);
          if (options.progress) options.progress(written, total);
        });
      }
      writer.Commit();
    }
    if (shards.size() > 1) {
      names.push_back(kIndexFile);
      const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
      WriteFileAtomic(dir / (names.back() + std::string(".partial")), index.dump(2) + "\n");
    }

    fs::remove(dir / kConfigFile);
    SyncFolder(dir);
    RemoveFiles(dir, IsWeightFile);
    for (const std::string& name : names) fs::rename(dir / (name + ".partial"), dir / name);
    RemoveFiles(dir, IsPartialFile);  // of another plan
    SyncFolder(dir);
    WriteFileAtomic(dir / kConfigFile, config.dump(2) + "\n");
  } catch (const fs::filesystem_error& e) {
    throw Error("cannot write checkpoint {}: {}", dir.string(), e.what());
  }
}

}  // namespace fulgur
