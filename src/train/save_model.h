// The model that a run leaves: a folder that every command takes, and that another run can start from.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "model/params.h"
#include "tensor/tensor.h"

namespace fulgur {

// What goes with a run's weights.
struct ModelFiles {
  std::filesystem::path text;           // folder of the tokenizer and the chat template
  std::set<std::string> trained_tasks;  // train/trained_tasks.h
  DType dtype = DType::kBF16;           // of the matrices
};

// Copies the files of a tokenizer, chat template and generation settings that are there.
void CopyTextFiles(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes the model to `dir`: config.json last, so that a folder with one is complete.
void SaveModel(const std::filesystem::path& dir, const ModelConfig& config, Params& params, const ModelFiles& files);

// Writes the newest checkpoint of the run in `out` as a model to `dir`; returns its step. `shapes` has parameters of
// the model's shapes, `sources` is RunCheckpoints::ReadNewest's. Error if there is no checkpoint.
int64_t ExportRun(const std::filesystem::path& out, const ModelConfig& config, Params& shapes, size_t sources,
                  const ModelFiles& files, const std::filesystem::path& dir);

}  // namespace fulgur
