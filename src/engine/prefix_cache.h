// What has been processed before is not processed again: a cache of sequence states by the tokens they have taken in.
//
// A hybrid model remembers in two ways, and the cache keeps both. Keys and values of the softmax layers grow with the
// sequence and can be cut anywhere; they stand in KV blocks of kBlock tokens. The state matrix of a lightning layer has
// a fixed size, but cannot go back: it is kept as it was at some positions, the checkpoints. A prompt is resumed from
// the longest checkpoint whose tokens it begins with; the KV blocks before it come with it.
//
// The cache is a radix tree over blocks of kBlock token ids. An edge holds the tokens of one or more blocks and their
// KV blocks, which every checkpoint and running sequence below shares. A checkpoint hangs on the node at the multiple
// of kBlock where its lightning state stands (SequenceState::chunk_start) and has the up to kBlock tokens since then
// with it, so a prompt that differs only among those still resumes from it. KV blocks beyond the last checkpoint are of
// no use and are not kept.
//
// Eviction is by value per byte:
//   value = tokens that would have to be processed again if this checkpoint alone were gone
//         x its score: uses, each counted 2^(-age / half_life), with the age in look-ups; being made is the first use
// What that frees depends on the kind of memory that is short. Lightning states: the checkpoint's own bytes. KV: the
// blocks that no other checkpoint needs; only checkpoints at the ends of the tree have such.
//
// A state has the same bits however it came to be (model/sequence_state.h), so answers are the same with and without
// the cache.
//
// With a spill folder, what is evicted from memory is written to files, by a thread of its own, and read back when a
// prompt begins with it. A file is complete or absent, and carries checksums; one that does not hold what it should is
// deleted. Files of other weights (PrefixCacheOptions::model_key) are deleted too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/sequence_state.h"

namespace fulgur {

struct PrefixCacheOptions {
  size_t state_bytes =
      size_t{512} << 20;                // most memory for lightning states (and the tails of checkpoints); 0: no cache
  size_t kv_bytes = size_t{512} << 20;  // most memory for KV blocks
  double half_life = 256;               // of a use, in look-ups
  // On the way through a prompt a checkpoint is made every so many tokens; 0: only where the request says.
  int64_t interval = 4096;
  // A checkpoint that saves fewer tokens than this over the one before it is not made.
  int64_t min_tokens = 32;

  std::filesystem::path spill_folder{};          // empty: nothing is written to disk
  size_t spill_bytes = size_t{4} << 30;          // most bytes of files; the least recently used go first
  size_t spill_queue_bytes = size_t{256} << 20;  // most memory that waits to be written; what is beyond is dropped
  std::string model_key{};                       // names the weights; files of another key are not used
};

// `bytes` of memory split between the two kinds as a conversation of `interval` (or 4096) tokens with one checkpoint
// would.
PrefixCacheOptions SplitCacheMemory(const ModelConfig& config, KvFormat kv_format, size_t bytes,
                                    PrefixCacheOptions options = {});

struct PrefixCacheStats {
  int64_t lookups = 0, hits = 0;                       // hits: that found at least one token
  int64_t lookup_tokens = 0, hit_tokens = 0;           // tokens of the prompts, and of those found
  int64_t checkpoints = 0, nodes = 0;                  // held now
  size_t state_bytes = 0, kv_bytes = 0;                // held now
  int64_t inserted = 0, evicted = 0;                   // checkpoints
  int64_t spill_files = 0, spilled = 0, restored = 0;  // files held now; written; read back
  int64_t spill_damaged = 0, spill_dropped = 0;        // files that were not what they should be; not written in time
  size_t spill_bytes = 0;                              // held now
};

// Not thread-safe: one thread calls it (the scheduler's).
class PrefixCache {
 public:
  // wake: called on another thread when a file has been read that Prepare was asked for. Throws Error if the spill
  // folder cannot be used.
  PrefixCache(const ModelConfig& config, PrefixCacheOptions options, std::function<void()> wake = nullptr);
  ~PrefixCache();  // waits for files that are being written

  bool enabled() const;  // there is memory for it

  // False: a file holds more of this prompt than memory does and is being read; ask again after `wake` (or look up
  // without it).
  bool Prepare(std::span<const int32_t> prompt);
  // The state of the longest beginning of the prompt that is at hand, shorter than the prompt by at least one token.
  std::optional<SequenceState> Lookup(std::span<const int32_t> prompt);
  // The same, without counting as a use.
  std::optional<SequenceState> Peek(std::span<const int32_t> prompt) const;
  // Tokens that Lookup would find.
  int64_t Match(std::span<const int32_t> prompt) const;

  // Positions of a prompt, in increasing order, at which Insert is worth while, those after `begun`: the hints, where
  // the prompt leaves what the cache knows (others are likely to leave it there too), every `interval` tokens, and the
  // prompt's end; without those that are closer than min_tokens to the one before.
  std::vector<int64_t> Checkpoints(std::span<const int32_t> prompt, int64_t begun,
                                   std::span<const int64_t> hints) const;

  // Keeps the state; tokens: at least the state.length() that it has taken in.
  void Insert(std::span<const int32_t> tokens, SequenceState state);

  void Clear(std::string model_key);  // other weights: nothing that is here or on disk counts any more
  void SpillAll();                    // writes all that memory holds and waits for it
  PrefixCacheStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
