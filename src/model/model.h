// The model: parameters, packed for products, and what follows from its configuration. What walks tokens through it is
// a Pass (model/pass.h).
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/params.h"
#include "model/sequence_state.h"
#include "ops/exec_context.h"
#include "ops/lightning_attention.h"
#include "ops/rotary.h"

namespace fulgur {

class Model {
 public:
  // Packs the weights. keep_weights: keep the unpacked ones too (training); otherwise they are dropped.
  Model(ModelConfig config, Params params, ExecContext& exec, bool keep_weights = false);
  static std::unique_ptr<Model> Load(const std::filesystem::path& dir, ExecContext& exec, bool keep_weights = false);

  const ModelConfig& config() const { return config_; }
  Params& params() { return params_; }
  const Params& params() const { return params_; }
  ExecContext& exec() const { return exec_; }
  const Rotary& rotary() const { return rotary_; }
  const LightningDecay& decay(int64_t layer) const { return decay_[static_cast<size_t>(layer)]; }  // lightning layers

  SequenceState NewState() const { return SequenceState(config_, kv_format_, kv_blocks_); }
  // How states that NewState makes keep keys and values: at first kF32, as gradients need it. A pass takes states of
  // any format.
  KvFormat kv_format() const { return kv_format_; }
  void set_kv_format(KvFormat format);
  // What a program that only infers takes if nobody asks for another: as precise as the weights are. kF32 if all
  // matrices are float32; kBf16Dot if some are multiplied by dot products of narrow numbers; else kBf16.
  KvFormat usual_kv_format() const { return usual_kv_format_; }

  // After params().*.weight changed (training): packs them again.
  void Repack();

 private:
  ModelConfig config_;
  Params params_;
  ExecContext& exec_;
  Rotary rotary_;
  std::vector<LightningDecay> decay_;  // per layer (of no slopes for softmax layers)
  KvFormat kv_format_ = KvFormat::kF32, usual_kv_format_ = KvFormat::kF32;
  std::shared_ptr<BlockArena> kv_blocks_;
};

}  // namespace fulgur
