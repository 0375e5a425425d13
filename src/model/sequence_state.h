// What a model remembers of one sequence: per lightning layer the state matrix at the start of the last chunk and the
// rows of that chunk, per softmax layer the KV cache. The bits depend on the tokens alone, not on how they arrived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/block_arena.h"
#include "model/config.h"
#include "ops/kv_cache.h"
#include "tensor/tensor.h"

namespace fulgur {

// Both kinds of attention work in blocks at absolute positions [n * kBlock, (n + 1) * kBlock).
inline constexpr int64_t kBlock = 64;

class SequenceState {
 public:
  // `arena` holds the blocks of the KV cache, KvLayout(kv_format, ...).block_bytes() each; null: one of its own.
  explicit SequenceState(const ModelConfig& config, KvFormat kv_format = KvFormat::kF32,
                         std::shared_ptr<BlockArena> arena = nullptr);
  SequenceState(const SequenceState&) = default;  // a fork: full KV blocks are shared, the rest is copied
  SequenceState& operator=(const SequenceState&) = default;
  SequenceState(SequenceState&&) = default;
  SequenceState& operator=(SequenceState&&) = default;

  int64_t length() const { return length_; }            // tokens so far
  int64_t chunk_start() const { return chunk_start_; }  // tokens that the lightning states have taken in
  size_t bytes() const;                                 // memory held, shared blocks counted in full
  KvFormat kv_format() const { return layout_.format(); }
  const KvLayout& kv_layout() const { return layout_; }

  // Back to `length` tokens. Free within the last chunk (length >= chunk_start()); models with lightning layers need a
  // snapshot to go further back, and get an Error. Models without lightning layers go back anywhere.
  bool CanTruncate(int64_t length) const;
  void Truncate(int64_t length);

  // A safetensors file, written block by block; equal bits after reading, in the file's KV format. Load throws Error if
  // the file is of another model's shape.
  void Save(const ModelConfig& config, const std::filesystem::path& path) const;
  static SequenceState Load(const std::filesystem::path& path, const ModelConfig& config);

  // For the attention kernels and for `debug forward`.
  struct Lightning {
    std::vector<float> state;  // [H, D, D] after chunk_start tokens: key dim, value dim
    std::vector<float> k;      // [H, D, kBlock]: keys of the running chunk, transposed
    std::vector<float> v;      // [H, kBlock, D]
  };
  struct Layer {
    Layer(const ModelConfig& config, int64_t n, KvFormat kv_format = KvFormat::kF32);  // of layer n, empty
    void ReserveBlocks(BlockArena& arena, int64_t tokens);  // softmax layers: blocks for so many tokens
    // What `other` remembers after `tokens` tokens, into memory of its own: ReserveBlocks has made the blocks.
    void CopyFrom(const Layer& other, int64_t tokens, int64_t block_bytes);
    Lightning lightning;                             // lightning layers
    std::vector<std::shared_ptr<std::byte>> blocks;  // softmax layers, as KvLayout has them
    KvFormat kv_format;
  };
  Layer& layer(int64_t n) { return layers_[static_cast<size_t>(n)]; }
  const Layer& layer(int64_t n) const { return layers_[static_cast<size_t>(n)]; }
  // For Model::Forward: makes the blocks for `count` more tokens and un-shares the last one; counts them as taken in.
  void Reserve(const ModelConfig& config, int64_t count);
  void Advance(int64_t count);

  // For caches that share full KV blocks among states: takes the blocks before chunk_start() out, by position and then
  // by softmax layer, and puts such blocks in at the front. A state without them may be copied and put together again,
  // no more.
  using Blocks = std::vector<std::shared_ptr<std::byte>>;
  Blocks TakeFullBlocks();
  void PutFullBlocks(const Blocks& blocks);
  // Makes the blocks since chunk_start() this state's own: no other will write to them.
  void OwnLastBlocks();

  // The lightning state after all tokens so far, as the reference defines it. [H, D, D]
  Tensor LightningState(const ModelConfig& config, int64_t layer) const;

 private:
  void OwnBlock(Layer& layer, size_t block);  // replaces a block by a copy

  int64_t length_ = 0;
  int64_t chunk_start_ = 0;
  bool has_lightning_ = false;
  KvLayout layout_;
  std::shared_ptr<BlockArena> arena_;  // shared with forks
  std::vector<Layer> layers_;
};

}  // namespace fulgur
