// Checkpoints of a training run: everything that decides the steps to come, in one file that is either complete or
// absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model/params.h"
#include "train/data.h"

namespace fulgur {

// What a checkpoint holds beside the tensors.
struct RunState {
  int64_t step = 0;    // steps done
  int64_t tokens = 0;  // trained on so far
  DataState data;
  Json fingerprint;  // of the config (ConfigKeys), and the files it names
  Json extra;        // what another kind of run than train/trainer.h keeps beside these; may be null
  Json line;         // of the step, for the metrics, if it is not in them yet; else null
  // Copies of the weights before earlier steps that steps to come still need, the oldest first. Copies of the state
  // share them: nobody writes to them.
  std::vector<Params> past;
};

class RunCheckpoints {
 public:
  // Checkpoints are `folder`/step-00001000.safetensors: parameters, "m."- and "v."-moments, and earlier weights as
  // "past.0." and so on, all float32, and the state in the metadata under a CRC of everything.
  explicit RunCheckpoints(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Writes one atomically, then removes all but the newest `keep` and what interrupted writes left.
  void Write(const ModelConfig& config, const RunState& state, Params& params, Params& m, Params& v, int64_t keep);

  bool empty() const { return List().empty(); }
  size_t size() const { return List().size(); }

  // Reads the newest complete one into params, m and v (writable float32 tensors of the right shapes). A damaged one is
  // skipped with a warning on stderr. Nothing if there is none; Error if there are some, all damaged.
  std::optional<RunState> ReadNewest(const ModelConfig& config, size_t sources, Params& params, Params& m, Params& v);

 private:
  std::vector<std::filesystem::path> List() const;  // newest first
  RunState Read(const std::filesystem::path& path, const ModelConfig& config, size_t sources, Params& params, Params& m,
                Params& v) const;
  std::filesystem::path folder_;
};

}  // namespace fulgur
