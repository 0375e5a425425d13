// The model: parameters, and the one forward pass that prefill, decoding, batches and training share.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/params.h"
#include "model/sequence_state.h"

namespace fulgur {

// Tokens to append to one sequence. Several segments in one call must have different states.
struct Segment {
  SequenceState* state;
  std::span<const int32_t> tokens;
  int64_t last = 1;  // for LogitRows::kLast: how many of its last rows get logits, 1 to tokens.size()
};

enum class LogitRows { kNone, kLast, kAll };  // which rows of each segment get logits

// Called with intermediate values while a forward runs. Names are those of model/trace.h; rows are all tokens of all
// segments in order.
using Observer = std::function<void(const std::string& name, const float* values, int64_t rows, int64_t cols)>;

class Model {
 public:
  // Packs the weights. keep_weights: keep the unpacked ones too (training); otherwise they are dropped.
  Model(ModelConfig config, Params params, ThreadPool& pool, bool keep_weights = false);
  static std::unique_ptr<Model> Load(const std::filesystem::path& dir, ThreadPool& pool, bool keep_weights = false);
  ~Model();

  const ModelConfig& config() const { return config_; }
  Params& params() { return params_; }
  ThreadPool& pool() const { return pool_; }

  SequenceState NewState() const { return SequenceState(config_, kv_format_, kv_blocks_); }
  // How states that NewState makes keep keys and values: at first kF32, as gradients need it. A pass takes states of
  // any format.
  KvFormat kv_format() const { return kv_format_; }
  void set_kv_format(KvFormat format);
  // What a program that only infers takes if nobody asks for another: as precise as the weights are. kF32 if all
  // matrices are float32; kBf16Dot if some are multiplied by dot products of narrow numbers; else kBf16.
  KvFormat usual_kv_format() const { return usual_kv_format_; }

  // Appends the segments' tokens to their states. Logits are [rows, V] row-major, rows in segment order; the span is
  // valid until the next call. Token ids outside [0, V) are an Error. Empty segments are allowed (and have no last
  // row). A token's logits depend only on the tokens before it in its sequence: not on other segments, on chunking or
  // threads.
  std::span<const float> Forward(std::span<const Segment> segments, LogitRows rows, const Observer* observer = nullptr);

  // After params().*.weight changed (training): packs them again.
  void Repack();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  ModelConfig config_;
  Params params_;
  ThreadPool& pool_;
  KvFormat kv_format_ = KvFormat::kF32, usual_kv_format_ = KvFormat::kF32;
  std::shared_ptr<BlockArena> kv_blocks_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
