// A small model folder and a run's config for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "model/checkpoint.h"
#include "train/test_util.h"
#include "train/trainer.h"

namespace fulgur {

// Random weights with the tokenizer of train/test_util.h, in `dir`.
inline void WriteTinyModel(const std::filesystem::path& dir, uint64_t seed = 7) {
  WriteTextFiles(dir);
  Json json = TinyDimensions();
  json["vocab_size"] = 291;
  json["eos_token_id"] = 276;  // <end_of_sentence>
  const ModelConfig config = ModelConfig::FromJson(json, "tiny");
  Params params = RandomParams(config, seed);
  SaveOptions save;
  save.dtype = DType::kF32;
  SaveCheckpoint(dir, config, params, save);
}

// A run in `folder`/run from `folder`/model. The model's text is noise, so what it is rewarded for is to stop early:
// the penalty of long responses. Under a second of work.
inline Json TinyRlRun(const std::filesystem::path& folder) {
  WriteTinyModel(folder / "model");
  return {{"out", (folder / "run").string()},
          {"seed", 3},
          {"model", (folder / "model").string()},
          {"data", {{{"type", "tasks"}, {"tasks", {"addition"}}, {"difficulties", {1, 2}}}}},
          {"batches", 4},
          {"rollouts", {{"prompts", 4}, {"responses", 4}, {"most_prompts", 8}, {"max_batch", 8}}},
          {"updates", 2},
          {"reward", {{"overlong_buffer", 20}}},
          {"stages", {{{"window", 24}}}},
          {"schedule", {{"lr", 0.003}}},
          {"micro_tokens", 512},
          {"save_dtype", "F32"}};
}

}  // namespace fulgur
