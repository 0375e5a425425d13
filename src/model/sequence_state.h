// What a model remembers of one sequence: per lightning layer the state matrix at the last chunk boundary and the rows of
// the running chunk, per softmax layer the KV cache. The bits depend on the tokens alone, not on how they arrived.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace fulgur {

// Both kinds of attention work in blocks at absolute positions [n * kBlock, (n + 1) * kBlock).
inline constexpr int64_t kBlock = 64;

class SequenceState {
 public:
  explicit SequenceState(const ModelConfig& config);
  SequenceState(const SequenceState&) = default;  // a fork: full KV blocks are shared, the rest is copied
  SequenceState& operator=(const SequenceState&) = default;
  SequenceState(SequenceState&&) = default;
  SequenceState& operator=(SequenceState&&) = default;

  int64_t length() const { return length_; }  // tokens so far
  size_t bytes() const;                       // memory held, shared blocks counted in full

  // Back to `length` tokens. In the running chunk (length >= length() / kBlock * kBlock) this is free for models with
  // lightning layers; further back needs a snapshot, and is an Error. Models without lightning layers go back anywhere.
  bool CanTruncate(int64_t length) const;
  void Truncate(int64_t length);

  // A safetensors file, equal bits after reading. Load throws Error if the file is of another model's shape.
  void Save(const std::filesystem::path& path) const;
  static SequenceState Load(const std::filesystem::path& path, const ModelConfig& config);

  // For the attention kernels and for `debug forward`.
  struct Lightning {
    std::vector<float> state;  // [H, D, D] at the last chunk boundary: key dim, value dim
    std::vector<float> k;      // [H, D, kBlock]: keys of the running chunk, transposed
    std::vector<float> v;      // [H, kBlock, D]
  };
  struct KvBlock {
    std::vector<float> k;  // [K, D, kBlock]: keys after rotary, transposed
    std::vector<float> v;  // [K, kBlock, D]
  };
  struct Layer {
    Lightning lightning;                           // lightning layers
    std::vector<std::shared_ptr<KvBlock>> blocks;  // softmax layers
  };
  Layer& layer(int64_t n) { return layers_[static_cast<size_t>(n)]; }
  const Layer& layer(int64_t n) const { return layers_[static_cast<size_t>(n)]; }
  // Makes the blocks for `count` more tokens and un-shares the last one, then advances. Called by Model::Forward.
  void Reserve(const ModelConfig& config, int64_t count);
  void Advance(int64_t count) { length_ += count; }

  // The lightning state after all tokens so far, as the reference defines it. [H, D, D]
  Tensor LightningState(const ModelConfig& config, int64_t layer) const;

 private:
  int64_t length_ = 0;
  bool has_lightning_ = false;
  std::vector<Layer> layers_;
};

}  // namespace fulgur
