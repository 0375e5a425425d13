// A sequence's state in files: NAME.state has the state as SequenceState::Save writes it, NAME.entry which tokens and
// weights it belongs to, and the checksums of both. The entry is written last and each file is complete or absent, so
// without an entry there is nothing, whenever the process was killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/sequence_state.h"

namespace fulgur {

inline constexpr const char* kStateSuffix = ".state";
inline constexpr const char* kEntrySuffix = ".entry";

struct StateEntry {
  std::vector<int32_t> tokens;  // the state has taken in the first `length`
  int64_t length = 0, chunk_start = 0;
  std::string model_key;
  uint32_t state_crc = 0;  // of the state's file
  size_t bytes = 0;        // of both files
};

// `base` is the path without a suffix. All throw Error naming the file: what cannot be written or read, a checksum that
// does not match, counters that do not fit.
StateEntry WriteStateFiles(const std::filesystem::path& base, std::span<const int32_t> tokens,
                           const SequenceState& state, const std::string& model_key, const ModelConfig& config);
StateEntry ReadStateEntry(const std::filesystem::path& base);
SequenceState ReadState(const std::filesystem::path& base, const StateEntry& entry, const ModelConfig& config);
// Both files, and what writing them may have left behind. Does nothing if there are none.
void RemoveStateFiles(const std::filesystem::path& base);

}  // namespace fulgur
