// Writing the files of a checkpoint, shard by shard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tensor/safetensors.h"

namespace fulgur {

struct CheckpointWriterOptions {
  int64_t max_shard_bytes = int64_t{4} << 30;                    // of tensors; a larger tensor gets a shard of its own
  std::function<void(int64_t written, int64_t total)> progress;  // bytes of tensors; may be empty
  Metadata tensor_metadata;  // by tensor name: goes into the metadata of the file that holds the tensor
  // Says what is being written, if that can be resumed: finished shards then outlive a run that is cut off, and one
  // with the same `source` and entries takes them over. Empty: nothing is kept.
  std::string source;
};

// Writes config.json (`config`) and the tensors of `entries`, in shards numbered from 00000 with an index if there are
// several. write(i, sink) gives the data of entry i to the sink, in pieces of any size.
// Everything is written and synced under temporary names (*.partial) first. Then the old config.json goes, the old
// weights (model.safetensors, model-*-of-*.safetensors, the index) are replaced, and the new config.json comes last: a
// save that is cut off leaves the old checkpoint, the new one, or a folder without config.json, never a mixture.
using Sink = std::function<void(const void* data, size_t bytes)>;
void WriteCheckpoint(const std::filesystem::path& dir, const Json& config,
                     const std::vector<SafetensorsWriter::Entry>& entries, const CheckpointWriterOptions& options,
                     const std::function<void(size_t, const Sink&)>& write);

}  // namespace fulgur
